package rollout

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"boardcafe/infra/rollout/live"
	"boardcafe/infra/rollout/release"
	"boardcafe/infra/rollout/watch"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/pkg/stdcopy"
)

// FailedError says that a release failed, why, and what serves now.
type FailedError struct {
	Release, Previous release.Release
	Cause             error
	Tasks             []watch.Task // of this run, with their logs
	// Restored says that what was there before is there again, and was seen to serve. Empty says that
	// no service of the stack was, whatever the history has.
	Restored, Empty bool
	RestoreErr      error
	Running         []watch.Status // what runs, where it was not restored
}

func (e *FailedError) Error() string {
	return fmt.Sprintf("release %s failed: %v", e.Release, e.Cause)
}

func (e *FailedError) Unwrap() error { return e.Cause }

// InterruptedError says how far an interrupted rollout came.
type InterruptedError struct {
	Release          release.Release
	Applied, Pending []string
}

func (e *InterruptedError) Error() string {
	return fmt.Sprintf("release %s was interrupted", e.Release)
}

// JobError says that a job did not end well.
type JobError struct {
	Job    string
	Reason string
	Task   watch.Task
}

func (e *JobError) Error() string {
	text := "job " + e.Job + ": " + e.Reason
	if e.Task.ID != "" {
		text += "; " + e.Task.String()
	}
	return text
}

const (
	logLines = 20
	logTasks = 3
	// logPatience is for one task's log: a machine that is gone does not answer.
	logPatience = 10 * time.Second
)

// evidence are the tasks that show why a run failed, with the end of their logs. Swarm forgets
// failed tasks soon, and then their logs are gone: they are fetched at once.
func (r *run) evidence(ctx context.Context, cause error) []watch.Task {
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
		return []watch.Task{job.Task} // its service is gone, the log is in the error
	default:
		tasks = r.newTasks(ctx) // a probe failed: what this run started has to explain it
	}
	if len(tasks) > logTasks {
		tasks = tasks[:logTasks]
	}
	for i := range tasks {
		if tasks[i].Node != "" { // elsewhere there is nothing that could have logged
			tasks[i].Log = r.taskLog(ctx, tasks[i].ID)
		}
	}
	return tasks
}

// newTasks are one task of each service that this run changed.
func (r *run) newTasks(ctx context.Context) []watch.Task {
	tasks, err := r.Engine.TaskList(ctx, swarm.TaskListOptions{Filters: live.OfStack(r.Stack)})
	if err != nil {
		return nil
	}
	nodes, err := watch.NodeNames(ctx, r.Engine)
	if err != nil {
		return nil
	}
	services, err := r.Engine.ServiceList(ctx, swarm.ServiceListOptions{Filters: live.OfStack(r.Stack)})
	if err != nil {
		return nil
	}
	var out []watch.Task
	for _, target := range r.targets(r.want, r.done) {
		for _, service := range services {
			if !target.Changed || service.Spec.Name != target.Service {
				continue
			}
			for _, task := range tasks {
				if task.ServiceID == service.ID && !r.watcher.Known[task.ID] {
					out = append(out, watch.Task{ID: task.ID, Service: target.Name, Node: nodes[task.NodeID], State: string(task.Status.State)})
					break
				}
			}
		}
	}
	return out
}

// taskLog is the end of a task's log. Where it cannot be read, with a TTY or a log driver that
// only writes, that is said in its place.
func (r *Rollout) taskLog(ctx context.Context, id string) []string {
	ctx, cancel := context.WithTimeout(ctx, logPatience)
	defer cancel()
	stream, err := r.Engine.TaskLogs(ctx, id, container.LogsOptions{ShowStdout: true, ShowStderr: true, Tail: fmt.Sprint(logLines)})
	if err != nil {
		return noLog(err)
	}
	defer stream.Close()
	var text bytes.Buffer
	if _, err := stdcopy.StdCopy(&text, &text, io.LimitReader(stream, 1<<20)); err != nil && text.Len() == 0 {
		return noLog(err)
	}
	var lines []string
	scanner := bufio.NewScanner(&text)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		lines = append(lines, strings.TrimRight(scanner.Text(), "\r"))
	}
	return lines[max(0, len(lines)-logLines):]
}

func noLog(err error) []string {
	return []string{"(no log: " + strings.Join(strings.Fields(err.Error()), " ") + ")"}
}
