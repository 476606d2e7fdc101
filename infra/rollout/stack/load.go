package stack

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/distribution/reference"
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

// maxServiceName is Swarm's limit, a DNS label.
const maxServiceName = 63

var (
	stackName   = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_-]{0,30}$`)
	serviceName = regexp.MustCompile(`^[a-zA-Z0-9](?:[-_]*[A-Za-z0-9]+)*$`)
)

// Load reads the stack file at path.
func Load(path, name string, lookup Lookup) (*File, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, &Error{File: path, Problem: readProblem(err)}
	}
	return Parse(path, data, name, lookup)
}

// Parse reads a stack file whose content is known; paths in it are relative to that of the file.
func Parse(path string, data []byte, name string, lookup Lookup) (*File, error) {
	if !stackName.MatchString(name) {
		return nil, fmt.Errorf("stack name %q: letters, digits, - and _ only, 31 at most", name)
	}
	source, err := parse(path, data)
	if err != nil {
		return nil, err
	}
	if err := source.checkVariables(lookup); err != nil {
		return nil, err
	}
	file := &File{name: name, source: source, options: map[string]Options{}}
	if file.needs, err = source.takeDependencies(); err != nil {
		return nil, err
	}
	if err := file.readExtensions(lookup); err != nil {
		return nil, err
	}
	if file.config, err = source.load(lookup); err != nil {
		return nil, err
	}
	if err := file.check(); err != nil {
		return nil, err
	}
	// A conversion with made-up versions finds now what it would find later with a swarm at hand.
	if _, err := file.Stack(Versions{Key: make([]byte, 32)}); err != nil {
		return nil, err
	}
	return file, nil
}

func (f *File) readExtensions(lookup Lookup) error {
	top := f.source.extension("x-rollout", f.source.node("x-rollout"), lookup)
	f.release = top.text("release")
	top.text("stack") // see NameIn
	if err := top.close(); err != nil {
		return err
	}
	services, _ := f.source.dict["services"].(map[string]any)
	for _, name := range sorted(services) {
		options, err := f.source.options(name, lookup)
		if err != nil {
			return err
		}
		f.options[name] = options
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
	// The loader says neither where nor, of several services, in which: they are tried one by one.
	services, _ := s.dict["services"].(map[string]any)
	for _, name := range sorted(services) {
		if _, err := loader.Load(details(map[string]any{"services": map[string]any{name: services[name]}}), withEnvironment); err != nil {
			return nil, s.locateIn("services."+name, err)
		}
	}
	return nil, located
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

var (
	schemaPath    = regexp.MustCompile(`^(\(root\)|[A-Za-z0-9_.-]+) (.+)$`)
	interpolation = regexp.MustCompile(`^(?:error while interpolating|invalid interpolation format for) ([^:]+): (.+)$`)
	unknownKey    = regexp.MustCompile(`^Additional property (.+) is not allowed$`)
	decoding      = regexp.MustCompile(`error decoding '([^']+)': (.+)`)
)

// locate reads the path out of an error of the loader. Key stays empty where it has none.
func (s *source) locate(err error) *Error {
	var forbidden *loader.ForbiddenPropertiesError
	if errors.As(err, &forbidden) {
		return s.locateForbidden(forbidden)
	}
	text := oneLine(err)
	if found := interpolation.FindStringSubmatch(text); found != nil {
		return s.at(strings.ReplaceAll(found[1], ".[]", ""), found[2])
	}
	found := schemaPath.FindStringSubmatch(text)
	if found == nil || (found[1] != "(root)" && s.lines[found[1]] == 0) {
		return s.at("", text)
	}
	path, problem := strings.TrimPrefix(found[1], "(root)"), found[2]
	if key := unknownKey.FindStringSubmatch(problem); key != nil {
		return s.at(join(path, key[1]), "unknown key")
	}
	return s.at(path, problem)
}

func (s *source) locateIn(path string, err error) *Error {
	text := oneLine(err)
	if found := decoding.FindStringSubmatch(text); found != nil {
		return s.at(join(path, strings.ToLower(found[1])), found[2])
	}
	return s.at(path, text)
}

