package stack

import (
	"errors"
	"regexp"
	"strconv"
	"strings"

	"github.com/docker/cli/cli/compose/loader"
	"gopkg.in/yaml.v3"
)

// source is a stack file with the line of each of its values. The loader's errors carry a path and
// no line; people edit lines.
type source struct {
	file  string
	root  *yaml.Node
	dict  map[string]any
	lines map[string]int // by dotted path, list items by index
}

// maxValues bounds the walk over a file: aliases of aliases grow without limit.
const maxValues = 100_000

var yamlLine = regexp.MustCompile(`line (\d+): `)

func parse(file string, data []byte) (*source, error) {
	s := &source{file: file, lines: map[string]int{}}
	var document yaml.Node
	if err := yaml.Unmarshal(data, &document); err != nil {
		return nil, s.syntax(err)
	}
	if len(document.Content) == 0 {
		return nil, &Error{File: file, Problem: "the file is empty"}
	}
	s.root = document.Content[0]
	if s.root.Kind != yaml.MappingNode {
		return nil, &Error{File: file, Line: s.root.Line, Problem: "must be a mapping with services, networks, …"}
	}
	dict, err := loader.ParseYAML(data) // also refuses aliases that explode
	if err != nil {
		return nil, s.syntax(err)
	}
	s.dict = dict
	complete := s.walk(s.root, "", func(path string, n *yaml.Node) { s.lines[path] = n.Line })
	if !complete {
		return nil, &Error{File: file, Problem: "more than " + strconv.Itoa(maxValues) + " values"}
	}
	return s, nil
}

// walk visits every value in the order of the file, aliases where they are used.
func (s *source) walk(root *yaml.Node, path string, visit func(path string, n *yaml.Node)) (complete bool) {
	left := maxValues
	var step func(path string, n *yaml.Node)
	step = func(path string, n *yaml.Node) {
		if left--; left < 0 {
			return
		}
		if n.Kind == yaml.AliasNode {
			n = n.Alias
		}
		visit(path, n)
		switch n.Kind {
		case yaml.MappingNode:
			for i := 0; i+1 < len(n.Content); i += 2 {
				key, value := n.Content[i], n.Content[i+1]
				if key.Tag == "!!merge" {
					step(path, value)
					continue
				}
				child := join(path, key.Value)
				step(child, value)
				// A key on a line of its own is where people look, not its first child.
				s.keyLine(child, key.Line)
			}
		case yaml.SequenceNode:
			for i, item := range n.Content {
				step(join(path, strconv.Itoa(i)), item)
			}
		}
	}
	step(path, root)
	return left >= 0
}

func (s *source) keyLine(path string, line int) {
	if s.lines != nil {
		s.lines[path] = line
	}
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// at makes an Error for the value at path, or for the nearest one above it that the file has.
func (s *source) at(path, problem string) *Error {
	line, ok := 0, false
	for p := path; ; {
		if line, ok = s.lines[p]; ok || p == "" {
			break
		}
		cut := strings.LastIndexByte(p, '.')
		if cut < 0 {
			cut = 0
		}
		p = p[:cut]
	}
	if !ok {
		line = 1
	}
	return &Error{File: s.file, Line: line, Key: path, Problem: problem}
}

// syntax turns an error of the YAML parser, "yaml: line 3: …", into ours.
func (s *source) syntax(err error) *Error {
	text := strings.TrimPrefix(firstLine(err), "yaml: ")
	out := &Error{File: s.file, Line: 1, Problem: "not YAML: " + text}
	if found := yamlLine.FindStringSubmatch(text); found != nil {
		out.Line, _ = strconv.Atoi(found[1])
		out.Problem = "not YAML: " + yamlLine.ReplaceAllString(text, "")
	}
	return out
}

// firstLine keeps an error to one line: yaml.TypeError lists its findings on lines of their own.
func firstLine(err error) string {
	var typed *yaml.TypeError
	if errors.As(err, &typed) && len(typed.Errors) > 0 {
		return typed.Errors[0]
	}
	text, _, _ := strings.Cut(err.Error(), "\n")
	return text
}

// node finds a value by its path.
func (s *source) node(path ...string) *yaml.Node {
	n := s.root
	for _, key := range path {
		n = child(n, key)
		if n == nil {
			return nil
		}
	}
	return n
}

func child(n *yaml.Node, key string) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return mergedChild(n, key)
}

// mergedChild finds what a mapping has from another one by `<<`: of several, the first one's.
func mergedChild(n *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Tag != "!!merge" {
			continue
		}
		merged := n.Content[i+1]
		if merged.Kind != yaml.SequenceNode {
			return child(merged, key)
		}
		for _, item := range merged.Content {
			if found := child(item, key); found != nil {
				return found
			}
		}
	}
	return nil
}
