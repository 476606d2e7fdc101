// Package command is the command line of rollout. It reads arguments, connects, and prints; it decides nothing
// about a release.
package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"

	"boardcafe/infra/rollout/deploy"
	"boardcafe/infra/rollout/lock"
	"boardcafe/infra/rollout/model"
	"boardcafe/infra/rollout/progress"
	"boardcafe/infra/rollout/stackfile"

	"github.com/spf13/cobra"
)

// World is everything outside the process that a command uses.
type World struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// Terminal says whether a person is there, who can be asked and can see lines redrawn.
	Terminal bool
	Env      stackfile.Environment
	Connect  func(Target) (*Connection, error)
	// Transport carries the questions of the probe.
	Transport http.RoundTripper
	User      string // who@machine
	Version   string
}

// Connection is a swarm that commands talk to.
type Connection struct {
	Engine deploy.Engine
	Auth   func(image string) string
	Name   string // of the engine, for people
	Close  func() error
}

// Target says which engine, as the docker CLI takes it.
type Target struct{ Host, Context string }

// flags are the values of the flags that every command has.
type flags struct {
	target   Target
	stack    string
	files    []string
	envFile  string
	progress string
}

// app is one call of the command line.
type app struct {
	World
	flags
	out *output // World.Stdout
}

// New returns the command line.
func New(world World) *cobra.Command {
	out := &output{w: world.Stdout}
	world.Stdout = out
	a := &app{World: world, out: out}
	root := &cobra.Command{
		Use:   "rollout",
		Short: "Deploy a stack to a swarm: shows its plan, drops no request, takes a bad release back",
		Example: `  rollout plan                        what would change, and why
  rollout deploy                      do it, and prove that it serves
  rollout rollback                    back to the release before
  rollout --host ssh://deploy@manager status`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       world.Version,
	}
	group(root)
	root.SetVersionTemplate("rollout {{.Version}}\n")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usage(cmd, "%v", err) })
	root.SetIn(world.Stdin)
	root.SetOut(world.Stdout)
	root.SetErr(world.Stderr)
	a.persistentFlags(root)
	root.AddCommand(a.planCommand(), a.deployCommand(), a.rollbackCommand(), a.historyCommand(),
		a.statusCommand(), a.lockCommand(), a.secretCommand(), a.versionCommand())
	return root
}

// persistentFlags are those of every command.
func (a *app) persistentFlags(root *cobra.Command) {
	f := root.PersistentFlags()
	f.StringVarP(&a.target.Host, "host", "H", "",
		"engine to connect to, e.g. ssh://deploy@manager (default: as docker: DOCKER_HOST, context)")
	f.StringVar(&a.target.Context, "context", "", "docker context to use")
	f.StringVar(&a.stack, "stack", "",
		"name of the stack (default: ROLLOUT_STACK, or x-rollout: stack: in the file)")
	f.StringArrayVarP(&a.files, "file", "f", []string{"docker-stack.yml"},
		"stack file; each further one is merged over those before it")
	f.StringVar(&a.progress, "progress", "auto", "auto, tty, plain or json")
}

// Run runs the command line and returns the exit code.
func Run(ctx context.Context, world World, args []string) int {
	root := New(world)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	code := exitCode(ctx, err)
	if mode, _ := root.PersistentFlags().GetString("progress"); progress.Mode(mode) == progress.JSON {
		reportJSON(world.Stderr, err, code)
	} else {
		report(world.Stderr, err, code)
	}
	return code
}

// session is a command's connection, its progress, and the rollout over both.
type session struct {
	*deploy.Rollout
	sink   progress.Sink
	target string
	close  func()
}

func (a *app) connect() (*session, error) {
	name, err := a.stackName()
	if err != nil {
		return nil, err
	}
	redrawn, colour := a.Terminal && a.Env["TERM"] != "dumb", a.Env["NO_COLOR"] == ""
	sink, err := progress.New(progress.Mode(a.progress), a.Stderr, redrawn, colour)
	if err != nil {
		return nil, err
	}
	connection, err := a.Connect(a.target)
	if err != nil {
		return nil, err
	}
	return &session{
		Rollout: &deploy.Rollout{
			Engine: connection.Engine, Stack: name, Auth: connection.Auth, Transport: a.Transport, Progress: sink,
			Who: a.User, Where: a.Env["BUILD_URL"] /* Jenkins's */, Process: lock.Process(), Alive: lock.Alive,
		},
		sink:   sink,
		target: connection.Name,
		close: func() {
			sink.Close()
			connection.Close()
		},
	}, nil
}

// connected does the work over a connection, and closes it.
func (a *app) connected(work func(*session) error) error {
	s, err := a.connect()
	if err != nil {
		return err
	}
	defer s.close()
	return work(s)
}

func (a *app) stackName() (string, error) {
	if a.stack != "" {
		return a.stack, model.CheckStackName(a.stack)
	}
	if name := a.Env["ROLLOUT_STACK"]; name != "" {
		return name, model.CheckStackName(name)
	}
	name, err := stackfile.NameIn(a.files)
	if missing := errors.Is(err, os.ErrNotExist); missing && len(a.files) == 1 || err == nil && name == "" {
		return "", fmt.Errorf("which stack? say --stack NAME, set ROLLOUT_STACK, or write x-rollout: stack: NAME into %s",
			a.files[0])
	}
	return name, err
}
