// Package release keeps what was rolled out, in the swarm itself: each release is a config, which
// no update of a service can overwrite, unlike the previous spec that `docker service rollback`
// goes back to.
package release

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"boardcafe/infra/rollout/plan"
	"boardcafe/infra/rollout/stack"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/swarm"
)

// Status is how a release ended.
type Status string

// The statuses.
const (
	Pending     Status = "pending"     // under way, or its rollout was killed
	Deployed    Status = "deployed"    // it served, and only it, for the settle time
	Failed      Status = "failed"      // the one before it was restored
	Broken      Status = "broken"      // it failed and the one before it was not restored
	Interrupted Status = "interrupted" // stopped half way, by a person or by a kill
)

// Release is one entry of the history.
type Release struct {
	Number  int       `json:"number"`
	Name    string    `json:"name,omitempty"` // x-rollout: release
	Status  Status    `json:"status"`
	By      string    `json:"by"`
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended,omitzero"`
	Reason  string    `json:"reason,omitempty"`
	// Of is the release that this one went back to.
	Of int `json:"rollback_of,omitempty"`

	config swarm.Config
}

// String is how people name it: r7 (3f2a1b).
func (r Release) String() string {
	if r.Name == "" {
		return fmt.Sprintf("r%d", r.Number)
	}
	return fmt.Sprintf("r%d (%s)", r.Number, r.Name)
}

// Content is what a release consists of, complete: going back to it needs no file.
type Content struct {
	Format int               `json:"format"`
	Stack  stack.Stack       `json:"stack"`
	Jobs   map[string]string `json:"jobs"` // fingerprints of those that ran
}

// format is raised when a change of Content makes older ones unreadable.
const format = 1

// Engine is the part of the Docker API that keeps releases.
type Engine interface {
	ConfigList(ctx context.Context, options swarm.ConfigListOptions) ([]swarm.Config, error)
	ConfigCreate(ctx context.Context, spec swarm.ConfigSpec) (swarm.ConfigCreateResponse, error)
	ConfigUpdate(ctx context.Context, id string, version swarm.Version, spec swarm.ConfigSpec) error
	ConfigRemove(ctx context.Context, id string) error
}

// Labels of a release. Swarm allows a config's labels to change, its data never: the content of a
// release is written once.
const (
	labelNumber  = "rollout.release"
	labelName    = "rollout.name"
	labelStatus  = "rollout.status"
	labelBy      = "rollout.by"
	labelStarted = "rollout.started"
	labelEnded   = "rollout.ended"
	labelReason  = "rollout.reason"
	labelOf      = "rollout.of"
)

// Keep is how many releases the history has.
const Keep = 10

// History is the releases of a stack.
type History struct {
	Engine Engine
	Stack  string
}

// List returns the releases, newest first.
func (h History) List(ctx context.Context) ([]Release, error) {
	configs, err := h.Engine.ConfigList(ctx, swarm.ConfigListOptions{
		Filters: filters.NewArgs(filters.Arg("label", stack.LabelStack+"="+h.Stack), filters.Arg("label", labelNumber)),
	})
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

func read(config swarm.Config) Release {
	labels := config.Spec.Labels
	r := Release{
		Name: labels[labelName], Status: Status(labels[labelStatus]), By: labels[labelBy],
		Reason: labels[labelReason], config: config,
	}
	r.Number, _ = strconv.Atoi(labels[labelNumber])
	r.Of, _ = strconv.Atoi(labels[labelOf])
	r.Started, _ = time.Parse(time.RFC3339, labels[labelStarted])
	r.Ended, _ = time.Parse(time.RFC3339, labels[labelEnded])
	return r
}

// Content unpacks what the release consists of.
func (r Release) Content() (*Content, error) {
	unzip, err := gzip.NewReader(bytes.NewReader(r.config.Spec.Data))
	if err != nil {
		return nil, fmt.Errorf("read release %s: %w", r, err)
	}
	var content Content
	if err := json.NewDecoder(unzip).Decode(&content); err != nil {
		return nil, fmt.Errorf("read release %s: %w", r, err)
	}
	if content.Format != format {
		return nil, fmt.Errorf("read release %s: it was written by another version of rollout (format %d, this one reads %d)", r, content.Format, format)
	}
	// Every version that a release names exists already, or it cannot be gone back to.
	for i := range content.Stack.Configs {
		content.Stack.Configs[i].External = true
	}
	for i := range content.Stack.Secrets {
		content.Stack.Secrets[i].External = true
	}
	return &content, nil
}

// Begin records a release as pending and gives it its number.
func (h History) Begin(ctx context.Context, r Release, content Content) (Release, error) {
	content.Format = format
	content.Stack.Warnings = nil
	var data bytes.Buffer
	zip := gzip.NewWriter(&data)
	if err := json.NewEncoder(zip).Encode(content); err != nil {
		return r, fmt.Errorf("record the release: %w", err)
	}
	if err := zip.Close(); err != nil {
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
	spec := swarm.ConfigSpec{Annotations: swarm.Annotations{Name: h.name(r.Number), Labels: h.labels(r)}, Data: data.Bytes()}
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
		spec.Labels = h.labels(r)
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

// Kept are the newest releases, and whatever their number the last good one.
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

// Needed are the versions of configs and secrets that a kept release needs to be gone back to.
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
		for name := range plan.Versions(&content.Stack) {
			needed[name] = true
		}
	}
	return needed, nil
}

func (h History) name(number int) string { return fmt.Sprintf("rollout.%s.r%d", h.Stack, number) }

func (h History) labels(r Release) map[string]string {
	labels := map[string]string{
		stack.LabelStack: h.Stack, labelNumber: strconv.Itoa(r.Number), labelStatus: string(r.Status), labelBy: r.By,
		labelStarted: r.Started.UTC().Format(time.RFC3339),
	}
	for name, value := range map[string]string{labelName: r.Name, labelReason: r.Reason} {
		if value != "" {
			labels[name] = value
		}
	}
	if r.Of > 0 {
		labels[labelOf] = strconv.Itoa(r.Of)
	}
	if !r.Ended.IsZero() {
		labels[labelEnded] = r.Ended.UTC().Format(time.RFC3339)
	}
	return labels
}

// clip keeps a reason to what fits a line of the history.
func clip(text string) string {
	runes := []rune(text)
	if len(runes) > 200 {
		return string(runes[:199]) + "…"
	}
	return text
}
