package deploy_test

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"boardcafe/infra/rollout/history"
	"boardcafe/infra/rollout/model"
	"boardcafe/infra/rollout/stackfile"
	"boardcafe/infra/rollout/swarmtest"

	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/swarm"
)

// recorded puts a release of an earlier rollout into the swarm, with the objects that it names.
func (w *world) recorded(t *testing.T) {
	t.Helper()
	data, err := os.ReadFile("../history/testdata/release.json")
	w.must(err)
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	_, err = zip.Write(data)
	w.must(err)
	w.must(zip.Close())
	configs := map[string]map[string]string{
		"rollout.cafe.r1": {
			model.LabelStack: "cafe", model.LabelRelease: "1", model.LabelReleaseStatus: "deployed",
			model.LabelReleaseName: "3f2a1b", model.LabelReleaseBy: "anna",
		},
		"theirs": nil, "cafe_conf_fe4092c58ac9": {model.LabelNamespace: "cafe", model.LabelKey: "conf"},
	}
	for name, labels := range configs {
		about := swarm.Annotations{Name: name, Labels: labels}
		_, err := w.swarm.ConfigCreate(t.Context(), swarm.ConfigSpec{Annotations: about, Data: packed.Bytes()})
		w.must(err)
	}
	secrets := map[string]map[string]string{
		"cafe_password_b9bb0a718a42": {model.LabelNamespace: "cafe", model.LabelKey: "password"},
		"cafe_token_525ddd25a93e":    {model.LabelStack: "cafe", model.LabelKey: "token", model.LabelSet: "1"},
		"cafe_vault_4f3db3a0bfe8":    {model.LabelNamespace: "cafe", model.LabelKey: "vault"},
	}
	for name, labels := range secrets {
		about := swarm.Annotations{Name: name, Labels: labels}
		_, err := w.swarm.SecretCreate(t.Context(), swarm.SecretSpec{Annotations: about})
		w.must(err)
	}
	_, err = w.swarm.NetworkCreate(t.Context(), "edge", network.CreateOptions{Driver: "overlay"})
	w.must(err)
	w.Transport = answer(func(r *http.Request) (*http.Response, error) {
		response, err := status(200)(r)
		response.Header.Set("X-Release", "3f2a1b")
		return response, err
	})
}

// A history outlives the rollout that wrote it.
func TestAReleaseOfAnEarlierRolloutIsRolledBackTo(t *testing.T) {
	t.Run("OKRolledBackTo", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			w.recorded(t)
			w.must(w.Rollback(t.Context(), "3f2a1b", options))
			w.serves("app:1")
			releases := w.history(history.Deployed, history.Deployed)
			if releases[0].Of != 1 {
				t.Errorf("went back to r%d, want r1", releases[0].Of)
			}
			now, err := w.Status(t.Context())
			w.must(err)
			var services []string
			for _, service := range now.Services {
				services = append(services, service.Service)
			}
			if want := []string{"cron", "db", "web"}; !slices.Equal(services, want) {
				t.Errorf("services %q, want %q: a rollback runs no job", services, want)
			}
		})
	})
	t.Run("OKRestored", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			w.recorded(t)
			w.must(w.Rollback(t.Context(), "1", options))
			w.swarm.Images["web:2"] = swarmtest.Behaviour{Ends: true, Exit: 3}
			if err := w.deploy("web:2"); err == nil {
				t.Fatal("the release did not fail")
			}
			w.serves("app:1")
		})
	})
	t.Run("ErrAVersionIsGone", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			w.recorded(t)
			secrets, err := w.swarm.SecretList(t.Context(), swarm.SecretListOptions{})
			w.must(err)
			for _, secret := range secrets {
				if secret.Spec.Name == "cafe_password_b9bb0a718a42" {
					w.must(w.swarm.SecretRemove(t.Context(), secret.ID))
				}
			}
			err = w.Rollback(t.Context(), "1", options)
			const want = "release r1 (3f2a1b) cannot be gone back to: secret cafe_password_b9bb0a718a42 does not exist; " +
				"set it with: rollout secret set password"
			if err == nil || err.Error() != want {
				t.Errorf("got  %v\nwant %s", err, want)
			}
		})
	})
}

func TestAReleaseOfAnEarlierRolloutIsPlannedAgainst(t *testing.T) {
	t.Run("OKPlannedAgainst", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			w.recorded(t)
			w.must(w.Rollback(t.Context(), "1", options))
			w.must(os.WriteFile(filepath.Join(w.dir, "app.conf"), []byte("listen {{.Node.Hostname}}"), 0o600))
			text, err := os.ReadFile("../history/testdata/stack.yml")
			w.must(err)
			file, err := stackfile.Parse(filepath.Join(w.dir, "s.yml"), text, "cafe", stackfile.Environment{})
			w.must(err)
			made, err := w.Plan(t.Context(), file, options)
			w.must(err)
			if want := []string{"migrate", "cron"}; made.From != "3f2a1b" || !slices.Equal(made.Unchanged, want) {
				t.Errorf("from %s, unchanged %q, want from 3f2a1b, %q: the job has run", made.From, made.Unchanged, want)
			}
			// The swarm has lost the key of the secrets' names, so their versions are new; all else is the same.
			for _, operation := range slices.Concat(made.Waves...) {
				for _, change := range operation.Line().Changes {
					if !strings.HasPrefix(change.Field, "secrets[") {
						t.Errorf("%s changes %s from %s to %s", operation.Line(), change.Field, change.Old, change.New)
					}
				}
			}
		})
	})
}
