// Package swarmtest is a swarm in memory, for tests of what talks to one. It does what Swarm does as
// far as rollout can see it: versions and "update out of sequence", identifiers for names, tasks that
// start, fail and are started again, rolling updates that pause or roll back, constraints, job services,
// logs. Time is that of the test: in a synctest bubble nothing waits.
package swarmtest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/swarm"
)

// Swarm is a swarm of three machines.
type Swarm struct {
	// Images are those that the registry has, by reference. What an image does when it runs is part
	// of it.
	Images map[string]Image
	// Password is what the registry asks for, unless it is empty.
	Password string
	// Before is called ahead of every call of the API and can make it fail, or change the swarm the
	// way that somebody else does.
	Before func(method string) error

	mu       sync.Mutex
	calls    []string
	sequence uint64
	last     time.Time
	services []*service
	tasks    []*task
	configs  []swarm.Config
	secrets  []swarm.Secret
	networks []network.Summary
	nodes    []swarm.Node
	asked    int // by RoundTrip
}

// Image is an image and what its containers do.
type Image struct {
	Digest string // hexadecimal
	// Exit ends a container with a code, after a while.
	Exit  *int
	After time.Duration
	// Unhealthy never passes its health check.
	Unhealthy bool
	Log       string
	// Status and Release are what it answers over HTTP.
	Status  int
	Release string
}

// Exit is an exit code, for [Image].
func Exit(code int) *int { return &code }

// service is a service with what only the swarm knows.
type service struct {
	swarm.Service
	updating   bool
	restartAt  map[int]time.Time // by slot
	rolledBack bool
}

// task is a task with the moments of its life.
type task struct {
	swarm.Task
	born time.Time
}

// The steps of a task's life, as durations since its creation.
const (
	assigned  = 200 * time.Millisecond
	preparing = 500 * time.Millisecond
	ready     = time.Second
	unhealthy = 4 * time.Second
	step      = 100 * time.Millisecond
)

// New returns an empty swarm.
func New() *Swarm {
	s := &Swarm{Images: map[string]Image{}, last: time.Now()}
	for i, name := range []string{"manager", "worker1", "worker2"} {
		s.nodes = append(s.nodes, swarm.Node{
			ID:          "node" + fmt.Sprint(i),
			Description: swarm.NodeDescription{Hostname: name},
			Status:      swarm.NodeStatus{State: swarm.NodeStateReady, Addr: fmt.Sprintf("192.0.2.%d", 10+i)},
		})
	}
	s.nodes[0].Status.Addr = "0.0.0.0"
	s.nodes[0].ManagerStatus = &swarm.ManagerStatus{Leader: true, Addr: "192.0.2.10:2377"}
	s.networks = []network.Summary{{ID: "net-ingress", Name: "ingress", Scope: "swarm", Driver: "overlay"}}
	return s
}

// Calls returns the calls that wrote something, and forgets them.
func (s *Swarm) Calls() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	calls := s.calls
	s.calls = nil
	return calls
}

// Down takes a machine away.
func (s *Swarm) Down(node int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nodes[node].Status.State = swarm.NodeStateDown
	for _, t := range s.tasks {
		if t.NodeID == s.nodes[node].ID {
			t.DesiredState = swarm.TaskStateShutdown
		}
	}
}

// Scale changes the replicas of a service, as somebody else would.
func (s *Swarm) Scale(name string, replicas uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if found := s.find(name); found != nil {
		found.Spec.Mode.Replicated = &swarm.ReplicatedService{Replicas: &replicas}
		found.Version = s.next()
	}
}

// SetEnv changes a service in a way that restarts its tasks, as somebody else would.
func (s *Swarm) SetEnv(name string, env ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if found := s.find(name); found != nil {
		found.Spec = clone(found.Spec)
		found.Spec.TaskTemplate.ContainerSpec.Env = env
		found.Version = s.next()
	}
}

