package watch

import (
	"fmt"
	"strings"

	"github.com/docker/docker/api/types/swarm"
)

// Task is a task that failed, or that makes no progress.
type Task struct {
	ID       string   `json:"id"`
	Service  string   `json:"service"`
	Node     string   `json:"node,omitempty"`
	State    string   `json:"state"`
	ExitCode int      `json:"exit_code,omitempty"`
	Err      string   `json:"error,omitempty"`
	Log      []string `json:"log,omitempty"`
}

func (t Task) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "task %s", t.ID)
	if t.Node != "" {
		fmt.Fprintf(&b, " on %s", t.Node)
	}
	fmt.Fprintf(&b, ": %s", t.State)
	if t.ExitCode != 0 {
		fmt.Fprintf(&b, ", exit code %d", t.ExitCode)
	}
	if t.Err != "" {
		fmt.Fprintf(&b, ": %s", t.Err)
	}
	return b.String()
}

// Failure says that a service will never serve, and which tasks of this attempt show why.
type Failure struct {
	Service string
	Reason  string
	Tasks   []Task
}

func (e *Failure) Error() string {
	text := "service " + e.Service + ": " + e.Reason
	if len(e.Tasks) > 0 {
		text += "; " + e.Tasks[0].String()
	}
	return text
}

// TimeoutError names the services that did not settle in time. Its tasks are the ones that they wait for, each
// with Swarm's own reason.
type TimeoutError struct {
	Unsettled []Status
	Tasks     []Task
}

func (e *TimeoutError) Error() string {
	var parts []string
	for _, status := range e.Unsettled {
		parts = append(parts, fmt.Sprintf("service %s: %d of %d tasks (%s)",
			status.Service, status.Done, status.Want, status.State))
	}
	text := "timed out: " + strings.Join(parts, ", ")
	if len(e.Tasks) > 0 {
		text += "; " + e.Tasks[0].String()
	}
	return text
}

// Describe takes from a task what people need to know. Swarm says in Err why a task ended, and in Message what it
// waits for.
func Describe(task swarm.Task, service string, nodes map[string]string) Task {
	out := Task{
		ID: task.ID, Service: service, Node: nodes[task.NodeID],
		State: string(task.Status.State), Err: task.Status.Err,
	}
	if task.Status.ContainerStatus != nil {
		out.ExitCode = task.Status.ContainerStatus.ExitCode
	}
	if out.Err == "" && !terminal(task.Status.State) {
		out.Err = task.Status.Message
	}
	return out
}
