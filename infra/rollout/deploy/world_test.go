package deploy_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"boardcafe/infra/rollout/deploy"
	"boardcafe/infra/rollout/history"
	"boardcafe/infra/rollout/plan"
	"boardcafe/infra/rollout/stackfile"
	"boardcafe/infra/rollout/swarmtest"
	"boardcafe/infra/rollout/watch"

	"github.com/docker/docker/api/types/swarm"
)

// notes is a progress that remembers what it was told.
type notes struct {
	mu   sync.Mutex
	text strings.Builder
}

func (n *notes) add(kind, text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	fmt.Fprintf(&n.text, "%s: %s\n", kind, text)
}

func (n *notes) Step(text string) { n.add("step", text) }

func (n *notes) Warn(text string) { n.add("warn", text) }

func (n *notes) Services([]watch.Status) {}

// answer is what the stack's published port says.
type answer func(*http.Request) (*http.Response, error)

func (a answer) RoundTrip(r *http.Request) (*http.Response, error) { return a(r) }

func status(code int) answer {
	return func(r *http.Request) (*http.Response, error) {
		return &http.Response{
			StatusCode: code, Status: fmt.Sprint(code), Header: http.Header{}, Request: r,
			Body: io.NopCloser(strings.NewReader("")),
		}, nil
	}
}

// world is a swarm and a rollout for it.
type world struct {
	*deploy.Rollout
	swarm *swarmtest.Swarm
	notes *notes
	dir   string
	t     *testing.T
}

// inWorld runs a test with a clock of its own.
func inWorld(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "password"), []byte("open sesame"), 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		s, n := swarmtest.New(), &notes{}
		test(t, &world{swarm: s, notes: n, dir: dir, t: t, Rollout: &deploy.Rollout{
			Engine: s, Stack: "cafe", Auth: func(string) string { return "" }, Transport: status(200), Progress: n,
			Who: "anna", Where: "here", Process: "p1", Alive: func(string) (bool, bool) { return false, false },
		}})
	})
}

var options = deploy.Options{
	Resolve: true, Settle: time.Second, Timeout: time.Minute,
	Show: func(*plan.Plan) {}, Confirm: func([]plan.Operation) error { return nil },
}

// file is the café with that image for its web service. Other services can be added, and more after the services.
func (w *world) file(image, services, more string) *stackfile.File {
	w.t.Helper()
	text := fmt.Sprintf(`
version: "3.9"
x-rollout: {release: %q}
services:
  db:
    image: mysql:8
    secrets: [password]
  web:
    image: %s
    depends_on: [db]
    ports: ["80:8080"]
    deploy: {replicas: 2}
    x-rollout: {probe: {path: /readyz, timeout: 3s}}
%s
secrets:
  password: {file: ./password}
%s`, strings.TrimPrefix(image, "web:"), image, services, more)
	file, err := stackfile.Parse(filepath.Join(w.dir, "stack.yml"), []byte(text), "cafe", stackfile.Environment{})
	if err != nil {
		w.t.Fatal(err)
	}
	return file
}

func (w *world) deploy(image string) error {
	return w.Deploy(w.t.Context(), w.file(image, "", ""), options)
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatalf("%v\n%s", err, w.notes.text.String())
	}
}

func (w *world) noted(text string) {
	w.t.Helper()
	if !strings.Contains(w.notes.text.String(), text) {
		w.t.Errorf("no note of %q in\n%s", text, w.notes.text.String())
	}
}

// serves checks which image the web service has, and that nothing holds the lock.
func (w *world) serves(image string) {
	w.t.Helper()
	service, _, err := w.swarm.ServiceInspectWithRaw(context.Background(), "cafe_web", swarm.ServiceInspectOptions{})
	w.must(err)
	if got := service.Spec.TaskTemplate.ContainerSpec.Image; !strings.HasPrefix(got, image+"@sha256:") {
		w.t.Errorf("web runs %s, not %s", got, image)
	}
	if _, held, err := w.Lock(context.Background()); err != nil || held {
		w.t.Errorf("the lock is held (%v)", err)
	}
}

// history checks the releases' statuses, newest first.
func (w *world) history(want ...history.Status) []history.Release {
	w.t.Helper()
	releases, err := w.History(context.Background())
	w.must(err)
	var got []history.Status
	for _, r := range releases {
		got = append(got, r.Status)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		w.t.Errorf("history %v, not %v", got, want)
	}
	return releases
}
