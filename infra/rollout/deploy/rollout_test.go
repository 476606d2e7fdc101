package deploy_test

import (
	"context"
	"errors"
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
	"boardcafe/infra/rollout/live"
	"boardcafe/infra/rollout/lock"
	"boardcafe/infra/rollout/model"
	"boardcafe/infra/rollout/plan"
	"boardcafe/infra/rollout/stackfile"
	"boardcafe/infra/rollout/swarmtest"
	"boardcafe/infra/rollout/watch"

	"github.com/docker/docker/api/types/swarm"
)

// notes is a progress that remembers.
type notes struct {
	mu   sync.Mutex
	text strings.Builder
}

func (n *notes) add(kind, text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	fmt.Fprintf(&n.text, "%s: %s\n", kind, text)
}
func (n *notes) Step(text string)        { n.add("step", text) }
func (n *notes) Warn(text string)        { n.add("warn", text) }
func (n *notes) Services([]watch.Status) {}

// answer is what the stack's published port says.
type answer func(*http.Request) (*http.Response, error)

func (a answer) RoundTrip(r *http.Request) (*http.Response, error) { return a(r) }

func status(code int) answer {
	return func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: code, Status: fmt.Sprint(code), Body: io.NopCloser(strings.NewReader("")), Header: http.Header{}, Request: r}, nil
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

// inWorld runs a test in a time of its own.
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

// file is the café with that image of its web service; more is put behind the services.
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

func TestDeployAndAgain(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		made, err := w.Plan(t.Context(), w.file("web:1", "", ""), options)
		w.must(err)
		if len(made.Waves) != 2 {
			t.Errorf("waves: %v", made.Waves)
		}
		w.must(w.deploy("web:1"))
		w.serves("web:1")
		before := len(w.swarm.Calls)
		w.must(w.deploy("web:1"))
		for _, call := range w.swarm.Calls[before:] {
			if strings.HasPrefix(call, "Service") && call != "ServiceList" {
				t.Errorf("an empty plan called %s", call)
			}
		}
		w.noted("nothing to change")
		w.must(w.deploy("web:2"))
		w.serves("web:2")
		w.history(history.Deployed, history.Deployed)
		now, err := w.Status(t.Context())
		w.must(err)
		if len(now.Services) != 2 || now.Services[1].Done != 2 || !now.Services[1].Settled || now.Release.Number != 2 {
			t.Errorf("status: %+v", now)
		}
	})
}

func TestFailingImageIsTakenBack(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.swarm.Images["web:2"] = swarmtest.Behaviour{Ends: true, Exit: 3, Log: "no database\r\n"}
		w.must(w.deploy("web:1"))
		err := w.deploy("web:2")
		var failed *deploy.FailedError
		if !errors.As(err, &failed) || !failed.Restored || failed.Previous.Number != 1 || errors.Unwrap(failed) == nil {
			t.Fatalf("%v", err)
		}
		task := failed.Tasks[0]
		if task.Node == "" || task.ExitCode != 3 || task.Service != "web" || fmt.Sprint(task.Log) != "[no database]" {
			t.Errorf("task %+v", task)
		}
		if !strings.Contains(err.Error(), "exit code 3") {
			t.Error(err)
		}
		w.serves("web:1")
		w.history(history.Failed, history.Deployed)
		w.must(w.deploy("web:1")) // still what is there
	})
}

func TestSwarmRollsBackByItself(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.swarm.Images["extra:2"] = swarmtest.Behaviour{Ends: true, Exit: 1}
		with := func(version string) *stackfile.File {
			return w.file("web:1", "  extra:\n    image: extra:"+version+"\n    deploy: {update_config: {failure_action: rollback}}", "")
		}
		w.must(w.Deploy(t.Context(), with("1"), options))
		var failed *deploy.FailedError
		if err := w.Deploy(t.Context(), with("2"), options); !errors.As(err, &failed) || !failed.Restored {
			t.Fatal(err)
		}
	})
}

func TestFirstDeployFails(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.swarm.Images["web:1"] = swarmtest.Behaviour{Lives: time.Second, Exit: 1}
		var failed *deploy.FailedError
		if err := w.deploy("web:1"); !errors.As(err, &failed) || !failed.Restored {
			t.Fatal(err)
		}
		now, err := w.Status(t.Context())
		w.must(err)
		if len(now.Services) != 0 {
			t.Errorf("left: %+v", now.Services)
		}
	})
}

