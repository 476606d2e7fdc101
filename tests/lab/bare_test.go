package lab_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"boardcafe/tests/lab"
	"boardcafe/tests/visitor"
)

func TestOnBareMachines(t *testing.T) {
	l := bareMachines(t)
	t.Run("check runs through and changes nothing", l.checkChangesNothing)
	t.Run("a mistake stops the run before the first change with a line that names it", l.mistakesStopTheRun)
}

func (l *cafe) checkChangesNothing(t *testing.T) {
	for _, m := range l.Machines() {
		on(t, m, "touch /run/before; sleep 0.1")
	}
	// What Ansible and the engine take for a kernel with AppArmor. A container never sees its host's.
	on(t, l.Worker, "mount -t tmpfs none /sys/kernel/security && mkdir /sys/kernel/security/apparmor")
	defer on(t, l.Worker, "umount /sys/kernel/security")
	recap := l.play(t, "site.yml", "--check")
	if recap.Changed() == 0 {
		t.Error("--check says that there is nothing to do on bare machines")
	}
	// The engine starts no container there without, and Debian's package of it only recommends it.
	for _, m := range l.Machines() {
		said := regexp.MustCompile(`(?s)changed: \[` + m.Name + `\] => \{\s*"msg": "would install (docker\.io[^"]*)"`).FindStringSubmatch(recap.Output)
		if said == nil {
			t.Fatalf("--check does not say that %s gets Docker", m.Name)
		}
		if got, want := strings.Contains(said[1], "apparmor"), m == l.Worker; got != want {
			t.Errorf("%s would get %s: with apparmor %v, want %v", m.Name, said[1], got, want)
		}
	}
	for _, m := range l.Machines() {
		// Ansible's folder for its own files is there whatever a module does.
		if changed := on(t, m, `find /etc /home /opt /root /srv /usr /var -xdev -newer /run/before \
			-not -path '/home/debian/.ansible*' -not -path /home/debian -not -path '/var/log*' -not -path '/var/lib/systemd*' \
			-not -path '/var/lib/sudo*' -print`); changed != "" {
			t.Errorf("changed on %s:\n%s", m.Name, changed)
		}
	}
}

func (l *cafe) mistakesStopTheRun(t *testing.T) {
	without := func(name string) func(*lab.Inventory) {
		return func(i *lab.Inventory) { delete(i.All.Vars, name) }
	}
	set := func(name string, value any) func(*lab.Inventory) {
		return func(i *lab.Inventory) { i.Set(name, value) }
	}
	certificate, key := newCertificate(t, time.Now().Add(time.Hour))
	expired, expiredKey := newCertificate(t, time.Now().Add(-time.Hour))
	for name, test := range map[string]struct {
		mistake func(*lab.Inventory)
		want    string
	}{
		"a variable is missing":        {without("registry_password"), "missing required arguments: registry_password"},
		"a variable is misspelt":       {set("base_jurnal_max", "1G"), "unknown variable base_jurnal_max: is it misspelt?"},
		"a variable has a wrong type":  {set("docker_daemon", "yes"), "docker_daemon"},
		"a list's element lacks a key": {set("base_admins", []map[string]any{{"name": "anna"}}), "missing required arguments: keys found in base_admins"},
		"live-restore in a swarm": {set("docker_daemon", map[string]any{"live-restore": true}),
			"docker_daemon has live-restore, with which Docker refuses to be in a swarm"},
		"an address that is not on the machine": {func(i *lab.Inventory) { i.Host("worker")["address"] = "192.0.2.7" },
			"worker has no interface with the address 192.0.2.7"},
		"two managers": {func(i *lab.Inventory) { i.Move("worker", "swarm_workers", "swarm_managers") },
			"the inventory's group swarm_managers has 2 machines, it must have 1"},
		"a key is none": {set("cafe_deploy_keys", []string{"ssh-ed25519 AAAA... anna@laptop"}),
			"not a public ssh key: ssh-ed25519 AAAA... anna@laptop"},
		"a certificate that is none":      {setTLS("/etc/ssl/cafe.pem", key), "cafe_tls_certificate: is no certificate in PEM"},
		"a certificate without its key":   {setTLS(certificate, ""), "cafe_tls_certificate: its cafe_tls_key is missing"},
		"a certificate and another's key": {setTLS(certificate, expiredKey), "cafe_tls_certificate: cafe_tls_key belongs to another one"},
		"a certificate that has expired":  {setTLS(expired, expiredKey), "cafe_tls_certificate: is not valid today"},
		"nobody who may log in":           {set("base_admins", []any{}), "base_admins is empty"},
	} {
		t.Run(name, func(t *testing.T) { l.stopsBeforeTheFirstChange(t, test.mistake, test.want) })
	}
	t.Run("a system that is not supported", func(t *testing.T) {
		on(t, l.Worker, `cp /etc/os-release /run/; cp /etc/debian_version /run/
			sed -i 's/"12/"11/' /usr/lib/os-release; echo 11.9 > /etc/debian_version`)
		defer on(t, l.Worker, `cat /run/os-release > /usr/lib/os-release; cat /run/debian_version > /etc/debian_version`)
		l.stopsBeforeTheFirstChange(t, func(*lab.Inventory) {},
			"worker runs Debian 11; supported are Debian 12, Debian 13, Ubuntu 22.04, Ubuntu 24.04")
	})
}

