package stack

import (
	"fmt"
	"os"

	"gopkg.in/yaml.v3"
)

// NameIn reads the name of the stack out of a file (`x-rollout: stack:`), without the variables that
// the rest of the file may need: history, status and lock are about the stack, not about the file.
func NameIn(path string) (string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	var file struct {
		Rollout struct {
			Stack string `yaml:"stack"`
		} `yaml:"x-rollout"`
	}
	if err := yaml.Unmarshal(data, &file); err != nil {
		return "", fmt.Errorf("%s: %s", path, firstLine(err))
	}
	return file.Rollout.Stack, nil
}
