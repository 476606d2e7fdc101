package plan_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"boardcafe/infra/rollout/live"
	"boardcafe/infra/rollout/model"
	"boardcafe/infra/rollout/plan"
	"boardcafe/infra/rollout/stackfile"

	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/swarm"
)

// file is a stack with something of everything that a plan is made of.
const file = `version: "3.13"
x-rollout: {release: v2}
services:
  db:
    image: db:1
    networks: [back]
    secrets: [password, shared]
    healthcheck: {test: [CMD, x]}
    deploy: {replicas: 2}
  migrate:
    image: app:2
    networks: [back]
    x-rollout: {job: true}
    depends_on: [db]
  web:
    image: app:2
    environment: {PASSWORD: hunter2}
    configs: [conf]
    networks: [back, edge]
    depends_on: [migrate]
    healthcheck: {test: [CMD, x]}
    deploy: {replicas: 2}
    x-rollout: {replicas: keep}
networks:
  back: {}
  edge: {external: true, name: edge}
configs:
  conf: {file: ./conf}
secrets:
  password: {file: ./password}
  shared: {external: true}
`

func parse(t *testing.T, text string) *model.Stack {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{"conf": "of the web", "password": "open sesame"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	parsed, err := stackfile.Parse(filepath.Join(dir, "s.yml"), []byte(text), "cafe", stackfile.Environment{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := parsed.Stack(stackfile.Versions{Key: []byte("key"), Secrets: map[string]string{"shared": "cafe_shared_3"}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// deployed is a swarm that has the stack. Swarm has identifiers where the file has names.
func deployed(s *model.Stack) *live.State {
	now := &live.State{Networks: []network.Summary{{ID: "id-ingress", Name: "ingress"}}}
	for _, n := range s.Networks {
		now.Networks = append(now.Networks, network.Summary{
			ID: "id-" + n.Name, Name: n.Name, Driver: "overlay", Labels: n.Options.Labels, Internal: n.Options.Internal,
		})
	}
	for _, object := range s.Configs {
		now.Configs = append(now.Configs, swarm.Config{ID: "id-" + object.Name, Spec: swarm.ConfigSpec{
			Annotations: swarm.Annotations{Name: object.Name, Labels: object.Labels},
		}})
	}
	for _, object := range s.Secrets {
		now.Secrets = append(now.Secrets, swarm.Secret{ID: "id-" + object.Name, Spec: swarm.SecretSpec{
			Annotations: swarm.Annotations{Name: object.Name, Labels: object.Labels},
		}})
	}
	for _, service := range s.Services {
		if service.Job {
			continue
		}
		spec := service.Spec
		container := *spec.TaskTemplate.ContainerSpec
		container.Env = slices.Clone(container.Env)
		spec.TaskTemplate.ContainerSpec = &container
		spec.TaskTemplate.Networks = slices.Clone(spec.TaskTemplate.Networks)
		for i := range spec.TaskTemplate.Networks {
			spec.TaskTemplate.Networks[i].Target = "id-" + spec.TaskTemplate.Networks[i].Target
		}
		spec.Mode.Replicated = &swarm.ReplicatedService{Replicas: ptr(uint64(2))}
		now.Services = append(now.Services, swarm.Service{ID: "id-" + spec.Name, Spec: spec,
			ServiceStatus: &swarm.ServiceStatus{DesiredTasks: 2}})
	}
	return now
}

func find(now *live.State, name string) *swarm.ServiceSpec {
	for i := range now.Services {
		if now.Services[i].Spec.Name == name {
			return &now.Services[i].Spec
		}
	}
	panic("no service " + name)
}

// outline is a plan with one line for each operation.
func outline(p *plan.Plan) []string {
	var out []string
	put := func(phase string, operations []plan.Operation) {
		for _, operation := range operations {
			line := operation.Line()
			out = append(out, fmt.Sprintf("%s: %s %s %s", phase, line.Action, line.Kind, line.Name))
		}
	}
	put("prepare", p.Prepare)
	for i, wave := range p.Waves {
		put(fmt.Sprint("wave ", i+1), wave)
	}
	put("prune", p.Prune)
	for _, name := range p.Unchanged {
		out = append(out, "unchanged: "+name)
	}
	for _, name := range p.Kept {
		out = append(out, "kept: "+name)
	}
	return out
}

// planned is what is in a swarm, and what a plan for it must list.
type planned struct {
	change  func(*live.State) // of the swarm in which the stack is
	options plan.Options
	want    []string
}

// check makes the plan of the stack in each case.
func check(t *testing.T, want *model.Stack, all map[string]planned) {
	t.Helper()
	for name, c := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			now := deployed(want)
			c.change(now)
			made, err := plan.Make(want, now, c.options)
			if err != nil {
				t.Fatal(err)
			}
			if got := outline(made); !slices.Equal(got, c.want) {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
			changes := slices.ContainsFunc(c.want, func(line string) bool {
				return strings.HasPrefix(line, "prepare") || strings.HasPrefix(line, "wave") ||
					strings.HasPrefix(line, "prune: remove service")
			})
			if made.Empty() == changes {
				t.Errorf("empty: %t", made.Empty())
			}
		})
	}
}

// jobsOf are the fingerprints of the stack's jobs, as if they had run.
func jobsOf(s *model.Stack) map[string]string {
	jobs := map[string]string{}
	for _, service := range s.Services {
		if service.Job {
			jobs[service.Name] = plan.Fingerprint(service.Spec)
		}
	}
	return jobs
}

// ours are the labels of a version of the stack.
func ours(key string) map[string]string {
	return map[string]string{model.LabelNamespace: "cafe", model.LabelKey: key}
}

// old adds to a swarm what the file does not have.
func old(now *live.State) {
	now.Services = append(now.Services,
		swarm.Service{Spec: swarm.ServiceSpec{Annotations: swarm.Annotations{Name: "cafe_old"}}})
	now.Networks = append(now.Networks, network.Summary{ID: "n1", Name: "cafe_old",
		Labels: map[string]string{model.LabelNamespace: "cafe"}})
	now.Configs = append(now.Configs, swarm.Config{ID: "c1",
		Spec: swarm.ConfigSpec{Annotations: swarm.Annotations{Name: "cafe_conf_old", Labels: ours("conf")}}})
	now.Secrets = append(now.Secrets, swarm.Secret{ID: "s1",
		Spec: swarm.SecretSpec{Annotations: swarm.Annotations{Name: "cafe_password_old", Labels: ours("password")}}})
}

var unchanged = []string{"unchanged: db", "unchanged: migrate", "unchanged: web"}

func TestMakeListsWhatLeadsFromTheSwarmToTheFile(t *testing.T) {
	t.Parallel()
	want := parse(t, file)
	config, password, jobs := want.Configs[0].Name, want.Secrets[0].Name, jobsOf(want)
	check(t, want, map[string]planned{
		"OK/nothing is there": {func(now *live.State) {
			*now = live.State{Networks: []network.Summary{{ID: "e", Name: "edge"}}, Secrets: now.Secrets[1:]}
		}, plan.Options{}, []string{
			"prepare: create network cafe_back", "prepare: create config " + config, "prepare: create secret " + password,
			"wave 1: create service db", "wave 2: run job migrate", "wave 3: create service web",
		}},
		"OK/everything is there": {func(*live.State) {}, plan.Options{JobsDone: jobs}, unchanged},
		"OK/the job has not run": {func(*live.State) {}, plan.Options{},
			[]string{"wave 1: run job migrate", "unchanged: db", "unchanged: web"}},
		"OK/another job has run": {func(*live.State) {}, plan.Options{JobsDone: map[string]string{"migrate": "other"}},
			[]string{"wave 1: run job migrate", "unchanged: db", "unchanged: web"}},
		"OK/a rollback runs no job": {func(*live.State) {}, plan.Options{SkipJobs: true}, unchanged},
		"OK/an image": {
			func(now *live.State) { find(now, "cafe_web").TaskTemplate.ContainerSpec.Image = "app:1" },
			plan.Options{JobsDone: jobs}, []string{"wave 1: update service web", "unchanged: db", "unchanged: migrate"},
		},
		"OK/a mode": {
			func(now *live.State) { find(now, "cafe_db").Mode = swarm.ServiceMode{Global: &swarm.GlobalService{}} },
			plan.Options{JobsDone: jobs}, []string{"wave 1: replace service db", "unchanged: migrate", "unchanged: web"},
		},
		"OK/scaled by somebody": {
			func(now *live.State) { find(now, "cafe_db").Mode.Replicated.Replicas = ptr(uint64(5)) },
			plan.Options{JobsDone: jobs}, []string{"wave 1: update service db", "unchanged: migrate", "unchanged: web"},
		},
		"OK/scaled, and that is kept": {
			func(now *live.State) { find(now, "cafe_web").Mode.Replicated.Replicas = ptr(uint64(5)) },
			plan.Options{JobsDone: jobs}, unchanged,
		},
		"OK/restarted by hand": {
			func(now *live.State) { find(now, "cafe_web").TaskTemplate.ForceUpdate = 3 },
			plan.Options{JobsDone: jobs}, unchanged,
		},
	})
}

func TestMakeListsWhatTheFileDoesNotHave(t *testing.T) {
	t.Parallel()
	want := parse(t, file)
	jobs := jobsOf(want)
	check(t, want, map[string]planned{
		"OK/network of another stack": {func(now *live.State) {
			now.Networks = append(now.Networks, network.Summary{Name: "other_old",
				Labels: map[string]string{model.LabelNamespace: "other"}})
		}, plan.Options{JobsDone: jobs, Prune: true}, unchanged},
		"OK/what the file lacks stays": {old, plan.Options{JobsDone: jobs,
			Needed: map[string]bool{"cafe_conf_old": true, "cafe_password_old": true}},
			append(slices.Clone(unchanged), "kept: old")},
		"OK/what the file lacks goes": {old, plan.Options{JobsDone: jobs, Prune: true}, append([]string{
			"prune: remove service old", "prune: remove config cafe_conf_old", "prune: remove secret cafe_password_old",
			"prune: remove network cafe_old",
		}, unchanged...)},
		"OK/versions that nobody needs go in any case": {old,
			plan.Options{JobsDone: jobs, Needed: map[string]bool{"cafe_conf_old": true}}, append(append([]string{
				"prune: remove secret cafe_password_old"}, unchanged...), "kept: old")},
		"OK/the current version of a secret that is set stays": {func(now *live.State) {
			labels := ours("shared")
			labels[model.LabelSet] = "4"
			now.Secrets = append(now.Secrets, swarm.Secret{ID: "s4",
				Spec: swarm.SecretSpec{Annotations: swarm.Annotations{Name: "cafe_shared_4", Labels: labels}}})
		}, plan.Options{JobsDone: jobs}, unchanged},
		"OK/what rollout keeps for itself stays": {func(now *live.State) {
			now.Configs = append(now.Configs, swarm.Config{ID: "k",
				Spec: swarm.ConfigSpec{Annotations: swarm.Annotations{Name: "rollout.cafe.r1",
					Labels: map[string]string{model.LabelNamespace: "cafe"}}}})
		}, plan.Options{JobsDone: jobs, Prune: true}, unchanged},
	})
}

func TestAPlanNeedsWhatTheFileTakesForGiven(t *testing.T) {
	t.Parallel()
	want := parse(t, file)
	for name, c := range map[string]struct {
		change func(*live.State)
		want   plan.MissingError
	}{
		"ErrMissing/network": {
			func(now *live.State) { now.Networks = now.Networks[:2] },
			plan.MissingError{Kind: "network", Name: "edge",
				Next: "create it with: docker network create --driver overlay edge"},
		},
		"ErrMissing/secret": {
			func(now *live.State) { now.Secrets = now.Secrets[:1] },
			plan.MissingError{Kind: "secret", Name: "cafe_shared_3", Next: "set it with: rollout secret set shared"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			now := deployed(want)
			c.change(now)
			_, err := plan.Make(want, now, plan.Options{})
			var missing *plan.MissingError
			if !errors.As(err, &missing) || *missing != c.want {
				t.Errorf("got %v, want %v", err, &c.want)
			}
		})
	}
	t.Run("ErrMissing/config", func(t *testing.T) {
		t.Parallel()
		external := parse(t, "services: {a: {image: a, configs: [theirs]}}\nconfigs: {theirs: {external: true}}\n")
		_, err := plan.Make(external, &live.State{}, plan.Options{})
		if err == nil || err.Error() != "config theirs does not exist; create it with: docker config create theirs FILE" {
			t.Errorf("got %v", err)
		}
	})
}

// dbOf is what a plan does with the service db; nil for nothing.
func dbOf(p *plan.Plan) plan.Operation {
	for _, operation := range p.Operations() {
		if operation.Line().Name == "db" {
			return operation
		}
	}
	return nil
}

func TestAPlanSaysHowAServiceChanges(t *testing.T) {
	t.Parallel()
	const digest = "@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	want := parse(t, file)
	t.Run("OK/networks by name", func(t *testing.T) {
		t.Parallel()
		now := deployed(want)
		find(now, "cafe_db").TaskTemplate.Networks = []swarm.NetworkAttachmentConfig{{Target: "id-edge",
			Aliases: []string{"db"}}}
		made, err := plan.Make(want, now, plan.Options{})
		if err != nil {
			t.Fatal(err)
		}
		var fields []string
		for _, change := range dbOf(made).Line().Changes {
			fields = append(fields, change.Field)
		}
		if want := []string{"networks[cafe_back].aliases", "networks[cafe_back]", "networks[edge].aliases",
			"networks[edge]"}; !slices.Equal(fields, want) {
			t.Errorf("got %q, want %q", fields, want)
		}
	})
	t.Run("OK/restarts, in the order of the file", func(t *testing.T) {
		t.Parallel()
		now := deployed(want)
		find(now, "cafe_db").TaskTemplate.ContainerSpec.Image = "db:0"
		made, _ := plan.Make(want, now, plan.Options{})
		if got := dbOf(made).Line().Note; got != "restarts 2 tasks, stop-first" {
			t.Errorf("got %q", got)
		}
	})
	t.Run("OK/another tag of the same image changes nothing", func(t *testing.T) {
		t.Parallel()
		now := deployed(want)
		find(now, "cafe_db").TaskTemplate.ContainerSpec.Image = "db:0" + digest
		pinned := parse(t, strings.Replace(file, "image: db:1", "image: db:1"+digest, 1))
		made, _ := plan.Make(pinned, now, plan.Options{})
		if operation := dbOf(made); operation != nil {
			t.Errorf("got %+v", operation.Line())
		}
	})
}

func TestAPlanSaysWhatNeedsAPerson(t *testing.T) {
	t.Parallel()
	want := parse(t, file)
	t.Run("OK/a network that differs is a warning", func(t *testing.T) {
		t.Parallel()
		now := deployed(want)
		now.Networks[1].Internal = true
		made, _ := plan.Make(want, now, plan.Options{})
		if len(made.Warnings) != 1 || !strings.HasPrefix(made.Warnings[0].Text,
			"network cafe_back differs from the file; a network cannot be changed") {
			t.Errorf("got %v", made.Warnings)
		}
	})
	t.Run("OK/only removal and replacement of services are destructive", func(t *testing.T) {
		t.Parallel()
		now := deployed(want)
		find(now, "cafe_db").Mode = swarm.ServiceMode{ReplicatedJob: &swarm.ReplicatedJob{}}
		find(now, "cafe_web").TaskTemplate.ContainerSpec.Image = "app:1"
		now.Services = append(now.Services,
			swarm.Service{Spec: swarm.ServiceSpec{Annotations: swarm.Annotations{Name: "cafe_old"}}})
		made, _ := plan.Make(want, now, plan.Options{Prune: true})
		var got []string
		for _, operation := range made.Destructive() {
			got = append(got, string(operation.Line().Action)+" "+operation.Line().Name)
		}
		if want := []string{"replace db", "remove old"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestUndoTakesBack(t *testing.T) {
	t.Parallel()
	want := parse(t, file)
	now := deployed(want)
	before := now.Services[0]
	for name, c := range map[string]struct{ operation, want plan.Operation }{
		"OK/creation": {plan.CreateService{Name: "db", Spec: before.Spec},
			plan.RemoveService{Name: "db", Before: swarm.Service{Spec: before.Spec}, Note: "this run created it"}},
		"OK/removal": {plan.RemoveService{Name: "db", Before: before}, plan.CreateService{Name: "db", Spec: before.Spec}},
		"OK/replacement": {plan.ReplaceService{Name: "db", Before: before, Spec: web(),
			Changes: []plan.Change{{"mode", "a", "b"}}},
			plan.ReplaceService{Name: "db", Before: swarm.Service{Spec: web()}, Spec: before.Spec,
				Changes: []plan.Change{{"mode", "b", "a"}}}},
		"OK/update": {
			plan.UpdateService{Name: "db", Before: before, Spec: web(),
				Changes: []plan.Change{{"image", "db:0", "db:1"}, {"command", "", "x"}}, Effect: plan.Restarts, Tasks: 2,
				KeepReplicas: true},
			plan.RestoreService{Name: "db", Before: before, Spec: before.Spec,
				Changes: []plan.Change{{"image", "db:1", "db:0"}, {"command", "x", ""}}, Effect: plan.Restarts, Tasks: 2,
				KeepReplicas: true},
		},
		"OK/network stays": {plan.CreateNetwork{Network: want.Networks[0]}, nil},
		"OK/version stays": {plan.CreateObject{Kind: plan.Config, Object: want.Configs[0]}, nil},
		"OK/restore stays": {plan.RestoreService{Name: "db"}, nil},
		"OK/job stays":     {plan.RunJob{Name: "migrate"}, nil},
		"OK/pruned":        {plan.RemoveObject{Kind: plan.Network, Name: "x"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := c.operation.Undo(); !reflect.DeepEqual(got, c.want) {
				t.Errorf("got  %+v\nwant %+v", got, c.want)
			}
		})
	}
	t.Run("OK/an update's changes do not name networks that stay", func(t *testing.T) {
		t.Parallel()
		now := deployed(want)
		find(now, "cafe_db").TaskTemplate.ContainerSpec.Image = "db:0"
		made, err := plan.Make(want, now, plan.Options{SkipJobs: true})
		if err != nil {
			t.Fatal(err)
		}
		got := made.Waves[0][0].Undo().Line().Changes
		if want := []plan.Change{{"image", "db:1", "db:0"}}; !reflect.DeepEqual(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}
