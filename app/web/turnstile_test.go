package web_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"boardcafe/app/mysql"
	"boardcafe/app/web"
	"boardcafe/tests/await"
	"boardcafe/tests/dbtest"
)

// guesser tries passwords, from many addresses.
type guesser struct {
	t      *testing.T
	base   string
	cookie string
	token  string
}

// tried is the answer to a try, or none when the guesser gave it up.
type tried struct {
	address string
	status  int
	header  http.Header
	body    string
}

func (s site) guesser() guesser {
	s.t.Helper()
	p := s.visitor().get("/signin")
	cookie, _, _ := strings.Cut(p.header.Get("Set-Cookie"), ";")
	return guesser{s.t, s.http.URL, cookie, p.Find("input[name=csrf]").AttrOr("value", "")}
}

func (g guesser) try(ctx context.Context, address, name, password string) tried {
	form := url.Values{"csrf": {g.token}, "name": {name}, "password": {password}}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, g.base+"/signin", strings.NewReader(form.Encode()))
	if err != nil {
		g.t.Error(err)
		return tried{address: address}
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("X-Forwarded-For", address)
	r.Header.Set("Cookie", g.cookie)
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		if ctx.Err() == nil {
			g.t.Error(err)
		}
		return tried{address: address}
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		g.t.Error(err)
	}
	return tried{address, response.StatusCode, response.Header, string(body)}
}

// tryAtOnce sends a password from so many addresses, and gives the answers as they come.
func (g guesser) tryAtOnce(ctx context.Context, n int, name, password string) <-chan tried {
	answers := make(chan tried, n)
	for i := range n {
		go func() { answers <- g.try(ctx, fmt.Sprintf("198.51.100.%d", i), name, password) }()
	}
	return answers
}

// held is a storage that keeps whoever asks it about a sign-in waiting, until told to proceed.
type held struct {
	*mysql.DB
	asked   chan string // from which address, in order
	proceed chan struct{}
}

func (h held) BeginSignIn(ctx context.Context, name, address string) error {
	h.asked <- address
	select {
	case <-h.proceed:
	case <-ctx.Done():
	}
	return h.DB.BeginSignIn(ctx, name, address)
}

// heldSite has a password that is checked in no time: it is the storage that takes its time.
func heldSite(t *testing.T) (site, held, *sql.DB) {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	staff, err := web.ParseStaff(strings.NewReader("anna:" + string(hash)))
	if err != nil {
		t.Fatal(err)
	}
	c := server.Config(t)
	h := held{dbtest.MustOpen(t, c), make(chan string, 100), make(chan struct{})}
	return newSite(t, func(c *web.Config) { c.Store, c.Staff = h, staff }), h, server.Raw(t, c)
}

func wantFailures(t *testing.T, raw *sql.DB, want int) {
	t.Helper()
	var got int
	err := raw.QueryRow("SELECT COALESCE(SUM(failures), 0) FROM sign_in_failures").Scan(&got)
	if err != nil || got != want {
		t.Errorf("got %d wrong passwords counted, %v, want %d", got, err, want)
	}
}

// places is how many sign-ins a server takes at once.
const places = 8

// Of many sign-ins at once a few wait. The others are told so while the first is still looked at, and the
// database does not hear of them.
func TestManySignIns(t *testing.T) {
	t.Parallel()
	s, store, raw := heldSite(t)
	const many = 40
	answers := s.guesser().tryAtOnce(t.Context(), many, "anna", "wrong")
	<-store.asked
	for range many - places {
		a := <-answers
		if a.status != 429 || a.header.Get("Retry-After") != "2" ||
			!strings.Contains(a.body, "Many are signing in just now. Wait 2 seconds and try again") {
			t.Errorf("got %d, Retry-After %q, or another sentence", a.status, a.header.Get("Retry-After"))
		}
	}
	if len(store.asked) > 0 {
		t.Errorf("%d more were let in meanwhile", len(store.asked))
	}
	wantFailures(t, raw, 0)

	close(store.proceed)
	for range places {
		if a := <-answers; a.status != 422 {
			t.Errorf("one that waited got %d, want 422", a.status)
		}
	}
	wantFailures(t, raw, places)
	wantSignedIn(t, s.signedIn())
}

