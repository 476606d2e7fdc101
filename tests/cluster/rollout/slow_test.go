package rollout_test

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"boardcafe/tests/await"
	"boardcafe/tests/visitor"
)

// A tenth of a core is left of a rented machine whose CPU credits are used up, and that core is no quick one. With
// a check of each container every 2 s, machines took 0.03 to 0.1 of a quick one when nobody asked them for anything.
const (
	slowCores = 0.03
	slowFor   = 2 * time.Minute
)

// Answers may take their time on machines without CPU to spare, under a light load; but slowness is no reason to
// end what works, and starting it again costs more than there is.
func TestMachinesWithoutCPUEndNoTask(t *testing.T) {
	s := aCafe(t)
	s.good(t)
	machines := s.Machines()
	visitors := make([]*visitor.Visitor, len(machines))
	for i, m := range machines {
		var err error
		visitors[i], err = visitor.SignIn("http://"+m.Port(80), staffName, staffPassword)
		must(t, err)
	}
	page := func(n int) (string, error) {
		at := n % len(visitors)
		_, err := visitors[at].Get("/games?q=" + url.QueryEscape(game(n)))
		return machines[at].Name, err
	}
	before := s.runs(t)
	t.Cleanup(func() { must(t, s.throttle(context.Background(), 0)) })

	must(t, s.throttle(t.Context(), slowCores))
	l := visitor.Start(t.Context(), 3, page)
	time.Sleep(slowFor) // the time is the case
	t.Logf("%g of a core each: %s", slowCores, l)
	must(t, s.throttle(t.Context(), 0))

	begin := time.Now()
	await.Within(t, time.Minute, func() error {
		for n := range machines {
			asked := time.Now()
			where, err := page(n)
			if err != nil {
				return err
			}
			if took := time.Since(asked); took > time.Second {
				return fmt.Errorf("%s took %s for a page", where, took)
			}
		}
		return nil
	})
	took := time.Since(begin)
	t.Logf("with all of the CPU again: as quick as ever after %s", took.Round(time.Millisecond))
	if took > 10*time.Second {
		t.Errorf("as quick as ever after %s, want 10 s at most", took)
	}
	if after := s.runs(t); after != before {
		t.Errorf("tasks and containers:\n%s\nwere:\n%s", after, before)
	}
}

// throttle leaves every machine so much of a core; 0 gives back all.
func (s *cafe) throttle(ctx context.Context, cores float64) error {
	var all errgroup.Group
	for _, m := range s.Machines() {
		all.Go(func() error { return m.Throttle(ctx, cores) })
	}
	return all.Wait()
}

// runs is every task that Swarm knows, with its state, and every container that runs on a machine.
func (s *cafe) runs(t *testing.T) string {
	t.Helper()
	const tasks = `docker service ls -q | xargs docker service ps --no-trunc -q |
		xargs docker inspect --type task --format '{{.ID}} {{.DesiredState}} {{.Status.State}} {{.Status.Err}}' | sort`
	lines := []string{s.onManager(t, "sh", "-c", tasks)}
	for _, m := range s.Machines() {
		out, err := m.Run(t.Context(), "sh", "-c", "docker ps --format '{{.ID}} {{.Names}}' | sort")
		must(t, err)
		lines = append(lines, m.Name+":", out)
	}
	return strings.Join(lines, "\n")
}
