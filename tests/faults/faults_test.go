package faults_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"boardcafe/tests/await"
)

// A replica that is told to stop goes on until the proxy has forgotten it.
func TestReplicaStopsUnderLoad(t *testing.T) {
	c := shared
	id := c.apps[0].GetContainerID()
	l := c.startLoad(t, 32)
	time.Sleep(time.Second)
	if err := c.docker.ContainerKill(t.Context(), id, "TERM"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // the tests that follow have two again
		if err := c.apps[0].Start(context.Background()); err != nil {
			t.Error(err)
		}
	})
	await.Within(t, 30*time.Second, func() error {
		state, err := c.apps[0].State(t.Context())
		if err == nil && state.Running {
			err = fmt.Errorf("it still runs")
		}
		return err
	})
	time.Sleep(2 * time.Second)
	all := l.stop()
	state, err := c.apps[0].State(t.Context())
	if err != nil || state.ExitCode != 0 {
		t.Errorf("the replica ended with %d, %v", state.ExitCode, err)
	}
	failed := 0
	for _, s := range all {
		if !s.served() {
			if failed++; failed <= 5 {
				t.Errorf("failed: %v\nthe proxy: %s", s.answer, c.logged(t.Context(), s.header.Get("X-Request-Id")))
			}
		}
	}
	t.Logf("%d requests, %d failed, %d not sent", len(all), failed, l.skip)
	if failed > 0 {
		t.Errorf("%d of %d requests failed", failed, len(all))
	}
	c.wantKept(t, l)
}

// away is how long the database is gone. CAFE_FAULTS_AWAY=20s makes it longer.
func away(t *testing.T) time.Duration {
	text := os.Getenv("CAFE_FAULTS_AWAY")
	if text == "" {
		return 10 * time.Second
	}
	d, err := time.ParseDuration(text)
	if err != nil || d > longest/2 {
		t.Fatalf("CAFE_FAULTS_AWAY: %q, %v", text, err)
	}
	return d
}

func TestDatabaseStopsUnderLoad(t *testing.T) {
	wait := 60
	databaseGoes(t, away(t), func(id string) error {
		return shared.docker.ContainerStop(t.Context(), id, container.StopOptions{Timeout: &wait})
	})
}

// Nothing is written out in good order: what was acknowledged must be on disk already.
func TestDatabaseIsKilledUnderLoad(t *testing.T) {
	databaseGoes(t, 3*time.Second, func(id string) error {
		return shared.docker.ContainerKill(t.Context(), id, "KILL")
	})
}

// databaseGoes takes the database away for a while: people are told to wait, and all works again
// by itself when it is back.
func databaseGoes(t *testing.T, d time.Duration, end func(id string) error) {
	c := shared
	id := c.db.GetContainerID()
	s, l := c.mustSignIn(t), c.startLoad(t, 128)
	time.Sleep(time.Second)
	if err := end(id); err != nil {
		t.Fatal(err)
	}
	gone := time.Now()
	back := false
	start := func() error { return c.docker.ContainerStart(context.Background(), id, container.StartOptions{}) }
	t.Cleanup(func() {
		if !back {
			_ = start()
		}
	})
	a := s.get(t.Context(), "/")
	a.wantPage(t, http.StatusServiceUnavailable)
	t.Logf("the index said so after %v", time.Since(gone).Round(time.Millisecond))
	if a := s.send(t.Context(), http.MethodGet, c.direct(t, 1)+"/healthz", nil); a.status != http.StatusOK {
		t.Errorf("healthz: got %v, want 200: no restart mends a database", a)
	}
	time.Sleep(time.Until(gone.Add(d)))
	if err := start(); err != nil {
		t.Fatal(err)
	}
	back = true
	started := time.Now()
	await.Within(t, time.Minute, func() error {
		if a := s.get(t.Context(), "/"); a.status != http.StatusOK {
			return fmt.Errorf("index: %v", a)
		}
		return nil
	})
	recovered := time.Now()
	t.Logf("served again %v after the database's start", recovered.Sub(started).Round(time.Millisecond))
	time.Sleep(2 * time.Second)
	all := l.stop()
	wantRefusedUntil(t, recovered, all)
	t.Logf("%d requests, %d not sent", len(all), l.skip)
	for i, app := range c.apps {
		if state, err := app.State(t.Context()); err != nil || !state.Running {
			t.Errorf("replica %d: %+v, %v", i, state, err)
		}
	}
	c.wantKept(t, l)
}

