package lab_test

import (
	"strings"
	"testing"
	"time"

	"boardcafe/tests/cluster/machine"
)

// The manager's machine is lost with all that was on it. What is on the Jenkins machine, and on the one that
// Ansible runs on, is enough.
func TestALostManagerIsReplaced(t *testing.T) {
	l := aCafe(t)
	v := l.staff(t, l.Manager)
	addGame(t, v, "Survives the manager")
	saved := l.backup(t)
	begin := time.Now()
	if err := l.Manager.Replace(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.Inventory.Host("manager")["ansible_host"] = l.Manager.Address.String()

	if out, err := l.SSH(t.Context(), "ops@worker", "sudo docker swarm leave").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	recap := l.play(t, "site.yml")
	for _, changed := range recap.ChangedTasks() {
		if strings.HasPrefix(changed, "ci: ") && !strings.Contains(changed, ": firewall : ") && !strings.Contains(changed, ": jenkins : ") {
			t.Errorf("changed on the Jenkins machine: %s", changed)
		}
	}
	v = l.staff(t, l.Manager) // the key of the sessions is a new one, too
	wantGame(t, v, "Survives the manager", false)
	l.play(t, "restore.yml", "--extra-vars", "backup="+saved)
	t.Logf("from the loss of the manager to a café with its data: %.0f s", time.Since(begin).Seconds())

	for _, m := range []*machine.Machine{l.Manager, l.Worker} {
		if err := ready(m); err != nil {
			t.Error(err)
		}
	}
	wantGame(t, v, "Survives the manager", true)
	if name := l.backup(t); newest(t, l.Jenkins) != name {
		t.Errorf("the new manager's backup %s has no copy", name)
	}
}
