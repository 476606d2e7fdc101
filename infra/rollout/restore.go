package rollout

import (
	"context"
	"slices"
	"time"

	"boardcafe/infra/rollout/live"
	"boardcafe/infra/rollout/plan"
	"boardcafe/infra/rollout/watch"
)

// settleRestored is how long what was restored must answer. It has served before.
const settleRestored = 2 * time.Second

// restore takes back what this run did, in reverse order, and waits until what was there before
// serves again.
func (r *run) restore(ctx context.Context) error {
	operations, err := r.wayBack(ctx)
	if err != nil {
		return err
	}
	var restored []watch.Target
	for _, operation := range operations {
		line := operation.Line()
		r.Progress.Step("restore: " + string(line.Action) + " service " + line.Name)
		if err := r.operate(ctx, operation); err != nil {
			return err
		}
		if line.Action != plan.Remove {
			// Not as changed: Swarm may have rolled it back by itself, and says so.
			restored = append(restored, watch.Target{Name: line.Name, Service: r.Stack + "_" + line.Name, Created: line.Action != plan.Update})
		}
	}
	known, err := watch.Tasks(ctx, r.Engine, r.Stack)
	if err != nil {
		return err
	}
	r.watcher.Known = known // the failures so far are told already
	limited, cancel := context.WithTimeout(ctx, r.options.Timeout)
	defer cancel()
	if err := r.watcher.Await(limited, restored); err != nil {
		return err
	}
	if r.past.content == nil || r.empty && r.past.clean() {
		return nil
	}
	if err := r.awaitOthers(limited, restored); err != nil {
		return err
	}
	return r.probe(limited, &r.past.content.Stack, settleRestored)
}

// untouchedPatience is for services that this run did not change: they serve, or something else ails them.
const untouchedPatience = 30 * time.Second

// awaitOthers looks at the rest of the release before: it serves again only when all of it does.
func (r *run) awaitOthers(ctx context.Context, restored []watch.Target) error {
	others := slices.DeleteFunc(r.targets(&r.past.content.Stack, nil), func(t watch.Target) bool {
		return slices.ContainsFunc(restored, func(done watch.Target) bool { return done.Service == t.Service })
	})
	ctx, cancel := context.WithTimeout(ctx, untouchedPatience)
	defer cancel()
	return r.watcher.Await(ctx, others)
}

// wayBack are the operations of a restore. What was there before this run is right only when
// the run before ended well; else the last good release is.
func (r *run) wayBack(ctx context.Context) ([]plan.Operation, error) {
	var undo []plan.Operation
	for _, operation := range slices.Backward(r.done) {
		if back := operation.Undo(); back != nil {
			undo = append(undo, back)
		}
	}
	if r.past.clean() || r.past.content == nil {
		return undo, nil
	}
	now, err := live.Read(ctx, r.Engine, r.Stack)
	if err != nil {
		return nil, err
	}
	good, err := plan.Make(&r.past.content.Stack, now, plan.Options{SkipJobs: true})
	if err != nil {
		return nil, err
	}
	var out []plan.Operation
	for _, wave := range slices.Backward(good.Waves) {
		for _, operation := range wave {
			if update, ok := operation.(plan.UpdateService); ok {
				update.Restore = true
				operation = update
			}
			out = append(out, operation)
		}
	}
	for _, operation := range undo {
		_, known := r.past.content.Stack.Service(operation.Line().Name)
		if operation.Line().Action == plan.Remove && !known {
			out = append(out, operation)
		}
	}
	return out, nil
}
