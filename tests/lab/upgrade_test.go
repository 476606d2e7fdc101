package lab_test

import (
	"strings"
	"testing"
	"time"

	"boardcafe/tests/await"
)

func TestUpgradingTheEngineOfTheWorkerDropsNoRequestOfTheManager(t *testing.T) {
	l := aCafe(t)
	await.Within(t, 2*time.Minute, l.allRun)
	const engineStart = "systemctl show --property ExecMainStartTimestampMonotonic docker"
	before := on(t, l.Worker, engineStart)
	// The worst case: every replica is where the upgrade is.
	const where = "docker service ps --filter desired-state=running --format '{{.Node}}' cafe_app | sort | uniq --count | xargs"
	on(t, l.Manager, `docker service update --quiet --constraint-add node.hostname==worker cafe_app
		docker service update --quiet --constraint-rm node.hostname==worker cafe_app`)
	if got := on(t, l.Manager, where); got != "2 worker" {
		t.Fatalf("the replicas are on %q, want both on worker", got)
	}

	load := l.startLoad(t, l.Manager)
	time.Sleep(time.Second)
	l.play(t, "upgrade.yml", "--limit", "worker", "--extra-vars", "upgrade_always=true")
	time.Sleep(2 * time.Second)
	sent, failures := load.End()

	t.Logf("load: %s", load)
	if sent < 500 {
		t.Errorf("only %d requests were sent", sent)
	}
	if len(failures) > 0 {
		t.Errorf("%d of %d requests failed:\n%s", len(failures), sent, strings.Join(load.Summary(), "\n"))
	}
	if after := on(t, l.Worker, engineStart); after == before {
		t.Error("the engine was not started anew")
	}
	if got := on(t, l.Manager, "docker node inspect --format '{{.Spec.Availability}}' worker"); got != "active" {
		t.Errorf("the worker is %s, want active", got)
	}
	await.Within(t, time.Minute, func() error { return ready(l.Worker) })
}

// The database is on the manager: the café is away meanwhile, and all is there again afterwards.
func TestUpgradingTheEngineOfTheManager(t *testing.T) {
	l := aCafe(t)
	l.play(t, "upgrade.yml", "--limit", "manager,ci", "--extra-vars", "upgrade_always=true")
	for _, m := range l.Machines()[:2] {
		await.Within(t, time.Minute, func() error { return ready(m) })
		l.staff(t, m)
	}
	await.Within(t, time.Minute, l.allRun)
}
