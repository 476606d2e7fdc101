package plan

import (
	"context"
	"fmt"

	"boardcafe/infra/rollout/model"

	"github.com/docker/docker/api/types/swarm"
)

// Kind is what an operation is about.
type Kind string

// The kinds.
const (
	Service Kind = "service"
	Job     Kind = "job"
	Network Kind = "network"
	Config  Kind = "config"
	Secret  Kind = "secret"
)

// CreateNetwork creates a network. It is not undone: another stack may use the network by then.
type CreateNetwork struct {
	Network model.Network
	unneeded
}

func (o CreateNetwork) Line() Line {
	return Line{Action: Create, Kind: Network, Name: o.Network.Name, Note: o.Network.Options.Driver}
}

func (o CreateNetwork) Run(ctx context.Context, t Target) error {
	_, err := t.Engine.NetworkCreate(ctx, o.Network.Name, o.Network.Options)
	return unlessThere("create network "+o.Network.Name, err)
}

// CreateObject creates one version of a config or secret. It is not undone: a version that nothing uses harms
// nobody, and is pruned later.
type CreateObject struct {
	Kind   Kind
	Object model.Object
	unneeded
}

func (o CreateObject) Line() Line {
	return Line{Action: Create, Kind: o.Kind, Name: o.Object.Name, Note: "new version of " + o.Object.Key}
}

func (o CreateObject) Run(ctx context.Context, t Target) (err error) {
	about := swarm.Annotations{Name: o.Object.Name, Labels: o.Object.Labels}
	switch o.Kind {
	case Config:
		_, err = t.Engine.ConfigCreate(ctx, swarm.ConfigSpec{
			Annotations: about, Data: o.Object.Data, Templating: o.Object.Templating,
		})
	case Secret:
		_, err = t.Engine.SecretCreate(ctx, swarm.SecretSpec{
			Annotations: about, Data: o.Object.Data, Driver: o.Object.Driver, Templating: o.Object.Templating,
		})
	default:
		err = fmt.Errorf("no object is a %s", o.Kind)
	}
	return unlessThere(fmt.Sprintf("create %s %s", o.Kind, o.Object.Name), err)
}

// RemoveObject removes what the stack does not need any more: a version of a config or secret, or a
// network.
type RemoveObject struct {
	Kind           Kind
	ID, Name, Note string
	unneeded
}

func (o RemoveObject) Line() Line {
	return Line{Action: Remove, Kind: o.Kind, Name: o.Name, Note: o.Note}
}

func (o RemoveObject) Run(ctx context.Context, t Target) error {
	remove, ok := map[Kind]func(context.Context, string) error{
		Config: t.Engine.ConfigRemove, Secret: t.Engine.SecretRemove, Network: t.Engine.NetworkRemove,
	}[o.Kind]
	if !ok {
		return fmt.Errorf("no object is a %s", o.Kind)
	}
	return wrap(fmt.Sprintf("remove %s %s", o.Kind, o.Name), remove(ctx, o.ID))
}

// unlessThere drops the error of a creation that somebody else was quicker with.
func unlessThere(doing string, err error) error {
	if conflict(err) {
		return nil
	}
	return wrap(doing, err)
}