// Who gives up makes room, and what was never looked at does not count as a wrong password.
func TestSignInGivenUp(t *testing.T) {
	t.Parallel()
	s, store, raw := heldSite(t)
	g := s.guesser()
	first := make(chan tried, 1)
	go func() { first <- g.try(t.Context(), "203.0.113.1", "anna", "wrong") }()
	<-store.asked

	ctx, giveUp := context.WithCancel(t.Context())
	const more = places + 4
	answers := g.tryAtOnce(ctx, more, "anna", "wrong")
	full := more - (places - 1)
	for range full {
		if a := <-answers; a.status != 429 {
			t.Errorf("got %d, want 429", a.status)
		}
	}
	giveUp()
	for range places - 1 {
		if a := <-answers; a.status != 0 {
			t.Errorf("who gave up got %d", a.status)
		}
	}
	gone := fmt.Sprintf(`cafe_http_request_seconds_count{code="429",method="POST",route="/signin"} %d`, more)
	await.Within(t, 5*time.Second, func() error { // before the requests end by themselves
		if !strings.Contains(s.visitor().get("/metrics").body, gone) {
			return errors.New("those who gave up still wait")
		}
		return nil
	})

	right := make(chan tried, 1)
	go func() { right <- g.try(t.Context(), "203.0.113.2", "anna", password) }()
	close(store.proceed)
	if a := <-first; a.status != 422 {
		t.Errorf("the first got %d, want 422", a.status)
	}
	if a := <-right; a.status != 303 {
		t.Errorf("the right password got %d, want 303", a.status)
	}
	if address := <-store.asked; address != "203.0.113.2" || len(store.asked) > 0 {
		t.Errorf("%s was looked at after the first, and %d more", address, len(store.asked))
	}
	wantFailures(t, raw, 1)
}

// timed is a storage that takes the time from before a password is checked to after it was right.
type timed struct {
	*mysql.DB
	mu          *sync.Mutex
	begun, done *[]time.Time
}

func (s timed) BeginSignIn(ctx context.Context, name, address string) error {
	err := s.DB.BeginSignIn(ctx, name, address)
	s.mu.Lock()
	defer s.mu.Unlock()
	*s.begun = append(*s.begun, time.Now())
	return err
}

func (s timed) EndSignIn(ctx context.Context, name, address string) error {
	s.mu.Lock()
	*s.done = append(*s.done, time.Now())
	s.mu.Unlock()
	return s.DB.EndSignIn(ctx, name, address)
}

// One password is checked at a time, and then none for a while: whatever is guessed, the pages have most of
// a processor. It is seen on the stacks of all goroutines, so no other test may run beside this one.
func TestOnePasswordAtATime(t *testing.T) {
	var begun, done []time.Time
	s := newSite(t, func(c *web.Config) { c.Store = timed{c.Store.(*mysql.DB), &sync.Mutex{}, &begun, &done} })
	g := s.guesser()
	const atOnce = 4
	if most := checkedAtOnce(t, g.tryAtOnce(t.Context(), atOnce, "anna", password), atOnce, 303); most != 1 {
		t.Errorf("saw %d passwords checked at once, want 1", most)
	}
	if len(done) != atOnce {
		t.Fatalf("%d were right, want %d", len(done), atOnce)
	}
	var checked time.Duration
	for i := range done[:atOnce-1] {
		checked += done[i].Sub(begun[i])
	}
	// A quarter, and some room: done is a little after the check.
	if all := begun[atOnce-1].Sub(begun[0]); checked > all/3 {
		t.Errorf("passwords were checked for %v of %v, want a quarter", checked, all)
	}
	// A name that nobody has must take as long.
	if most := checkedAtOnce(t, g.tryAtOnce(t.Context(), 2, "nobody", password), 2, 422); most != 1 {
		t.Errorf("an unknown name: saw %d passwords checked at once, want 1", most)
	}
}

// checkedAtOnce waits for so many answers of a status, and is how many goroutines at the most checked a
// password meanwhile.
func checkedAtOnce(t *testing.T, answers <-chan tried, n, status int) (most int) {
	t.Helper()
	stacks := make([]byte, 1<<20)
	for n > 0 {
		select {
		case a := <-answers:
			n--
			if a.status != status {
				t.Errorf("got %d, want %d", a.status, status)
			}
		case <-time.After(time.Millisecond):
			now := stacks[:runtime.Stack(stacks, true)]
			most = max(most, bytes.Count(now, []byte("bcrypt.CompareHashAndPassword(")))
		}
	}
	return most
}
