package stack

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/swarm"
	"github.com/moby/swarmkit/v2/manager/constraint"
)

// checkLimits finds what Swarm would refuse, which is when a service is created or updated and half
// of the stack has changed already. The rules are swarmkit's (manager/controlapi/service.go) and the
// engine's (daemon/cluster/convert).
func (f *File) checkLimits(converted *Stack) error {
	published := map[string]string{}
	for _, service := range converted.Services {
		path := "services." + service.Name
		if key, problem := refused(service.Spec); problem != "" {
			return f.source.at(join(path, key), problem)
		}
		for i, port := range endpoint(service.Spec).Ports {
			if port.PublishMode == swarm.PortConfigPublishModeHost || port.PublishedPort == 0 {
				continue
			}
			number := fmt.Sprintf("%d/%s", port.PublishedPort, port.Protocol)
			if other, taken := published[number]; taken {
				return f.source.at(fmt.Sprintf("%s.ports.%d", path, i), number+" is published by "+other+" already")
			}
			published[number] = service.Name
		}
	}
	return nil
}

func refused(spec swarm.ServiceSpec) (key, problem string) {
	task := spec.TaskTemplate
	return firstProblem(
		func() (string, string) { return refusedResources(task.Resources) },
		func() (string, string) { return refusedRestart(task.RestartPolicy) },
		func() (string, string) { return refusedPlacement(task.Placement) },
		func() (string, string) { return refusedMounts(task.ContainerSpec.Mounts) },
		func() (string, string) { return refusedHealthcheck(task.ContainerSpec.Healthcheck) },
		func() (string, string) { return refusedPorts(endpoint(spec)) },
		func() (string, string) {
			if grace := task.ContainerSpec.StopGracePeriod; grace != nil && *grace < 0 {
				return "stop_grace_period", "must not be negative"
			}
			return "", ""
		},
		func() (string, string) {
			if spec.UpdateConfig != nil && (spec.Mode.ReplicatedJob != nil || spec.Mode.GlobalJob != nil) {
				return "deploy.update_config", "a job is never updated: it has no update_config"
			}
			return refusedUpdate("deploy.update_config", spec.UpdateConfig, swarm.UpdateFailureActionPause, swarm.UpdateFailureActionContinue, swarm.UpdateFailureActionRollback)
		},
		func() (string, string) {
			return refusedUpdate("deploy.rollback_config", spec.RollbackConfig, swarm.UpdateFailureActionPause, swarm.UpdateFailureActionContinue)
		},
	)
}

func firstProblem(checks ...func() (string, string)) (key, problem string) {
	for _, check := range checks {
		if key, problem := check(); problem != "" {
			return key, problem
		}
	}
	return "", ""
}

const (
	minCPU    = 1e6 // billionths of one
	minMemory = 4 << 20
)

func refusedResources(r *swarm.ResourceRequirements) (key, problem string) {
	if r == nil {
		return "", ""
	}
	cpus, memory := map[string]int64{}, map[string]int64{}
	if r.Limits != nil {
		cpus["limits"], memory["limits"] = r.Limits.NanoCPUs, r.Limits.MemoryBytes
	}
	if r.Reservations != nil {
		cpus["reservations"], memory["reservations"] = r.Reservations.NanoCPUs, r.Reservations.MemoryBytes
	}
	for _, kind := range sorted(cpus) {
		switch path := "deploy.resources." + kind; {
		case cpus[kind] != 0 && cpus[kind] < minCPU:
			return path + ".cpus", "must be at least 0.001"
		case memory[kind] != 0 && memory[kind] < minMemory:
			return path + ".memory", "must be at least 4M"
		}
	}
	return "", ""
}

func refusedRestart(p *swarm.RestartPolicy) (key, problem string) {
	if p == nil {
		return "", ""
	}
	const path = "deploy.restart_policy"
	if problem := notOneOf(p.Condition, "", swarm.RestartPolicyConditionNone, swarm.RestartPolicyConditionOnFailure, swarm.RestartPolicyConditionAny); problem != "" {
		return path + ".condition", problem
	}
	return negative(path, map[string]*time.Duration{"delay": p.Delay, "window": p.Window})
}

func refusedPlacement(p *swarm.Placement) (key, problem string) {
	if p == nil {
		return "", ""
	}
	for i, expression := range p.Constraints {
		if _, err := constraint.Parse([]string{expression}); err != nil {
			return fmt.Sprintf("deploy.placement.constraints.%d", i), fmt.Sprintf("%q: %v", expression, err)
		}
	}
	return "", ""
}

