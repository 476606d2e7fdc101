package plan_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"boardcafe/infra/rollout/live"
	"boardcafe/infra/rollout/model"
	"boardcafe/infra/rollout/plan"

	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/swarm"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// variety is a plan with every operation and every kind of line.
func variety(t *testing.T) *plan.Plan {
	t.Helper()
	const digest = "@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	want := parse(t, strings.NewReplacer("[back, edge]", "[back, edge, more]", "  back: {}",
		"  back: {}\n  more: {}").Replace(file))
	want.Warnings = []model.Warning{{Service: "db", Text: "no healthcheck"}, {Text: "ports: a swarm ignores it"}}
	now := deployed(want)
	now.Configs, now.Secrets = nil, now.Secrets[1:]
	now.Networks = slices.DeleteFunc(now.Networks, func(n network.Summary) bool { return n.Name == "cafe_more" })
	now.Services[0].Spec.Mode = swarm.ServiceMode{Global: &swarm.GlobalService{}}
	web := find(now, "cafe_web")
	web.TaskTemplate.ContainerSpec.Image = "app:1" + digest
	web.TaskTemplate.ContainerSpec.Env = []string{"PASSWORD=hunter1", "OLD="}
	web.TaskTemplate.Networks = slices.DeleteFunc(web.TaskTemplate.Networks,
		func(n swarm.NetworkAttachmentConfig) bool { return n.Target == "id-cafe_more" })
	web.Labels["team"] = "floor"
	for _, name := range []string{"cafe_legacy", "cafe_old"} {
		now.Services = append(now.Services,
			swarm.Service{Spec: swarm.ServiceSpec{Annotations: swarm.Annotations{Name: name}}})
	}
	made, err := plan.Make(want, now, plan.Options{From: "v1", Prune: true})
	if err != nil {
		t.Fatal(err)
	}
	made.Prune = made.Prune[1:]
	made.Kept = []string{"legacy"}
	made.Unchanged = []string{"mail"}
	return made
}

func TestAPlanIsShown(t *testing.T) {
	t.Parallel()
	made := variety(t)
	text := func(view plan.View) string {
		var out bytes.Buffer
		made.Text(&out, view)
		return out.String()
	}
	json := func(view plan.View) string {
		var out bytes.Buffer
		if err := made.JSON(&out, view); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	view := plan.View{Target: "ssh://deploy@manager"}
	t.Run("OK/to people", func(t *testing.T) { golden(t, "plan.txt", text(view)) })
	t.Run("OK/to programs", func(t *testing.T) { golden(t, "plan.json", json(view)) })
	t.Run("OK/without what is in variables", func(t *testing.T) {
		for _, shown := range []string{text(view), json(view)} {
			if strings.Contains(shown, "hunter") || !strings.Contains(shown, "environment[PASSWORD]") {
				t.Errorf("got\n%s", shown)
			}
		}
	})
	t.Run("OK/with it when asked", func(t *testing.T) {
		for _, shown := range []string{text(plan.View{ShowEnv: true}), json(plan.View{ShowEnv: true})} {
			if !strings.Contains(shown, "hunter1") || !strings.Contains(shown, "hunter2") {
				t.Errorf("got\n%s", shown)
			}
		}
	})
	t.Run("OK/never with what is in secrets and configs", func(t *testing.T) {
		for _, shown := range []string{text(plan.View{ShowEnv: true}), json(plan.View{ShowEnv: true})} {
			if strings.Contains(shown, "open sesame") || strings.Contains(shown, "of the web") {
				t.Errorf("got\n%s", shown)
			}
		}
	})
}

func TestAPlanWithoutChangesSaysSo(t *testing.T) {
	t.Parallel()
	want := parse(t, `
services: {a: {image: a, networks: [edge], healthcheck: {test: [CMD, x]}, deploy: {replicas: 2}}}
networks: {edge: {external: true, name: edge}}
`)
	now := deployed(want)
	t.Run("OK", func(t *testing.T) {
		made, err := plan.Make(want, now, plan.Options{})
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		made.Text(&out, plan.View{Target: "here"})
		const want = `Stack cafe on here: (none) → (none)

  = service  a                            unchanged

Nothing to change.
`
		if out.String() != want {
			t.Errorf("got\n%q\nwant\n%q", out.String(), want)
		}
	})
	t.Run("OK/nor is tidying up a change", func(t *testing.T) {
		dusty := *now
		dusty.Networks = append(dusty.Networks, network.Summary{ID: "n", Name: "cafe_old",
			Labels: map[string]string{model.LabelNamespace: "cafe"}})
		made, err := plan.Make(want, &dusty, plan.Options{Prune: true})
		if err != nil {
			t.Fatal(err)
		}
		if !made.Empty() || len(made.Prune) != 1 || made.Summary() != "Nothing to change." {
			t.Errorf("got %q, %s", outline(made), made.Summary())
		}
	})
	t.Run("OK/an empty swarm", func(t *testing.T) {
		if made, err := plan.Make(want, &live.State{Networks: now.Networks}, plan.Options{}); err != nil ||
			made.Summary() != "1 to create, 0 unchanged." {
			t.Errorf("got %v, %v", made, err)
		}
	})
}
