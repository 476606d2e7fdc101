package rollout_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"boardcafe/infra/rollout"
	"boardcafe/infra/rollout/plan"
	"boardcafe/infra/rollout/stack"
	"boardcafe/infra/rollout/swarmtest"
	"boardcafe/infra/rollout/watch"
)

// world is a swarm, a rollout over it, and all that was said.
type world struct {
	*rollout.Rollout
	swarm   *swarmtest.Swarm
	options rollout.Options

	mu   sync.Mutex
	said []string
	plan *plan.Plan
}

func (w *world) Step(text string) { w.say(text) }
func (w *world) Warn(text string) { w.say("warning: " + text) }
func (w *world) Services(statuses []watch.Status) {
	for _, status := range statuses {
		w.say(fmt.Sprintf("%s %d/%d %s", status.Service, status.Done, status.Want, status.State))
	}
}

func (w *world) say(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.said) == 0 || w.said[len(w.said)-1] != text {
		w.said = append(w.said, text)
	}
}

// heard tells whether something was said.
func (w *world) heard(text string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Contains(strings.Join(w.said, "\n"), text)
}

// newWorld is an empty swarm whose registry has releases 1 and 2 of the shop.
func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{swarm: swarmtest.New()}
	for _, release := range []string{"1", "2", "3"} {
		w.image(release, swarmtest.Image{})
		w.swarm.Images["registry/db:"+release] = swarmtest.Image{Digest: strings.Repeat("d", 64)}
	}
	w.Rollout = &rollout.Rollout{
		Engine: w.swarm, Stack: "shop", Auth: func(string) string { return "" }, Transport: w.swarm, Progress: w,
		Who: "anna@desk", Process: "", Alive: nil,
	}
	w.options = rollout.Options{
		Resolve: true, Settle: time.Second, Timeout: time.Minute,
		Show:    func(p *plan.Plan) { w.plan = p },
		Confirm: func([]plan.Operation) error { return nil },
	}
	if _, err := w.SetSecret(t.Context(), "password", []byte("hunter2")); err != nil {
		t.Fatal(err)
	}
	return w
}

// image puts a release of the web image into the registry. The migration is the same image: what it
// does as a job, it does by its command, which the swarm does not know; see jobImage.
func (w *world) image(release string, image swarmtest.Image) {
	image.Digest, image.Release = strings.Repeat(release[:1], 64), release
	w.swarm.Images["registry/web:"+release] = image
}

// edit is a change of the stack file.
type edit [2]string

// file reads the stack file of the tests for a release, with changes.
func (w *world) file(t *testing.T, release string, edits ...edit) *stack.File {
	t.Helper()
	data, err := os.ReadFile("testdata/stack.yml")
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	// The job ends where the server goes on.
	text = strings.Replace(text, "image: registry/web:${RELEASE}\n    command: [migrate]", "image: registry/job:${JOB:-1}\n    command: [migrate]", 1)
	if _, ok := w.swarm.Images["registry/job:1"]; !ok {
		w.swarm.Images["registry/job:1"] = swarmtest.Image{Digest: strings.Repeat("a", 64), Exit: swarmtest.Exit(0)}
	}
	for _, e := range edits {
		changed := strings.Replace(text, e[0], e[1], 1)
		if changed == text {
			t.Fatalf("%q is not in the stack file", e[0])
		}
		text = changed
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "settings.conf"), "a = 1\n")
	write(t, filepath.Join(dir, "other.conf"), "a = 2\n")
	write(t, filepath.Join(dir, "secret.txt"), "swordfish")
	file, err := stack.Parse(filepath.Join(dir, "stack.yml"), []byte(text), "shop", func(name string) (string, bool) {
		return release, name == "RELEASE"
	})
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (w *world) deploy(t *testing.T, release string, edits ...edit) error {
	t.Helper()
	return w.Deploy(t.Context(), w.file(t, release, edits...), w.options)
}

func (w *world) mustDeploy(t *testing.T, release string, edits ...edit) {
	t.Helper()
	if err := w.deploy(t, release, edits...); err != nil {
		t.Fatalf("deploy %s: %v\n%s", release, err, strings.Join(w.said, "\n"))
	}
}

// image of the web service in the swarm.
func (w *world) serves() string {
	return w.swarm.Spec("shop_web").TaskTemplate.ContainerSpec.Image
}

// latest is the newest release as "number name status".
func (w *world) latest(t *testing.T) string {
	t.Helper()
	releases, err := w.History(context.WithoutCancel(t.Context()))
	if err != nil || len(releases) == 0 {
		t.Fatalf("history: %v, %v", releases, err)
	}
	return fmt.Sprintf("%d %s %s", releases[0].Number, releases[0].Name, releases[0].Status)
}

func (w *world) wantLatest(t *testing.T, want string) {
	t.Helper()
	if got := w.latest(t); got != want {
		t.Errorf("newest release: %q, want %q", got, want)
	}
	if _, held, err := w.Lock(context.WithoutCancel(t.Context())); held || err != nil {
		t.Errorf("lock is held: %v, %v", held, err)
	}
}
