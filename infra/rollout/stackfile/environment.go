package stackfile

import (
	"fmt"
	"path/filepath"
	"slices"

	"boardcafe/infra/rollout/model"

	"github.com/docker/cli/cli/compose/types"
	"github.com/docker/cli/pkg/kvfile"
)

// passEnvironment gives the services the values of the names that stand alone in their env files. The
// loader asks the process for these, which knows nothing of --env-file. It returns a warning for each
// variable that has no value anywhere: containers do not get it, as with `docker stack deploy`, which
// says nothing (moby#31561).
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

// namesInEnvFiles are the lines without a value. The loader has read the files and found them good.
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
