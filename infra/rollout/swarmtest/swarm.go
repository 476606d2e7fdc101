// Package swarmtest is a swarm in memory, for tests. It has as much of Docker's API as rollout uses, and follows
// Swarm's rules. Its clock is the caller's: in a synctest bubble nothing waits.
package swarmtest

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/api/types/system"
)

// Behaviour is what the containers of an image do.
type Behaviour struct {
	Start   time.Duration // until it runs
	Pending string        // when set, it never starts, and this is Swarm's reason
	Ends    bool          // it ends as soon as it runs
	Lives   time.Duration // it ends after so long
	Exit    int
	Log     string // of its standard output
}

// Swarm is a swarm of one manager and one worker.
type Swarm struct {
	mu       sync.Mutex
	index    uint64
	services []*service
	configs  []swarm.Config
	secrets  []swarm.Secret
	networks []network.Summary

	// Nodes are the machines.
	Nodes []swarm.Node
	// Images are what containers do, by the image without its digest. Containers of other images run for ever.
	Images map[string]Behaviour
	// Missing are the images that no registry has.
	Missing map[string]bool
	// Worker makes the engine a worker.
	Worker bool
	// Before is called before each call, with the name of its method. The call returns its error.
	Before func(method string) error
	// Calls are the methods that were called.
	Calls []string
}

type service struct {
	swarm.Service
	tasks []*task
}

type task struct {
	swarm.Task
	behaviour Behaviour
	version   uint64
}

// New returns an empty swarm of two machines.
func New() *Swarm {
	node := func(id, host, addr string, role swarm.NodeRole) swarm.Node {
		return swarm.Node{
			ID: id, Spec: swarm.NodeSpec{Role: role}, Description: swarm.NodeDescription{Hostname: host},
			Status: swarm.NodeStatus{State: swarm.NodeStateReady, Addr: addr},
		}
	}
	manager := node("node1", "manager", "0.0.0.0", swarm.NodeRoleManager)
	manager.ManagerStatus = &swarm.ManagerStatus{Leader: true, Addr: "10.0.0.1:2377"}
	return &Swarm{
		Nodes:  []swarm.Node{manager, node("node2", "worker", "10.0.0.2", swarm.NodeRoleWorker)},
		Images: map[string]Behaviour{}, Missing: map[string]bool{},
	}
}

func (s *Swarm) enter(ctx context.Context, method string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.Before != nil {
		if err := s.Before(method); err != nil {
			return err
		}
	}
	s.mu.Lock()
	s.Calls = append(s.Calls, method)
	s.advance(time.Now())
	return nil
}

func (s *Swarm) id(prefix string) string {
	s.index++
	return fmt.Sprintf("%s%d", prefix, s.index)
}

func (s *Swarm) meta() swarm.Meta {
	s.index++
	return swarm.Meta{Version: swarm.Version{Index: s.index}, CreatedAt: time.Now(), UpdatedAt: time.Now()}
}

func copied[T any](from T) T {
	data, err := json.Marshal(from)
	if err != nil {
		panic(err)
	}
	var to T
	if err := json.Unmarshal(data, &to); err != nil {
		panic(err)
	}
	return to
}

func outOfSequence() error {
	return fmt.Errorf("rpc error: code = Unknown desc = update out of sequence: %w", cerrdefs.ErrUnknown)
}

func missing(kind, name string) error {
	return fmt.Errorf("%s %s not found: %w", kind, name, cerrdefs.ErrNotFound)
}

func exists(kind, name string) error {
	return fmt.Errorf("%s %s already exists: %w", kind, name, cerrdefs.ErrAlreadyExists)
}

func matches(args filters.Args, id string, labels map[string]string) bool {
	return args.MatchKVList("label", labels) && (!args.Contains("id") || args.ExactMatch("id", id))
}

