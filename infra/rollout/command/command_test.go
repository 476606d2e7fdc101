package command_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"boardcafe/infra/rollout/command"
	"boardcafe/infra/rollout/deploy"

	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/client"
)

const stackFile = `version: "3.9"
x-rollout:
  stack: cafe
  release: ${RELEASE:?the release}
services:
  app:
    image: registry.test/app:${RELEASE}
    environment:
      PASSWORD: ${PASSWORD:-hunter2}
    networks: [inner]
    deploy:
      replicas: 2
      update_config: {monitor: 1s}
    x-rollout:
      probe: {port: 8080, path: /readyz, header: X-Release, expect: "${RELEASE}"}
networks:
  inner: {}
`

// user is somebody at a command line: a file, an environment, and the engine of DOCKER_HOST.
type user struct {
	file     string
	files    []string // more of them
	env      map[string]string
	terminal bool
	stdin    io.Reader
	ctx      context.Context
}

func newUser(t *testing.T, e *engine) *user {
	t.Helper()
	u := &user{
		file:  filepath.Join(t.TempDir(), "docker-stack.yml"),
		env:   map[string]string{"RELEASE": "one", "DOCKER_HOST": e.host()},
		stdin: strings.NewReader(""), ctx: t.Context(),
	}
	write(t, u.file, stackFile)
	return u
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (u *user) connect(target command.Target) (*command.Connection, error) {
	host := target.Host
	if host == "" {
		host = u.env["DOCKER_HOST"]
	}
	if target.Context != "" {
		return nil, errors.New("context " + target.Context + " not found")
	}
	api, err := client.NewClientWithOpts(client.WithHost(host), client.WithAPIVersionNegotiation())
	if err != nil {
		return nil, err
	}
	return &command.Connection{Engine: api, Auth: func(string) string { return "" }, Name: "the-engine",
		Close: api.Close}, nil
}

// result is what a command has written.
type result struct {
	t              *testing.T
	stdout, stderr string
}

// run runs a command line, and checks its exit code.
func (u *user) run(t *testing.T, code int, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	line := args
	for _, file := range append([]string{u.file}, u.files...) {
		line = append(slices.Clip(line), "--file", file)
	}
	got := command.Run(u.ctx, command.World{
		Stdin: u.stdin, Stdout: &stdout, Stderr: &stderr, Terminal: u.terminal,
		Env:     u.env,
		Connect: u.connect, Transport: http.DefaultTransport, User: "mia@desk", Version: "0123456789ab",
	}, line)
	if got != code {
		t.Fatalf("rollout %s: exit code %d, want %d\n%s%s", strings.Join(args, " "), got, code, &stdout, &stderr)
	}
	return result{t, stdout.String(), stderr.String()}
}

func contains(t *testing.T, what, text string, parts []string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%s: no %q in:\n%s", what, part, text)
		}
	}
}

func (r result) out(parts ...string) result {
	r.t.Helper()
	contains(r.t, "stdout", r.stdout, parts)
	return r
}

func (r result) err(parts ...string) result {
	r.t.Helper()
	contains(r.t, "stderr", r.stderr, parts)
	return r
}

func (r result) json(into any) {
	r.t.Helper()
	if err := json.Unmarshal([]byte(r.stdout), into); err != nil {
		r.t.Fatalf("%v in:\n%s", err, r.stdout)
	}
}

