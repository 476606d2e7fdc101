package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"
	"github.com/docker/docker/pkg/stdcopy"
)

// Exec runs a command in a container and returns its exit code when it has ended.
//
// The engine tells of a command that has not begun just what it tells of one that ended with 0, and may
// still call it running when its output has ended. So the code is read after the output's end, and
// again until the command no longer runs. testcontainers' Exec of the version that shares our Docker SDK does
// neither: now and then it says 0 before the command has begun
// (https://github.com/testcontainers/testcontainers-go/pull/3766).
func Exec(ctx context.Context, docker *client.Client, id string, options container.ExecOptions,
	stdin io.Reader, stdout, stderr io.Writer,
) (int, error) {
	options.AttachStdin, options.AttachStdout, options.AttachStderr = stdin != nil, true, true
	exec, err := docker.ContainerExecCreate(ctx, id, options)
	if err != nil {
		return 0, err
	}
	stream, err := docker.ContainerExecAttach(ctx, exec.ID, container.ExecAttachOptions{})
	if err != nil {
		return 0, err
	}
	defer stream.Close()
	defer context.AfterFunc(ctx, stream.Close)()
	if stdin != nil {
		go func() {
			_, _ = io.Copy(stream.Conn, stdin) // that a command ends without reading all is its own business
			_ = stream.CloseWrite()
		}()
	}
	if _, err := stdcopy.StdCopy(stdout, stderr, stream.Reader); err != nil {
		return 0, errors.Join(ctx.Err(), err)
	}
	for {
		state, err := docker.ContainerExecInspect(ctx, exec.ID)
		if err != nil {
			return 0, err
		}
		if !state.Running {
			return state.ExitCode, nil
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Output runs a command in a container and returns what it printed on both outputs. Another exit code than
// 0 is an error, which holds that too.
func Output(ctx context.Context, id string, command ...string) (string, error) {
	docker, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		return "", fmt.Errorf("docker: %w", err)
	}
	defer docker.Close()
	var out bytes.Buffer
	code, err := Exec(ctx, docker, id, container.ExecOptions{Cmd: command}, nil, &out, &out)
	if err == nil && code != 0 {
		err = fmt.Errorf("exit %d: %s", code, bytes.TrimSpace(out.Bytes()))
	}
	if err != nil {
		return "", fmt.Errorf("exec %q: %w", command, err)
	}
	return out.String(), nil
}
