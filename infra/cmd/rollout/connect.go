package main

import (
	"cmp"
	"fmt"
	"io"
	"os"

	"boardcafe/infra/rollout/command"

	dockercommand "github.com/docker/cli/cli/command"
	"github.com/docker/cli/cli/config"
	"github.com/docker/cli/cli/flags"
)

// connect finds the engine and the credentials as the docker CLI does: by flags, DOCKER_HOST, contexts, TLS and
// ssh, and by what `docker login` has stored.
func connect(target command.Target) (*command.Connection, error) {
	options := flags.NewClientOptions()
	options.Context = target.Context
	if target.Host != "" {
		options.Hosts = []string{target.Host}
	}
	stored := config.LoadDefaultConfigFile(io.Discard)
	engine, err := dockercommand.NewAPIClientFromFlags(options, stored)
	if err != nil {
		return nil, fmt.Errorf("connect to the Docker engine: %w", err)
	}
	return &command.Connection{
		Engine: engine,
		Auth: func(image string) string {
			auth, err := dockercommand.RetrieveAuthTokenFromImage(stored, image)
			if err != nil {
				return "" // the registry will say that credentials are missing, and for which image
			}
			return auth
		},
		Name:  name(target, stored.CurrentContext, engine.DaemonHost()),
		Close: engine.Close,
	}, nil
}

// name is what people call the engine. It comes from the first place in which docker finds the engine. Over ssh the
// client has only the made-up name docker.example.com.
func name(target command.Target, current, address string) string {
	inContext := func(name string) string {
		if name == "" || name == dockercommand.DefaultContextName {
			return ""
		}
		return "context " + name
	}
	return cmp.Or(inContext(target.Context), target.Host, os.Getenv("DOCKER_HOST"),
		inContext(os.Getenv("DOCKER_CONTEXT")), inContext(current), address)
}
