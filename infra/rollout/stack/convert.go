package stack

import (
	"context"
	"fmt"
	"maps"
	"os"
	"strings"

	"github.com/docker/cli/cli/compose/convert"
	"github.com/docker/cli/cli/compose/types"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/client"
)

// apiVersion is the oldest one that rollout speaks (engine 20.10); the specs are the same for all
// that came after.
const apiVersion = "1.41"

// Stack completes the file with the versions of its objects.
func (f *File) Stack(versions Versions) (*Stack, error) {
	namespace := convert.NewNamespace(f.name)
	config := *f.config
	out := &Stack{Name: f.name, Release: f.release}
	var err error
	if out.Configs, config.Configs, err = f.versionConfigs(versions); err != nil {
		return nil, err
	}
	if out.Secrets, config.Secrets, err = f.versionSecrets(versions); err != nil {
		return nil, err
	}
	specs, err := convertServices(namespace, &config)
	if err != nil {
		return nil, f.located(err)
	}
	for _, service := range config.Services {
		options := f.options[service.Name]
		spec := specs[service.Name]
		if options.Probe != nil && options.Probe.Port == 0 {
			probe := *options.Probe
			probe.Port = service.Ports[0].Published
			options.Probe = &probe
		}
		out.Services = append(out.Services, Service{
			Name: service.Name, Spec: spec, Needs: f.needs[service.Name], Options: options,
		})
	}
	out.Networks = f.networks(namespace)
	out.Waves = waves(out.Services)
	out.Warnings = append(lint(out.Services, f.sources), f.unset...)
	return out, nil
}

func (f *File) versionConfigs(versions Versions) ([]Object, map[string]types.ConfigObjConfig, error) {
	var objects []Object
	named := map[string]types.ConfigObjConfig{}
	for _, key := range sorted(f.config.Configs) {
		config := f.config.Configs[key]
		object, err := f.object("configs."+key, key, types.FileObjectConfig(config), versions.Configs)
		if err != nil {
			return nil, nil, err
		}
		if !object.External {
			object.Name = configName(object.Name, object.Data, config.TemplateDriver)
		}
		config.Name = object.Name
		named[key] = config
		objects = append(objects, object)
	}
	return objects, named, nil
}

func (f *File) versionSecrets(versions Versions) ([]Object, map[string]types.SecretConfig, error) {
	var objects []Object
	named := map[string]types.SecretConfig{}
	for _, key := range sorted(f.config.Secrets) {
		secret := f.config.Secrets[key]
		object, err := f.object("secrets."+key, key, types.FileObjectConfig(secret), versions.Secrets)
		if err != nil {
			return nil, nil, err
		}
		if !object.External {
			object.Name = SecretName(f.name, key, object.Data, versions.Key)
		}
		secret.Name = object.Name
		named[key] = secret
		objects = append(objects, object)
	}
	return objects, named, nil
}

// object reads what configs and secrets have in common. Its name has no version yet.
func (f *File) object(path, key string, config types.FileObjectConfig, external map[string]string) (Object, error) {
	object := Object{Key: key, Name: config.Name, External: config.External.External}
	if object.External {
		if current, ok := external[key]; ok {
			object.Name = current
		}
		return object, nil
	}
	if object.Name == "" {
		object.Name = f.name + "_" + key
	}
	object.Labels = map[string]string{}
	maps.Copy(object.Labels, config.Labels)
	maps.Copy(object.Labels, map[string]string{LabelNamespace: f.name, LabelKey: key}) // by them it is found again
	if config.TemplateDriver != "" {
		object.Templating = &swarm.Driver{Name: config.TemplateDriver}
	}
	if config.Driver != "" {
		object.Driver = &swarm.Driver{Name: config.Driver, Options: config.DriverOpts}
		return object, nil
	}
	data, err := os.ReadFile(config.File)
	if err != nil {
		return Object{}, f.sources.at(path+".file", config.File+": "+readProblem(err))
	}
	object.Data = data
	return object, nil
}

// networks lists those that a service uses; compose makes a default one where a service names none.
func (f *File) networks(namespace convert.Namespace) []Network {
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
	var out []Network
	for _, name := range sorted(created) {
		options := created[name]
		if options.Driver == "" {
			options.Driver = "overlay"
		}
		out = append(out, Network{Name: name, Options: options})
	}
	for _, name := range external {
		out = append(out, Network{Name: name, External: true})
	}
	return out
}

// located finds the line of the service that an error of the converter names: "service app: …".
func (f *File) located(err error) error {
	text := err.Error()
	if rest, ok := strings.CutPrefix(text, "service "); ok {
		if name, problem, ok := strings.Cut(rest, ": "); ok {
			return f.sources.at(byWords("services."+name, problem), problem)
		}
	}
	return f.sources.at("services", text)
}

func convertServices(namespace convert.Namespace, config *types.Config) (specs map[string]swarm.ServiceSpec, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			specs, err = nil, fmt.Errorf("not convertible: %v", cause)
		}
	}()
	return convert.Services(context.Background(), namespace, config, namesOnly{})
}

// namesOnly answers the converter's look-ups with every object that it asks for and no
// identifier: a plan must not need objects that only its deploy creates.
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
