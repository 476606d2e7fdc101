// Package plan compares what a stack file asks for with what the swarm has, and says what is to be
// done about it. A plan is made without writing anything; what it lists is what a deploy runs.
package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"boardcafe/infra/rollout/live"
	"boardcafe/infra/rollout/model"

	"github.com/docker/docker/api/types/swarm"
)

// Plan is what leads from the swarm as it is to the stack as it is wanted.
type Plan struct {
	Stack    string
	From, To string // releases, by the names people gave them
	// Prepare comes first and touches no service.
	Prepare []Operation
	// Waves run one after the other. The services of a wave change at the same time.
	Waves [][]Operation
	// Prune comes last, when the release is known to serve.
	Prune []Operation
	// Unchanged services are not touched. Kept services are in the swarm and not in the file.
	Unchanged, Kept []string
	Warnings        []model.Warning
}

// Options are what a plan depends on beside the stack and the swarm.
type Options struct {
	From string // the release that serves, by the name that people gave it
	// Prune removes what the file no longer has.
	Prune bool
	// JobsDone are the fingerprints of the jobs that the current release has run.
	JobsDone map[string]string
	// Needed are the versions of configs and secrets that a kept release needs.
	Needed map[string]bool
	// SkipJobs is set by a rollback: an old migration must not run on a newer schema.
	SkipJobs bool
}

// MissingError names something that the file takes for given and the swarm does not have.
type MissingError struct{ Kind, Name, Next string }

func (e *MissingError) Error() string {
	return fmt.Sprintf("%s %s does not exist; %s", e.Kind, e.Name, e.Next)
}

// Make makes the plan.
func Make(want *model.Stack, now *live.State, options Options) (*Plan, error) {
	plan := &Plan{Stack: want.Name, From: options.From, To: want.Release, Warnings: slices.Clone(want.Warnings)}
	if err := plan.prepare(want, now); err != nil {
		return nil, err
	}
	for _, names := range want.Waves {
		var wave []Operation
		for _, name := range names {
			service, _ := want.Service(name)
			operation := plan.service(service, now, options)
			if operation == nil {
				plan.Unchanged = append(plan.Unchanged, name)
				continue
			}
			wave = append(wave, operation)
		}
		if len(wave) > 0 {
			plan.Waves = append(plan.Waves, wave)
		}
	}
	plan.prune(want, now, options)
	return plan, nil
}

func (p *Plan) prepare(want *model.Stack, now *live.State) error {
	for _, n := range want.Networks {
		switch {
		case now.HasNetwork(n.Name):
			p.warnOfDrift(n, now)
		case n.External:
			return &MissingError{"network", n.Name, "create it with: docker network create --driver overlay " + n.Name}
		default:
			p.Prepare = append(p.Prepare, CreateNetwork{Network: n})
		}
	}
	for _, object := range want.Configs {
		switch {
		case now.HasConfig(object.Name):
		case object.External:
			return &MissingError{"config", object.Name, "create it with: docker config create " + object.Name + " FILE"}
		default:
			p.Prepare = append(p.Prepare, CreateObject{Kind: Config, Object: object})
		}
	}
	for _, object := range want.Secrets {
		switch {
		case now.HasSecret(object.Name):
		case object.External:
			return &MissingError{"secret", object.Name, "set it with: rollout secret set " + object.Key}
		default:
			p.Prepare = append(p.Prepare, CreateObject{Kind: Secret, Object: object})
		}
	}
	return nil
}

// warnOfDrift warns of a network that is not as the file has it. docker stack deploy says nothing (moby#37901).
func (p *Plan) warnOfDrift(want model.Network, now *live.State) {
	for _, n := range now.Networks {
		if n.Name != want.Name || want.External {
			continue
		}
		o := want.Options
		if n.Driver != o.Driver || n.Attachable != o.Attachable || n.Internal != o.Internal {
			p.Warnings = append(p.Warnings, model.Warning{Text: "network " + n.Name + " differs from the file; " +
				"a network cannot be changed: remove it with its services first"})
		}
	}
}

// service plans one service; nil when there is nothing to do.
func (p *Plan) service(want model.Service, now *live.State, options Options) Operation {
	if want.Job {
		if options.SkipJobs || options.JobsDone[want.Name] == Fingerprint(want.Spec) {
			return nil
		}
		return RunJob{Name: want.Name, Spec: want.Spec, Timeout: want.JobTimeout}
	}
	current, ok := now.Service(want.Spec.Name)
	if !ok {
		return CreateService{Name: want.Name, Spec: want.Spec}
	}
	spec := withSameImage(want.Spec, current.Spec)
	if want.KeepReplicas {
		spec.Mode = withReplicas(spec.Mode, replicas(current.Spec))
	}
	// ForceUpdate counts how often somebody has restarted the service by hand (docker service update --force).
	// The file has nothing to say about that.
	spec.TaskTemplate.ForceUpdate = current.Spec.TaskTemplate.ForceUpdate
	named := current
	named.Spec = withNetworkNames(current.Spec, now)
	changes, effect := Diff(named.Spec, withNetworkNames(spec, now))
	if before, after := modeOf(current.Spec), modeOf(spec); before != after {
		changes = append([]Change{{Field: "mode", Old: before, New: after}}, changes...)
		return ReplaceService{Name: want.Name, Before: current, Spec: spec, Changes: changes}
	}
	if len(changes) == 0 {
		return nil
	}
	running := 0
	if current.ServiceStatus != nil {
		running = int(current.ServiceStatus.DesiredTasks)
	}
	return UpdateService{
		Name: want.Name, Before: current, Spec: spec, Changes: changes, Effect: effect, Tasks: running,
		KeepReplicas: want.KeepReplicas,
	}
}