func (l *cafe) stopsBeforeTheFirstChange(t *testing.T, mistake func(*lab.Inventory), want string) {
	t.Helper()
	right := l.Inventory
	defer func() { l.Inventory = right }()
	l.Inventory = right.Clone()
	mistake(&l.Inventory)
	recap, err := l.Play(t.Context(), "site.yml")
	if err == nil {
		t.Fatal("the run ended well")
	}
	if changed := recap.ChangedTasks(); len(changed) > 0 {
		t.Errorf("changed before it stopped: %s", strings.Join(changed, ", "))
	}
	fatal := regexp.MustCompile(`(?m)^(fatal|failed): \[.*`).FindAllString(recap.Output, -1)
	for _, line := range fatal {
		if strings.Contains(line, want) {
			return
		}
	}
	t.Errorf("no line says %q; it ended with\n%s", want, strings.Join(fatal, "\n"))
}

func TestThreeBareMachinesBecomeACafeInTenMinutes(t *testing.T) {
	l := aCafe(t)
	if l.first.took > 10*time.Minute {
		t.Errorf("site.yml took %s, want at most 10 minutes", l.first.took)
	}
	for _, m := range l.Machines()[:2] {
		if err := ready(m); err != nil {
			t.Error(err)
		}
		response, err := http.Get("http://" + m.Port(80) + "/signin")
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != http.StatusOK {
			t.Errorf("GET /signin at %s: %s", m.Name, response.Status)
		}
	}
	password, err := l.Password()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := visitor.SignIn("http://"+l.Worker.Port(80), lab.Staff, password); err != nil {
		t.Error(err)
	}
}

func TestASecondRunChangesNothing(t *testing.T) {
	l := aCafe(t)
	l.asWritten(t)
	l.prefer(t)
	var took time.Duration
	for range 2 { // the second counts where something else kept this machine busy
		begin := time.Now()
		recap := l.play(t, "site.yml")
		took = time.Since(begin)
		t.Log("\n" + recap.Roles())
		l.unchanged(t, recap)
		if took <= 90*time.Second {
			return
		}
	}
	t.Errorf("it took %s, want at most 90 s", took)
}

// The run says all that Ansible ever says.
func TestCheckOnACafeChangesNothingAndTellsNoSecret(t *testing.T) {
	l := aCafe(t)
	l.asWritten(t)
	recap := l.play(t, "site.yml", "--check", "-vvv")
	l.unchanged(t, recap)
	l.wantNone(t, "the output", recap.Output)
}
