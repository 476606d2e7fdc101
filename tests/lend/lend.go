// Package lend shares what takes long to make, such as three machines with a café on them, among tests that
// do not depend on each other: each has it alone, and the next one gets it as good as new.
package lend

import (
	"context"
	"errors"
	"fmt"
	"log"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"boardcafe/tests/await"
	"boardcafe/tests/engine"
)

// Good is what is lent.
type Good interface {
	// Intact says why it is not yet, or no longer, what a test can begin with.
	Intact(ctx context.Context) error
	// Collect writes to a folder what tells the cause of a failure.
	Collect(ctx context.Context, dir string) error
	Close(ctx context.Context) error
}

// T is [testing.T], as far as it is needed.
type T interface {
	testing.TB
	Parallel()
}

// Pool has at most so many of a kind. Each is made when a test needs it and none is free.
type Pool[G Good] struct {
	open   func(ctx context.Context, name string) (G, error)
	logs   string
	places chan *place[G]

	mu       sync.Mutex
	failures []error // of open
}

// place is where one can be.
type place[G Good] struct {
	name string
	good *G // nil while there is none
}

// patience is how long what was lent may take to be intact again.
const patience = time.Minute

// maxFailures is how many tests may fail because there was nothing to lend.
const maxFailures = 2

// openTimeout is several times what it takes to make a café of bare machines.
const openTimeout = 20 * time.Minute

// NewPool is a pool of goods that open makes, called NAME1, NAME2 and so on. What a failed test leaves is
// told in build/logs/NAME.
func NewPool[G Good](name string, size int, open func(ctx context.Context, name string) (G, error)) *Pool[G] {
	logs := filepath.Join(engine.Root(), "build", "logs", name)
	p := &Pool[G]{open: open, logs: logs, places: make(chan *place[G], size)}
	for n := range size {
		p.places <- &place[G]{name: fmt.Sprintf("%s%d", name, n+1)}
	}
	return p
}

// Take lends one to a test, which runs beside others from here on. When the test ends, it must have left it
// intact; when it failed, the next test gets a new one.
func (p *Pool[G]) Take(t T) G {
	t.Helper()
	t.Parallel()
	at := <-p.places
	t.Cleanup(func() {
		p.takeBack(t, at)
		p.places <- at
	})
	if at.good == nil {
		if err := p.fill(t.Context(), at); err != nil {
			t.Fatal(err)
		}
	}
	return *at.good
}

// fill opens the good of a place. What could not be opened so often is not tried again: every test would take
// minutes to fail.
func (p *Pool[G]) fill(ctx context.Context, at *place[G]) error {
	p.mu.Lock()
	failures := p.failures
	p.mu.Unlock()
	if len(failures) >= maxFailures {
		return fmt.Errorf("not tried again: %w", errors.Join(failures...))
	}
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	good, err := p.open(ctx, at.name)
	if err != nil {
		p.mu.Lock()
		p.failures = append(p.failures, err)
		p.mu.Unlock()
		return err
	}
	at.good = &good
	return nil
}

func (p *Pool[G]) takeBack(t T, at *place[G]) {
	if at.good == nil {
		return
	}
	ctx := context.Background()
	if !t.Failed() {
		soon, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		if err := await.Success(soon, func() error { return (*at.good).Intact(soon) }); err != nil {
			t.Errorf("the next test could not have %s: %v", at.name, err)
		}
	}
	if !t.Failed() {
		return
	}
	dir := filepath.Join(p.logs, filepath.Base(t.Name()))
	t.Logf("what the machines have logged is in %s", dir)
	if err := errors.Join((*at.good).Collect(ctx, dir), (*at.good).Close(ctx)); err != nil {
		t.Log(err)
	}
	at.good = nil
}

// Run runs the tests, removes what was lent and returns the exit code, for TestMain.
func (p *Pool[G]) Run(m *testing.M) int {
	code := m.Run()
	var closing sync.WaitGroup
	var failed atomic.Bool
	for range cap(p.places) {
		if at := <-p.places; at.good != nil {
			closing.Go(func() {
				if err := (*at.good).Close(context.Background()); err != nil {
					log.Print(err)
					failed.Store(true)
				}
			})
		}
	}
	closing.Wait()
	if failed.Load() {
		return 1
	}
	return code
}
