// Package smoke asks a café that is live whether it works: it signs in, creates a game, reads it
// and deletes it again, at each of its machines. The game is marked, so that one that is left over
// (the test was killed, the café broke down) is recognised, and removed by the next run.
package smoke

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"

	"github.com/PuerkitoBio/goquery"
)

// Mark begins the name of every game that the test makes.
const Mark = "Smoke test"

// Account is a member of staff.
type Account struct{ Name, Password string }

// Options is what a café at an address cannot be asked for.
type Options struct {
	// Release must have answered each request, unless it is empty.
	Release string
	// TLSName is the name in the café's certificate, and the one it is asked for by; empty: as in the address.
	TLSName string
}

// Run tests the café at one address. Where that leads from http to https, it follows.
func Run(ctx context.Context, base string, options Options, as Account) error {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{ServerName: options.TLSName}
	defer transport.CloseIdleConnections()
	v := &visit{ctx: ctx, base: strings.TrimSuffix(base, "/"), options: options, client: &http.Client{
		Transport: transport, Jar: jar, Timeout: 15 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	if err := v.findHTTPS(); err != nil {
		return fmt.Errorf("%s: %w", base, err)
	}
	if err := v.signIn(as); err != nil {
		return fmt.Errorf("%s: %w", base, err)
	}
	if err := v.removeLeftovers(); err != nil {
		return fmt.Errorf("%s: %w", base, err)
	}
	if err := v.createReadDelete(); err != nil {
		return fmt.Errorf("%s: %w", base, err)
	}
	return nil
}

// visit is one sign-in at one address.
type visit struct {
	ctx     context.Context
	base    string
	options Options
	client  *http.Client
}

// findHTTPS goes on at the same machine with https, when that is where http leads.
func (v *visit) findHTTPS() error {
	request, err := http.NewRequestWithContext(v.ctx, http.MethodGet, v.base+"/signin", nil)
	if err != nil {
		return err
	}
	response, err := v.client.Do(request)
	if err != nil {
		return err
	}
	response.Body.Close()
	to, err := response.Location()
	if err == nil && response.StatusCode == http.StatusPermanentRedirect && to.Scheme == "https" &&
		to.Hostname() == request.URL.Hostname() {
		v.base = "https://" + to.Host
	}
	return nil
}

func (v *visit) signIn(as Account) error {
	page, err := v.read("/signin")
	if err != nil {
		return fmt.Errorf("sign in: %w", err)
	}
	to, err := v.post("/signin", page, url.Values{"name": {as.Name}, "password": {as.Password}, "next": {"/"}})
	if err != nil {
		return fmt.Errorf("sign in as %s: %w", as.Name, err)
	}
	if to != "/" {
		return fmt.Errorf("sign in as %s: sent to %s, want /", as.Name, to)
	}
	return nil
}

// removeLeftovers deletes the games that an earlier run could not.
func (v *visit) removeLeftovers() error {
	page, err := v.read("/?" + url.Values{"q": {Mark}}.Encode())
	if err != nil {
		return fmt.Errorf("look for leftovers: %w", err)
	}
	for _, link := range page.Find(`a[href^="/games/"]`).EachIter() {
		path, _ := link.Attr("href")
		if strings.Count(path, "/") != 2 || !strings.HasPrefix(strings.TrimSpace(link.Text()), Mark) {
			continue
		}
		// Another run at this moment may have been quicker.
		if err := v.remove(path); err != nil && v.gone(path) != nil {
			return fmt.Errorf("remove the leftover %s: %w", path, err)
		}
	}
	return nil
}

func (v *visit) createReadDelete() error {
	name := Mark + " " + rand.Text()
	form, err := v.read("/games/new")
	if err != nil {
		return fmt.Errorf("create: %w", err)
	}
	path, err := v.post("/games", form, url.Values{"name": {name}, "copies": {"1"}, "min_players": {"1"},
		"max_players": {"2"}, "minutes": {"1"}, "shelf": {"made by the smoke test; delete it"}})
	if err != nil {
		return fmt.Errorf("create: %w", err)
	}
	page, err := v.read(path)
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	if !strings.Contains(page.Text(), name) {
		return fmt.Errorf("read: %s does not show %q", path, name)
	}
	if err := v.remove(path); err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	if err := v.gone(path); err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	return nil
}

func (v *visit) remove(path string) error {
	page, err := v.read(path + "/remove")
	if err != nil {
		return err
	}
	_, err = v.post(path+"/remove", page, nil)
	return err
}

func (v *visit) gone(path string) error {
	response, err := v.do(http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusNotFound {
		return fmt.Errorf("GET %s: status %d, want 404", path, response.StatusCode)
	}
	return nil
}

func (v *visit) read(path string) (*goquery.Document, error) {
	response, err := v.do(http.MethodGet, path, nil)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("GET %s: status %d, want 200", path, response.StatusCode)
	}
	return goquery.NewDocumentFromReader(response.Body)
}

// post sends a page's form, with the hidden fields that it has, and returns where it leads.
func (v *visit) post(path string, page *goquery.Document, fields url.Values) (to string, err error) {
	form := page.Find(`form[action="` + path + `"]`)
	if form.Length() == 0 {
		return "", fmt.Errorf("there is no form for %s", path)
	}
	sent := url.Values{}
	for _, hidden := range form.Find("input[type=hidden]").EachIter() {
		sent.Set(hidden.AttrOr("name", ""), hidden.AttrOr("value", ""))
	}
	for name, values := range fields {
		sent[name] = values
	}
	response, err := v.do(http.MethodPost, path, sent)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body) // or the connection is not used again
	if response.StatusCode != http.StatusSeeOther {
		return "", fmt.Errorf("POST %s: status %d, want 303", path, response.StatusCode)
	}
	return response.Header.Get("Location"), nil
}

// do sends a request and checks which release has answered it.
func (v *visit) do(method, path string, form url.Values) (*http.Response, error) {
	request, err := http.NewRequestWithContext(v.ctx, method, v.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	request.Host = v.options.TLSName // the address's own when empty
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	response, err := v.client.Do(request)
	if err != nil {
		return nil, err
	}
	if got := response.Header.Get("X-Release"); v.options.Release != "" && got != v.options.Release {
		response.Body.Close()
		return nil, fmt.Errorf("%s %s: release %q has answered, want %q", method, path, got, v.options.Release)
	}
	return response, nil
}
