// Command rollout deploys a stack to a swarm.
package main

import (
	"context"
	"io"
	"net/http"
	"os"
	"os/signal"
	"os/user"
	"runtime/debug"
	"strings"
	"syscall"

	"boardcafe/infra/rollout/command"
	"boardcafe/infra/rollout/deploy"
	"boardcafe/infra/rollout/stackfile"

	"github.com/sirupsen/logrus"
	"golang.org/x/term"
)

func main() {
	logrus.SetOutput(io.Discard) // of docker/cli: rollout reports the same in its own words
	ctx, cancel := context.WithCancelCause(context.Background())
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // under nohup it is ignored
		signal.Notify(interrupts, syscall.SIGHUP) // the terminal or the ssh session is gone
	}
	go func() {
		<-interrupts
		signal.Stop(interrupts) // a second signal ends the process, and the lease runs out by itself
		cancel(deploy.ErrInterrupted)
	}()
	// When the reader of a pipe leaves, as with `| head`, the release goes on. A program that asks for SIGPIPE is not
	// ended by it: its write returns an error instead.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	os.Exit(command.Run(ctx, command.World{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Terminal:  term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(os.Stderr.Fd())),
		Env:       environment(),
		Connect:   connect,
		Transport: http.DefaultTransport,
		User:      whoami(),
		Version:   version(),
	}, os.Args[1:]))
}

func whoami() string {
	name := "unknown"
	if current, err := user.Current(); err == nil {
		name = current.Username
	}
	host, err := os.Hostname()
	if err != nil {
		return name
	}
	return name + "@" + host
}

// version is the commit that the program was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" {
			return setting.Value[:min(12, len(setting.Value))]
		}
	}
	return info.Main.Version
}

// environment is that of the process.
func environment() stackfile.Environment {
	env := stackfile.Environment{}
	for _, line := range os.Environ() {
		if name, value, ok := strings.Cut(line, "="); ok && name != "" {
			env[name] = value
		}
	}
	return env
}
