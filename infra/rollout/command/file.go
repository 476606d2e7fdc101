package command

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"strings"

	"boardcafe/infra/rollout/stackfile"

	"github.com/docker/cli/pkg/kvfile"
	"github.com/spf13/cobra"
)

// fileFlags are those of the commands that read the stack files.
func (a *app) fileFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&a.envFile, "env-file", "",
		"variables for the stack files, NAME=value a line; the environment has precedence")
}

func (a *app) load() (*stackfile.File, error) {
	for _, file := range a.files {
		if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("%s: no such file; name the stack file with --file", file)
		}
	}
	name, err := a.stackName()
	if err != nil {
		return nil, err
	}
	env, err := a.environment()
	if err != nil {
		return nil, err
	}
	return stackfile.Load(a.files, name, env)
}

// environment is that of the process. What it lacks is taken from the file of --env-file.
func (a *app) environment() (stackfile.Environment, error) {
	if a.envFile == "" {
		return a.Env, nil
	}
	lines, err := kvfile.Parse(a.envFile, a.Env.Lookup)
	if err != nil {
		return nil, fmt.Errorf("--env-file: %w", err)
	}
	both := stackfile.Environment{}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, "=")
		both[name] = value
	}
	maps.Copy(both, a.Env)
	return both, nil
}
