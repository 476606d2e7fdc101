package deploy

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"boardcafe/infra/rollout/history"
	"boardcafe/infra/rollout/live"
	"boardcafe/infra/rollout/lock"
	"boardcafe/infra/rollout/model"
	"boardcafe/infra/rollout/plan"
	"boardcafe/infra/rollout/watch"

	cerrdefs "github.com/containerd/errdefs"
)

// Attempt is one deploy or one rollback, from the lock to the end.
type Attempt struct {
	rollout *Rollout
	options Options
	what    string // of the lock's holder: "deploy", or "rollback 12"
	goal    goal

	lock   *lock.Lock
	before *live.State    // the swarm when the attempt began
	record history.Record // the history when the attempt began
	wanted *model.Stack
	plan   *plan.Plan
	// of is the release that a rollback goes back to; its number is 0 in a deploy.
	of history.Release

	release history.Release // that this attempt is
	watcher watch.Watcher
	// begun are the operations that this attempt began, in their order.
	begun []plan.Operation
}

// run takes the lock, makes the plan and lets people agree to it, records the release, applies the plan, and
// asks from outside whether the release serves. If anything fails, what was there before is restored.
func (a *Attempt) run(ctx context.Context) error {
	return a.locked(ctx, func(ctx context.Context) error {
		if err := a.prepare(ctx); err != nil {
			return err
		}
		if err := a.agree(); err != nil {
			return err
		}
		if err := a.watch(ctx); err != nil {
			return err
		}
		a.rollout.keepFromStackRemoval(ctx, a.before)
		if a.nothingToDo() {
			return a.checkOnly(ctx)
		}
		if err := a.begin(ctx); err != nil {
			return err
		}
		if err := a.apply(ctx); err != nil {
			return a.failed(ctx, err)
		}
		return a.deployed(ctx)
	})
}

// locked does the work under the lock of the stack, in a context that ends when the lock is lost.
func (a *Attempt) locked(ctx context.Context, work func(context.Context) error) error {
	r := a.rollout
	if err := live.CheckManager(ctx, r.Engine); err != nil {
		return err
	}
	holder := lock.Holder{Who: r.Who, Where: r.Where, Process: r.Process, What: a.what}
	under, taken, err := r.locker().Acquire(ctx, holder, a.options.LockWait)
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := tidying(ctx)
		defer cancel()
		if err := taken.Release(ctx); err != nil {
			r.Progress.Warn(fmt.Sprintf("%v; it is free again in %s", err, lock.Lease))
		}
	}()
	a.lock = taken
	return work(under)
}

// prepare reads the swarm and the history, and makes the plan that leads to the goal. It writes nothing.
func (a *Attempt) prepare(ctx context.Context) (err error) {
	if a.before, err = live.Read(ctx, a.rollout.Engine, a.rollout.Stack); err != nil {
		return err
	}
	if a.record, err = a.rollout.history().Read(ctx); err != nil {
		return err
	}
	if a.wanted, a.of, err = a.goal(ctx, a); err != nil {
		return err
	}
	options := plan.Options{From: a.record.Good.Name, Prune: a.options.Prune, Needed: a.record.Needed}
	if a.of.Number == 0 {
		options.JobsDone = a.record.JobsDone()
	} else {
		options.SkipJobs = true
	}
	a.plan, err = plan.Make(a.wanted, a.before, options)
	if err != nil && a.of.Number != 0 {
		// A version is missing. That is found here, before anything is touched.
		return fmt.Errorf("release %s cannot be gone back to: %w", a.of, err)
	}
	return err
}

// agree shows the plan, and asks before a service is removed or replaced.
func (a *Attempt) agree() error {
	a.options.Show(a.plan)
	if destructive := a.plan.Destructive(); len(destructive) > 0 {
		return a.options.Confirm(destructive)
	}
	return nil
}

