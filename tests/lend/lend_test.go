package lend_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"boardcafe/tests/lend"
)

// good notes what is done with it.
type good struct {
	name              string
	broken            error
	collected, closed bool
}

func (g *good) Intact(context.Context) error { return g.broken }

func (g *good) Collect(_ context.Context, dir string) error {
	g.collected = true
	return nil
}

func (g *good) Close(context.Context) error {
	g.closed = true
	return nil
}

// borrower is a test that may fail without failing the one that it is part of.
type borrower struct {
	testing.TB
	failed   bool
	said     string
	cleanups []func()
}

func (b *borrower) Parallel()           {}
func (b *borrower) Helper()             {}
func (b *borrower) Logf(string, ...any) {}
func (b *borrower) Cleanup(f func())    { b.cleanups = append(b.cleanups, f) }
func (b *borrower) Failed() bool        { return b.failed }
func (b *borrower) Fail()               { b.failed = true }
func (b *borrower) Errorf(format string, args ...any) {
	b.failed, b.said = true, fmt.Sprintf(format, args...)
}

// Fatal ends the borrower only, as [testing.T.Fatal] ends the test.
func (b *borrower) Fatal(args ...any) {
	b.failed, b.said = true, fmt.Sprint(args...)
	panic(errFatal)
}

var errFatal = errors.New("fatal")

// run runs a borrower to its end.
func run(t *testing.T, borrow func(b *borrower)) *borrower {
	b := &borrower{TB: t}
	func() {
		defer func() {
			if r := recover(); r != nil && r != errFatal {
				panic(r)
			}
		}()
		borrow(b)
	}()
	for len(b.cleanups) > 0 {
		last := b.cleanups[len(b.cleanups)-1]
		b.cleanups = b.cleanups[:len(b.cleanups)-1]
		last()
	}
	return b
}

func open(_ context.Context, name string) (*good, error) { return &good{name: name}, nil }

func TestTake(t *testing.T) {
	t.Parallel()
	t.Run("OK the next one gets the same", func(t *testing.T) {
		t.Parallel()
		pool := lend.NewPool("try", 1, open)
		var first, second *good
		run(t, func(b *borrower) { first = pool.Take(b) })
		run(t, func(b *borrower) { second = pool.Take(b) })
		if first != second || first.closed || first.name != "try1" {
			t.Errorf("got %+v and then %+v, want try1 twice", first, second)
		}
	})
	t.Run("OK two at once have one each", func(t *testing.T) {
		t.Parallel()
		pool := lend.NewPool("try", 2, open)
		run(t, func(a *borrower) {
			first := pool.Take(a)
			run(t, func(b *borrower) {
				if second := pool.Take(b); first == second {
					t.Errorf("both have %+v", first)
				}
			})
		})
	})
	t.Run("OK after a failure the next one gets a new one", func(t *testing.T) {
		t.Parallel()
		pool := lend.NewPool("try", 1, open)
		var first, second *good
		run(t, func(b *borrower) { first = pool.Take(b); b.Fail() })
		run(t, func(b *borrower) { second = pool.Take(b) })
		if first == second || !first.collected || !first.closed {
			t.Errorf("got %+v and then %+v, want the first collected and closed", first, second)
		}
	})
}

func TestTakeOfWhatIsBroken(t *testing.T) {
	t.Parallel()
	t.Run("ErrLeftBroken", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) { // a minute passes at once
			pool := lend.NewPool("try", 1, open)
			var first *good
			b := run(t, func(b *borrower) {
				first = pool.Take(b)
				b.Cleanup(func() { first.broken = errors.New("no chairs") })
			})
			if !b.failed || !strings.Contains(b.said, "no chairs") || !first.closed {
				t.Errorf("failed: %v, said %q, %+v", b.failed, b.said, first)
			}
		})
	})
	t.Run("ErrOpen", func(t *testing.T) {
		t.Parallel()
		opened := 0
		pool := lend.NewPool("try", 1, func(context.Context, string) (*good, error) {
			opened++
			return nil, errors.New("no machines")
		})
		for range 4 {
			if b := run(t, func(b *borrower) { pool.Take(b) }); !b.failed || !strings.Contains(b.said, "no machines") {
				t.Errorf("failed: %v, said %q", b.failed, b.said)
			}
		}
		if opened != 2 {
			t.Errorf("it was tried %d times, want twice", opened)
		}
	})
}
