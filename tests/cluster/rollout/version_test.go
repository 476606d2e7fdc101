package rollout_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"boardcafe/tests/engine"
	"boardcafe/tests/visitor"
)

// tuned gives the café's stack another nginx setting.
func tuned(t *testing.T, setting string) func(stack string) string {
	t.Helper()
	conf, err := os.ReadFile(filepath.Join(engine.Root(), "infra/images/proxy/nginx.conf"))
	must(t, err)
	edited := strings.Replace(string(conf), "server_tokens off;", "server_tokens off;\n    "+setting, 1)
	path := filepath.Join(t.TempDir(), "nginx.conf")
	must(t, os.WriteFile(path, []byte(edited), 0o644))
	return func(stack string) string {
		return strings.Replace(stack, "infra/images/proxy/nginx.conf", strconv.Quote(path), 1)
	}
}

func TestAChangedNginxSetting(t *testing.T) {
	s := aCafe(t)
	release := s.good(t)
	app, db := s.tasks(t, "app"), s.tasks(t, "db")
	l := s.startLoad(t)
	r := s.rollout(t, call{release: release, file: variant(t, tuned(t, "proxy_hide_header X-Test;"))}, "deploy")
	r.wants(t, 0, "configs[/etc/nginx/nginx.conf]")
	if s.tasks(t, "app") != app || s.tasks(t, "db") != db {
		t.Error("more than the proxy was restarted")
	}
	t.Logf("load, with the proxies' ports closed by turns: %s", l)
	type span struct{ from, to time.Time }
	var spans []span
	for machine, closed := range l.closed() {
		t.Logf("%s: port 80 closed for %s", machine, closed[1].Sub(closed[0]).Round(time.Millisecond))
		spans = append(spans, span{closed[0], closed[1]})
	}
	for i, a := range spans {
		for _, b := range spans[i+1:] {
			if a.from.Before(b.to) && b.from.Before(a.to) {
				t.Errorf("two machines were closed at once: %v, %v", a, b)
			}
		}
	}
	s.answers(t, release)
	s.rollout(t, call{}, "rollback").wants(t, 0)
}

const secretNames = "{{range .Spec.TaskTemplate.ContainerSpec.Secrets}}{{.SecretName}} {{end}}"

func TestAChangedSecretAndBack(t *testing.T) {
	s := aCafe(t)
	release := s.good(t)
	// Rotated by adding a line: who is signed in stays so, and the load goes on.
	first := s.inspect(t, "app", secretNames)
	value := account(t, staffName, staffPassword) + account(t, "bert", "ticket to ride")
	r := s.rollout(t, call{release: release, stdin: value}, "secret", "set", "staff")
	r.wants(t, 0)
	outputs := r.all()

	file := variant(t, quick)
	r = s.rollout(t, call{release: release, file: file}, "plan")
	r.wants(t, 2, "secrets[staff]")
	outputs += r.all()
	r = s.rollout(t, call{release: release, file: file}, "deploy")
	r.wants(t, 0)
	outputs += r.all()
	if _, err := visitor.SignIn("http://"+s.Manager.Port(80), "bert", "ticket to ride"); err != nil {
		t.Errorf("the new version is not used: %v", err)
	}
	second := s.inspect(t, "app", secretNames)
	if first == second {
		t.Errorf("secrets: %s, as before", second)
	}

	r = s.rollout(t, call{}, "rollback")
	r.wants(t, 0)
	outputs += r.all()
	if got := s.inspect(t, "app", secretNames); got != first {
		t.Errorf("secrets after the rollback: %s, want %s", got, first)
	}
	if _, err := visitor.SignIn("http://"+s.Manager.Port(80), "bert", "ticket to ride"); err == nil {
		t.Error("the new version is still used after the rollback")
	}

	// Everything that anyone can read: the outputs, the names and labels, the history.
	outputs += s.rollout(t, call{}, "history", "--json").all()
	outputs += s.onManager(t, "sh", "-c", `docker secret inspect $(docker secret ls -q)
		docker config inspect $(docker config ls -q) --format '{{json .Spec}}'
		docker service inspect $(docker service ls -q)`)
	for _, line := range strings.Split(strings.TrimSpace(value), "\n") {
		if strings.Contains(outputs, line) {
			t.Errorf("%s… is readable", line[:12])
		}
	}
	// The file's current version is the new one again: the next case begins from the old.
	s.rollout(t, call{stdin: account(t, staffName, staffPassword)}, "secret", "set", "staff").wants(t, 0)
	s.deploy(t, release)
}

func TestRollbackTwoReleasesBackAcrossAChangedConfig(t *testing.T) {
	s := aCafe(t)
	first := s.good(t)
	want := s.specs(t)
	back := "r" + s.number(t)
	second := s.other(t, first)
	s.rollout(t, call{release: second, file: variant(t, quick)}, "deploy").wants(t, 0)
	s.rollout(t, call{release: first, file: variant(t, quick, tuned(t, "proxy_hide_header X-Two;"))}, "deploy").wants(t, 0)
	r := s.rollout(t, call{}, "rollback", back)
	r.wants(t, 0)
	if got := s.specs(t); got != want {
		t.Errorf("after the rollback:\n%s\nwant\n%s", got, want)
	}
	s.answers(t, first)
	t.Log(s.rollout(t, call{}, "history").stdout)
}

// specs are the images, configs and secrets of all services.
func (s *cafe) specs(t *testing.T) string {
	t.Helper()
	return s.onManager(t, "sh", "-c", `docker service inspect $(docker service ls -q) --format '{{.Spec.Name}}
		{{- with .Spec.TaskTemplate.ContainerSpec}} {{.Image}}
			{{- range .Configs}} {{.ConfigName}}{{end}}{{range .Secrets}} {{.SecretName}}{{end}}{{end}}' | sort`)
}
