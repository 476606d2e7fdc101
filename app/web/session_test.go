package web_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"boardcafe/app/cafe"
	"boardcafe/app/mysql"
	"boardcafe/app/web"
	"boardcafe/tests/dbtest"
)

// replica is one more server on the database of a site.
func (s site) replica() site {
	return newSite(s.t, func(c *web.Config) { c.Store = s.db })
}

// copied is a browser elsewhere, at some replica, with a copy of the cookies.
func (b *browser) copied(at site) *browser {
	b.t.Helper()
	u, err := url.Parse(b.base)
	if err != nil {
		b.t.Fatal(err)
	}
	thief := at.visitor()
	thief.http.Jar.SetCookies(u, b.http.Jar.Cookies(u))
	return thief
}

func wantSignedOut(t *testing.T, b *browser) {
	t.Helper()
	if p := b.get("/games"); p.path != "/signin?next=%2Fgames" {
		t.Errorf("got to %s with %d, want the sign-in", p.path, p.status)
	}
}

func wantSignedIn(t *testing.T, b *browser) {
	t.Helper()
	if p := b.get("/games"); p.path != "/games" || p.status != 200 {
		t.Errorf("got to %s with %d, want the games", p.path, p.status)
	}
}

// Signed out is signed out: for every copy of the cookie, at every replica, whatever it is sent for.
func TestSignOutEndsEveryCopy(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	second := s.replica()
	b := s.signedIn()
	copied := func(at site) func() *browser {
		original := b.copied(at)
		return func() *browser { return original.copied(at) } // of the cookies as they are now
	}
	here, there := copied(s), copied(second)
	wantSignedIn(t, here())
	wantSignedIn(t, there())
	token := b.get("/games/new").Find("input[name=csrf]").AttrOr("value", "")
	since := copied(s.replica())
	if p := b.submit("/signout", nil); p.path != "/signin" {
		t.Errorf("sign-out led to %s", p.path)
	}
	for name, copied := range map[string]func() *browser{"OKThere": here, "OKElsewhere": there, "OKStartedSince": since} {
		t.Run(name, func(t *testing.T) {
			wantSignedOut(t, copied())
			form := azul()
			form.Set("csrf", token)
			if p := copied().post("/games", form); !strings.HasPrefix(p.path, "/signin") {
				t.Errorf("a form led to %s with %d", p.path, p.status)
			}
			form = url.Values{"csrf": {token}, "name": {"anna"}, "password": {password}}
			if p := copied().post("/signin", form); p.status != 403 {
				t.Errorf("a sign-in with its token: got %d, want 403", p.status)
			}
			if p := copied().get("/signin"); p.path != "/signin" || p.status != 200 {
				t.Errorf("the sign-in led to %s with %d", p.path, p.status)
			}
			if p := copied().get("/nothing"); p.status != 404 || strings.Contains(p.body, "anna") {
				t.Errorf("an error page, %d, knows who was signed in", p.status)
			}
		})
	}
	if games, err := s.db.Games(t.Context(), cafe.GameFilter{}); err != nil || games.Total != 0 {
		t.Errorf("got %d games, %v, want none", games.Total, err)
	}
}

// The second sign-out of one session is no error, and no other session ends.
func TestSignOutTwice(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b, other := s.signedIn(), s.signedIn()
	again := b.copied(s)
	again.get("/")
	b.submit("/signout", nil)
	if p := again.submit("/signout", nil); p.path != "/signin?next=%2F" || p.status != 200 {
		t.Errorf("a second sign-out led to %s with %d", p.path, p.status)
	}
	wantSignedIn(t, other)
	b.get("/signin")
	b.submit("/signin", url.Values{"name": {"anna"}, "password": {password}})
	wantSignedIn(t, b)
}

// Who signs in where somebody is signed in takes the place; a wrong password ends nothing.
func TestSignInOverAnother(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.signedIn()
	before := b.copied(s)
	b.get("/")
	b.post("/signin", url.Values{"name": {"anna"}, "password": {"wrong"}}).want(t, 422)
	wantSignedIn(t, before)
	b.get("/")
	b.post("/signin", url.Values{"name": {"anna"}, "password": {password}}).want(t, 200)
	wantSignedIn(t, b)
	wantSignedOut(t, before)
}

// What cannot be ended is not said to be: the browser stays signed in, and can sign out later.
func TestSignOutDatabaseAway(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	away := mysql.Config{Host: "127.0.0.1", Port: 1, Name: "cafe", User: "cafe", Password: "x"}
	for name, store := range map[string]web.Store{
		"for all":     dbtest.MustOpen(t, away),
		"for the end": endless{s.db},
	} {
		b := s.signedIn()
		b.get("/")
		b.base = newSite(t, func(c *web.Config) { c.Store = store }).http.URL
		p := b.submit("/signout", nil)
		p.want(t, 503, "The café’s database is taking a break")
		if p.header.Get("Set-Cookie") != "" {
			t.Errorf("away %s: the cookie is taken, though the session goes on", name)
		}
		b.base = s.http.URL
		wantSignedIn(t, b)
		b.submit("/signout", nil)
		wantSignedOut(t, b)
	}
}

// endless is a storage that goes away between the look at a session and its end.
type endless struct{ *mysql.DB }

func (endless) EndSession(context.Context, string) error {
	return &cafe.Error{Code: cafe.Unavailable, Message: "The database does not answer at the moment."}
}

// looked counts the looks at ended sessions.
type looked struct {
	*mysql.DB
	looks *atomic.Int32
}

func (l looked) SessionEnded(ctx context.Context, id string) (bool, error) {
	l.looks.Add(1)
	return l.DB.SessionEnded(ctx, id)
}

// A request costs one look at the most, and only when it brings a session that can be ended.
func TestLooksAtSessions(t *testing.T) {
	t.Parallel()
	var looks atomic.Int32
	s := newSite(t, func(c *web.Config) { c.Store = looked{c.Store.(*mysql.DB), &looks} })
	b, v := s.signedIn(), s.visitor()
	css := b.get("/").Find("link[rel=stylesheet]").AttrOr("href", "")
	v.get("/signin")
	for _, test := range []struct {
		path string
		by   *browser
		want int32
	}{
		{"/", b, 1}, {"/games/new", b, 1}, {"/nothing", b, 1},
		{css, b, 0}, {"/healthz", b, 0}, {"/readyz", b, 0}, {"/metrics", b, 0}, {"/signin", v, 0},
	} {
		looks.Store(0)
		request, err := http.NewRequest(http.MethodGet, s.http.URL+test.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if test.by.do(request); looks.Load() != test.want {
			t.Errorf("%s: got %d looks, want %d", test.path, looks.Load(), test.want)
		}
	}
	looks.Store(0)
	v.post("/signin", url.Values{"name": {"anna"}, "password": {"wrong"}}).want(t, 422)
	if looks.Load() != 0 {
		t.Errorf("a guess: got %d looks, want none", looks.Load())
	}
}
