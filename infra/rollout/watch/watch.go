// Package watch waits until the services of a stack serve. It asks Swarm once a second about the whole stack, however
// many services the stack has: over ssh every call takes its time.
package watch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"boardcafe/infra/rollout/model"

	"github.com/docker/docker/api/types/swarm"
)

// Engine is the part of the Docker API that shows how a stack does.
type Engine interface {
	ServiceList(ctx context.Context, options swarm.ServiceListOptions) ([]swarm.Service, error)
	TaskList(ctx context.Context, options swarm.TaskListOptions) ([]swarm.Task, error)
	NodeList(ctx context.Context, options swarm.NodeListOptions) ([]swarm.Node, error)
}

// Interval is the time between two polls.
const Interval = time.Second

// patience is how long the engine may fail to answer. Managers need some seconds to choose a new leader.
const patience = 30 * time.Second

// lostPatience is how long an update may wait for a task on a machine that is down. Swarm moves other tasks away from
// such a machine. The task that an update waits for stays, until the machine comes back.
const lostPatience = 30 * time.Second

// Watcher watches one stack.
type Watcher struct {
	Engine Engine
	Stack  string
	// Known are the tasks that were there before this attempt. Their failures do not count.
	Known map[string]bool
	// Report is told of every poll.
	Report func([]Status)
}

// Target is a service to wait for.
type Target struct {
	Name    string // for people
	Service string // for Swarm
	Changed bool   // this attempt updated or created it
	Created bool   // this attempt created it: Swarm monitors updates only, so Await does it instead
}

// Tasks returns the identifiers of all tasks of the stack.
func Tasks(ctx context.Context, engine Engine, stack string) (map[string]bool, error) {
	tasks, err := engine.TaskList(ctx, swarm.TaskListOptions{Filters: model.OfStack(stack)})
	if err != nil {
		return nil, fmt.Errorf("list tasks: %w", err)
	}
	known := map[string]bool{}
	for _, task := range tasks {
		known[task.ID] = true
	}
	return known, nil
}