// watch notes which tasks there are: their failures are not this attempt's.
func (a *Attempt) watch(ctx context.Context) error {
	r := a.rollout
	known, err := watch.Tasks(ctx, r.Engine, r.Stack)
	if err != nil {
		return err
	}
	a.watcher = watch.Watcher{Engine: r.Engine, Stack: r.Stack, Known: known, Report: r.Progress.Services}
	return nil
}

// nothingToDo tells whether the plan is empty, and the history says that this release is what is there.
func (a *Attempt) nothingToDo() bool {
	return a.plan.Empty() && a.record.Clean() && a.record.Content != nil && a.record.Good.Name == a.wanted.Release
}

// checkOnly makes sure that the services run. An empty plan says only that Swarm has been told so.
func (a *Attempt) checkOnly(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, a.options.Timeout)
	defer cancel()
	if err := a.watcher.Await(limited, targets(a.wanted, nil)); err != nil {
		return &FailedError{
			Release: a.record.Good, Cause: err, Tasks: a.evidence(ctx, err), Running: a.running(ctx),
		}
	}
	a.prune(ctx)
	a.rollout.Progress.Step("nothing to change")
	return nil
}

// begin clears up after a rollout that was killed, and records the release.
func (a *Attempt) begin(ctx context.Context) (err error) {
	if err := a.removeDeadJobs(ctx); err != nil {
		return err
	}
	if err := a.endDeadReleases(ctx); err != nil {
		return err
	}
	entry := history.Release{Name: a.wanted.Release, By: a.rollout.Who, Started: time.Now(), Of: a.of.Number}
	if a.release, err = a.rollout.history().Begin(ctx, entry, a.content()); err != nil {
		return err
	}
	a.rollout.Progress.Step(fmt.Sprintf("release %s begins", a.release))
	return nil
}

// removeDeadJobs removes the jobs of a rollout that was killed. It is dead for sure: the lock is ours.
func (a *Attempt) removeDeadJobs(ctx context.Context) error {
	for _, job := range a.before.Jobs {
		a.rollout.Progress.Warn(fmt.Sprintf("removing %s, which a killed rollout left", job.Spec.Name))
		if err := a.rollout.Engine.ServiceRemove(ctx, job.ID); err != nil && !cerrdefs.IsNotFound(err) {
			return fmt.Errorf("remove service %s: %w", job.Spec.Name, err)
		}
	}
	return nil
}

// endDeadReleases ends the releases of rollouts that were killed.
func (a *Attempt) endDeadReleases(ctx context.Context) error {
	for _, old := range a.record.Releases {
		if old.Status != history.Pending {
			continue
		}
		a.rollout.Progress.Warn(fmt.Sprintf("release %s of %s was never ended: its rollout was killed", old, old.By))
		err := a.rollout.history().Finish(ctx, old, history.Interrupted, "its rollout was killed", time.Now())
		if err != nil {
			return err
		}
	}
	return nil
}

// content is the release as it is recorded. Its jobs are those that will have run once it serves.
func (a *Attempt) content() history.Content {
	jobs := maps.Clone(a.record.JobsDone())
	if jobs == nil {
		jobs = map[string]string{}
	}
	for _, operation := range a.plan.Operations() {
		if job, ok := operation.(plan.RunJob); ok {
			jobs[job.Name] = plan.Fingerprint(job.Spec)
		}
	}
	recorded := *a.wanted
	recorded.Configs = slices.DeleteFunc(slices.Clone(recorded.Configs), func(o model.Object) bool {
		return o.Name == model.KeyName(a.rollout.Stack)
	})
	return history.Content{Stack: recorded, Jobs: jobs}
}

// deployed ends a release that serves. From here on nothing can make it fail.
func (a *Attempt) deployed(ctx context.Context) error {
	if err := a.rollout.history().Finish(ctx, a.release, history.Deployed, "", time.Now()); err != nil {
		return err
	}
	a.prune(ctx)
	if err := a.rollout.history().Trim(ctx); err != nil {
		a.rollout.Progress.Warn(err.Error())
	}
	a.rollout.Progress.Step(fmt.Sprintf("release %s is deployed", a.release))
	return nil
}
