package lab_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"boardcafe/tests/lab"
	"boardcafe/tests/visitor"
)

// secrets are what nobody may read anywhere, by what they are.
func (l *cafe) secrets(t *testing.T) map[string]string {
	t.Helper()
	registry := l.Inventory.All.Vars["registry_password"].(string)
	password, err := l.Password()
	if err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(filepath.Join(l.Dir(), "id_ed25519"))
	if err != nil {
		t.Fatal(err)
	}
	_, hash, _ := strings.Cut(l.Inventory.All.Vars["cafe_staff"].([]string)[0], ":")
	found := map[string]string{
		"the registry's password":           registry,
		"the registry's password, as sent":  base64.StdEncoding.EncodeToString([]byte("cafe:" + registry)),
		"the staff's password":              password,
		"the hash of the staff's password":  hash,
		"the private key":                   strings.Split(string(key), "\n")[2],
		"the token that workers join with":  on(t, l.Manager, "docker swarm join-token --quiet worker"),
		"the token that managers join with": on(t, l.Manager, "docker swarm join-token --quiet manager"),
		"the registry's private key":        on(t, l.Jenkins, "sed -n 2p /etc/docker/registry/tls.key"),
		"the CA's private key":              on(t, l.Jenkins, "sed -n 2p /etc/boardcafe/ca/ca.key"),
	}
	for _, name := range []string{"db_password", "migrate_password"} {
		found[name] = on(t, l.Manager, `docker exec "$(docker ps --quiet --filter label=com.docker.swarm.service.name=cafe_db)" cat "/run/secrets/$1"`, name)
	}
	for what, secret := range found {
		if len(secret) < 12 {
			t.Fatalf("%s is %q: this test would find it anywhere", what, secret)
		}
	}
	return found
}

func (l *cafe) wantNone(t *testing.T, where, text string) {
	t.Helper()
	for what, secret := range l.secrets(t) {
		if at := strings.Index(text, secret); at >= 0 {
			begin, end := max(0, at-60), min(len(text), at+len(secret)+60)
			t.Errorf("%s has %s: …%s…", where, what, strings.ReplaceAll(text[begin:end], secret, "SECRET"))
		}
	}
}

func TestSecretsAreNowhereToBeRead(t *testing.T) {
	l := aCafe(t)
	t.Run("in the output of the first run", func(t *testing.T) {
		if l.first.Output == "" {
			t.Skip("an earlier process has made the lab: make sweep")
		}
		l.wantNone(t, "the output", l.first.Output)
	})
	t.Run("in the process lists during the first run", func(t *testing.T) {
		if l.first.Output == "" {
			t.Skip("an earlier process has made the lab: make sweep")
		}
		if l.first.leaked != "" {
			t.Errorf("processes with a secret in their arguments:\n%s", l.first.leaked)
		}
	})
	t.Run("in what Docker tells of containers and services", func(t *testing.T) {
		for _, m := range l.Machines() {
			// A container that has gone meanwhile is no failure: xargs says 123.
			l.wantNone(t, m.Name, on(t, m, `docker ps --all --quiet | xargs --no-run-if-empty docker inspect || [ $? = 123 ]
				if [ "$(docker info --format '{{.Swarm.ControlAvailable}}')" = true ]; then
					docker service ls --quiet | xargs docker service inspect; docker secret ls --quiet | xargs docker secret inspect
					docker config ls --quiet | xargs docker config inspect
				fi`))
		}
	})
	t.Run("in files that others may read", func(t *testing.T) {
		for _, m := range l.Machines() {
			if out := on(t, m, `find /etc/docker/registry/tls.key /etc/docker/registry/htpasswd /etc/boardcafe/ca/ca.key \
				/etc/sudoers.d/10-admins -perm /o+rwx 2>/dev/null || true; find /etc/boardcafe/ca -maxdepth 0 -perm /go+rwx 2>/dev/null || true`); out != "" {
				t.Errorf("%s: others may read %s", m.Name, out)
			}
		}
	})
	t.Run("in files that were left on the way", func(t *testing.T) {
		for what, secret := range l.secrets(t) {
			if strings.HasSuffix(what, "private key") {
				continue // it is where it belongs
			}
			for _, m := range l.Machines() {
				out, err := m.Pipe(t.Context(), strings.NewReader(secret+"\n"), "sh", "-c",
					`grep -rlF -f - /etc /home /root /tmp /var/tmp /var/log /run/user; [ $? -le 2 ]`)
				if err != nil {
					t.Fatal(err)
				}
				// Jenkins pushes with it, and is given it here (see TestJenkins).
				out = strings.Replace(out, "/etc/boardcafe/jenkins/secrets/REGISTRY_PASSWORD\n", "", 1)
				if out != "" {
					t.Errorf("%s: %s is in %s", m.Name, what, out)
				}
			}
		}
	})
}

