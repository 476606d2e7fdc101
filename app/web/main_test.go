package web_test

import (
	"bytes"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/prometheus/client_golang/prometheus"

	"boardcafe/app/cafe"
	"boardcafe/app/mysql"
	"boardcafe/app/web"
	"boardcafe/tests/dbtest"
)

var server *dbtest.Server

func TestMain(m *testing.M) { os.Exit(dbtest.Run(m, &server)) }

const password = "correct horse"

// account is made once: bcrypt is slow on purpose.
var account = sync.OnceValue(func() string {
	line, err := web.HashPassword("anna", password)
	if err != nil {
		panic(err)
	}
	return line
})

// site is the café on a database of its own.
type site struct {
	t    *testing.T
	db   *mysql.DB
	http *httptest.Server
	log  *bytes.Buffer
}

func newSite(t *testing.T, change ...func(*web.Config)) site {
	t.Helper()
	s := site{t: t, db: server.Open(t), log: &bytes.Buffer{}}
	staff, err := web.ParseStaff(strings.NewReader(account()))
	if err != nil {
		t.Fatal(err)
	}
	_, proxies, _ := net.ParseCIDR("127.0.0.0/8")
	c := web.Config{Store: s.db, Staff: staff, SessionKey: []byte(strings.Repeat("k", 32)), Release: "r1",
		TrustedProxies: []*net.IPNet{proxies}, Log: slog.New(slog.NewJSONHandler(&locked{w: s.log}, nil)),
		Metrics: prometheus.NewRegistry(), Now: time.Now}
	for _, f := range change {
		f(&c)
	}
	handler, err := web.New(c)
	if err != nil {
		t.Fatal(err)
	}
	s.http = httptest.NewServer(handler)
	t.Cleanup(s.http.Close)
	return s
}

type locked struct {
	mu sync.Mutex
	w  *bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// browser keeps cookies and the page that it sees, as a person's does.
type browser struct {
	t    *testing.T
	base string
	http *http.Client
	page *page
}

type page struct {
	*goquery.Document
	status int
	path   string // where redirects have led
	header http.Header
	body   string
}

func (s site) visitor() *browser {
	jar, _ := cookiejar.New(nil)
	return &browser{t: s.t, base: s.http.URL, http: &http.Client{Jar: jar}}
}

func (s site) signedIn() *browser {
	s.t.Helper()
	b := s.visitor()
	b.get("/signin")
	if p := b.post("/signin", url.Values{"name": {"anna"}, "password": {password}}); p.path != "/" || p.status != 200 {
		s.t.Fatalf("sign-in led to %s with %d", p.path, p.status)
	}
	return b
}

func (b *browser) get(path string) *page {
	b.t.Helper()
	r, err := http.NewRequest(http.MethodGet, b.base+path, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.do(r)
}

// post sends a form with the token of the page, unless the form has one.
func (b *browser) post(path string, form url.Values) *page {
	b.t.Helper()
	if !form.Has("csrf") && b.page != nil {
		token, _ := b.page.Find("input[name=csrf]").Attr("value")
		form.Set("csrf", token)
	}
	r, err := http.NewRequest(http.MethodPost, b.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return b.do(r)
}

func (b *browser) do(r *http.Request) *page {
	b.t.Helper()
	response, err := b.http.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer response.Body.Close()
	var body bytes.Buffer
	if _, err := body.ReadFrom(response.Body); err != nil {
		b.t.Fatal(err)
	}
	doc, err := goquery.NewDocumentFromReader(bytes.NewReader(body.Bytes()))
	if err != nil {
		b.t.Fatal(err)
	}
	b.page = &page{Document: doc, status: response.StatusCode, path: response.Request.URL.RequestURI(),
		header: response.Header, body: body.String()}
	if strings.HasPrefix(response.Header.Get("Content-Type"), "text/html") {
		wellFormed(b.t, b.page)
	}
	return b.page
}

// submit sends the form of the page with this action, with all its hidden fields.
func (b *browser) submit(action string, change url.Values) *page {
	b.t.Helper()
	form := b.page.Find(`form[action="` + action + `"]`).First()
	if form.Length() == 0 {
		b.t.Fatalf("%s has no form for %s", b.page.path, action)
	}
	values := url.Values{}
	form.Find("input").Each(func(_ int, input *goquery.Selection) {
		values.Set(input.AttrOr("name", ""), input.AttrOr("value", ""))
	})
	for k, v := range change {
		values[k] = v
	}
	return b.post(action, values)
}

// wellFormed checks what holds for every page.
func wellFormed(t *testing.T, p *page) {
	t.Helper()
	if n := p.Find("h1").Length(); n != 1 {
		t.Errorf("%s: got %d h1, want one", p.path, n)
	}
	p.Find("input:not([type=hidden])").Each(func(_ int, input *goquery.Selection) {
		if id := input.AttrOr("id", ""); p.Find(`label[for="`+id+`"]`).Length() != 1 {
			t.Errorf("%s: no label for input %q", p.path, id)
		}
	})
	if n := p.Find("th:not([scope])").Length(); n > 0 {
		t.Errorf("%s: %d th without scope", p.path, n)
	}
	p.Find("form[method=post]").Each(func(_ int, form *goquery.Selection) {
		if form.Find("input[name=csrf]").AttrOr("value", "") == "" {
			t.Errorf("%s: the form for %s has no token", p.path, form.AttrOr("action", ""))
		}
	})
	if n := p.Find("[style], [onclick], style, script:not([src])").Length(); n > 0 {
		t.Errorf("%s: %d inline styles or scripts", p.path, n)
	}
	if failed := p.status >= 400; failed != strings.HasPrefix(p.Find("title").Text(), "Error: ") {
		t.Errorf("%s: status %d has the title %q", p.path, p.status, p.Find("title").Text())
	}
	if p.header.Get("X-Release") != "r1" || p.header.Get("X-Request-Id") == "" ||
		!strings.Contains(p.header.Get("Content-Security-Policy"), "default-src 'none'") ||
		p.header.Get("X-Content-Type-Options") != "nosniff" || p.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%s: headers %v", p.path, p.header)
	}
}

func (p *page) want(t *testing.T, status int, texts ...string) {
	t.Helper()
	if p.status != status {
		t.Errorf("%s: got status %d, want %d", p.path, p.status, status)
	}
	seen := strings.Join(strings.Fields(p.Find("main").Text()), " ")
	for _, text := range texts {
		if !strings.Contains(seen, text) {
			t.Errorf("%s: %q is not on the page: %s", p.path, text, seen)
		}
	}
}

func (s site) game(name string, copies int) cafe.Game {
	s.t.Helper()
	g := cafe.Game{Name: name, Copies: copies, MinPlayers: 2, MaxPlayers: 4, Minutes: 45, Shelf: "A1"}
	if err := s.db.CreateGame(s.t.Context(), &g); err != nil {
		s.t.Fatal(err)
	}
	return g
}

func (s site) customer(name string, table int, game uint64) cafe.Customer {
	s.t.Helper()
	c := cafe.Customer{Name: name, Table: table, GameID: game}
	if err := s.db.CreateCustomer(s.t.Context(), &c, false); err != nil {
		s.t.Fatal(err)
	}
	return c
}
