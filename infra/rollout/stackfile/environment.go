package stackfile

import (
	"fmt"
	"path/filepath"
	"slices"

	"boardcafe/infra/rollout/model"

	"github.com/docker/cli/cli/compose/types"
	"github.com/docker/cli/pkg/kvfile"
)

// passEnvironment gives services the values of the variables that have only a name in their env files. The loader
// takes these from the process, where the variables of --env-file are missing. It returns a warning for each variable
// that has no value anywhere: containers do not get it. `docker stack deploy` says nothing then (moby#31561).
func passEnvironment(config *types.Config, dir string, env Environment) []model.Warning {
	var unset []model.Warning
	for _, service := range config.Services {
		var missing []string
		for _, name := range namesInEnvFiles(service.EnvFile, dir) {
			value, ok := env.Lookup(name)
			switch _, known := service.Environment[name]; {
			case known:
			case ok:
				service.Environment[name] = &value
			default:
				missing = append(missing, name)
			}
		}
		for name, value := range service.Environment {
			if value == nil {
				missing = append(missing, name)
			}
		}
		slices.Sort(missing)
		for _, name := range missing {
			text := fmt.Sprintf("environment variable %s is not set where rollout runs: containers do not get it", name)
			unset = append(unset, model.Warning{Service: service.Name, Text: text})
		}
	}
	return unset
}

// namesInEnvFiles are the variables that have no value in the env files. The loader has found the files good.
func namesInEnvFiles(files []string, dir string) []string {
	var names []string
	for _, file := range files {
		if !filepath.IsAbs(file) {
			file = filepath.Join(dir, file)
		}
		_, _ = kvfile.Parse(file, func(name string) (string, bool) {
			names = append(names, name)
			return "", false
		})
	}
	slices.Sort(names)
	return slices.Compact(names)
}
