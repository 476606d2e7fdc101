package deploy_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"boardcafe/infra/rollout/deploy"
	"boardcafe/infra/rollout/history"
	"boardcafe/infra/rollout/live"
	"boardcafe/infra/rollout/swarmtest"
)

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
		if err := migrate("migrate:2"); !errors.As(err, &failure) || fmt.Sprint(failure.Task.Log) != "[syntax error]" ||
			!strings.Contains(err.Error(), "job migrate") {
			t.Fatal(err)
		}
		if err := migrate("migrate:3"); !errors.As(err, &failure) ||
			!strings.Contains(err.Error(), "did not end within 10s") {
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
