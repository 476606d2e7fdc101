// Package bench_test measures; `make bench` runs it. It has no tests, so that nothing is started
// for them.
package bench_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"boardcafe/app/web"
	"boardcafe/tests/dbtest"
)

// mostRatio is how much longer the index may take with a hundred times as much in the database.
const mostRatio = 3

// BenchmarkIndex takes the time of the index over a small and a large database, in turns, so that
// whatever else the machine does slows both. One operation is one page of each.
func BenchmarkIndex(b *testing.B) {
	server := start(b)
	small, large := open(b, server, 100, 1_000), open(b, server, 10_000, 100_000)
	for _, page := range []struct {
		path    string
		limited bool // by mostRatio
	}{
		{"/", true},
		{"/?csort=name", true},
		{"/?csort=-table", true},
		{"/?csort=game", true},
		{"/?cpage=20", true},
		{"/?gsort=minutes", false}, // sorts all games
	} {
		b.Run(page.path, func(b *testing.B) {
			var took [2][]time.Duration
			for _, s := range []*cafe{small, large} { // connections, statistics, caches
				for range 10 {
					s.get(b, page.path)
				}
			}
			for b.Loop() {
				for i, s := range []*cafe{small, large} {
					took[i] = append(took[i], s.get(b, page.path))
				}
			}
			s50, s99, l50, l99 := at(took[0], 50), at(took[0], 99), at(took[1], 50), at(took[1], 99)
			b.ReportMetric(0, "ns/op") // of both pages together: it says nothing
			for name, ms := range map[string]float64{"small-p50-ms": s50, "small-p99-ms": s99,
				"large-p50-ms": l50, "large-p99-ms": l99, "p50-ratio": l50 / s50, "p99-ratio": l99 / s99} {
				b.ReportMetric(ms, name)
			}
			const enough = 300 // requests, for a p99
			if page.limited && len(took[0]) >= enough && l99 > mostRatio*s99 {
				b.Errorf("p99 is %.1f ms with 10,000 games and 100,000 customers, %.1f ms with 100 and 1,000: more than %d times",
					l99, s99, mostRatio)
			}
		})
	}
}

// start starts a MySQL.
func start(b *testing.B) *dbtest.Server {
	b.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	server, err := dbtest.Start(ctx)
	if server != nil {
		b.Cleanup(server.Stop) // after the databases
	}
	if err != nil {
		b.Fatal(err)
	}
	return server
}

// at is a percentile in milliseconds.
func at(took []time.Duration, percent int) float64 {
	sorted := slices.Sorted(slices.Values(took))
	return float64(sorted[(len(sorted)-1)*percent/100].Microseconds()) / 1000
}

// cafe is the app over a filled database, with somebody signed in.
type cafe struct {
	handler http.Handler
	cookies []*http.Cookie
}

func open(b *testing.B, server *dbtest.Server, games, customers int) *cafe {
	b.Helper()
	c := server.Config(b)
	server.Fill(b, c, games, customers)
	line, err := web.HashPassword("staff", "a long password")
	if err != nil {
		b.Fatal(err)
	}
	accounts, err := web.ParseStaff(strings.NewReader(line))
	if err != nil {
		b.Fatal(err)
	}
	handler, err := web.New(web.Config{Store: dbtest.MustOpen(b, c), Staff: accounts,
		SessionKey: []byte(strings.Repeat("k", 32)), Release: "bench",
		Log: slog.New(slog.NewJSONHandler(io.Discard, nil)), Metrics: prometheus.NewRegistry(), Now: time.Now})
	if err != nil {
		b.Fatal(err)
	}
	s := &cafe{handler: handler}
	page := s.send(http.MethodGet, "/signin", nil)
	s.cookies = page.Result().Cookies()
	page = s.send(http.MethodPost, "/signin",
		url.Values{"csrf": {token(b, page)}, "name": {"staff"}, "password": {"a long password"}})
	if page.Code != http.StatusSeeOther {
		b.Fatalf("sign in: %d", page.Code)
	}
	s.cookies = page.Result().Cookies()
	return s
}

// get is how long a page takes.
func (s *cafe) get(b *testing.B, path string) time.Duration {
	start := time.Now()
	page := s.send(http.MethodGet, path, nil)
	took := time.Since(start)
	if page.Code != http.StatusOK {
		b.Fatal(fmt.Errorf("%s: status %d", path, page.Code))
	}
	return took
}

// token is what a page's forms carry.
func token(b *testing.B, page *httptest.ResponseRecorder) string {
	b.Helper()
	found := regexp.MustCompile(`name="csrf" value="([^"]+)"`).FindStringSubmatch(page.Body.String())
	if found == nil {
		b.Fatalf("no token on the page: %d", page.Code)
	}
	return found[1]
}

func (s *cafe) send(method, path string, form url.Values) *httptest.ResponseRecorder {
	return s.sendFrom("192.0.2.1:1", method, path, form)
}

// sendFrom sends from a client's address and port.
func (s *cafe) sendFrom(address, method, path string, form url.Values) *httptest.ResponseRecorder {
	request := httptest.NewRequest(method, path, strings.NewReader(form.Encode()))
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	request.RemoteAddr = address
	for _, cookie := range s.cookies {
		request.AddCookie(cookie)
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, request)
	return w
}