// Spec returns the spec of a service; the zero one where there is none.
func (s *Swarm) Spec(name string) swarm.ServiceSpec {
	s.mu.Lock()
	defer s.mu.Unlock()
	if found := s.find(name); found != nil {
		return clone(found.Spec)
	}
	return swarm.ServiceSpec{}
}

// Names returns the names of the services.
func (s *Swarm) Names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for _, one := range s.services {
		names = append(names, one.Spec.Name)
	}
	slices.Sort(names)
	return names
}

func (s *Swarm) next() swarm.Version {
	s.sequence++
	return swarm.Version{Index: s.sequence}
}

func (s *Swarm) find(id string) *service {
	for _, one := range s.services {
		if one.ID == id || one.Spec.Name == id {
			return one
		}
	}
	return nil
}

// enter begins a call: time passes, and the test may interfere.
func (s *Swarm) enter(method string, write bool, what string) error {
	if s.Before != nil {
		if err := s.Before(method); err != nil {
			return err
		}
	}
	s.mu.Lock()
	if write {
		s.calls = append(s.calls, strings.TrimSpace(method+" "+what))
	}
	for now := time.Now(); s.last.Before(now); s.last = s.last.Add(step) {
		s.advance(s.last)
	}
	return nil
}

// advance is one step of the orchestrator.
func (s *Swarm) advance(now time.Time) {
	for _, t := range s.tasks {
		s.live(t, now)
	}
	for _, one := range s.services {
		s.replace(one, now)
		s.start(one, now)
	}
}

// live takes a task one step further.
func (s *Swarm) live(t *task, now time.Time) {
	age := now.Sub(t.born)
	status := &t.Status
	if status.State == swarm.TaskStateComplete || status.State == swarm.TaskStateFailed || status.State == swarm.TaskStateRejected || status.State == swarm.TaskStateShutdown {
		return
	}
	if t.DesiredState == swarm.TaskStateShutdown {
		status.State = swarm.TaskStateShutdown
		return
	}
	image, known := s.image(t.Spec.ContainerSpec.Image)
	set := func(state swarm.TaskState, err string) {
		if status.State != state {
			*status = swarm.TaskStatus{State: state, Err: err, Timestamp: now, Message: string(state)}
		}
	}
	switch {
	case t.NodeID == "":
		*status = swarm.TaskStatus{State: swarm.TaskStatePending, Message: "pending task scheduling",
			Err: "no suitable node (scheduling constraints not satisfied on 3 nodes)"}
	case age < assigned:
		set(swarm.TaskStateAssigned, "")
	case !known:
		t.DesiredState = swarm.TaskStateShutdown
		set(swarm.TaskStateRejected, "No such image: "+t.Spec.ContainerSpec.Image)
	case age < preparing:
		set(swarm.TaskStatePreparing, "")
	case age < ready || image.Unhealthy && age < unhealthy:
		set(swarm.TaskStateStarting, "")
	case image.Unhealthy:
		t.end(now, 137, "task: non-zero exit (137): dockerexec: unhealthy container")
	case image.Exit != nil && age >= ready+image.After:
		t.end(now, *image.Exit, fmt.Sprintf("task: non-zero exit (%d)", *image.Exit))
	default:
		set(swarm.TaskStateRunning, "")
	}
}

func (t *task) end(now time.Time, code int, err string) {
	t.DesiredState = swarm.TaskStateShutdown
	state := swarm.TaskStateFailed
	if code == 0 {
		state, err = swarm.TaskStateComplete, ""
	}
	t.Status = swarm.TaskStatus{State: state, Err: err, Timestamp: now, ContainerStatus: &swarm.ContainerStatus{ExitCode: code}}
}

// image finds what a task's image does; a reference may carry a digest.
func (s *Swarm) image(ref string) (Image, bool) {
	tag, digest, _ := strings.Cut(ref, "@sha256:")
	image, ok := s.Images[tag]
	if ok && (digest == "" || image.Digest == digest) {
		return image, true
	}
	for _, image := range s.Images {
		if digest != "" && image.Digest == digest {
			return image, true
		}
	}
	return Image{}, false
}

