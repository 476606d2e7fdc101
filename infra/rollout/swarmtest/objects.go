package swarmtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/swarm"
)

// errInUse is Swarm's answer to the removal of what a service refers to.
var errInUse = fmt.Errorf("it is in use: %w", cerrdefs.ErrInvalidArgument)

// errFrozen: only the labels of configs and secrets can be changed.
var errFrozen = errors.New("only updates to Labels are allowed")

func (s *Swarm) ConfigList(_ context.Context, options swarm.ConfigListOptions) ([]swarm.Config, error) {
	if err := s.enter("ConfigList", false, ""); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	var out []swarm.Config
	for _, config := range s.configs {
		ids := options.Filters.Get("id")
		if matches(options.Filters, config.Spec.Labels) && (len(ids) == 0 || slices.ContainsFunc(ids, func(id string) bool { return strings.HasPrefix(config.ID, id) })) {
			out = append(out, config)
		}
	}
	return out, nil
}

func (s *Swarm) ConfigCreate(_ context.Context, spec swarm.ConfigSpec) (swarm.ConfigCreateResponse, error) {
	if err := s.enter("ConfigCreate", true, spec.Name); err != nil {
		return swarm.ConfigCreateResponse{}, err
	}
	defer s.mu.Unlock()
	if slices.ContainsFunc(s.configs, func(c swarm.Config) bool { return c.Spec.Name == spec.Name }) {
		return swarm.ConfigCreateResponse{}, conflict("config", spec.Name)
	}
	if len(spec.Data) == 0 || len(spec.Name) > 64 {
		return swarm.ConfigCreateResponse{}, fmt.Errorf("config %s: invalid: %w", spec.Name, cerrdefs.ErrInvalidArgument)
	}
	version := s.next()
	id := fmt.Sprintf("config%d", version.Index)
	s.configs = append(s.configs, swarm.Config{ID: id, Meta: swarm.Meta{Version: version, CreatedAt: time.Now()}, Spec: spec})
	return swarm.ConfigCreateResponse{ID: id}, nil
}

func (s *Swarm) ConfigUpdate(_ context.Context, id string, version swarm.Version, spec swarm.ConfigSpec) error {
	if err := s.enter("ConfigUpdate", true, spec.Name); err != nil {
		return err
	}
	defer s.mu.Unlock()
	for i := range s.configs {
		config := &s.configs[i]
		switch {
		case config.ID != id:
			continue
		case config.Version != version:
			return errOutOfSequence
		case string(config.Spec.Data) != string(spec.Data):
			return errFrozen
		}
		config.Spec.Labels, config.Version = spec.Labels, s.next()
		return nil
	}
	return notFound("config", id)
}

func (s *Swarm) ConfigRemove(_ context.Context, id string) error {
	if err := s.enter("ConfigRemove", true, ""); err != nil {
		return err
	}
	defer s.mu.Unlock()
	for _, one := range s.services {
		for _, ref := range one.Spec.TaskTemplate.ContainerSpec.Configs {
			if ref.ConfigID == id {
				return errInUse
			}
		}
	}
	before := len(s.configs)
	s.configs = slices.DeleteFunc(s.configs, func(c swarm.Config) bool { return c.ID == id })
	if len(s.configs) == before {
		return notFound("config", id)
	}
	return nil
}

// SecretList returns secrets as Swarm does, without their data.
func (s *Swarm) SecretList(context.Context, swarm.SecretListOptions) ([]swarm.Secret, error) {
	if err := s.enter("SecretList", false, ""); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	out := slices.Clone(s.secrets)
	for i := range out {
		out[i].Spec.Data = nil
	}
	return out, nil
}

func (s *Swarm) SecretCreate(_ context.Context, spec swarm.SecretSpec) (swarm.SecretCreateResponse, error) {
	if err := s.enter("SecretCreate", true, spec.Name); err != nil {
		return swarm.SecretCreateResponse{}, err
	}
	defer s.mu.Unlock()
	if slices.ContainsFunc(s.secrets, func(c swarm.Secret) bool { return c.Spec.Name == spec.Name }) {
		return swarm.SecretCreateResponse{}, conflict("secret", spec.Name)
	}
	version := s.next()
	id := fmt.Sprintf("secret%d", version.Index)
	s.secrets = append(s.secrets, swarm.Secret{ID: id, Meta: swarm.Meta{Version: version, CreatedAt: time.Now()}, Spec: spec})
	return swarm.SecretCreateResponse{ID: id}, nil
}

func (s *Swarm) SecretUpdate(_ context.Context, id string, version swarm.Version, spec swarm.SecretSpec) error {
	if err := s.enter("SecretUpdate", true, spec.Name); err != nil {
		return err
	}
	defer s.mu.Unlock()
	for i := range s.secrets {
		secret := &s.secrets[i]
		if secret.ID != id {
			continue
		}
		if secret.Version != version {
			return errOutOfSequence
		}
		secret.Spec.Labels, secret.Version = spec.Labels, s.next()
		return nil
	}
	return notFound("secret", id)
}

func (s *Swarm) SecretRemove(_ context.Context, id string) error {
	if err := s.enter("SecretRemove", true, ""); err != nil {
		return err
	}
	defer s.mu.Unlock()
	for _, one := range s.services {
		for _, ref := range one.Spec.TaskTemplate.ContainerSpec.Secrets {
			if ref.SecretID == id {
				return errInUse
			}
		}
	}
	s.secrets = slices.DeleteFunc(s.secrets, func(c swarm.Secret) bool { return c.ID == id })
	return nil
}
