package plan

import (
	"context"
	"fmt"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/swarm"
)

// CreateService creates a service.
type CreateService struct {
	Name string // as in the file
	Spec swarm.ServiceSpec
}

func (o CreateService) Line() Line {
	return Line{Action: Create, Kind: Service, Name: o.Name, Note: image(o.Spec)}
}

func (o CreateService) Run(ctx context.Context, t Target) error {
	spec, err := bind(ctx, t.Engine, o.Spec)
	if err != nil {
		return fmt.Errorf("create service %s: %w", o.Name, err)
	}
	options := swarm.ServiceCreateOptions{EncodedRegistryAuth: t.Auth(image(spec))}
	_, err = t.Engine.ServiceCreate(ctx, spec, options)
	return wrap("create service "+o.Name, err)
}

func (o CreateService) Undo() Operation {
	return RemoveService{Name: o.Name, Before: swarm.Service{Spec: o.Spec}, Note: "this run created it"}
}

// UpdateService changes a service in place.
type UpdateService struct {
	Name    string
	Before  swarm.Service // as the plan saw it
	Spec    swarm.ServiceSpec
	Changes []Change
	Effect  Effect
	Tasks   int // that run now
	// KeepReplicas takes the number of replicas from the swarm at the time of the update.
	KeepReplicas bool
}

func (o UpdateService) Line() Line {
	note := string(o.Effect)
	if o.Effect == Restarts {
		note = fmt.Sprintf("restarts %s, %s", tasks(o.Tasks), updateOrder(o.Spec))
	}
	return Line{Action: Update, Kind: Service, Name: o.Name, Note: note, Changes: o.Changes}
}

// Run updates the service, unless somebody has changed it since the plan was made.
func (o UpdateService) Run(ctx context.Context, t Target) error {
	return retry(func() error {
		now, spec, err := o.present(ctx, t)
		if err != nil {
			return err
		}
		if err := o.checkUntouched(now); err != nil {
			return err
		}
		spec.TaskTemplate.ForceUpdate = now.Spec.TaskTemplate.ForceUpdate
		// A task restarts when its credentials differ: Swarm compares pull options too. So only an update that
		// restarts the tasks anyway brings new ones.
		options := swarm.ServiceUpdateOptions{RegistryAuthFrom: swarm.RegistryAuthFromSpec}
		switch o.Effect {
		case Restarts:
			options.EncodedRegistryAuth = t.Auth(image(spec))
		case InPlace:
			// Swarm compares literally: lists in another order would restart the tasks.
			spec.TaskTemplate, spec.EndpointSpec = now.Spec.TaskTemplate, now.Spec.EndpointSpec
		}
		_, err = t.Engine.ServiceUpdate(ctx, now.ID, now.Version, spec, options)
		return wrap("update service "+o.Name, err)
	})
}

// present reads the service as it is now, and returns the wanted spec with what it takes from the swarm: the
// identifiers of what it refers to, and the number of replicas.
func (o UpdateService) present(ctx context.Context, t Target) (now swarm.Service, spec swarm.ServiceSpec, err error) {
	now, _, err = t.Engine.ServiceInspectWithRaw(ctx, o.Before.Spec.Name, swarm.ServiceInspectOptions{})
	if err != nil {
		return now, spec, fmt.Errorf("inspect service %s: %w", o.Name, err)
	}
	spec = o.Spec
	if o.KeepReplicas {
		spec.Mode = withReplicas(spec.Mode, replicas(now.Spec))
	}
	if spec, err = bind(ctx, t.Engine, spec); err != nil {
		return now, spec, fmt.Errorf("update service %s: %w", o.Name, err)
	}
	return now, spec, nil
}

// checkUntouched compares what is there with what the plan saw. The number of replicas is left out: others
// change it all the time.
func (o UpdateService) checkUntouched(now swarm.Service) error {
	if now.Version == o.Before.Version {
		return nil
	}
	seen := o.Before.Spec
	seen.Mode = withReplicas(seen.Mode, replicas(now.Spec))
	if changes, _ := Diff(seen, now.Spec); len(changes) > 0 {
		return &ChangedError{Service: o.Name, Changes: changes}
	}
	return nil
}

// Undo turns the changes round. It does not compare the specs again: the one before has identifiers, and the
// wanted one has names.
func (o UpdateService) Undo() Operation {
	return RestoreService{
		Name: o.Name, Before: o.Before, Spec: o.Before.Spec, Changes: reversed(o.Changes), Effect: o.Effect,
		Tasks: o.Tasks, KeepReplicas: o.KeepReplicas,
	}
}

