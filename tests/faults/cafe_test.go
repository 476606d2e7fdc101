// Package faults_test breaks the café on purpose, under load, and looks at what people see: the
// three images as Compose runs them, with two replicas of the app.
package faults_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"
	"github.com/docker/go-connections/nat"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/exec"
	"github.com/testcontainers/testcontainers-go/network"
	"github.com/testcontainers/testcontainers-go/wait"

	"boardcafe/app/web"
	"boardcafe/tests/engine"
)

var shared *cafe

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	c, err := start(ctx)
	if c != nil {
		defer c.stop()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		return 1
	}
	shared = c
	return m.Run()
}

// cafe is the running café.
type cafe struct {
	docker   *client.Client
	host     string // where published ports answer
	url      string // of the proxy
	password string
	db       testcontainers.Container
	apps     [2]testcontainers.Container
	proxy    testcontainers.Container
	undo     []func() error
}

// start starts everything; the caller stops it, also after an error if the café is not nil.
func start(ctx context.Context) (*cafe, error) {
	if err := engine.Setup(ctx); err != nil {
		return nil, err
	}
	docker, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		return nil, err
	}
	c := &cafe{docker: docker, password: rand.Text()}
	c.undo = append(c.undo, docker.Close)
	if c.host, err = daemonHost(ctx); err != nil {
		return c, err
	}
	front, err := c.network(ctx)
	if err != nil {
		return c, err
	}
	back, err := c.network(ctx)
	if err != nil {
		return c, err
	}
	password := rand.Text()
	if err := c.startDB(ctx, back, password); err != nil {
		return c, err
	}
	if err := c.startApps(ctx, front, back, password); err != nil {
		return c, err
	}
	c.proxy, err = c.run(ctx, testcontainers.ContainerRequest{
		Image:              engine.Image("proxy"),
		Networks:           []string{front},
		ExposedPorts:       []string{"8080/tcp"},
		HostConfigModifier: c.publish,
		WaitingFor:         wait.ForHTTP("/readyz").WithPort("8080/tcp").WithStartupTimeout(time.Minute),
	})
	if err != nil {
		return c, err
	}
	c.url, err = address(ctx, c.host, c.proxy)
	if err != nil {
		return c, err
	}
	_, err = c.sql(ctx, `
		INSERT INTO board_games (name, copies, min_players, max_players, minutes, shelf)
			WITH RECURSIVE n AS (SELECT 1 i UNION ALL SELECT i + 1 FROM n WHERE i < 60)
				SELECT CONCAT('Game ', i), 2, 2, 4, 45, '' FROM n;
		INSERT INTO customers (name, table_number, game_id, reserved_at)
			WITH RECURSIVE n AS (SELECT 1 i UNION ALL SELECT i + 1 FROM n WHERE i < 200)
				SELECT CONCAT('Early ', i), 1, 1 + i MOD 60, UTC_TIMESTAMP(6) FROM n;`)
	return c, err
}

// startDB starts the database, with a schema and an account for the app that has this password.
func (c *cafe) startDB(ctx context.Context, back, password string) (err error) {
	migratePassword := rand.Text()
	c.db, err = c.run(ctx, testcontainers.ContainerRequest{
		Image:          engine.Image("db"),
		Env:            map[string]string{"CAFE_DB_PASSWORD_FILE": "/run/cafe", "CAFE_MIGRATE_PASSWORD_FILE": "/run/migrate"},
		Files:          []testcontainers.ContainerFile{file("/run/cafe", password), file("/run/migrate", migratePassword)},
		Networks:       []string{back},
		NetworkAliases: map[string][]string{back: {"db"}},
		WaitingFor:     wait.ForHealthCheck().WithStartupTimeout(2 * time.Minute),
	})
	if err != nil {
		return err
	}
	migrate, err := c.run(ctx, testcontainers.ContainerRequest{
		Image:      engine.Image("app"),
		Cmd:        []string{"migrate"},
		Env:        map[string]string{"CAFE_DB_USER": "cafe_migrate", "CAFE_DB_PASSWORD": migratePassword},
		Networks:   []string{back},
		WaitingFor: wait.ForExit(),
	})
	if err != nil {
		return err
	}
	if state, err := migrate.State(ctx); err != nil || state.ExitCode != 0 {
		return fmt.Errorf("migrate: %v, %+v", err, state)
	}
	return nil
}

