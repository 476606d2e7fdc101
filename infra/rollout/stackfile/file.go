// Package stackfile reads a stack file: compose v3 as `docker stack deploy` takes it, plus the `x-rollout` keys
// that compose has no word for. It checks the file, and says of each error which line it is on.
//
// It is the only package that knows docker/cli's loader and converter. They export less with every release.
package stackfile

import (
	"strings"

	"boardcafe/infra/rollout/model"

	"github.com/docker/cli/cli/compose/types"
)

// File is a stack file, or several that were merged. It has been read, checked and converted. Only the versions
// of its configs and secrets are missing, since their names depend on the swarm: see
// [File.Stack].
type File struct {
	sources sources
	config  *types.Config
	env     Environment
	options map[string]model.Options // by service
	// stack refers to configs and secrets by stand-ins, and has none of them.
	stack model.Stack
}

// Load reads the stack files at paths. Each is merged over those before it, as `docker stack deploy` does it. An
// error about a file is an *[Error].
func Load(paths []string, name string, env Environment) (*File, error) {
	all, err := openAll(paths)
	if err != nil {
		return nil, err
	}
	return all.read(name, env)
}

// Parse reads a stack file whose content is known. Paths in it are relative to the folder of path.
func Parse(path string, data []byte, name string, env Environment) (*File, error) {
	source, err := parse(path, data)
	if err != nil {
		return nil, err
	}
	return sources{source}.read(name, env)
}

func (all sources) read(name string, env Environment) (_ *File, err error) {
	if err := model.CheckStackName(name); err != nil {
		return nil, err
	}
	for _, s := range all {
		if err := s.checkVariables(env); err != nil {
			return nil, err
		}
	}
	needs, err := all.takeDependencies()
	if err != nil {
		return nil, err
	}
	file := &File{sources: all, env: env, options: map[string]model.Options{}, stack: model.Stack{Name: name}}
	if err := file.readExtensions(env); err != nil {
		return nil, err
	}
	if file.config, err = all.load(env); err != nil {
		return nil, err
	}
	unset := passEnvironment(file.config, all.dir(), env)
	if err := file.check(); err != nil {
		return nil, err
	}
	if err := file.convert(needs); err != nil {
		return nil, err
	}
	file.stack.Warnings = append(file.lint(), unset...)
	return file, nil
}

// readExtensions reads every x-rollout: the release, and the options of each service.
func (f *File) readExtensions(env Environment) error {
	top := f.sources.extension(env, "x-rollout")
	if f.stack.Release = top.text("release"); printable(f.stack.Release) != f.stack.Release {
		top.fail("release", "must be one short line of visible characters")
	}
	top.text("stack") // see NameIn
	if err := top.close(); err != nil {
		return err
	}
	for _, s := range f.sources {
		if err := s.checkMisspelt("", s.dict); err != nil {
			return err
		}
	}
	for _, name := range f.sources.services() {
		for _, s := range f.sources {
			if err := s.checkMisspelt("services."+name, s.value("services."+name)); err != nil {
				return err
			}
		}
		options, err := f.sources.options(name, env)
		if err != nil {
			return err
		}
		f.options[name] = options
	}
	return nil
}

// checkMisspelt finds keys that were meant to be x-rollout. Compose takes every key that begins with x-.
func (s *source) checkMisspelt(path string, value any) error {
	fields, _ := value.(map[string]any)
	for _, key := range sorted(fields) {
		if key != "x-rollout" && strings.HasPrefix(key, "x-rol") {
			return s.at(model.Join(path, key), "unknown key; x-rollout?")
		}
	}
	return nil
}
