package history

import (
	"fmt"
	"strconv"
	"time"

	"boardcafe/infra/rollout/model"

	"github.com/docker/docker/api/types/swarm"
)

// Status is how a release ended.
type Status string

// The statuses.
const (
	Pending     Status = "pending"     // under way, or its rollout was killed
	Deployed    Status = "deployed"    // it served, and only it, for the settle time
	Failed      Status = "failed"      // the one before it was restored
	Broken      Status = "broken"      // it failed, and the one before it was not restored
	Interrupted Status = "interrupted" // it was stopped half way, by a person or by a kill
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
	// Of is the release that this one went back to; 0 for a deploy.
	Of int `json:"rollback_of,omitempty"`

	config swarm.Config
}

// Content is what a release consists of. It is complete: going back to it needs no file.
type Content struct {
	Stack model.Stack
	Jobs  map[string]string // fingerprints of the jobs that have run, by name
}

// String is how people name it: r7 (3f2a1b).
func (r Release) String() string {
	if r.Name == "" {
		return fmt.Sprintf("r%d", r.Number)
	}
	return fmt.Sprintf("r%d (%s)", r.Number, r.Name)
}

// IsCalled tells whether people mean this release by a text: its name, its number, or r and its number.
func (r Release) IsCalled(text string) bool {
	return r.Name == text || strconv.Itoa(r.Number) == text || fmt.Sprintf("r%d", r.Number) == text
}

// Content unpacks what the release consists of. Its configs and secrets are external: all of them exist, or
// the release cannot be gone back to.
func (r Release) Content() (*Content, error) {
	content, err := unpack(r.config.Spec.Data)
	if err != nil {
		return nil, fmt.Errorf("read release %s: %w", r, err)
	}
	return content, nil
}

// read reads a release from the labels of its config.
func read(config swarm.Config) Release {
	labels := config.Spec.Labels
	r := Release{
		Name: labels[model.LabelReleaseName], Status: Status(labels[model.LabelReleaseStatus]),
		By: labels[model.LabelReleaseBy], Reason: labels[model.LabelReleaseReason], config: config,
	}
	r.Number, _ = strconv.Atoi(labels[model.LabelRelease])
	r.Of, _ = strconv.Atoi(labels[model.LabelReleaseOf])
	r.Started, _ = time.Parse(time.RFC3339, labels[model.LabelReleaseStarted])
	r.Ended, _ = time.Parse(time.RFC3339, labels[model.LabelReleaseEnded])
	return r
}

// labels are those of the config that records the release.
func (r Release) labels(stack string) map[string]string {
	labels := map[string]string{
		model.LabelStack: stack, model.LabelRelease: strconv.Itoa(r.Number),
		model.LabelReleaseStatus: string(r.Status), model.LabelReleaseBy: r.By,
		model.LabelReleaseStarted: r.Started.UTC().Format(time.RFC3339),
	}
	if r.Name != "" {
		labels[model.LabelReleaseName] = r.Name
	}
	if r.Reason != "" {
		labels[model.LabelReleaseReason] = r.Reason
	}
	if r.Of > 0 {
		labels[model.LabelReleaseOf] = strconv.Itoa(r.Of)
	}
	if !r.Ended.IsZero() {
		labels[model.LabelReleaseEnded] = r.Ended.UTC().Format(time.RFC3339)
	}
	return labels
}

// clip keeps a reason short enough for a line of the history.
func clip(text string) string {
	runes := []rune(text)
	if len(runes) > 200 {
		return string(runes[:199]) + "…"
	}
	return text
}