// startApps starts the replicas, with one account for staff.
func (c *cafe) startApps(ctx context.Context, front, back, password string) error {
	line, err := web.HashPassword("staff", c.password)
	if err != nil {
		return err
	}
	key := rand.Text() + rand.Text()
	for i := range c.apps {
		c.apps[i], err = c.run(ctx, testcontainers.ContainerRequest{
			Image: engine.Image("app"),
			Env: map[string]string{"CAFE_DB_PASSWORD": password, "CAFE_SESSION_KEY": key,
				"CAFE_STAFF_FILE": "/staff"},
			Files:              []testcontainers.ContainerFile{file("/staff", line)},
			Networks:           []string{front, back},
			NetworkAliases:     map[string][]string{front: {"app"}},
			ExposedPorts:       []string{"8080/tcp"},
			HostConfigModifier: c.publish,
			WaitingFor:         wait.ForHealthCheck().WithStartupTimeout(time.Minute),
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// stop removes everything, the last first.
func (c *cafe) stop() {
	for i := len(c.undo) - 1; i >= 0; i-- {
		if err := c.undo[i](); err != nil {
			fmt.Fprintln(os.Stderr, "faults:", err)
		}
	}
}

// daemonHost is the address where published ports answer, which is also where they are published:
// this machine's own, and no other.
func daemonHost(ctx context.Context) (string, error) {
	provider, err := testcontainers.NewDockerProvider()
	if err != nil {
		return "", err
	}
	defer provider.Close()
	host, err := provider.DaemonHost(ctx)
	if host == "localhost" {
		host = "127.0.0.1"
	}
	return host, err
}

func (c *cafe) publish(h *container.HostConfig) {
	h.CapDrop = []string{"ALL"}
	h.PortBindings = nat.PortMap{"8080/tcp": {{HostIP: c.host}}}
}

func (c *cafe) network(ctx context.Context) (string, error) {
	n, err := network.New(ctx, network.WithLabels(engine.Labels()))
	if err != nil {
		return "", fmt.Errorf("create network: %w", err)
	}
	c.undo = append(c.undo, func() error { return n.Remove(context.Background()) })
	return n.Name, nil
}

func (c *cafe) run(ctx context.Context, r testcontainers.ContainerRequest) (testcontainers.Container, error) {
	r.Labels = engine.Labels()
	made, err := testcontainers.GenericContainer(ctx,
		testcontainers.GenericContainerRequest{ContainerRequest: r, Started: true})
	if made != nil {
		c.undo = append(c.undo, func() error {
			return testcontainers.TerminateContainer(made, testcontainers.StopTimeout(0))
		})
	}
	if err != nil {
		err = fmt.Errorf("start %s (`make images` builds it): %w", r.Image, err)
	}
	return made, err
}

func file(path, content string) testcontainers.ContainerFile {
	return testcontainers.ContainerFile{Reader: strings.NewReader(content), ContainerFilePath: path, FileMode: 0o444}
}

// address is the URL of a container's port 8080. It is another one after each start.
func address(ctx context.Context, host string, c testcontainers.Container) (string, error) {
	port, err := c.MappedPort(ctx, "8080/tcp")
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("http://%s:%d", host, port.Int()), nil
}

// direct is the URL of a replica itself.
func (c *cafe) direct(t *testing.T, replica int) string {
	t.Helper()
	u, err := address(t.Context(), c.host, c.apps[replica])
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// sql runs statements as root, inside of the database's container.
func (c *cafe) sql(ctx context.Context, statements string) (string, error) {
	code, out, err := c.db.Exec(ctx,
		[]string{"mysql", "--batch", "--skip-column-names", "--database=cafe", "--execute", statements}, exec.Multiplexed())
	if err != nil {
		return "", err
	}
	var text bytes.Buffer
	if _, err := io.Copy(&text, out); err != nil {
		return "", err
	}
	if code != 0 {
		return "", fmt.Errorf("mysql ended with %d: %s", code, text.String())
	}
	return text.String(), nil
}

// logged is what the proxy wrote about a request: which replicas it asked, and how long each took.
func (c *cafe) logged(ctx context.Context, request string) string {
	logs, err := c.proxy.Logs(ctx)
	if err != nil {
		return err.Error()
	}
	defer logs.Close()
	all, err := io.ReadAll(logs)
	for line := range strings.Lines(string(all)) {
		if request != "" && strings.Contains(line, request) {
			return line
		}
	}
	return fmt.Sprintf("the proxy wrote nothing about it, %v", err)
}

// staff is a member of staff who is signed in.
type staff struct {
	*http.Client
	url   string
	token string // for forms
}

var csrf = regexp.MustCompile(`name="csrf" value="([0-9a-f]+)"`)

// signIn signs a browser in that keeps its connections and follows no redirect.
func (c *cafe) signIn(ctx context.Context) (*staff, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy, transport.MaxIdleConnsPerHost = nil, 512
	s := &staff{url: c.url, Client: &http.Client{Jar: jar, Transport: transport, Timeout: 45 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	if err := s.readToken(ctx, "/signin"); err != nil {
		return nil, err
	}
	a := s.post(ctx, "/signin", url.Values{"name": {"staff"}, "password": {c.password}})
	if a.err != nil || a.status != http.StatusSeeOther {
		return nil, fmt.Errorf("sign in: %v", a)
	}
	return s, s.readToken(ctx, "/customers/new")
}

func (s *staff) readToken(ctx context.Context, path string) error {
	a := s.get(ctx, path)
	found := csrf.FindStringSubmatch(a.body)
	if a.err != nil || found == nil {
		return fmt.Errorf("no token on %s: %v", path, a)
	}
	s.token = found[1]
	return nil
}

// answer is what came back, or why nothing did.
type answer struct {
	status int
	header http.Header
	body   string
	err    error
}

func (a answer) String() string {
	if a.err != nil {
		return a.err.Error()
	}
	return fmt.Sprintf("status %d, %v, %.200q", a.status, a.header, a.body)
}

// wantPage fails unless an answer has a status and a page for people.
func (a answer) wantPage(t *testing.T, status int) {
	t.Helper()
	if a.err != nil || a.status != status || !a.isPage() {
		t.Errorf("got %v, want a page with status %d", a, status)
	}
}

func (a answer) isPage() bool {
	return strings.HasPrefix(a.header.Get("Content-Type"), "text/html") && strings.Contains(a.body, "<h1>")
}

func (s *staff) get(ctx context.Context, path string) answer {
	return s.send(ctx, http.MethodGet, s.url+path, nil)
}

func (s *staff) post(ctx context.Context, path string, form url.Values) answer {
	form.Set("csrf", s.token)
	return s.send(ctx, http.MethodPost, s.url+path, strings.NewReader(form.Encode()))
}

func (s *staff) send(ctx context.Context, method, url string, body io.Reader) answer {
	request, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return answer{err: err}
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	response, err := s.Do(request)
	if err != nil {
		return answer{err: err}
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, response.Header, string(content), err}
}

// mustSignIn is signIn for a test.
func (c *cafe) mustSignIn(t *testing.T) *staff {
	t.Helper()
	s, err := c.signIn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.CloseIdleConnections)
	return s
}
