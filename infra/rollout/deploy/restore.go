package deploy

import (
	"context"
	"slices"
	"time"

	"boardcafe/infra/rollout/live"
	"boardcafe/infra/rollout/model"
	"boardcafe/infra/rollout/plan"
	"boardcafe/infra/rollout/watch"
)

const (
	// settleRestored is how long the probe asks what was restored: it has served before.
	settleRestored = 2 * time.Second
	// untouchedPatience is for services that this attempt did not change. They serve at once, or have failed
	// for another reason.
	untouchedPatience = 30 * time.Second
)

// restore takes back what this attempt did, in reverse order, and waits until what was there before serves
// again.
func (a *Attempt) restore(ctx context.Context) error {
	restored, err := a.goBack(ctx)
	if err != nil {
		return err
	}
	known, err := watch.Tasks(ctx, a.rollout.Engine, a.rollout.Stack)
	if err != nil {
		return err
	}
	a.watcher.Known = known // the failures so far have been told already
	ctx, cancel := context.WithTimeout(ctx, a.options.Timeout)
	defer cancel()
	if err := a.watcher.Await(ctx, restored); err != nil {
		return err
	}
	if a.record.Content == nil || a.nothingRan() && a.record.Clean() {
		return nil
	}
	before := &a.record.Content.Stack
	if err := a.awaitOthers(ctx, before, restored); err != nil {
		return err
	}
	return a.probe(ctx, before, settleRestored)
}

// goBack runs the operations of the way back, and returns the services that must serve after it.
func (a *Attempt) goBack(ctx context.Context) ([]watch.Target, error) {
	operations, err := a.wayBack(ctx)
	if err != nil {
		return nil, err
	}
	var restored []watch.Target
	for _, operation := range operations {
		line := operation.Line()
		a.rollout.Progress.Step("restore: " + line.String())
		if err := a.operate(ctx, operation); err != nil {
			return nil, err
		}
		if line.Action != plan.Remove {
			// It does not count as changed: Swarm may have rolled it back by itself, and then says so.
			restored = append(restored, watch.Target{
				Name: line.Name, Service: model.FullName(a.rollout.Stack, line.Name), Created: line.Action != plan.Update,
			})
		}
	}
	return restored, nil
}

// awaitOthers waits for the rest of the release before: it serves again only when all of its services do.
func (a *Attempt) awaitOthers(ctx context.Context, before *model.Stack, restored []watch.Target) error {
	others := slices.DeleteFunc(targets(before, nil), func(t watch.Target) bool {
		return slices.ContainsFunc(restored, func(done watch.Target) bool { return done.Service == t.Service })
	})
	ctx, cancel := context.WithTimeout(ctx, untouchedPatience)
	defer cancel()
	return a.watcher.Await(ctx, others)
}

// wayBack are the operations of a restore. They undo what this attempt did when the attempt before ended
// well. Else they lead to the last good release.
func (a *Attempt) wayBack(ctx context.Context) ([]plan.Operation, error) {
	var undo []plan.Operation
	for _, operation := range slices.Backward(a.begun) {
		if back := operation.Undo(); back != nil {
			undo = append(undo, back)
		}
	}
	if a.record.Clean() || a.record.Content == nil {
		return undo, nil
	}
	good := &a.record.Content.Stack
	out, err := a.wayTo(ctx, good)
	if err != nil {
		return nil, err
	}
	for _, operation := range undo {
		line := operation.Line()
		if _, known := good.Service(line.Name); line.Action == plan.Remove && !known {
			out = append(out, operation)
		}
	}
	return out, nil
}

// wayTo are the operations that lead back to the last good release, the last wave first.
func (a *Attempt) wayTo(ctx context.Context, good *model.Stack) ([]plan.Operation, error) {
	now, err := live.Read(ctx, a.rollout.Engine, a.rollout.Stack)
	if err != nil {
		return nil, err
	}
	made, err := plan.Make(good, now, plan.Options{SkipJobs: true})
	if err != nil {
		return nil, err
	}
	var out []plan.Operation
	for _, wave := range slices.Backward(made.Waves) {
		for _, operation := range wave {
			if update, ok := operation.(plan.UpdateService); ok {
				operation = plan.RestoreService(update)
			}
			out = append(out, operation)
		}
	}
	return out, nil
}
