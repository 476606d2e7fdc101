package rollout

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"boardcafe/infra/rollout/live"
	"boardcafe/infra/rollout/lock"
	"boardcafe/infra/rollout/plan"
	"boardcafe/infra/rollout/release"
	"boardcafe/infra/rollout/stack"
	"boardcafe/infra/rollout/watch"

	cerrdefs "github.com/containerd/errdefs"
)

// ErrInterrupted is the cause of a context that a person has cancelled.
var ErrInterrupted = errors.New("interrupted")

// run is one rollout under way.
type run struct {
	*Rollout
	lock    *lock.Lock
	options Options
	want    *stack.Stack
	past    past
	plan    *plan.Plan
	release release.Release
	watcher watch.Watcher
	// empty says that no service of the stack was there when it began.
	empty bool
	// done are the operations that were begun, in their order.
	done []plan.Operation
}

// roll leads the swarm from what it is to what is wanted. The lock is held.
func (r *Rollout) roll(ctx context.Context, held *lock.Lock, want *stack.Stack, now *live.State, options Options) error {
	past, err := r.past(ctx)
	if err != nil {
		return err
	}
	made, err := r.plan(want, now, past, options)
	if err != nil {
		return err
	}
	options.Show(made)
	if destructive := made.Destructive(); len(destructive) > 0 {
		if err := options.Confirm(destructive); err != nil {
			return err
		}
	}
	current := &run{Rollout: r, lock: held, options: options, want: want, past: past, plan: made}
	return current.start(ctx, now, 0)
}

// start is everything from the first write on.
func (r *run) start(ctx context.Context, now *live.State, of int) error {
	known, err := watch.Tasks(ctx, r.Engine, r.Stack)
	if err != nil {
		return err
	}
	r.empty = len(now.Services) == 0
	r.keepFromStackRemoval(ctx, now)
	r.watcher = watch.Watcher{Engine: r.Engine, Stack: r.Stack, Known: known, Report: r.Progress.Services}
	if r.nothingToDo() {
		return r.checkOnly(ctx)
	}
	if err := r.tidyAfterDead(ctx, now); err != nil {
		return err
	}
	r.release, err = r.history().Begin(ctx, release.Release{Name: r.want.Release, By: r.Who, Started: time.Now(), Of: of}, r.content())
	if err != nil {
		return err
	}
	r.Progress.Step(fmt.Sprintf("release %s begins", r.release))
	limited, cancel := context.WithTimeout(ctx, r.options.Timeout)
	defer cancel()
	if err := r.apply(limited); err != nil {
		return r.failed(ctx, err)
	}
	return r.deployed(ctx)
}

// nothingToDo: the plan is empty, and the history says that what is there is this release.
func (r *run) nothingToDo() bool {
	return r.plan.Empty() && r.past.clean() && r.past.content != nil && r.past.good.Name == r.want.Release
}

// checkOnly makes sure that what should serve already does: an empty plan says only that Swarm has
// been told so.
func (r *run) checkOnly(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, r.options.Timeout)
	defer cancel()
	if err := r.watcher.Await(limited, r.targets(r.want, nil)); err != nil {
		return &FailedError{Release: r.past.good, Cause: err, Tasks: r.evidence(ctx, err), Running: r.running(ctx)}
	}
	r.prune(ctx)
	r.Progress.Step("nothing to change")
	return nil
}

// tidyAfterDead ends what a rollout left that was killed. The lock is ours, so it is dead.
func (r *run) tidyAfterDead(ctx context.Context, now *live.State) error {
	for _, job := range now.Jobs {
		r.Progress.Warn(fmt.Sprintf("removing %s, which a killed rollout left", job.Spec.Name))
		if err := r.Engine.ServiceRemove(ctx, job.ID); err != nil && !cerrdefs.IsNotFound(err) {
			return fmt.Errorf("remove service %s: %w", job.Spec.Name, err)
		}
	}
	for _, old := range r.past.releases {
		if old.Status != release.Pending {
			continue
		}
		r.Progress.Warn(fmt.Sprintf("release %s of %s was never ended: its rollout was killed", old, old.By))
		if err := r.history().Finish(ctx, old, release.Interrupted, "its rollout was killed", time.Now()); err != nil {
			return err
		}
	}
	return nil
}

// content is the release as it is recorded, with the jobs that have run when it has served.
func (r *run) content() release.Content {
	jobs := maps.Clone(r.past.jobsDone())
	if jobs == nil {
		jobs = map[string]string{}
	}
	for _, operation := range r.plan.Operations() {
		if job, ok := operation.(plan.RunJob); ok {
			jobs[job.Name] = plan.Fingerprint(job.Spec)
		}
	}
	recorded := *r.want
	recorded.Configs = slices.DeleteFunc(slices.Clone(recorded.Configs), func(o stack.Object) bool { return o.Name == keyName(r.Stack) })
	return release.Content{Stack: recorded, Jobs: jobs}
}

// apply runs the plan and proves that the release serves.
func (r *run) apply(ctx context.Context) error {
	for _, operation := range r.plan.Prepare {
		if err := r.do(ctx, operation); err != nil {
			return err
		}
	}
	for _, wave := range r.plan.Waves {
		for _, operation := range wave {
			if err := r.do(ctx, operation); err != nil {
				return err
			}
		}
		if targets := r.targetsOf(wave); len(targets) > 0 {
			if err := r.watcher.Await(ctx, targets); err != nil {
				return err
			}
		}
	}
	// Unchanged services too: a killed rollout may have left them half way.
	all := settled(r.targets(r.want, r.done))
	if err := r.watcher.Await(ctx, all); err != nil {
		return err
	}
	if err := r.probe(ctx, r.want, r.options.Settle); err != nil {
		return err
	}
	// What crashed while the probe was asking has been seen by nobody yet.
	return r.watcher.Await(ctx, all)
}

