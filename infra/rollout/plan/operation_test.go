package plan_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"boardcafe/infra/rollout/live"
	"boardcafe/infra/rollout/model"
	"boardcafe/infra/rollout/plan"
	"boardcafe/infra/rollout/swarmtest"

	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/swarm"
)

// world is a swarm that has the stack, and what runs operations against it.
type world struct {
	t     *testing.T
	swarm *swarmtest.Swarm
	plan.Target
	want *model.Stack
	jobs []string
}

func (w *world) RunJob(_ context.Context, name string, spec swarm.ServiceSpec, timeout time.Duration) error {
	w.jobs = append(w.jobs, name+" "+spec.TaskTemplate.Networks[0].Target+" "+timeout.String())
	return nil
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, swarm: swarmtest.New(), want: parse(t, file)}
	w.Target = plan.Target{Engine: w.swarm, Auth: func(string) string { return "" }, Jobs: w}
	if _, err := w.swarm.NetworkCreate(t.Context(), "edge", network.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.swarm.SecretCreate(t.Context(),
		swarm.SecretSpec{Annotations: swarm.Annotations{Name: "cafe_shared_3"}}); err != nil {
		t.Fatal(err)
	}
	for _, operation := range w.plan(w.want, plan.Options{}).Operations() {
		w.run(operation)
	}
	return w
}

func (w *world) plan(want *model.Stack, options plan.Options) *plan.Plan {
	w.t.Helper()
	now, err := live.Read(w.t.Context(), w.swarm, "cafe")
	if err != nil {
		w.t.Fatal(err)
	}
	made, err := plan.Make(want, now, options)
	if err != nil {
		w.t.Fatal(err)
	}
	return made
}

func (w *world) run(operation plan.Operation) {
	w.t.Helper()
	if err := operation.Run(w.t.Context(), w.Target); err != nil {
		w.t.Fatalf("%+v: %v", operation.Line(), err)
	}
}

func (w *world) service(name string) swarm.Service {
	w.t.Helper()
	service, _, err := w.swarm.ServiceInspectWithRaw(w.t.Context(), name, swarm.ServiceInspectOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	return service
}

// elsewhere changes a service as somebody else would.
func (w *world) elsewhere(name string, change func(*swarm.ServiceSpec)) {
	w.t.Helper()
	now := w.service(name)
	change(&now.Spec)
	if _, err := w.swarm.ServiceUpdate(w.t.Context(), now.ID, now.Version, now.Spec,
		swarm.ServiceUpdateOptions{}); err != nil {
		w.t.Fatal(err)
	}
}

// update is what a plan does with the web service when the file has new in the place of old.
func (w *world) update(old, new string) plan.Operation {
	w.t.Helper()
	for _, operation := range w.plan(parse(w.t, strings.Replace(file, old, new, 1)),
		plan.Options{SkipJobs: true}).Operations() {
		if line := operation.Line(); line.Name == "web" {
			return operation
		}
	}
	w.t.Fatal("the plan has nothing for web")
	return nil
}

const (
	webImage = "  web:\n    image: app:2"
	newImage = "  web:\n    image: app:3"
)

func image(s swarm.Service) string { return s.Spec.TaskTemplate.ContainerSpec.Image }

func TestWhatAPlanListsIsWhatItDoes(t *testing.T) {
	t.Run("OK/after it there is nothing to change", func(t *testing.T) {
		w := newWorld(t)
		if made := w.plan(w.want, plan.Options{SkipJobs: true}); !made.Empty() {
			t.Errorf("got %q", outline(made))
		}
		if want := []string{"migrate network4 5m0s"}; !slices.Equal(w.jobs, want) {
			t.Errorf("jobs %q, want %q: with networks by identifier", w.jobs, want)
		}
	})
	t.Run("OK/what is there already is left alone", func(t *testing.T) {
		w := newWorld(t)
		for _, operation := range []plan.Operation{
			plan.CreateNetwork{Network: w.want.Networks[0]},
			plan.CreateObject{Kind: plan.Config, Object: w.want.Configs[0]},
			plan.CreateObject{Kind: plan.Secret, Object: w.want.Secrets[0]},
			plan.RemoveService{Name: "none",
				Before: swarm.Service{Spec: swarm.ServiceSpec{Annotations: swarm.Annotations{Name: "cafe_none"}}}},
		} {
			w.run(operation)
		}
	})
	t.Run("OK/what nobody needs is removed", func(t *testing.T) {
		w := newWorld(t)
		without := parse(t, "services: {a: {image: a, networks: [edge]}}\nnetworks: {edge: {external: true, name: edge}}\n")
		made := w.plan(without, plan.Options{Prune: true})
		for _, operation := range made.Operations() {
			w.run(operation)
		}
		if left := w.plan(without, plan.Options{Prune: true}); len(left.Prune) > 0 {
			t.Errorf("left: %q", outline(left))
		}
	})
	t.Run("OK/a replacement", func(t *testing.T) {
		w := newWorld(t)
		operation := w.update("    deploy: {replicas: 2}\n    x-rollout: {replicas: keep}\n", "    deploy: {mode: global}\n")
		w.run(operation)
		if w.service("cafe_web").Spec.Mode.Global == nil {
			t.Error("not global")
		}
		w.run(operation.Undo())
		if w.service("cafe_web").Spec.Mode.Replicated == nil {
			t.Error("not replicated again")
		}
	})
	for name, operation := range map[string]plan.Operation{
		"ErrKind/create": plan.CreateObject{Kind: plan.Network},
		"ErrKind/remove": plan.RemoveObject{Kind: plan.Service},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if err := operation.Run(t.Context(), w.Target); err == nil {
				t.Error("done")
			}
		})
	}
}