// RestoreService is an update on the way back: it overwrites whatever it finds.
type RestoreService UpdateService

func (o RestoreService) Line() Line { return UpdateService(o).Line() }

// Run updates the service, unless Swarm has rolled it back by itself. Another update would restart good tasks
// (moby#43081).
func (o RestoreService) Run(ctx context.Context, t Target) error {
	return retry(func() error {
		now, spec, err := UpdateService(o).present(ctx, t)
		if err != nil {
			return err
		}
		if changes, _ := Diff(now.Spec, spec); len(changes) == 0 {
			return nil
		}
		// The credentials go back with the spec, where Swarm still has the spec before.
		options := swarm.ServiceUpdateOptions{RegistryAuthFrom: swarm.RegistryAuthFromSpec}
		switch {
		case now.PreviousSpec != nil:
			options.RegistryAuthFrom = swarm.RegistryAuthFromPreviousSpec
		case o.Effect == Restarts:
			options.EncodedRegistryAuth = t.Auth(image(spec))
		}
		_, err = t.Engine.ServiceUpdate(ctx, now.ID, now.Version, spec, options)
		return wrap("update service "+o.Name, err)
	})
}

// Undo is nil: a restore is not taken back.
func (o RestoreService) Undo() Operation { return nil }

// attempts bounds how often an update that lost a race is tried again.
const attempts = 5

// retry tries an update again that Swarm refuses with "update out of sequence" (moby#39891). Something else has
// touched the service at the same time: swarm-cronjob, or a person who scales.
func retry(update func() error) (err error) {
	for range attempts {
		if err = update(); !outOfSequence(err) {
			break
		}
	}
	return err
}

func reversed(changes []Change) []Change {
	var out []Change
	for _, change := range changes {
		out = append(out, Change{Field: change.Field, Old: change.New, New: change.Old})
	}
	return out
}

// ReplaceService removes a service and creates it anew: its mode cannot be changed in place.
type ReplaceService struct {
	Name    string
	Before  swarm.Service
	Spec    swarm.ServiceSpec
	Changes []Change
}

func (o ReplaceService) Line() Line {
	const note = "remove and create: a service's mode cannot change in place"
	return Line{Action: Replace, Kind: Service, Name: o.Name, Note: note, Changes: o.Changes}
}

func (o ReplaceService) Run(ctx context.Context, t Target) error {
	if err := (RemoveService{Name: o.Name, Before: o.Before}).Run(ctx, t); err != nil {
		return err
	}
	return CreateService{Name: o.Name, Spec: o.Spec}.Run(ctx, t)
}

func (o ReplaceService) Undo() Operation {
	return ReplaceService{
		Name: o.Name, Before: swarm.Service{Spec: o.Spec}, Spec: o.Before.Spec, Changes: reversed(o.Changes),
	}
}

// RemoveService removes a service.
type RemoveService struct {
	Name   string
	Before swarm.Service
	Note   string
}

func (o RemoveService) Line() Line {
	return Line{Action: Remove, Kind: Service, Name: o.Name, Note: o.Note}
}

func (o RemoveService) Run(ctx context.Context, t Target) error {
	err := t.Engine.ServiceRemove(ctx, o.Before.Spec.Name)
	if cerrdefs.IsNotFound(err) {
		return nil
	}
	return wrap("remove service "+o.Name, err)
}

func (o RemoveService) Undo() Operation {
	return CreateService{Name: o.Name, Spec: o.Before.Spec}
}

// conflict recognises the error of a creation that somebody else was quicker with.
func conflict(err error) bool {
	return cerrdefs.IsConflict(err) || cerrdefs.IsAlreadyExists(err)
}

func tasks(n int) string {
	if n == 1 {
		return "1 task"
	}
	return fmt.Sprintf("%d tasks", n)
}

func updateOrder(spec swarm.ServiceSpec) string {
	if spec.UpdateConfig == nil || spec.UpdateConfig.Order == "" {
		return swarm.UpdateOrderStopFirst
	}
	return spec.UpdateConfig.Order
}

// replicas returns the number of replicas, or nil for a service that has none.
func replicas(spec swarm.ServiceSpec) *uint64 {
	if spec.Mode.Replicated == nil {
		return nil
	}
	return spec.Mode.Replicated.Replicas
}

func withReplicas(mode swarm.ServiceMode, n *uint64) swarm.ServiceMode {
	if mode.Replicated == nil || n == nil {
		return mode
	}
	mode.Replicated = &swarm.ReplicatedService{Replicas: n}
	return mode
}
