package deploy_test

import (
	"errors"
	"net/http"
	"sync"
	"testing"

	"boardcafe/infra/rollout/deploy"
	"boardcafe/infra/rollout/history"
	"boardcafe/infra/rollout/swarmtest"

	"github.com/docker/docker/api/types/swarm"
)

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
		if !errors.As(err, &failed) || failed.Restored || len(failed.Running) != 2 || len(failed.Tasks) == 0 ||
			!asked["http://cafe.test/readyz"] {
			t.Fatalf("%+v", err)
		}
		w.history(history.Broken, history.Deployed)
		w.serves("web:2")
		// What was there before does not answer either: the restore fails.
		if err := w.deploy("web:3"); !errors.As(err, &failed) || failed.RestoreErr == nil {
			t.Fatalf("%+v", err)
		}
		w.noted("it is not probed")
		// After a broken release the way back leads to the last good one.
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
