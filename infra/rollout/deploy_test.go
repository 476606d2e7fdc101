package rollout_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"boardcafe/infra/rollout"
	"boardcafe/infra/rollout/live"
	"boardcafe/infra/rollout/lock"
	"boardcafe/infra/rollout/plan"
	"boardcafe/infra/rollout/probe"
	"boardcafe/infra/rollout/swarmtest"
	"boardcafe/infra/rollout/watch"

	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/api/types/system"
)

// in runs a test in a bubble: minutes of a rollout take no time.
func in(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, newWorld(t)) })
}

func TestDeploy(t *testing.T) {
	t.Run("OK: an empty swarm gets all of it, in the order of depends_on", func(t *testing.T) {
		in(t, func(t *testing.T, w *world) {
			w.swarm.Calls()
			w.mustDeploy(t, "1")
			var writes []string
			for _, call := range w.swarm.Calls() {
				if strings.HasPrefix(call, "Service") || strings.HasPrefix(call, "Network") {
					call, _, _ = strings.Cut(call, "-")
					writes = append(writes, call)
				}
			}
			want := []string{"NetworkCreate shop_back", "ServiceCreate shop_db", "ServiceCreate shop_migrate",
				"ServiceRemove shop_migrate", "ServiceCreate shop_web"}
			if !slices.Equal(writes, want) {
				t.Errorf("got  %v\nwant %v", writes, want)
			}
			w.wantLatest(t, "1 1 deployed")
			if got := w.serves(); got != "registry/web:1@sha256:"+strings.Repeat("1", 64) {
				t.Errorf("serves %s", got)
			}
		})
	})
	t.Run("OK: the same again writes nothing but the lock", func(t *testing.T) {
		in(t, func(t *testing.T, w *world) {
			w.mustDeploy(t, "1")
			w.swarm.Calls()
			w.mustDeploy(t, "1")
			for _, call := range w.swarm.Calls() {
				if call != "ConfigCreate rollout.shop.lock" && call != "ConfigRemove" {
					t.Errorf("wrote %s", call)
				}
			}
			if !w.plan.Empty() {
				t.Error("the plan is not empty")
			}
			w.wantLatest(t, "1 1 deployed")
		})
	})
	t.Run("OK: a new image updates what it is the image of, and nothing else", func(t *testing.T) {
		in(t, func(t *testing.T, w *world) {
			w.mustDeploy(t, "1")
			before := w.swarm.Spec("shop_db")
			w.mustDeploy(t, "2")
			if got := w.serves(); !strings.HasPrefix(got, "registry/web:2@") {
				t.Errorf("serves %s", got)
			}
			if after := w.swarm.Spec("shop_db"); after.TaskTemplate.ContainerSpec.Image != before.TaskTemplate.ContainerSpec.Image {
				t.Error("db was updated for the tag of an image that did not change")
			}
			w.wantLatest(t, "2 2 deployed")
		})
	})
	t.Run("OK: a changed config gets a new version, and the old one goes with the last release that needs it", func(t *testing.T) {
		in(t, func(t *testing.T, w *world) {
			w.mustDeploy(t, "1")
			first := w.swarm.Spec("shop_db").TaskTemplate.ContainerSpec.Configs[0].ConfigName
			w.mustDeploy(t, "1", edit{"file: settings.conf", "file: other.conf"})
			second := w.swarm.Spec("shop_db").TaskTemplate.ContainerSpec.Configs[0].ConfigName
			if first == second {
				t.Errorf("config %s, as before", first)
			}
			if !hasConfig(t, w, first) {
				t.Error("the first version is gone, though release 1 needs it")
			}
			for range 11 {
				w.mustDeploy(t, "2", edit{"file: settings.conf", "file: other.conf"})
				w.mustDeploy(t, "3", edit{"file: settings.conf", "file: other.conf"})
			}
			if hasConfig(t, w, first) {
				t.Error("the first version is still there, though no kept release needs it")
			}
			releases, err := w.History(t.Context())
			if err != nil || len(releases) > 11 {
				t.Errorf("%d releases, %v", len(releases), err)
			}
		})
	})
	t.Run("OK: a secret from a file is versioned by a name that tells nothing", func(t *testing.T) {
		in(t, func(t *testing.T, w *world) {
			w.mustDeploy(t, "1", edit{"password: {external: true}", "password: {file: secret.txt}"})
			ref := w.swarm.Spec("shop_db").TaskTemplate.ContainerSpec.Secrets[0]
			if !strings.HasPrefix(ref.SecretName, "shop_password_") || ref.SecretID == "" {
				t.Errorf("secret %+v", ref)
			}
			if w.heard("swordfish") {
				t.Error("its value was said")
			}
		})
	})
	t.Run("OK: replicas are left to whoever scaled", func(t *testing.T) {
		in(t, func(t *testing.T, w *world) {
			w.mustDeploy(t, "1")
			w.swarm.Scale("shop_web", 4)
			w.mustDeploy(t, "2")
			if got := *w.swarm.Spec("shop_web").Mode.Replicated.Replicas; got != 4 {
				t.Errorf("%d replicas, want 4", got)
			}
		})
	})
	t.Run("OK: somebody scales in the middle of the update", func(t *testing.T) {
		in(t, func(t *testing.T, w *world) {
			w.mustDeploy(t, "1")
			scaled := false
			w.swarm.Before = func(method string) error {
				if method == "ServiceUpdate" && !scaled {
					scaled = true
					w.swarm.Scale("shop_web", 3)
				}
				return nil
			}
			w.mustDeploy(t, "2")
			if got := *w.swarm.Spec("shop_web").Mode.Replicated.Replicas; got != 3 {
				t.Errorf("%d replicas, want 3", got)
			}
		})
	})
	t.Run("OK: a service that is gone from the file is kept, and removed with prune", func(t *testing.T) {
		in(t, func(t *testing.T, w *world) {
			w.mustDeploy(t, "1", extra)
			w.mustDeploy(t, "1")
			if !slices.Contains(w.swarm.Names(), "shop_extra") || !slices.Contains(w.plan.Kept, "extra") {
				t.Errorf("services %v, kept %v", w.swarm.Names(), w.plan.Kept)
			}
			w.options.Prune = true
			w.mustDeploy(t, "1")
			if slices.Contains(w.swarm.Names(), "shop_extra") {
				t.Error("it is still there")
			}
		})
	})
	t.Run("OK: a mode that changes is replaced", func(t *testing.T) {
		in(t, func(t *testing.T, w *world) {
			w.mustDeploy(t, "1")
			w.mustDeploy(t, "1", edit{"      replicas: 2\n", "      mode: global\n"}, edit{"      replicas: keep\n", ""})
			if w.swarm.Spec("shop_web").Mode.Global == nil {
				t.Error("it is not global")
			}
		})
	})
	t.Run("OK: a one-shot service that ends with 0", func(t *testing.T) {
		in(t, func(t *testing.T, w *world) {
			w.swarm.Images["registry/extra:1"] = swarmtest.Image{Digest: strings.Repeat("e", 64), Exit: swarmtest.Exit(0)}
			w.mustDeploy(t, "1", once)
			if !w.heard("extra 1/1 complete") {
				t.Errorf("said %v", w.said)
			}
		})
	})
	t.Run("OK: without a registry, tags go as they are", func(t *testing.T) {
		in(t, func(t *testing.T, w *world) {
			w.options.Resolve = false
			w.mustDeploy(t, "1")
			if got := w.serves(); got != "registry/web:1" {
				t.Errorf("serves %s", got)
			}
		})
	})
	t.Run("OK: a machine that is down is not probed, and that is said", func(t *testing.T) {
		in(t, func(t *testing.T, w *world) {
			w.mustDeploy(t, "1")
			w.swarm.Down(2)
			w.mustDeploy(t, "2")
			if !w.heard("machine worker2 is down: it is not probed") {
				t.Errorf("said %v", w.said)
			}
		})
	})
}

