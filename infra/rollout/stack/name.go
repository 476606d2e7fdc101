package stack

import (
	"strconv"

	"gopkg.in/yaml.v3"
)

// NameIn reads the name of the stack out of a file (`x-rollout: stack:`), without the variables that
// the rest of the file may need: history, status and lock are about the stack, not about the file.
// It is empty when the file has none.
func NameIn(path string) (string, error) {
	source, err := open(path)
	if err != nil {
		return "", err
	}
	n := source.node("x-rollout", "stack")
	if n == nil {
		return "", nil
	}
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	switch {
	case n.Kind != yaml.ScalarNode:
		return "", source.at("x-rollout.stack", "must be the stack's name")
	case !stackName.MatchString(n.Value):
		return "", source.at("x-rollout.stack", strconv.Quote(n.Value)+": "+stackNameRule)
	}
	return n.Value, nil
}