// wantRefusedUntil checks that some requests were refused with a page, and none any more soon after the recovery.
func wantRefusedUntil(t *testing.T, recovered time.Time, all []sent) {
	t.Helper()
	refused, late := 0, 0
	for _, s := range all {
		if s.served() {
			continue
		}
		refused++
		seconds, err := strconv.Atoi(s.header.Get("Retry-After"))
		if s.err != nil || s.status != http.StatusServiceUnavailable || !s.isPage() || err != nil || seconds < 1 {
			t.Errorf("got %v, want a page with status 503 and Retry-After", s.answer)
		}
		// The longest that a request which began before may take.
		if s.at.After(recovered.Add(6 * time.Second)) {
			late++
		}
	}
	if refused == 0 || late > 0 {
		t.Errorf("%d requests were refused, %d of them long after the recovery", refused, late)
	}
	t.Logf("%d refused", refused)
}

func TestTooLargeBody(t *testing.T) {
	s := shared.mustSignIn(t)
	app := shared.direct(t, 1)
	body := func(kilobytes int) string { return "name=" + strings.Repeat("a", kilobytes<<10) }
	chunked := func(text string) io.Reader { return struct{ io.Reader }{strings.NewReader(text)} } // length not known
	for name, a := range map[string]answer{
		"by nginx":          s.send(t.Context(), http.MethodPost, s.url+"/customers", strings.NewReader(body(2048))),
		"by nginx, chunked": s.send(t.Context(), http.MethodPost, s.url+"/customers", chunked(body(2048))),
		"by the app":        s.send(t.Context(), http.MethodPost, s.url+"/customers", strings.NewReader(body(300))),
		// No more than the server still reads after its answer: else the answer can be lost by a reset.
		"direct":                  s.send(t.Context(), http.MethodPost, app+"/customers", strings.NewReader(body(300))),
		"direct, chunked":         s.send(t.Context(), http.MethodPost, app+"/customers", chunked(body(300))),
		"direct, chunked sign-in": s.send(t.Context(), http.MethodPost, app+"/signin", chunked(body(300))),
	} {
		t.Run(name, func(t *testing.T) { a.wantPage(t, http.StatusRequestEntityTooLarge) })
	}
	s.get(t.Context(), "/").wantPage(t, http.StatusOK)
}

// Who sends a byte now and then is cut off before long, and costs nobody else anything.
func TestSlowClient(t *testing.T) {
	proxy, app := shared.url, shared.direct(t, 1)
	var all sync.WaitGroup // subtests would wait for each other on two cores
	for _, c := range []struct {
		name, url, begin, drip string
	}{
		{"header to the proxy", proxy, "GET /signin HTTP/1.1\r\nHost: cafe\r\n", "X-Slow: yes\r\n"},
		{"body to the proxy", proxy, "POST /signin HTTP/1.1\r\nHost: cafe\r\nContent-Length: 1000\r\n\r\n", ""},
		{"header to the app", app, "GET /signin HTTP/1.1\r\nHost: cafe\r\n", "X-Slow: yes\r\n"},
		{"body to the app", app, "POST /signin HTTP/1.1\r\nHost: cafe\r\nContent-Length: 1000\r\n\r\n", "a"},
	} {
		all.Go(func() {
			took, err := untilClosed(c.url, c.begin, c.drip)
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			t.Logf("%s: closed after %v", c.name, took.Round(100*time.Millisecond))
		})
	}
	all.Wait()
}

// untilClosed sends the begin of a request and then a drip each second. The limits are 5 to 15 s;
// the rest is for a busy machine.
func untilClosed(url, begin, drip string) (time.Duration, error) {
	start := time.Now()
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, begin); err != nil {
		return 0, err
	}
	go func() { // ends with the connection
		for drip != "" {
			time.Sleep(time.Second)
			if _, err := io.WriteString(conn, drip); err != nil {
				return
			}
		}
	}()
	conn.SetReadDeadline(start.Add(25 * time.Second))
	_, err = io.Copy(io.Discard, conn)
	if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
		return time.Since(start), errors.New("still open")
	}
	return time.Since(start), nil // closed or reset
}

func TestThousandConnections(t *testing.T) {
	s := shared.mustSignIn(t)
	host := strings.TrimPrefix(shared.url, "http://")
	for i := range 1000 {
		conn, err := net.Dial("tcp", host)
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		t.Cleanup(func() { conn.Close() })
		// Half of them have asked once and keep the connection, half have only begun.
		if i%2 == 1 {
			if _, err := io.WriteString(conn, "GET /signin HTTP/1.1\r\nHost: cafe\r\n"); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if _, err := io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: cafe\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.Contains(line, " 200 ") {
			t.Fatalf("connection %d: %q, %v", i, line, err)
		}
	}
	s.CloseIdleConnections() // a new one must be possible, too
	start := time.Now()
	s.get(t.Context(), "/").wantPage(t, http.StatusOK)
	t.Logf("the index took %v beside 1,000 connections", time.Since(start).Round(time.Millisecond))
}
