package stack

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/cli/cli/compose/loader"
	"github.com/docker/cli/cli/compose/types"
)

// File is a stack file, or several that were merged, that has been read and checked. What it lacks to
// be a [Stack] only the swarm knows: the versions of its secrets.
type File struct {
	name    string // of the stack
	release string
	sources sources
	config  *types.Config
	needs   map[string][]string
	options map[string]Options
	// unset are warnings of variables that containers lack, as the environment has no value for them.
	unset []Warning
}

var stackName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_-]{0,30}$`)

const stackNameRule = "a stack's name has letters, digits, - and _ only, 31 at most"

// CheckName tells what is wrong with the name of a stack.
func CheckName(name string) error {
	if !stackName.MatchString(name) {
		return fmt.Errorf("stack name %q: %s", name, stackNameRule)
	}
	return nil
}

// Load reads the stack files at paths, each merged over those before it as `docker stack deploy` does it.
func Load(paths []string, name string, env Environment) (*File, error) {
	all, err := openAll(paths)
	if err != nil {
		return nil, err
	}
	return all.read(name, env)
}

// Parse reads a stack file whose content is known; paths in it are relative to that of the file.
func Parse(path string, data []byte, name string, env Environment) (*File, error) {
	source, err := parse(path, data)
	if err != nil {
		return nil, err
	}
	return sources{source}.read(name, env)
}

func (all sources) read(name string, env Environment) (_ *File, err error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	for _, s := range all {
		if err := s.checkVariables(env); err != nil {
			return nil, err
		}
	}
	file := &File{name: name, sources: all, options: map[string]Options{}}
	if file.needs, err = all.takeDependencies(); err != nil {
		return nil, err
	}
	if err := file.readExtensions(env); err != nil {
		return nil, err
	}
	if file.config, err = all.load(env); err != nil {
		return nil, err
	}
	file.unset = passEnvironment(file.config, all.dir(), env)
	if err := file.check(); err != nil {
		return nil, err
	}
	return file, nil
}

func (f *File) readExtensions(env Environment) error {
	top := f.sources.extension(env, "x-rollout")
	if f.release = top.text("release"); printable(f.release) != f.release {
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

// checkMisspelt finds what was meant to be x-rollout: compose takes every key that begins with x-.
func (s *source) checkMisspelt(path string, value any) error {
	fields, _ := value.(map[string]any)
	for _, key := range sorted(fields) {
		if key != "x-rollout" && strings.HasPrefix(key, "x-rol") {
			return s.at(join(path, key), "unknown key; x-rollout?")
		}
	}
	return nil
}

// load has docker/cli merge the files. Each is loaded alone first, which tells whose an error is.
func (all sources) load(env Environment) (*types.Config, error) {
	dir := all.dir()
	var files []types.ConfigFile
	var err error
	for _, s := range all {
		if s.config, err = s.load(dir, env); err != nil {
			return nil, err
		}
		if want := all[0].config.Version; s.config.Version != want {
			return nil, s.at("version", fmt.Sprintf("is %s, but %s in %s; write the same", s.config.Version, want, all[0].file))
		}
		files = append(files, types.ConfigFile{Filename: s.file, Config: s.dict})
	}
	config, err := runLoader(dir, env, files...)
	if err != nil {
		return nil, all.at("", err.Error())
	}
	slices.SortFunc(config.Services, func(a, b types.ServiceConfig) int { return strings.Compare(a.Name, b.Name) })
	return config, nil
}

// runLoader runs docker/cli's loader, which trusts its own schema: what that lets through can make it
// panic, and a wrong file must never look like a bug of the tool.
func runLoader(dir string, env Environment, files ...types.ConfigFile) (config *types.Config, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			config, err = nil, fmt.Errorf("not a stack file: %v", cause)
		}
	}()
	return loader.Load(types.ConfigDetails{WorkingDir: dir, ConfigFiles: files, Environment: env})
}

func (s *source) load(dir string, env Environment) (*types.Config, error) {
	s.acceptComposeSpec()
	if err := s.checkNames(); err != nil {
		return nil, err
	}
	config, err := runLoader(dir, env, types.ConfigFile{Filename: s.file, Config: s.dict})
	if err == nil {
		return config, nil
	}
	located := s.locate(err)
	if located.Key != "" {
		return nil, located
	}
	// The loader says neither where nor, of several parts, in which: they are tried one by one.
	for _, part := range s.parts() {
		if _, err := runLoader(dir, env, types.ConfigFile{Filename: s.file, Config: part.dict}); err != nil {
			return nil, s.locateIn(part.path, err)
		}
	}
	return nil, located
}

// part is a piece of the file that the loader takes by itself.
type part struct {
	path string
	dict map[string]any
}

func (s *source) parts() []part {
	var out []part
	for _, section := range sections {
		named, _ := s.dict[section].(map[string]any)
		for _, name := range sorted(named) {
			out = append(out, part{section + "." + name, map[string]any{section: map[string]any{name: named[name]}}})
		}
	}
	return out
}

// acceptComposeSpec removes what today's compose files have and the v3 schema refuses, although
// it means the same: the project's `name`, and published ports in quotes.
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
