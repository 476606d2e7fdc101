package model

import "github.com/docker/docker/api/types/filters"

// Docker's own labels. With them `docker stack ps`, `services` and `rm` keep working.
const (
	LabelNamespace = "com.docker.stack.namespace"
	LabelImage     = "com.docker.stack.image"
)

// Labels of the objects of a stack.
const (
	// LabelStack names the stack of an object that `docker stack rm` must leave in place: a release, a secret
	// that was set by hand, the key of the secrets' names. Docker removes only what has its own label.
	LabelStack = "rollout.stack"
	// LabelKey is the key of a config or secret in the stack file.
	LabelKey = "rollout.key"
	// LabelSet numbers the versions of an external secret in the order in which they were set.
	LabelSet = "rollout.set"
	// LabelJob is the name of the job that a service runs. It finds the job of a rollout that was killed.
	LabelJob = "rollout.job"
)

// Labels of the lock.
const (
	LabelLock        = "rollout.lock"
	LabelLockWho     = "rollout.who"
	LabelLockProcess = "rollout.process"
	LabelLockWhat    = "rollout.what"
	LabelLockWhere   = "rollout.where"
	LabelLockSince   = "rollout.since"
	LabelLockRenewed = "rollout.renewed"
)

// Labels of a release. Swarm lets a config's labels change, but never its data. So the labels have what
// changes, and the data has what the release consists of.
const (
	LabelRelease        = "rollout.release"
	LabelReleaseName    = "rollout.name"
	LabelReleaseStatus  = "rollout.status"
	LabelReleaseBy      = "rollout.by"
	LabelReleaseStarted = "rollout.started"
	LabelReleaseEnded   = "rollout.ended"
	LabelReleaseReason  = "rollout.reason"
	LabelReleaseOf      = "rollout.of"
)

// Owns tells by its labels whether an object belongs to the stack of that name.
func Owns(stack string, labels map[string]string) bool {
	return labels[LabelStack] == stack || labels[LabelNamespace] == stack
}

// OfStack selects the objects that have Docker's label of that stack.
func OfStack(stack string) filters.Args {
	return filters.NewArgs(filters.Arg("label", LabelNamespace+"="+stack))
}
