package images_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/wait"

	"boardcafe/tests/await"
	"boardcafe/tests/engine"
)

// proxy starts the proxy image, confined, and returns it with its address.
func proxy(t *testing.T, network string) (testcontainers.Container, string) {
	t.Helper()
	c := start(t, testcontainers.ContainerRequest{
		Image:              engine.Image("proxy"),
		User:               "12345:12345",
		ExposedPorts:       []string{"8080/tcp"},
		Networks:           []string{network},
		HostConfigModifier: confine,
		WaitingFor:         wait.ForHealthCheck().WithStartupTimeout(time.Minute),
	})
	return c, "http://" + address(t, c, "8080/tcp")
}

// replica starts something that answers as the app would, on the name that the proxy looks for: the
// nginx that is in the image anyway, saying who it is and what it was asked.
func replica(t *testing.T, network, name string) testcontainers.Container {
	t.Helper()
	config := strings.NewReplacer("NAME", name, "PAD", strings.Repeat("padding ", 300)).Replace(`
		daemon off; pid /tmp/replica.pid; error_log stderr; events {}
		http {
			client_body_temp_path /tmp/b; proxy_temp_path /tmp/p; fastcgi_temp_path /tmp/f;
			uwsgi_temp_path /tmp/u; scgi_temp_path /tmp/s;
			access_log off; default_type text/plain; client_max_body_size 100m; underscores_in_headers on;
			server {
				listen 8080;
				location / { return 200 "NAME
for=$http_x_forwarded_for
proto=$http_x_forwarded_proto
host=$http_host
id=$http_x_request_id
others=$http_x_real_ip$http_forwarded$http_x_forwarded_host$http_x_forwarded_ssl$http_x_url_scheme
"; }
				location = /long { return 200 "PAD"; }
				location = /busy { add_header Retry-After 9 always; return 503 "the app's own page"; }
				location /static/ {
					default_type text/css;
					add_header Cache-Control "public, max-age=31536000, immutable";
					return 200 "$request_id PAD";
				}
				# What only the other release has.
				location /static/not-NAME/ { return 404; }
			}
		}`)
	return start(t, testcontainers.ContainerRequest{
		Image:          engine.Image("proxy"),
		Cmd:            []string{"-c", "/replica.conf", "-e", "stderr"},
		Networks:       []string{network},
		NetworkAliases: map[string][]string{network: {"app"}},
		Files: []testcontainers.ContainerFile{
			{Reader: strings.NewReader(config), ContainerFilePath: "/replica.conf", FileMode: 0o444}},
		HostConfigModifier: func(c *container.HostConfig) { c.CapDrop = []string{"ALL"} },
	})
}

// An answer, read to its end.
type answer struct {
	*http.Response
	body string
}

// ask never follows a redirect nor unpacks a body.
func ask(t *testing.T, method, address string, body io.Reader, header http.Header) (answer, error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, address, body)
	if err != nil {
		return answer{}, err
	}
	for name, values := range header {
		request.Header[name] = values
	}
	client := http.Client{
		Timeout:       20 * time.Second,
		Transport:     &http.Transport{DisableCompression: true, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	return answer{response, string(content)}, err
}

func get(t *testing.T, address string) answer {
	t.Helper()
	got, err := ask(t, http.MethodGet, address, nil, nil)
	if err != nil {
		t.Fatalf("GET %s: %v", address, err)
	}
	return got
}

// wantPage checks for a page for people.
func wantPage(t *testing.T, got answer, status int, text string) {
	t.Helper()
	if got.StatusCode != status || !strings.HasPrefix(got.Header.Get("Content-Type"), "text/html") ||
		!strings.Contains(got.body, text) {
		t.Errorf("got %s, %s:\n%s\nwant a page with status %d and %q", got.Status, got.Header.Get("Content-Type"), got.body,
			status, text)
	}
	if got.Header.Get("X-Request-ID") == "" {
		t.Error("the page has no request id to ask for")
	}
}

func serves(t *testing.T, address, name string) func() error {
	return func() error {
		got, err := ask(t, http.MethodGet, address, nil, nil)
		if err != nil {
			return err
		}
		if got.StatusCode != http.StatusOK || !strings.HasPrefix(got.body, name+"\n") {
			return fmt.Errorf("%s: %.60q", got.Status, got.body)
		}
		return nil
	}
}

func TestProxyFindsTheAppWheneverItComesAndWhereverItGoes(t *testing.T) {
	t.Parallel()
	network := newNetwork(t)
	_, address := proxy(t, network)

	got := get(t, address)
	wantPage(t, got, http.StatusBadGateway, "back in a moment")
	if got.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}

	one := replica(t, network, "one")
	await.Within(t, 3*time.Second, serves(t, address, "one"))

	replica(t, network, "two")
	if err := one.Terminate(t.Context()); err != nil {
		t.Fatal(err)
	}
	await.Within(t, 3*time.Second, serves(t, address, "two"))
}