func TestUnschedulable(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		const why = "no suitable node (insufficient memory on 2 nodes)"
		w.swarm.Images["web:2"] = swarmtest.Behaviour{Pending: why}
		w.must(w.deploy("web:1"))
		err := w.deploy("web:2")
		var timeout *watch.TimeoutError
		if !errors.As(err, &timeout) || !strings.Contains(err.Error(), why) || !strings.Contains(err.Error(), "0 of 2 tasks") {
			t.Fatal(err)
		}
		w.serves("web:1")
	})
}

// Swarm waits for ever for a task that it gave to a machine which then died.
func TestMachineDiesDuringTheUpdate(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.must(w.deploy("web:1"))
		w.swarm.Images["web:2"] = swarmtest.Behaviour{Start: time.Hour}
		for i := range w.swarm.Nodes {
			w.swarm.Nodes[i].Status.State = swarm.NodeStateDown
		}
		began := time.Now()
		var failed *deploy.FailedError
		if err := w.deploy("web:2"); !errors.As(err, &failed) || !failed.Restored || !strings.Contains(err.Error(), "is down, and the update waits for a task there") {
			t.Fatal(err)
		}
		if took := time.Since(began); took < 30*time.Second || took >= time.Minute {
			t.Errorf("noticed after %s, want half a minute", took)
		}
		w.serves("web:1")
	})
}

func TestProbe(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.swarm.Nodes = append(w.swarm.Nodes, swarm.Node{ID: "node3", Status: swarm.NodeStatus{State: swarm.NodeStateDown}})
		asked := map[string]bool{}
		var mu sync.Mutex
		code := 200
		w.Transport = answer(func(r *http.Request) (*http.Response, error) {
			mu.Lock()
			defer mu.Unlock()
			asked[r.URL.String()] = true
			return status(code)(r)
		})
		w.swarm.Nodes = w.swarm.Nodes[:2]
		w.must(w.deploy("web:1"))
		w.swarm.Nodes = append(w.swarm.Nodes, swarm.Node{ID: "node3", Status: swarm.NodeStatus{State: swarm.NodeStateDown}})
		if !asked["http://10.0.0.1:80/readyz"] || !asked["http://10.0.0.2:80/readyz"] {
			t.Errorf("asked: %v", asked)
		}
		code = 503
		var failed *deploy.FailedError
		noWayBack := options
		noWayBack.NoRollback = true
		noWayBack.Probes = []string{"http://cafe.test"}
		err := w.Deploy(t.Context(), w.file("web:2", "", ""), noWayBack)
		if !errors.As(err, &failed) || failed.Restored || len(failed.Running) != 2 || len(failed.Tasks) == 0 || !asked["http://cafe.test/readyz"] {
			t.Fatalf("%+v", err)
		}
		w.history(history.Broken, history.Deployed)
		w.serves("web:2")
		// Also what was there before does not answer: the restore fails.
		if err := w.deploy("web:3"); !errors.As(err, &failed) || failed.RestoreErr == nil {
			t.Fatalf("%+v", err)
		}
		w.noted("it is not probed")
		// From a broken release the way back is to the last good one.
		code = 200
		w.swarm.Images["web:4"] = swarmtest.Behaviour{Ends: true, Exit: 1}
		if err := w.deploy("web:4"); !errors.As(err, &failed) || !failed.Restored {
			t.Fatalf("%+v", err)
		}
		w.serves("web:1")
		w.must(w.Rollback(t.Context(), "", options))
		w.serves("web:1")
	})
}

func TestMigration(t *testing.T) {
	const job = "  migrate:\n    image: %s\n    depends_on: [db]\n    x-rollout: {job: true, timeout: 10s}"
	inWorld(t, func(t *testing.T, w *world) {
		w.swarm.Images["migrate:1"] = swarmtest.Behaviour{Start: time.Second, Ends: true}
		w.swarm.Images["migrate:2"] = swarmtest.Behaviour{Ends: true, Exit: 1, Log: "syntax error\n"}
		w.swarm.Images["migrate:3"] = swarmtest.Behaviour{Log: "waiting\n"}
		migrate := func(image string) error {
			return w.Deploy(t.Context(), w.file("web:1", fmt.Sprintf(job, image), ""), options)
		}
		w.must(migrate("migrate:1"))
		w.must(migrate("migrate:1"))
		w.history(history.Deployed) // a job that has run does not run again
		var failure *deploy.JobError
		if err := migrate("migrate:2"); !errors.As(err, &failure) || fmt.Sprint(failure.Task.Log) != "[syntax error]" || !strings.Contains(err.Error(), "job migrate") {
			t.Fatal(err)
		}
		if err := migrate("migrate:3"); !errors.As(err, &failure) || !strings.Contains(err.Error(), "did not end within 10s") {
			t.Fatal(err)
		}
		now, err := live.Read(t.Context(), w.swarm, "cafe")
		w.must(err)
		if len(now.Jobs) != 0 || len(now.Services) != 2 {
			t.Errorf("left: %d jobs, %d services", len(now.Jobs), len(now.Services))
		}
		w.history(history.Failed, history.Failed, history.Deployed)
	})
}

