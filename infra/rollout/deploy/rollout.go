// Package deploy brings a stack into a swarm, whole or not at all. [Attempt.run] is the sentence that it is
// about.
package deploy

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"boardcafe/infra/rollout/history"
	"boardcafe/infra/rollout/live"
	"boardcafe/infra/rollout/lock"
	"boardcafe/infra/rollout/plan"
	"boardcafe/infra/rollout/stackfile"
	"boardcafe/infra/rollout/watch"

	"github.com/docker/docker/api/types/registry"
	"github.com/docker/docker/api/types/swarm"
)

// Engine is the part of the Docker API that a rollout uses; *client.Client has it.
type Engine interface {
	live.Engine
	lock.Engine
	plan.Engine
	history.Engine
	watch.Engine
	watch.LogEngine
	DistributionInspect(ctx context.Context, image, encodedAuth string) (registry.DistributionInspect, error)
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
	// Who and Where say in the lock and in the history whose rollout it was.
	Who, Where, Process string
	// Alive tells whether the process that wrote a lock runs, if that can be known here.
	Alive func(process string) (alive, known bool)
}

// Options are what a deploy and a rollback can be told.
type Options struct {
	// Resolve pins images to digests. Without it each machine takes what its own registry or
	// store has under the tag.
	Resolve    bool
	Prune      bool // removes services and networks that the stack no longer has
	NoRollback bool
	Probes     []string // addresses, instead of those of the swarm's machines
	Settle     time.Duration
	Timeout    time.Duration
	LockWait   time.Duration
	// Show is given the plan. Confirm must agree to the operations that remove or replace a service.
	Show    func(*plan.Plan)
	Confirm func([]plan.Operation) error
}

// Plan says what Deploy would do. It writes nothing and takes no lock.
func (r *Rollout) Plan(ctx context.Context, file *stackfile.File, options Options) (*plan.Plan, error) {
	a := &Attempt{rollout: r, options: options, goal: fromFile(file)}
	if err := a.prepare(ctx); err != nil {
		return nil, err
	}
	return a.plan, nil
}

// Deploy brings the stack of the file into the swarm.
func (r *Rollout) Deploy(ctx context.Context, file *stackfile.File, options Options) error {
	a := &Attempt{rollout: r, options: options, what: "deploy", goal: fromFile(file)}
	return a.run(ctx)
}

// Rollback brings an earlier release back: the one of that number or name, or the one before the
// present. It is a release like any other, with its own plan and its own entry in the history.
func (r *Rollout) Rollback(ctx context.Context, to string, options Options) error {
	a := &Attempt{rollout: r, options: options, what: "rollback " + to, goal: fromHistory(to)}
	return a.run(ctx)
}

func (r *Rollout) history() history.History {
	return history.History{Engine: r.Engine, Stack: r.Stack}
}

func (r *Rollout) locker() lock.Locker {
	return lock.Locker{
		Engine: r.Engine, Stack: r.Stack, Alive: r.Alive, Warn: r.Progress.Warn,
		Waiting: func(holder lock.Holder) {
			r.Progress.Step(fmt.Sprintf("waiting for the lock of %s (%s)", holder.Who, holder.What))
		},
	}
}

// target is the swarm that operations run against.
func (r *Rollout) target() plan.Target {
	return plan.Target{Engine: r.Engine, Auth: r.Auth, Jobs: jobs{engine: r.Engine, auth: r.Auth, progress: r.Progress}}
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

// tidying is a context for what must be done even after the work was stopped.
func tidying(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
}
