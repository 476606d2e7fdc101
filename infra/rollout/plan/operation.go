package plan

import (
	"context"

	"fmt"
	"strings"
	"time"

	"boardcafe/infra/rollout/stack"

	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/swarm"
)

// Operation is one step of a plan: the same value is shown to people and run against the swarm, so
// that the two cannot differ.
type Operation interface {
	// Line is what a plan shows of it.
	Line() Line
	// Run does it.
	Run(ctx context.Context, target Target) error
	// Undo is the operation that takes it back; nil where nothing needs to be taken back.
	Undo() Operation
}

// Target is the swarm that operations run against.
type Target struct {
	Engine Engine
	// Auth returns the registry credentials for an image, encoded for the engine, or "".
	Auth func(image string) string
	Jobs JobRunner
}

// Engine is the part of the Docker API that operations write with.
type Engine interface {
	ServiceInspectWithRaw(ctx context.Context, id string, options swarm.ServiceInspectOptions) (swarm.Service, []byte, error)
	ServiceCreate(ctx context.Context, spec swarm.ServiceSpec, options swarm.ServiceCreateOptions) (swarm.ServiceCreateResponse, error)
	ServiceUpdate(ctx context.Context, id string, version swarm.Version, spec swarm.ServiceSpec, options swarm.ServiceUpdateOptions) (swarm.ServiceUpdateResponse, error)
	ServiceRemove(ctx context.Context, id string) error
	NetworkCreate(ctx context.Context, name string, options network.CreateOptions) (network.CreateResponse, error)
	NetworkRemove(ctx context.Context, name string) error
	ConfigList(ctx context.Context, options swarm.ConfigListOptions) ([]swarm.Config, error)
	ConfigCreate(ctx context.Context, spec swarm.ConfigSpec) (swarm.ConfigCreateResponse, error)
	ConfigRemove(ctx context.Context, id string) error
	SecretList(ctx context.Context, options swarm.SecretListOptions) ([]swarm.Secret, error)
	SecretCreate(ctx context.Context, spec swarm.SecretSpec) (swarm.SecretCreateResponse, error)
	SecretRemove(ctx context.Context, id string) error
}

// JobRunner runs a job to its end.
type JobRunner interface {
	RunJob(ctx context.Context, name string, spec swarm.ServiceSpec, timeout time.Duration) error
}

// Line is one line of a plan.
type Line struct {
	Action  Action   `json:"action"`
	Kind    string   `json:"kind"`
	Name    string   `json:"name"`
	Note    string   `json:"note,omitempty"`
	Changes []Change `json:"changes,omitempty"`
}

// Action is what an operation does to its object.
type Action string

// The actions.
const (
	Create    Action = "create"
	Update    Action = "update"
	Replace   Action = "replace"
	Remove    Action = "remove"
	Run       Action = "run"
	Keep      Action = "keep"
	Unchanged Action = "unchanged"
)

// ChangedError is returned when somebody else changed a service between plan and update.
type ChangedError struct {
	Service string
	Changes []Change
}

func (e *ChangedError) Error() string {
	var fields []string
	for _, change := range e.Changes {
		fields = append(fields, change.Field)
	}
	return fmt.Sprintf("service %s was changed by someone else meanwhile (%s); look at it with: rollout plan", e.Service, strings.Join(fields, ", "))
}

// CreateNetwork creates a network. It is not undone: another stack may have joined it meanwhile.
type CreateNetwork struct{ Network stack.Network }

func (o CreateNetwork) Line() Line {
	return Line{Action: Create, Kind: "network", Name: o.Network.Name, Note: o.Network.Options.Driver}
}

func (o CreateNetwork) Run(ctx context.Context, t Target) error {
	if _, err := t.Engine.NetworkCreate(ctx, o.Network.Name, o.Network.Options); err != nil && !conflict(err) {
		return fmt.Errorf("create network %s: %w", o.Network.Name, err)
	}
	return nil
}

func (o CreateNetwork) Undo() Operation { return nil }

// CreateConfig creates one version of a config. A version that nothing uses harms nobody and is
// pruned later: it is not undone.
type CreateConfig struct{ Object stack.Object }

func (o CreateConfig) Line() Line {
	return Line{Action: Create, Kind: "config", Name: o.Object.Name, Note: "new version of " + o.Object.Key}
}

func (o CreateConfig) Run(ctx context.Context, t Target) error {
	spec := swarm.ConfigSpec{
		Annotations: swarm.Annotations{Name: o.Object.Name, Labels: o.Object.Labels},
		Data:        o.Object.Data,
		Templating:  o.Object.Templating,
	}
	if _, err := t.Engine.ConfigCreate(ctx, spec); err != nil && !conflict(err) {
		return fmt.Errorf("create config %s: %w", o.Object.Name, err)
	}
	return nil
}

func (o CreateConfig) Undo() Operation { return nil }

// CreateSecret creates one version of a secret.
type CreateSecret struct{ Object stack.Object }

func (o CreateSecret) Line() Line {
	return Line{Action: Create, Kind: "secret", Name: o.Object.Name, Note: "new version of " + o.Object.Key}
}

