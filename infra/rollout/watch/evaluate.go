package watch

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"boardcafe/infra/rollout/model"

	"github.com/docker/docker/api/types/swarm"
)

// maxFailures is how many tasks of a service may fail in one attempt. A task may start a moment too early, before
// what it needs is there.
const maxFailures = 2

// Status is a service at one moment.
type Status struct {
	Service string `json:"service"`
	State   string `json:"state"`
	Done    int    `json:"done"` // tasks of the present spec that run, or have ended well
	Want    int    `json:"want"`
	Detail  string `json:"detail,omitempty"`
	// Settled says that Swarm has nothing left to do for the service.
	Settled bool `json:"settled"`
}

// observation is what one look at the swarm says about one service.
type observation struct {
	target   Target
	service  swarm.Service
	tasks    []swarm.Task      // newest first
	current  map[string]bool   // the tasks that Swarm counts to the service's present spec
	nodes    map[string]string // names
	down     map[string]bool
	newTasks []swarm.Task // that were not there before this attempt
}

// judge tells how far the service has come, and whether it has failed.
func (o observation) judge() (Status, *Failure) {
	if o.service.ID == "" {
		return o.missing()
	}
	status := o.count()
	failed := o.failedTasks()
	state := swarm.UpdateState("")
	if o.service.UpdateStatus != nil {
		state = o.service.UpdateStatus.State
	}
	if o.oneShot() {
		return o.judgeOneShot(status, failed)
	}
	switch state {
	case swarm.UpdateStatePaused, swarm.UpdateStateRollbackPaused:
		return o.fail(status, "Swarm paused the update", failed)
	case swarm.UpdateStateRollbackStarted, swarm.UpdateStateRollbackCompleted:
		// The rest are services that this attempt did not update. Their state is that of an earlier update.
		if o.target.Changed {
			return o.fail(status, "Swarm rolled the update back", failed)
		}
	}
	if len(failed) > maxFailures {
		return o.fail(status, fmt.Sprintf("%d tasks failed", len(failed)), failed)
	}
	updating := o.updating()
	status.Settled = status.Done == status.Want && !updating && (status.Want > 0 || o.service.Spec.Mode.Global == nil)
	status.State = o.word(status, updating)
	if len(failed) > 0 && !status.Settled {
		status.Detail = Describe(failed[0], status.Service, o.nodes).String()
	}
	return status, nil
}

// missing is the answer for a service that somebody has removed.
func (o observation) missing() (Status, *Failure) {
	failure := &Failure{Service: o.target.Name, Reason: "it does not exist"}
	return Status{Service: o.target.Name, State: "missing", Want: 1}, failure
}

func (o observation) updating() bool {
	update := o.service.UpdateStatus
	return update != nil && (update.State == swarm.UpdateStateUpdating || update.State == swarm.UpdateStateRollbackStarted)
}

func (o observation) word(status Status, updating bool) string {
	switch {
	case status.Settled:
		return "running"
	case updating:
		return "updating"
	}
	return "starting"
}

// judgeOneShot judges a service that is meant to end. It is done when its tasks have ended with success.
// docker service and docker stack wait for ever here (docker/cli#5299, #2979). That Swarm has paused its update
// means nothing: Swarm takes an early end for a failure.
func (o observation) judgeOneShot(status Status, failed []swarm.Task) (Status, *Failure) {
	allowed := 0
	if policy := o.service.Spec.TaskTemplate.RestartPolicy; restartsOnFailure(policy) {
		allowed = maxFailures
		if policy.MaxAttempts != nil && *policy.MaxAttempts > 0 {
			allowed = int(*policy.MaxAttempts)
		}
	}
	if len(failed) > allowed {
		return o.fail(status, "the task ended with an error", failed)
	}
	status.Settled = status.Done == status.Want
	status.State = "running"
	if status.Settled {
		status.State = "complete"
	}
	return status, nil
}

