// Package lock lets only one rollout at a time change a stack. The lock is a config of the swarm. To create a
// config by name is atomic, to update its labels is compare-and-swap, and to remove it by its identifier never
// removes somebody else's.
package lock

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"boardcafe/infra/rollout/model"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/swarm"
)

// Engine is the part of the Docker API that a lock is made of.
type Engine interface {
	ConfigList(ctx context.Context, options swarm.ConfigListOptions) ([]swarm.Config, error)
	ConfigCreate(ctx context.Context, spec swarm.ConfigSpec) (swarm.ConfigCreateResponse, error)
	ConfigUpdate(ctx context.Context, id string, version swarm.Version, spec swarm.ConfigSpec) error
	ConfigRemove(ctx context.Context, id string) error
}

// A holder renews its lease every Renewal. It is taken for dead when it has not done so for Lease.
const (
	Lease   = 20 * time.Second
	Renewal = 5 * time.Second
	// poll is how often a waiting rollout looks again.
	poll = time.Second
)

// Holder is who has the lock.
type Holder struct {
	Who     string    `json:"who"`
	Process string    `json:"process"` // see [Process]
	What    string    `json:"what"`    // "deploy 3f2a1b"
	Where   string    `json:"where,omitempty"`
	Since   time.Time `json:"since"`
	Renewed time.Time `json:"renewed"`
}

// HeldError says that another rollout has the lock.
type HeldError struct {
	Stack  string
	Holder Holder
	Age    time.Duration
}

func (e *HeldError) Error() string {
	where := ""
	if e.Holder.Where != "" {
		where = ", " + e.Holder.Where
	}
	since, age := e.Holder.Since.UTC().Format(time.RFC3339), e.Age.Round(time.Second)
	return fmt.Sprintf("stack %s is locked by %s (%s%s) since %s, %s ago; "+
		"wait for it with --lock-wait, or if it is dead: rollout lock release --stack %s",
		e.Stack, e.Holder.Who, e.Holder.What, where, since, age, e.Stack)
}

// ErrLost stops the work of a holder whose lock is gone.
var ErrLost = errors.New("the lock was lost: another rollout has taken it, or somebody has released it")

// Locker takes and releases the lock of a stack.
type Locker struct {
	Engine Engine
	Stack  string
	// Alive tells whether the process that wrote a lock runs, if that can be known here.
	Alive func(process string) (alive, known bool)
	// Warn is told of a lock that is taken over from a dead holder.
	Warn func(text string)
	// Waiting is told, once, of the holder that is being waited for.
	Waiting func(Holder)
}

// Lock is a lock that is held.
type Lock struct {
	engine Engine
	id     string
	spec   swarm.ConfigSpec
	warn   func(text string)
	stop   context.CancelFunc
	done   chan struct{}

	mu      sync.Mutex // held for a renewal, and for the fields below
	renewed time.Time
	late    bool // the warning about a late renewal has been given
}

// Acquire takes the lock, and waits for it as long as wait. The context that it returns ends with [ErrLost] when
// the lease is lost. Everything that needs the lock must run in that context.
func (l Locker) Acquire(ctx context.Context, holder Holder, wait time.Duration) (context.Context, *Lock, error) {
	deadline := time.Now().Add(wait)
	told := false
	for {
		holder.Since = time.Now()
		held, err := l.create(ctx, holder)
		if err == nil {
			work := held.renew(ctx)
			return work, held, nil
		}
		if !cerrdefs.IsConflict(err) && !cerrdefs.IsAlreadyExists(err) {
			return nil, nil, fmt.Errorf("take the lock of %s: %w", l.Stack, err)
		}
		current, found, err := l.current(ctx)
		if err != nil {
			return nil, nil, err
		}
		if !found {
			continue // released between the two calls
		}
		now := read(current)
		if dead, why := l.dead(ctx, current); dead {
			l.Warn(fmt.Sprintf("taking the lock of %s over from %s (%s): %s", l.Stack, now.Who, now.What, why))
			if err := l.Engine.ConfigRemove(ctx, current.ID); err != nil && !cerrdefs.IsNotFound(err) {
				return nil, nil, fmt.Errorf("remove the dead lock of %s: %w", l.Stack, err)
			}
			continue
		}
		if !time.Now().Before(deadline) {
			return nil, nil, &HeldError{Stack: l.Stack, Holder: now, Age: time.Since(now.Since)}
		}
		if !told && l.Waiting != nil {
			told = true
			l.Waiting(now)
		}
		if err := sleep(ctx, poll); err != nil {
			return nil, nil, err
		}
	}
}