// Info is what the engine says about itself.
func (s *Swarm) Info(ctx context.Context) (system.Info, error) {
	if err := s.enter(ctx, "Info"); err != nil {
		return system.Info{}, err
	}
	defer s.mu.Unlock()
	return system.Info{Swarm: swarm.Info{ControlAvailable: !s.Worker}}, nil
}

func (s *Swarm) NodeList(ctx context.Context, _ swarm.NodeListOptions) ([]swarm.Node, error) {
	if err := s.enter(ctx, "NodeList"); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	return slices.Clone(s.Nodes), nil
}

func (s *Swarm) ServiceList(ctx context.Context, options swarm.ServiceListOptions) ([]swarm.Service, error) {
	if err := s.enter(ctx, "ServiceList"); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	var out []swarm.Service
	for _, v := range s.services {
		if matches(options.Filters, v.ID, v.Spec.Labels) {
			out = append(out, v.view(options.Status))
		}
	}
	return out, nil
}

func (v *service) view(status bool) swarm.Service {
	out := copied(v.Service)
	if status {
		out.ServiceStatus = &swarm.ServiceStatus{DesiredTasks: uint64(v.replicas())}
	}
	return out
}

func (s *Swarm) find(id string) *service {
	for _, v := range s.services {
		if v.ID == id || v.Spec.Name == id {
			return v
		}
	}
	return nil
}

func (s *Swarm) ServiceInspectWithRaw(ctx context.Context, id string, _ swarm.ServiceInspectOptions) (swarm.Service,
	[]byte, error) {
	if err := s.enter(ctx, "ServiceInspect"); err != nil {
		return swarm.Service{}, nil, err
	}
	defer s.mu.Unlock()
	v := s.find(id)
	if v == nil {
		return swarm.Service{}, nil, missing("service", id)
	}
	return v.view(false), nil, nil
}

func (s *Swarm) ServiceCreate(ctx context.Context, spec swarm.ServiceSpec,
	_ swarm.ServiceCreateOptions) (swarm.ServiceCreateResponse, error) {
	if err := s.enter(ctx, "ServiceCreate"); err != nil {
		return swarm.ServiceCreateResponse{}, err
	}
	defer s.mu.Unlock()
	if s.find(spec.Name) != nil {
		return swarm.ServiceCreateResponse{}, exists("service", spec.Name)
	}
	resolved, err := s.resolve(spec)
	if err != nil {
		return swarm.ServiceCreateResponse{}, err
	}
	v := &service{Service: swarm.Service{ID: s.id("service"), Meta: s.meta(), Spec: resolved}}
	s.services = append(s.services, v)
	s.start(v)
	return swarm.ServiceCreateResponse{ID: v.ID}, nil
}

// resolve puts identifiers in the place of names, as Swarm does, and refuses names that the swarm does not have.
func (s *Swarm) resolve(spec swarm.ServiceSpec) (swarm.ServiceSpec, error) {
	spec = copied(spec)
	for i, n := range spec.TaskTemplate.Networks {
		found := slices.IndexFunc(s.networks, func(known network.Summary) bool {
			return known.Name == n.Target ||
				known.ID == n.Target
		})
		if found < 0 {
			return spec, missing("network", n.Target)
		}
		spec.TaskTemplate.Networks[i].Target = s.networks[found].ID
	}
	for _, ref := range spec.TaskTemplate.ContainerSpec.Configs {
		if !slices.ContainsFunc(s.configs, func(c swarm.Config) bool { return c.ID == ref.ConfigID }) {
			return spec, missing("config", ref.ConfigName)
		}
	}
	for _, ref := range spec.TaskTemplate.ContainerSpec.Secrets {
		if !slices.ContainsFunc(s.secrets, func(c swarm.Secret) bool { return c.ID == ref.SecretID }) {
			return spec, missing("secret", ref.SecretName)
		}
	}
	return spec, nil
}