func refusedUpdate(path string, u *swarm.UpdateConfig, actions ...string) (key, problem string) {
	if u == nil {
		return "", ""
	}
	if problem := notOneOf(u.FailureAction, append([]string{""}, actions...)...); problem != "" {
		return path + ".failure_action", problem
	}
	if u.MaxFailureRatio < 0 || u.MaxFailureRatio > 1 {
		return path + ".max_failure_ratio", "must be from 0 to 1"
	}
	return negative(path, map[string]*time.Duration{"delay": &u.Delay, "monitor": &u.Monitor})
}

// windowsPath is one with a drive, or a named pipe.
var windowsPath = regexp.MustCompile(`^(?:[a-zA-Z]:[\\/]|\\\\)`)

func refusedMounts(mounts []mount.Mount) (key, problem string) {
	seen := map[string]bool{}
	for i, m := range mounts {
		path := fmt.Sprintf("volumes.%d", i)
		switch {
		case !strings.HasPrefix(m.Target, "/") && !windowsPath.MatchString(m.Target):
			return path, fmt.Sprintf("the target %q must be an absolute path", m.Target)
		case seen[m.Target]:
			return path, "another volume is mounted on " + m.Target
		}
		seen[m.Target] = true
	}
	return "", ""
}

func refusedHealthcheck(h *container.HealthConfig) (key, problem string) {
	if h == nil {
		return "", ""
	}
	if len(h.Test) > 0 && !slices.Contains([]string{"NONE", "CMD", "CMD-SHELL"}, h.Test[0]) {
		return "healthcheck.test", fmt.Sprintf("begins with %q; it must be CMD, CMD-SHELL or NONE", h.Test[0])
	}
	if h.Retries < 0 {
		return "healthcheck.retries", "must not be negative"
	}
	times := map[string]time.Duration{"interval": h.Interval, "timeout": h.Timeout, "start_period": h.StartPeriod, "start_interval": h.StartInterval}
	for _, name := range sorted(times) {
		if times[name] != 0 && times[name] < time.Millisecond {
			return "healthcheck." + name, "must be at least 1ms"
		}
	}
	return "", ""
}

// highestPort there is.
const highestPort = 65535

func refusedPorts(e swarm.EndpointSpec) (key, problem string) {
	if problem := notOneOf(e.Mode, "", swarm.ResolutionModeVIP, swarm.ResolutionModeDNSRR); problem != "" {
		return "deploy.endpoint_mode", problem
	}
	seen := map[string]bool{}
	for i, port := range e.Ports {
		path := fmt.Sprintf("ports.%d", i)
		if problem := notOneOf(port.Protocol, "", swarm.PortConfigProtocolTCP, swarm.PortConfigProtocolUDP, swarm.PortConfigProtocolSCTP); problem != "" {
			return path + ".protocol", problem
		}
		if problem := notOneOf(port.PublishMode, "", swarm.PortConfigPublishModeIngress, swarm.PortConfigPublishModeHost); problem != "" {
			return path + ".mode", problem
		}
		number := fmt.Sprintf("%d/%s", port.PublishedPort, cmp.Or(port.Protocol, swarm.PortConfigProtocolTCP))
		switch {
		case port.TargetPort < 1 || port.TargetPort > highestPort:
			return path, fmt.Sprintf("the target %d must be a port from 1 to %d", port.TargetPort, highestPort)
		case port.PublishedPort > highestPort:
			return path, fmt.Sprintf("the published %d must be a port from 1 to %d", port.PublishedPort, highestPort)
		case e.Mode == swarm.ResolutionModeDNSRR && port.PublishMode != swarm.PortConfigPublishModeHost:
			return path, "endpoint_mode dnsrr has no routing mesh: publish with mode: host"
		case port.PublishedPort != 0 && seen[number]:
			return path, number + " is published twice"
		}
		seen[number] = true
	}
	return "", ""
}

func endpoint(spec swarm.ServiceSpec) swarm.EndpointSpec {
	if spec.EndpointSpec == nil {
		return swarm.EndpointSpec{}
	}
	return *spec.EndpointSpec
}

func notOneOf[T ~string](value T, choices ...T) (problem string) {
	if slices.Contains(choices, value) {
		return ""
	}
	var names []string
	for _, choice := range choices {
		if choice != "" {
			names = append(names, string(choice))
		}
	}
	return fmt.Sprintf("must be %s, not %q", strings.Join(names, " or "), value)
}

func negative(path string, times map[string]*time.Duration) (key, problem string) {
	for _, name := range sorted(times) {
		if times[name] != nil && *times[name] < 0 {
			return path + "." + name, "must not be negative"
		}
	}
	return "", ""
}
