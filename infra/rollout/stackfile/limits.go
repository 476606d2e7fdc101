package stackfile

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/docker/cli/cli/compose/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/swarm"
	"github.com/moby/swarmkit/v2/manager/constraint"
)

// checkLimits finds what Swarm would refuse. Swarm does so when it creates or updates the service, and half of
// the stack has changed by then. The rules are swarmkit's (manager/controlapi/service.go) and the engine's
// (daemon/cluster/convert).
func (f *File) checkLimits() error {
	published := map[string]string{} // the service, by its port
	for _, service := range f.stack.Services {
		find := func(spec swarm.ServiceSpec) fault {
			if found := refused(spec); found.problem != "" {
				return found
			}
			return taken(spec, published)
		}
		if found := find(service.Spec); found.problem != "" {
			return f.atService(service.Name, found, func(own types.ServiceConfig) fault {
				specs, err := f.convertServices(types.Services{own})
				if err != nil {
					return fault{}
				}
				return find(specs[own.Name])
			})
		}
		for _, port := range endpoint(service.Spec).Ports {
			if meshed(port) {
				published[number(port)] = service.Name
			}
		}
	}
	return nil
}

// taken finds a port that another service publishes already.
func taken(spec swarm.ServiceSpec, published map[string]string) fault {
	for i, port := range endpoint(spec).Ports {
		if other, ok := published[number(port)]; ok && meshed(port) {
			return fault{fmt.Sprintf("ports.%d", i), number(port) + " is published by " + other + " already"}
		}
	}
	return fault{}
}

// meshed tells whether a port is published on every machine, by the routing mesh.
func meshed(port swarm.PortConfig) bool {
	return port.PublishMode != swarm.PortConfigPublishModeHost && port.PublishedPort != 0
}

func number(port swarm.PortConfig) string {
	return fmt.Sprintf("%d/%s", port.PublishedPort, cmp.Or(port.Protocol, swarm.PortConfigProtocolTCP))
}

// limits collects what is wrong with a service. The first fault counts.
type limits struct{ fault }

func (l *limits) fail(key, problem string) {
	if problem != "" && l.problem == "" {
		l.fault = fault{key, problem}
	}
}

// refused finds why Swarm would refuse a service.
func refused(spec swarm.ServiceSpec) fault {
	var l limits
	task := spec.TaskTemplate
	l.resources(task.Resources)
	l.restart(task.RestartPolicy)
	l.placement(task.Placement)
	l.mounts(task.ContainerSpec.Mounts)
	l.healthcheck(task.ContainerSpec.Healthcheck)
	l.notNegative("stop_grace_period", task.ContainerSpec.StopGracePeriod)
	l.ports(endpoint(spec))
	if spec.UpdateConfig != nil && (spec.Mode.ReplicatedJob != nil || spec.Mode.GlobalJob != nil) {
		l.fail("deploy.update_config", "a job is never updated: it has no update_config")
	}
	const (
		pause    = swarm.UpdateFailureActionPause
		carryOn  = swarm.UpdateFailureActionContinue
		rollBack = swarm.UpdateFailureActionRollback
	)
	l.update("deploy.update_config", spec.UpdateConfig, pause, carryOn, rollBack)
	l.update("deploy.rollback_config", spec.RollbackConfig, pause, carryOn)
	return l.fault
}

const (
	minCPU    = 1e6 // billionths of one
	minMemory = 4 << 20
)

func (l *limits) resources(r *swarm.ResourceRequirements) {
	if r == nil {
		return
	}
	if r.Limits != nil {
		l.resource("deploy.resources.limits", r.Limits.NanoCPUs, r.Limits.MemoryBytes)
	}
	if r.Reservations != nil {
		l.resource("deploy.resources.reservations", r.Reservations.NanoCPUs, r.Reservations.MemoryBytes)
	}
}

func (l *limits) resource(path string, cpus, memory int64) {
	if cpus != 0 && cpus < minCPU {
		l.fail(path+".cpus", "must be at least 0.001")
	}
	if memory != 0 && memory < minMemory {
		l.fail(path+".memory", "must be at least 4M")
	}
}

func (l *limits) restart(p *swarm.RestartPolicy) {
	if p == nil {
		return
	}
	const path = "deploy.restart_policy"
	l.fail(path+".condition", notOneOf(p.Condition, "", swarm.RestartPolicyConditionNone,
		swarm.RestartPolicyConditionOnFailure, swarm.RestartPolicyConditionAny))
	l.notNegative(path+".delay", p.Delay)
	l.notNegative(path+".window", p.Window)
}

