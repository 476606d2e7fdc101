package stackfile

import (
	"regexp"
	"strings"

	"github.com/docker/cli/cli/compose/template"
	"gopkg.in/yaml.v3"
)

// Environment is what a stack file takes from the shell. That is the variables in it, the values of `environment` and
// `env_file` entries that have only a name, and HOME for a ~ in a path.
type Environment map[string]string

// Lookup returns the value of a variable, and whether it is set; a set one can be empty.
func (e Environment) Lookup(name string) (value string, ok bool) {
	value, ok = e[name]
	return value, ok
}

// variable is the pattern of docker/cli's package template, which does not export it.
var variable = regexp.MustCompile(`\$(?i:(\$)|` +
	`([_a-z][_a-z0-9]*(?::?[-?][^}]*)?)|{([_a-z][_a-z0-9]*(?::?[-?][^}]*)?)}|())`)

// checkVariables finds the first variable that has neither a value nor a default. docker/cli would put an empty
// string in its place. Each match is checked by itself: in a string of several variables docker/cli keeps only the
// error of the last one.
func (s *source) checkVariables(env Environment) error {
	var first *Error
	s.walk(s.root, "", func(path string, n *yaml.Node) {
		if first != nil || n.Kind != yaml.ScalarNode {
			return
		}
		problem := checkString(n.Value, env)
		if problem == "" {
			problem = checkHome(path, n.Value, env)
		}
		if problem != "" {
			first = &Error{File: s.file, Line: n.Line, Key: path, Problem: problem}
		}
	})
	if first != nil {
		return first
	}
	return nil
}

var volumeSource = regexp.MustCompile(`^services\..+\.volumes\.\d+(\.source)?$`)

// checkHome finds a ~ where HOME is not set. docker/cli would take it for the name of a folder.
func checkHome(path, value string, env Environment) (problem string) {
	if _, ok := env.Lookup("HOME"); !ok && strings.HasPrefix(value, "~") && volumeSource.MatchString(path) {
		return "~ stands for HOME, which is not set; set it, or write the whole path"
	}
	return ""
}

func checkString(text string, env Environment) (problem string) {
	for _, match := range variable.FindAllStringSubmatch(text, -1) {
		if match[1] != "" {
			continue // $$
		}
		name := match[2] + match[3]
		if name == "" {
			return "a $ that begins no variable; write $$ for a dollar sign"
		}
		if strings.Contains(name, "${") {
			return "a default cannot hold another variable"
		}
		if strings.ContainsAny(name, "?-") {
			if _, err := template.Substitute(match[0], env.Lookup); err != nil {
				variable, text, _ := strings.Cut(name, "?")
				return "variable " + strings.TrimSuffix(variable, ":") + " is required: " + text
			}
			continue
		}
		if _, ok := env.Lookup(name); !ok {
			return "variable " + name + " is not set and has no default; set it, or write ${" + name + ":-default}"
		}
	}
	return ""
}

// expand replaces the variables of a string. checkVariables has found them good.
func expand(text string, env Environment) string {
	out, err := template.Substitute(text, env.Lookup)
	if err != nil {
		return text
	}
	return out
}
