package model

import (
	"time"

	"github.com/docker/docker/api/types/swarm"
)

// MustEnd tells whether a service is done only when its tasks have ended. That is so for Swarm's jobs, and for
// services that are never restarted. A port or a health check shows that such a service is a server after all.
func MustEnd(spec swarm.ServiceSpec) bool {
	if spec.Mode.ReplicatedJob != nil || spec.Mode.GlobalJob != nil {
		return true
	}
	policy := spec.TaskTemplate.RestartPolicy
	if policy == nil || policy.Condition != swarm.RestartPolicyConditionNone {
		return false
	}
	if spec.EndpointSpec != nil && len(spec.EndpointSpec.Ports) > 0 {
		return false
	}
	container := spec.TaskTemplate.ContainerSpec
	if container == nil || container.Healthcheck == nil {
		return true
	}
	test := container.Healthcheck.Test
	return len(test) == 0 || test[0] == "NONE"
}

// Monitor is for how long a new task of a service must stay up before Swarm trusts it.
func Monitor(spec swarm.ServiceSpec) time.Duration {
	if update := spec.UpdateConfig; update != nil && update.Monitor > 0 {
		return update.Monitor
	}
	return DefaultMonitor
}