func (l *limits) placement(p *swarm.Placement) {
	if p == nil {
		return
	}
	for i, expression := range p.Constraints {
		if _, err := constraint.Parse([]string{expression}); err != nil {
			l.fail(fmt.Sprintf("deploy.placement.constraints.%d", i), fmt.Sprintf("%q: %v", expression, err))
		}
	}
}

func (l *limits) update(path string, u *swarm.UpdateConfig, actions ...string) {
	if u == nil {
		return
	}
	l.fail(path+".failure_action", notOneOf(u.FailureAction, append([]string{""}, actions...)...))
	if u.MaxFailureRatio < 0 || u.MaxFailureRatio > 1 {
		l.fail(path+".max_failure_ratio", "must be from 0 to 1")
	}
	l.notNegative(path+".delay", &u.Delay)
	l.notNegative(path+".monitor", &u.Monitor)
}

// windowsPath begins with a drive, or is a named pipe.
var windowsPath = regexp.MustCompile(`^(?:[a-zA-Z]:[\\/]|\\\\)`)

func (l *limits) mounts(mounts []mount.Mount) {
	seen := map[string]bool{}
	for i, m := range mounts {
		path := fmt.Sprintf("volumes.%d", i)
		if !strings.HasPrefix(m.Target, "/") && !windowsPath.MatchString(m.Target) {
			l.fail(path, fmt.Sprintf("the target %q must be an absolute path", m.Target))
		}
		if seen[m.Target] {
			l.fail(path, "another volume is mounted on "+m.Target)
		}
		seen[m.Target] = true
	}
}

func (l *limits) healthcheck(h *container.HealthConfig) {
	if h == nil {
		return
	}
	if len(h.Test) > 0 && !slices.Contains([]string{"NONE", "CMD", "CMD-SHELL"}, h.Test[0]) {
		l.fail("healthcheck.test", fmt.Sprintf("begins with %q; it must be CMD, CMD-SHELL or NONE", h.Test[0]))
	}
	if h.Retries < 0 {
		l.fail("healthcheck.retries", "must not be negative")
	}
	times := map[string]time.Duration{
		"interval": h.Interval, "timeout": h.Timeout, "start_period": h.StartPeriod, "start_interval": h.StartInterval,
	}
	for _, name := range sorted(times) {
		if times[name] != 0 && times[name] < time.Millisecond {
			l.fail("healthcheck."+name, "must be at least 1ms")
		}
	}
}

// highestPort is the highest number of a port.
const highestPort = 65535

func (l *limits) ports(e swarm.EndpointSpec) {
	l.fail("deploy.endpoint_mode", notOneOf(e.Mode, "", swarm.ResolutionModeVIP, swarm.ResolutionModeDNSRR))
	seen := map[string]bool{}
	for i, port := range e.Ports {
		path := fmt.Sprintf("ports.%d", i)
		l.fail(path+".protocol", notOneOf(port.Protocol, "", swarm.PortConfigProtocolTCP,
			swarm.PortConfigProtocolUDP, swarm.PortConfigProtocolSCTP))
		l.fail(path+".mode", notOneOf(port.PublishMode, "", swarm.PortConfigPublishModeIngress,
			swarm.PortConfigPublishModeHost))
		if port.TargetPort < 1 || port.TargetPort > highestPort {
			l.fail(path, fmt.Sprintf("the target %d must be a port from 1 to %d", port.TargetPort, highestPort))
		}
		if port.PublishedPort > highestPort {
			l.fail(path, fmt.Sprintf("the published %d must be a port from 1 to %d", port.PublishedPort, highestPort))
		}
		if e.Mode == swarm.ResolutionModeDNSRR && port.PublishMode != swarm.PortConfigPublishModeHost {
			l.fail(path, "endpoint_mode dnsrr has no routing mesh: publish with mode: host")
		}
		if port.PublishedPort != 0 && seen[number(port)] {
			l.fail(path, number(port)+" is published twice")
		}
		seen[number(port)] = true
	}
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

func (l *limits) notNegative(key string, d *time.Duration) {
	if d != nil && *d < 0 {
		l.fail(key, "must not be negative")
	}
}
