package bench_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"runtime"
	"sync"
	"testing"
	"time"
)

const (
	guesses = 14 // a second, each from an address of its own
	looks   = 20 // a second, by who is signed in
	window  = 2 * time.Second

	// mostFelt is how much longer the index may take while somebody guesses passwords.
	mostFelt = 3
)

// BenchmarkGuesses takes the time of the index while nobody guesses passwords and while somebody does, in
// turns, so that whatever else the machine does slows both. One operation is a window of each. A replica
// with one processor has no other to serve pages with.
func BenchmarkGuesses(b *testing.B) {
	s := open(b, start(b), 100, 1_000)
	for _, processors := range []int{1, 2} {
		b.Run(fmt.Sprintf("processors=%d", processors), func(b *testing.B) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(processors))
			var quiet, guessed []time.Duration
			answers := map[int]int{}
			for b.Loop() {
				quiet = append(quiet, s.look(b)...)
				stop := s.guess(b)
				guessed = append(guessed, s.look(b)...)
				for _, status := range stop() {
					answers[status]++
				}
			}
			q50, q99, g50, g99 := at(quiet, 50), at(quiet, 99), at(guessed, 50), at(guessed, 99)
			b.ReportMetric(0, "ns/op") // a window is as long as it is
			for name, value := range map[string]float64{"quiet-p50-ms": q50, "quiet-p99-ms": q99,
				"guessed-p50-ms": g50, "guessed-p99-ms": g99, "p50-ratio": g50 / q50, "p99-ratio": g99 / q99} {
				b.ReportMetric(value, name)
			}
			b.Logf("guesses by the status of the answer: %v", answers)
			const enough = 100 // pages, for a median
			if len(quiet) >= enough && g50 > mostFelt*q50 {
				b.Errorf("p50 is %.1f ms while somebody guesses passwords, %.1f ms else: more than %d times", g50, q50, mostFelt)
			}
		})
	}
}

// look asks for the index at a steady rate, for one window.
func (s *cafe) look(b *testing.B) []time.Duration {
	ctx, cancel := context.WithTimeout(context.Background(), window)
	defer cancel()
	return steadily(ctx, looks, func() time.Duration {
		start := time.Now()
		if page := s.send(http.MethodGet, "/", nil); page.Code != http.StatusOK {
			b.Errorf("the index: status %d", page.Code)
		}
		return time.Since(start)
	})
}

// guess sends wrong passwords at a steady rate until it is stopped, and then gives the statuses of all
// the answers.
func (s *cafe) guess(b *testing.B) (stop func() []int) {
	visitor := &cafe{handler: s.handler}
	page := visitor.send(http.MethodGet, "/signin", nil)
	visitor.cookies = page.Result().Cookies()
	form := url.Values{"csrf": {token(b, page)}, "name": {"staff"}, "password": {"a wrong password"}}
	ctx, cancel := context.WithCancel(context.Background())
	answers := make(chan []int, 1)
	go func() {
		answers <- steadily(ctx, guesses, func() int {
			address := fmt.Sprintf("[2001:db8::%x:%x]:1", rand.N(1<<16), rand.N(1<<16))
			return visitor.sendFrom(address, http.MethodPost, "/signin", form).Code
		})
	}()
	return func() []int {
		cancel()
		return <-answers
	}
}

// steadily does something so many times a second, whether or not the last time is over, until the context
// ends. Then it waits for what was begun and returns all the results.
func steadily[T any](ctx context.Context, rate int, do func() T) (results []T) {
	var begun sync.WaitGroup
	var mu sync.Mutex
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			begun.Wait()
			return results
		case <-tick.C:
		}
		begun.Go(func() {
			result := do()
			mu.Lock()
			defer mu.Unlock()
			results = append(results, result)
		})
	}
}