// proxied is a proxy with one replica behind it.
type proxied struct {
	c       testcontainers.Container
	address string
}

func TestProxy(t *testing.T) {
	t.Parallel()
	network := newNetwork(t)
	c, address := proxy(t, network)
	p := proxied{c, address}
	replica(t, network, "one")
	await.Within(t, 10*time.Second, serves(t, address, "one"))

	t.Run("tells the app who asks, whatever the client claims", p.tellsTheAppWhoAsks)
	t.Run("keeps the metrics inside", p.keepsTheMetricsInside)
	t.Run("passes on the app's own error page", p.passesOnTheAppsErrorPage)
	t.Run("refuses a body that is too large, and takes a larger one for an import", p.refusesALargeBody)
	t.Run("compresses text", p.compressesText)
	t.Run("keeps a static file", p.keepsAStaticFile)
	t.Run("writes no name into its log", p.writesNoNameIntoItsLog)
	t.Run("serves on with a thousand connections open", p.servesOnWithAThousandConnections)
	t.Run("slows down who tries passwords, and nobody else", p.slowsDownWhoTriesPasswords)
}

func (p proxied) tellsTheAppWhoAsks(t *testing.T) {
	claims := http.Header{}
	for _, name := range []string{"X-Forwarded-For", "X-Real-Ip", "Forwarded", "X-Forwarded-Host", "X-Forwarded-Proto",
		"X-Forwarded-Ssl", "X-Url-Scheme", "X-Request-Id"} {
		claims.Set(name, "forged")
	}
	got, err := ask(t, http.MethodGet, p.address, nil, claims)
	if err != nil {
		t.Fatal(err)
	}
	said := map[string]string{}
	for _, line := range strings.Split(got.body, "\n") {
		name, value, _ := strings.Cut(line, "=")
		said[name] = value
	}
	if net.ParseIP(said["for"]) == nil {
		t.Errorf("X-Forwarded-For is %q, want one address", said["for"])
	}
	if len(said["id"]) != 32 {
		t.Errorf("X-Request-ID is %q, want 32 digits", said["id"])
	}
	if u, _ := url.Parse(p.address); said["host"] != u.Host {
		t.Errorf("Host is %q, want %q", said["host"], u.Host)
	}
	if said["proto"] != "http" || said["others"] != "" || strings.Contains(got.body, "forged") {
		t.Errorf("the app was told:\n%s", got.body)
	}
	if server := got.Header.Get("Server"); server != "nginx" {
		t.Errorf("Server is %q: the version is nobody's business", server)
	}
}

func (p proxied) keepsTheMetricsInside(t *testing.T) {
	for _, path := range []string{"/metrics", "//metrics", "/%6Detrics", "/static/../metrics", "/metrics?x=1"} {
		wantPage(t, get(t, p.address+path), http.StatusNotFound, "nothing here")
	}
}

func (p proxied) passesOnTheAppsErrorPage(t *testing.T) {
	got := get(t, p.address+"/busy")
	if got.StatusCode != http.StatusServiceUnavailable || got.body != "the app's own page" ||
		got.Header.Get("Retry-After") != "9" {
		t.Errorf("got %s: %s", got.Status, got.body)
	}
}

