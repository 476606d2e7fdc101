package deploy_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"boardcafe/infra/rollout/deploy"
	"boardcafe/infra/rollout/history"
	"boardcafe/infra/rollout/lock"
	"boardcafe/infra/rollout/model"
	"boardcafe/infra/rollout/swarmtest"

	"github.com/docker/docker/api/types/swarm"
)

func TestInterrupted(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.swarm.Images["mysql:8"] = swarmtest.Behaviour{Start: time.Hour}
		ctx, stop := context.WithCancelCause(t.Context())
		time.AfterFunc(5*time.Second, func() { stop(deploy.ErrInterrupted) })
		err := w.Deploy(ctx, w.file("web:1", "", ""), options)
		var interrupted *deploy.InterruptedError
		if !errors.As(err, &interrupted) || len(interrupted.Applied) == 0 || len(interrupted.Pending) != 1 ||
			!strings.Contains(err.Error(), "r1") {
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
			Annotations: swarm.Annotations{Name: "cafe_old-job",
				Labels: map[string]string{model.LabelNamespace: "cafe", model.LabelJob: "old"}},
			TaskTemplate: swarm.TaskSpec{ContainerSpec: &swarm.ContainerSpec{Image: "job:1"}},
		}, swarm.ServiceCreateOptions{})
		w.must(err)
		w.must(w.deploy("web:3"))
		w.noted("was never ended")
		w.noted("removing cafe_old-job")
		w.history(history.Deployed, history.Interrupted, history.Deployed)
	})
}
