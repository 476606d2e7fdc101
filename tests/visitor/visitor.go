// Package visitor is the café's staff in front of a browser, as far as a test on machines needs them:
// signed in, they look at pages and send forms, one by one or as a [Load].
package visitor

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// patience is how long a visitor waits for an answer.
const patience = 10 * time.Second

// Visitor is a member of staff who is signed in.
type Visitor struct {
	base   string
	client *http.Client
	token  string // against forged forms
}

var csrf = regexp.MustCompile(`name="csrf" value="([^"]+)"`)

// SignIn signs in at the café of that address, such as http://127.0.0.1:8080.
func SignIn(base, name, password string) (*Visitor, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	v := &Visitor{base: base, client: &http.Client{
		Jar: jar, Timeout: patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport:     &http.Transport{MaxIdleConnsPerHost: 64},
	}}
	if err := v.readToken("/signin"); err != nil {
		return nil, err
	}
	if err := v.Post("/signin", url.Values{"name": {name}, "password": {password}, "next": {"/"}}); err != nil {
		return nil, fmt.Errorf("sign in as %s at %s: %w", name, base, err)
	}
	return v, v.readToken("/games/new")
}

func (v *Visitor) readToken(path string) error {
	body, err := v.Get(path)
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

// BusyError is the café's own answer that it is too busy, with Retry-After: the visitor was heard, and
// nothing was lost on the way.
type BusyError struct{ error }

func (e *BusyError) Unwrap() error { return e.error }

// refused is the error for an answer that is not the wanted one.
func refused(response *http.Response, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	if response.StatusCode == http.StatusServiceUnavailable && response.Header.Get("X-Release") != "" {
		return &BusyError{err}
	}
	return err
}

// Get returns a page; any status but 200 is an error.
func (v *Visitor) Get(path string) (string, error) {
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
		return "", refused(response, "GET %s: status %d", path, response.StatusCode)
	}
	return string(body), nil
}

// Post sends a form. The café acknowledges it by a redirect, unless that leads to the sign-in.
func (v *Visitor) Post(path string, form url.Values) error {
	form.Set("csrf", v.token)
	response, err := v.client.PostForm(v.base+path, form)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body) // or the connection is not used again
	if location := response.Header.Get("Location"); response.StatusCode != http.StatusSeeOther ||
		strings.Contains(location, "signin") {
		return refused(response, "POST %s: status %d, to %q", path, response.StatusCode, location)
	}
	return nil
}
