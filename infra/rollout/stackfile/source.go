package stackfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"

	"boardcafe/infra/rollout/model"

	"github.com/docker/cli/cli/compose/loader"
	"gopkg.in/yaml.v3"
)

// source is a stack file with the line of each of its values. People edit lines, and the loader's errors have only
// paths.
type source struct {
	file  string
	root  *yaml.Node
	dict  map[string]any
	lines map[string]int // by dotted path, list items by index
}

// maxValues is how many values a file may have. Aliases of aliases could make it endless.
const maxValues = 100_000

var yamlLine = regexp.MustCompile(`line (\d+): `)

// maxFile is how many bytes a file may have. It stops the reading of a device that never ends.
const maxFile = 10 << 20

// open reads and parses the file at path.
func open(path string) (*source, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, &Error{File: path, Problem: readProblem(err), Err: err}
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return nil, &Error{File: path, Problem: readProblem(err), Err: err}
	}
	if len(data) > maxFile {
		return nil, &Error{File: path, Problem: "larger than 10 MB: not a stack file"}
	}
	return parse(path, data)
}

func parse(file string, data []byte) (*source, error) {
	s := &source{file: file, lines: map[string]int{}}
	var document, next yaml.Node
	documents := yaml.NewDecoder(bytes.NewReader(data))
	switch err := documents.Decode(&document); {
	case errors.Is(err, io.EOF):
		return nil, &Error{File: file, Problem: "the file is empty"}
	case err != nil:
		return nil, s.syntax(err)
	}
	switch err := documents.Decode(&next); {
	case errors.Is(err, io.EOF):
	case err != nil:
		return nil, s.syntax(err)
	case next.Content[0].Tag != "!!null":
		const problem = "a second document begins here; a stack file has one"
		return nil, &Error{File: file, Line: next.Content[0].Line, Problem: problem}
	}
	s.root = document.Content[0]
	if s.root.Kind != yaml.MappingNode {
		return nil, &Error{File: file, Line: s.root.Line, Problem: "must be a mapping with services, networks, …"}
	}
	if err := s.checkKeys(s.root, ""); err != nil {
		return nil, err
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

// checkKeys finds keys that are not text, and merges of what cannot be merged. The loader would report the first
// in terms of Go, and the parser would report the second without a line.
func (s *source) checkKeys(n *yaml.Node, path string) *Error {
	for i, item := range n.Content {
		child := path
		switch {
		case n.Kind == yaml.SequenceNode:
			child = model.Join(path, strconv.Itoa(i))
		case n.Kind == yaml.MappingNode && i%2 == 0:
			if item.Kind == yaml.AliasNode {
				item = item.Alias
			}
			if problem := keyProblem(item, n.Content[i+1]); problem != "" {
				return &Error{File: s.file, Line: n.Content[i].Line, Key: path, Problem: problem}
			}
			continue
		case n.Kind == yaml.MappingNode && n.Content[i-1].Tag != "!!merge":
			child = model.Join(path, n.Content[i-1].Value)
		}
		if err := s.checkKeys(item, child); err != nil {
			return err
		}
	}
	return nil
}

func keyProblem(key, value *yaml.Node) string {
	switch {
	case key.Kind != yaml.ScalarNode:
		return "a key must be text"
	case key.Tag == "!!merge" && !mergeable(value):
		return "<< takes a mapping, or a list of mappings"
	case key.Tag == "!!null" && key.Value == "":
		return "a key is missing before the colon"
	case key.Tag != "!!merge" && key.Tag != "!!str":
		return fmt.Sprintf("the key %s must be text; put it in quotes", key.Value)
	}
	return ""
}

func mergeable(n *yaml.Node) bool {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind != yaml.SequenceNode {
		return n.Kind == yaml.MappingNode
	}
	for _, item := range n.Content {
		if item.Kind == yaml.AliasNode {
			item = item.Alias
		}
		if item.Kind != yaml.MappingNode {
			return false
		}
	}
	return true
}

// walk visits every value in the order of the file. It visits an alias where it is used. It is not complete when the
// file has too many values.
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
				child := model.Join(path, key.Value)
				step(child, value)
				// The line is that of the key, where people look, and not that of the first value below it.
				s.keyLine(child, key.Line)
			}
		case yaml.SequenceNode:
			for i, item := range n.Content {
				step(model.Join(path, strconv.Itoa(i)), item)
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

// at makes an Error for the value at path. Where the file has no such value, its line is that of the nearest value
// above it.
func (s *source) at(path, problem string) *Error {
	return &Error{File: s.file, Line: s.lines[s.nearest(path)], Key: path, Problem: problem}
}

// nearest is the path itself where the file has it, else the nearest path above it that the file has.
func (s *source) nearest(path string) string {
	for s.lines[path] == 0 && path != "" {
		path = path[:max(0, strings.LastIndexByte(path, '.'))]
	}
	return path
}

// syntax makes an Error out of one of the YAML parser: "yaml: line 3: …".
func (s *source) syntax(err error) *Error {
	text := strings.TrimPrefix(firstLine(err), "yaml: ")
	out := &Error{File: s.file, Line: 1, Problem: "not YAML: " + text}
	if found := yamlLine.FindStringSubmatch(text); found != nil {
		out.Line, _ = strconv.Atoi(found[1])
		out.Problem = "not YAML: " + yamlLine.ReplaceAllString(text, "")
	}
	return out
}

// firstLine is the first line of an error. A yaml.TypeError has a line for each of its findings.
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

// mergedChild finds a value that a mapping takes from others by `<<`. The first of them that has the value counts.
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
