package deploy

import (
	"context"
	"errors"
	"slices"

	"boardcafe/infra/rollout/model"
	"boardcafe/infra/rollout/watch"

	"github.com/docker/docker/api/types/swarm"
)

// logTasks is how many tasks a failure shows the logs of.
const logTasks = 3

// evidence are the tasks that show why an attempt failed, with the end of their logs. The logs are fetched at
// once: Swarm soon forgets tasks that failed, and their logs with them.
func (a *Attempt) evidence(ctx context.Context, cause error) []watch.Task {
	var failure *watch.Failure
	var timeout *watch.TimeoutError
	var job *JobError
	var tasks []watch.Task
	switch {
	case errors.As(cause, &failure):
		tasks = failure.Tasks
	case errors.As(cause, &timeout):
		tasks = timeout.Tasks
	case errors.As(cause, &job):
		return []watch.Task{job.Task} // its service is gone, but the error has the log
	default:
		tasks = a.newTasks(ctx) // a probe failed: the tasks that this attempt started have to explain it
	}
	tasks = tasks[:min(len(tasks), logTasks)]
	for i := range tasks {
		if tasks[i].Node != "" { // without a machine nothing has run
			tasks[i].Log = watch.Log(ctx, a.rollout.Engine, tasks[i].ID)
		}
	}
	return tasks
}

// newTasks are one task of each service that this attempt changed.
func (a *Attempt) newTasks(ctx context.Context) []watch.Task {
	engine, ofStack := a.rollout.Engine, model.OfStack(a.rollout.Stack)
	tasks, err := engine.TaskList(ctx, swarm.TaskListOptions{Filters: ofStack})
	if err != nil {
		return nil
	}
	nodes, err := watch.NodeNames(ctx, engine)
	if err != nil {
		return nil
	}
	services, err := engine.ServiceList(ctx, swarm.ServiceListOptions{Filters: ofStack})
	if err != nil {
		return nil
	}
	var out []watch.Task
	for _, target := range targets(a.wanted, a.begun) {
		isTarget := func(s swarm.Service) bool { return s.Spec.Name == target.Service }
		at := slices.IndexFunc(services, isTarget)
		if !target.Changed || at < 0 {
			continue
		}
		for _, task := range tasks {
			if task.ServiceID == services[at].ID && !a.watcher.Known[task.ID] {
				state := string(task.Status.State)
				out = append(out, watch.Task{ID: task.ID, Service: target.Name, Node: nodes[task.NodeID], State: state})
				break
			}
		}
	}
	return out
}