func (o observation) fail(status Status, reason string, failed []swarm.Task) (Status, *Failure) {
	status.State = "failed"
	failure := &Failure{Service: status.Service, Reason: reason}
	for _, task := range failed {
		failure.Tasks = append(failure.Tasks, Describe(task, status.Service, o.nodes))
	}
	if len(failed) == 0 && o.service.UpdateStatus != nil {
		failure.Reason += ": " + o.service.UpdateStatus.Message
	}
	status.Detail = failure.Error()
	return status, failure
}

// count counts the tasks that are as they should be, at most one for each slot or machine.
func (o observation) count() Status {
	status := Status{Service: o.target.Name}
	done, want := map[string]bool{}, map[string]bool{}
	mustEnd := model.MustEnd(o.service.Spec)
	for _, task := range o.tasks {
		slot := fmt.Sprint(task.Slot, task.NodeID)
		if task.Slot > 0 {
			slot = fmt.Sprint(task.Slot)
		}
		if task.DesiredState == swarm.TaskStateRunning || task.DesiredState == swarm.TaskStateReady {
			want[slot] = true
		}
		if !o.current[task.ID] {
			continue
		}
		switch {
		case task.Status.State == swarm.TaskStateRunning && task.DesiredState == swarm.TaskStateRunning && !mustEnd:
			done[slot] = true
		case task.Status.State == swarm.TaskStateComplete && o.oneShot() && !o.stale(task):
			done[slot], want[slot] = true, true
		}
	}
	status.Done, status.Want = len(done), len(want)
	mode := o.service.Spec.Mode
	switch {
	case mode.Replicated != nil && mode.Replicated.Replicas != nil:
		status.Want = int(*mode.Replicated.Replicas)
	case mode.ReplicatedJob != nil:
		status.Want = int(cmp.Or(deref(mode.ReplicatedJob.TotalCompletions), deref(mode.ReplicatedJob.MaxConcurrent), 1))
	}
	return status
}

// stale tells whether the task belongs to an earlier run of a job.
func (o observation) stale(task swarm.Task) bool {
	return o.service.JobStatus != nil && task.JobIteration != nil && *task.JobIteration != o.service.JobStatus.JobIteration
}

func (o observation) failedTasks() []swarm.Task {
	var out []swarm.Task
	for _, task := range o.newTasks {
		if failed(task.Status.State) {
			out = append(out, task)
		}
	}
	return out
}

// oneShot tells whether the service is meant to end, or has ended.
func (o observation) oneShot() bool {
	policy := o.service.Spec.TaskTemplate.RestartPolicy
	return model.MustEnd(o.service.Spec) || restartsOnFailure(policy) && o.ended()
}

func restartsOnFailure(policy *swarm.RestartPolicy) bool {
	return policy != nil && policy.Condition == swarm.RestartPolicyConditionOnFailure
}

// ended tells whether a task of the present spec has ended well. With "on-failure" nothing else shows that the
// service is a one-shot and not a server.
func (o observation) ended() bool {
	return slices.ContainsFunc(o.tasks, func(t swarm.Task) bool {
		return o.current[t.ID] && t.Status.State == swarm.TaskStateComplete
	})
}

// stuck are the tasks that keep a service from settling.
func (o observation) stuck() []Task {
	var out []Task
	for _, task := range o.tasks {
		state := task.Status.State
		if o.current[task.ID] && state != swarm.TaskStateRunning && (failed(state) || !terminal(state)) {
			out = append(out, Describe(task, o.target.Name, o.nodes))
		}
	}
	return out
}

func failed(state swarm.TaskState) bool {
	return state == swarm.TaskStateFailed || state == swarm.TaskStateRejected
}

// terminal tells whether a task is over.
func terminal(state swarm.TaskState) bool {
	switch state {
	case swarm.TaskStateComplete, swarm.TaskStateShutdown, swarm.TaskStateRemove, swarm.TaskStateOrphaned:
		return true
	}
	return failed(state)
}

func newestFirst(tasks []swarm.Task) {
	slices.SortFunc(tasks, func(a, b swarm.Task) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), strings.Compare(a.ID, b.ID))
	})
}

func deref(n *uint64) uint64 {
	if n == nil {
		return 0
	}
	return *n
}
