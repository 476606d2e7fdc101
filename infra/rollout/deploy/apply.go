package deploy

import (
	"context"
	"slices"

	"boardcafe/infra/rollout/model"
	"boardcafe/infra/rollout/plan"
	"boardcafe/infra/rollout/watch"
)

// apply runs the plan and proves that the release serves.
func (a *Attempt) apply(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, a.options.Timeout)
	defer cancel()
	for _, operation := range a.plan.Prepare {
		if err := a.do(ctx, operation); err != nil {
			return err
		}
	}
	for _, wave := range a.plan.Waves {
		if err := a.applyWave(ctx, wave); err != nil {
			return err
		}
	}
	// Unchanged services too: a rollout that was killed may have left them half way.
	all := settled(targets(a.wanted, a.begun))
	if err := a.watcher.Await(ctx, all); err != nil {
		return err
	}
	if err := a.probe(ctx, a.wanted, a.options.Settle); err != nil {
		return err
	}
	// A task may have crashed while the probe was asking.
	return a.watcher.Await(ctx, all)
}

// applyWave changes the services of a wave and waits until they serve.
func (a *Attempt) applyWave(ctx context.Context, wave []plan.Operation) error {
	for _, operation := range wave {
		if err := a.do(ctx, operation); err != nil {
			return err
		}
	}
	changed := slices.DeleteFunc(targets(a.wanted, wave), func(t watch.Target) bool { return !t.Changed })
	if len(changed) == 0 {
		return nil
	}
	return a.watcher.Await(ctx, changed)
}

// do begins an operation and notes that it did.
func (a *Attempt) do(ctx context.Context, operation plan.Operation) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	a.rollout.Progress.Step(operation.Line().String())
	a.begun = append(a.begun, operation)
	return a.operate(ctx, operation)
}

// operate runs an operation while the lock is sure to be ours.
func (a *Attempt) operate(ctx context.Context, operation plan.Operation) error {
	if err := a.lock.Fresh(ctx); err != nil {
		return err
	}
	return operation.Run(ctx, a.rollout.target())
}

// prune removes what no kept release needs. What cannot be removed is left to the next rollout.
func (a *Attempt) prune(ctx context.Context) {
	for _, operation := range a.plan.Prune {
		a.rollout.Progress.Step(operation.Line().String())
		if err := a.operate(ctx, operation); err != nil {
			a.rollout.Progress.Warn(err.Error())
		}
	}
}

// targets are the services of a stack, with what the operations did to each.
func targets(stack *model.Stack, operations []plan.Operation) []watch.Target {
	var out []watch.Target
	for _, service := range stack.Services {
		if service.Job {
			continue
		}
		target := watch.Target{Name: service.Name, Service: service.Spec.Name}
		for _, operation := range operations {
			if line := operation.Line(); line.Name == service.Name && line.Kind == plan.Service {
				target.Changed = true
				target.Created = line.Action != plan.Update
			}
		}
		out = append(out, target)
	}
	return out
}

// settled are the same targets, of which none is new any more: each new one has been awaited in its wave.
func settled(targets []watch.Target) []watch.Target {
	out := slices.Clone(targets)
	for i := range out {
		out[i].Created = false
	}
	return out
}
