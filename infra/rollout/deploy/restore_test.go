package deploy_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"boardcafe/infra/rollout/deploy"
	"boardcafe/infra/rollout/history"
	"boardcafe/infra/rollout/stackfile"
	"boardcafe/infra/rollout/swarmtest"
)

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
			const extra = "  extra:\n    image: extra:%s\n    deploy: {update_config: {failure_action: rollback}}"
			return w.file("web:1", fmt.Sprintf(extra, version), "")
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

// A restore says that a release serves again only after it has looked at every service.
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
