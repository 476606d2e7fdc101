package deploy_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"boardcafe/infra/rollout/deploy"
	"boardcafe/infra/rollout/history"
	"boardcafe/infra/rollout/live"
	"boardcafe/infra/rollout/swarmtest"
	"boardcafe/infra/rollout/watch"

	"github.com/docker/docker/api/types/swarm"
)

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

func TestUnschedulable(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		const why = "no suitable node (insufficient memory on 2 nodes)"
		w.swarm.Images["web:2"] = swarmtest.Behaviour{Pending: why}
		w.must(w.deploy("web:1"))
		err := w.deploy("web:2")
		var timeout *watch.TimeoutError
		if !errors.As(err, &timeout) || !strings.Contains(err.Error(), why) ||
			!strings.Contains(err.Error(), "0 of 2 tasks") {
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
		if err := w.deploy("web:2"); !errors.As(err, &failed) || !failed.Restored ||
			!strings.Contains(err.Error(), "is down, and the update waits for a task there") {
			t.Fatal(err)
		}
		if took := time.Since(began); took < 30*time.Second || took >= time.Minute {
			t.Errorf("noticed after %s, want half a minute", took)
		}
		w.serves("web:1")
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
		if err := w.deploy("web:1"); !errors.As(err, &image) || !strings.Contains(err.Error(), "web:1") ||
			image.Unwrap() == nil {
			t.Fatal(err)
		}
		broken := errors.New("broken")
		for _, method := range []string{"Info", "ServiceList", "NetworkList", "ConfigList", "SecretList", "TaskList",
			"ConfigCreate", "NodeList"} {
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
