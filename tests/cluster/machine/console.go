package machine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"

	"boardcafe/tests/engine"
)

// Console runs commands as root in a machine or a service, without its network or its sshd.
type Console struct {
	Name string

	docker *client.Client // the engine that it is a container of
	id     string
}

// Run runs a command and returns what it printed on stdout.
func (c *Console) Run(ctx context.Context, command ...string) (string, error) {
	return c.Pipe(ctx, nil, command...)
}

// Pipe is Run with something to read for the command.
func (c *Console) Pipe(ctx context.Context, stdin io.Reader, command ...string) (string, error) {
	var out, diagnostics bytes.Buffer
	err := c.Stream(ctx, stdin, &out, &diagnostics, command...)
	if exit := (*ExitError)(nil); errors.As(err, &exit) {
		exit.Output = strings.TrimSpace(out.String() + diagnostics.String())
	}
	return out.String(), err
}

// Stream is Pipe that passes on what the command prints, while it does.
func (c *Console) Stream(ctx context.Context, stdin io.Reader, stdout, stderr io.Writer, command ...string) error {
	code, err := engine.Exec(ctx, c.docker, c.id, container.ExecOptions{Cmd: command, User: "0:0"}, stdin, stdout, stderr)
	if err != nil {
		return fmt.Errorf("run %q on %s: %w", command, c.Name, err)
	}
	if code != 0 {
		return &ExitError{Name: c.Name, Command: command, Code: code}
	}
	return nil
}

// Prefer gives it most of the processors, when others that this host's engine runs want them too, until release
// is called: for a test that takes the time, or has a load.
func (c *Console) Prefer(ctx context.Context) (release func() error, err error) {
	const usual, most = 1024, 8 * 1024 // of the kernel's cpu.shares; the others must stay alive
	share := func(ctx context.Context, shares int64) error {
		update := container.UpdateConfig{Resources: container.Resources{CPUShares: shares}}
		if _, err := c.docker.ContainerUpdate(ctx, c.id, update); err != nil {
			return fmt.Errorf("set the processor shares of %s: %w", c.Name, err)
		}
		return nil
	}
	return func() error { return share(context.WithoutCancel(ctx), usual) }, share(ctx, most)
}

// ExitError is the end of a command with another code than 0.
type ExitError struct {
	Name    string // of the machine
	Command []string
	Code    int
	Output  string // all that it printed, unless it was streamed
}

func (e *ExitError) Error() string {
	return fmt.Sprintf("%q on %s ended with %d: %s", e.Command, e.Name, e.Code, e.Output)
}

// WriteFile writes a file, and the folders above it.
func (c *Console) WriteFile(ctx context.Context, path string, content []byte, mode string) error {
	const script = `mkdir -p "$(dirname "$1")" && cat > "$1" && chmod "$2" "$1"`
	_, err := c.Pipe(ctx, bytes.NewReader(content), "sh", "-euc", script, "sh", path, mode)
	return err
}