func (l Locker) create(ctx context.Context, holder Holder) (*Lock, error) {
	spec := swarm.ConfigSpec{
		Annotations: swarm.Annotations{Name: model.LockName(l.Stack), Labels: map[string]string{
			model.LabelLock: l.Stack, model.LabelLockWho: holder.Who, model.LabelLockProcess: holder.Process,
			model.LabelLockWhat: holder.What, model.LabelLockWhere: holder.Where,
			model.LabelLockSince: stamp(holder.Since), model.LabelLockRenewed: stamp(holder.Since),
		}},
		Data: []byte("The labels say who holds this lock. Release it with: rollout lock release\n"),
	}
	created, err := l.Engine.ConfigCreate(ctx, spec)
	if err != nil {
		return nil, err
	}
	return &Lock{engine: l.Engine, id: created.ID, spec: spec, warn: l.Warn, renewed: holder.Since}, nil
}

// dead tells whether the holder is gone, and why. The clocks of two machines may differ. So a lease that has run
// out by this machine's clock is watched for a renewal before it is taken over.
func (l Locker) dead(ctx context.Context, current swarm.Config) (bool, string) {
	holder := read(current)
	if l.Alive != nil {
		if alive, known := l.Alive(holder.Process); known && !alive {
			return true, "its process on this machine is gone"
		}
	}
	silent := time.Since(holder.Renewed)
	if silent < Lease {
		return false, ""
	}
	if err := sleep(ctx, Renewal+2*time.Second); err != nil {
		return false, ""
	}
	again, found, err := l.current(ctx)
	if err != nil || !found || again.ID != current.ID || again.Version != current.Version {
		return false, ""
	}
	return true, fmt.Sprintf("it has not renewed its lease for %s", time.Since(holder.Renewed).Round(time.Second))
}

// Current returns the holder of the lock, if there is one.
func (l Locker) Current(ctx context.Context) (Holder, bool, error) {
	config, found, err := l.current(ctx)
	if err != nil || !found {
		return Holder{}, false, err
	}
	return read(config), true, nil
}

// Break releases the lock, whoever holds it. The holder stops at its next renewal.
func (l Locker) Break(ctx context.Context) (Holder, bool, error) {
	config, found, err := l.current(ctx)
	if err != nil || !found {
		return Holder{}, false, err
	}
	if err := l.Engine.ConfigRemove(ctx, config.ID); err != nil && !cerrdefs.IsNotFound(err) {
		return Holder{}, false, fmt.Errorf("remove the lock of %s: %w", l.Stack, err)
	}
	return read(config), true, nil
}

func (l Locker) current(ctx context.Context) (swarm.Config, bool, error) {
	ofStack := filters.NewArgs(filters.Arg("label", model.LabelLock+"="+l.Stack))
	configs, err := l.Engine.ConfigList(ctx, swarm.ConfigListOptions{Filters: ofStack})
	if err != nil {
		return swarm.Config{}, false, fmt.Errorf("read the lock of %s: %w", l.Stack, err)
	}
	if len(configs) == 0 {
		return swarm.Config{}, false, nil
	}
	return configs[0], true, nil
}

