package rollout_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"boardcafe/tests/visitor"
)

// rate is the load on the whole café: a request every 5 ms, reads and reservations by turns, each
// to the next machine.
const rate = 200

// games is how many games the load reserves: no queue becomes long, and with it no page.
const games = 200

func game(n int) string { return fmt.Sprintf("Game %d", n%games) }

func reserve(v *visitor.Visitor, customer, game string) error {
	return v.Post("/customers", url.Values{"name": {customer}, "table": {"7"}, "game": {game}})
}

// load is requests that go on while a test changes something.
type load struct{ *visitor.Load }

// loading is held by the test that has the load: on one machine, two of them would be none of that rate.
var loading sync.Mutex

// startLoad begins the load on all machines, when no other test has one; it ends with the test at the latest.
func (s *cafe) startLoad(t *testing.T) load {
	t.Helper()
	loading.Lock()
	t.Cleanup(loading.Unlock)
	for _, m := range s.Machines() { // what runs beside this test is not to count
		release, err := m.Prefer(t.Context())
		must(t, err)
		t.Cleanup(func() { must(t, release()) })
	}
	machines := s.Machines()
	var visitors []*visitor.Visitor
	for _, m := range machines {
		v, err := visitor.SignIn("http://"+m.Port(80), staffName, staffPassword)
		must(t, err)
		visitors = append(visitors, v)
	}
	run := random(3)
	l := load{visitor.Start(t.Context(), rate, func(n int) (string, error) {
		at := n / 2 % len(visitors)
		if n%2 == 1 {
			return machines[at].Name, reserve(visitors[at], fmt.Sprintf("Guest %s %d", run, n), game(n))
		}
		_, err := visitors[at].Get("/games?q=" + url.QueryEscape(game(n)))
		return machines[at].Name, err
	})}
	t.Cleanup(func() { l.End() })
	return l
}

// dropsNothing ends the load and checks that every request was answered as it should be.
func (l load) dropsNothing(t *testing.T) {
	t.Helper()
	requests, failures := l.End()
	t.Logf("load: %s", l)
	if requests < 100 {
		t.Errorf("only %d requests: the load did not run", requests)
	}
	if busy := l.Busy(); busy > requests/1000 {
		t.Errorf("%d of %d found the café busy, want 1 in 1000 at most", busy, requests)
	}
	for _, line := range l.Summary() {
		t.Error(line)
	}
	if len(failures) > 0 {
		t.Errorf("%d of %d requests failed", len(failures), requests)
	}
}

// closed is, for each machine, from when to when its requests failed.
func (l load) closed() map[string][2]time.Time {
	_, failures := l.End()
	out := map[string][2]time.Time{}
	for _, f := range failures {
		span, ok := out[f.Where]
		if !ok || f.At.Before(span[0]) {
			span[0] = f.At
		}
		if f.At.After(span[1]) {
			span[1] = f.At
		}
		out[f.Where] = span
	}
	return out
}

// releases asks every machine often enough to meet every replica, and returns the releases that answer.
func (s *cafe) releases(t *testing.T) string {
	t.Helper()
	seen := map[string]bool{}
	for _, m := range s.Machines() {
		for range 12 {
			seen[releaseAt(t, m.Port(80))] = true
		}
	}
	var out []string
	for release := range seen {
		out = append(out, release)
	}
	return strings.Join(out, " ")
}

func releaseAt(t *testing.T, address string) string {
	t.Helper()
	response, err := http.Get("http://" + address + "/healthz")
	must(t, err)
	response.Body.Close()
	return response.Header.Get("X-Release")
}

func (s *cafe) answers(t *testing.T, release string) {
	t.Helper()
	if got := s.releases(t); got != release {
		t.Errorf("X-Release %q answers, want only %q", got, release)
	}
}