func (s *source) locateForbidden(forbidden *loader.ForbiddenPropertiesError) *Error {
	services, _ := s.dict["services"].(map[string]any)
	for _, name := range sorted(services) {
		fields, _ := services[name].(map[string]any)
		for _, key := range sorted(forbidden.Properties) {
			if _, ok := fields[key]; ok {
				return s.at("services."+name+"."+key, forbidden.Properties[key])
			}
		}
	}
	return s.at("services", forbidden.Error())
}

// oneLine drops mapstructure's heading: "1 error(s) decoding:\n\n* error decoding …".
func oneLine(err error) string {
	text := err.Error()
	if _, list, ok := strings.Cut(text, "\n* "); ok {
		text = list
	}
	text, _, _ = strings.Cut(text, "\n")
	return text
}

// check finds what the schema cannot: references that lead nowhere and names Swarm refuses.
func (f *File) check() error {
	if len(f.config.Services) == 0 {
		return f.source.at("services", "there is no service")
	}
	for _, service := range f.config.Services {
		if err := f.checkService(service); err != nil {
			return err
		}
	}
	return f.checkFiles()
}

func (f *File) checkService(service types.ServiceConfig) error {
	path := "services." + service.Name
	if full := f.name + "_" + service.Name; len(full) > maxServiceName {
		return f.source.at(path, fmt.Sprintf("%s has %d characters; a service's name has %d at most", full, len(full), maxServiceName))
	}
	if !serviceName.MatchString(service.Name) {
		return f.source.at(path, "a service's name has letters, digits, - and _ only")
	}
	if service.Image == "" {
		return f.source.at(path+".image", "is missing; a swarm does not build")
	}
	if _, err := reference.ParseAnyReference(service.Image); err != nil {
		return f.source.at(path+".image", fmt.Sprintf("%q: %v", service.Image, err))
	}
	for _, name := range sorted(service.Networks) {
		if _, ok := f.config.Networks[name]; !ok && name != "default" {
			return f.source.at(path+".networks", "there is no network "+name)
		}
	}
	for _, ref := range service.Secrets {
		if _, ok := f.config.Secrets[ref.Source]; !ok {
			return f.source.at(path+".secrets", "there is no secret "+ref.Source)
		}
	}
	for _, ref := range service.Configs {
		if _, ok := f.config.Configs[ref.Source]; !ok {
			return f.source.at(path+".configs", "there is no config "+ref.Source)
		}
	}
	for _, volume := range service.Volumes {
		if volume.Type == "volume" && volume.Source != "" {
			if _, ok := f.config.Volumes[volume.Source]; !ok {
				return f.source.at(path+".volumes", "there is no volume "+volume.Source)
			}
		}
	}
	probe := f.options[service.Name].Probe
	if probe != nil && probe.Port == 0 && len(service.Ports) == 0 {
		return f.source.at(path+".x-rollout.probe", "the service publishes no port; name one with port")
	}
	return nil
}

// Limits of Swarm for the data of one object.
const (
	maxConfig = 1000*1024 - 1
	maxSecret = 500*1024 - 1
)

func (f *File) checkFiles() error {
	for _, key := range sorted(f.config.Configs) {
		if err := f.checkFile("configs."+key, types.FileObjectConfig(f.config.Configs[key]), maxConfig); err != nil {
			return err
		}
	}
	for _, key := range sorted(f.config.Secrets) {
		secret := f.config.Secrets[key]
		if secret.Driver != "" {
			continue
		}
		if err := f.checkFile("secrets."+key, types.FileObjectConfig(secret), maxSecret); err != nil {
			return err
		}
	}
	return nil
}

func (f *File) checkFile(path string, object types.FileObjectConfig, limit int64) error {
	if object.External.External {
		return nil
	}
	path += ".file"
	info, err := os.Stat(object.File)
	switch {
	case err != nil:
		return f.source.at(path, object.File+": "+readProblem(err))
	case !info.Mode().IsRegular():
		return f.source.at(path, object.File+": not a file")
	case info.Size() == 0:
		return f.source.at(path, object.File+": empty; a swarm stores no empty object")
	case info.Size() > limit:
		return f.source.at(path, fmt.Sprintf("%s: %d bytes; a swarm stores %d at most", object.File, info.Size(), limit))
	}
	return nil
}

// readProblem is the operating system's own words, without the path that our message has already.
func readProblem(err error) string {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	return err.Error()
}
