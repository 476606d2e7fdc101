package swarmtest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"boardcafe/infra/rollout/model"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/registry"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/pkg/stdcopy"
)

func (s *Swarm) NetworkList(ctx context.Context, _ network.ListOptions) ([]network.Summary, error) {
	if err := s.enter(ctx, "NetworkList"); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	return slices.Clone(s.networks), nil
}

func (s *Swarm) NetworkCreate(ctx context.Context, name string,
	options network.CreateOptions) (network.CreateResponse, error) {
	if err := s.enter(ctx, "NetworkCreate"); err != nil {
		return network.CreateResponse{}, err
	}
	defer s.mu.Unlock()
	for _, n := range s.networks {
		if n.Name == name {
			return network.CreateResponse{}, exists("network", name)
		}
	}
	id := s.id("network")
	s.networks = append(s.networks, network.Summary{
		ID: id, Name: name, Driver: options.Driver, Labels: options.Labels, Attachable: options.Attachable,
		Internal: options.Internal,
	})
	return network.CreateResponse{ID: id}, nil
}

func (s *Swarm) NetworkRemove(ctx context.Context, id string) error {
	if err := s.enter(ctx, "NetworkRemove"); err != nil {
		return err
	}
	defer s.mu.Unlock()
	return remove(&s.networks, "network", id, func(n network.Summary) string { return n.ID })
}

func remove[T any](list *[]T, kind, id string, idOf func(T) string) error {
	i := slices.IndexFunc(*list, func(o T) bool { return idOf(o) == id })
	if i < 0 {
		return missing(kind, id)
	}
	*list = slices.Delete(slices.Clone(*list), i, i+1)
	return nil
}

func (s *Swarm) ConfigList(ctx context.Context, options swarm.ConfigListOptions) ([]swarm.Config, error) {
	if err := s.enter(ctx, "ConfigList"); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	var out []swarm.Config
	for _, c := range s.configs {
		if matches(options.Filters, c.ID, c.Spec.Labels) {
			out = append(out, copied(c))
		}
	}
	return out, nil
}

func (s *Swarm) ConfigCreate(ctx context.Context, spec swarm.ConfigSpec) (swarm.ConfigCreateResponse, error) {
	if err := s.enter(ctx, "ConfigCreate"); err != nil {
		return swarm.ConfigCreateResponse{}, err
	}
	defer s.mu.Unlock()
	for _, c := range s.configs {
		if c.Spec.Name == spec.Name {
			return swarm.ConfigCreateResponse{}, exists("config", spec.Name)
		}
	}
	c := swarm.Config{ID: s.id("config"), Meta: s.meta(), Spec: copied(spec)}
	s.configs = append(s.configs, c)
	return swarm.ConfigCreateResponse{ID: c.ID}, nil
}

func immutable() error {
	return fmt.Errorf("only updates to Labels are allowed: %w", cerrdefs.ErrInvalidArgument)
}

func (s *Swarm) ConfigUpdate(ctx context.Context, id string, version swarm.Version, spec swarm.ConfigSpec) error {
	if err := s.enter(ctx, "ConfigUpdate"); err != nil {
		return err
	}
	defer s.mu.Unlock()
	for i, c := range s.configs {
		switch {
		case c.ID != id:
		case c.Version != version:
			return outOfSequence()
		case c.Spec.Name != spec.Name || !bytes.Equal(c.Spec.Data, spec.Data):
			return immutable()
		default:
			s.configs[i].Spec, s.configs[i].Version = copied(spec), s.meta().Version
			return nil
		}
	}
	return missing("config", id)
}

func (s *Swarm) ConfigRemove(ctx context.Context, id string) error {
	if err := s.enter(ctx, "ConfigRemove"); err != nil {
		return err
	}
	defer s.mu.Unlock()
	for _, v := range s.services {
		for _, ref := range v.Spec.TaskTemplate.ContainerSpec.Configs {
			if ref.ConfigID == id {
				return fmt.Errorf("config %s is in use: %w", ref.ConfigName, cerrdefs.ErrInvalidArgument)
			}
		}
	}
	return remove(&s.configs, "config", id, func(c swarm.Config) string { return c.ID })
}

func (s *Swarm) SecretList(ctx context.Context, options swarm.SecretListOptions) ([]swarm.Secret, error) {
	if err := s.enter(ctx, "SecretList"); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	var out []swarm.Secret
	for _, c := range s.secrets {
		if matches(options.Filters, c.ID, c.Spec.Labels) {
			c = copied(c)
			c.Spec.Data = nil // Swarm gives nobody the value of a secret
			out = append(out, c)
		}
	}
	return out, nil
}