func (p proxied) refusesALargeBody(t *testing.T) {
	post := func(path string, size int) answer {
		t.Helper()
		got, err := ask(t, http.MethodPost, p.address+path, bytes.NewReader(make([]byte, size)), nil)
		if err != nil {
			t.Fatalf("POST %s: %v", path, err)
		}
		return got
	}
	wantPage(t, post("/games", 400<<10), http.StatusRequestEntityTooLarge, "too much at once")
	wantPage(t, post("/games/import", 7<<20), http.StatusRequestEntityTooLarge, "too much at once")
	for path, size := range map[string]int{"/games": 256 << 10, "/games/import": 5 << 20} {
		if got := post(path, size); got.StatusCode != http.StatusOK {
			t.Errorf("POST %s of %d bytes: got %s, want the app to decide", path, size, got.Status)
		}
	}
}

func (p proxied) compressesText(t *testing.T) {
	got, err := ask(t, http.MethodGet, p.address+"/long", nil, http.Header{"Accept-Encoding": {"gzip"}})
	if err != nil {
		t.Fatal(err)
	}
	if got.Header.Get("Content-Encoding") != "gzip" || len(got.body) > 500 {
		t.Errorf("got %d bytes, encoding %q", len(got.body), got.Header.Get("Content-Encoding"))
	}
}

func (p proxied) keepsAStaticFile(t *testing.T) {
	first, second := get(t, p.address+"/static/hash/style.css"), get(t, p.address+"/static/hash/style.css")
	if first.StatusCode != http.StatusOK || first.body != second.body {
		t.Error("the app was asked twice")
	}
	if got := second.Header.Get("Cache-Control"); !strings.Contains(got, "immutable") {
		t.Errorf("Cache-Control is %q", got)
	}
}

func (p proxied) writesNoNameIntoItsLog(t *testing.T) {
	_, err := ask(t, http.MethodGet, p.address+"/seen?q=Annabel", nil, http.Header{"Referer": {p.address + "/?q=Annabel"}})
	if err != nil {
		t.Fatal(err)
	}
	await.Within(t, 3*time.Second, func() error {
		if log := logs(t, p.c); !strings.Contains(log, `"path":"/seen"`) {
			return fmt.Errorf("the log is\n%s", log)
		}
		return nil
	})
	if strings.Contains(logs(t, p.c), "Annabel") {
		t.Error("the log holds the query")
	}
}

func (p proxied) servesOnWithAThousandConnections(t *testing.T) {
	u, err := url.Parse(p.address)
	if err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		idle, err := net.DialTimeout("tcp", u.Host, 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		defer idle.Close()
		if _, err := io.WriteString(idle, "GET /"); err != nil {
			t.Fatal(err)
		}
	}
	if got := get(t, p.address); got.StatusCode != http.StatusOK {
		t.Errorf("got %s", got.Status)
	}
}

func (p proxied) slowsDownWhoTriesPasswords(t *testing.T) {
	refused := 0
	for range 60 {
		got, err := ask(t, http.MethodPost, p.address+"/signin", nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got.StatusCode == http.StatusTooManyRequests {
			refused++
			wantPage(t, got, http.StatusTooManyRequests, "too many tries")
		}
	}
	if refused == 0 || refused > 30 {
		t.Errorf("%d of 60 were refused, want some, and not the first 30", refused)
	}
	if got := get(t, p.address+"/signin"); got.StatusCode != http.StatusOK {
		t.Errorf("to see the form: got %s", got.Status)
	}
}

func TestProxyAsksTheOtherReleaseForAFileThatOneDoesNotHave(t *testing.T) {
	t.Parallel()
	network := newNetwork(t)
	_, address := proxy(t, network)
	replica(t, network, "old")
	replica(t, network, "new")
	for _, name := range []string{"old", "new"} {
		await.Within(t, 10*time.Second, serves(t, address, name))
	}
	for i := range 20 {
		// Another name each time: none comes from the cache.
		if got := get(t, fmt.Sprintf("%s/static/not-old/%d.css", address, i)); got.StatusCode != http.StatusOK {
			t.Fatalf("request %d: got %s, though one replica has it", i, got.Status)
		}
	}
}

func TestProxyLetsGoOfASlowClient(t *testing.T) {
	t.Parallel()
	_, address := proxy(t, newNetwork(t))
	slow, err := net.Dial("tcp", strings.TrimPrefix(address, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	// A header that never ends.
	if _, err := io.WriteString(slow, "GET / HTTP/1.1\r\nHost: x\r\n"); err != nil {
		t.Fatal(err)
	}
	slow.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.ReadAll(slow); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the connection is still open after 20 s")
	}
}
