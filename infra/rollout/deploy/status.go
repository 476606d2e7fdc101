package deploy

import (
	"context"

	"boardcafe/infra/rollout/history"
	"boardcafe/infra/rollout/live"
	"boardcafe/infra/rollout/lock"
	"boardcafe/infra/rollout/model"
	"boardcafe/infra/rollout/watch"
)

// Status is how a stack does now.
type Status struct {
	Stack    string           `json:"stack"`
	Release  *history.Release `json:"release,omitempty"` // the newest
	Services []watch.Status   `json:"services"`
	Lock     *lock.Holder     `json:"lock,omitempty"`
}

// Status reads how the stack does.
func (r *Rollout) Status(ctx context.Context) (*Status, error) {
	now, err := live.Read(ctx, r.Engine, r.Stack)
	if err != nil {
		return nil, err
	}
	releases, err := r.history().List(ctx)
	if err != nil {
		return nil, err
	}
	status := &Status{Stack: r.Stack, Services: []watch.Status{}}
	if len(releases) > 0 {
		status.Release = &releases[0]
	}
	holder, held, err := r.Lock(ctx)
	if err != nil {
		return nil, err
	}
	if held {
		status.Lock = &holder
	}
	var targets []watch.Target
	for _, service := range now.Services {
		name := service.Spec.Name
		targets = append(targets, watch.Target{Name: model.ShortName(r.Stack, name), Service: name})
	}
	statuses, err := watch.Watcher{Engine: r.Engine, Stack: r.Stack}.Look(ctx, targets)
	if err != nil {
		return nil, err
	}
	status.Services = append(status.Services, statuses...)
	return status, nil
}

// History returns the releases, newest first.
func (r *Rollout) History(ctx context.Context) ([]history.Release, error) {
	if _, err := live.Read(ctx, r.Engine, r.Stack); err != nil {
		return nil, err
	}
	return r.history().List(ctx)
}
