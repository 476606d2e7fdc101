package stack

import (
	"regexp"
	"strings"

	"github.com/docker/cli/cli/compose/template"
	"gopkg.in/yaml.v3"
)

// Lookup is the environment that a file's variables are taken from.
type Lookup func(name string) (value string, ok bool)

// variable is the pattern of docker/cli's template package, which does not export it.
var variable = regexp.MustCompile(`\$(?i:(\$)|([_a-z][_a-z0-9]*(?::?[-?][^}]*)?)|{([_a-z][_a-z0-9]*(?::?[-?][^}]*)?)}|())`)

// checkVariables reports the first variable that has neither a value nor a default. docker/cli
// puts an empty string in its place, and in a string of several variables it loses all errors but
// the last one's: hence one match at a time.
func (s *source) checkVariables(lookup Lookup) error {
	var first *Error
	s.walk(s.root, "", func(path string, n *yaml.Node) {
		if first != nil || n.Kind != yaml.ScalarNode {
			return
		}
		if problem := checkString(n.Value, lookup); problem != "" {
			first = &Error{File: s.file, Line: n.Line, Key: path, Problem: problem}
		}
	})
	if first != nil {
		return first
	}
	return nil
}

func checkString(text string, lookup Lookup) (problem string) {
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
			if _, err := template.Substitute(match[0], template.Mapping(lookup)); err != nil {
				variable, text, _ := strings.Cut(name, "?")
				return "variable " + strings.TrimSuffix(variable, ":") + " is required: " + text
			}
			continue
		}
		if _, ok := lookup(name); !ok {
			return "variable " + name + " is not set and has no default; set it, or write ${" + name + ":-default}"
		}
	}
	return ""
}

// expand substitutes the variables of a string that checkVariables has passed.
func expand(text string, lookup Lookup) string {
	out, err := template.Substitute(text, template.Mapping(lookup))
	if err != nil {
		return text
	}
	return out
}
