// Package rollout brings a stack into a swarm, whole or not at all. [Rollout.Deploy] is the sentence
// that it is about: take the lock, read the swarm, make the plan, record the release, run the plan
// wave by wave, ask from outside whether it serves, and otherwise take everything back.
package rollout

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"boardcafe/infra/rollout/live"
	"boardcafe/infra/rollout/lock"
	"boardcafe/infra/rollout/plan"
	"boardcafe/infra/rollout/release"
	"boardcafe/infra/rollout/stack"
	"boardcafe/infra/rollout/watch"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/registry"
	"github.com/docker/docker/api/types/swarm"
)

// Engine is the part of the Docker API that a rollout uses; *client.Client has it.
type Engine interface {
	live.Engine
	lock.Engine
	plan.Engine
	release.Engine
	watch.Engine
	DistributionInspect(ctx context.Context, image, encodedAuth string) (registry.DistributionInspect, error)
	TaskLogs(ctx context.Context, id string, options container.LogsOptions) (io.ReadCloser, error)
	SecretUpdate(ctx context.Context, id string, version swarm.Version, spec swarm.SecretSpec) error
}

// Progress is told what happens, as it happens.
type Progress interface {
	Step(text string)
	Warn(text string)
	Services(statuses []watch.Status)
}

// Rollout changes one stack of one swarm.
type Rollout struct {
	Engine Engine
	Stack  string
	// Auth returns the registry credentials for an image, encoded for the engine, or "".
	Auth      func(image string) string
	Transport http.RoundTripper // of the probe
	Progress  Progress
	// Who and Where say in the lock and the history whose rollout it was.
	Who, Where, Process string
	// Alive tells whether the process that wrote a lock runs, if that can be known here.
	Alive func(process string) (alive, known bool)
}

// Options are what a deploy and a rollback can be told.
type Options struct {
	// Resolve pins images to digests. Without it each machine takes what its own registry or
	// store has under the tag.
	Resolve    bool
	Prune      bool
	NoRollback bool
	Probes     []string // addresses, instead of those of the swarm's machines
	Settle     time.Duration
	Timeout    time.Duration
	LockWait   time.Duration
	// Show is given the plan, Confirm must agree to what removes or replaces a service.
	Show    func(*plan.Plan)
	Confirm func([]plan.Operation) error
}

// Plan says what Deploy would do. It writes nothing and takes no lock.
func (r *Rollout) Plan(ctx context.Context, file *stack.File, options Options) (*plan.Plan, error) {
	want, now, err := r.want(ctx, file, options)
	if err != nil {
		return nil, err
	}
	past, err := r.past(ctx)
	if err != nil {
		return nil, err
	}
	return r.plan(want, now, past, options)
}

// Deploy brings the stack of the file into the swarm.
func (r *Rollout) Deploy(ctx context.Context, file *stack.File, options Options) error {
	return r.locked(ctx, "deploy", options.LockWait, func(ctx context.Context, held *lock.Lock) error {
		want, now, err := r.want(ctx, file, options)
		if err != nil {
			return err
		}
		return r.roll(ctx, held, want, now, options)
	})
}

// locked runs do under the lock of the stack, in a context that ends when the lock is lost.
func (r *Rollout) locked(ctx context.Context, what string, wait time.Duration, do func(context.Context, *lock.Lock) error) error {
	if err := live.CheckManager(ctx, r.Engine); err != nil {
		return err
	}
	holder := lock.Holder{Who: r.Who, Where: r.Where, Process: r.Process, What: what}
	work, taken, err := r.locker().Acquire(ctx, holder, wait)
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := r.tidying(ctx)
		defer cancel()
		if err := taken.Release(ctx); err != nil {
			r.Progress.Warn(fmt.Sprintf("%v; it is free again in %s", err, lock.Lease))
		}
	}()
	return do(work, taken)
}

func (r *Rollout) locker() lock.Locker {
	return lock.Locker{
		Engine: r.Engine, Stack: r.Stack, Alive: r.Alive, Warn: r.Progress.Warn,
		Waiting: func(holder lock.Holder) {
			r.Progress.Step(fmt.Sprintf("waiting for the lock of %s (%s)", holder.Who, holder.What))
		},
	}
}

// tidying is a context for what must be done even when the work was stopped.
func (r *Rollout) tidying(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
}

// Lock returns the holder of the lock, if there is one.
func (r *Rollout) Lock(ctx context.Context) (lock.Holder, bool, error) {
	if err := live.CheckManager(ctx, r.Engine); err != nil {
		return lock.Holder{}, false, err
	}
	return r.locker().Current(ctx)
}

// Unlock releases the lock, whoever holds it.
func (r *Rollout) Unlock(ctx context.Context) (lock.Holder, bool, error) {
	if err := live.CheckManager(ctx, r.Engine); err != nil {
		return lock.Holder{}, false, err
	}
	return r.locker().Break(ctx)
}

// past is the history in the form that a plan needs.
type past struct {
	releases []release.Release
	// good is the last release that served, and its content.
	good    release.Release
	content *release.Content
	needed  map[string]bool
}

func (r *Rollout) history() release.History {
	return release.History{Engine: r.Engine, Stack: r.Stack}
}

func (r *Rollout) past(ctx context.Context) (past, error) {
	releases, err := r.history().List(ctx)
	if err != nil {
		return past{}, err
	}
	p := past{releases: releases}
	if p.needed, err = release.Needed(releases); err != nil {
		return past{}, err
	}
	if good, ok := release.LastDeployed(releases); ok {
		p.good = good
		if p.content, err = good.Content(); err != nil {
			return past{}, err
		}
	}
	return p, nil
}

// clean tells whether the swarm holds the last good release, as far as the history knows: no later
// one failed half way.
func (p past) clean() bool {
	for _, r := range p.releases {
		switch r.Status {
		case release.Deployed:
			return true
		case release.Failed:
			continue // it was taken back
		default:
			return false
		}
	}
	return true
}

func (p past) jobsDone() map[string]string {
	if p.content == nil {
		return nil
	}
	return p.content.Jobs
}

func (r *Rollout) plan(want *stack.Stack, now *live.State, past past, options Options) (*plan.Plan, error) {
	return plan.Make(want, now, plan.Options{
		From: past.good.Name, Prune: options.Prune, JobsDone: past.jobsDone(), Needed: past.needed,
	})
}
