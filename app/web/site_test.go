package web_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"boardcafe/app/cafe"
	"boardcafe/app/mysql"
	"boardcafe/app/web"
	"boardcafe/tests/dbtest"
)

func TestSignIn(t *testing.T) {
	t.Parallel()
	t.Run("OKAndBackToWhereOneWas", func(t *testing.T) {
		s := newSite(t)
		s.game("Azul", 1)
		b := s.visitor()
		p := b.get("/games?q=azul")
		if p.path != "/signin?next=%2Fgames%3Fq%3Dazul" {
			t.Errorf("got to %s", p.path)
		}
		p = b.submit("/signin", url.Values{"name": {"anna"}, "password": {password}})
		if p.path != "/games?q=azul" {
			t.Errorf("sign-in led to %s", p.path)
		}
		if p := b.get("/signin"); p.path != "/" {
			t.Errorf("a second sign-in led to %s", p.path)
		}
		if p := b.submit("/signout", nil); p.path != "/signin" {
			t.Errorf("sign-out led to %s", p.path)
		}
		if p := b.get("/"); p.path != "/signin?next=%2F" {
			t.Errorf("after sign-out: got to %s", p.path)
		}
	})
	t.Run("ErrElsewhere", func(t *testing.T) {
		s := newSite(t)
		for _, next := range []string{"//evil.example/", "https://evil.example/", `/\evil.example`, "evil",
			"/\t/evil.example"} {
			b := s.visitor()
			b.get("/signin?next=" + url.QueryEscape(next))
			if p := b.submit("/signin", url.Values{"name": {"anna"}, "password": {password}}); p.path != "/" {
				t.Errorf("next=%s led to %s", next, p.path)
			}
		}
	})
	t.Run("ErrWrongThenPaused", wrongThenPaused)
	t.Run("ErrHowLong", howLong)
	t.Run("ErrSessionOfAnotherPassword", func(t *testing.T) {
		s := newSite(t)
		b := s.signedIn()
		line, err := web.HashPassword("anna", "another password")
		if err != nil {
			t.Fatal(err)
		}
		staff, err := web.ParseStaff(strings.NewReader(line))
		if err != nil {
			t.Fatal(err)
		}
		after := newSite(t, func(c *web.Config) { c.Staff = staff })
		b.base = after.http.URL
		if p := b.get("/"); !strings.HasPrefix(p.path, "/signin") {
			t.Errorf("the old session still opens %s", p.path)
		}
	})
	t.Run("ErrForgedCookie", func(t *testing.T) {
		s := newSite(t)
		r, _ := http.NewRequest(http.MethodGet, s.http.URL+"/", nil)
		r.AddCookie(&http.Cookie{Name: "cafe_session", Value: "eyJTdGFmZiI6ImFubmEifQ"})
		if p := s.visitor().do(r); !strings.HasPrefix(p.path, "/signin") {
			t.Errorf("a forged cookie opens %s", p.path)
		}
	})
	t.Run("OKSecureCookies", func(t *testing.T) {
		s := newSite(t, func(c *web.Config) { c.HTTPS = true })
		p := s.visitor().get("/signin")
		if c := p.header.Get("Set-Cookie"); !strings.HasPrefix(c, "__Host-cafe_session=") || !strings.Contains(c, "Secure") ||
			!strings.Contains(c, "HttpOnly") || !strings.Contains(c, "SameSite=Lax") ||
			p.header.Get("Strict-Transport-Security") == "" {
			t.Errorf("got cookie %q", c)
		}
	})
}

