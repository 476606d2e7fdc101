package lab_test

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"

	"gopkg.in/yaml.v3"

	"boardcafe/tests/engine"
	"boardcafe/tests/pipeline"
)

// agent does the steps of a build as Jenkins's agent would: in a workspace, with the variables and
// credentials that the Jenkinsfile gives to each, and nothing that it does not.
type agent struct {
	workspace, kept string // kept: what was archived
	repository      string
	commit          string
	env             []string
	secrets         map[string]string // by the credential's id
	kinds           map[string]string // of each credential, as casc.yaml defines it

	mu    sync.Mutex
	log   bytes.Buffer
	tests int // that the junit step has read
}

// Write keeps the log of the build.
func (a *agent) Write(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.log.Write(p)
}

func (a *agent) Do(ctx context.Context, step pipeline.Step) (any, error) {
	fmt.Fprintf(a, "[%s] %s %v\n", step.Stage, step.Name, step.Args)
	switch step.Name {
	case "checkout":
		return nil, a.checkout(ctx)
	case "sh":
		return nil, a.shell(ctx, step)
	case "deleteDir":
		return nil, empty(a.workspace)
	case "junit":
		return nil, a.junit(step.Text("testResults"))
	case "archiveArtifacts":
		return nil, a.archive(step)
	case "fileExists":
		_, err := os.Stat(filepath.Join(a.workspace, step.Text("file")))
		return err == nil, nil
	case "readFile":
		content, err := os.ReadFile(filepath.Join(a.workspace, step.Text("file")))
		return string(content), err
	}
	return nil, fmt.Errorf("this agent does not know the step %s", step.Name)
}

func (a *agent) checkout(ctx context.Context) error {
	for _, args := range [][]string{{"init", "--quiet"}, {"fetch", "--quiet", a.repository, a.commit}, {"checkout", "--quiet", "--detach", a.commit}} {
		git := exec.CommandContext(ctx, "git", args...)
		git.Dir, git.Env = a.workspace, a.env
		if out, err := git.CombinedOutput(); err != nil {
			return fmt.Errorf("git %s: %w: %s", args[0], err, out)
		}
	}
	return nil
}

// shell runs a script as the step sh does. When the build is aborted, all that it started ends.
func (a *agent) shell(ctx context.Context, step pipeline.Step) error {
	dir, err := os.MkdirTemp("", "credentials")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	bound, err := a.bind(step.Credentials, dir)
	if err != nil {
		return err
	}
	// A real agent has a machine of its own; this one leaves the processors to the tests that run beside it.
	sh := exec.CommandContext(ctx, "nice", "sh", "-xe", "-c", step.Text("script"))
	sh.Dir = a.workspace
	sh.Env = slices.Clone(a.env)
	for _, name := range slices.Sorted(maps.Keys(step.Env)) {
		sh.Env = append(sh.Env, name+"="+step.Env[name])
	}
	sh.Env = append(sh.Env, bound...)
	sh.Stdout, sh.Stderr = a, a
	sh.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	sh.Cancel = func() error { return syscall.Kill(-sh.Process.Pid, syscall.SIGTERM) }
	return sh.Run()
}

// bind sets what credentials(...) sets, by the credential's kind.
func (a *agent) bind(credentials map[string]string, dir string) (env []string, err error) {
	for variable, id := range credentials {
		secret, ok := a.secrets[id]
		if !ok {
			return nil, fmt.Errorf("the test has no secret for the credential %s", id)
		}
		switch kind := a.kinds[id]; kind {
		case "usernamePassword":
			name, password, _ := strings.Cut(secret, ":")
			env = append(env, variable+"="+secret, variable+"_USR="+name, variable+"_PSW="+password)
		case "basicSSHUserPrivateKey", "file":
			path := filepath.Join(dir, variable)
			if err := os.WriteFile(path, []byte(secret), 0o400); err != nil {
				return nil, err
			}
			env = append(env, variable+"="+path)
		default:
			return nil, fmt.Errorf("credential %s is of kind %q, which this agent does not know", id, kind)
		}
	}
	return env, nil
}

// kinds are the credentials that casc.yaml defines, with the kind of each.
func kinds() (map[string]string, error) {
	content, err := os.ReadFile(filepath.Join(engine.Root(), "jenkins/casc.yaml"))
	if err != nil {
		return nil, err
	}
	var casc struct {
		Credentials struct {
			System struct {
				DomainCredentials []struct {
					Credentials []map[string]struct{ ID string }
				} `yaml:"domainCredentials"`
			}
		}
	}
	if err := yaml.Unmarshal(content, &casc); err != nil {
		return nil, err
	}
	found := map[string]string{}
	for _, domain := range casc.Credentials.System.DomainCredentials {
		for _, credential := range domain.Credentials {
			for kind, c := range credential {
				found[c.ID] = kind
			}
		}
	}
	return found, nil
}

// junit reads test results as Jenkins does: none at all is an error, a failed one is the build's failure.
func (a *agent) junit(pattern string) error {
	files, err := filepath.Glob(filepath.Join(a.workspace, pattern))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("no test report files were found: %s", pattern)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		var suites struct {
			Tests int `xml:"tests,attr"`
		}
		if err := xml.Unmarshal(content, &suites); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		a.tests += suites.Tests
	}
	return nil
}

func (a *agent) archive(step pipeline.Step) error {
	files, err := filepath.Glob(filepath.Join(a.workspace, step.Text("artifacts")))
	if err != nil {
		return err
	}
	if len(files) == 0 && step.Args["allowEmptyArchive"] != true {
		return errors.New("no artifacts found: " + step.Text("artifacts"))
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(a.kept, filepath.Base(file)), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// empty removes what is in a folder. Go's module cache is not in it, so everything can be removed.
func empty(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if err := os.RemoveAll(filepath.Join(dir, entry.Name())); err != nil {
			return err
		}
	}
	return nil
}
