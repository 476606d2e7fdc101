package readme_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"

	"boardcafe/tests/engine"
)

// clone is a copy of this checkout, as it is now and at the same commit, where the documents' commands may do what
// they do.
func clone(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "cafe")
	const script = `
		git clone --quiet --no-checkout "$1" "$2"
		git -C "$1" ls-files -z --cached --others --exclude-standard |
			tar --create --directory "$1" --null --files-from=- --ignore-failed-read 2>/dev/null |
			tar --extract --directory "$2"
		git -C "$2" reset --quiet`
	mustRun(t, exec.Command("bash", "-euo", "pipefail", "-c", script, "clone", engine.Root(), dir))
	return dir
}

func mustRun(t *testing.T, command *exec.Cmd) {
	t.Helper()
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%q: %v\n%s", command.Args, err, out)
	}
}

// built is a folder with the program rollout of this checkout.
var built = sync.OnceValues(func() (string, error) {
	dir := filepath.Join(engine.Root(), "build", "readme")
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "rollout"), "./infra/cmd/rollout")
	build.Dir = engine.Root()
	out, err := build.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("build rollout: %w: %s", err, out)
	}
	return dir, err
})

// shell is where a reader pastes commands: bash in a checkout. Its programs are those of testdata/bin, which run the
// real ones or say why they cannot; cp and openssl; and what the commands themselves make. Whatever else a
// document calls is not found.
type shell struct {
	dir string
	env []string
}

func newShell(t *testing.T) *shell {
	t.Helper()
	bin := t.TempDir()
	standins, err := filepath.Glob("testdata/bin/*")
	if err != nil || len(standins) == 0 {
		t.Fatalf("no stand-ins: %v", err)
	}
	for _, file := range standins {
		link(t, file, bin)
	}
	for _, program := range []string{"cp", "openssl", "env", "bash", "head"} {
		file, err := exec.LookPath(program)
		if err != nil {
			t.Fatal(err)
		}
		link(t, file, bin)
	}
	build, err := built()
	if err != nil {
		t.Fatal(err)
	}
	s := &shell{dir: clone(t)}
	// What `make test` has set for the tests is not the reader's.
	s.env = slices.DeleteFunc(os.Environ(), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return slices.Contains([]string{"PATH", "RELEASE", "REGISTRY", "MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES",
			"STAGES", "TESTS", "PROCESS_COVER", "HTTP_PORT", "HTTP_BIND", "COMPOSE_PROJECT_NAME"}, name)
	})
	s.env = append(s.env, "PATH="+bin, "STANDIN_PATH="+os.Getenv("PATH"), "STANDIN_CAFE=", "STANDIN_TOOLBOX=",
		"STANDIN_BUILD="+build,
		"STANDIN_LABEL="+engine.Label+"="+engine.Checkout())
	return s
}

func link(t *testing.T, file, bin string) {
	t.Helper()
	file, err := filepath.Abs(file)
	if err == nil {
		err = os.Symlink(file, filepath.Join(bin, filepath.Base(file)))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// withCafe has `make up` really start the café: on a port, a network and under a name of its own. Not where the engine
// is another machine's, as on the build agent: Compose gives a container files of the engine's machine.
func (s *shell) withCafe(t *testing.T) {
	t.Helper()
	if os.Getenv("TESTCONTAINERS_HOST_OVERRIDE") != "127.0.0.1" {
		t.Log("the engine is not this machine's: make up and what needs it are only asked of make")
		return
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	listener.Close()
	id, _ := strconv.ParseUint(engine.Checkout()[:4], 16, 16)
	s.env = append(s.env, "STANDIN_CAFE=1", "HTTP_PORT="+port, "COMPOSE_PROJECT_NAME=readme"+engine.Checkout(),
		fmt.Sprintf("CAFE_SUBNET=10.%d.%d.0/24", 214+id>>8%32, id&255))
	s.label(t)
	destroy := func() {
		command := exec.Command("make", "destroy")
		command.Dir, command.Env = s.dir, append(slices.Clone(s.env), "PATH="+os.Getenv("PATH"))
		mustRun(t, command)
	}
	destroy() // what a killed run has left
	t.Cleanup(destroy)
}

// label has [engine.Sweep] find what Compose makes.
func (s *shell) label(t *testing.T) {
	t.Helper()
	file := filepath.Join(s.dir, "infra/compose.yaml")
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	labels := fmt.Sprintf("labels: {%s: %q}", engine.Label, engine.Checkout())
	text := string(content)
	for before, after := range map[string]string{
		"x-confined: &confined\n": "x-confined: &confined\n  " + labels + "\n",
		"  front:\n":              "  front:\n    " + labels + "\n",
		"  back:\n":               "  back:\n    " + labels + "\n",
		"  db: {}\n":              "  db: {" + labels + "}\n",
	} {
		if strings.Count(text, before) != 1 {
			t.Fatalf("compose.yaml has %q %d times, want once", before, strings.Count(text, before))
		}
		text = strings.Replace(text, before, after, 1)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	// It is the same release for all that.
	mustRun(t, exec.Command("git", "-C", s.dir, "update-index", "--assume-unchanged", "infra/compose.yaml"))
}

// withToolbox has `ansible-playbook` read the playbooks.
func (s *shell) withToolbox(t *testing.T) {
	t.Helper()
	docker, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { docker.Close() })
	created, err := docker.ContainerCreate(t.Context(), &container.Config{
		Image: engine.Toolbox(), Labels: engine.Labels(), Cmd: []string{"sleep", "600"},
	}, &container.HostConfig{NetworkMode: "none"}, nil, nil, "")
	if err != nil {
		t.Fatalf("`make toolbox` builds %s: %v", engine.Toolbox(), err)
	}
	t.Cleanup(func() {
		if err := docker.ContainerRemove(context.Background(), created.ID, container.RemoveOptions{Force: true}); err != nil {
			t.Error(err)
		}
	})
	if err := docker.ContainerStart(t.Context(), created.ID, container.StartOptions{}); err != nil {
		t.Fatal(err)
	}
	s.env = append(s.env, "STANDIN_TOOLBOX="+created.ID)
}

// outcome is what came of a command.
type outcome struct {
	code int
	out  string // of both outputs
}

// paste types commands into a new shell, one after the other whatever becomes of each, and returns what came of each.
func (s *shell) paste(ctx context.Context, setting string, commands []command) ([]outcome, error) {
	const end = "\x01"
	var script strings.Builder
	fmt.Fprintf(&script, "%s\nprintf '%s'\n", setting, end)
	for _, c := range commands {
		fmt.Fprintf(&script, "%s\nprintf '%%s%s' $?\n", c.text, end)
	}
	bash := exec.CommandContext(ctx, "bash", "-c", script.String())
	bash.Dir, bash.Env = s.dir, s.env
	said, err := bash.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return nil, fmt.Errorf("bash: %w", err)
	}
	parts := strings.Split(string(said), end)
	if len(parts) != len(commands)+2 {
		return nil, fmt.Errorf("bash has reached %d of %d commands:\n%s", len(parts)-2, len(commands), said)
	}
	outcomes := make([]outcome, len(commands))
	for i := range commands {
		part := strings.TrimRight(parts[i+1], "0123456789")
		code, err := strconv.Atoi(strings.TrimPrefix(parts[i+1], part))
		if err != nil {
			return nil, fmt.Errorf("line %d has no exit code: %q", commands[i].line, parts[i+1])
		}
		outcomes[i] = outcome{code, part}
	}
	return outcomes, nil
}

func TestMain(m *testing.M) {
	if err := engine.Setup(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "readme:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}