// site is an address at which that release answers.
func site(t *testing.T, release string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter,
		_ *http.Request) {
		w.Header().Set("X-Release", release)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func (u *user) deploy(t *testing.T, release string) result {
	t.Helper()
	u.env["RELEASE"] = release
	return u.run(t, 0, "deploy", "--probe", site(t, release), "--settle", "1ms")
}

func TestCommandsThatNeedNoEngine(t *testing.T) {
	u := newUser(t, newEngine(t))
	t.Run("OK/version", func(t *testing.T) {
		for _, args := range []string{"version", "--version"} {
			if got := u.run(t, 0, args).stdout; got != "rollout 0123456789ab\n" {
				t.Errorf("%s: got %q", args, got)
			}
		}
	})
	t.Run("OK/help", func(t *testing.T) {
		for _, args := range []string{"", "help", "--help"} {
			u.run(t, 0, strings.Fields(args)...).out("Deploy a stack to a swarm", "plan", "rollback", "secret", "--progress")
		}
		for _, command := range []string{"plan", "deploy", "rollback", "history", "status", "lock", "lock status",
			"lock release", "secret", "secret set", "version"} {
			u.run(t, 0, append(strings.Fields(command), "--help")...).out("Examples:", "rollout "+command)
		}
		u.run(t, 0, "lock").out("release", "status")
		u.run(t, 0, "secret").out("set")
	})
}

func TestWhatIsWrongBeforeAnythingBegins(t *testing.T) {
	for name, test := range map[string]struct{ args, says string }{
		"ErrArguments/unknown flag":     {"plan --loud", "unknown flag: --loud"},
		"ErrArguments/unknown command":  {"deplyo", `unknown command "deplyo"`},
		"ErrArguments/help of a flag":   {"deploy --loud", "unknown flag: --loud; see: rollout deploy --help"},
		"ErrArguments/nearly a command": {"deplyo", "did you mean: rollout deploy"},
		"ErrArguments/no such command":  {"frob", `unknown command "frob"; see: rollout --help`},
		"ErrArguments/no such lock":     {"lock frob", `unknown command "frob"; see: rollout lock --help`},
		"ErrArguments/one too many": {"plan now",
			`rollout plan: there is no place for "now"; see: rollout plan --help`},
		"ErrArguments/two too many": {"rollback 1 2", `there is no place for "2"; see: rollout rollback --help`},
		"ErrArguments/one too few": {"secret set",
			"an argument is missing: set NAME [-]; see: rollout secret set --help"},
		"ErrArguments/settle":    {"deploy --settle -1s", "--settle -1s: must not be negative"},
		"ErrArguments/timeout":   {"rollback --timeout 0s", "--timeout 0s: must be more than nothing"},
		"ErrArguments/lock wait": {"deploy --lock-wait -1s", "--lock-wait -1s: must not be negative"},
		"ErrArguments/probe": {"deploy --probe manager:80",
			"--probe manager:80: must be an address like http://"},
		"ErrArguments/stack of history":   {"history --stack café", "letters, digits"},
		"ErrArguments/no duration":        {"deploy --settle soon", `invalid argument "soon"`},
		"ErrArguments/no such progress":   {"status --progress loud", "--progress loud: must be auto, tty, plain or json"},
		"ErrArguments/secret in the open": {"secret set key hunter2", "the value comes from standard input"},
		"ErrArguments/name of a secret":   {"secret set pass/word -", `secret "pass/word": a name has letters`},
		"ErrArguments/no value":           {"secret set key", "the value has 0 bytes"},
		"ErrFile/bad name of the stack":   {"plan --stack café", "letters, digits"},
		"ErrFile/no such env file":        {"deploy --env-file /nonexistent/env", "--env-file: "},
		"ErrRelease/none to go back to":   {"rollback", "no release before the present one"},
		"ErrEngine/unknown context":       {"status --context moon", "context moon not found"},
		"ErrEngine/unreachable status":    {"status -H tcp://127.0.0.1:1", "127.0.0.1:1"},
		"ErrEngine/unreachable plan":      {"plan -H tcp://127.0.0.1:1", "the Docker engine does not answer"},
		"ErrEngine/unreachable deploy":    {"deploy -H tcp://127.0.0.1:1", "127.0.0.1:1"},
		"ErrEngine/unreachable history":   {"history -H tcp://127.0.0.1:1", "127.0.0.1:1"},
		"ErrEngine/unreachable lock":      {"lock status -H tcp://127.0.0.1:1", "127.0.0.1:1"},
		"ErrEngine/unreachable release":   {"lock release -H tcp://127.0.0.1:1", "127.0.0.1:1"},
		"ErrEngine/unknown host":          {"status -H tcp://nowhere.invalid:2375", "nowhere.invalid"},
	} {
		t.Run(name, func(t *testing.T) {
			got := newUser(t, newEngine(t)).run(t, 1, strings.Fields(test.args)...).err("rollout: ", test.says)
			if got.stdout != "" || strings.Count(got.stderr, "\n") != 1 {
				t.Errorf("want one line of error, got stdout %q, stderr %q", got.stdout, got.stderr)
			}
		})
	}
	t.Run("ErrEngine/a worker", func(t *testing.T) {
		e := newEngine(t)
		e.worker = true
		for _, args := range []string{"plan", "deploy", "rollback", "history", "status", "lock status", "lock release"} {
			got := newUser(t, e).run(t, 1, strings.Fields(args)...)
			got.err("rollout: this engine is not a swarm manager; name one with --host")
			if strings.Count(got.stderr, "\n") != 1 {
				t.Errorf("%s: got %q", args, got.stderr)
			}
		}
		if wrote := e.changes(); len(wrote) > 0 {
			t.Errorf("it wrote %q", wrote)
		}
	})
}

func TestAFileOrAnImageIsMissing(t *testing.T) {
	t.Run("ErrImage/not in the registry", func(t *testing.T) {
		u := newUser(t, newEngine(t))
		u.env["RELEASE"] = "missing"
		u.run(t, 1, "plan").err("registry.test/app:missing", "docker login")
	})
	t.Run("ErrFile/no such file", func(t *testing.T) {
		u := newUser(t, newEngine(t))
		u.file = "/nonexistent/stack.yml"
		u.run(t, 1, "plan").err("/nonexistent/stack.yml: no such file; name the stack file with --file")
		u.run(t, 1, "deploy", "--stack", "cafe").err("/nonexistent/stack.yml: no such file")
		u.run(t, 1, "history").err("which stack? say --stack NAME")
		u.file = ""
		u.run(t, 1, "plan").err("rollout: : no such file; name the stack file with --file")
	})
	t.Run("ErrFile/no such second file", func(t *testing.T) {
		u := newUser(t, newEngine(t))
		u.files = []string{"/nonexistent/tls.yml"}
		u.run(t, 1, "plan").err("rollout: /nonexistent/tls.yml: no such file; name the stack file with --file")
		u.run(t, 1, "history").err("rollout: /nonexistent/tls.yml: no such file")
	})
}

func TestABadFileIsOneLineAndWritesNothing(t *testing.T) {
	for name, test := range map[string]struct{ text, says string }{
		"ErrFile/no YAML":        {"services: [\n", ":1: not YAML: "},
		"ErrFile/unknown key":    {stackFile + "service: {}\n", ":18: service: unknown key"},
		"ErrFile/unset variable": {stackFile + "x-more: $MORE\n", ": x-more: variable MORE is not set"},
		"ErrFile/no such config": {stackFile + "configs:\n  c:\n    file: ./none\n", ":20: configs.c.file: "},
		"ErrFile/what Swarm knows": {strings.Replace(stackFile, "replicas: 2", "endpoint_mode: x", 1),
			":12: services.app.deploy.endpoint_mode: must be vip or dnsrr"},
		"ErrFile/lines and colour": {strings.Replace(stackFile, "networks: [inner]", `"a\n\e[31mb": c`, 1),
			`services.app.a\n\x1b[31mb: unknown key`},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEngine(t)
			u := newUser(t, e)
			write(t, u.file, test.text)
			for _, command := range []string{"plan --stack cafe", "deploy --stack cafe --yes"} {
				got := u.run(t, 1, strings.Fields(command)...).err("rollout: "+u.file, test.says)
				if got.stdout != "" || strings.Count(got.stderr, "\n") != 1 {
					t.Errorf("want one line of error, got stdout %q, stderr %q", got.stdout, got.stderr)
				}
			}
			if wrote := e.changes(); len(wrote) > 0 {
				t.Errorf("it wrote %q", wrote)
			}
		})
	}
}