func read(config swarm.Config) Holder {
	labels := config.Spec.Labels
	holder := Holder{
		Who: labels[model.LabelLockWho], Process: labels[model.LabelLockProcess],
		What: labels[model.LabelLockWhat], Where: labels[model.LabelLockWhere],
	}
	holder.Since, _ = time.Parse(time.RFC3339Nano, labels[model.LabelLockSince])
	holder.Renewed, _ = time.Parse(time.RFC3339Nano, labels[model.LabelLockRenewed])
	return holder
}

// renew starts to renew the lease, and returns a context that ends when the lease is lost.
func (l *Lock) renew(parent context.Context) context.Context {
	work, lose := context.WithCancelCause(parent)
	// The lease outlives the work: an interrupted deploy still tidies up under its lock.
	heart, stop := context.WithCancel(context.WithoutCancel(parent))
	l.stop, l.done = stop, make(chan struct{})
	go func() {
		defer close(l.done)
		lose(l.beat(heart))
	}()
	return work
}

// beat keeps the lease until the lock is released (nil) or lost.
func (l *Lock) beat(ctx context.Context) error {
	for {
		if sleep(ctx, Renewal) != nil {
			return nil
		}
		err := l.touch(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, ErrLost):
			return err
		}
	}
}

// Fresh returns once the lease is sure to be ours; it returns [ErrLost] when the lease is lost. It must be asked
// before each write. A slow engine, or a process that was stopped for a while, can make a renewal so late that
// others may take the lock. If nobody took it, Fresh renews the lease, and the work goes on.
func (l *Lock) Fresh(ctx context.Context) error {
	for {
		l.mu.Lock()
		age := l.age()
		l.mu.Unlock()
		if age < Lease-2*Renewal {
			return nil
		}
		err := l.touch(ctx)
		switch {
		case err == nil || errors.Is(err, ErrLost):
			return err
		case ctx.Err() != nil:
			return context.Cause(ctx)
		}
		if err := sleep(ctx, poll); err != nil {
			return err
		}
	}
}

// age is how long ago the lease was renewed. Two clocks are asked, and the longer answer counts: one clock stands
// still while the machine sleeps, and the other can be set back.
func (l *Lock) age() time.Duration {
	now := time.Now()
	return max(now.Sub(l.renewed), now.Round(0).Sub(l.renewed.Round(0)))
}

// touch renews the lease once. [ErrLost] says that the lock is gone. After another error the engine did not
// answer, and the lock may still be ours.
func (l *Lock) touch(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if age := l.age(); age >= Lease && !l.late {
		l.late = true
		l.warn(fmt.Sprintf("the lock's lease is %s old and not renewed yet: the engine is slow, or this machine is",
			age.Round(time.Second)))
	}
	ctx, cancel := context.WithTimeout(ctx, Lease) // a slow engine answers late, and that counts
	defer cancel()
	configs, err := l.engine.ConfigList(ctx, swarm.ConfigListOptions{Filters: filters.NewArgs(filters.Arg("id", l.id))})
	if err != nil {
		return err
	}
	at := slices.IndexFunc(configs, func(c swarm.Config) bool { return c.ID == l.id })
	if at < 0 {
		return ErrLost
	}
	spec, now := l.spec, time.Now()
	spec.Labels = maps.Clone(l.spec.Labels)
	spec.Labels[model.LabelLockRenewed] = stamp(now)
	err = l.engine.ConfigUpdate(ctx, l.id, configs[at].Version, spec)
	switch {
	case cerrdefs.IsNotFound(err):
		return ErrLost
	case err != nil:
		return err
	}
	l.renewed, l.late = now, false
	return nil
}

// Release gives the lock back.
func (l *Lock) Release(ctx context.Context) error {
	l.stop()
	<-l.done
	if err := l.engine.ConfigRemove(ctx, l.id); err != nil && !cerrdefs.IsNotFound(err) {
		return fmt.Errorf("release the lock: %w", err)
	}
	return nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
