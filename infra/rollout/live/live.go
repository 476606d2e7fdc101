// Package live reads what a swarm has of a stack now.
package live

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"boardcafe/infra/rollout/model"

	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/api/types/system"
)

// Engine is the part of the Docker API that reads a swarm.
type Engine interface {
	Info(ctx context.Context) (system.Info, error)
	ServiceList(ctx context.Context, options swarm.ServiceListOptions) ([]swarm.Service, error)
	NetworkList(ctx context.Context, options network.ListOptions) ([]network.Summary, error)
	ConfigList(ctx context.Context, options swarm.ConfigListOptions) ([]swarm.Config, error)
	SecretList(ctx context.Context, options swarm.SecretListOptions) ([]swarm.Secret, error)
}

// State is a stack as the swarm has it.
type State struct {
	Services []swarm.Service // by name; without jobs
	Jobs     []swarm.Service // left by a rollout that was killed
	Networks []network.Summary
	Configs  []swarm.Config // of the whole swarm
	Secrets  []swarm.Secret // of the whole swarm; Swarm gives nobody their values
}

// ErrNotManager says that the engine is not the manager of a swarm.
var ErrNotManager = errors.New("this engine is not a swarm manager; " +
	"name one with --host, or make it one with: docker swarm init")

// Read reads the state of a stack.
func Read(ctx context.Context, engine Engine, name string) (*State, error) {
	if err := CheckManager(ctx, engine); err != nil {
		return nil, err
	}
	state := &State{}
	services, err := engine.ServiceList(ctx, swarm.ServiceListOptions{Filters: model.OfStack(name), Status: true})
	if err != nil {
		return nil, fmt.Errorf("list services: %w", err)
	}
	slices.SortFunc(services, func(a, b swarm.Service) int { return strings.Compare(a.Spec.Name, b.Spec.Name) })
	for _, service := range services {
		if service.Spec.Labels[model.LabelJob] != "" {
			state.Jobs = append(state.Jobs, service)
			continue
		}
		state.Services = append(state.Services, service)
	}
	if state.Networks, err = engine.NetworkList(ctx, network.ListOptions{}); err != nil {
		return nil, fmt.Errorf("list networks: %w", err)
	}
	if state.Configs, err = engine.ConfigList(ctx, swarm.ConfigListOptions{}); err != nil {
		return nil, fmt.Errorf("list configs: %w", err)
	}
	if state.Secrets, err = engine.SecretList(ctx, swarm.SecretListOptions{}); err != nil {
		return nil, fmt.Errorf("list secrets: %w", err)
	}
	return state, nil
}

// CheckManager returns an error for an engine that does not manage a swarm.
func CheckManager(ctx context.Context, engine Engine) error {
	info, err := engine.Info(ctx)
	if err != nil {
		return fmt.Errorf("the Docker engine does not answer: %w", err)
	}
	if !info.Swarm.ControlAvailable {
		return ErrNotManager
	}
	return nil
}

// Service finds a service by its full name.
func (s *State) Service(name string) (swarm.Service, bool) {
	for _, service := range s.Services {
		if service.Spec.Name == name {
			return service, true
		}
	}
	return swarm.Service{}, false
}

// HasNetwork tells whether a network of that name exists.
func (s *State) HasNetwork(name string) bool {
	return slices.ContainsFunc(s.Networks, func(n network.Summary) bool { return n.Name == name })
}

// NetworkName returns the name of the network with that identifier. A swarm keeps the identifier where a file has
// the name.
func (s *State) NetworkName(id string) string {
	for _, n := range s.Networks {
		if n.ID == id {
			return n.Name
		}
	}
	return id
}

// HasConfig tells whether a config of that name exists.
func (s *State) HasConfig(name string) bool {
	return slices.ContainsFunc(s.Configs, func(c swarm.Config) bool { return c.Spec.Name == name })
}

// HasSecret tells whether a secret of that name exists.
func (s *State) HasSecret(name string) bool {
	return slices.ContainsFunc(s.Secrets, func(c swarm.Secret) bool { return c.Spec.Name == name })
}

// CurrentSecrets returns, by key, the version of each secret that `secret set` has made current.
func (s *State) CurrentSecrets(name string) map[string]string {
	current, order := map[string]string{}, map[string]int{}
	for _, secret := range s.Secrets {
		labels := secret.Spec.Labels
		key, set := labels[model.LabelKey], SetOrder(labels)
		if !model.Owns(name, labels) || set <= order[key] {
			continue
		}
		current[key], order[key] = secret.Spec.Name, set
	}
	return current
}

// SetOrder is the place of a secret's version among those that were set by hand. It is 0 for a version from a file.
// It is a count and not a time: the people who set secrets have different clocks.
func SetOrder(labels map[string]string) int {
	order, _ := strconv.Atoi(labels[model.LabelSet])
	return order
}