func (s *Swarm) ServiceUpdate(ctx context.Context, id string, version swarm.Version, spec swarm.ServiceSpec,
	_ swarm.ServiceUpdateOptions) (swarm.ServiceUpdateResponse, error) {
	if err := s.enter(ctx, "ServiceUpdate"); err != nil {
		return swarm.ServiceUpdateResponse{}, err
	}
	defer s.mu.Unlock()
	v := s.find(id)
	if v == nil {
		return swarm.ServiceUpdateResponse{}, missing("service", id)
	}
	if v.Version != version {
		return swarm.ServiceUpdateResponse{}, outOfSequence()
	}
	resolved, err := s.resolve(spec)
	if err != nil {
		return swarm.ServiceUpdateResponse{}, err
	}
	s.change(v, resolved, swarm.UpdateStateUpdating)
	return swarm.ServiceUpdateResponse{}, nil
}

func (s *Swarm) change(v *service, spec swarm.ServiceSpec, state swarm.UpdateState) {
	before := v.Spec
	v.PreviousSpec, v.Spec = &before, spec
	v.Version = s.meta().Version
	if reflect.DeepEqual(before.TaskTemplate, spec.TaskTemplate) {
		for _, t := range v.tasks {
			t.version = v.Version.Index
		}
		s.scale(v)
		return
	}
	v.UpdateStatus = &swarm.UpdateStatus{State: state}
	for _, t := range v.tasks {
		t.stop()
	}
	s.start(v)
}

func (t *task) stop() {
	t.DesiredState = swarm.TaskStateShutdown
	if !ended(t.Status.State) {
		t.Status.State = swarm.TaskStateShutdown
	}
}

func ended(state swarm.TaskState) bool {
	return slices.Contains([]swarm.TaskState{swarm.TaskStateComplete, swarm.TaskStateFailed, swarm.TaskStateRejected,
		swarm.TaskStateShutdown}, state)
}

func (v *service) replicas() int {
	if v.Spec.Mode.Replicated != nil && v.Spec.Mode.Replicated.Replicas != nil {
		return int(*v.Spec.Mode.Replicated.Replicas)
	}
	return 1
}

func (s *Swarm) start(v *service) {
	if v.Spec.Mode.Global != nil {
		for _, node := range s.Nodes {
			s.startTask(v, 0, node.ID)
		}
		return
	}
	for slot := 1; slot <= v.replicas(); slot++ {
		s.startTask(v, slot, s.Nodes[slot%len(s.Nodes)].ID)
	}
}

func (s *Swarm) scale(v *service) {
	live := map[int]bool{}
	for _, t := range v.tasks {
		if t.DesiredState == swarm.TaskStateRunning {
			if t.Slot > v.replicas() {
				t.stop()
				continue
			}
			live[t.Slot] = true
		}
	}
	for slot := 1; v.Spec.Mode.Replicated != nil && slot <= v.replicas(); slot++ {
		if !live[slot] {
			s.startTask(v, slot, s.Nodes[slot%len(s.Nodes)].ID)
		}
	}
}

func (s *Swarm) startTask(v *service, slot int, node string) {
	image, _, _ := strings.Cut(v.Spec.TaskTemplate.ContainerSpec.Image, "@")
	t := &task{behaviour: s.Images[image], version: v.Version.Index, Task: swarm.Task{
		ID: s.id("task"), Meta: s.meta(), Slot: slot, NodeID: node, ServiceID: v.ID,
		Annotations: swarm.Annotations{Labels: v.Spec.Labels}, Spec: v.Spec.TaskTemplate,
		DesiredState: swarm.TaskStateRunning, Status: swarm.TaskStatus{State: swarm.TaskStatePreparing},
	}}
	if t.behaviour.Pending != "" {
		t.NodeID, t.Status.State, t.Status.Err = "", swarm.TaskStatePending, t.behaviour.Pending
	}
	v.tasks = append(v.tasks, t)
	s.age(t, time.Now())
}