func (o CreateSecret) Run(ctx context.Context, t Target) error {
	spec := swarm.SecretSpec{
		Annotations: swarm.Annotations{Name: o.Object.Name, Labels: o.Object.Labels},
		Data:        o.Object.Data,
		Driver:      o.Object.Driver,
		Templating:  o.Object.Templating,
	}
	if _, err := t.Engine.SecretCreate(ctx, spec); err != nil && !conflict(err) {
		return fmt.Errorf("create secret %s: %w", o.Object.Name, err)
	}
	return nil
}

func (o CreateSecret) Undo() Operation { return nil }

// RunJob runs a job once. What a migration did stays done: schemas are expanded before they are
// contracted, and the release before must work on the new one.
type RunJob struct {
	Name    string
	Spec    swarm.ServiceSpec
	Timeout time.Duration
}

func (o RunJob) Line() Line {
	return Line{Action: Run, Kind: "job", Name: o.Name, Note: image(o.Spec)}
}

func (o RunJob) Run(ctx context.Context, t Target) error {
	spec, err := bind(ctx, t.Engine, o.Spec)
	if err != nil {
		return fmt.Errorf("job %s: %w", o.Name, err)
	}
	return t.Jobs.RunJob(ctx, o.Name, spec, o.Timeout)
}

func (o RunJob) Undo() Operation { return nil }

// RemoveConfig removes a version of a config that nothing needs.
type RemoveConfig struct{ ID, Name string }

func (o RemoveConfig) Line() Line {
	return Line{Action: Remove, Kind: "config", Name: o.Name, Note: "no kept release needs it"}
}

func (o RemoveConfig) Run(ctx context.Context, t Target) error {
	return wrap("remove config "+o.Name, t.Engine.ConfigRemove(ctx, o.ID))
}

func (o RemoveConfig) Undo() Operation { return nil }

// RemoveSecret removes a version of a secret that nothing needs.
type RemoveSecret struct{ ID, Name string }

func (o RemoveSecret) Line() Line {
	return Line{Action: Remove, Kind: "secret", Name: o.Name, Note: "no kept release needs it"}
}

func (o RemoveSecret) Run(ctx context.Context, t Target) error {
	return wrap("remove secret "+o.Name, t.Engine.SecretRemove(ctx, o.ID))
}

func (o RemoveSecret) Undo() Operation { return nil }

// RemoveNetwork removes a network of the stack that the file no longer has.
type RemoveNetwork struct{ ID, Name string }

func (o RemoveNetwork) Line() Line {
	return Line{Action: Remove, Kind: "network", Name: o.Name, Note: "not in the file"}
}

func (o RemoveNetwork) Run(ctx context.Context, t Target) error {
	return wrap("remove network "+o.Name, t.Engine.NetworkRemove(ctx, o.ID))
}

func (o RemoveNetwork) Undo() Operation { return nil }

func wrap(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// bind fills the identifiers of configs and secrets into a spec that has their names.
func bind(ctx context.Context, engine Engine, spec swarm.ServiceSpec) (swarm.ServiceSpec, error) {
	container := spec.TaskTemplate.ContainerSpec
	if container == nil || len(container.Configs)+len(container.Secrets) == 0 {
		return spec, nil
	}
	bound := *container
	bound.Configs, bound.Secrets = nil, nil
	configs, err := engine.ConfigList(ctx, swarm.ConfigListOptions{Filters: filters.NewArgs()})
	if err != nil {
		return spec, fmt.Errorf("list configs: %w", err)
	}
	ids := map[string]string{}
	for _, config := range configs {
		ids[config.Spec.Name] = config.ID
	}
	for _, ref := range container.Configs {
		copied := *ref
		if copied.ConfigID = ids[ref.ConfigName]; copied.ConfigID == "" {
			return spec, fmt.Errorf("config %s does not exist", ref.ConfigName)
		}
		bound.Configs = append(bound.Configs, &copied)
	}
	secrets, err := engine.SecretList(ctx, swarm.SecretListOptions{Filters: filters.NewArgs()})
	if err != nil {
		return spec, fmt.Errorf("list secrets: %w", err)
	}
	ids = map[string]string{}
	for _, secret := range secrets {
		ids[secret.Spec.Name] = secret.ID
	}
	for _, ref := range container.Secrets {
		copied := *ref
		if copied.SecretID = ids[ref.SecretName]; copied.SecretID == "" {
			return spec, fmt.Errorf("secret %s does not exist", ref.SecretName)
		}
		bound.Secrets = append(bound.Secrets, &copied)
	}
	spec.TaskTemplate.ContainerSpec = &bound
	return spec, nil
}

func image(spec swarm.ServiceSpec) string {
	if spec.TaskTemplate.ContainerSpec == nil {
		return ""
	}
	return spec.TaskTemplate.ContainerSpec.Image
}

// outOfSequence recognises Swarm's answer to an update of a version that is not the newest. It
// has no type of its own: the engine reports it like any wrong argument.
func outOfSequence(err error) bool {
	return err != nil && strings.Contains(err.Error(), "update out of sequence")
}