func TestAnUpdateMeetsOthers(t *testing.T) {
	t.Run("OK/scaled meanwhile, and that is kept", func(t *testing.T) {
		w := newWorld(t)
		operation := w.update(webImage, newImage)
		w.elsewhere("cafe_web", func(s *swarm.ServiceSpec) { s.Mode.Replicated.Replicas = ptr(uint64(7)) })
		w.run(operation)
		if now := w.service("cafe_web"); image(now) != "app:3" || *now.Spec.Mode.Replicated.Replicas != 7 {
			t.Errorf("got %s × %d", image(now), *now.Spec.Mode.Replicated.Replicas)
		}
	})
	t.Run("ErrChanged/another image meanwhile", func(t *testing.T) {
		w := newWorld(t)
		operation := w.update(webImage, newImage)
		w.elsewhere("cafe_web", func(s *swarm.ServiceSpec) { s.TaskTemplate.ContainerSpec.Image = "app:theirs" })
		err := operation.Run(t.Context(), w.Target)
		var changed *plan.ChangedError
		if !errors.As(err, &changed) ||
			err.Error() != "service web was changed by someone else meanwhile (image); look at it with: rollout plan" {
			t.Errorf("got %v", err)
		}
		if image(w.service("cafe_web")) != "app:theirs" {
			t.Error("overwritten")
		}
	})
	t.Run("ErrGone/removed meanwhile", func(t *testing.T) {
		w := newWorld(t)
		operation := w.update(webImage, newImage)
		if err := w.swarm.ServiceRemove(t.Context(), "cafe_web"); err != nil {
			t.Fatal(err)
		}
		if err := operation.Run(t.Context(), w.Target); err == nil ||
			!strings.HasPrefix(err.Error(), "inspect service web: ") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("OK/in place leaves the tasks' spec literally alone", func(t *testing.T) {
		w := newWorld(t)
		// Swarm compares literally: a list in another order must stay in that order.
		w.elsewhere("cafe_web", func(s *swarm.ServiceSpec) { slices.Reverse(s.TaskTemplate.Networks) })
		before := w.service("cafe_web")
		w.run(w.update("    deploy: {replicas: 2}\n    x-rollout: {replicas: keep}\n",
			"    deploy: {replicas: 2, labels: {team: floor}}\n"))
		after := w.service("cafe_web")
		if after.Spec.Labels["team"] != "floor" ||
			before.Spec.TaskTemplate.Networks[0].Target != after.Spec.TaskTemplate.Networks[0].Target {
			t.Errorf("got %v, networks %v, were %v", after.Spec.Labels, after.Spec.TaskTemplate.Networks,
				before.Spec.TaskTemplate.Networks)
		}
	})
}

func TestAnUpdateThatLosesARaceIsTriedAgain(t *testing.T) {
	t.Run("OK/a lost race is run again", func(t *testing.T) {
		w := newWorld(t)
		operation := w.update(webImage, newImage)
		lost := 0
		w.swarm.Before = func(method string) error {
			if method == "ServiceUpdate" && lost < 4 {
				lost++
				return errors.New("rpc error: code = Unknown desc = update out of sequence")
			}
			return nil
		}
		w.run(operation)
		if lost != 4 || image(w.service("cafe_web")) != "app:3" {
			t.Errorf("lost %d, %s", lost, image(w.service("cafe_web")))
		}
	})
	t.Run("ErrOutOfSequence/again and again", func(t *testing.T) {
		w := newWorld(t)
		operation := w.update(webImage, newImage)
		tried := 0
		w.swarm.Before = func(method string) error {
			if method == "ServiceUpdate" {
				tried++
				return errors.New("update out of sequence")
			}
			return nil
		}
		if err := operation.Run(t.Context(), w.Target); err == nil || tried != 5 {
			t.Errorf("got %v after %d attempts", err, tried)
		}
	})
}

func TestTheWayBack(t *testing.T) {
	t.Run("OK/overwrites what it finds", func(t *testing.T) {
		w := newWorld(t)
		operation := w.update(webImage, newImage)
		w.run(operation)
		w.elsewhere("cafe_web", func(s *swarm.ServiceSpec) { s.TaskTemplate.ContainerSpec.Image = "app:theirs" })
		w.run(operation.Undo())
		if got := image(w.service("cafe_web")); got != "app:2" {
			t.Errorf("got %s", got)
		}
	})
	t.Run("OK/leaves alone what Swarm has taken back by itself", func(t *testing.T) {
		w := newWorld(t)
		operation := w.update(webImage, newImage)
		w.run(operation)
		w.elsewhere("cafe_web", func(s *swarm.ServiceSpec) { s.TaskTemplate.ContainerSpec.Image = "app:2" })
		before := w.service("cafe_web").Version
		w.run(operation.Undo())
		if after := w.service("cafe_web").Version; after != before {
			t.Error("updated once more: good tasks restart")
		}
	})
	t.Run("OK/so does one to a release, which knows networks by name", func(t *testing.T) {
		w := newWorld(t)
		operation := plan.RestoreService(w.update(webImage, newImage).(plan.UpdateService))
		w.run(operation)
		before := w.service("cafe_web").Version
		w.run(operation)
		if after := w.service("cafe_web").Version; after != before || image(w.service("cafe_web")) != "app:3" {
			t.Error("updated once more: good tasks restart")
		}
	})
}

func TestAServiceNeedsWhatItRefersTo(t *testing.T) {
	for name, c := range map[string]struct {
		spec func(*swarm.ContainerSpec)
		want string
	}{
		"ErrMissing/config": {
			func(c *swarm.ContainerSpec) { c.Configs = []*swarm.ConfigReference{{ConfigName: "none"}} },
			"create service x: config none does not exist",
		},
		"ErrMissing/secret": {
			func(c *swarm.ContainerSpec) { c.Secrets = []*swarm.SecretReference{{SecretName: "none"}} },
			"create service x: secret none does not exist",
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			spec := swarm.ServiceSpec{TaskTemplate: swarm.TaskSpec{ContainerSpec: &swarm.ContainerSpec{Image: "x"}}}
			c.spec(spec.TaskTemplate.ContainerSpec)
			if err := (plan.CreateService{Name: "x", Spec: spec}).Run(t.Context(), w.Target); err == nil ||
				err.Error() != c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
	for _, method := range []string{"NetworkList", "ConfigList", "SecretList", "ServiceCreate"} {
		t.Run("ErrEngine/"+method, func(t *testing.T) {
			w := newWorld(t)
			w.swarm.Before = func(called string) error {
				if called == method {
					return errors.New("no leader")
				}
				return nil
			}
			for _, service := range w.want.Services {
				spec := service.Spec
				spec.Name += "2"
				err := (plan.CreateService{Name: service.Name, Spec: spec}).Run(t.Context(), w.Target)
				if err != nil && !strings.HasPrefix(err.Error(), "create service "+service.Name+": ") {
					t.Errorf("%s: %v", service.Name, err)
				}
				if uses := method == "NetworkList" || method == "ServiceCreate" ||
					method == "ConfigList" && service.Name == "web" ||
					method == "SecretList" && service.Name == "db"; (err != nil) != uses {
					t.Errorf("%s: got %v", service.Name, err)
				}
			}
		})
	}
}