func (s *Swarm) age(t *task, now time.Time) {
	b := t.behaviour
	age := now.Sub(t.CreatedAt)
	if ended(t.Status.State) || b.Pending != "" || age < b.Start {
		return
	}
	t.Status.State = swarm.TaskStateRunning
	if !(b.Ends || b.Lives > 0) || age < b.Start+b.Lives {
		return
	}
	t.DesiredState = swarm.TaskStateShutdown
	t.Status.State = swarm.TaskStateComplete
	t.Status.ContainerStatus = &swarm.ContainerStatus{ExitCode: b.Exit}
	if b.Exit != 0 {
		t.Status.State, t.Status.Err = swarm.TaskStateFailed, fmt.Sprintf("task: non-zero exit (%d)", b.Exit)
	}
}

// advance lets the time pass for all tasks, and replaces those that have ended as Swarm does.
func (s *Swarm) advance(now time.Time) {
	for _, v := range s.services {
		condition := swarm.RestartPolicyConditionAny
		if policy := v.Spec.TaskTemplate.RestartPolicy; policy != nil && policy.Condition != "" {
			condition = policy.Condition
		}
		running, failed := 0, false
		for _, t := range slices.Clone(v.tasks) {
			before := t.Status.State
			s.age(t, now)
			if t.version != v.Version.Index {
				continue
			}
			if t.Status.State == swarm.TaskStateRunning {
				running++
			}
			failed = failed || t.Status.State == swarm.TaskStateFailed
			restart := condition == swarm.RestartPolicyConditionAny ||
				condition == swarm.RestartPolicyConditionOnFailure && t.Status.State == swarm.TaskStateFailed
			if !ended(before) && ended(t.Status.State) && restart {
				s.startTask(v, t.Slot, t.NodeID)
			}
		}
		if v.UpdateStatus == nil {
			continue
		}
		action := swarm.UpdateFailureActionPause
		if v.Spec.UpdateConfig != nil {
			action = cmp.Or(v.Spec.UpdateConfig.FailureAction, action)
		}
		switch state := v.UpdateStatus.State; {
		case state == swarm.UpdateStateUpdating && failed && action == swarm.UpdateFailureActionPause:
			v.UpdateStatus = &swarm.UpdateStatus{State: swarm.UpdateStatePaused, Message: "update paused due to failure"}
		case state == swarm.UpdateStateUpdating && failed && action == swarm.UpdateFailureActionRollback:
			s.change(v, *v.PreviousSpec, swarm.UpdateStateRollbackStarted)
			v.PreviousSpec = nil
		case state == swarm.UpdateStateUpdating && running >= v.replicas():
			v.UpdateStatus = &swarm.UpdateStatus{State: swarm.UpdateStateCompleted}
		case state == swarm.UpdateStateRollbackStarted && running >= v.replicas():
			v.UpdateStatus = &swarm.UpdateStatus{State: swarm.UpdateStateRollbackCompleted}
		}
	}
}

func (s *Swarm) ServiceRemove(ctx context.Context, id string) error {
	if err := s.enter(ctx, "ServiceRemove"); err != nil {
		return err
	}
	defer s.mu.Unlock()
	v := s.find(id)
	if v == nil {
		return missing("service", id)
	}
	s.services = slices.DeleteFunc(s.services, func(other *service) bool { return other == v })
	return nil
}

func (s *Swarm) TaskList(ctx context.Context, options swarm.TaskListOptions) ([]swarm.Task, error) {
	if err := s.enter(ctx, "TaskList"); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	args := options.Filters
	var out []swarm.Task
	for _, v := range s.services {
		if args.Contains("service") && !args.ExactMatch("service", v.ID) && !args.ExactMatch("service", v.Spec.Name) ||
			!args.MatchKVList("label", v.Spec.Labels) {
			continue
		}
		for _, t := range v.tasks {
			if args.Contains("_up-to-date") && t.version != v.Version.Index ||
				args.Contains("desired-state") && !args.ExactMatch("desired-state", string(t.DesiredState)) {
				continue
			}
			out = append(out, copied(t.Task))
		}
	}
	return out, nil
}

// digest is that of a text: the same text has the same digest.
func digest(text string) string { return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(text))) }
