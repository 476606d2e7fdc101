package deploy_test

import (
	"errors"
	"strings"
	"testing"

	"boardcafe/infra/rollout/live"
	"boardcafe/infra/rollout/model"
	"boardcafe/infra/rollout/plan"
	"boardcafe/infra/rollout/stackfile"
)

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

		// These are the labels that an earlier rollout gave them.
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
