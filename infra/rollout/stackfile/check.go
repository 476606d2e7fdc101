package stackfile

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"

	"boardcafe/infra/rollout/model"

	"github.com/distribution/reference"
	"github.com/docker/cli/cli/compose/types"
)

// sections are the parts of a stack file whose keys are names.
var sections = []string{"services", "networks", "volumes", "configs", "secrets"}

// checkNames finds names that the schema would call unknown keys.
func (s *source) checkNames() error {
	for _, section := range sections {
		named, _ := s.dict[section].(map[string]any)
		for _, name := range sorted(named) {
			if model.CheckKey(name) != nil {
				return s.at(model.Join(section, name), model.KeyRule)
			}
		}
	}
	return nil
}

// check finds what the schema cannot: references that lead nowhere, and names that Swarm refuses.
func (f *File) check() error {
	if len(f.config.Services) == 0 {
		return f.sources.at("services", "there is no service")
	}
	for _, service := range f.config.Services {
		if err := f.checkService(service); err != nil {
			return err
		}
	}
	if err := f.checkNetworks(); err != nil {
		return err
	}
	return f.checkFiles()
}

func (f *File) checkService(service types.ServiceConfig) error {
	path := "services." + service.Name
	if full := model.FullName(f.stack.Name, service.Name); len(full) > model.MaxServiceName {
		return f.sources.at(path, fmt.Sprintf("%s has %d characters; a service's name has %d at most",
			full, len(full), model.MaxServiceName))
	}
	if !model.IsServiceName(service.Name) {
		return f.sources.at(path, "a service's name has letters, digits, - and _ only")
	}
	if service.Image == "" {
		return f.sources.at(path+".image", "is missing; a swarm does not build")
	}
	if _, err := reference.ParseNormalizedNamed(service.Image); err != nil {
		return f.sources.at(path+".image", fmt.Sprintf("%q: %v", service.Image, err))
	}
	if found := f.leadsNowhere(service); found.problem != "" {
		return f.atService(service.Name, found, f.leadsNowhere)
	}
	for _, s := range f.sources {
		if err := s.checkExtraHosts(path); err != nil {
			return err
		}
	}
	return f.checkOptions(path+".x-rollout", service)
}

// checkExtraHosts finds entries that the loader drops, since it does not understand them.
func (s *source) checkExtraHosts(path string) error {
	fields, _ := s.value(path).(map[string]any)
	hosts, _ := fields["extra_hosts"].([]any)
	for i, host := range hosts {
		if text := fmt.Sprint(host); !strings.ContainsAny(text, ":=") {
			return s.at(fmt.Sprintf("%s.extra_hosts.%d", path, i), fmt.Sprintf("%q must be NAME:ADDRESS", text))
		}
	}
	return nil
}

// leadsNowhere finds a reference of a service to something that is not there.
func (f *File) leadsNowhere(service types.ServiceConfig) fault {
	for _, name := range sorted(service.Networks) {
		if _, ok := f.config.Networks[name]; !ok && name != "default" {
			return fault{"networks", "there is no network " + name}
		}
	}
	for _, ref := range service.Secrets {
		if _, ok := f.config.Secrets[ref.Source]; !ok {
			return fault{"secrets", "there is no secret " + ref.Source}
		}
	}
	for _, ref := range service.Configs {
		if _, ok := f.config.Configs[ref.Source]; !ok {
			return fault{"configs", "there is no config " + ref.Source}
		}
	}
	for _, volume := range service.Volumes {
		if volume.Type == "volume" && volume.Source != "" {
			if _, ok := f.config.Volumes[volume.Source]; !ok {
				return fault{"volumes", "there is no volume " + volume.Source}
			}
		}
	}
	for i, server := range service.DNS {
		if net.ParseIP(server) == nil {
			return fault{fmt.Sprintf("dns.%d", i), fmt.Sprintf("%q is no address", server)}
		}
	}
	return fault{}
}

// checkOptions finds options in x-rollout that the service cannot have. If they were read and then ignored,
// they would be a promise that nobody keeps.
func (f *File) checkOptions(path string, service types.ServiceConfig) error {
	options, mode := f.options[service.Name], service.Deploy.Mode
	fixedPort := len(service.Ports) > 0 && service.Ports[0].Published != 0
	switch {
	case options.Job && options.Probe != nil:
		return f.sources.at(path+".probe", "a job ends; there is nothing to probe")
	case options.Job && options.KeepReplicas:
		return f.sources.at(path+".replicas", "a job runs once; it has no replicas to keep")
	case options.Job && options.Drain > 0:
		return f.sources.at(path+".drain", "a job ends by itself; it has nothing to drain")
	case options.KeepReplicas && mode != "" && mode != "replicated":
		return f.sources.at(path+".replicas", "a service of mode "+mode+" has no replicas to keep")
	case options.Probe != nil && options.Probe.Port == 0 && !fixedPort:
		return f.sources.at(path+".probe", "the service publishes no fixed port; name one with port")
	}
	return nil
}

