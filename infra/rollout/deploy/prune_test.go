package deploy_test

import (
	"errors"
	"testing"
	"time"

	"boardcafe/infra/rollout/deploy"
	"boardcafe/infra/rollout/model"
	"boardcafe/infra/rollout/plan"

	"github.com/docker/docker/api/types/swarm"
)

// A version that nothing needs any more is removed, even where nothing else is to change.
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
		back := deploy.Options{Timeout: time.Minute, Prune: true, Show: options.Show, Confirm: options.Confirm}
		w.must(w.Rollback(t.Context(), "", back))
	})
}
