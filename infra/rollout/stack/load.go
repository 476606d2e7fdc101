package stack

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/cli/cli/compose/loader"
	"github.com/docker/cli/cli/compose/types"
)

// File is a stack file that has been read and checked. What it lacks to be a [Stack] only the
// swarm knows: the versions of its secrets.
type File struct {
	name    string // of the stack
	release string
	source  *source
	config  *types.Config
	needs   map[string][]string
	options map[string]Options
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

// Load reads the stack file at path.
func Load(path, name string, lookup Lookup) (*File, error) {
	source, err := open(path)
	if err != nil {
		return nil, err
	}
	return source.read(name, lookup)
}

// Parse reads a stack file whose content is known; paths in it are relative to that of the file.
func Parse(path string, data []byte, name string, lookup Lookup) (*File, error) {
	source, err := parse(path, data)
	if err != nil {
		return nil, err
	}
	return source.read(name, lookup)
}

func (s *source) read(name string, lookup Lookup) (_ *File, err error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	if err := s.checkVariables(lookup); err != nil {
		return nil, err
	}
	file := &File{name: name, source: s, options: map[string]Options{}}
	if file.needs, err = s.takeDependencies(); err != nil {
		return nil, err
	}
	if err := file.readExtensions(lookup); err != nil {
		return nil, err
	}
	if file.config, err = s.load(lookup); err != nil {
		return nil, err
	}
	if err := file.check(); err != nil {
		return nil, err
	}
	return file, nil
}

func (f *File) readExtensions(lookup Lookup) error {
	top := f.source.extension("x-rollout", f.source.node("x-rollout"), lookup)
	if f.release = top.text("release"); printable(f.release) != f.release {
		top.fail("release", "must be one short line of visible characters")
	}
	top.text("stack") // see NameIn
	if err := top.close(); err != nil {
		return err
	}
	if err := f.source.checkMisspelt("", f.source.dict); err != nil {
		return err
	}
	services, _ := f.source.dict["services"].(map[string]any)
	for _, name := range sorted(services) {
		if err := f.source.checkMisspelt("services."+name, services[name]); err != nil {
			return err
		}
		options, err := f.source.options(name, lookup)
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

// load runs docker/cli's loader, which trusts its own schema: what that lets through can make it
// panic, and a wrong file must never look like a bug of the tool.
func (s *source) load(lookup Lookup) (config *types.Config, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			config, err = nil, s.at("", fmt.Sprintf("not a stack file: %v", cause))
		}
	}()
	s.acceptComposeSpec()
	if err := s.checkNames(); err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(filepath.Dir(s.file))
	if err != nil {
		return nil, err
	}
	details := func(dict map[string]any) types.ConfigDetails {
		return types.ConfigDetails{
			WorkingDir:  dir,
			ConfigFiles: []types.ConfigFile{{Filename: s.file, Config: dict}},
		}
	}
	withEnvironment := func(o *loader.Options) { o.Interpolate.LookupValue = lookup.value }
	config, err = loader.Load(details(s.dict), withEnvironment)
	if err == nil {
		slices.SortFunc(config.Services, func(a, b types.ServiceConfig) int { return strings.Compare(a.Name, b.Name) })
		return config, nil
	}
	located := s.locate(err)
	if located.Key != "" {
		return nil, located
	}
	// The loader says neither where nor, of several parts, in which: they are tried one by one.
	for _, part := range s.parts() {
		if _, err := loader.Load(details(part.dict), withEnvironment); err != nil {
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

func (l Lookup) value(name string) (string, bool) { return l(name) }

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