func TestInterrupted(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.swarm.Images["mysql:8"] = swarmtest.Behaviour{Start: time.Hour}
		ctx, stop := context.WithCancelCause(t.Context())
		time.AfterFunc(5*time.Second, func() { stop(deploy.ErrInterrupted) })
		err := w.Deploy(ctx, w.file("web:1", "", ""), options)
		var interrupted *deploy.InterruptedError
		if !errors.As(err, &interrupted) || len(interrupted.Applied) == 0 || len(interrupted.Pending) != 1 || !strings.Contains(err.Error(), "r1") {
			t.Fatalf("%+v", err)
		}
		w.history(history.Interrupted)
	})
}

func TestLockLost(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.swarm.Images["web:2"] = swarmtest.Behaviour{Start: time.Hour}
		w.must(w.deploy("web:1"))
		time.AfterFunc(7*time.Second, func() {
			if holder, held, err := w.Unlock(context.Background()); err != nil || !held || holder.Who != "anna" {
				t.Errorf("%v %v %v", holder, held, err)
			}
		})
		if err := w.deploy("web:2"); !errors.Is(err, lock.ErrLost) {
			t.Fatal(err)
		}
		w.serves("web:2") // not one more write
		// The next one finds a release that was never ended, and the job of a killed rollout.
		_, err := w.swarm.ServiceCreate(t.Context(), swarm.ServiceSpec{
			Annotations:  swarm.Annotations{Name: "cafe_old-job", Labels: map[string]string{model.LabelNamespace: "cafe", model.LabelJob: "old"}},
			TaskTemplate: swarm.TaskSpec{ContainerSpec: &swarm.ContainerSpec{Image: "job:1"}},
		}, swarm.ServiceCreateOptions{})
		w.must(err)
		w.must(w.deploy("web:3"))
		w.noted("was never ended")
		w.noted("removing cafe_old-job")
		w.history(history.Deployed, history.Interrupted, history.Deployed)
	})
}

// What is said to serve again has been looked at.
func TestARestoreSaysWhatRuns(t *testing.T) {
	broken := func(t *testing.T, w *world) *deploy.FailedError {
		t.Helper()
		w.swarm.Images["web:2"] = swarmtest.Behaviour{Ends: true, Exit: 3}
		var failed *deploy.FailedError
		if err := w.deploy("web:2"); !errors.As(err, &failed) {
			t.Fatalf("got %v, want a release that failed", err)
		}
		return failed
	}
	t.Run("OKNothingRanBefore", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			w.must(w.deploy("web:1"))
			w.swarm.StackRemove("cafe")
			if failed := broken(t, w); !failed.Restored || !failed.Empty {
				t.Errorf("restored %t, empty %t, want both", failed.Restored, failed.Empty)
			}
			now, err := w.Status(t.Context())
			w.must(err)
			if len(now.Services) != 0 {
				t.Errorf("left: %+v", now.Services)
			}
		})
	})
	t.Run("OKAllServe", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			w.must(w.deploy("web:1"))
			if failed := broken(t, w); !failed.Restored || failed.Empty {
				t.Errorf("restored %t, empty %t, want restored only", failed.Restored, failed.Empty)
			}
		})
	})
	t.Run("ErrAnotherServiceIsDown", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			w.swarm.Images["mysql:8"] = swarmtest.Behaviour{Lives: time.Hour, Exit: 1}
			w.must(w.deploy("web:1"))
			w.swarm.Images["mysql:8"] = swarmtest.Behaviour{Pending: "no suitable node"}
			time.Sleep(2 * time.Hour)
			failed := broken(t, w)
			if failed.Restored || !strings.Contains(fmt.Sprint(failed.RestoreErr), "service db: 0 of 1") {
				t.Errorf("restored %t, %v, want that db does not run", failed.Restored, failed.RestoreErr)
			}
		})
	})
	t.Run("ErrAnotherServiceIsGone", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			w.must(w.deploy("web:1"))
			w.must(w.swarm.ServiceRemove(t.Context(), "cafe_db"))
			failed := broken(t, w)
			if failed.Restored || !strings.Contains(fmt.Sprint(failed.RestoreErr), "service db: it does not exist") {
				t.Errorf("restored %t, %v, want that db does not exist", failed.Restored, failed.RestoreErr)
			}
		})
	})
}