func TestPlanShowsWhatADeployWouldDo(t *testing.T) {
	e := newEngine(t)
	u := newUser(t, e)
	t.Run("OK/everything is new", func(t *testing.T) {
		u.run(t, 2, "plan").out("Stack cafe on the-engine: (none) → one", "cafe_inner", "2 to create, 0 unchanged.")
		var got struct {
			Stack      string
			Changes    bool
			Operations []struct{ Name string }
		}
		u.run(t, 2, "plan", "--json").json(&got)
		if got.Stack != "cafe" || !got.Changes || len(got.Operations) != 2 || got.Operations[1].Name != "app" {
			t.Errorf("got %+v", got)
		}
		if wrote := e.changes(); len(wrote) > 0 {
			t.Errorf("it wrote %q", wrote)
		}
	})
	t.Run("OK/a second file is merged over the first", func(t *testing.T) {
		other := newUser(t, e)
		other.files = []string{filepath.Join(t.TempDir(), "tls.yml")}
		write(t, other.files[0], "version: '3.9'\nx-rollout: {stack: bar}\nservices: {app: {x-rollout: {drain: soon}}}\n")
		other.run(t, 1, "plan").err(other.files[0] + ":3: services.app.x-rollout.drain: must be a duration")
		write(t, other.files[0],
			"version: '3.9'\nx-rollout: {stack: bar, release: tls}\nservices: {more: {image: 'registry.test/app:one'}}\n")
		other.run(t, 2, "plan").out("Stack bar on", "→ tls", "service  app", "service  more", "4 to create")
	})
	t.Run("OK/variables of a file, behind the environment", func(t *testing.T) {
		env := filepath.Join(t.TempDir(), "env")
		write(t, env, "RELEASE=file\n")
		other := newUser(t, e)
		other.env["ROLLOUT_STACK"] = "bar"
		other.run(t, 2, "plan", "--env-file", env).out("Stack bar on", "→ one")
		delete(other.env, "RELEASE")
		other.run(t, 2, "plan", "--env-file", env, "--stack", "pub").out("Stack pub on", "→ file")
	})
	t.Run("OK/values of variables only when asked for", func(t *testing.T) {
		u.deploy(t, "one")
		u.run(t, 0, "plan").out("one → one", "Nothing to change.")
		u.env["PASSWORD"] = "hunter3"
		if got := u.run(t, 2, "plan").out("environment[PASSWORD]"); strings.Contains(got.stdout, "hunter") {
			t.Errorf("the plan shows the password:\n%s", got.stdout)
		}
		u.run(t, 2, "plan", "--show-env").out("hunter2 → hunter3")
	})
}