// Why something is removed.
const (
	notInFile = "not in the file"
	unused    = "no kept release needs it"
)

// prune lists what goes when the release serves.
func (p *Plan) prune(want *model.Stack, now *live.State, options Options) {
	wanted := map[string]bool{}
	for _, service := range want.Services {
		if !service.Job {
			wanted[service.Spec.Name] = true
		}
	}
	for _, n := range want.Networks {
		wanted[n.Name] = true
	}
	p.pruneServices(want, now, options, wanted)
	p.pruneVersions(want, now, options)
	for _, n := range now.Networks {
		if options.Prune && n.Labels[model.LabelNamespace] == want.Name && !wanted[n.Name] {
			p.Prune = append(p.Prune, RemoveObject{Kind: Network, ID: n.ID, Name: n.Name, Note: notInFile})
		}
	}
}

func (p *Plan) pruneServices(want *model.Stack, now *live.State, options Options, wanted map[string]bool) {
	for _, service := range now.Services {
		name := model.ShortName(want.Name, service.Spec.Name)
		switch {
		case wanted[service.Spec.Name]:
		case options.Prune:
			p.Prune = append(p.Prune, RemoveService{Name: name, Before: service, Note: notInFile})
		default:
			p.Kept = append(p.Kept, name)
		}
	}
}

// pruneVersions lists the versions of configs and secrets that nothing needs: not this release, not a kept one,
// and not the next deploy, which uses the current version of a secret that was set by hand.
func (p *Plan) pruneVersions(want *model.Stack, now *live.State, options Options) {
	needed := want.Versions()
	for name := range options.Needed {
		needed[name] = true
	}
	for _, current := range now.CurrentSecrets(want.Name) {
		needed[current] = true
	}
	unneeded := func(about swarm.Annotations) bool {
		ours := model.Owns(want.Name, about.Labels) && about.Labels[model.LabelKey] != ""
		return ours && !needed[about.Name]
	}
	for _, c := range now.Configs {
		if unneeded(c.Spec.Annotations) {
			p.Prune = append(p.Prune, RemoveObject{Kind: Config, ID: c.ID, Name: c.Spec.Name, Note: unused})
		}
	}
	for _, s := range now.Secrets {
		if unneeded(s.Spec.Annotations) {
			p.Prune = append(p.Prune, RemoveObject{Kind: Secret, ID: s.ID, Name: s.Spec.Name, Note: unused})
		}
	}
}

// Empty tells whether there is nothing to change. Tidying up is no change.
func (p *Plan) Empty() bool {
	return len(p.Prepare) == 0 && len(p.Waves) == 0 && len(p.Destructive()) == 0
}

// Destructive are the operations that remove or replace a service. They need somebody's consent.
func (p *Plan) Destructive() []Operation {
	var out []Operation
	for _, operation := range slices.Concat(slices.Concat(p.Waves...), p.Prune) {
		switch operation.(type) {
		case RemoveService, ReplaceService:
			out = append(out, operation)
		}
	}
	return out
}

// Fingerprint identifies a spec. Two specs have the same fingerprint when they differ in no field that matters.
// The tag of an image does not matter where its digest is known.
func Fingerprint(spec swarm.ServiceSpec) string {
	fields := flatten(spec)
	if pinned := digestOf(image(spec)); pinned != "" {
		fields["TaskTemplate.ContainerSpec.Image"] = pinned
	}
	sum := sha256.New()
	for _, path := range union(fields, nil) {
		if !ignored(path) {
			fmt.Fprintf(sum, "%s=%s\n", path, fields[path])
		}
	}
	return hex.EncodeToString(sum.Sum(nil)[:8])
}

// withSameImage keeps the reference of the image that runs where the wanted one is the same image under another
// tag. All images of a release get its tag. A database whose image did not change must not restart for a tag.
func withSameImage(spec, current swarm.ServiceSpec) swarm.ServiceSpec {
	running, container := image(current), spec.TaskTemplate.ContainerSpec
	if container == nil || digestOf(running) == "" || digestOf(running) != digestOf(container.Image) {
		return spec
	}
	copied := *container
	copied.Image = running
	spec.TaskTemplate.ContainerSpec = &copied
	return spec
}

// digestOf is the repository and digest of an image that is pinned, without its tag; else "".
func digestOf(image string) string {
	ref, digest, pinned := strings.Cut(image, "@")
	if !pinned {
		return ""
	}
	if colon := strings.LastIndexByte(ref, ':'); colon > strings.LastIndexByte(ref, '/') {
		ref = ref[:colon]
	}
	return ref + "@" + digest
}

// withNetworkNames puts names where Swarm keeps identifiers.
func withNetworkNames(spec swarm.ServiceSpec, now *live.State) swarm.ServiceSpec {
	networks := slices.Clone(spec.TaskTemplate.Networks)
	for i := range networks {
		networks[i].Target = now.NetworkName(networks[i].Target)
	}
	spec.TaskTemplate.Networks = networks
	return spec
}

func modeOf(spec swarm.ServiceSpec) string {
	switch {
	case spec.Mode.Global != nil:
		return "global"
	case spec.Mode.ReplicatedJob != nil:
		return "replicated-job"
	case spec.Mode.GlobalJob != nil:
		return "global-job"
	}
	return "replicated"
}
