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
	"boardcafe/infra/rollout/stack"

	"github.com/docker/docker/api/types/swarm"
)

// Plan is what leads from the swarm as it is to the stack as it is wanted.
type Plan struct {
	Stack    string
	From, To string // releases, by the names people gave them
	// Prepare comes first and touches no service.
	Prepare []Operation
	// Waves run one after the other, the services of each at once.
	Waves [][]Operation
	// Prune comes last, when the release is known to be good.
	Prune []Operation
	// Unchanged services are not touched, Kept ones are not in the file.
	Unchanged, Kept []string
	Warnings        []stack.Warning
}

// Options are what a plan depends on beside the stack and the swarm.
type Options struct {
	From string
	// Prune removes what the file no longer has.
	Prune bool
	// JobsDone are the fingerprints of the jobs that the current release has run.
	JobsDone map[string]string
	// Needed are the versions of configs and secrets that a kept release needs.
	Needed map[string]bool
	// SkipJobs is set by a rollback: an old migration has nothing to say to a newer schema.
	SkipJobs bool
}

// MissingError names something that the file takes for given and the swarm does not have.
type MissingError struct{ Kind, Name, Next string }

func (e *MissingError) Error() string {
	return fmt.Sprintf("%s %s does not exist; %s", e.Kind, e.Name, e.Next)
}

// Make makes the plan.
func Make(want *stack.Stack, now *live.State, options Options) (*Plan, error) {
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

func (p *Plan) prepare(want *stack.Stack, now *live.State) error {
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

// warnOfDrift says what docker stack deploy passes over in silence (moby#37901).
func (p *Plan) warnOfDrift(want stack.Network, now *live.State) {
	for _, n := range now.Networks {
		if n.Name != want.Name || want.External {
			continue
		}
		o := want.Options
		if n.Driver != o.Driver || n.Attachable != o.Attachable || n.Internal != o.Internal {
			p.Warnings = append(p.Warnings, stack.Warning{Text: "network " + n.Name + " differs from the file; a network cannot be changed: remove it with its services first"})
		}
	}
}

// service plans one service; nil when there is nothing to do.
func (p *Plan) service(want stack.Service, now *live.State, options Options) Operation {
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
	// How often somebody has restarted it by hand (`docker service update --force`) is not the file's to say.
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

func (p *Plan) prune(want *stack.Stack, now *live.State, options Options) {
	wanted := map[string]bool{}
	for _, service := range want.Services {
		if !service.Job {
			wanted[service.Spec.Name] = true
		}
	}
	for _, n := range want.Networks {
		wanted[n.Name] = true
	}
	for _, service := range now.Services {
		name := strings.TrimPrefix(service.Spec.Name, want.Name+"_")
		switch {
		case wanted[service.Spec.Name]:
		case options.Prune:
			p.Prune = append(p.Prune, RemoveService{Name: name, Before: service, Note: notInFile})
		default:
			p.Kept = append(p.Kept, name)
		}
	}
	needed := Versions(want)
	for name := range options.Needed {
		needed[name] = true
	}
	for _, current := range now.CurrentSecrets(want.Name) {
		needed[current] = true
	}
	ours := func(labels map[string]string) bool {
		return stack.Owns(want.Name, labels) && labels[stack.LabelKey] != ""
	}
	for _, config := range now.Configs {
		if ours(config.Spec.Labels) && !needed[config.Spec.Name] {
			p.Prune = append(p.Prune, RemoveObject{Kind: Config, ID: config.ID, Name: config.Spec.Name, Note: unused})
		}
	}
	for _, secret := range now.Secrets {
		if ours(secret.Spec.Labels) && !needed[secret.Spec.Name] {
			p.Prune = append(p.Prune, RemoveObject{Kind: Secret, ID: secret.ID, Name: secret.Spec.Name, Note: unused})
		}
	}
	for _, n := range now.Networks {
		if options.Prune && n.Labels[stack.LabelNamespace] == want.Name && !wanted[n.Name] {
			p.Prune = append(p.Prune, RemoveObject{Kind: Network, ID: n.ID, Name: n.Name, Note: notInFile})
		}
	}
}

// Versions are the names of the configs and secrets of a stack.
func Versions(s *stack.Stack) map[string]bool {
	names := map[string]bool{}
	for _, object := range slices.Concat(s.Configs, s.Secrets) {
		names[object.Name] = true
	}
	return names
}

// Empty tells whether there is nothing to change. Tidying up is no change.
func (p *Plan) Empty() bool {
	return len(p.Prepare) == 0 && len(p.Waves) == 0 && len(p.Destructive()) == 0
}

// Destructive are the operations that remove or replace a service: nobody gets them unasked.
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

// Fingerprint identifies a spec: two that differ in a field that matters differ in it. The tag of
// an image does not matter where its digest is known.
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

// withSameImage keeps the reference of the image that runs when the wanted one is the same image
// under another tag. Releases are tagged as a whole: a database whose image did not change must not
// be restarted for its tag.
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
