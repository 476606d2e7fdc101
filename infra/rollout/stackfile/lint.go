package stackfile

import (
	"fmt"
	"slices"

	"boardcafe/infra/rollout/model"

	"github.com/docker/cli/cli/compose/loader"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/go-connections/nat"
)

// lint names what is legal and will hurt, each with its reason.
func (f *File) lint() []model.Warning {
	var out []model.Warning
	for _, service := range f.stack.Services {
		if service.Job {
			continue
		}
		for _, text := range lintService(service) {
			out = append(out, model.Warning{Service: service.Name, Text: text})
		}
	}
	var dicts []map[string]any
	for _, s := range f.sources {
		dicts = append(dicts, s.dict)
		for _, warning := range lintAddresses(s.dict) {
			if !slices.Contains(out, warning) {
				out = append(out, warning)
			}
		}
	}
	for _, key := range loader.GetUnsupportedProperties(dicts...) {
		out = append(out, model.Warning{Text: key + ": a swarm ignores it"})
	}
	for _, key := range sorted(loader.GetDeprecatedProperties(dicts...)) {
		out = append(out, model.Warning{Text: key + ": a swarm ignores it"})
	}
	return out
}

// lintAddresses finds ports that a file publishes on one address only. docker/cli opens them to everybody, and
// says so in its log only.
func lintAddresses(dict map[string]any) []model.Warning {
	var out []model.Warning
	services, _ := dict["services"].(map[string]any)
	for _, name := range sorted(services) {
		fields, _ := services[name].(map[string]any)
		ports, _ := fields["ports"].([]any)
		for _, port := range ports {
			text, _ := port.(string)
			mappings, _ := nat.ParsePortSpec(text)
			if len(mappings) > 0 && mappings[0].Binding.HostIP != "" {
				hurts := "port " + text + ": a swarm ignores the address; it is published on all of the machine's"
				out = append(out, model.Warning{Service: name, Text: hurts})
			}
		}
	}
	return out
}

func lintService(service model.Service) []string {
	var out []string
	spec := service.Spec
	container := spec.TaskTemplate.ContainerSpec
	startFirst := spec.UpdateConfig != nil && spec.UpdateConfig.Order == swarm.UpdateOrderStartFirst
	hasVolume := slices.ContainsFunc(container.Mounts, func(m mount.Mount) bool {
		return m.Type == mount.TypeVolume && m.Source != ""
	})
	if oneReplica(spec) && !hasVolume && !startFirst && !model.MustEnd(spec) {
		out = append(out, "one replica and stop-first: nothing serves while it is replaced; "+
			"set update_config.order: start-first or more replicas")
	}
	if startFirst && publishesHostPort(spec) {
		out = append(out, "start-first with a port in host mode: "+
			"the new task waits for the port that the old one holds, for ever; use stop-first")
	}
	if startFirst && hasVolume {
		out = append(out, "start-first with a named volume: for a while two tasks write to it; use stop-first")
	}
	if container.Healthcheck == nil && !model.MustEnd(spec) {
		out = append(out, "no healthcheck: "+
			"a task counts as ready when its process exists, and is sent requests before it can answer")
	}
	if text := lintDelay(spec); text != "" {
		out = append(out, text)
	}
	grace := model.DefaultGrace
	if container.StopGracePeriod != nil {
		grace = *container.StopGracePeriod
	}
	if service.Drain > 0 && grace <= service.Drain {
		out = append(out, fmt.Sprintf("stop_grace_period %s is not longer than the drain of %s: "+
			"it is killed while it still serves", grace, service.Drain))
	}
	return out
}

func oneReplica(spec swarm.ServiceSpec) bool {
	replicated := spec.Mode.Replicated
	return replicated != nil && (replicated.Replicas == nil || *replicated.Replicas == 1)
}

// lintDelay finds updates that go on to the next task while Swarm still watches the last one. If a release
// crashes after a second of health, all of its replicas have been replaced by then.
func lintDelay(spec swarm.ServiceSpec) string {
	update, replicated := spec.UpdateConfig, spec.Mode.Replicated
	several := replicated != nil && replicated.Replicas != nil && *replicated.Replicas > 1
	if update == nil || update.Order != swarm.UpdateOrderStartFirst || !several {
		return "" // nobody asked for an update without a gap
	}
	monitor := model.Monitor(spec)
	if update.Delay >= monitor {
		return ""
	}
	return fmt.Sprintf("update_config.delay %s is shorter than its monitor of %s: a release that is healthy at first "+
		"and then crashes replaces every task before Swarm notices", update.Delay, monitor)
}

func publishesHostPort(spec swarm.ServiceSpec) bool {
	return spec.EndpointSpec != nil && slices.ContainsFunc(spec.EndpointSpec.Ports, func(p swarm.PortConfig) bool {
		return p.PublishMode == swarm.PortConfigPublishModeHost
	})
}
