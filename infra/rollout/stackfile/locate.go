package stackfile

import (
	"errors"
	"io/fs"
	"regexp"
	"strings"

	"boardcafe/infra/rollout/model"

	"github.com/docker/cli/cli/compose/loader"
	"github.com/go-viper/mapstructure/v2"
)

var (
	schemaPath    = regexp.MustCompile(`(?s)^(\(root\)|[A-Za-z0-9_.-]+) (.+)$`)
	interpolation = regexp.MustCompile(`(?s)^(?:error while interpolating|` +
		`invalid interpolation format for) ([^:]+): (.+)$`)
	unknownKey = regexp.MustCompile(`(?s)^Additional property (.+) is not allowed$`)
)

// locate reads the path out of an error of the loader. Key is empty where the error has no path.
func (s *source) locate(err error) *Error {
	var forbidden *loader.ForbiddenPropertiesError
	if errors.As(err, &forbidden) {
		return s.locateForbidden(forbidden)
	}
	text := err.Error()
	if strings.HasPrefix(text, "unsupported Compose file version") {
		return s.at("version", text+"; write 3.13")
	}
	if found := interpolation.FindStringSubmatch(text); found != nil {
		return s.at(strings.ReplaceAll(found[1], ".[]", ""), found[2])
	}
	found := schemaPath.FindStringSubmatch(text)
	if found == nil || (found[1] != "(root)" && s.lines[found[1]] == 0) {
		return s.at("", text)
	}
	path, problem := strings.TrimPrefix(found[1], "(root)"), found[2]
	if key := unknownKey.FindStringSubmatch(problem); key != nil {
		return s.at(model.Join(path, key[1]), "unknown key")
	}
	problem = strings.TrimPrefix(problem, path+" ") // the schema repeats it before a list of choices
	return s.at(path, strings.Replace(problem, "must be a integer", "must be an integer", 1))
}

// locateIn finds the place of an error without a path, within the part of the file that caused it.
func (s *source) locateIn(path string, err error) *Error {
	var decoding *mapstructure.DecodeError
	var file *fs.PathError
	switch {
	case errors.As(err, &decoding):
		return s.at(model.Join(path, yamlPath(decoding.Name())), decoding.Unwrap().Error())
	case errors.As(err, &file):
		return s.at(model.Join(path, "env_file"), file.Path+": "+file.Err.Error())
	}
	return s.at(byWords(path, err.Error()), err.Error())
}

// words in the messages of docker/cli's loader and converter tell which key a message is about. Where a word is
// missing here, the error has the line of the service.
var words = []struct{ word, key string }{
	{"Unknown mode", "deploy.mode"},
	{"replicas can only be used", "deploy.replicas"},
	{"max-concurrent", "deploy.mode"},
	{"rational number", "deploy.resources"},
	{"value is too precise", "deploy.resources"},
	{"test and disable", "healthcheck"},
	{"restart policy", "restart"},
	{"maximum retry count", "restart"},
	{"credential spec", "credential_spec"},
	{"config target", "configs"},
	{"secret target", "secrets"},
	{"volume", "volumes"},
	{"mount", "volumes"},
	{"tmpfs", "volumes"},
	{"bind", "volumes"},
	{"network", "networks"},
	{"environment", "env_file"},
}

// byWords is the path of what a problem is about, as far as its words tell.
func byWords(path, problem string) string {
	if strings.HasPrefix(path, "services.") {
		for _, w := range words {
			if strings.Contains(problem, w.word) {
				return model.Join(path, w.key)
			}
		}
	}
	return path
}

var index = regexp.MustCompile(`\[([^\]]*)\]`)

// yamlPath is the path in a stack file of a field of docker/cli's types.
func yamlPath(name string) string {
	name = strings.Trim(index.ReplaceAllString(name, ".$1"), ".")
	name = strings.ReplaceAll(name, "HealthCheck", "healthcheck")
	return model.Snake(name)
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
