package command

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"boardcafe/infra/rollout/stack"

	"github.com/docker/cli/pkg/kvfile"
	"github.com/spf13/cobra"
)

// fileFlags are those of the commands that read the stack files.
func (a *app) fileFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&a.envFile, "env-file", "", "variables for the stack files, NAME=value a line; the environment has precedence")
}

func (a *app) load() (*stack.File, error) {
	for _, file := range a.files {
		if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("%s: no such file; name the stack file with --file", file)
		}
	}
	name, err := a.stackName()
	if err != nil {
		return nil, err
	}
	lookup, err := a.lookup()
	if err != nil {
		return nil, err
	}
	return stack.Load(a.files, name, lookup)
}

// lookup is the environment, and behind it the file of --env-file.
func (a *app) lookup() (stack.Lookup, error) {
	if a.envFile == "" {
		return a.Getenv, nil
	}
	lines, err := kvfile.Parse(a.envFile, a.Getenv)
	if err != nil {
		return nil, fmt.Errorf("--env-file: %w", err)
	}
	fromFile := map[string]string{}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, "=")
		fromFile[name] = value
	}
	return func(name string) (string, bool) {
		if value, ok := a.Getenv(name); ok {
			return value, true
		}
		value, ok := fromFile[name]
		return value, ok
	}, nil
}
