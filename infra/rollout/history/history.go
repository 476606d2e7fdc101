// Package history keeps the releases of a stack in the swarm itself: each release is a config. No update of a service
// overwrites it. The previous spec, which `docker service rollback` goes back to, is overwritten by each update.
package history

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"boardcafe/infra/rollout/model"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/swarm"
)

// Engine is the part of the Docker API that keeps releases.
type Engine interface {
	ConfigList(ctx context.Context, options swarm.ConfigListOptions) ([]swarm.Config, error)
	ConfigCreate(ctx context.Context, spec swarm.ConfigSpec) (swarm.ConfigCreateResponse, error)
	ConfigUpdate(ctx context.Context, id string, version swarm.Version, spec swarm.ConfigSpec) error
	ConfigRemove(ctx context.Context, id string) error
}

// Keep is how many releases the history has.
const Keep = 10

// History is the releases of a stack.
type History struct {
	Engine Engine
	Stack  string
}

// List returns the releases, newest first.
func (h History) List(ctx context.Context) ([]Release, error) {
	configs, err := h.Engine.ConfigList(ctx, swarm.ConfigListOptions{Filters: filters.NewArgs(
		filters.Arg("label", model.LabelStack+"="+h.Stack), filters.Arg("label", model.LabelRelease),
	)})
	if err != nil {
		return nil, fmt.Errorf("list releases: %w", err)
	}
	var out []Release
	for _, config := range configs {
		out = append(out, read(config))
	}
	slices.SortFunc(out, func(a, b Release) int { return cmp.Compare(b.Number, a.Number) })
	return out, nil
}

// Begin records a release as pending and gives it its number.
func (h History) Begin(ctx context.Context, r Release, content Content) (Release, error) {
	data, err := pack(content)
	if err != nil {
		return r, fmt.Errorf("record the release: %w", err)
	}
	releases, err := h.List(ctx)
	if err != nil {
		return r, err
	}
	r.Number, r.Status = 1, Pending
	if len(releases) > 0 {
		r.Number = releases[0].Number + 1
	}
	about := swarm.Annotations{Name: model.ReleaseName(h.Stack, r.Number), Labels: r.labels(h.Stack)}
	spec := swarm.ConfigSpec{Annotations: about, Data: data}
	created, err := h.Engine.ConfigCreate(ctx, spec)
	if err != nil {
		return r, fmt.Errorf("record release %s: %w", r, err)
	}
	r.config = swarm.Config{ID: created.ID, Spec: spec}
	return r, nil
}

// Finish records how a release ended.
func (h History) Finish(ctx context.Context, r Release, status Status, reason string, at time.Time) error {
	r.Status, r.Reason, r.Ended = status, clip(reason), at
	releases, err := h.List(ctx)
	if err != nil {
		return err
	}
	for _, now := range releases {
		if now.Number != r.Number {
			continue
		}
		spec := now.config.Spec
		spec.Labels = r.labels(h.Stack)
		if err := h.Engine.ConfigUpdate(ctx, now.config.ID, now.config.Version, spec); err != nil {
			return fmt.Errorf("record that release %s is %s: %w", r, status, err)
		}
		return nil
	}
	return fmt.Errorf("record that release %s is %s: it is gone", r, status)
}

// Trim removes the releases that are too old to be kept.
func (h History) Trim(ctx context.Context) error {
	releases, err := h.List(ctx)
	if err != nil {
		return err
	}
	kept := Kept(releases)
	for _, r := range releases {
		if slices.ContainsFunc(kept, func(k Release) bool { return k.Number == r.Number }) {
			continue
		}
		if err := h.Engine.ConfigRemove(ctx, r.config.ID); err != nil && !cerrdefs.IsNotFound(err) {
			return fmt.Errorf("remove release %s: %w", r, err)
		}
	}
	return nil
}

// Kept are the newest releases. The last good one is always among them, whatever its number.
func Kept(releases []Release) []Release {
	kept := slices.Clone(releases[:min(Keep, len(releases))])
	good, ok := LastDeployed(releases)
	if ok && !slices.ContainsFunc(kept, func(r Release) bool { return r.Number == good.Number }) {
		kept = append(kept, good)
	}
	return kept
}

// LastDeployed is the newest release that served.
func LastDeployed(releases []Release) (Release, bool) {
	for _, r := range releases {
		if r.Status == Deployed {
			return r, true
		}
	}
	return Release{}, false
}

// Needed are the versions of configs and secrets without which a kept release could not be gone back to.
func Needed(releases []Release) (map[string]bool, error) {
	needed := map[string]bool{}
	for _, r := range Kept(releases) {
		if r.Status != Deployed {
			continue
		}
		content, err := r.Content()
		if err != nil {
			return nil, err
		}
		for name := range content.Stack.Versions() {
			needed[name] = true
		}
	}
	return needed, nil
}
