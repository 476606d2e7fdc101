package plan

import (
	"context"
	"fmt"
	"slices"

	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/swarm"
)

// bind returns a spec that refers to networks, configs and secrets by identifier, as Swarm wants it, where the
// given one has names.
func bind(ctx context.Context, engine Engine, spec swarm.ServiceSpec) (swarm.ServiceSpec, error) {
	var err error
	if spec.TaskTemplate.Networks, err = bindNetworks(ctx, engine, spec.TaskTemplate.Networks); err != nil {
		return spec, err
	}
	if spec.TaskTemplate.ContainerSpec == nil {
		return spec, nil
	}
	container := *spec.TaskTemplate.ContainerSpec
	if container.Configs, err = bindConfigs(ctx, engine, container.Configs); err != nil {
		return spec, err
	}
	if container.Secrets, err = bindSecrets(ctx, engine, container.Secrets); err != nil {
		return spec, err
	}
	spec.TaskTemplate.ContainerSpec = &container
	return spec, nil
}

// bindNetworks leaves a name that the swarm does not know. It is a network of the machines, such as host, which
// the engine resolves.
func bindNetworks(
	ctx context.Context, engine Engine, networks []swarm.NetworkAttachmentConfig,
) ([]swarm.NetworkAttachmentConfig, error) {
	if len(networks) == 0 {
		return networks, nil
	}
	all, err := engine.NetworkList(ctx, network.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list networks: %w", err)
	}
	ids := map[string]string{}
	for _, n := range all {
		if n.Scope != "local" {
			ids[n.Name] = n.ID
		}
	}
	bound := slices.Clone(networks)
	for i := range bound {
		if id, ok := ids[bound[i].Target]; ok {
			bound[i].Target = id
		}
	}
	return bound, nil
}

func bindConfigs(
	ctx context.Context, engine Engine, refs []*swarm.ConfigReference,
) ([]*swarm.ConfigReference, error) {
	if len(refs) == 0 {
		return refs, nil
	}
	all, err := engine.ConfigList(ctx, swarm.ConfigListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list configs: %w", err)
	}
	ids := map[string]string{}
	for _, config := range all {
		ids[config.Spec.Name] = config.ID
	}
	var bound []*swarm.ConfigReference
	for _, ref := range refs {
		copied := *ref
		if copied.ConfigID = ids[ref.ConfigName]; copied.ConfigID == "" {
			return nil, fmt.Errorf("config %s does not exist", ref.ConfigName)
		}
		bound = append(bound, &copied)
	}
	return bound, nil
}

func bindSecrets(
	ctx context.Context, engine Engine, refs []*swarm.SecretReference,
) ([]*swarm.SecretReference, error) {
	if len(refs) == 0 {
		return refs, nil
	}
	all, err := engine.SecretList(ctx, swarm.SecretListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list secrets: %w", err)
	}
	ids := map[string]string{}
	for _, secret := range all {
		ids[secret.Spec.Name] = secret.ID
	}
	var bound []*swarm.SecretReference
	for _, ref := range refs {
		copied := *ref
		if copied.SecretID = ids[ref.SecretName]; copied.SecretID == "" {
			return nil, fmt.Errorf("secret %s does not exist", ref.SecretName)
		}
		bound = append(bound, &copied)
	}
	return bound, nil
}