// replace moves an update on: one slot at a time, and what happens when a new task fails.
func (s *Swarm) replace(one *service, now time.Time) {
	if !one.updating {
		return
	}
	for _, t := range s.tasks {
		failed := t.Status.State == swarm.TaskStateFailed || t.Status.State == swarm.TaskStateRejected
		if t.ServiceID == one.ID && failed && !t.born.Before(one.UpdatedAt) && !s.dirty(one, t) {
			s.stopUpdate(one, now, t.ID)
			return
		}
	}
	startFirst := one.Spec.UpdateConfig != nil && one.Spec.UpdateConfig.Order == swarm.UpdateOrderStartFirst
	for _, slot := range s.slots(one) {
		old, fresh := s.inSlot(one, slot)
		switch {
		case len(fresh) > 0 && fresh[0].Status.State != swarm.TaskStateRunning:
			return // awaited, with no end
		case len(fresh) > 0 && len(old) > 0:
			old[0].DesiredState = swarm.TaskStateShutdown
			return
		case len(old) > 0 && startFirst:
			s.create(one, slot, now)
			return
		case len(old) > 0:
			old[0].DesiredState = swarm.TaskStateShutdown
			s.create(one, slot, now)
			return
		case len(fresh) > 0 && now.Sub(fresh[0].Status.Timestamp) < monitor(one):
			return
		}
	}
	one.updating = false
	state := swarm.UpdateStateCompleted
	if one.rolledBack {
		state = swarm.UpdateStateRollbackCompleted
	}
	one.UpdateStatus = &swarm.UpdateStatus{State: state, CompletedAt: &now}
}

// monitor is how long a new task must not fail.
func monitor(one *service) time.Duration {
	if update := one.Spec.UpdateConfig; update != nil && update.Monitor > 0 {
		return update.Monitor
	}
	return 5 * time.Second
}

func (s *Swarm) stopUpdate(one *service, now time.Time, task string) {
	message := "update paused due to failure or early termination of task " + task
	if one.Spec.UpdateConfig == nil || one.Spec.UpdateConfig.FailureAction != swarm.UpdateFailureActionRollback || one.PreviousSpec == nil {
		one.updating = false
		one.UpdateStatus = &swarm.UpdateStatus{State: swarm.UpdateStatePaused, Message: message}
		return
	}
	one.Spec, one.PreviousSpec = *one.PreviousSpec, nil
	one.rolledBack, one.UpdatedAt, one.Version = true, now, s.next()
	one.UpdateStatus = &swarm.UpdateStatus{State: swarm.UpdateStateRollbackStarted, Message: message}
}

// start creates the tasks that a service lacks, and ends those it has too many of.
func (s *Swarm) start(one *service, now time.Time) {
	for _, slot := range s.slots(one) {
		old, fresh := s.inSlot(one, slot)
		if len(old)+len(fresh) > 0 || !s.mayStart(one, slot, now) {
			continue
		}
		s.create(one, slot, now)
	}
	slots := s.slots(one)
	for _, t := range s.tasks {
		if t.ServiceID == one.ID && t.DesiredState == swarm.TaskStateRunning && !slices.Contains(slots, slotOf(one, t)) {
			t.DesiredState = swarm.TaskStateShutdown
		}
	}
}

// mayStart applies the restart policy to the last task of a slot.
func (s *Swarm) mayStart(one *service, slot int, now time.Time) bool {
	var last *task
	attempts := 0
	for _, t := range s.tasks {
		if t.ServiceID == one.ID && slotOf(one, t) == slot && !s.dirty(one, t) {
			last = t
			attempts++
		}
	}
	if last == nil || last.Status.State == swarm.TaskStateShutdown {
		return true
	}
	delay := 5 * time.Second
	if policy := one.Spec.TaskTemplate.RestartPolicy; policy != nil {
		if policy.Delay != nil {
			delay = *policy.Delay
		}
		failed := last.Status.State != swarm.TaskStateComplete
		switch policy.Condition {
		case swarm.RestartPolicyConditionNone:
			return false
		case swarm.RestartPolicyConditionOnFailure:
			if !failed || policy.MaxAttempts != nil && *policy.MaxAttempts > 0 && attempts > int(*policy.MaxAttempts) {
				return false
			}
		}
	}
	return now.Sub(last.Status.Timestamp) >= delay
}

