package deploy

import (
	"errors"
	"fmt"

	"boardcafe/infra/rollout/history"
	"boardcafe/infra/rollout/watch"
)

// ErrInterrupted is the cause of a context that a person has cancelled.
var ErrInterrupted = errors.New("interrupted")

// FailedError says that a release failed, why, and what serves now.
type FailedError struct {
	Release, Previous history.Release
	Cause             error
	Tasks             []watch.Task // of this attempt, with their logs
	// Restored says that what was there before is there again, and was seen to serve. Empty says that
	// no service of the stack was there, whatever the history has.
	Restored, Empty bool
	RestoreErr      error
	Running         []watch.Status // what runs, where it was not restored
}

func (e *FailedError) Error() string {
	return fmt.Sprintf("release %s failed: %v", e.Release, e.Cause)
}

func (e *FailedError) Unwrap() error { return e.Cause }

// InterruptedError says how far an interrupted attempt came.
type InterruptedError struct {
	Release          history.Release
	Applied, Pending []string // operations, as a plan lists them
}

func (e *InterruptedError) Error() string {
	return fmt.Sprintf("release %s was interrupted", e.Release)
}

// JobError says that a job did not end well.
type JobError struct {
	Job    string
	Reason string
	Task   watch.Task
}

func (e *JobError) Error() string {
	text := "job " + e.Job + ": " + e.Reason
	if e.Task.ID != "" {
		text += "; " + e.Task.String()
	}
	return text
}