func TestAReleaseComesGoesBackAndIsRemembered(t *testing.T) {
	u := newUser(t, newEngine(t))
	t.Run("OK/deploy", func(t *testing.T) {
		u.run(t, 0, "status").out("no release yet")
		u.deploy(t, "one").out("(none) → one").err("create service app", `200 OK, X-Release "one"`,
			"release r1 (one) is deployed")
		u.run(t, 0, "deploy", "--progress", "json").out("Nothing to change.").err(`"text":"nothing to change"`)
		u.deploy(t, "two")
	})
	t.Run("OK/history and status", func(t *testing.T) {
		u.run(t, 0, "history").out("RELEASE", "r2", "two", "r1", "deployed", "mia@desk")
		var releases []struct{ Name, Status string }
		u.run(t, 0, "history", "--json").json(&releases)
		if len(releases) != 2 || releases[0].Name != "two" || releases[1].Status != "deployed" {
			t.Errorf("got %+v", releases)
		}
		u.run(t, 0, "status").out("Stack cafe on the-engine: release r2 (two) deployed", "2/2 running")
		var now deploy.Status
		u.run(t, 0, "status", "--json").json(&now)
		if now.Release.Number != 2 || len(now.Services) != 1 || now.Services[0].Done != 2 || now.Lock != nil {
			t.Errorf("got %+v", now)
		}
	})
	t.Run("OK/rollback", func(t *testing.T) {
		u.run(t, 0, "rollback", "1", "--probe", site(t, "one"), "--settle",
			"1ms").out("two → one").err("release r3 (one) is deployed")
		u.run(t, 0, "history").out("deployed (back to r1)")
	})
	t.Run("ErrRestored/the release before serves again", func(t *testing.T) {
		u.env["RELEASE"] = "bad"
		u.run(t, 3, "deploy", "--probe", site(t, "one"), "--settle", "1ms").
			err("rollout: release r4 (bad) failed", "exit code 7", "    | (no log: ", "Release r3 (one) serves again")
	})
	t.Run("ErrNotRestored/as was asked", func(t *testing.T) {
		u.run(t, 4, "deploy", "--no-rollback").err("The release before was not restored.", "What runs now:",
			"rollout rollback 3")
	})
	t.Run("ErrRestored/there was none before", func(t *testing.T) {
		first := newUser(t, newEngine(t))
		first.env["RELEASE"] = "bad"
		first.run(t, 3, "deploy").err("There was no release before: what this one created is removed.")
	})
}

