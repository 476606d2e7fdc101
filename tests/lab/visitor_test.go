package lab_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"boardcafe/tests/cluster/machine"
	"boardcafe/tests/lab"
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
	}}
	if err := v.readToken("/signin"); err != nil {
		return nil, err
	}
	if err := v.post("/signin", url.Values{"name": {name}, "password": {password}, "next": {"/"}}); err != nil {
		return nil, err
	}
	return v, v.readToken("/games/new")
}

// staff signs in at a machine.
func staff(t *testing.T, m *machine.Machine) *visitor {
	t.Helper()
	password, err := l.Password()
	if err != nil {
		t.Fatal(err)
	}
	v, err := signIn("http://"+m.Port(80), lab.Staff, password)
	if err != nil {
		t.Fatal(err)
	}
	return v
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

// post sends a form, whose acceptance is a redirect.
func (v *visitor) post(path string, form url.Values) error {
	form.Set("csrf", v.token)
	response, err := v.client.PostForm(v.base+path, form)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	io.Copy(io.Discard, response.Body)
	if response.StatusCode != http.StatusSeeOther || strings.Contains(response.Header.Get("Location"), "signin") {
		return fmt.Errorf("POST %s: status %d, to %q", path, response.StatusCode, response.Header.Get("Location"))
	}
	return nil
}

// load is a member of staff who looks at pages on a machine's port 80, 50 a second, until stop. Not at /readyz:
// a replica that is about to stop says there that it is not ready, and serves on.
type load struct {
	mu       sync.Mutex
	sent     int
	failures []string
	done     chan struct{}
	running  sync.WaitGroup
}

func startLoad(t *testing.T, m *machine.Machine) *load {
	t.Helper()
	ld := &load{done: make(chan struct{})}
	client := staff(t, m).client
	client.Transport = &http.Transport{MaxIdleConnsPerHost: 64}
	ld.running.Go(func() {
		ticker := time.NewTicker(20 * time.Millisecond)
		defer ticker.Stop()
		for n := 0; ; n++ {
			path := []string{"/", "/games"}[n%2] // both ask the database
			select {
			case <-ld.done:
				return
			case <-ticker.C:
				ld.running.Go(func() { ld.ask(client, "http://"+m.Port(80)+path) })
			}
		}
	})
	return ld
}

func (ld *load) ask(client *http.Client, address string) {
	var failure string
	response, err := client.Get(address)
	if err != nil {
		failure = err.Error()
	} else {
		_, err := io.Copy(io.Discard, response.Body)
		response.Body.Close()
		if err != nil || response.StatusCode != http.StatusOK {
			failure = fmt.Sprintf("status %s, %v", response.Status, err)
		}
	}
	ld.mu.Lock()
	defer ld.mu.Unlock()
	ld.sent++
	if failure != "" {
		ld.failures = append(ld.failures, time.Now().Format("15:04:05.000 ")+failure)
	}
}

func (ld *load) stop() (sent int, failures []string) {
	close(ld.done)
	ld.running.Wait()
	return ld.sent, ld.failures
}
