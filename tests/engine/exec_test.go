package engine_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"

	"boardcafe/tests/engine"
)

func TestExec(t *testing.T) {
	t.Parallel()
	docker, id := sleeper(t)
	command := func(script string) container.ExecOptions {
		return container.ExecOptions{Cmd: []string{"bash", "-c", script}}
	}

	t.Run("OK", func(t *testing.T) {
		t.Parallel()
		var stdout, stderr bytes.Buffer
		stdin := strings.NewReader("yes")
		code, err := engine.Exec(t.Context(), docker, id, command("cat; echo no >&2"), stdin, &stdout, &stderr)
		if err != nil || code != 0 || stdout.String() != "yes" || stderr.String() != "no\n" {
			t.Errorf("got %d %v %q %q", code, err, &stdout, &stderr)
		}
	})
	// Also of a command that closes its output long before it ends.
	t.Run("ErrCode", func(t *testing.T) {
		t.Parallel()
		closes := command("exec >&- 2>&-; sleep 1; exit 3")
		code, err := engine.Exec(t.Context(), docker, id, closes, nil, io.Discard, io.Discard)
		if err != nil || code != 3 {
			t.Errorf("got %d %v, want 3", code, err)
		}
	})
	t.Run("ErrContainer", func(t *testing.T) {
		t.Parallel()
		if code, err := engine.Exec(t.Context(), docker, "nobody", command("true"), nil, io.Discard, io.Discard); err == nil {
			t.Errorf("got %d and no error", code)
		}
	})
	t.Run("ErrCancelled", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		code, err := engine.Exec(ctx, docker, id, command("sleep 60"), nil, io.Discard, io.Discard)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %d %v", code, err)
		}
	})
}

func TestOutput(t *testing.T) {
	t.Parallel()
	_, id := sleeper(t)
	if out, err := engine.Output(t.Context(), id, "echo", "yes"); err != nil || out != "yes\n" {
		t.Errorf("got %q %v", out, err)
	}
	_, err := engine.Output(t.Context(), id, "bash", "-c", "echo why >&2; exit 4")
	if err == nil || !strings.Contains(err.Error(), "exit 4: why") {
		t.Errorf("got %v", err)
	}
}

// sleeper is a container that does nothing, and the engine that it runs on.
func sleeper(t *testing.T) (docker *client.Client, id string) {
	t.Helper()
	docker, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { docker.Close() })
	created, err := docker.ContainerCreate(t.Context(), &container.Config{
		Image: engine.Image("db"), Labels: engine.Labels(), Entrypoint: []string{"sleep", "300"},
	}, nil, nil, nil, "")
	if err != nil {
		t.Fatalf("`make images` builds %s: %v", engine.Image("db"), err)
	}
	t.Cleanup(func() {
		removal := container.RemoveOptions{Force: true, RemoveVolumes: true}
		if err := docker.ContainerRemove(context.Background(), created.ID, removal); err != nil {
			t.Error(err)
		}
	})
	if err := docker.ContainerStart(t.Context(), created.ID, container.StartOptions{}); err != nil {
		t.Fatal(err)
	}
	return docker, created.ID
}
