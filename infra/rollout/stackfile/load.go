package stackfile

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/cli/cli/compose/loader"
	"github.com/docker/cli/cli/compose/types"
)

// load has docker/cli check and merge the files.
func (all sources) load(env Environment) (*types.Config, error) {
	var files []types.ConfigFile
	for _, s := range all {
		s.acceptComposeSpec()
		files = append(files, types.ConfigFile{Filename: s.file, Config: s.dict})
	}
	config, err := runLoader(all.dir(), env, files...)
	if err != nil {
		return nil, all.blame(env, err)
	}
	byName := func(a, b types.ServiceConfig) int { return strings.Compare(a.Name, b.Name) }
	slices.SortFunc(config.Services, byName)
	return config, nil
}

// runLoader runs docker/cli's loader, which trusts its own schema. What the schema lets through can make the
// loader panic, and a wrong file must never look like a bug of rollout.
func runLoader(dir string, env Environment, files ...types.ConfigFile) (config *types.Config, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			config, err = nil, fmt.Errorf("not a stack file: %v", cause)
		}
	}()
	return loader.Load(types.ConfigDetails{WorkingDir: dir, ConfigFiles: files, Environment: env})
}

// loadAlone loads one file, or a part of one, as if there were no other.
func (s *source) loadAlone(dir string, env Environment, dict map[string]any) (*types.Config, error) {
	return runLoader(dir, env, types.ConfigFile{Filename: s.file, Config: dict})
}

// blame finds the place of an error of the loader. The loader does not say which file has the error, so each file is
// loaded alone.
func (all sources) blame(env Environment, cause error) error {
	version := ""
	for i, s := range all {
		if err := s.checkNames(); err != nil {
			return err
		}
		config, err := s.loadAlone(all.dir(), env, s.dict)
		if err != nil {
			return s.locateLoading(all.dir(), env, err)
		}
		if i == 0 {
			version = config.Version
		}
		if config.Version != version {
			problem := fmt.Sprintf("is %s, but %s in %s; write the same", config.Version, version, all[0].file)
			return s.at("version", problem)
		}
	}
	return all.at("", cause.Error())
}

// locateLoading finds the place of an error of the loader in this file. Where the error names none, the parts
// of the file are loaded one by one.
func (s *source) locateLoading(dir string, env Environment, err error) error {
	located := s.locate(err)
	if located.Key != "" {
		return located
	}
	for _, section := range sections {
		named, _ := s.dict[section].(map[string]any)
		for _, name := range sorted(named) {
			part := map[string]any{section: map[string]any{name: named[name]}}
			if _, err := s.loadAlone(dir, env, part); err != nil {
				return s.locateIn(section+"."+name, err)
			}
		}
	}
	return located
}

// acceptComposeSpec changes what today's compose files have and the v3 schema refuses, although it means the
// same: the project's `name` goes, and published ports lose their quotes.
func (s *source) acceptComposeSpec() {
	delete(s.dict, "name")
	services, _ := s.dict["services"].(map[string]any)
	for _, service := range services {
		fields, _ := service.(map[string]any)
		ports, _ := fields["ports"].([]any)
		for _, port := range ports {
			long, _ := port.(map[string]any)
			if text, ok := long["published"].(string); ok {
				if number, err := strconv.Atoi(text); err == nil {
					long["published"] = number
				}
			}
		}
	}
}
