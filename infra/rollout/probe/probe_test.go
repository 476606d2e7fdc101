package probe_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"boardcafe/infra/rollout/model"
	"boardcafe/infra/rollout/probe"
)

// server answers every question with what the handler says, and counts the questions.
func server(t *testing.T, handler func(n int, w http.ResponseWriter, r *http.Request)) (url string,
	asked *atomic.Int64) {
	t.Helper()
	asked = &atomic.Int64{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler(int(asked.Add(1)), w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL + "/readyz", asked
}

func release(name string) func(int, http.ResponseWriter, *http.Request) {
	return func(_ int, w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-Release", name) }
}

// reports are what a prober has told, in that order.
type reports struct {
	mu   sync.Mutex
	told []string
}

func (r *reports) add(_ string, right bool, answer string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	word := "wrong: "
	if right {
		word = "right: "
	}
	r.told = append(r.told, word+answer)
}

func prober(r *reports) probe.Prober {
	return probe.Prober{Transport: http.DefaultTransport, Report: r.add}
}

func wantNew(url string) probe.Question {
	return probe.Question{URL: url, Probe: model.Probe{Header: "X-Release", Expect: "new", Timeout: 10 * time.Second}}
}

func TestSettleWaitsUntilOnlyTheNewReleaseAnswers(t *testing.T) {
	t.Run("OK/every address answers with it", func(t *testing.T) {
		var told reports
		first, askedFirst := server(t, release("new"))
		second, askedSecond := server(t, release("new"))
		began := time.Now()
		if err := prober(&told).Settle(t.Context(), []probe.Question{wantNew(first), wantNew(second)},
			300*time.Millisecond); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took < 300*time.Millisecond {
			t.Errorf("settled after %s, before the settle time", took)
		}
		if askedFirst.Load() < 2 || askedSecond.Load() < 2 {
			t.Errorf("asked %d and %d times, want each more than once", askedFirst.Load(), askedSecond.Load())
		}
		want := []string{`right: status 200 OK, X-Release "new"`, `right: status 200 OK, X-Release "new"`}
		if !slices.Equal(told.told, want) {
			t.Errorf("told %q, want %q", told.told, want)
		}
	})
	t.Run("OK/the old one answers once and the settle time begins again", func(t *testing.T) {
		var told reports
		url, asked := server(t, func(n int, w http.ResponseWriter, r *http.Request) {
			if n == 2 {
				release("old")(n, w, r)
				return
			}
			release("new")(n, w, r)
		})
		if err := prober(&told).Settle(t.Context(), []probe.Question{wantNew(url)}, 350*time.Millisecond); err != nil {
			t.Fatal(err)
		}
		if asked.Load() < 5 { // new, old, and three from the second beginning on
			t.Errorf("asked %d times: the settle time did not begin again", asked.Load())
		}
		want := []string{
			`right: status 200 OK, X-Release "new"`,
			`wrong: status 200 OK, X-Release "old", not "new"`,
			`right: status 200 OK, X-Release "new"`,
		}
		if !slices.Equal(told.told, want) {
			t.Errorf("told %q, want %q", told.told, want)
		}
	})
}

func TestABusyServerMayBeLateOnceInAWhile(t *testing.T) {
	t.Run("OK/it is busy once in a while", func(t *testing.T) {
		var told reports
		url, _ := server(t, func(n int, w http.ResponseWriter, r *http.Request) {
			release("new")(n, w, r)
			if n == 3 {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		})
		if err := prober(&told).Settle(t.Context(), []probe.Question{wantNew(url)}, 700*time.Millisecond); err != nil {
			t.Fatal(err)
		}
		if want := []string{`right: status 200 OK, X-Release "new"`}; !slices.Equal(told.told, want) {
			t.Errorf("told %q, want %q: the settle time went on", told.told, want)
		}
	})
	t.Run("ErrProbe/one of two replicas is never ready", func(t *testing.T) {
		url, _ := server(t, func(n int, w http.ResponseWriter, r *http.Request) {
			release("new")(n, w, r)
			if n%2 == 0 {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		})
		q := wantNew(url)
		q.Timeout = 500 * time.Millisecond
		err := prober(&reports{}).Settle(t.Context(), []probe.Question{q}, time.Second)
		if wrong, ok := errors.AsType[*probe.Error](err); !ok || !strings.Contains(wrong.Answer, "503") {
			t.Errorf("got %v, want an Error with the 503", err)
		}
	})
}

func TestTheProbeAsksAsAVisitorWould(t *testing.T) {
	t.Run("OK/nothing to ask", func(t *testing.T) {
		if err := prober(&reports{}).Settle(t.Context(), nil, time.Hour); err != nil {
			t.Error(err)
		}
	})
	t.Run("OK/each question comes on a connection of its own, from the probe", func(t *testing.T) {
		var mu sync.Mutex
		from := map[string]bool{}
		url, asked := server(t, func(_ int, _ http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			from[r.RemoteAddr] = true
			if agent := r.UserAgent(); agent != "rollout-probe" {
				t.Errorf("User-Agent %q", agent)
			}
		})
		if err := prober(&reports{}).Settle(t.Context(),
			[]probe.Question{{URL: url, Probe: model.Probe{Timeout: 10 * time.Second}}}, 300*time.Millisecond); err != nil {
			t.Fatal(err)
		}
		if int64(len(from)) != asked.Load() {
			t.Errorf("%d questions on %d connections", asked.Load(), len(from))
		}
	})
}

func TestAnAnswerIsRightByItsStatus(t *testing.T) {
	answer := func(status int) func(int, http.ResponseWriter, *http.Request) {
		return func(_ int, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/signin")
			w.WriteHeader(status)
		}
	}
	for name, test := range map[string]struct{ answered, wanted int }{
		"OK/any below 400":           {204, 0},
		"OK/a redirect, not its end": {303, 0},
		"OK/the one that is named":   {503, 503},
	} {
		t.Run(name, func(t *testing.T) {
			url, _ := server(t, answer(test.answered))
			question := probe.Question{URL: url, Probe: model.Probe{Status: test.wanted, Timeout: 5 * time.Second}}
			if err := prober(&reports{}).Settle(t.Context(), []probe.Question{question}, 0); err != nil {
				t.Error(err)
			}
		})
	}
	for name, test := range map[string]struct{ answered, wanted int }{
		"ErrStatus/400 and above":       {503, 0},
		"ErrStatus/another than wanted": {200, 204},
	} {
		t.Run(name, func(t *testing.T) {
			url, _ := server(t, answer(test.answered))
			question := probe.Question{URL: url, Probe: model.Probe{Status: test.wanted, Timeout: time.Nanosecond}}
			checkError(t, prober(&reports{}).Settle(t.Context(), []probe.Question{question}, 0), url,
				"status "+http.StatusText(test.answered))
		})
	}
}

// checkError checks that an error is a probe's, names the address, and has all these words of the answer.
func checkError(t *testing.T, err error, url, answer string) {
	t.Helper()
	var wrong *probe.Error
	if !errors.As(err, &wrong) {
		t.Fatalf("error %v, want a *probe.Error", err)
	}
	if wrong.URL != url || !strings.HasPrefix(err.Error(), "probe "+url+": ") {
		t.Errorf("error %q of address %q, want it to name %s", err, wrong.URL, url)
	}
	for _, word := range strings.Fields(answer) {
		if !strings.Contains(wrong.Answer, word) || !strings.Contains(err.Error(), word) {
			t.Errorf("error %q does not say %q", err, word)
		}
	}
}

func TestSettleFailsWithTheLastWrongAnswer(t *testing.T) {
	t.Run("ErrAnswer/only the old release answers", func(t *testing.T) {
		var told reports
		url, asked := server(t, release("old"))
		question := wantNew(url)
		question.Timeout = 300 * time.Millisecond
		began := time.Now()
		err := prober(&told).Settle(t.Context(), []probe.Question{question}, time.Hour)
		checkError(t, err, url, `200 OK, X-Release "old", not "new"`)
		if took := time.Since(began); took < 300*time.Millisecond {
			t.Errorf("failed after %s, before the timeout", took)
		}
		if asked.Load() < 2 {
			t.Errorf("asked %d times", asked.Load())
		}
		if want := []string{`wrong: status 200 OK, X-Release "old", not "new"`}; !slices.Equal(told.told, want) {
			t.Errorf("told %q, want %q once", told.told, want)
		}
	})
	t.Run("ErrAnswer/it never comes to rest", func(t *testing.T) {
		url, _ := server(t, func(n int, w http.ResponseWriter, r *http.Request) {
			release([]string{"new", "old"}[n%2])(n, w, r)
		})
		question := wantNew(url)
		question.Timeout = 250 * time.Millisecond // above the interval: no single spell of wrong answers lasts so long
		checkError(t, prober(&reports{}).Settle(t.Context(), []probe.Question{question}, 300*time.Millisecond), url, `"old"`)
	})
	t.Run("ErrAnswer/nobody listens", func(t *testing.T) {
		closed := httptest.NewServer(nil)
		closed.Close()
		err := prober(&reports{}).Settle(t.Context(),
			[]probe.Question{{URL: closed.URL, Probe: model.Probe{Timeout: time.Nanosecond}}}, 0)
		checkError(t, err, closed.URL, "connection refused")
		if strings.Contains(err.Error(), "Get ") {
			t.Errorf("error %q names the method", err)
		}
	})
	t.Run("ErrAnswer/no address", func(t *testing.T) {
		err := prober(&reports{}).Settle(t.Context(),
			[]probe.Question{{URL: ":", Probe: model.Probe{Timeout: time.Nanosecond}}}, 0)
		checkError(t, err, ":", "missing protocol scheme")
	})
	t.Run("ErrAnswer/the first failure ends the others", func(t *testing.T) {
		bad, _ := server(t, release("old"))
		good, _ := server(t, release("new"))
		question := wantNew(bad)
		question.Timeout = time.Nanosecond
		began := time.Now()
		checkError(t, prober(&reports{}).Settle(t.Context(), []probe.Question{wantNew(good), question}, time.Hour), bad,
			`"old"`)
		if took := time.Since(began); took > 30*time.Second {
			t.Errorf("took %s", took)
		}
	})
}

func TestSettleEndsWithItsContext(t *testing.T) {
	hang := func(_ int, _ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	t.Run("ErrDeadline/while no answer comes", func(t *testing.T) {
		url, _ := server(t, hang)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if err := prober(&reports{}).Settle(ctx, []probe.Question{wantNew(url)}, 0); !errors.Is(err,
			context.DeadlineExceeded) {
			t.Errorf("error %v, want the context's", err)
		}
	})
	t.Run("ErrCause/while the answers settle", func(t *testing.T) {
		url, _ := server(t, release("new"))
		interrupted := errors.New("interrupted")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(100*time.Millisecond, func() { cancel(interrupted) })
		if err := prober(&reports{}).Settle(ctx, []probe.Question{wantNew(url)}, time.Hour); !errors.Is(err, interrupted) {
			t.Errorf("error %v, want the cause of the cancellation", err)
		}
	})
}
