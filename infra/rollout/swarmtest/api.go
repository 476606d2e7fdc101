package swarmtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/registry"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/api/types/system"
	"github.com/docker/docker/pkg/stdcopy"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

var errOutOfSequence = errors.New("rpc error: code = Unknown desc = update out of sequence")

func notFound(kind, name string) error {
	return fmt.Errorf("no such %s: %s: %w", kind, name, cerrdefs.ErrNotFound)
}

func conflict(kind, name string) error {
	return fmt.Errorf("%s %s already exists: %w", kind, name, cerrdefs.ErrConflict)
}

// matches applies the label filters of a list.
func matches(args filters.Args, labels map[string]string) bool {
	for _, label := range args.Get("label") {
		name, value, exact := strings.Cut(label, "=")
		got, ok := labels[name]
		if !ok || exact && got != value {
			return false
		}
	}
	return true
}

func (s *Swarm) Info(context.Context) (system.Info, error) {
	if err := s.enter("Info", false, ""); err != nil {
		return system.Info{}, err
	}
	defer s.mu.Unlock()
	return system.Info{Swarm: swarm.Info{ControlAvailable: true, LocalNodeState: swarm.LocalNodeStateActive}}, nil
}

func (s *Swarm) NodeList(context.Context, swarm.NodeListOptions) ([]swarm.Node, error) {
	if err := s.enter("NodeList", false, ""); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	return slices.Clone(s.nodes), nil
}

func (s *Swarm) ServiceList(_ context.Context, options swarm.ServiceListOptions) ([]swarm.Service, error) {
	if err := s.enter("ServiceList", false, ""); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	var out []swarm.Service
	for _, one := range s.services {
		if matches(options.Filters, one.Spec.Labels) {
			out = append(out, s.shown(one))
		}
	}
	return out, nil
}

// shown is a service as the API returns it: a copy, with the count of its tasks.
func (s *Swarm) shown(one *service) swarm.Service {
	out := one.Service
	out.Spec = clone(one.Spec)
	status := &swarm.ServiceStatus{DesiredTasks: uint64(len(s.slots(one)))}
	for _, t := range s.tasks {
		if t.ServiceID == one.ID && t.Status.State == swarm.TaskStateRunning {
			status.RunningTasks++
		}
	}
	out.ServiceStatus = status
	return out
}

func (s *Swarm) ServiceInspectWithRaw(_ context.Context, id string, _ swarm.ServiceInspectOptions) (swarm.Service, []byte, error) {
	if err := s.enter("ServiceInspectWithRaw", false, ""); err != nil {
		return swarm.Service{}, nil, err
	}
	defer s.mu.Unlock()
	one := s.find(id)
	if one == nil {
		return swarm.Service{}, nil, notFound("service", id)
	}
	return s.shown(one), nil, nil
}

func (s *Swarm) ServiceCreate(_ context.Context, spec swarm.ServiceSpec, _ swarm.ServiceCreateOptions) (swarm.ServiceCreateResponse, error) {
	if err := s.enter("ServiceCreate", true, spec.Name); err != nil {
		return swarm.ServiceCreateResponse{}, err
	}
	defer s.mu.Unlock()
	if s.find(spec.Name) != nil {
		return swarm.ServiceCreateResponse{}, conflict("service", spec.Name)
	}
	spec, err := s.stored(spec)
	if err != nil {
		return swarm.ServiceCreateResponse{}, err
	}
	version, now := s.next(), time.Now()
	one := &service{Service: swarm.Service{
		ID: fmt.Sprintf("service%d", version.Index), Meta: swarm.Meta{Version: version, CreatedAt: now, UpdatedAt: now}, Spec: spec,
	}}
	s.services = append(s.services, one)
	s.start(one, now)
	return swarm.ServiceCreateResponse{ID: one.ID}, nil
}

// stored is a spec as Swarm keeps it: identifiers for the names of networks, what a file leaves out
// filled in, and references that must exist.
func (s *Swarm) stored(spec swarm.ServiceSpec) (swarm.ServiceSpec, error) {
	spec = clone(spec)
	for i, target := range spec.TaskTemplate.Networks {
		at := slices.IndexFunc(s.networks, func(n network.Summary) bool { return n.Name == target.Target || n.ID == target.Target })
		if at < 0 {
			return spec, notFound("network", target.Target)
		}
		spec.TaskTemplate.Networks[i].Target = s.networks[at].ID
	}
	if spec.EndpointSpec != nil {
		for i := range spec.EndpointSpec.Ports {
			if spec.EndpointSpec.Ports[i].Protocol == "" {
				spec.EndpointSpec.Ports[i].Protocol = swarm.PortConfigProtocolTCP
			}
		}
	}
	for _, ref := range spec.TaskTemplate.ContainerSpec.Configs {
		if !slices.ContainsFunc(s.configs, func(c swarm.Config) bool { return c.ID == ref.ConfigID }) {
			return spec, notFound("config", ref.ConfigName)
		}
	}
	for _, ref := range spec.TaskTemplate.ContainerSpec.Secrets {
		if !slices.ContainsFunc(s.secrets, func(c swarm.Secret) bool { return c.ID == ref.SecretID }) {
			return spec, notFound("secret", ref.SecretName)
		}
	}
	return spec, nil
}

