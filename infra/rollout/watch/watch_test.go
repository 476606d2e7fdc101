package watch_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"boardcafe/infra/rollout/model"
	"boardcafe/infra/rollout/swarmtest"
	"boardcafe/infra/rollout/watch"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/swarm"
)

// await creates a service of that spec and waits for it.
func await(t *testing.T, s *swarmtest.Swarm, change func(*swarm.ServiceSpec)) (last []watch.Status, err error) {
	t.Helper()
	two := uint64(2)
	spec := swarm.ServiceSpec{
		Annotations:  swarm.Annotations{Name: "cafe_web", Labels: map[string]string{model.LabelNamespace: "cafe"}},
		TaskTemplate: swarm.TaskSpec{ContainerSpec: &swarm.ContainerSpec{Image: "web:1"}},
		Mode:         swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: &two}},
	}
	change(&spec)
	known, err := watch.Tasks(t.Context(), s, "cafe")
	if err != nil {
		return nil, err
	}
	if _, err := s.ServiceCreate(t.Context(), spec, swarm.ServiceCreateOptions{}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	w := watch.Watcher{Engine: s, Stack: "cafe", Known: known, Report: func(now []watch.Status) { last = now }}
	err = w.Await(ctx, []watch.Target{{Name: "web", Service: "cafe_web", Created: true}})
	return last, err
}

func restart(condition swarm.RestartPolicyCondition) func(*swarm.ServiceSpec) {
	return func(spec *swarm.ServiceSpec) {
		attempts := uint64(1)
		spec.TaskTemplate.RestartPolicy = &swarm.RestartPolicy{Condition: condition, MaxAttempts: &attempts}
	}
}

func TestSettles(t *testing.T) {
	for name, c := range map[string]struct {
		behaviour swarmtest.Behaviour
		change    func(*swarm.ServiceSpec)
		state     string
		least     time.Duration // how long it is watched
	}{
		"replicated": {swarmtest.Behaviour{Start: 3 * time.Second}, func(*swarm.ServiceSpec) {}, "running", 8 * time.Second},
		"monitored": {swarmtest.Behaviour{}, func(spec *swarm.ServiceSpec) {
			spec.UpdateConfig = &swarm.UpdateConfig{Monitor: 20 * time.Second}
		}, "running", 20 * time.Second},
		"global": {swarmtest.Behaviour{}, func(spec *swarm.ServiceSpec) {
			spec.Mode = swarm.ServiceMode{Global: &swarm.GlobalService{}}
		}, "running", 5 * time.Second},
		"one-shot": {swarmtest.Behaviour{Ends: true}, restart(swarm.RestartPolicyConditionNone),
			"complete", 0},
		"one-shot, on failure": {swarmtest.Behaviour{Ends: true}, restart(swarm.RestartPolicyConditionOnFailure),
			"complete", 0},
		"one-shot that takes its time": {swarmtest.Behaviour{Lives: 20 * time.Second},
			restart(swarm.RestartPolicyConditionNone), "complete", 20 * time.Second},
		"server that is never restarted": {swarmtest.Behaviour{}, func(spec *swarm.ServiceSpec) {
			restart(swarm.RestartPolicyConditionNone)(spec)
			spec.TaskTemplate.ContainerSpec.Healthcheck = &container.HealthConfig{Test: []string{"CMD", "/healthy"}}
		}, "running", 5 * time.Second},
		"none wanted": {swarmtest.Behaviour{}, func(spec *swarm.ServiceSpec) {
			none := uint64(0)
			spec.Mode.Replicated.Replicas = &none
		}, "running", 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := swarmtest.New()
				s.Images["web:1"] = c.behaviour
				began := time.Now()
				last, err := await(t, s, c.change)
				if err != nil || last[0].State != c.state || !last[0].Settled {
					t.Errorf("%+v, %v", last, err)
				}
				if took := time.Since(began); took < c.least {
					t.Errorf("watched for %s, not for %s", took, c.least)
				}
			})
		})
	}
}

func TestFails(t *testing.T) {
	for name, c := range map[string]struct {
		behaviour swarmtest.Behaviour
		change    func(*swarm.ServiceSpec)
		text      string
	}{
		"crash loop": {swarmtest.Behaviour{Start: time.Second, Ends: true, Exit: 7},
			func(*swarm.ServiceSpec) {}, "exit code 7"},
		"one-shot that ends late": {swarmtest.Behaviour{Lives: 20 * time.Second, Exit: 7},
			restart(swarm.RestartPolicyConditionNone), "ended with an error"},
		"one-shot that never ends": {swarmtest.Behaviour{}, restart(swarm.RestartPolicyConditionNone),
			"0 of 2 tasks (running)"},
		"one-shot": {swarmtest.Behaviour{Ends: true, Exit: 7}, restart(swarm.RestartPolicyConditionNone),
			"ended with an error"},
		"pending": {swarmtest.Behaviour{Pending: "no suitable node"}, func(*swarm.ServiceSpec) {},
			"no suitable node"},
		"starting": {swarmtest.Behaviour{Start: time.Hour}, func(*swarm.ServiceSpec) {},
			"0 of 2 tasks (starting)"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := swarmtest.New()
				s.Images["web:1"] = c.behaviour
				if _, err := await(t, s, c.change); err == nil || !strings.Contains(err.Error(), c.text) {
					t.Errorf("%v", err)
				}
			})
		})
	}
}

// While managers choose a new leader, they do not answer for some seconds.
func TestEngineSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := swarmtest.New()
		down := errors.New("no leader")
		began := time.Now()
		s.Before = func(method string) error {
			if method == "NodeList" && time.Since(began) < 10*time.Second {
				return down
			}
			return nil
		}
		if _, err := await(t, s, func(*swarm.ServiceSpec) {}); err != nil {
			t.Error(err)
		}
		s = swarmtest.New()
		s.Before = func(method string) error {
			if method == "NodeList" {
				return down
			}
			return nil
		}
		if _, err := await(t, s, func(*swarm.ServiceSpec) {}); !errors.Is(err, down) {
			t.Error(err)
		}
	})
}