func TestRollback(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var none *deploy.NoReleaseError
		if err := w.Rollback(t.Context(), "", options); !errors.As(err, &none) || none.Error() == "" {
			t.Fatal(err)
		}
		for _, image := range []string{"web:a", "web:b", "web:c"} {
			w.must(w.deploy(image))
		}
		w.must(w.Rollback(t.Context(), "", options))
		w.serves("web:b")
		w.must(w.Rollback(t.Context(), "r1", options))
		w.serves("web:a")
		w.must(w.Rollback(t.Context(), "c", options))
		w.serves("web:c")
		if releases := w.history(history.Deployed, history.Deployed, history.Deployed, history.Deployed, history.Deployed, history.Deployed); releases[0].Of != 3 {
			t.Errorf("rollback of %d", releases[0].Of)
		}
		if err := w.Rollback(t.Context(), "99", options); !errors.As(err, &none) || !strings.Contains(none.Error(), "99") {
			t.Fatal(err)
		}
		for range history.Keep {
			w.must(w.deploy("web:x"))
			w.must(w.deploy("web:y"))
		}
		if releases, _ := w.History(t.Context()); len(releases) != history.Keep {
			t.Errorf("%d releases kept", len(releases))
		}
	})
}

func TestSecretSet(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		external := "  api:\n    image: api:1\n    secrets: [token]"
		file := func() *stackfile.File { return w.file("web:1", external, "  token: {external: true}\n") }
		var missing *plan.MissingError
		if err := w.Deploy(t.Context(), file(), options); !errors.As(err, &missing) {
			t.Fatal(err)
		}
		if _, err := w.SetSecret(t.Context(), "token", nil); err == nil {
			t.Error("an empty secret was set")
		}
		one, err := w.SetSecret(t.Context(), "token", []byte("one"))
		w.must(err)
		w.must(w.Deploy(t.Context(), file(), options))
		two, err := w.SetSecret(t.Context(), "token", []byte("two"))
		w.must(err)
		again, err := w.SetSecret(t.Context(), "token", []byte("one"))
		w.must(err)
		if one == two || again != one || strings.Contains(one, "one") {
			t.Errorf("versions %s, %s, %s", one, two, again)
		}
		now, err := live.Read(t.Context(), w.swarm, "cafe")
		w.must(err)
		if now.CurrentSecrets("cafe")["token"] != one || !now.HasSecret(two) {
			t.Errorf("current: %v", now.CurrentSecrets("cafe"))
		}
	})
}

// The database's password must not go with `docker stack rm`: its volume stays.
func TestSecretsThatWereSetOutliveTheRemovalOfTheStack(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		external := "  api:\n    image: api:1\n    secrets: [token]"
		file := func() *stackfile.File { return w.file("web:1", external, "  token: {external: true}\n") }
		set := func(value string) string {
			name, err := w.SetSecret(t.Context(), "token", []byte(value))
			w.must(err)
			return name
		}
		first := set("one")
		w.must(w.Deploy(t.Context(), file(), options))
		w.swarm.StackRemove("cafe")
		w.must(w.Deploy(t.Context(), file(), options))
		if again := set("one"); again != first {
			t.Errorf("the same value is the version %s, want %s: the key of the names is another", again, first)
		}

		// As an earlier rollout has left them, until the next deploy.
		label := func(labels map[string]string) map[string]string {
			delete(labels, model.LabelStack)
			labels[model.LabelNamespace] = "cafe"
			return labels
		}
		now, err := live.Read(t.Context(), w.swarm, "cafe")
		w.must(err)
		for _, secret := range now.Secrets {
			secret.Spec.Labels = label(secret.Spec.Labels)
			w.must(w.swarm.SecretUpdate(t.Context(), secret.ID, secret.Version, secret.Spec))
		}
		for _, config := range now.Configs {
			if config.Spec.Name == "rollout.cafe.key" {
				config.Spec.Labels = label(config.Spec.Labels)
				w.must(w.swarm.ConfigUpdate(t.Context(), config.ID, config.Version, config.Spec))
			}
		}
		w.must(w.Deploy(t.Context(), file(), options))
		w.swarm.StackRemove("cafe")
		w.must(w.Deploy(t.Context(), file(), options))
		if again := set("one"); again != first {
			t.Errorf("after the update of its labels it is the version %s, want %s", again, first)
		}
	})
}