func (s *Swarm) ServiceUpdate(_ context.Context, id string, version swarm.Version, spec swarm.ServiceSpec, _ swarm.ServiceUpdateOptions) (swarm.ServiceUpdateResponse, error) {
	var none swarm.ServiceUpdateResponse
	if err := s.enter("ServiceUpdate", true, spec.Name); err != nil {
		return none, err
	}
	defer s.mu.Unlock()
	one := s.find(id)
	if one == nil {
		return none, notFound("service", id)
	}
	if one.Version != version {
		return none, errOutOfSequence
	}
	spec, err := s.stored(spec)
	if err != nil {
		return none, err
	}
	before := one.Spec
	one.PreviousSpec, one.Spec = &before, spec
	one.Version, one.UpdatedAt, one.UpdateStatus, one.rolledBack = s.next(), time.Now(), nil, false
	one.updating = slices.ContainsFunc(s.tasks, func(t *task) bool { return t.ServiceID == one.ID && s.dirty(one, t) })
	if one.updating {
		one.UpdateStatus = &swarm.UpdateStatus{State: swarm.UpdateStateUpdating}
	}
	return none, nil
}

func (s *Swarm) ServiceRemove(_ context.Context, id string) error {
	s.mu.Lock()
	name := id
	if one := s.find(id); one != nil {
		name = one.Spec.Name
	}
	s.mu.Unlock()
	if err := s.enter("ServiceRemove", true, name); err != nil {
		return err
	}
	defer s.mu.Unlock()
	one := s.find(id)
	if one == nil {
		return notFound("service", id)
	}
	s.services = slices.DeleteFunc(s.services, func(other *service) bool { return other == one })
	s.tasks = slices.DeleteFunc(s.tasks, func(t *task) bool { return t.ServiceID == one.ID })
	return nil
}

func (s *Swarm) TaskList(_ context.Context, options swarm.TaskListOptions) ([]swarm.Task, error) {
	if err := s.enter("TaskList", false, ""); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	var out []swarm.Task
	for _, t := range newest(s.tasks) {
		one := s.find(t.ServiceID)
		wanted := options.Filters.Get("service")
		switch {
		case !matches(options.Filters, t.Labels):
		case len(wanted) > 0 && !slices.Contains(wanted, one.ID) && !slices.Contains(wanted, one.Spec.Name):
		case options.Filters.Contains("_up-to-date") && s.dirty(one, t):
		case options.Filters.Contains("desired-state") && t.DesiredState != swarm.TaskStateRunning:
		default:
			out = append(out, t.Task)
		}
	}
	return out, nil
}

func (s *Swarm) TaskLogs(_ context.Context, id string, _ container.LogsOptions) (io.ReadCloser, error) {
	if err := s.enter("TaskLogs", false, ""); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	for _, t := range s.tasks {
		if t.ID == id {
			image, _ := s.image(t.Spec.ContainerSpec.Image)
			var framed bytes.Buffer
			io.WriteString(stdcopy.NewStdWriter(&framed, stdcopy.Stderr), image.Log)
			return io.NopCloser(&framed), nil
		}
	}
	return nil, notFound("task", id)
}

func (s *Swarm) DistributionInspect(_ context.Context, image, auth string) (registry.DistributionInspect, error) {
	if err := s.enter("DistributionInspect", false, ""); err != nil {
		return registry.DistributionInspect{}, err
	}
	defer s.mu.Unlock()
	found, ok := s.Images[image]
	switch {
	case s.Password != "" && auth != s.Password:
		return registry.DistributionInspect{}, errors.New("unauthorized: authentication required")
	case !ok:
		return registry.DistributionInspect{}, errors.New("manifest unknown")
	}
	return registry.DistributionInspect{
		Descriptor: ocispec.Descriptor{Digest: digest.Digest("sha256:" + found.Digest)},
		Platforms:  []ocispec.Platform{{OS: "linux", Architecture: "amd64"}, {OS: "linux", Architecture: "arm"}},
	}, nil
}

func (s *Swarm) NetworkList(context.Context, network.ListOptions) ([]network.Summary, error) {
	if err := s.enter("NetworkList", false, ""); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	return slices.Clone(s.networks), nil
}

func (s *Swarm) NetworkCreate(_ context.Context, name string, options network.CreateOptions) (network.CreateResponse, error) {
	if err := s.enter("NetworkCreate", true, name); err != nil {
		return network.CreateResponse{}, err
	}
	defer s.mu.Unlock()
	if slices.ContainsFunc(s.networks, func(n network.Summary) bool { return n.Name == name }) {
		return network.CreateResponse{}, conflict("network", name)
	}
	id := "net-" + name
	s.networks = append(s.networks, network.Summary{ID: id, Name: name, Driver: options.Driver, Labels: options.Labels,
		Internal: options.Internal, Attachable: options.Attachable, Scope: "swarm"})
	return network.CreateResponse{ID: id}, nil
}

func (s *Swarm) NetworkRemove(_ context.Context, id string) error {
	if err := s.enter("NetworkRemove", true, id); err != nil {
		return err
	}
	defer s.mu.Unlock()
	s.networks = slices.DeleteFunc(s.networks, func(n network.Summary) bool { return n.ID == id || n.Name == id })
	return nil
}
