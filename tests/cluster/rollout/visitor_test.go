package rollout_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
)

// visitor is a member of staff at one machine's port 80.
type visitor struct {
	base   string
	client *http.Client
	token  string
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

// games is how many games the load reserves: no queue becomes long.
const games = 20

func game(n int) string { return fmt.Sprintf("Game %d", n%games) }

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