// wrongThenPaused changes the stored times: how long a try takes here is the machine's to say.
func wrongThenPaused(t *testing.T) {
	c := server.Config(t)
	raw := server.Raw(t, c)
	s := newSite(t, func(config *web.Config) { config.Store = dbtest.MustOpen(t, c) })
	b := s.visitor()
	b.get("/signin")
	try := func(name, password string) *page {
		t.Helper()
		return b.submit("/signin", url.Values{"name": {name}, "password": {password}})
	}
	try("anna", "").want(t, 422, "Enter your name and your password")
	try("anna", "wrong").want(t, 422, "The name or the password is wrong")
	try("nobody", "wrong").want(t, 422, "The name or the password is wrong")
	try("anna", "wrong").want(t, 422)
	wantFailures(t, raw, 3)
	if _, err := raw.Exec("UPDATE sign_in_failures SET failures = 5 WHERE failures = 2"); err != nil {
		t.Fatal(err)
	}
	try("anna", password).want(t, 429, "Too many wrong passwords. Wait 15 minutes and try again")
	if _, err := raw.Exec("UPDATE sign_in_failures SET last_failed_at = last_failed_at - INTERVAL 15 MINUTE"); err != nil {
		t.Fatal(err)
	}
	try("anna", password).want(t, 200)
	if log := s.log.String(); strings.Contains(log, "anna") || strings.Contains(log, password) {
		t.Error("the log has a name or a password")
	}
}

// paused is a storage that says how long to wait.
type paused struct {
	*mysql.DB
	wait time.Duration
}

func (p paused) BeginSignIn(context.Context, string, string) error {
	return &cafe.Error{Code: cafe.Busy, Message: "Too many wrong passwords.", RetryAfter: p.wait}
}

func howLong(t *testing.T) {
	for wait, want := range map[time.Duration][2]string{
		time.Millisecond: {"1", "a second"}, 45 * time.Second: {"45", "45 seconds"}, cafe.SignInPause: {"900", "15 minutes"},
	} {
		b := newSite(t, func(c *web.Config) { c.Store = paused{c.Store.(*mysql.DB), wait} }).visitor()
		b.get("/signin")
		p := b.submit("/signin", url.Values{"name": {"anna"}, "password": {password}})
		p.want(t, 429, "Wait "+want[1]+" and try again")
		if got := p.header.Get("Retry-After"); got != want[0] {
			t.Errorf("after %v: got Retry-After %q, want %q", wait, got, want[0])
		}
	}
}

func TestToken(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b, other := s.signedIn(), s.signedIn()
	foreign := other.get("/").Find("input[name=csrf]").AttrOr("value", "")
	for _, token := range []string{"", "x", foreign} {
		form := azul()
		form.Set("csrf", token)
		b.post("/games", form).want(t, 403, "This form can’t be used any more")
	}
	b.get("/games").want(t, 200, "The library is empty")
	if p := s.visitor().post("/signin", url.Values{"name": {"anna"}, "password": {password}}); p.status != 403 {
		t.Errorf("sign-in without a session: got %d, want 403", p.status)
	}
	v := s.visitor()
	r, _ := http.NewRequest(http.MethodPost, s.http.URL+"/games", strings.NewReader(""))
	r.Header.Set("Referer", s.http.URL+"/games/new")
	if p := v.do(r); p.path != "/signin?next=%2Fgames%2Fnew" {
		t.Errorf("a form without a session led to %s", p.path)
	}
	r, _ = http.NewRequest(http.MethodPost, s.http.URL+"/games", strings.NewReader(""))
	r.Header.Set("Referer", "https://evil.example/x")
	if p := v.do(r); p.path != "/signin?next=%2F" {
		t.Errorf("a form from elsewhere led to %s", p.path)
	}
}