func (r *run) do(ctx context.Context, operation plan.Operation) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	line := operation.Line()
	r.Progress.Step(fmt.Sprintf("%s %s %s", line.Action, line.Kind, line.Name))
	r.done = append(r.done, operation)
	return r.operate(ctx, operation)
}

// operate runs an operation while the lock is sure to be ours.
func (r *run) operate(ctx context.Context, operation plan.Operation) error {
	if err := r.lock.Fresh(ctx); err != nil {
		return err
	}
	return operation.Run(ctx, r.target())
}

func (r *Rollout) target() plan.Target {
	return plan.Target{Engine: r.Engine, Auth: r.Auth, Jobs: jobs{r}}
}

// targets are the services of a stack, with what this run did to each.
func (r *Rollout) targets(s *stack.Stack, done []plan.Operation) []watch.Target {
	var out []watch.Target
	for _, service := range s.Services {
		if service.Job {
			continue
		}
		target := watch.Target{Name: service.Name, Service: service.Spec.Name}
		for _, operation := range done {
			if operation.Line().Name == service.Name && operation.Line().Kind == "service" {
				target.Changed = true
				target.Created = operation.Line().Action != plan.Update
			}
		}
		out = append(out, target)
	}
	return out
}

// targetsOf are the services that a wave changes.
func (r *run) targetsOf(wave []plan.Operation) []watch.Target {
	return slices.DeleteFunc(r.targets(r.want, wave), func(t watch.Target) bool { return !t.Changed })
}

// settled are the same targets without the wait that a new service has had in its wave.
func settled(targets []watch.Target) []watch.Target {
	out := slices.Clone(targets)
	for i := range out {
		out[i].Created = false
	}
	return out
}

// deployed ends a release that serves: from here on nothing can make it fail.
func (r *run) deployed(ctx context.Context) error {
	if err := r.history().Finish(ctx, r.release, release.Deployed, "", time.Now()); err != nil {
		return err
	}
	r.prune(ctx)
	if err := r.history().Trim(ctx); err != nil {
		r.Progress.Warn(err.Error())
	}
	r.Progress.Step(fmt.Sprintf("release %s is deployed", r.release))
	return nil
}

// prune removes what no kept release needs. What cannot be removed will be found again by the next run.
func (r *run) prune(ctx context.Context) {
	for _, operation := range r.plan.Prune {
		line := operation.Line()
		r.Progress.Step(fmt.Sprintf("%s %s %s", line.Action, line.Kind, line.Name))
		if err := r.operate(ctx, operation); err != nil {
			r.Progress.Warn(err.Error())
		}
	}
}

// failed ends a release that does not serve: it is taken back, unless there is no right to.
func (r *run) failed(ctx context.Context, cause error) error {
	tidy, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.options.Timeout+time.Minute)
	defer cancel()
	switch {
	case errors.Is(cause, lock.ErrLost) || errors.Is(context.Cause(ctx), lock.ErrLost):
		// Whoever has the lock now changes the stack: not one more write.
		return &FailedError{Release: r.release, Cause: lock.ErrLost, Running: r.running(tidy)}
	case errors.Is(cause, ErrInterrupted) || errors.Is(context.Cause(ctx), ErrInterrupted):
		r.finish(tidy, release.Interrupted, "interrupted")
		return r.interrupted()
	}
	failure := &FailedError{Release: r.release, Previous: r.past.good, Cause: cause, Tasks: r.evidence(tidy, cause), Empty: r.empty && r.past.clean()}
	if r.options.NoRollback {
		r.finish(tidy, release.Broken, cause.Error())
		failure.Running = r.running(tidy)
		return failure
	}
	r.Progress.Warn(cause.Error())
	r.Progress.Step("restoring what was there before")
	// The lock may still be lost: then restoring stops as well.
	restoring, stop := context.WithCancelCause(tidy)
	defer stop(nil)
	defer context.AfterFunc(ctx, func() {
		if errors.Is(context.Cause(ctx), lock.ErrLost) {
			stop(lock.ErrLost)
		}
	})()
	if err := r.restore(restoring); err != nil {
		failure.RestoreErr = err
		r.finish(tidy, release.Broken, cause.Error())
		failure.Running = r.running(tidy)
		return failure
	}
	failure.Restored = true
	r.finish(tidy, release.Failed, cause.Error())
	return failure
}

func (r *run) finish(ctx context.Context, status release.Status, reason string) {
	if err := r.history().Finish(ctx, r.release, status, reason, time.Now()); err != nil {
		r.Progress.Warn(err.Error())
	}
}

// interrupted says what was and what was not done.
func (r *run) interrupted() error {
	out := &InterruptedError{Release: r.release}
	for i, operation := range r.plan.Operations() {
		line := operation.Line()
		text := fmt.Sprintf("%s %s %s", line.Action, line.Kind, line.Name)
		if i < len(r.done) {
			out.Applied = append(out.Applied, text)
		} else {
			out.Pending = append(out.Pending, text)
		}
	}
	return out
}

// running is what runs where, for people who have to take over.
func (r *run) running(ctx context.Context) []watch.Status {
	statuses, err := r.watcher.Look(ctx, r.targets(r.want, nil))
	if err != nil {
		r.Progress.Warn(err.Error())
	}
	return statuses
}