// Await returns when all targets have settled. It returns a *[Failure] as soon as one of them cannot settle any more,
// and a *[TimeoutError] when the context's deadline passes.
func (w Watcher) Await(ctx context.Context, targets []Target) error {
	settled, lost := map[string]time.Time{}, map[string]time.Time{}
	answered := time.Now()
	var last []observation
	for {
		observations, err := w.look(ctx, targets)
		switch {
		case ctx.Err() != nil:
			return w.ended(ctx, last)
		case err != nil && time.Since(answered) > patience:
			return err
		case err == nil:
			answered, last = time.Now(), observations
			if failure := waitsForLost(observations, lost); failure != nil {
				return failure
			}
			done, err := w.judge(observations, settled)
			if done || err != nil {
				return err
			}
		}
		timer := time.NewTimer(Interval)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
}

// judge reports one poll and tells whether it was the last.
func (w Watcher) judge(observations []observation, settled map[string]time.Time) (done bool, err error) {
	done = true
	var statuses []Status
	var failure *Failure
	for _, o := range observations {
		status, failed := o.judge()
		statuses = append(statuses, status)
		if failed != nil && failure == nil {
			failure = failed
		}
		if !status.Settled {
			delete(settled, status.Service)
			done = false
			continue
		}
		since, ok := settled[status.Service]
		if !ok {
			since = time.Now()
			settled[status.Service] = since
		}
		if time.Since(since) < o.hold() {
			done = false
		}
	}
	w.Report(statuses)
	if failure != nil {
		return false, failure
	}
	return done, nil
}

// waitsForLost finds an update that has waited for long for a task on a machine that is down. For each such task,
// lost has the time since when.
func waitsForLost(observations []observation, lost map[string]time.Time) *Failure {
	for _, o := range observations {
		for _, task := range o.tasks {
			if !o.current[task.ID] || !o.down[task.NodeID] || started(task) || !o.updating() {
				delete(lost, task.ID)
				continue
			}
			if _, ok := lost[task.ID]; !ok {
				lost[task.ID] = time.Now()
			}
			if time.Since(lost[task.ID]) >= lostPatience {
				machine := o.nodes[task.NodeID]
				return &Failure{
					Service: o.target.Name, Reason: "machine " + machine + " is down, and the update waits for a task there",
					Tasks: []Task{Describe(task, o.target.Name, o.nodes)},
				}
			}
		}
	}
	return nil
}

// started tells whether a task runs, or is over.
func started(task swarm.Task) bool {
	return task.Status.State == swarm.TaskStateRunning || terminal(task.Status.State)
}

// hold is how long a service must stay settled.
func (o observation) hold() time.Duration {
	if !o.target.Created || o.oneShot() {
		return 0
	}
	return model.Monitor(o.service.Spec)
}

// Look returns how the services are now.
func (w Watcher) Look(ctx context.Context, targets []Target) ([]Status, error) {
	observations, err := w.look(ctx, targets)
	if err != nil {
		return nil, err
	}
	var out []Status
	for _, o := range observations {
		status, _ := o.judge()
		out = append(out, status)
	}
	return out, nil
}

func (w Watcher) look(ctx context.Context, targets []Target) ([]observation, error) {
	services, err := w.Engine.ServiceList(ctx, swarm.ServiceListOptions{Filters: model.OfStack(w.Stack)})
	if err != nil {
		return nil, fmt.Errorf("list services: %w", err)
	}
	tasks, err := w.Engine.TaskList(ctx, swarm.TaskListOptions{Filters: model.OfStack(w.Stack)})
	if err != nil {
		return nil, fmt.Errorf("list tasks: %w", err)
	}
	// Swarm itself must say which tasks are of the present spec: it compares more than its API shows.
	upToDate := model.OfStack(w.Stack)
	upToDate.Add("_up-to-date", "true")
	currentTasks, err := w.Engine.TaskList(ctx, swarm.TaskListOptions{Filters: upToDate})
	if err != nil {
		return nil, fmt.Errorf("list tasks: %w", err)
	}
	nodes, err := w.Engine.NodeList(ctx, swarm.NodeListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list nodes: %w", err)
	}
	names, down := namesOf(nodes), map[string]bool{}
	for _, node := range nodes {
		down[node.ID] = node.Status.State == swarm.NodeStateDown
	}
	current := map[string]bool{}
	for _, task := range currentTasks {
		current[task.ID] = true
	}
	newestFirst(tasks)
	var out []observation
	for _, target := range targets {
		o := observation{target: target, current: current, nodes: names, down: down}
		for _, service := range services {
			if service.Spec.Name == target.Service {
				o.service = service
			}
		}
		for _, task := range tasks {
			if task.ServiceID != o.service.ID {
				continue
			}
			o.tasks = append(o.tasks, task)
			if !w.Known[task.ID] {
				o.newTasks = append(o.newTasks, task)
			}
		}
		out = append(out, o)
	}
	return out, nil
}

// NodeNames returns the machines' host names by identifier.
func NodeNames(ctx context.Context, engine Engine) (map[string]string, error) {
	nodes, err := engine.NodeList(ctx, swarm.NodeListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list nodes: %w", err)
	}
	return namesOf(nodes), nil
}

func namesOf(nodes []swarm.Node) map[string]string {
	names := map[string]string{}
	for _, node := range nodes {
		names[node.ID] = node.Description.Hostname
	}
	return names
}

// ended says why the wait is over: time ran out, or somebody stopped it.
func (w Watcher) ended(ctx context.Context, last []observation) error {
	if !errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		return context.Cause(ctx)
	}
	out := &TimeoutError{}
	for _, o := range last {
		if status, _ := o.judge(); !status.Settled {
			out.Unsettled = append(out.Unsettled, status)
			out.Tasks = append(out.Tasks, o.stuck()...)
		}
	}
	return out
}
