package stackfile

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"boardcafe/infra/rollout/model"

	"github.com/docker/cli/cli/compose/convert"
	"github.com/docker/cli/cli/compose/types"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/client"
)

// apiVersion is the oldest API that rollout speaks (engine 20.10). The specs are the same for all later ones.
const apiVersion = "1.41"

// convert makes the stack out of the merged file, and finds what only shows in the specs of its services.
func (f *File) convert(needs map[string][]string) error {
	namespace := convert.NewNamespace(f.stack.Name)
	specs, err := f.convertServices(f.config.Services)
	if err != nil {
		return f.locateConverting(err)
	}
	for _, service := range f.config.Services {
		options := f.options[service.Name]
		if options.Probe != nil && options.Probe.Port == 0 {
			probe := *options.Probe
			probe.Port = service.Ports[0].Published
			options.Probe = &probe
		}
		f.stack.Services = append(f.stack.Services, model.Service{
			Name: service.Name, Spec: specs[service.Name], Needs: needs[service.Name], Options: options,
		})
	}
	f.stack.Networks = f.networks(namespace)
	f.stack.Waves = waves(f.stack.Services)
	if err := f.checkObjectNames(); err != nil {
		return err
	}
	return f.checkLimits()
}

// networks lists the networks that services use. A service that names none uses the stack's default network.
func (f *File) networks(namespace convert.Namespace) []model.Network {
	used := map[string]struct{}{}
	for _, service := range f.config.Services {
		if len(service.Networks) == 0 {
			used["default"] = struct{}{}
		}
		for name := range service.Networks {
			used[name] = struct{}{}
		}
	}
	created, external := convert.Networks(namespace, f.config.Networks, used)
	var out []model.Network
	for _, name := range sorted(created) {
		options := created[name]
		if options.Driver == "" {
			options.Driver = "overlay"
		}
		out = append(out, model.Network{Name: name, Options: options})
	}
	for _, name := range external {
		out = append(out, model.Network{Name: name, External: true})
	}
	return out
}

// locateConverting finds the place of an error of the converter, which begins with "service app: ".
func (f *File) locateConverting(err error) error {
	text, err := f.withNames(err.Error())
	if err != nil {
		return err
	}
	if rest, ok := strings.CutPrefix(text, "service "); ok {
		if name, problem, ok := strings.Cut(rest, ": "); ok {
			return f.sources.at(byWords("services."+name, problem), problem)
		}
	}
	return f.sources.at("services", text)
}

// convertServices runs docker/cli's converter on services of the file. Their specs refer to configs and secrets
// by stand-ins.
func (f *File) convertServices(services types.Services) (specs map[string]swarm.ServiceSpec, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			specs, err = nil, fmt.Errorf("not convertible: %v", cause)
		}
	}()
	config := *f.config
	config.Services = services
	config.Configs, config.Secrets = map[string]types.ConfigObjConfig{}, map[string]types.SecretConfig{}
	for key, object := range f.config.Configs {
		if !object.External.External {
			object.Name = standIn(key)
		}
		config.Configs[key] = object
	}
	for key, object := range f.config.Secrets {
		object.Name = standIn(key)
		config.Secrets[key] = object
	}
	return convert.Services(context.Background(), convert.NewNamespace(f.stack.Name), &config, namesOnly{})
}

// standIn stands for the name of a version of a config or secret until that name is known. Swarm allows no object of
// such a name.
func standIn(key string) string { return "version(" + key + ")" }

// rename puts the names of versions in the place of stand-ins. It sorts the references by name, as docker/cli does:
// an order of its own would restart the tasks.
func rename(spec *swarm.ServiceSpec, configs, secrets []model.Object) {
	container := *spec.TaskTemplate.ContainerSpec
	container.Configs, container.Secrets = slices.Clone(container.Configs), slices.Clone(container.Secrets)
	names := byStandIn(configs)
	for i, ref := range container.Configs {
		renamed := *ref
		renamed.ConfigName = nameOr(names, ref.ConfigName)
		container.Configs[i] = &renamed
	}
	names = byStandIn(secrets)
	for i, ref := range container.Secrets {
		renamed := *ref
		renamed.SecretName = nameOr(names, ref.SecretName)
		container.Secrets[i] = &renamed
	}
	slices.SortStableFunc(container.Configs, func(a, b *swarm.ConfigReference) int {
		return strings.Compare(a.ConfigName, b.ConfigName)
	})
	slices.SortStableFunc(container.Secrets, func(a, b *swarm.SecretReference) int {
		return strings.Compare(a.SecretName, b.SecretName)
	})
	spec.TaskTemplate.ContainerSpec = &container
}

func byStandIn(objects []model.Object) map[string]string {
	names := map[string]string{}
	for _, object := range objects {
		names[standIn(object.Key)] = object.Name
	}
	return names
}

func nameOr(names map[string]string, name string) string {
	if found, ok := names[name]; ok {
		return found
	}
	return name
}

// namesOnly answers the converter that every object exists, and gives it no identifier. A plan must not need objects
// that only its deploy creates.
type namesOnly struct{ client.APIClient }

func (namesOnly) ClientVersion() string { return apiVersion }

func (namesOnly) SecretList(_ context.Context, options swarm.SecretListOptions) ([]swarm.Secret, error) {
	var out []swarm.Secret
	for _, name := range options.Filters.Get("name") {
		out = append(out, swarm.Secret{Spec: swarm.SecretSpec{Annotations: swarm.Annotations{Name: name}}})
	}
	return out, nil
}

func (namesOnly) ConfigList(_ context.Context, options swarm.ConfigListOptions) ([]swarm.Config, error) {
	var out []swarm.Config
	for _, name := range options.Filters.Get("name") {
		out = append(out, swarm.Config{Spec: swarm.ConfigSpec{Annotations: swarm.Annotations{Name: name}}})
	}
	return out, nil
}
