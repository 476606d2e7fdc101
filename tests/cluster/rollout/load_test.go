package rollout_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"boardcafe/tests/cluster/machine"
)

// rate is the load on the whole café: a request every 5 ms, reads and reservations by turns, each
// to the next machine.
const rate = 200

// maxLoad bounds a load that nobody stops.
const maxLoad = 5 * time.Minute

// load is requests that go on while a test changes something.
type load struct {
	stop  context.CancelFunc
	done  chan struct{}
	began time.Time

	mu       sync.Mutex
	requests int
	slowest  time.Duration
	failures []failure
}

type failure struct {
	at      time.Time
	machine string
	what    string
}

// visitor is a member of staff at one machine's port 80.
type visitor struct {
	machine, base string
	client        *http.Client
	token         string
}

var csrf = regexp.MustCompile(`name="csrf" value="([^"]+)"`)

func signIn(base, name, password string) (*visitor, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	v := &visitor{base: base, client: &http.Client{
		Jar: jar, Timeout: 10 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport:     &http.Transport{MaxIdleConnsPerHost: 64},
	}}
	if err := v.readToken("/signin"); err != nil {
		return nil, err
	}
	status, location, err := v.post("/signin", url.Values{"name": {name}, "password": {password}, "next": {"/"}})
	if err != nil {
		return nil, err
	}
	if status != http.StatusSeeOther || location != "/" {
		return nil, fmt.Errorf("sign in as %s at %s: status %d, to %q", name, base, status, location)
	}
	return v, v.readToken("/games/new")
}

func (v *visitor) readToken(path string) error {
	body, err := v.get(path)
	if err != nil {
		return err
	}
	found := csrf.FindStringSubmatch(body)
	if found == nil {
		return fmt.Errorf("no form at %s%s", v.base, path)
	}
	v.token = found[1]
	return nil
}

func (v *visitor) get(path string) (string, error) {
	response, err := v.client.Get(v.base + path)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return "", err
	}
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("GET %s: status %d", path, response.StatusCode)
	}
	return string(body), nil
}

func (v *visitor) post(path string, form url.Values) (status int, location string, err error) {
	form.Set("csrf", v.token)
	response, err := v.client.PostForm(v.base+path, form)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	io.Copy(io.Discard, response.Body)
	return response.StatusCode, response.Header.Get("Location"), nil
}

// reserve makes a reservation and checks that it was acknowledged.
func (v *visitor) reserve(customer, game string) error {
	status, location, err := v.post("/customers", url.Values{"name": {customer}, "table": {"7"}, "game": {game}})
	if err != nil {
		return err
	}
	if status != http.StatusSeeOther || location != "/" {
		return fmt.Errorf("POST /customers: status %d, to %q", status, location)
	}
	return nil
}

// games is how many games the load reserves: no queue becomes long, and with it no page.
const games = 200

func game(n int) string { return fmt.Sprintf("Game %d", n%games) }

// startLoad begins the load on all machines; it ends with the test at the latest.
func startLoad(t *testing.T) *load {
	t.Helper()
	return startLoadOn(t, swarm.Machines())
}

func startLoadOn(t *testing.T, machines []*machine.Machine) *load {
	t.Helper()
	var visitors []*visitor
	for _, m := range machines {
		v, err := signIn("http://"+m.Port(80), staffName, staffPassword)
		must(t, err)
		v.machine = m.Name
		visitors = append(visitors, v)
	}
	ctx, stop := context.WithTimeout(t.Context(), maxLoad)
	l := &load{stop: stop, done: make(chan struct{}), began: time.Now()}
	go l.run(ctx, visitors)
	t.Cleanup(func() { l.end() })
	return l
}

func (l *load) run(ctx context.Context, visitors []*visitor) {
	defer close(l.done)
	var under sync.WaitGroup
	defer under.Wait()
	tick := time.NewTicker(time.Second / rate)
	defer tick.Stop()
	run := random(3)
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		v := visitors[n/2%len(visitors)]
		under.Go(func() {
			var err error
			began := time.Now()
			if n%2 == 0 {
				_, err = v.get("/games?q=" + url.QueryEscape(game(n)))
			} else {
				err = v.reserve(fmt.Sprintf("Guest %s %d", run, n), game(n))
			}
			l.note(v.machine, began, err)
		})
	}
}

func (l *load) note(machine string, began time.Time, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.requests++
	l.slowest = max(l.slowest, time.Since(began))
	if err != nil {
		l.failures = append(l.failures, failure{began, machine, err.Error()})
	}
}

func (l *load) end() {
	l.stop()
	<-l.done
}

// String says what the load was. Two cores that also run three machines may not get to the whole rate.
func (l *load) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return fmt.Sprintf("%d requests (%.0f a second), %d failed, the slowest took %s", l.requests,
		float64(l.requests)/time.Since(l.began).Seconds(), len(l.failures), l.slowest.Round(time.Millisecond))
}

// dropsNothing ends the load and checks that every request was answered as it should be.
func (l *load) dropsNothing(t *testing.T) {
	t.Helper()
	l.end()
	t.Logf("load: %s", l)
	if l.requests < 100 {
		t.Errorf("only %d requests: the load did not run", l.requests)
	}
	for _, line := range l.summary() {
		t.Error(line)
	}
	if len(l.failures) > 0 {
		t.Errorf("%d of %d requests failed", len(l.failures), l.requests)
	}
}

var numbers = regexp.MustCompile(`Game\+\d+`)

// summary counts the failures that are alike in each second.
func (l *load) summary() []string {
	count := map[string]int{}
	for _, f := range l.failures {
		count[f.at.Format("15:04:05")+" "+f.machine+": "+numbers.ReplaceAllString(f.what, "…")]++
	}
	var lines []string
	for _, text := range slices.Sorted(maps.Keys(count)) {
		lines = append(lines, fmt.Sprintf("%s (%d times)", text, count[text]))
	}
	return lines
}

// closed is, for each machine, for how long its requests failed and when.
func (l *load) closed() map[string][2]time.Time {
	l.end()
	out := map[string][2]time.Time{}
	for _, f := range l.failures {
		span, ok := out[f.machine]
		if !ok {
			span[0] = f.at
		}
		span[1] = f.at
		out[f.machine] = span
	}
	return out
}

// releases asks every machine often enough to meet every replica, and returns the releases that answer.
func releases(t *testing.T) string {
	t.Helper()
	seen := map[string]bool{}
	for _, m := range swarm.Machines() {
		for range 12 {
			response, err := http.Get("http://" + m.Port(80) + "/healthz")
			must(t, err)
			response.Body.Close()
			seen[response.Header.Get("X-Release")] = true
		}
	}
	var out []string
	for release := range seen {
		out = append(out, release)
	}
	return strings.Join(out, " ")
}

func answers(t *testing.T, release string) {
	t.Helper()
	if got := releases(t); got != release {
		t.Errorf("X-Release %q answers, want only %q", got, release)
	}
}
