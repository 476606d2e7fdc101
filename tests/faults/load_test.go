package faults_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// sent is one request of a load with its answer.
type sent struct {
	answer
	name string // of the customer it reserves for; empty for a GET of the index
	at   time.Time
}

// served tells whether the café did what was asked.
func (s sent) served() bool {
	want := http.StatusOK
	if s.name != "" {
		want = http.StatusSeeOther
	}
	return s.err == nil && s.status == want
}

// load sends requests at a constant rate, every second one a reservation, until stopped.
type load struct {
	mu   sync.Mutex
	name string // of all its customers, before a number: no other load has it
	all  []sent
	skip int // no one was free to send it
	stop func() []sent
}

const (
	rate    = 200              // requests per second
	longest = 90 * time.Second // whatever a test forgets
)

// startLoad begins to send. At most so many requests wait for their answers at once: on a machine
// that is too slow for the rate it falls, instead of the café being buried.
func (c *cafe) startLoad(t *testing.T, waiting int) *load {
	t.Helper()
	s := c.mustSignIn(t)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), longest)
	l, free := &load{name: t.Name() + " " + rand.Text()[:6]}, make(chan struct{}, waiting)
	var running, pending sync.WaitGroup
	running.Go(func() {
		tick := time.NewTicker(time.Second / rate)
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			select {
			case free <- struct{}{}:
			default:
				l.skip++
				continue
			}
			pending.Go(func() {
				// What was begun is waited for: an answer cut off by the test is no fault of the café.
				l.add(s.visit(context.WithoutCancel(ctx), l.name, i))
				<-free
			})
		}
	})
	l.stop = sync.OnceValue(func() []sent {
		cancel()
		running.Wait()
		pending.Wait()
		return l.all
	})
	t.Cleanup(func() { l.stop() })
	return l
}

// visit looks at the index or reserves a game.
func (s *staff) visit(ctx context.Context, names string, i int) sent {
	if i%2 == 0 {
		return sent{answer: s.get(ctx, "/"), at: time.Now()}
	}
	name := fmt.Sprintf("%s %d", names, i)
	a := s.post(ctx, "/customers", url.Values{"name": {name}, "table": {"7"}, "game": {fmt.Sprintf("Game %d", 1+i%60)}})
	return sent{answer: a, name: name, at: time.Now()}
}

func (l *load) add(s sent) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, s)
}

// wantKept fails unless every reservation of a load that was acknowledged is in the database, once.
func (c *cafe) wantKept(t *testing.T, l *load) {
	t.Helper()
	out, err := c.sql(t.Context(), "SELECT name FROM customers WHERE name LIKE '"+l.name+" %'")
	if err != nil {
		t.Fatal(err)
	}
	stored := map[string]int{}
	for name := range strings.Lines(out) {
		stored[strings.TrimSpace(name)]++
	}
	acknowledged := 0
	for _, s := range l.stop() {
		if s.name == "" || !s.served() {
			continue
		}
		acknowledged++
		if n := stored[s.name]; n != 1 {
			t.Errorf("%s was acknowledged and is there %d times", s.name, n)
		}
	}
	if acknowledged == 0 {
		t.Error("no reservation was acknowledged")
	}
	t.Logf("%d reservations were acknowledged, %d are stored", acknowledged, len(stored))
}
