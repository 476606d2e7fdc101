// Package probe asks from outside whether a release serves on every machine, and whether it alone answers there.
// When Swarm says "running", it says so of processes only.
package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"boardcafe/infra/rollout/model"
)

// Question is what is asked at an address. The path of the probe is part of the address.
type Question struct {
	URL string
	model.Probe
}

// Error is the last wrong answer.
type Error struct {
	URL    string
	Answer string
	For    time.Duration
}

func (e *Error) Error() string {
	return fmt.Sprintf("probe %s: %s, for %s", e.URL, e.Answer, e.For.Round(time.Second))
}

const (
	interval = 200 * time.Millisecond
	// patience is for one answer.
	patience = 5 * time.Second
	// busyShare is how many right answers allow one more that a server is busy. Under load a good release says so
	// too. A replica that never gets ready says so far more often.
	busyShare = 10
)

// busyError is a wrong answer that is no sign of a bad release: it came too late, or the server asked for patience.
type busyError struct{ error }

// Prober asks questions until their answers are right, or have been wrong for too long.
type Prober struct {
	Transport http.RoundTripper
	// Report is told when the answers of an address become right, and when they become wrong.
	Report func(url string, right bool, answer string)
}

// Settle returns when all addresses have given only right answers for the settle time. One answer in ten may be late
// or a 503 "busy", as long as no other release answers. The error is an *[Error], or the cause of the context.
func (p Prober) Settle(ctx context.Context, questions []Question, settle time.Duration) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var all sync.WaitGroup
	for _, question := range questions {
		all.Go(func() {
			if err := p.settle(ctx, question, settle); err != nil {
				cancel(err) // the first failure ends the others
			}
		})
	}
	all.Wait()
	return context.Cause(ctx)
}

func (p Prober) settle(ctx context.Context, q Question, settle time.Duration) error {
	// Each question has a connection of its own. A connection that is kept stays with the old process of a proxy,
	// while new visitors get the new process.
	client := &http.Client{
		Transport:     p.Transport,
		Timeout:       patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	began := time.Now()
	var right, wrong time.Time // since when the answers are so
	var answers, busy int      // right ones and busy ones since then
	for {
		answer, err := ask(ctx, client, q)
		now := time.Now()
		var late *busyError
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err == nil && right.IsZero():
			right, wrong = now, time.Time{}
			answers, busy = 1, 0
			p.Report(q.URL, true, answer)
		case err == nil:
			answers++
			if now.Sub(right) >= settle {
				return nil
			}
		case !right.IsZero() && errors.As(err, &late) && busy <= answers/busyShare:
			busy++
		default:
			if wrong.IsZero() {
				wrong, right = now, time.Time{}
				p.Report(q.URL, false, err.Error())
			}
			if now.Sub(wrong) >= q.Timeout || now.Sub(began) >= 4*q.Timeout+settle {
				return &Error{URL: q.URL, Answer: err.Error(), For: now.Sub(wrong)}
			}
		}
		timer := time.NewTimer(interval)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
}

// ask returns the right answer, or a wrong one as an error.
func ask(ctx context.Context, client *http.Client, q Question) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, q.URL, nil)
	if err != nil {
		return "", err
	}
	request.Close = true
	request.Header.Set("User-Agent", "rollout-probe")
	response, err := client.Do(request)
	if err != nil {
		if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
			return "", &busyError{reason(err)}
		}
		return "", reason(err)
	}
	defer response.Body.Close()
	io.Copy(io.Discard, io.LimitReader(response.Body, 1<<20))
	answer := "status " + response.Status
	if q.Header != "" {
		answer += fmt.Sprintf(", %s %q", q.Header, response.Header.Get(q.Header))
	}
	patient := response.StatusCode == http.StatusServiceUnavailable || response.StatusCode == http.StatusTooManyRequests
	switch {
	case patient && q.Status != response.StatusCode && (q.Header == "" || response.Header.Get(q.Header) == q.Expect):
		return "", &busyError{errors.New(answer)}
	case q.Status != 0 && response.StatusCode != q.Status, q.Status == 0 && response.StatusCode >= 400:
		return "", errors.New(answer)
	case q.Header != "" && response.Header.Get(q.Header) != q.Expect:
		return "", fmt.Errorf("%s, not %q", answer, q.Expect)
	}
	return answer, nil
}

// reason is an error of the client without the method and address that it begins with.
func reason(err error) error {
	if inner := errors.Unwrap(err); inner != nil {
		return inner
	}
	return err
}
