package stackfile

import (
	"cmp"
	"strconv"

	"boardcafe/infra/rollout/model"

	"gopkg.in/yaml.v3"
)

// NameIn reads the name of the stack from its files (`x-rollout: stack:`). The name in the last file counts; it is
// empty where no file has one. The variables of the files need no value: history, status and lock need only the name.
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
