package lab_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"boardcafe/tests/await"
	"boardcafe/tests/cluster/machine"
)

func TestAWorkerIsAddedAndTakenOut(t *testing.T) {
	l := aCafe(t)
	before := l.Inventory
	defer func() { l.Inventory = before }()
	worker2, err := l.StartBare(t.Context(), "worker2")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := worker2.Remove(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	l.Inventory = before.Clone()
	l.Inventory.AddWorker(worker2)

	// As from a provider that has nobody but root on its VMs.
	on(t, worker2, `mkdir -p -m 0700 /root/.ssh; echo "$1" > /root/.ssh/authorized_keys; userdel --remove debian`, l.AuthorizedKey())
	l.play(t, "first-user.yml", "--limit", "worker2", "--extra-vars", "ansible_user=root")
	l.Inventory.Host("worker2")["ansible_user"] = "ops"

	recap := l.play(t, "site.yml")

	if err := ready(worker2); err != nil {
		t.Error(err)
	}
	on(t, worker2, `cmp "/etc/docker/certs.d/$1:5000/ca.crt" /dev/stdin <<< "$2"`,
		l.Jenkins.Address.String(), on(t, l.Jenkins, "cat /etc/boardcafe/ca/ca.crt"))
	// The others let the new one in, and that is all.
	for _, changed := range recap.ChangedTasks() {
		if !strings.HasPrefix(changed, "worker2: ") && !strings.Contains(changed, ": firewall : ") {
			t.Errorf("changed on another machine: %s", changed)
		}
	}

	l.takeOut(t, worker2)
	l.play(t, "swarm.yml")
	await.Within(t, time.Minute, func() error { return ready(worker2) })
	l.takeOutDead(t, worker2)
	l.Inventory = before
	l.play(t, "site.yml") // closes the others' firewalls to it

	await.Within(t, time.Minute, l.allRun)
	for _, m := range l.Machines()[:2] {
		if err := ready(m); err != nil {
			t.Error(err)
		}
	}
}

// takeOut removes a worker that runs. What belongs to another swarm then is not taken in by mistake.
func (l *cafe) takeOut(t *testing.T, worker2 *machine.Machine) {
	t.Helper()
	l.play(t, "remove.yml", "--extra-vars", "machine=worker2")

	if nodes := on(t, l.Manager, "docker node ls --format '{{.Hostname}}'"); strings.Contains(nodes, "worker2") {
		t.Errorf("the swarm still has worker2:\n%s", nodes)
	}
	if got := on(t, worker2, "docker info --format '{{.Swarm.LocalNodeState}}'"); got != "inactive" {
		t.Errorf("worker2 thinks it is %s in a swarm", got)
	}
	on(t, worker2, `docker swarm init --advertise-addr "$1" >/dev/null`, worker2.Address.String())
	if _, err := l.Play(t.Context(), "swarm.yml"); err == nil || !strings.Contains(err.Error(), "worker2 is in a swarm that manager does not know") {
		t.Errorf("a worker of another swarm: got %v", err)
	}
	on(t, worker2, "docker swarm leave --force")
}

// takeOutDead removes a worker that is gone.
func (l *cafe) takeOutDead(t *testing.T, worker2 *machine.Machine) {
	t.Helper()
	if err := worker2.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.play(t, "remove.yml", "--extra-vars", "machine=worker2 dead=true")
	if nodes := on(t, l.Manager, "docker node ls --format '{{.Hostname}}'"); strings.Contains(nodes, "worker2") {
		t.Errorf("the swarm still has the dead worker2:\n%s", nodes)
	}
}
