package deploy_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"boardcafe/infra/rollout/deploy"
	"boardcafe/infra/rollout/history"
)

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
		releases := w.history(slices.Repeat([]history.Status{history.Deployed}, 6)...)
		if releases[0].Of != 3 {
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
