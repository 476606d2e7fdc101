package rollout

import (
	"context"
	"fmt"
	"strconv"

	"boardcafe/infra/rollout/live"
	"boardcafe/infra/rollout/lock"
	"boardcafe/infra/rollout/plan"
	"boardcafe/infra/rollout/release"
)

// NoReleaseError says that there is no such release to go back to.
type NoReleaseError struct{ Stack, Name string }

func (e *NoReleaseError) Error() string {
	if e.Name == "" {
		return fmt.Sprintf("stack %s has no release before the present one; see: rollout history --stack %s", e.Stack, e.Stack)
	}
	return fmt.Sprintf("stack %s has no deployed release %s; see: rollout history --stack %s", e.Stack, e.Name, e.Stack)
}

// Rollback brings an earlier release back: the one of that number or name, or the one before the
// present. It is a release like any other, with its own plan and its own entry in the history.
func (r *Rollout) Rollback(ctx context.Context, to string, options Options) error {
	return r.locked(ctx, "rollback "+to, options.LockWait, func(ctx context.Context, held *lock.Lock) error {
		past, err := r.past(ctx)
		if err != nil {
			return err
		}
		source, err := r.pick(past, to)
		if err != nil {
			return err
		}
		content, err := source.Content()
		if err != nil {
			return err
		}
		now, err := live.Read(ctx, r.Engine, r.Stack)
		if err != nil {
			return err
		}
		// Versions that are missing stop it here, before anything is touched.
		made, err := plan.Make(&content.Stack, now, plan.Options{
			From: past.good.Name, Prune: options.Prune, Needed: past.needed, SkipJobs: true,
		})
		if err != nil {
			return fmt.Errorf("release %s cannot be gone back to: %w", source, err)
		}
		options.Show(made)
		if destructive := made.Destructive(); len(destructive) > 0 {
			if err := options.Confirm(destructive); err != nil {
				return err
			}
		}
		current := &run{Rollout: r, lock: held, options: options, want: &content.Stack, past: past, plan: made}
		return current.start(ctx, now, source.Number)
	})
}

// pick finds the release to go back to. Only one that has served is worth it.
func (r *Rollout) pick(past past, to string) (release.Release, error) {
	skipped := false
	for _, candidate := range past.releases {
		if candidate.Status != release.Deployed {
			continue
		}
		if to == "" {
			// After a failure without a way back, the last good one is the one to go to.
			if past.clean() && !skipped {
				skipped = true
				continue
			}
			return candidate, nil
		}
		if candidate.Name == to || strconv.Itoa(candidate.Number) == to || fmt.Sprintf("r%d", candidate.Number) == to {
			return candidate, nil
		}
	}
	return release.Release{}, &NoReleaseError{Stack: r.Stack, Name: to}
}
