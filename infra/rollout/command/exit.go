package command

import (
	"context"
	"errors"

	"boardcafe/infra/rollout/deploy"
	"boardcafe/infra/rollout/lock"
)

// The exit codes. Pipelines rely on them: 1 means that nothing was changed.
const (
	exitDone        = 0
	exitNotStarted  = 1
	exitChanges     = 2
	exitRestored    = 3
	exitNotRestored = 4
	exitLocked      = 5
	exitInterrupted = 130
)

// errChanges is how plan says that there are changes.
var errChanges = errors.New("there are changes")

// exitCode is the exit code of an error. No other place decides about exit codes.
func exitCode(ctx context.Context, err error) int {
	var failed *deploy.FailedError
	var interrupted *deploy.InterruptedError
	var held *lock.HeldError
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, errChanges):
		return exitChanges
	case errors.As(err, &interrupted):
		return exitInterrupted
	case errors.As(err, &failed) && failed.Restored:
		return exitRestored
	case errors.As(err, &failed):
		return exitNotRestored
	case errors.As(err, &held):
		return exitLocked
	case errors.Is(context.Cause(ctx), deploy.ErrInterrupted):
		return exitInterrupted
	}
	return exitNotStarted
}
