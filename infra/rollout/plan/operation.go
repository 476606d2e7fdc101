package plan

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/swarm"
)

// Operation is one step of a plan. The same value is shown to people and run against the swarm, so the two
// cannot differ.
type Operation interface {
	// Line is what a plan shows of it.
	Line() Line
	// Run does it.
	Run(ctx context.Context, target Target) error
	// Undo is the operation that takes it back. It is nil where nothing needs to be taken back.
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
	ServiceInspectWithRaw(
		ctx context.Context, id string, options swarm.ServiceInspectOptions,
	) (swarm.Service, []byte, error)
	ServiceCreate(
		ctx context.Context, spec swarm.ServiceSpec, options swarm.ServiceCreateOptions,
	) (swarm.ServiceCreateResponse, error)
	ServiceUpdate(
		ctx context.Context, id string, version swarm.Version, spec swarm.ServiceSpec, options swarm.ServiceUpdateOptions,
	) (swarm.ServiceUpdateResponse, error)
	ServiceRemove(ctx context.Context, id string) error
	NetworkList(ctx context.Context, options network.ListOptions) ([]network.Summary, error)
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
	Kind    Kind     `json:"kind"`
	Name    string   `json:"name"`
	Note    string   `json:"note,omitempty"`
	Changes []Change `json:"changes,omitempty"`
}

// String is the line in three words: update service web.
func (l Line) String() string { return fmt.Sprintf("%s %s %s", l.Action, l.Kind, l.Name) }

// unneeded is the Undo of operations that need not be taken back.
type unneeded struct{}

func (unneeded) Undo() Operation { return nil }

// Action is what an operation does to its object.
type Action string

// The actions.
const (
	Create    Action = "create"
	Update    Action = "update"
	Replace   Action = "replace"
	Remove    Action = "remove"
	Execute   Action = "run"
	Keep      Action = "keep"
	Unchanged Action = "unchanged"
)

// ChangedError says that somebody else changed a service between the plan and the update.
type ChangedError struct {
	Service string
	Changes []Change
}

func (e *ChangedError) Error() string {
	var fields []string
	for _, change := range e.Changes {
		fields = append(fields, change.Field)
	}
	return fmt.Sprintf("service %s was changed by someone else meanwhile (%s); look at it with: rollout plan",
		e.Service, strings.Join(fields, ", "))
}

func wrap(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", doing, err)
}

func image(spec swarm.ServiceSpec) string {
	if spec.TaskTemplate.ContainerSpec == nil {
		return ""
	}
	return spec.TaskTemplate.ContainerSpec.Image
}

// outOfSequence recognises Swarm's answer to an update of a version that is not the newest. The answer has no
// type of its own: the engine reports it like any wrong argument.
func outOfSequence(err error) bool {
	return err != nil && strings.Contains(err.Error(), "update out of sequence")
}