func TestProgressForProgramsEndsWithTheResult(t *testing.T) {
	for name, test := range map[string]struct {
		args, says string
		code       int
	}{
		"ErrRestored": {"deploy", "release r1 (bad) failed: ", 3},
		"ErrFile":     {"plan --stack café", "letters, digits", 1},
	} {
		t.Run(name, func(t *testing.T) {
			u := newUser(t, newEngine(t))
			u.env["RELEASE"] = "bad"
			got := u.run(t, test.code, append(strings.Fields(test.args), "--progress", "json")...)
			var last struct {
				Type, Text, Report string
				Code               int
			}
			for text := range strings.Lines(got.stderr) {
				if err := json.Unmarshal([]byte(text), &last); err != nil {
					t.Fatalf("line %q: %v", text, err)
				}
			}
			if last.Type != "result" || last.Code != test.code || !strings.Contains(last.Text, test.says) ||
				!strings.Contains(last.Report, test.says) {
				t.Errorf("got %+v", last)
			}
		})
	}
}

func TestATerminalIsTakenForWhatItCan(t *testing.T) {
	for name, test := range map[string]struct {
		env            map[string]string
		redrawn, shade bool
	}{
		"OK/colour":                          {nil, true, true},
		"OK/NO_COLOR":                        {map[string]string{"NO_COLOR": "1"}, true, false},
		"OK/NO_COLOR that says nothing":      {map[string]string{"NO_COLOR": ""}, true, true},
		"OK/a terminal that redraws nothing": {map[string]string{"TERM": "dumb"}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			u := newUser(t, newEngine(t))
			u.terminal = true
			maps.Copy(u.env, test.env)
			got := u.deploy(t, "one").stderr
			if redrawn, shade := strings.Contains(got, "\x1b["), strings.Contains(got, "\x1b[32m"); redrawn != test.redrawn ||
				shade != test.shade {
				t.Errorf("redrawn %t, colour %t: %q", redrawn, shade, got)
			}
		})
	}
}

func TestAnInterruptedDeploySaysHowFarItCame(t *testing.T) {
	u := newUser(t, newEngine(t))
	ctx, cancel := context.WithCancelCause(t.Context())
	u.ctx = ctx
	t.Run("ErrInterrupted/half way", func(t *testing.T) {
		time.AfterFunc(time.Second, func() { cancel(deploy.ErrInterrupted) })
		u.run(t, 130, "deploy", "--probe", site(t, "other")).
			err("release r1 (one) was interrupted; the lock is released", "begun or done: create service app")
	})
	t.Run("ErrInterrupted/before anything was changed", func(t *testing.T) {
		u.run(t, 130, "deploy").err("rollout: interrupted before anything was changed\n")
	})
}

