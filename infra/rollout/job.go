package rollout

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"maps"
	"time"

	"boardcafe/infra/rollout/live"
	"boardcafe/infra/rollout/plan"
	"boardcafe/infra/rollout/watch"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/swarm"
)

// jobs runs jobs as services. Each run is a service of its own, with a fresh name, one replica and no
// restart, and is removed at its end: a replicated-job runs again with every update of its
// service, and can run twice after a change of the leader (moby#42742, moby#53632).
type jobs struct{ r *Rollout }

var _ plan.JobRunner = jobs{}

const (
	maxServiceName = 63
	jobGone        = "was stopped before it ended"
)

// RunJob runs a job to its end, whatever that is, and leaves nothing behind.
func (j jobs) RunJob(ctx context.Context, name string, spec swarm.ServiceSpec, timeout time.Duration) error {
	spec, err := jobSpec(name, spec)
	if err != nil {
		return &JobError{Job: name, Reason: err.Error()}
	}
	image := spec.TaskTemplate.ContainerSpec.Image
	created, err := j.r.Engine.ServiceCreate(ctx, spec, swarm.ServiceCreateOptions{EncodedRegistryAuth: j.r.Auth(image)})
	if err != nil {
		return &JobError{Job: name, Reason: err.Error()}
	}
	defer func() {
		tidy, cancel := j.r.tidying(ctx)
		defer cancel()
		if err := j.r.Engine.ServiceRemove(tidy, created.ID); err != nil {
			j.r.Progress.Warn(fmt.Sprintf("remove service %s: %v", spec.Name, err))
		}
	}()
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("did not end within %s", timeout))
	defer cancel()
	return j.await(ctx, name, created.ID)
}

func jobSpec(name string, spec swarm.ServiceSpec) (swarm.ServiceSpec, error) {
	unique := make([]byte, 3)
	if _, err := rand.Read(unique); err != nil {
		return spec, err
	}
	suffix := "-" + hex.EncodeToString(unique)
	spec.Name = spec.Name[:min(len(spec.Name), maxServiceName-len(suffix))] + suffix
	spec.Labels = maps.Clone(spec.Labels)
	spec.Labels[live.LabelJob] = name
	one := uint64(1)
	spec.Mode = swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: &one}}
	spec.TaskTemplate.RestartPolicy = &swarm.RestartPolicy{Condition: swarm.RestartPolicyConditionNone}
	spec.UpdateConfig, spec.RollbackConfig = nil, nil
	if spec.TaskTemplate.ContainerSpec.Healthcheck == nil {
		// The image's own asks a server, and this is none.
		copied := *spec.TaskTemplate.ContainerSpec
		copied.Healthcheck = &container.HealthConfig{Test: []string{"NONE"}}
		spec.TaskTemplate.ContainerSpec = &copied
	}
	return spec, nil
}

func (j jobs) await(ctx context.Context, name, id string) error {
	nodes, err := watch.NodeNames(ctx, j.r.Engine)
	if err != nil {
		return &JobError{Job: name, Reason: err.Error()}
	}
	var last watch.Task
	for {
		tasks, err := j.r.Engine.TaskList(ctx, swarm.TaskListOptions{Filters: filters.NewArgs(filters.Arg("service", id))})
		if err == nil && len(tasks) > 0 {
			task := tasks[0]
			last = watch.Describe(task, name, nodes)
			status := watch.Status{Service: name, State: last.State, Want: 1}
			switch task.Status.State {
			case swarm.TaskStateComplete:
				status.Done, status.Settled = 1, true
				j.r.Progress.Services([]watch.Status{status})
				return nil
			case swarm.TaskStateFailed, swarm.TaskStateRejected, swarm.TaskStateShutdown, swarm.TaskStateOrphaned:
				last.Log = j.r.taskLog(ctx, task.ID)
				return &JobError{Job: name, Reason: "it ended with an error", Task: last}
			}
			j.r.Progress.Services([]watch.Status{status})
		}
		select {
		case <-ctx.Done():
			return j.stopped(ctx, name, last)
		case <-time.After(watch.Interval):
		}
	}
}

// stopped tells a job that took too long from one that somebody interrupted.
func (j jobs) stopped(ctx context.Context, name string, last watch.Task) error {
	cause := context.Cause(ctx)
	tidy, cancel := j.r.tidying(ctx)
	defer cancel()
	if last.ID != "" {
		last.Log = j.r.taskLog(tidy, last.ID)
	}
	return fmt.Errorf("%w: %w", &JobError{Job: name, Reason: jobGone, Task: last}, cause)
}
