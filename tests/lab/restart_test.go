package lab_test

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"boardcafe/tests/await"
	"boardcafe/tests/cluster/machine"
)

func TestAfterARestartTheCafeServesByItselfWithItsData(t *testing.T) {
	l := aCafe(t)
	game := fmt.Sprintf("Azul %d", time.Now().UnixNano())
	addGame(t, l.staff(t, l.Manager), game)

	dump := on(t, l.Manager, `docker exec "$(docker ps -q -f label=com.docker.swarm.service.name=cafe_db)" mysqldump --single-transaction cafe`)
	if !strings.Contains(dump, game) || !strings.Contains(dump, "CREATE TABLE `customers`") {
		t.Errorf("the dump has not what it should:\n%.2000s", dump)
	}

	t.Run("of one machine", func(t *testing.T) {
		restart(t, l.Worker)
		l.serves(t, game)
	})
	t.Run("of all three at once", func(t *testing.T) {
		restart(t, l.Manager, l.Worker, l.Jenkins)
		l.serves(t, game)
	})
	t.Run("everything else is as it was", func(t *testing.T) {
		l.unchanged(t, l.play(t, "verify.yml"))
	})
}

func restart(t *testing.T, machines ...*machine.Machine) {
	t.Helper()
	begin := time.Now()
	for _, power := range []func(*machine.Machine) error{
		func(m *machine.Machine) error { return m.PowerOff(t.Context()) },
		func(m *machine.Machine) error { return m.PowerOn(t.Context()) },
	} {
		var all errgroup.Group
		for _, m := range machines {
			all.Go(func() error { return power(m) })
		}
		if err := all.Wait(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("off and on again after %.0f s", time.Since(begin).Seconds())
}

// serves waits until both machines serve the café, by a replica and with the game that there was.
func (l *cafe) serves(t *testing.T, game string) {
	t.Helper()
	begin := time.Now()
	await.Within(t, 3*time.Minute, func() error { return l.Intact(t.Context()) })
	t.Logf("the café serves after %.0f s", time.Since(begin).Seconds())
	page, err := l.staff(t, l.Worker).Get("/games?q=" + url.QueryEscape(game))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(page, game) {
		t.Errorf("the game %s is gone", game)
	}
}

// allRun compares the replicas that run with those that should.
func (l *cafe) allRun() error {
	out, err := l.Manager.Run(context.Background(), "docker", "service", "ls", "--format", "{{.Name}} {{.Replicas}}")
	if err != nil {
		return err
	}
	for line := range strings.Lines(out) {
		var name, replicas string
		if _, err := fmt.Sscan(line, &name, &replicas); err != nil {
			return err
		}
		if running, wanted, _ := strings.Cut(replicas, "/"); running != wanted {
			return fmt.Errorf("%s has %s replicas", name, replicas)
		}
	}
	return nil
}
