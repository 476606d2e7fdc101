package model

import (
	"fmt"
	"regexp"
	"strings"
)

// The rules for names, in the words of an error message.
const (
	StackNameRule = "a stack's name has letters, digits, - and _ only, 31 at most"
	KeyRule       = "a name has letters, digits, . _ and - only"
)

var (
	stackName   = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_-]{0,30}$`)
	key         = regexp.MustCompile(`^[a-zA-Z0-9._-]+$`)
	serviceName = regexp.MustCompile(`^[a-zA-Z0-9](?:[-_]*[A-Za-z0-9]+)*$`)
	objectName  = regexp.MustCompile(`^[a-zA-Z0-9]+(?:[a-zA-Z0-9-_.]*[a-zA-Z0-9])?$`)
)

// CheckStackName tells what is wrong with the name of a stack.
func CheckStackName(name string) error {
	if !stackName.MatchString(name) {
		return fmt.Errorf("stack name %q: %s", name, StackNameRule)
	}
	return nil
}

// CheckKey tells what is wrong with the key of a service, network, volume, config or secret.
func CheckKey(name string) error {
	if !key.MatchString(name) {
		return fmt.Errorf("%q: %s", name, KeyRule)
	}
	return nil
}

// IsServiceName tells whether Swarm takes the characters of a name for a service or a network.
func IsServiceName(name string) bool { return serviceName.MatchString(name) }

// IsObjectName tells whether Swarm takes a name for a config or a secret.
func IsObjectName(name string) bool {
	return len(name) <= MaxObjectName && objectName.MatchString(name)
}

// FullName is Swarm's name of what a stack file calls by its key: a service, network, config or secret.
func FullName(stack, key string) string { return stack + "_" + key }

// ShortName is the key in the stack file of what Swarm has under its full name.
func ShortName(stack, full string) string { return strings.TrimPrefix(full, stack+"_") }

// JobName is the name of the service that runs a job once; unique tells its runs apart.
func JobName(full, unique string) string {
	suffix := "-" + unique
	return full[:min(len(full), MaxServiceName-len(suffix))] + suffix
}

// LockName is the name of the config that is the lock of a stack.
func LockName(stack string) string { return "rollout." + stack + ".lock" }

// KeyName is the name of the config with the key that names the versions of secrets. It is a config, since
// whoever can read it can also start a task with the secrets themselves. It keeps their values from those who
// see only names, in logs and plans.
func KeyName(stack string) string { return "rollout." + stack + ".key" }

// ReleaseName is the name of the config that records a release.
func ReleaseName(stack string, number int) string {
	return fmt.Sprintf("rollout.%s.r%d", stack, number)
}