var (
	extra = edit{"networks:\n  back: {}", "  extra:\n    image: registry/db:${RELEASE}\n    deploy: {}\nnetworks:\n  back: {}"}
	once  = edit{"networks:\n  back: {}", "  extra:\n    image: registry/extra:1\n    networks: [back]\n    deploy: {restart_policy: {condition: none}}\nnetworks:\n  back: {}"}
)

func hasConfig(t *testing.T, w *world, name string) bool {
	t.Helper()
	configs, err := w.swarm.ConfigList(t.Context(), swarm.ConfigListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(configs, func(c swarm.Config) bool { return c.Spec.Name == name })
}

func TestDeployFails(t *testing.T) {
	// restored deploys release 2, which must fail, and checks that 1 serves again.
	restored := func(t *testing.T, w *world, edits ...edit) *rollout.FailedError {
		t.Helper()
		var failed *rollout.FailedError
		if err := w.deploy(t, "2", edits...); !errors.As(err, &failed) {
			t.Fatalf("got %v, want a FailedError", err)
		}
		if !failed.Restored || failed.RestoreErr != nil {
			t.Fatalf("not restored: %v\n%s", failed.RestoreErr, strings.Join(w.said, "\n"))
		}
		if got := w.serves(); !strings.HasPrefix(got, "registry/web:1@") {
			t.Errorf("serves %s", got)
		}
		w.wantLatest(t, "2 2 failed")
		return failed
	}
	t.Run("ErrFailure: a task that crashes", func(t *testing.T) {
		in(t, func(t *testing.T, w *world) {
			w.mustDeploy(t, "1")
			w.image("2", swarmtest.Image{Exit: swarmtest.Exit(7), After: 3 * time.Second, Log: "one\ntwo\n"})
			failed := restored(t, w)
			var failure *watch.Failure
			if !errors.As(failed, &failure) || failure.Service != "web" {
				t.Fatalf("cause %v", failed.Cause)
			}
			task := failed.Tasks[0]
			if task.ExitCode != 7 || task.Node == "" || !slices.Equal(task.Log, []string{"one", "two"}) {
				t.Errorf("task %+v", task)
			}
		})
	})
	t.Run("ErrFailure: a task that never becomes healthy, and an update that is paused", func(t *testing.T) {
		in(t, func(t *testing.T, w *world) {
			pause := edit{"failure_action: rollback", "failure_action: pause"}
			w.mustDeploy(t, "1", pause)
			w.image("2", swarmtest.Image{Unhealthy: true})
			failed := restored(t, w, pause)
			if !strings.Contains(failed.Error(), "Swarm paused the update") {
				t.Errorf("got %v", failed)
			}
		})
	})
	t.Run("ErrProbe: healthy, and answers with 500", func(t *testing.T) {
		in(t, func(t *testing.T, w *world) {
			w.mustDeploy(t, "1")
			w.image("2", swarmtest.Image{Status: 500, Log: "no dice\n"})
			failed := restored(t, w)
			var wrong *probe.Error
			if !errors.As(failed, &wrong) || !strings.Contains(wrong.Answer, "500") {
				t.Fatalf("cause %v", failed.Cause)
			}
			if len(failed.Tasks) == 0 || !slices.Equal(failed.Tasks[0].Log, []string{"no dice"}) {
				t.Errorf("tasks %+v", failed.Tasks)
			}
		})
	})
	t.Run("ErrJob: a migration that fails touches no service", func(t *testing.T) {
		in(t, func(t *testing.T, w *world) {
			w.mustDeploy(t, "1")
			w.swarm.Images["registry/job:2"] = swarmtest.Image{Digest: strings.Repeat("b", 64), Exit: swarmtest.Exit(1), Log: "column is there\n"}
			w.swarm.Calls()
			failed := restored(t, w, edit{"registry/job:${JOB:-1}", "registry/job:2"})
			var job *rollout.JobError
			if !errors.As(failed, &job) || job.Job != "migrate" || job.Task.ExitCode != 1 || job.Task.Log[0] != "column is there" {
				t.Fatalf("cause %v", failed.Cause)
			}
			for _, call := range w.swarm.Calls() {
				if strings.HasPrefix(call, "ServiceUpdate") {
					t.Errorf("wrote %s", call)
				}
			}
			if names := w.swarm.Names(); len(names) != 2 {
				t.Errorf("services %v: the job was not removed", names)
			}
		})
	})
	t.Run("ErrJob: a migration that does not end", func(t *testing.T) {
		in(t, func(t *testing.T, w *world) {
			w.mustDeploy(t, "1")
			w.swarm.Images["registry/job:2"] = swarmtest.Image{Digest: strings.Repeat("b", 64)}
			failed := restored(t, w, edit{"registry/job:${JOB:-1}", "registry/job:2"})
			if !strings.Contains(failed.Error(), "did not end within 30s") {
				t.Errorf("got %v", failed)
			}
		})
	})
	t.Run("ErrTimeout: no machine fits, in Swarm's own words", func(t *testing.T) {
		in(t, func(t *testing.T, w *world) {
			w.mustDeploy(t, "1")
			failed := restored(t, w, edit{"      replicas: 2\n", "      replicas: 2\n      placement: {constraints: [node.hostname == moon]}\n"})
			var timeout *watch.TimeoutError
			if !errors.As(failed, &timeout) || !strings.Contains(failed.Error(), "no suitable node") {
				t.Errorf("got %v", failed)
			}
		})
	})
	t.Run("ErrFailure: a one-shot service that ends with 1", func(t *testing.T) {
		in(t, func(t *testing.T, w *world) {
			w.mustDeploy(t, "1")
			w.swarm.Images["registry/extra:1"] = swarmtest.Image{Digest: strings.Repeat("e", 64), Exit: swarmtest.Exit(1)}
			failed := restored(t, w, once)
			if failed.Tasks[0].Service != "extra" {
				t.Errorf("tasks %+v", failed.Tasks)
			}
		})
	})
	t.Run("ErrFailure: what the first deploy created is removed", func(t *testing.T) {
		in(t, func(t *testing.T, w *world) {
			w.image("1", swarmtest.Image{Exit: swarmtest.Exit(1)})
			var failed *rollout.FailedError
			if err := w.deploy(t, "1"); !errors.As(err, &failed) || !failed.Restored {
				t.Fatalf("got %v", err)
			}
			if names := w.swarm.Names(); len(names) > 0 {
				t.Errorf("services left: %v", names)
			}
		})
	})
	t.Run("ErrFailure: left as it is with no-rollback", func(t *testing.T) {
		in(t, func(t *testing.T, w *world) {
			w.mustDeploy(t, "1")
			w.image("2", swarmtest.Image{Unhealthy: true})
			w.options.NoRollback = true
			var failed *rollout.FailedError
			if err := w.deploy(t, "2", edit{"failure_action: rollback", "failure_action: pause"}); !errors.As(err, &failed) || failed.Restored || len(failed.Running) != 2 {
				t.Fatalf("got %v", err)
			}
			w.wantLatest(t, "2 2 broken")
			// The next failure goes back to what served, not to what it found.
			w.options.NoRollback = false
			w.image("3", swarmtest.Image{Unhealthy: true})
			if err := w.deploy(t, "3"); !errors.As(err, &failed) || !failed.Restored {
				t.Fatalf("got %v\n%s", err, strings.Join(w.said, "\n"))
			}
			if got := w.serves(); !strings.HasPrefix(got, "registry/web:1@") {
				t.Errorf("serves %s", got)
			}
		})
	})
	t.Run("ErrRestore: it cannot be restored, and says what runs", func(t *testing.T) {
		in(t, func(t *testing.T, w *world) {
			w.mustDeploy(t, "1")
			w.image("2", swarmtest.Image{Status: 500})
			updates := 0
			w.swarm.Before = func(method string) error {
				if method == "ServiceUpdate" {
					if updates++; updates > 1 {
						return errors.New("the manager is tired")
					}
				}
				return nil
			}
			var failed *rollout.FailedError
			if err := w.deploy(t, "2"); !errors.As(err, &failed) || failed.Restored || failed.RestoreErr == nil || len(failed.Running) == 0 {
				t.Fatalf("got %v, %+v", err, failed)
			}
			w.swarm.Before = nil
			w.wantLatest(t, "2 2 broken")
		})
	})
	t.Run("ErrLost: who loses the lock writes nothing more", func(t *testing.T) {
		in(t, func(t *testing.T, w *world) {
			w.mustDeploy(t, "1")
			broken := false
			w.swarm.Before = func(method string) error {
				if method == "ServiceUpdate" && !broken {
					broken = true
					go w.Unlock(t.Context())
				}
				return nil
			}
			err := w.deploy(t, "2", edit{"      replicas: 2\n", "      replicas: 2\n      placement: {constraints: [node.hostname == moon]}\n"})
			var failed *rollout.FailedError
			if !errors.As(err, &failed) || !errors.Is(err, lock.ErrLost) || failed.Restored {
				t.Fatalf("got %v", err)
			}
			if got := w.serves(); !strings.HasPrefix(got, "registry/web:2@") {
				t.Errorf("serves %s: it was touched after the lock was lost", got)
			}
		})
	})
	t.Run("ErrInterrupted: says how far it came, and the next deploy goes on", func(t *testing.T) {
		in(t, func(t *testing.T, w *world) {
			w.mustDeploy(t, "1")
			ctx, interrupt := context.WithCancelCause(t.Context())
			w.swarm.Before = func(method string) error {
				if method == "ServiceUpdate" {
					interrupt(rollout.ErrInterrupted)
				}
				return nil
			}
			err := w.Deploy(ctx, w.file(t, "2"), w.options)
			var interrupted *rollout.InterruptedError
			if !errors.As(err, &interrupted) || !slices.Contains(interrupted.Applied, "update service web") {
				t.Fatalf("got %v, %+v", err, interrupted)
			}
			w.wantLatest(t, "2 2 interrupted")
			w.swarm.Before = nil
			w.mustDeploy(t, "2")
			w.wantLatest(t, "3 2 deployed")
		})
	})
}

func TestDeployStartsNothing(t *testing.T) {
	// refused deploys and checks that nothing but the lock was written.
	refused := func(t *testing.T, w *world, release string, edits ...edit) error {
		t.Helper()
		w.swarm.Calls()
		err := w.deploy(t, release, edits...)
		if err == nil {
			t.Fatal("no error")
		}
		var failed *rollout.FailedError
		if errors.As(err, &failed) {
			t.Errorf("got %v: it says that something was changed", err)
		}
		for _, call := range w.swarm.Calls() {
			if call != "ConfigCreate rollout.shop.lock" && call != "ConfigRemove" {
				t.Errorf("wrote %s", call)
			}
		}
		return err
	}
	t.Run("ErrImage: a tag that does not exist", func(t *testing.T) {
		in(t, func(t *testing.T, w *world) {
			var image *rollout.ImageError
			if err := refused(t, w, "9"); !errors.As(err, &image) || image.Image != "registry/db:9" {
				t.Errorf("got %v", err)
			}
		})
	})
	t.Run("ErrImage: a wrong password", func(t *testing.T) {
		in(t, func(t *testing.T, w *world) {
			w.swarm.Password = "sesame"
			if err := refused(t, w, "1"); !strings.Contains(err.Error(), "unauthorized") {
				t.Errorf("got %v", err)
			}
		})
	})
	t.Run("ErrMissing: a secret that nobody has set", func(t *testing.T) {
		in(t, func(t *testing.T, w *world) {
			err := refused(t, w, "1", edit{"password: {external: true}", "other: {external: true}"}, edit{"[password]", "[other]"})
			var missing *plan.MissingError
			if !errors.As(err, &missing) || !strings.Contains(missing.Next, "rollout secret set other") {
				t.Errorf("got %v", err)
			}
		})
	})
	t.Run("ErrNotManager: the engine is a worker, or none", func(t *testing.T) {
		in(t, func(t *testing.T, w *world) {
			w.swarm.Before = func(method string) error {
				if method == "Info" {
					return errors.New("connection refused")
				}
				return nil
			}
			if err := refused(t, w, "1"); !strings.Contains(err.Error(), "does not answer") {
				t.Errorf("got %v", err)
			}
			w.Engine = worker{w.swarm}
			if err := refused(t, w, "1"); !errors.Is(err, live.ErrNotManager) {
				t.Errorf("got %v, want %v", err, live.ErrNotManager)
			}
		})
	})
	t.Run("ErrConfirm: a removal that nobody agreed to", func(t *testing.T) {
		in(t, func(t *testing.T, w *world) {
			w.mustDeploy(t, "1", extra)
			no := errors.New("no")
			w.options.Prune = true
			w.options.Confirm = func([]plan.Operation) error { return no }
			if err := refused(t, w, "1"); !errors.Is(err, no) {
				t.Errorf("got %v", err)
			}
		})
	})
	t.Run("ErrHeld: another rollout", func(t *testing.T) {
		in(t, func(t *testing.T, w *world) {
			w.mustDeploy(t, "1")
			w.image("2", swarmtest.Image{})
			done := make(chan error)
			go func() { done <- w.deploy(t, "2") }()
			time.Sleep(3 * time.Second)
			var held *lock.HeldError
			if err := w.deploy(t, "3"); !errors.As(err, &held) || held.Holder.Who != "anna@desk" {
				t.Errorf("got %v", err)
			}
			w.options.LockWait = time.Hour
			if err := w.deploy(t, "3"); err != nil {
				t.Errorf("the one that waits: %v", err)
			}
			if err := <-done; err != nil {
				t.Errorf("the first: %v", err)
			}
			w.wantLatest(t, "3 3 deployed")
		})
	})
}

// worker is an engine that manages no swarm.
type worker struct{ *swarmtest.Swarm }

func (worker) Info(context.Context) (system.Info, error) { return system.Info{}, nil }

func TestRollback(t *testing.T) {
	t.Run("OK: to the release before, configs and all, and forward again", func(t *testing.T) {
		in(t, func(t *testing.T, w *world) {
			w.mustDeploy(t, "1")
			first := w.swarm.Spec("shop_db").TaskTemplate.ContainerSpec.Configs[0].ConfigName
			w.mustDeploy(t, "2", edit{"file: settings.conf", "file: other.conf"})
			if err := w.Rollback(t.Context(), "", w.options); err != nil {
				t.Fatal(err)
			}
			if got := w.serves(); !strings.HasPrefix(got, "registry/web:1@") {
				t.Errorf("serves %s", got)
			}
			if got := w.swarm.Spec("shop_db").TaskTemplate.ContainerSpec.Configs[0].ConfigName; got != first {
				t.Errorf("config %s, want %s", got, first)
			}
			w.wantLatest(t, "3 1 deployed")
			if err := w.Rollback(t.Context(), "2", w.options); err != nil {
				t.Fatal(err)
			}
			w.wantLatest(t, "4 2 deployed")
		})
	})
	t.Run("OK: to a secret's old version", func(t *testing.T) {
		in(t, func(t *testing.T, w *world) {
			secret := func() string { return w.swarm.Spec("shop_db").TaskTemplate.ContainerSpec.Secrets[0].SecretName }
			w.mustDeploy(t, "1")
			first := secret()
			if _, err := w.SetSecret(t.Context(), "password", []byte("correct horse")); err != nil {
				t.Fatal(err)
			}
			w.mustDeploy(t, "1")
			second := secret()
			if err := w.Rollback(t.Context(), "r1", w.options); err != nil {
				t.Fatal(err)
			}
			if third := secret(); first == second || third != first {
				t.Errorf("secrets %s, %s, %s", first, second, third)
			}
			// Setting the first value again makes its version the current one.
			if version, err := w.SetSecret(t.Context(), "password", []byte("hunter2")); err != nil || version != first {
				t.Errorf("version %s, %v; want %s", version, err, first)
			}
			w.mustDeploy(t, "1")
		})
	})
	t.Run("ErrNoRelease: there is none", func(t *testing.T) {
		in(t, func(t *testing.T, w *world) {
			w.mustDeploy(t, "1")
			for _, to := range []string{"", "7"} {
				var none *rollout.NoReleaseError
				if err := w.Rollback(t.Context(), to, w.options); !errors.As(err, &none) {
					t.Errorf("to %q: got %v", to, err)
				}
			}
		})
	})
	t.Run("ErrMissing: a version that it needs is gone", func(t *testing.T) {
		in(t, func(t *testing.T, w *world) {
			w.mustDeploy(t, "1")
			w.mustDeploy(t, "2", edit{"file: settings.conf", "file: other.conf"})
			configs, _ := w.swarm.ConfigList(t.Context(), swarm.ConfigListOptions{})
			for _, config := range configs {
				w.swarm.ConfigRemove(t.Context(), config.ID)
				if strings.HasPrefix(config.Spec.Name, "rollout.") {
					w.swarm.ConfigCreate(t.Context(), config.Spec)
				}
			}
			var missing *plan.MissingError
			if err := w.Rollback(t.Context(), "", w.options); !errors.As(err, &missing) {
				t.Errorf("got %v", err)
			}
		})
	})
}

func TestStatus(t *testing.T) {
	t.Run("OK", func(t *testing.T) {
		in(t, func(t *testing.T, w *world) {
			w.mustDeploy(t, "1")
			status, err := w.Status(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if len(status.Services) != 2 || status.Services[1].Service != "web" || status.Services[1].Done != 2 || status.Release.Name != "1" {
				t.Errorf("got %+v", status)
			}
		})
	})
}

func TestPlan(t *testing.T) {
	t.Run("OK: writes nothing, and shows what deploy does", func(t *testing.T) {
		in(t, func(t *testing.T, w *world) {
			w.mustDeploy(t, "1")
			w.swarm.Calls()
			made, err := w.Plan(t.Context(), w.file(t, "2"), w.options)
			if err != nil {
				t.Fatal(err)
			}
			if calls := w.swarm.Calls(); len(calls) > 0 {
				t.Errorf("wrote %v", calls)
			}
			w.mustDeploy(t, "2")
			if made.Summary() != w.plan.Summary() {
				t.Errorf("plan: %s, deploy: %s", made.Summary(), w.plan.Summary())
			}
		})
	})
}

func TestAfterAKill(t *testing.T) {
	t.Run("OK: the lock is taken over, the pending release and the job are ended, and it converges", func(t *testing.T) {
		in(t, func(t *testing.T, w *world) {
			w.mustDeploy(t, "1")
			// Killed: nothing that it calls from some moment on is answered, not even the lock's release.
			killed := errors.New("killed")
			dead := false
			w.swarm.Before = func(method string) error {
				if method == "ServiceUpdate" {
					defer func() { dead = true }()
				} else if dead {
					return killed
				}
				return nil
			}
			w.options.Timeout = 40 * time.Second
			w.deploy(t, "2")
			w.swarm.Before = nil
			w.Alive = func(string) (bool, bool) { return false, false }
			w.options.LockWait = 2 * time.Minute
			w.mustDeploy(t, "2")
			if !w.heard("taking the lock of shop over") || !w.heard("was never ended") {
				t.Errorf("said %s", strings.Join(w.said, "\n"))
			}
			w.wantLatest(t, "3 2 deployed")
		})
	})
}
