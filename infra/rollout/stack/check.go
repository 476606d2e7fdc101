package stack

import (
	"errors"
	"fmt"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/distribution/reference"
	"github.com/docker/cli/cli/compose/types"
)

// sections of a stack file that hold things by their names.
var sections = []string{"services", "networks", "volumes", "configs", "secrets"}

// Swarm's rules for names (swarmkit, manager/controlapi/common.go), and the schema's for keys.
const (
	maxServiceName = 63 // a DNS label; networks too
	maxObjectName  = 64
)

var (
	sectionKey  = regexp.MustCompile(`^[a-zA-Z0-9._-]+$`)
	serviceName = regexp.MustCompile(`^[a-zA-Z0-9](?:[-_]*[A-Za-z0-9]+)*$`)
	objectName  = regexp.MustCompile(`^[a-zA-Z0-9]+(?:[a-zA-Z0-9-_.]*[a-zA-Z0-9])?$`)
)

const keyRule = "a name has letters, digits, . _ and - only"

// CheckKey tells what is wrong with the key of a config or secret.
func CheckKey(key string) error {
	if !sectionKey.MatchString(key) {
		return fmt.Errorf("%q: %s", key, keyRule)
	}
	return nil
}

// checkNames says of a name what the schema calls an unknown key.
func (s *source) checkNames() error {
	for _, section := range sections {
		named, _ := s.dict[section].(map[string]any)
		for _, name := range sorted(named) {
			if !sectionKey.MatchString(name) {
				return s.at(join(section, name), keyRule)
			}
		}
	}
	return nil
}

// check finds what the schema cannot: references that lead nowhere and names Swarm refuses.
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
	if err := f.checkFiles(); err != nil {
		return err
	}
	// A conversion with made-up versions finds now what it would find later with a swarm at hand.
	converted, err := f.Stack(Versions{Key: make([]byte, 32)})
	if err != nil {
		return err
	}
	if err := f.checkObjectNames(converted); err != nil {
		return err
	}
	return f.checkLimits(converted)
}

func (f *File) checkService(service types.ServiceConfig) error {
	path := "services." + service.Name
	if full := f.name + "_" + service.Name; len(full) > maxServiceName {
		return f.sources.at(path, fmt.Sprintf("%s has %d characters; a service's name has %d at most", full, len(full), maxServiceName))
	}
	if !serviceName.MatchString(service.Name) {
		return f.sources.at(path, "a service's name has letters, digits, - and _ only")
	}
	if service.Image == "" {
		return f.sources.at(path+".image", "is missing; a swarm does not build")
	}
	if _, err := reference.ParseNormalizedNamed(service.Image); err != nil {
		return f.sources.at(path+".image", fmt.Sprintf("%q: %v", service.Image, err))
	}
	if key, problem := f.leadsNowhere(service); problem != "" {
		return f.sources.atService(service.Name, key, problem, f.leadsNowhere)
	}
	for _, s := range f.sources {
		fields, _ := s.value(path).(map[string]any)
		hosts, _ := fields["extra_hosts"].([]any) // the loader drops what it does not understand
		for i, host := range hosts {
			if !strings.ContainsAny(fmt.Sprint(host), ":=") {
				return s.at(fmt.Sprintf("%s.extra_hosts.%d", path, i), fmt.Sprintf("%q must be NAME:ADDRESS", fmt.Sprint(host)))
			}
		}
	}
	return f.checkOptions(path+".x-rollout", service)
}

// leadsNowhere is the key of a service that refers to what is not there, and to what; both are empty
// for a good one.
func (f *File) leadsNowhere(service types.ServiceConfig) (key, problem string) {
	for _, name := range sorted(service.Networks) {
		if _, ok := f.config.Networks[name]; !ok && name != "default" {
			return "networks", "there is no network " + name
		}
	}
	for _, ref := range service.Secrets {
		if _, ok := f.config.Secrets[ref.Source]; !ok {
			return "secrets", "there is no secret " + ref.Source
		}
	}
	for _, ref := range service.Configs {
		if _, ok := f.config.Configs[ref.Source]; !ok {
			return "configs", "there is no config " + ref.Source
		}
	}
	for _, volume := range service.Volumes {
		if volume.Type == "volume" && volume.Source != "" {
			if _, ok := f.config.Volumes[volume.Source]; !ok {
				return "volumes", "there is no volume " + volume.Source
			}
		}
	}
	for i, server := range service.DNS {
		if net.ParseIP(server) == nil {
			return fmt.Sprintf("dns.%d", i), fmt.Sprintf("%q is no address", server)
		}
	}
	return "", ""
}

// checkOptions finds what x-rollout asks of a service that cannot have it: read and then ignored, it
// would be a promise that nobody keeps.
func (f *File) checkOptions(path string, service types.ServiceConfig) error {
	options := f.options[service.Name]
	switch {
	case options.Job && options.Probe != nil:
		return f.sources.at(path+".probe", "a job ends; there is nothing to probe")
	case options.Job && options.KeepReplicas:
		return f.sources.at(path+".replicas", "a job runs once; it has no replicas to keep")
	case options.Job && options.Drain > 0:
		return f.sources.at(path+".drain", "a job ends by itself; it has nothing to drain")
	case options.KeepReplicas && service.Deploy.Mode != "" && service.Deploy.Mode != "replicated":
		return f.sources.at(path+".replicas", "a service of mode "+service.Deploy.Mode+" has no replicas to keep")
	case options.Probe != nil && options.Probe.Port == 0 && (len(service.Ports) == 0 || service.Ports[0].Published == 0):
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
		path, name := "networks."+key, f.name+"_"+key
		if network.Name != "" {
			path, name = path+".name", network.Name
		}
		if !serviceName.MatchString(name) || len(name) > maxServiceName {
			return f.sources.at(path, fmt.Sprintf("%s: a network's name has letters, digits, - and _ only, and %d at most", name, maxServiceName))
		}
		for i, pool := range network.Ipam.Config {
			if _, _, err := net.ParseCIDR(pool.Subnet); pool.Subnet != "" && err != nil {
				return f.sources.at(fmt.Sprintf("networks.%s.ipam.config.%d.subnet", key, i), fmt.Sprintf("%q must be like 10.1.0.0/24", pool.Subnet))
			}
		}
	}
	return nil
}

func (f *File) checkObjectNames(converted *Stack) error {
	check := func(section string, objects []Object) error {
		for _, object := range objects {
			if len(object.Name) > maxObjectName || !objectName.MatchString(object.Name) {
				return f.sources.at(section+"."+object.Key, fmt.Sprintf("%s: %s, and %d at most", object.Name, keyRule, maxObjectName))
			}
		}
		return nil
	}
	if err := check("configs", converted.Configs); err != nil {
		return err
	}
	return check("secrets", converted.Secrets)
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
	path += ".file"
	info, err := os.Stat(object.File)
	switch {
	case err != nil:
		return f.sources.at(path, object.File+": "+readProblem(err))
	case !info.Mode().IsRegular():
		return f.sources.at(path, object.File+": not a file")
	case info.Size() == 0:
		return f.sources.at(path, object.File+": empty; a swarm stores no empty object")
	case info.Size() > limit:
		return f.sources.at(path, fmt.Sprintf("%s: %d bytes; a swarm stores %d at most", object.File, info.Size(), limit))
	}
	return nil
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

// readProblem is the operating system's own words, without the path that our message has already.
func readProblem(err error) string {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	return err.Error()
}
