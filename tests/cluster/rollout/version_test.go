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

// tuned is the café's stack with another nginx setting.
func tuned(t *testing.T, setting string) string {
	t.Helper()
	conf, err := os.ReadFile(filepath.Join(engine.Root(), "infra/images/proxy/nginx.conf"))
	must(t, err)
	edited := strings.Replace(string(conf), "server_tokens off;", "server_tokens off;\n    "+setting, 1)
	path := filepath.Join(t.TempDir(), "nginx.conf")
	must(t, os.WriteFile(path, []byte(edited), 0o644))
	return variant(t, func(stack string) string {
		return strings.Replace(stack, "infra/images/proxy/nginx.conf", strconv.Quote(path), 1)
	})
}

func changedConfig(t *testing.T) {
	release := good(t)
	app, db := tasks(t, "app"), tasks(t, "db")
	l := startLoad(t)
	r := rollout(t, call{release: release, file: tuned(t, "proxy_hide_header X-Test;")}, "deploy")
	r.wants(t, 0, "configs[/etc/nginx/nginx.conf]")
	if tasks(t, "app") != app || tasks(t, "db") != db {
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
	answers(t, release)
	rollout(t, call{}, "rollback").wants(t, 0)
}

func changedSecret(t *testing.T) {
	release := good(t)
	// Rotated by adding a line: who is signed in stays so, and the load goes on.
	first := inspect(t, "app", "{{range .Spec.TaskTemplate.ContainerSpec.Secrets}}{{.SecretName}} {{end}}")
	value := account(t, staffName, staffPassword) + account(t, "bert", "ticket to ride")
	r := rollout(t, call{release: release, stdin: value}, "secret", "set", "staff")
	r.wants(t, 0)
	outputs := r.all()

	r = rollout(t, call{release: release}, "plan")
	r.wants(t, 2, "secrets[staff]")
	outputs += r.all()
	r = rollout(t, call{release: release}, "deploy")
	r.wants(t, 0)
	outputs += r.all()
	if _, err := visitor.SignIn("http://"+swarm.Manager.Port(80), "bert", "ticket to ride"); err != nil {
		t.Errorf("the new version is not used: %v", err)
	}
	second := inspect(t, "app", "{{range .Spec.TaskTemplate.ContainerSpec.Secrets}}{{.SecretName}} {{end}}")
	if first == second {
		t.Errorf("secrets: %s, as before", second)
	}

	r = rollout(t, call{}, "rollback")
	r.wants(t, 0)
	outputs += r.all()
	if got := inspect(t, "app", "{{range .Spec.TaskTemplate.ContainerSpec.Secrets}}{{.SecretName}} {{end}}"); got != first {
		t.Errorf("secrets after the rollback: %s, want %s", got, first)
	}
	if _, err := visitor.SignIn("http://"+swarm.Manager.Port(80), "bert", "ticket to ride"); err == nil {
		t.Error("the new version is still used after the rollback")
	}

	// Everything that anyone can read: the outputs, the names and labels, the history.
	outputs += rollout(t, call{}, "history", "--json").all()
	outputs += onManager(t, "sh", "-c", `docker secret inspect $(docker secret ls -q); docker config inspect $(docker config ls -q) --format '{{json .Spec}}'; docker service inspect $(docker service ls -q)`)
	for _, line := range strings.Split(strings.TrimSpace(value), "\n") {
		if strings.Contains(outputs, line) {
			t.Errorf("%s… is readable", line[:12])
		}
	}
	// The file's current version is the new one again: the next case begins from the old.
	rollout(t, call{stdin: account(t, staffName, staffPassword)}, "secret", "set", "staff").wants(t, 0)
	deploy(t, release)
}

func rollbackTwo(t *testing.T) {
	first := good(t)
	want := specs(t)
	back := "r" + number(t)
	second := other(t, first)
	deploy(t, second)
	rollout(t, call{release: first, file: tuned(t, "proxy_hide_header X-Two;")}, "deploy").wants(t, 0)
	r := rollout(t, call{}, "rollback", back)
	r.wants(t, 0)
	if got := specs(t); got != want {
		t.Errorf("after the rollback:\n%s\nwant\n%s", got, want)
	}
	answers(t, first)
	t.Log(rollout(t, call{}, "history").stdout)
}

// specs are the images, configs and secrets of all services.
func specs(t *testing.T) string {
	t.Helper()
	return onManager(t, "sh", "-c", `docker service inspect $(docker service ls -q) --format '{{.Spec.Name}} {{.Spec.TaskTemplate.ContainerSpec.Image}}
		{{- range .Spec.TaskTemplate.ContainerSpec.Configs}} {{.ConfigName}}{{end}}{{range .Spec.TaskTemplate.ContainerSpec.Secrets}} {{.SecretName}}{{end}}' | sort`)
}
