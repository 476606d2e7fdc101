package deploy

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"maps"
	"time"

	"boardcafe/infra/rollout/model"
	"boardcafe/infra/rollout/plan"
	"boardcafe/infra/rollout/watch"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/swarm"
)

// jobs runs jobs as services. Each run is a service of its own, with a fresh name, one replica and no restart,
// and is removed at its end. Swarm's own replicated-job will not do: it runs again with every update of its
// service, and can run twice after a change of the leader (moby#42742, moby#53632).
type jobs struct {
	engine   Engine
	auth     func(image string) string
	progress Progress
}

var _ plan.JobRunner = jobs{}

// RunJob runs a job until it ends, well or not, and leaves nothing behind.
func (j jobs) RunJob(ctx context.Context, name string, spec swarm.ServiceSpec, timeout time.Duration) error {
	spec, err := jobSpec(name, spec)
	if err != nil {
		return &JobError{Job: name, Reason: err.Error()}
	}
	auth := j.auth(spec.TaskTemplate.ContainerSpec.Image)
	created, err := j.engine.ServiceCreate(ctx, spec, swarm.ServiceCreateOptions{EncodedRegistryAuth: auth})
	if err != nil {
		return &JobError{Job: name, Reason: err.Error()}
	}
	defer func() {
		tidy, cancel := tidying(ctx)
		defer cancel()
		if err := j.engine.ServiceRemove(tidy, created.ID); err != nil {
			j.progress.Warn(fmt.Sprintf("remove service %s: %v", spec.Name, err))
		}
	}()
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("did not end within %s", timeout))
	defer cancel()
	return j.await(ctx, name, created.ID)
}

// jobSpec makes the spec of one run out of the job's.
func jobSpec(name string, spec swarm.ServiceSpec) (swarm.ServiceSpec, error) {
	unique := make([]byte, 3)
	if _, err := rand.Read(unique); err != nil {
		return spec, err
	}
	spec.Name = model.JobName(spec.Name, hex.EncodeToString(unique))
	spec.Labels = maps.Clone(spec.Labels)
	spec.Labels[model.LabelJob] = name
	one := uint64(1)
	spec.Mode = swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: &one}}
	spec.TaskTemplate.RestartPolicy = &swarm.RestartPolicy{Condition: swarm.RestartPolicyConditionNone}
	spec.UpdateConfig, spec.RollbackConfig = nil, nil
	if spec.TaskTemplate.ContainerSpec.Healthcheck == nil {
		// The health check of the image is for a server, and a job is none.
		copied := *spec.TaskTemplate.ContainerSpec
		copied.Healthcheck = &container.HealthConfig{Test: []string{"NONE"}}
		spec.TaskTemplate.ContainerSpec = &copied
	}
	return spec, nil
}

// await looks at the job's task until it has ended.
func (j jobs) await(ctx context.Context, name, id string) error {
	nodes, err := watch.NodeNames(ctx, j.engine)
	if err != nil {
		return &JobError{Job: name, Reason: err.Error()}
	}
	ofJob := filters.NewArgs(filters.Arg("service", id))
	var last watch.Task
	for {
		tasks, err := j.engine.TaskList(ctx, swarm.TaskListOptions{Filters: ofJob})
		if err == nil && len(tasks) > 0 {
			last = watch.Describe(tasks[0], name, nodes)
			if ended, err := j.judge(ctx, name, tasks[0].Status.State, last); ended {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return j.stopped(ctx, name, last)
		case <-time.After(watch.Interval):
		}
	}
}

// judge reports the state of the job's task, and tells whether the job has ended and how.
func (j jobs) judge(ctx context.Context, name string, state swarm.TaskState, task watch.Task) (ended bool, err error) {
	status := watch.Status{Service: name, State: task.State, Want: 1}
	switch state {
	case swarm.TaskStateComplete:
		status.Done, status.Settled = 1, true
		ended = true
	case swarm.TaskStateFailed, swarm.TaskStateRejected, swarm.TaskStateShutdown, swarm.TaskStateOrphaned:
		task.Log = watch.Log(ctx, j.engine, task.ID)
		return true, &JobError{Job: name, Reason: "it ended with an error", Task: task}
	}
	j.progress.Services([]watch.Status{status})
	return ended, nil
}

// stopped says whether a job took too long or was interrupted: that is the cause of the context.
func (j jobs) stopped(ctx context.Context, name string, last watch.Task) error {
	tidy, cancel := tidying(ctx)
	defer cancel()
	if last.ID != "" {
		last.Log = watch.Log(tidy, j.engine, last.ID)
	}
	stopped := &JobError{Job: name, Reason: "was stopped before it ended", Task: last}
	return fmt.Errorf("%w: %w", stopped, context.Cause(ctx))
}