func (s *Swarm) SecretCreate(ctx context.Context, spec swarm.SecretSpec) (swarm.SecretCreateResponse, error) {
	if err := s.enter(ctx, "SecretCreate"); err != nil {
		return swarm.SecretCreateResponse{}, err
	}
	defer s.mu.Unlock()
	for _, c := range s.secrets {
		if c.Spec.Name == spec.Name {
			return swarm.SecretCreateResponse{}, exists("secret", spec.Name)
		}
	}
	c := swarm.Secret{ID: s.id("secret"), Meta: s.meta(), Spec: copied(spec)}
	s.secrets = append(s.secrets, c)
	return swarm.SecretCreateResponse{ID: c.ID}, nil
}

func (s *Swarm) SecretUpdate(ctx context.Context, id string, version swarm.Version, spec swarm.SecretSpec) error {
	if err := s.enter(ctx, "SecretUpdate"); err != nil {
		return err
	}
	defer s.mu.Unlock()
	for i, c := range s.secrets {
		switch {
		case c.ID != id:
		case c.Version != version:
			return outOfSequence()
		case c.Spec.Name != spec.Name || spec.Data != nil && !bytes.Equal(c.Spec.Data, spec.Data):
			return immutable()
		default:
			s.secrets[i].Spec.Labels, s.secrets[i].Version = spec.Labels, s.meta().Version
			return nil
		}
	}
	return missing("secret", id)
}

func (s *Swarm) SecretRemove(ctx context.Context, id string) error {
	if err := s.enter(ctx, "SecretRemove"); err != nil {
		return err
	}
	defer s.mu.Unlock()
	for _, v := range s.services {
		for _, ref := range v.Spec.TaskTemplate.ContainerSpec.Secrets {
			if ref.SecretID == id {
				return fmt.Errorf("secret %s is in use: %w", ref.SecretName, cerrdefs.ErrInvalidArgument)
			}
		}
	}
	return remove(&s.secrets, "secret", id, func(c swarm.Secret) string { return c.ID })
}

// DistributionInspect is what the registry says about an image.
func (s *Swarm) DistributionInspect(ctx context.Context, image, _ string) (registry.DistributionInspect, error) {
	if err := s.enter(ctx, "DistributionInspect"); err != nil {
		return registry.DistributionInspect{}, err
	}
	defer s.mu.Unlock()
	if s.Missing[image] {
		return registry.DistributionInspect{}, missing("manifest", image)
	}
	var found registry.DistributionInspect
	const platforms = `[{"architecture":"amd64","os":"linux"},{"architecture":"arm","os":"linux"}]`
	answer := fmt.Appendf(nil, `{"Descriptor":{"digest":%q},"Platforms":%s}`, digest(image), platforms)
	err := json.Unmarshal(answer, &found)
	return found, err
}

// TaskLogs is the output of a task, in the frames of the engine.
func (s *Swarm) TaskLogs(ctx context.Context, id string, _ container.LogsOptions) (io.ReadCloser, error) {
	if err := s.enter(ctx, "TaskLogs"); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	for _, v := range s.services {
		for _, t := range v.tasks {
			if t.ID == id {
				var framed bytes.Buffer
				if _, err := stdcopy.NewStdWriter(&framed, stdcopy.Stdout).Write([]byte(t.behaviour.Log)); err != nil {
					return nil, err
				}
				return io.NopCloser(&framed), nil
			}
		}
	}
	return nil, missing("task", id)
}

// StackRemove removes all that has Docker's label of the stack, as `docker stack rm` does.
func (s *Swarm) StackRemove(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ofStack := func(labels map[string]string) bool { return labels[model.LabelNamespace] == name }
	s.services = slices.DeleteFunc(s.services, func(v *service) bool { return ofStack(v.Spec.Labels) })
	s.configs = slices.DeleteFunc(s.configs, func(c swarm.Config) bool { return ofStack(c.Spec.Labels) })
	s.secrets = slices.DeleteFunc(s.secrets, func(c swarm.Secret) bool { return ofStack(c.Spec.Labels) })
	s.networks = slices.DeleteFunc(s.networks, func(n network.Summary) bool { return ofStack(n.Labels) })
}
