package lab_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"boardcafe/tests/cluster/machine"
)

func TestAfterARestartTheCafeServesByItselfWithItsData(t *testing.T) {
	provisioned(t)
	game := fmt.Sprintf("Azul %d", time.Now().UnixNano())
	if err := staff(t, l.Manager).Post("/games", url.Values{"name": {game}, "copies": {"2"}, "min_players": {"2"}, "max_players": {"4"}, "minutes": {"45"}, "shelf": {"A"}}); err != nil {
		t.Fatal(err)
	}

	dump := on(t, l.Manager, `docker exec "$(docker ps -q -f label=com.docker.swarm.service.name=cafe_db)" mysqldump --single-transaction cafe`)
	if !strings.Contains(dump, game) || !strings.Contains(dump, "CREATE TABLE `customers`") {
		t.Errorf("the dump has not what it should:\n%.2000s", dump)
	}

	t.Run("of one machine", func(t *testing.T) {
		restart(t, l.Worker)
		serves(t, game)
	})
	t.Run("of all three at once", func(t *testing.T) {
		restart(t, l.Manager, l.Worker, l.Jenkins)
		serves(t, game)
	})
	t.Run("everything else is as it was", func(t *testing.T) {
		unchanged(t, play(t, "verify.yml"))
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
func serves(t *testing.T, game string) {
	t.Helper()
	begin := time.Now()
	eventually(t, 3*time.Minute, func() error { return errors.Join(ready(l.Manager), ready(l.Worker), allRun()) })
	t.Logf("the café serves after %.0f s", time.Since(begin).Seconds())
	page, err := staff(t, l.Worker).Get("/games?q=" + url.QueryEscape(game))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(page, game) {
		t.Errorf("the game %s is gone", game)
	}
}

// allRun compares the replicas that run with those that should.
func allRun() error {
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
