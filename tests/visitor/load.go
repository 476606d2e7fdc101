package visitor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"sync"
	"time"
)

// maxLoad bounds a load that nobody stops.
const maxLoad = 5 * time.Minute

// Load is requests at a constant rate, whether they are answered or not.
type Load struct {
	stop  context.CancelFunc
	done  chan struct{}
	began time.Time
	ended time.Time

	mu       sync.Mutex
	requests int
	slowest  time.Duration
	busy     int
	failures []Failure
}

// Failure is a request that was not answered as it should be.
type Failure struct {
	At    time.Time // when it was sent
	Where string
	What  string
}

// Start sends so many requests a second until [Load.End], for five minutes at most. Request number n is
// sent by the function, which says where it went.
func Start(ctx context.Context, rate int, request func(n int) (where string, err error)) *Load {
	ctx, stop := context.WithTimeout(ctx, maxLoad)
	l := &Load{stop: stop, done: make(chan struct{}), began: time.Now()}
	go l.run(ctx, rate, request)
	return l
}

func (l *Load) run(ctx context.Context, rate int, request func(int) (string, error)) {
	var under sync.WaitGroup
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	for n := 0; ctx.Err() == nil; n++ {
		select {
		case <-ctx.Done():
		case <-tick.C:
			under.Go(func() {
				began := time.Now()
				where, err := request(n)
				l.note(where, began, err)
			})
		}
	}
	under.Wait()
	l.ended = time.Now()
	close(l.done)
}

func (l *Load) note(where string, began time.Time, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.requests++
	l.slowest = max(l.slowest, time.Since(began))
	if _, ok := errors.AsType[*BusyError](err); ok {
		l.busy++
		return
	}
	if err != nil {
		l.failures = append(l.failures, Failure{began, where, err.Error()})
	}
}

// End ends the load, waits for the answers that are still to come and returns what failed. Whom the café
// itself told that it is busy is not among them, see [Load.Busy].
func (l *Load) End() (requests int, failures []Failure) {
	l.stop()
	<-l.done
	return l.requests, l.failures
}

// Busy ends the load and returns how often the café was too busy. Two cores that run three machines, the
// load and a release are, now and then.
func (l *Load) Busy() int {
	l.End()
	return l.busy
}

// String says what the load was. Two cores that also run three machines may not get to the whole rate.
func (l *Load) String() string {
	requests, failures := l.End()
	return fmt.Sprintf("%d requests (%.0f a second), %d failed, %d found the café busy, the slowest took %s", requests,
		float64(requests)/l.ended.Sub(l.began).Seconds(), len(failures), l.busy, l.slowest.Round(time.Millisecond))
}

var details = regexp.MustCompile(`\?[^:" ]*`)

// Summary counts the failures that are alike in each second.
func (l *Load) Summary() []string {
	_, failures := l.End()
	count := map[string]int{}
	for _, f := range failures {
		count[f.At.Format("15:04:05")+" "+f.Where+": "+details.ReplaceAllString(f.What, "?…")]++
	}
	var lines []string
	for _, text := range slices.Sorted(maps.Keys(count)) {
		lines = append(lines, fmt.Sprintf("%s (%d times)", text, count[text]))
	}
	return lines
}
