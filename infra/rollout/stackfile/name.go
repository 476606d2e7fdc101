package stackfile

import (
	"cmp"
	"strconv"

	"boardcafe/infra/rollout/model"

	"gopkg.in/yaml.v3"
)

// NameIn reads the name of the stack out of its files (`x-rollout: stack:`), without the variables that
// the rest of them may need: history, status and lock are about the stack, not about the files. The
// last one counts; it is empty when they have none.
func NameIn(paths []string) (name string, err error) {
	all, err := openAll(paths)
	if err != nil {
		return "", err
	}
	for _, s := range all {
		its, err := s.name()
		if err != nil {
			return "", err
		}
		name = cmp.Or(its, name)
	}
	return name, nil
}

func (s *source) name() (string, error) {
	n := s.node("x-rollout", "stack")
	if n == nil {
		return "", nil
	}
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	switch {
	case n.Kind != yaml.ScalarNode:
		return "", s.at("x-rollout.stack", "must be the stack's name")
	case model.CheckStackName(n.Value) != nil:
		return "", s.at("x-rollout.stack", strconv.Quote(n.Value)+": "+model.StackNameRule)
	}
	return n.Value, nil
}