func TestSecretsAreChangedByOneRun(t *testing.T) {
	l := aCafe(t)
	secrets := func() string {
		return on(t, l.Manager, "docker secret ls --format '{{.Name}}' | grep -e db_password -e migrate_password -e session_key")
	}
	before, oldPassword, oldRegistry := secrets(), must(l.Password()), l.Inventory.All.Vars["registry_password"].(string)
	if err := l.ChangeSecrets(); err != nil {
		t.Fatal(err)
	}

	// The registry's CA, and what a worker joins with (TestAWorkerIsAdded joins one).
	oldCA := on(t, l.Jenkins, "cat /etc/boardcafe/ca/ca.crt; rm -r /etc/boardcafe/ca")
	on(t, l.Manager, "docker swarm join-token --rotate --quiet worker >/dev/null")

	l.play(t, "site.yml", "--extra-vars", `{"cafe_rotate": ["db_password", "migrate_password", "session_key"]}`)

	for _, m := range l.Machines()[:2] {
		if err := ready(m); err != nil {
			t.Error(err)
		}
		l.staff(t, m)
		if _, err := visitor.SignIn("http://"+m.Port(80), lab.Staff, oldPassword); err == nil {
			t.Errorf("%s: the old password still signs in", m.Name)
		}
	}
	login := func(password string) error {
		_, err := l.Worker.Pipe(t.Context(), strings.NewReader(password), "sh", "-c",
			`docker --config /run/login login --username cafe --password-stdin "$1:5000"; code=$?; rm -rf /run/login; exit $code`, "sh", l.Jenkins.Address.String())
		return err
	}
	if err := login(l.Inventory.All.Vars["registry_password"].(string)); err != nil {
		t.Errorf("the registry's new password: %v", err)
	}
	if ca := on(t, l.Worker, `cat "/etc/docker/certs.d/$1:5000/ca.crt"`, l.Jenkins.Address.String()); ca == oldCA {
		t.Error("the worker trusts the old CA") // and has logged in with the new one above
	}
	if err := login(oldRegistry); err == nil {
		t.Error("the registry's old password is still good")
	}
	if after := secrets(); len(strings.Fields(after)) < len(strings.Fields(before))+3 {
		t.Errorf("secrets\n%s\nbefore\n%s", after, before)
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// watchProcesses looks again and again for arguments that have a secret of the inventory, on every machine
// and where Ansible runs, until it is called.
func (l *cafe) watchProcesses(ctx context.Context) (stop func() (leaked string, err error)) {
	needles := []string{l.Inventory.All.Vars["registry_password"].(string)}
	if accounts, ok := l.Inventory.All.Vars["cafe_staff"].([]string); ok {
		needles = append(needles, accounts...)
	}
	consoles := l.consoles()
	const start = `umask 077; cat > /run/needles; rm -f /run/leaked /run/watched; touch /run/watching
		nohup sh -c 'while [ -e /run/watching ]; do
			grep -ahoF -f /run/needles /proc/[0-9]*/cmdline >> /run/leaked 2>/dev/null
			echo >> /run/watched; sleep 0.3; done' >/dev/null 2>&1 &`
	var errs []error
	for _, console := range consoles {
		_, err := console.Pipe(ctx, bytes.NewBufferString(strings.Join(needles, "\n")), "sh", "-euc", start)
		errs = append(errs, err)
	}
	return func() (string, error) {
		var leaked strings.Builder
		for _, console := range consoles {
			out, err := console.Run(ctx, "sh", "-euc", `rm /run/watching; [ "$(wc -l < /run/watched)" -gt 50 ]; cat /run/leaked; rm /run/needles`)
			errs = append(errs, err)
			if out != "" {
				leaked.WriteString(console.Name + ":\n" + out)
			}
		}
		return leaked.String(), errors.Join(errs...)
	}
}
