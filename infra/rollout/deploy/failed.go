package deploy

import (
	"context"
	"errors"
	"time"

	"boardcafe/infra/rollout/history"
	"boardcafe/infra/rollout/lock"
	"boardcafe/infra/rollout/watch"
)

// failed ends a release that does not serve. It takes the release back, but not after the lock was lost, not
// when a person interrupted it, and not when the options forbid it.
func (a *Attempt) failed(ctx context.Context, cause error) error {
	tidy, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.options.Timeout+time.Minute)
	defer cancel()
	switch {
	case errors.Is(cause, lock.ErrLost) || errors.Is(context.Cause(ctx), lock.ErrLost):
		// Another rollout may change the stack now: this one writes no more.
		return &FailedError{Release: a.release, Cause: lock.ErrLost, Running: a.running(tidy)}
	case errors.Is(cause, ErrInterrupted) || errors.Is(context.Cause(ctx), ErrInterrupted):
		a.finish(tidy, history.Interrupted, "interrupted")
		return a.interrupted()
	}
	failure := &FailedError{
		Release: a.release, Previous: a.record.Good, Cause: cause, Tasks: a.evidence(tidy, cause),
		Empty: a.nothingRan() && a.record.Clean(),
	}
	if a.options.NoRollback {
		a.finish(tidy, history.Broken, cause.Error())
		failure.Running = a.running(tidy)
		return failure
	}
	a.rollout.Progress.Warn(cause.Error())
	a.rollout.Progress.Step("restoring what was there before")
	if failure.RestoreErr = a.restoreWhileLocked(ctx, tidy); failure.RestoreErr != nil {
		a.finish(tidy, history.Broken, cause.Error())
		failure.Running = a.running(tidy)
		return failure
	}
	failure.Restored = true
	a.finish(tidy, history.Failed, cause.Error())
	return failure
}

// restoreWhileLocked restores in the context tidy, and stops when the lock is lost. That is what ends work.
func (a *Attempt) restoreWhileLocked(work, tidy context.Context) error {
	restoring, stop := context.WithCancelCause(tidy)
	defer stop(nil)
	defer context.AfterFunc(work, func() {
		if errors.Is(context.Cause(work), lock.ErrLost) {
			stop(lock.ErrLost)
		}
	})()
	return a.restore(restoring)
}

// nothingRan tells whether the stack had no service when the attempt began.
func (a *Attempt) nothingRan() bool { return len(a.before.Services) == 0 }

func (a *Attempt) finish(ctx context.Context, status history.Status, reason string) {
	if err := a.rollout.history().Finish(ctx, a.release, status, reason, time.Now()); err != nil {
		a.rollout.Progress.Warn(err.Error())
	}
}

// interrupted says what was done and what was not.
func (a *Attempt) interrupted() error {
	out := &InterruptedError{Release: a.release}
	for i, operation := range a.plan.Operations() {
		if i < len(a.begun) {
			out.Applied = append(out.Applied, operation.Line().String())
		} else {
			out.Pending = append(out.Pending, operation.Line().String())
		}
	}
	return out
}

// running is what runs, for people who have to take over.
func (a *Attempt) running(ctx context.Context) []watch.Status {
	statuses, err := a.watcher.Look(ctx, targets(a.wanted, nil))
	if err != nil {
		a.rollout.Progress.Warn(err.Error())
	}
	return statuses
}
