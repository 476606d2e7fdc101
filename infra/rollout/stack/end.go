package stack

import "github.com/docker/docker/api/types/swarm"

// MustEnd tells whether a service has done its work only when it has ended: a job, and what is never
// restarted, unless a port or a health check shows that it is a server all the same.
func MustEnd(spec swarm.ServiceSpec) bool {
	if spec.Mode.ReplicatedJob != nil || spec.Mode.GlobalJob != nil {
		return true
	}
	if policy := spec.TaskTemplate.RestartPolicy; policy == nil || policy.Condition != swarm.RestartPolicyConditionNone {
		return false
	}
	if spec.EndpointSpec != nil && len(spec.EndpointSpec.Ports) > 0 {
		return false
	}
	container := spec.TaskTemplate.ContainerSpec
	checked := container != nil && container.Healthcheck != nil && len(container.Healthcheck.Test) > 0 && container.Healthcheck.Test[0] != "NONE"
	return !checked
}