// slots are a replicated service's numbers, or a global one's machines.
func (s *Swarm) slots(one *service) []int {
	var out []int
	if one.Spec.Mode.Global != nil {
		for i, node := range s.nodes {
			if node.Status.State == swarm.NodeStateReady && s.fits(one, node) {
				out = append(out, i)
			}
		}
		return out
	}
	n := 1
	if r := one.Spec.Mode.Replicated; r != nil && r.Replicas != nil {
		n = int(*r.Replicas)
	}
	for slot := range n {
		out = append(out, slot+1)
	}
	return out
}

func slotOf(one *service, t *task) int {
	if one.Spec.Mode.Global != nil {
		var i int
		fmt.Sscanf(t.NodeID, "node%d", &i)
		return i
	}
	return t.Slot
}

// inSlot are the tasks of a slot that should run: of an older spec, and of the present one.
func (s *Swarm) inSlot(one *service, slot int) (old, fresh []*task) {
	for _, t := range s.tasks {
		if t.ServiceID != one.ID || slotOf(one, t) != slot || t.DesiredState != swarm.TaskStateRunning {
			continue
		}
		if s.dirty(one, t) {
			old = append(old, t)
		} else {
			fresh = append(fresh, t)
		}
	}
	return old, fresh
}

func (s *Swarm) create(one *service, slot int, now time.Time) {
	version := s.next()
	t := &task{born: now, Task: swarm.Task{
		ID: fmt.Sprintf("task%d", version.Index), Meta: swarm.Meta{Version: version, CreatedAt: now},
		ServiceID: one.ID, Slot: slot, Spec: clone(one.Spec).TaskTemplate, DesiredState: swarm.TaskStateRunning,
		Status: swarm.TaskStatus{State: swarm.TaskStateNew, Timestamp: now},
	}}
	t.Labels = maps.Clone(one.Spec.Labels)
	if one.Spec.Mode.Global != nil {
		t.Slot, t.NodeID = 0, s.nodes[slot].ID
	} else {
		for i := range s.nodes {
			node := s.nodes[(slot+i)%len(s.nodes)]
			if node.Status.State == swarm.NodeStateReady && s.fits(one, node) {
				t.NodeID = node.ID
				break
			}
		}
	}
	s.tasks = append(s.tasks, t)
}

// fits knows one constraint: `node.hostname == NAME`.
func (s *Swarm) fits(one *service, node swarm.Node) bool {
	placement := one.Spec.TaskTemplate.Placement
	if placement == nil {
		return true
	}
	for _, constraint := range placement.Constraints {
		if strings.ReplaceAll(constraint, " ", "") != "node.hostname=="+node.Description.Hostname {
			return false
		}
	}
	return true
}

// dirty is Swarm's own rule for what an update restarts.
func (s *Swarm) dirty(one *service, t *task) bool {
	a, b := one.Spec.TaskTemplate, t.Spec
	a.Placement, b.Placement = nil, nil
	return text(a) != text(b)
}

func text(value any) string {
	data, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return string(data)
}

func clone(spec swarm.ServiceSpec) swarm.ServiceSpec {
	var out swarm.ServiceSpec
	if err := json.Unmarshal([]byte(text(spec)), &out); err != nil {
		panic(err)
	}
	return out
}

func newest(tasks []*task) []*task {
	out := slices.Clone(tasks)
	slices.SortFunc(out, func(a, b *task) int { return cmp.Compare(b.Version.Index, a.Version.Index) })
	return out
}