// A version that nothing needs any more is no change of the release, and goes all the same.
func TestPruneWithoutChanges(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.must(w.deploy("web:1"))
		_, err := w.swarm.ConfigCreate(t.Context(), swarm.ConfigSpec{Annotations: swarm.Annotations{
			Name: "cafe_conf_0123456789ab", Labels: map[string]string{model.LabelNamespace: "cafe", model.LabelKey: "conf"},
		}})
		w.must(err)
		w.must(w.deploy("web:1"))
		w.noted("nothing to change")
		configs, err := w.swarm.ConfigList(t.Context(), swarm.ConfigListOptions{})
		w.must(err)
		for _, config := range configs {
			if config.Spec.Name == "cafe_conf_0123456789ab" {
				t.Error("the version is still there")
			}
		}
	})
}

func TestPrune(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.must(w.Deploy(t.Context(), w.file("web:1", "  old:\n    image: old:1", ""), options))
		prune := options
		prune.Prune = true
		refused := errors.New("refused")
		prune.Confirm = func([]plan.Operation) error { return refused }
		if err := w.Deploy(t.Context(), w.file("web:1", "", ""), prune); !errors.Is(err, refused) {
			t.Fatal(err)
		}
		prune.Confirm = options.Confirm
		w.must(w.Deploy(t.Context(), w.file("web:1", "", ""), prune))
		now, err := w.Status(t.Context())
		w.must(err)
		if len(now.Services) != 2 {
			t.Errorf("left: %+v", now.Services)
		}
		if err := w.Rollback(t.Context(), "", deploy.Options{Timeout: time.Minute, Prune: true, Show: options.Show, Confirm: options.Confirm}); err != nil {
			t.Fatal(err)
		}
	})
}

func TestChangedByOthers(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.must(w.deploy("web:1"))
		races := 2
		w.swarm.Before = func(method string) error {
			if method == "ServiceUpdate" && races > 0 {
				races--
				return errors.New("rpc error: update out of sequence")
			}
			return nil
		}
		w.must(w.deploy("web:2"))
		w.serves("web:2")
	})
}

func TestErrorsBeforeAnything(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.swarm.Missing["web:1"] = true
		var image *deploy.ImageError
		if err := w.deploy("web:1"); !errors.As(err, &image) || !strings.Contains(err.Error(), "web:1") || image.Unwrap() == nil {
			t.Fatal(err)
		}
		broken := errors.New("broken")
		for _, method := range []string{"Info", "ServiceList", "NetworkList", "ConfigList", "SecretList", "TaskList", "ConfigCreate", "NodeList"} {
			w.swarm.Before = func(called string) error {
				if called == method {
					return broken
				}
				return nil
			}
			if err := w.deploy("web:0"); err == nil {
				t.Errorf("no error when %s fails", method)
			}
			_, err := w.Status(t.Context())
			_, planErr := w.Plan(t.Context(), w.file("web:9", "", ""), options)
			if method != "ConfigCreate" && method != "TaskList" && method != "NodeList" && (err == nil || planErr == nil) {
				t.Errorf("no error when %s fails: %v, %v", method, err, planErr)
			}
		}
		w.swarm.Before, w.swarm.Worker = nil, true
		if _, err := w.History(t.Context()); !errors.Is(err, live.ErrNotManager) {
			t.Error(err)
		}
	})
}

func TestUnhealthyWithoutChange(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.swarm.Images["web:1"] = swarmtest.Behaviour{Lives: time.Hour, Exit: 1}
		w.must(w.deploy("web:1"))
		w.swarm.Images["web:1"] = swarmtest.Behaviour{Pending: "no suitable node"}
		time.Sleep(2 * time.Hour)
		var failed *deploy.FailedError
		if err := w.deploy("web:1"); !errors.As(err, &failed) || failed.Release.Number != 1 {
			t.Fatal(err)
		}
	})
}
