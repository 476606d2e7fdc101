package stack

import (
	"fmt"
	"slices"
	"time"

	"github.com/docker/cli/cli/compose/loader"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/go-connections/nat"
)

// defaultGrace is Docker's own between SIGTERM and SIGKILL.
const defaultGrace = 10 * time.Second

// lint names what is legal and will hurt, each with its reason.
func lint(services []Service, files sources) []Warning {
	var out []Warning
	for _, service := range services {
		if service.Job {
			continue
		}
		for _, text := range lintService(service) {
			out = append(out, Warning{Service: service.Name, Text: text})
		}
	}
	var dicts []map[string]any
	for _, s := range files {
		dicts = append(dicts, s.dict)
		for _, warning := range lintAddresses(s.dict) {
			if !slices.Contains(out, warning) {
				out = append(out, warning)
			}
		}
	}
	for _, key := range loader.GetUnsupportedProperties(dicts...) {
		out = append(out, Warning{Text: key + ": a swarm ignores it"})
	}
	for _, key := range sorted(loader.GetDeprecatedProperties(dicts...)) {
		out = append(out, Warning{Text: key + ": a swarm ignores it"})
	}
	return out
}

// lintAddresses finds ports that a file publishes on one address only. docker/cli has a line of its
// log for it, and opens the port to everybody.
func lintAddresses(dict map[string]any) []Warning {
	var out []Warning
	services, _ := dict["services"].(map[string]any)
	for _, name := range sorted(services) {
		fields, _ := services[name].(map[string]any)
		ports, _ := fields["ports"].([]any)
		for _, port := range ports {
			text, _ := port.(string)
			mappings, _ := nat.ParsePortSpec(text)
			if len(mappings) > 0 && mappings[0].Binding.HostIP != "" {
				out = append(out, Warning{Service: name, Text: "port " + text + ": a swarm ignores the address; it is published on all of the machine's"})
			}
		}
	}
	return out
}

func lintService(service Service) []string {
	var out []string
	spec := service.Spec
	container := spec.TaskTemplate.ContainerSpec
	startFirst := spec.UpdateConfig != nil && spec.UpdateConfig.Order == swarm.UpdateOrderStartFirst
	hasVolume := slices.ContainsFunc(container.Mounts, func(m mount.Mount) bool { return m.Type == mount.TypeVolume && m.Source != "" })
	if replicated := spec.Mode.Replicated; replicated != nil && !hasVolume && !startFirst && !MustEnd(spec) &&
		(replicated.Replicas == nil || *replicated.Replicas == 1) {
		out = append(out, "one replica and stop-first: nothing serves while it is replaced; set update_config.order: start-first or more replicas")
	}
	if startFirst && publishesHostPort(spec) {
		out = append(out, "start-first with a port in host mode: the new task waits for the port that the old one holds, for ever; use stop-first")
	}
	if startFirst && hasVolume {
		out = append(out, "start-first with a named volume: for a while two tasks write to it; use stop-first")
	}
	if container.Healthcheck == nil && !MustEnd(spec) {
		out = append(out, "no healthcheck: a task counts as ready when its process exists, and is sent requests before it can answer")
	}
	if text := lintDelay(spec); text != "" {
		out = append(out, text)
	}
	grace := defaultGrace
	if container.StopGracePeriod != nil {
		grace = *container.StopGracePeriod
	}
	if service.Drain > 0 && grace <= service.Drain {
		out = append(out, fmt.Sprintf("stop_grace_period %s is not longer than the drain of %s: it is killed while it still serves", grace, service.Drain))
	}
	return out
}

// lintDelay finds updates that go on to the next task while Swarm still watches the last one. Seen: a
// release that was healthy for a second and then crashed had replaced both replicas by then.
func lintDelay(spec swarm.ServiceSpec) string {
	update := spec.UpdateConfig
	several := spec.Mode.Replicated != nil && spec.Mode.Replicated.Replicas != nil && *spec.Mode.Replicated.Replicas > 1
	if update == nil || update.Order != swarm.UpdateOrderStartFirst || !several {
		return "" // nobody asked for an update without a gap
	}
	monitor := Monitor(spec)
	if update.Delay >= monitor {
		return ""
	}
	return fmt.Sprintf("update_config.delay %s is shorter than its monitor of %s: a release that is healthy at first and then crashes replaces every task before Swarm notices", update.Delay, monitor)
}

func publishesHostPort(spec swarm.ServiceSpec) bool {
	return spec.EndpointSpec != nil && slices.ContainsFunc(spec.EndpointSpec.Ports, func(p swarm.PortConfig) bool {
		return p.PublishMode == swarm.PortConfigPublishModeHost
	})
}