func TestTheLockIsShownAndReleased(t *testing.T) {
	e := newEngine(t)
	u := newUser(t, e)
	t.Run("OK/nobody holds it", func(t *testing.T) {
		u.run(t, 0, "lock", "status").out("Stack cafe is not locked.\n")
		u.run(t, 0, "lock", "release").out("Stack cafe is not locked.\n")
	})
	t.Run("ErrHeld/until it is released", func(t *testing.T) {
		now := time.Now().UTC().Format(time.RFC3339Nano)
		var lock swarm.Config
		lock.ID, lock.Spec.Name = "lock", "rollout.cafe.lock"
		lock.Spec.Labels = map[string]string{"rollout.lock": "cafe", "rollout.who": "joe@ci", "rollout.what": "deploy",
			"rollout.where": "job 7", "rollout.process": "elsewhere/1/2", "rollout.since": now, "rollout.renewed": now}
		e.mu.Lock()
		e.configs[lock.ID] = lock
		e.mu.Unlock()
		u.run(t, 5, "deploy").err("stack cafe is locked by joe@ci (deploy, job 7) since ",
			"rollout lock release --stack cafe")
		u.run(t, 0, "lock", "status").out("locked by joe@ci (deploy) since ", "last sign of life")
		u.run(t, 0, "lock", "status", "--json").out(`"held": true`, `"who": "joe@ci"`)
		u.run(t, 0, "status").out("  locked by joe@ci (deploy) since ")
		u.run(t, 0, "lock", "release").out("The lock of joe@ci (deploy) on stack cafe is released.\n")
		u.run(t, 0, "lock", "status").out("not locked")
	})
}

func TestASecretIsReadFromStandardInput(t *testing.T) {
	t.Run("OK/and set again", func(t *testing.T) {
		u := newUser(t, newEngine(t))
		var names []string
		for _, value := range []string{"hunter2\n", "hunter3", "hunter2"} {
			u.stdin, u.terminal = strings.NewReader(value), value == "hunter3"
			got := u.run(t, 0, "secret", "set", "password",
				"-").out("is the current version of password. Use it with: rollout deploy")
			if u.terminal {
				got.err("Value of password, ended with Ctrl-D: ")
			}
			if strings.Contains(got.stdout+got.stderr, "hunter") {
				t.Errorf("it shows the value: %q %q", got.stdout, got.stderr)
			}
			name, _, _ := strings.Cut(got.stdout, " ")
			names = append(names, name)
		}
		if names[0] != names[2] || names[0] == names[1] {
			t.Errorf("versions %q: a line break at the end must not count", names)
		}
	})
}

func TestARemovalIsAgreedToFirst(t *testing.T) {
	u := newUser(t, newEngine(t))
	write(t, u.file, strings.Replace(stackFile, "networks:\n  inner",
		"  old:\n    image: registry.test/old:1\n    deploy: {update_config: {monitor: 1s}}\nnetworks:\n  inner", 1))
	u.deploy(t, "one")
	write(t, u.file, stackFile)
	deploy := []string{"deploy", "--prune", "--probe", site(t, "one"), "--settle", "1ms"}
	t.Run("ErrNotConfirmed/a pipeline is not asked", func(t *testing.T) {
		u.run(t, 1, deploy...).err("this would remove service old; say --yes if it should: nothing was changed")
	})
	t.Run("ErrNotConfirmed/a terminal is asked, and says no", func(t *testing.T) {
		u.terminal, u.stdin = true, strings.NewReader("no\n")
		u.run(t, 1, deploy...).err("Stack cafe: remove service old? [y/N] ", "rollout: nothing was changed")
		u.run(t, 0, "plan").out("not in the file, kept; remove it with --prune")
	})
	t.Run("OK/--yes", func(t *testing.T) {
		u.terminal = false
		u.run(t, 0, append(deploy, "--yes")...).err("remove service old")
	})
}
