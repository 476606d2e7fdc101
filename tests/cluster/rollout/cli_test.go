package rollout_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"boardcafe/tests/cluster"
	"boardcafe/tests/cluster/machine"
	"boardcafe/tests/engine"
)

// call is one call of rollout.
type call struct {
	release string
	stdin   string
	env     []string
	file    string // docker-stack.yml unless set
	host    string // the manager's socket unless set
	// probed are the machines that the release must serve on; all unless set.
	probed []*machine.Machine
}

// result is how a call ended.
type result struct {
	code           int
	stdout, stderr string
	took           time.Duration
}

func (r result) all() string { return r.stdout + r.stderr }

// rollout calls the program as a pipeline would. Machines are probed at the addresses where this host
// reaches them.
func (s *cafe) rollout(t *testing.T, c call, args ...string) result {
	t.Helper()
	cmd := s.command(t.Context(), c, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	begin := time.Now()
	err := cmd.Run()
	r := result{stdout: stdout.String(), stderr: stderr.String(), took: time.Since(begin)}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		r.code = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	return r
}

func (s *cafe) command(ctx context.Context, c call, args ...string) *exec.Cmd {
	if c.host == "" {
		c.host = s.host
	}
	if c.file == "" {
		c.file = "docker-stack.yml"
	}
	args = append(args, "--host", c.host, "--file", c.file, "--progress", "plain")
	if args[0] == "deploy" || args[0] == "rollback" {
		args = append(args, "--settle", "3s")
		if c.probed == nil {
			c.probed = s.Machines()
		}
		for _, m := range c.probed {
			args = append(args, "--probe", "http://"+m.Port(80))
		}
	}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = engine.Root()
	cmd.Env = append(s.Env(), "REGISTRY="+cluster.RegistryAddress, "RELEASE="+c.release, "APP_REPLICAS=2")
	cmd.Env = append(cmd.Env, c.env...)
	cmd.Stdin = strings.NewReader(c.stdin)
	return cmd
}

// deploy brings a release in; a test that begins with it does not test it.
func (s *cafe) deploy(t *testing.T, release string, args ...string) result {
	t.Helper()
	r := s.rollout(t, call{release: release}, append([]string{"deploy"}, args...)...)
	r.wants(t, 0)
	return r
}

// wants checks the exit code and that the output has each text.
func (r result) wants(t *testing.T, code int, texts ...string) {
	t.Helper()
	if r.code != code {
		t.Fatalf("exit code %d, want %d\n%s", r.code, code, r.all())
	}
	for _, text := range texts {
		if !strings.Contains(r.all(), text) {
			t.Errorf("the output lacks %q:\n%s", text, r.all())
		}
	}
}

// variant writes a stack file that differs from the café's, beside it so that its paths hold.
func variant(t *testing.T, edits ...func(string) string) string {
	t.Helper()
	original, err := os.ReadFile(filepath.Join(engine.Root(), "docker-stack.yml"))
	must(t, err)
	stack := string(original)
	for n, edit := range edits {
		edited := edit(stack)
		if edited == stack {
			t.Fatalf("edit %d changes nothing: docker-stack.yml has changed", n)
		}
		stack = edited
	}
	stack = strings.ReplaceAll(stack, "file: infra/", "file: "+engine.Root()+"/infra/")
	path := filepath.Join(t.TempDir(), "docker-stack.yml")
	must(t, os.WriteFile(path, []byte(stack), 0o600))
	return path
}