func TestErrorPages(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.signedIn()
	for path, status := range map[string]int{
		"/nothing": 404, "/games/0": 404, "/games/x": 404, "/games/999999": 404, "/games/99999999999999999999999": 404,
		"/customers/1/edit": 404, "/signout": 405, "/games/1/update": 405, "/static/x/nothing.css": 404, "/games/": 404,
	} {
		b.get(path).want(t, status)
	}
	b.get("/games/new")
	big := azul()
	big.Set("shelf", strings.Repeat("x", 300<<10))
	b.post("/games", big).want(t, 413, "That is too much at once")
	b.get("/games/new")
	token := b.page.Find("input[name=csrf]").AttrOr("value", "")
	// The same without a length in advance.
	r, _ := http.NewRequest(http.MethodPost, s.http.URL+"/games",
		io.MultiReader(strings.NewReader("csrf="+token+"&name="), strings.NewReader(strings.Repeat("x", 300<<10))))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	b.do(r).want(t, 413)
	r, _ = http.NewRequest(http.MethodPost, s.http.URL+"/games", strings.NewReader("name=%zz"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	b.do(r).want(t, 400)
	r, _ = http.NewRequest(http.MethodHead, s.http.URL+"/nothing", nil)
	if response, err := b.http.Do(r); err != nil || response.StatusCode != 404 {
		t.Errorf("HEAD: %v, %v", response, err)
	}
	r, _ = http.NewRequest(http.MethodHead, s.http.URL+"/games", nil)
	response, err := b.http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if body, err := io.ReadAll(response.Body); response.StatusCode != 200 || response.Header.Get("Content-Type") == "" ||
		len(body) > 0 || err != nil {
		t.Errorf("HEAD of a page: %v, %d bytes, %v", response, len(body), err)
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	v := s.visitor()
	for _, path := range []string{"/healthz", "/readyz"} {
		if p := v.get(path); p.status != 200 || p.header.Get("X-Release") != "r1" {
			t.Errorf("%s: got %d", path, p.status)
		}
	}
	v.get("/signin")
	if p := v.get("/metrics"); !strings.Contains(p.body,
		`cafe_http_request_seconds_count{code="200",method="GET",route="/signin"} 1`) {
		t.Errorf("got metrics %s", p.body)
	}
	css := v.get("/signin").Find("link[rel=stylesheet]").AttrOr("href", "")
	if p := v.get(css); p.status != 200 || p.header.Get("Cache-Control") != "public, max-age=31536000, immutable" ||
		!strings.HasPrefix(p.header.Get("Content-Type"), "text/css") {
		t.Errorf("%s: got %d, %v", css, p.status, p.header)
	}
	if p := v.get("/static/000000000000/style.css"); p.status != 200 || p.header.Get("Cache-Control") != "no-store" {
		t.Errorf("another release's: got %d, %s", p.status, p.header.Get("Cache-Control"))
	}
}

// The first answer to a container's check makes it healthy; the checks after that know so, whoever else asks.
func TestHealthKnowsTheFirstCheck(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	check := func(header string) string {
		r, _ := http.NewRequest(http.MethodGet, s.http.URL+"/healthz", nil)
		r.Header.Set(web.CheckHeader, header)
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		return response.Header.Get(web.CheckHeader)
	}
	for n, want := range []string{"", "", "again", "again"} {
		sent := "1"
		if n == 0 {
			sent = "" // somebody who is no check
		}
		if got := check(sent); got != want {
			t.Errorf("request %d: got %q, want %q", n+1, got, want)
		}
	}
}

func TestDatabaseAway(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.signedIn()
	away := newSite(t, func(c *web.Config) {
		c.Store = dbtest.MustOpen(t, mysql.Config{Host: "127.0.0.1", Port: 1, Name: "cafe", User: "cafe", Password: "secret"})
	})
	b.base = away.http.URL
	for _, path := range []string{"/", "/games", "/customers", "/games/1", "/games/1/edit", "/customers/new",
		"/customers/1/edit", "/games/1/remove"} {
		p := b.get(path)
		p.want(t, 503, "The café’s database is taking a break")
		if p.header.Get("Retry-After") != "5" || strings.Contains(p.body, "127.0.0.1") {
			t.Errorf("%s: Retry-After %q, body %s", path, p.header.Get("Retry-After"), p.body)
		}
	}
	b.get("/games/new")
	b.post("/games", azul()).want(t, 503)
	if p := b.get("/readyz"); p.status != 503 || p.body != "database not reachable\n" {
		t.Errorf("readyz: got %d %q", p.status, p.body)
	}
	if p := b.get("/healthz"); p.status != 200 {
		t.Errorf("healthz: got %d", p.status)
	}
	empty := newSite(t, func(c *web.Config) { c.Store = dbtest.MustOpen(t, server.Empty(t)) })
	if p := empty.visitor().get("/readyz"); p.status != 503 || p.body != "schema not current\n" {
		t.Errorf("readyz of an empty database: got %d %q", p.status, p.body)
	}
}

func TestClientAddress(t *testing.T) {
	t.Parallel()
	for name, trusted := range map[string][]*net.IPNet{"untrusted": nil,
		"trusted": {{IP: net.IPv4(127, 0, 0, 0), Mask: net.CIDRMask(8, 32)}}} {
		s := newSite(t, func(c *web.Config) { c.TrustedProxies = trusted })
		r, _ := http.NewRequest(http.MethodGet, s.http.URL+"/signin", nil)
		r.Header.Set("X-Forwarded-For", "6.6.6.6, 203.0.113.9")
		s.visitor().do(r)
		want := map[string]string{"untrusted": "127.0.0.1", "trusted": "203.0.113.9"}[name]
		if log := s.log.String(); !strings.Contains(log, `"address":"`+want+`"`) {
			t.Errorf("%s: want %s in %s", name, want, log)
		}
	}
}

// serve has a server of its own on a port of its own, until stopped.
func serve(
	t *testing.T, db *mysql.DB, drain time.Duration,
) (handler *web.Server, listener net.Listener, stop func(), ended chan error) {
	t.Helper()
	staff, err := web.ParseStaff(strings.NewReader(account()))
	if err != nil {
		t.Fatal(err)
	}
	handler, err = web.New(web.Config{Store: db, Staff: staff, SessionKey: []byte(strings.Repeat("k", 32)), Log: discard(),
		Metrics: prometheus.NewRegistry(), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	listener, err = net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended = make(chan error, 1)
	go func() { ended <- handler.Serve(ctx, listener, drain) }()
	return handler, listener, stop, ended
}

// After the end was asked for, requests are still served for the drain; then no more.
func TestServe(t *testing.T) {
	t.Parallel()
	handler, listener, stop, ended := serve(t, newSite(t).db, time.Second)
	get := func(path string) (int, bool) {
		response, err := http.Get("http://" + listener.Addr().String() + path)
		if err != nil {
			return 0, false
		}
		response.Body.Close()
		return response.StatusCode, response.Close
	}
	if status, _ := get("/readyz"); status != 200 {
		t.Errorf("before: got %d", status)
	}
	stop()
	time.Sleep(200 * time.Millisecond)
	if status, _ := get("/readyz"); status != 503 {
		t.Errorf("readyz while draining: got %d", status)
	}
	if status, closes := get("/signin"); status != 200 || !closes {
		t.Errorf("a page while draining: got %d, connection closes %v", status, closes)
	}
	if err := <-ended; err != nil {
		t.Errorf("ended with %v", err)
	}
	if status, _ := get("/signin"); status != 0 {
		t.Errorf("afterwards: got %d", status)
	}
	if err := handler.Serve(t.Context(), listener, 0); err == nil {
		t.Error("a closed listener was served")
	}
}

// Whoever got a connection gets an answer, up to the last moment: visitors come with new connections
// all the time, and none of them is reset.
func TestServeToTheLast(t *testing.T) {
	t.Parallel()
	db := newSite(t).db
	for range 5 {
		_, listener, stop, ended := serve(t, db, 100*time.Millisecond)
		var visitors sync.WaitGroup
		for range 32 {
			visitors.Go(func() {
				for {
					conn, err := net.DialTimeout("tcp", listener.Addr().String(), 5*time.Second)
					if err != nil {
						return // the door is closed
					}
					_, err = io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: cafe\r\n\r\n")
					if err == nil {
						_, err = http.ReadResponse(bufio.NewReader(conn), nil)
					}
					conn.Close()
					if err != nil {
						t.Errorf("connected, and no answer: %v", err)
						return
					}
				}
			})
		}
		time.Sleep(200 * time.Millisecond)
		stop()
		if err := <-ended; err != nil {
			t.Errorf("ended with %v", err)
		}
		visitors.Wait()
	}
}
