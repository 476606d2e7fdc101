package stackfile

import (
	"maps"
	"os"
	"slices"
	"strings"

	"boardcafe/infra/rollout/model"

	"github.com/docker/cli/cli/compose/types"
	"github.com/docker/docker/api/types/swarm"
)

// Versions is what the names of a stack's configs and secrets depend on in the swarm.
type Versions struct {
	// Key keeps the values of secrets out of the names of their versions: see [model.SecretName].
	Key []byte
	// Secrets are the current versions of external secrets, by key. An external secret that is missing here is
	// taken to exist under the name that the file gives it.
	Secrets map[string]string
}

// Stack completes the file with the versions of its configs and secrets. It returns an *[Error] where the file of one
// cannot be read any more.
func (f *File) Stack(versions Versions) (*model.Stack, error) {
	out := f.stack
	var err error
	if out.Configs, err = f.configs(); err != nil {
		return nil, err
	}
	if out.Secrets, err = f.secrets(versions); err != nil {
		return nil, err
	}
	out.Services, out.Warnings = slices.Clone(f.stack.Services), slices.Clone(f.stack.Warnings)
	for i := range out.Services {
		rename(&out.Services[i].Spec, out.Configs, out.Secrets)
	}
	return &out, nil
}

// withNames puts the names of versions in the place of the stand-ins in a message of the converter. There is no swarm
// yet, so the names of secrets are made with a made-up key.
func (f *File) withNames(message string) (string, error) {
	named, err := f.Stack(Versions{Key: make([]byte, 32)})
	if err != nil {
		return "", err
	}
	for _, object := range slices.Concat(named.Configs, named.Secrets) {
		message = strings.ReplaceAll(message, standIn(object.Key), object.Name)
	}
	return message, nil
}

func (f *File) configs() ([]model.Object, error) {
	var objects []model.Object
	for _, key := range sorted(f.config.Configs) {
		config := f.config.Configs[key]
		object, err := f.object("configs."+key, key, types.FileObjectConfig(config))
		if err != nil {
			return nil, err
		}
		if !object.External {
			object.Name = model.ConfigName(object.Name, object.Data, config.TemplateDriver)
		}
		objects = append(objects, object)
	}
	return objects, nil
}

func (f *File) secrets(versions Versions) ([]model.Object, error) {
	var objects []model.Object
	for _, key := range sorted(f.config.Secrets) {
		secret := types.FileObjectConfig(f.config.Secrets[key])
		object, err := f.object("secrets."+key, key, secret)
		if err != nil {
			return nil, err
		}
		if !object.External {
			object.Name = model.SecretName(f.stack.Name, key, object.Data, versions.Key)
		} else if current, ok := versions.Secrets[key]; ok {
			object.Name = current
		}
		objects = append(objects, object)
	}
	return objects, nil
}

// object reads what configs and secrets have in common. Its name has no version yet.
func (f *File) object(path, key string, config types.FileObjectConfig) (model.Object, error) {
	object := model.Object{Key: key, Name: config.Name, External: config.External.External}
	if object.External {
		return object, nil
	}
	if object.Name == "" {
		object.Name = model.FullName(f.stack.Name, key)
	}
	object.Labels = map[string]string{}
	maps.Copy(object.Labels, config.Labels)
	// These labels find the object again. They replace any that the file sets.
	object.Labels[model.LabelNamespace], object.Labels[model.LabelKey] = f.stack.Name, key
	if config.TemplateDriver != "" {
		object.Templating = &swarm.Driver{Name: config.TemplateDriver}
	}
	if config.Driver != "" {
		object.Driver = &swarm.Driver{Name: config.Driver, Options: config.DriverOpts}
		return object, nil
	}
	data, err := os.ReadFile(config.File)
	if err != nil {
		return model.Object{}, f.sources.at(path+".file", config.File+": "+readProblem(err))
	}
	object.Data = data
	return object, nil
}