func (f *File) checkNetworks() error {
	for _, key := range sorted(f.config.Networks) {
		network := f.config.Networks[key]
		if network.External.External {
			continue
		}
		path, name := "networks."+key, model.FullName(f.stack.Name, key)
		if network.Name != "" {
			path, name = path+".name", network.Name
		}
		if !model.IsServiceName(name) || len(name) > model.MaxServiceName {
			return f.sources.at(path, fmt.Sprintf(
				"%s: a network's name has letters, digits, - and _ only, and %d at most", name, model.MaxServiceName))
		}
		for i, pool := range network.Ipam.Config {
			if _, _, err := net.ParseCIDR(pool.Subnet); pool.Subnet != "" && err != nil {
				path := fmt.Sprintf("networks.%s.ipam.config.%d.subnet", key, i)
				return f.sources.at(path, fmt.Sprintf("%q must be like 10.1.0.0/24", pool.Subnet))
			}
		}
	}
	return nil
}

// checkObjectNames finds names of configs and secrets that Swarm refuses. A secret of a file always gets a good
// one.
func (f *File) checkObjectNames() error {
	check := func(path, name string) error {
		if model.IsObjectName(name) {
			return nil
		}
		problem := fmt.Sprintf("%s: %s, and %d at most", name, model.KeyRule, model.MaxObjectName)
		return f.sources.at(path, problem)
	}
	configs, err := f.configs()
	if err != nil {
		return err
	}
	for _, config := range configs {
		if err := check("configs."+config.Key, config.Name); err != nil {
			return err
		}
	}
	for _, key := range sorted(f.config.Secrets) {
		if secret := f.config.Secrets[key]; secret.External.External {
			if err := check("secrets."+key, secret.Name); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *File) checkFiles() error {
	for _, key := range sorted(f.config.Configs) {
		config := types.FileObjectConfig(f.config.Configs[key])
		if err := f.checkFile("configs."+key, config, model.MaxConfig); err != nil {
			return err
		}
	}
	for _, key := range sorted(f.config.Secrets) {
		secret := types.FileObjectConfig(f.config.Secrets[key])
		if secret.Driver != "" {
			continue
		}
		if err := f.checkFile("secrets."+key, secret, model.MaxSecret); err != nil {
			return err
		}
	}
	return nil
}

func (f *File) checkFile(path string, object types.FileObjectConfig, limit int64) error {
	fields, _ := f.sources.having(path).value(path).(map[string]any)
	_, hasFile := fields["file"]
	switch {
	case object.External.External && hasFile:
		return f.sources.at(path+".file", "an external one has no file; drop external or file")
	case object.External.External:
		return nil
	case !hasFile:
		return f.sources.at(path, "needs file, or external: true")
	case !slices.Contains([]string{"", "golang"}, object.TemplateDriver):
		return f.sources.at(path+".template_driver", "must be golang: swarms have no other")
	}
	if problem := fileProblem(object.File, limit); problem != "" {
		return f.sources.at(path+".file", object.File+": "+problem)
	}
	return nil
}

// fileProblem is why a swarm cannot store a file; it is empty for a good one.
func fileProblem(path string, limit int64) string {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return readProblem(err)
	case !info.Mode().IsRegular():
		return "not a file"
	case info.Size() == 0:
		return "empty; a swarm stores no empty object"
	case info.Size() > limit:
		return fmt.Sprintf("%d bytes; a swarm stores %d at most", info.Size(), limit)
	}
	file, err := os.Open(path)
	if err != nil {
		return readProblem(err)
	}
	file.Close()
	return ""
}

// value is what the file has at a path.
func (s *source) value(path string) any {
	var value any = s.dict
	section, key, _ := strings.Cut(path, ".")
	for _, name := range []string{section, key} {
		fields, _ := value.(map[string]any)
		value = fields[name]
	}
	return value
}

// readProblem is why a file cannot be read, in the words of the operating system. The path is left out: the
// message has it already.
func readProblem(err error) string {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	return err.Error()
}
