package lock_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"boardcafe/infra/rollout/lock"
	"boardcafe/infra/rollout/swarmtest"
)

func TestOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		waited := ""
		l := lock.Locker{Engine: swarmtest.New(), Stack: "cafe", Warn: func(text string) { t.Error(text) },
			Waiting: func(h lock.Holder) { waited = h.Who }}
		_, first, err := l.Acquire(t.Context(), lock.Holder{Who: "anna", What: "deploy", Where: "here"}, 0)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * lock.Lease) // renewed meanwhile
		var held *lock.HeldError
		if _, _, err := l.Acquire(t.Context(), lock.Holder{Who: "ben"}, 3*time.Second); !errors.As(err, &held) ||
			held.Holder.Who != "anna" || !strings.Contains(err.Error(), "here") || waited != "anna" {
			t.Fatalf("%v, waited for %q", err, waited)
		}
		time.AfterFunc(3*time.Second, func() {
			if err := first.Release(t.Context()); err != nil {
				t.Error(err)
			}
		})
		_, second, err := l.Acquire(t.Context(), lock.Holder{Who: "ben"}, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if err := second.Release(t.Context()); err != nil {
			t.Error(err)
		}
		if _, held, err := l.Break(t.Context()); held || err != nil {
			t.Error(held, err)
		}
	})
}

// silence stops all renewals of leases until the function that it returns is called.
func silence(s *swarmtest.Swarm) (end func()) {
	s.Before = func(method string) error {
		if method == "ConfigUpdate" {
			return errors.New("no leader")
		}
		return nil
	}
	return func() { s.Before = nil }
}

// On a slow machine exit code 4 once said that the lock was lost, though nobody else was there.
func TestALeaseThatNobodyTookIsRenewedHoweverLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := swarmtest.New()
		warned := ""
		l := lock.Locker{Engine: s, Stack: "cafe", Warn: func(text string) { warned += text }}
		work, held, err := l.Acquire(t.Context(), lock.Holder{Who: "anna"}, 0)
		if err != nil {
			t.Fatal(err)
		}
		answers := silence(s)
		time.AfterFunc(3*lock.Lease, answers)
		time.Sleep(lock.Lease)
		began := time.Now()
		if err := held.Fresh(work); err != nil {
			t.Errorf("before a write: %v, want a renewal", err)
		}
		if waited := time.Since(began); waited < 2*lock.Lease {
			t.Errorf("a write had to wait %s, want until the engine answers", waited)
		}
		if context.Cause(work) != nil || strings.Count(warned, "the lock's lease is") != 1 {
			t.Errorf("the work ended with %v; warned %q, want no end and one warning", context.Cause(work), warned)
		}
		if holder, found, err := l.Current(t.Context()); !found || err != nil || holder.Who != "anna" ||
			time.Since(holder.Renewed) > lock.Renewal {
			t.Errorf("the holder is %+v, %t, %v, want anna, renewed", holder, found, err)
		}
		if err := held.Release(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestLostWhenAnotherHasTakenIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := swarmtest.New()
		warned := ""
		l := lock.Locker{Engine: s, Stack: "cafe", Warn: func(text string) { warned += text }}
		work, lost, err := l.Acquire(t.Context(), lock.Holder{Who: "anna"}, 0)
		if err != nil {
			t.Fatal(err)
		}
		answers := silence(s)
		time.Sleep(lock.Lease)
		_, next, err := l.Acquire(t.Context(), lock.Holder{Who: "ben"}, 0)
		if err != nil || !strings.Contains(warned, "over from anna") {
			t.Fatal(err, warned)
		}
		answers()
		if err := lost.Fresh(t.Context()); !errors.Is(err, lock.ErrLost) {
			t.Errorf("before a write of anna: %v, want %v", err, lock.ErrLost)
		}
		<-work.Done()
		if !errors.Is(context.Cause(work), lock.ErrLost) {
			t.Errorf("the work ended with %v, want %v", context.Cause(work), lock.ErrLost)
		}
		if err := lost.Release(t.Context()); err != nil { // never somebody else's
			t.Error(err)
		}
		if holder, held, _ := l.Current(t.Context()); !held || holder.Who != "ben" {
			t.Error("the lock of ben is gone")
		}
		if err := next.Release(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestTakenOverFromADeadProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		warned := ""
		l := lock.Locker{
			Engine: swarmtest.New(), Stack: "cafe", Warn: func(text string) { warned = text },
			Alive: func(process string) (bool, bool) { return process != "dead", true },
		}
		_, dead, err := l.Acquire(t.Context(), lock.Holder{Who: "anna", Process: "dead"}, 0)
		if err != nil {
			t.Fatal(err)
		}
		work, next, err := l.Acquire(t.Context(), lock.Holder{Who: "ben", Process: "alive"}, 0)
		if err != nil || !strings.Contains(warned, "process") {
			t.Fatal(err, warned)
		}
		_, _, _ = dead.Release(t.Context()), next.Release(t.Context()), work
	})
}

func TestEngineErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := swarmtest.New()
		l := lock.Locker{Engine: s, Stack: "cafe"}
		s.Before = func(string) error { return errors.New("down") }
		if _, _, err := l.Acquire(t.Context(), lock.Holder{}, 0); err == nil {
			t.Error("locked without an engine")
		}
		if _, _, err := l.Break(t.Context()); err == nil {
			t.Error("broken without an engine")
		}
	})
}

func TestProcess(t *testing.T) {
	me := lock.Process()
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("no /proc")
	}
	if alive, known := lock.Alive(me); !alive || !known {
		t.Errorf("%s: alive %t, known %t", me, alive, known)
	}
	gone := me[:strings.LastIndexByte(me, '/')] + "/1"
	if alive, known := lock.Alive(gone); alive || !known {
		t.Errorf("%s: alive %t, known %t", gone, alive, known)
	}
	for _, other := range []string{"", "elsewhere/1/1", strings.SplitN(me, "/", 2)[0] + "/x/1"} {
		if _, known := lock.Alive(other); known {
			t.Errorf("%q is known", other)
		}
	}
}
