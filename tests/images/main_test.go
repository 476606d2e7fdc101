// Package images_test tests the contract of the three images: what each needs, keeps to and answers,
// under the restrictions that they run with everywhere (read-only, no capabilities, no root).
package images_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/go-connections/nat"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/network"

	"boardcafe/tests/engine"
)

func TestMain(m *testing.M) {
	if err := engine.Setup(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "images:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// confine is how Compose and the stack run every container.
func confine(c *container.HostConfig) {
	c.ReadonlyRootfs = true
	c.CapDrop = []string{"ALL"}
	c.SecurityOpt = []string{"no-new-privileges"}
	c.Tmpfs = map[string]string{"/tmp": "mode=1777"}
}

// start runs a container of the request and removes it when the test ends.
func start(t *testing.T, request testcontainers.ContainerRequest) testcontainers.Container {
	t.Helper()
	request.Labels = engine.Labels()
	c, err := testcontainers.GenericContainer(t.Context(), testcontainers.GenericContainerRequest{
		ContainerRequest: request,
		Started:          true,
		Logger:           quiet{},
	})
	testcontainers.CleanupContainer(t, c)
	if err != nil {
		if c != nil {
			t.Logf("its log:\n%s", logs(t, c))
		}
		t.Fatalf("start %s (`make images` builds it): %v", request.Image, err)
	}
	return c
}

// quiet: each step of a container's life is not worth a line.
type quiet struct{}

func (quiet) Printf(string, ...any) {}

func newNetwork(t *testing.T) string {
	t.Helper()
	n, err := network.New(t.Context(), network.WithLabels(engine.Labels()))
	if err != nil {
		t.Fatalf("create network: %v", err)
	}
	testcontainers.CleanupNetwork(t, n)
	return n.Name
}

func newVolume(t *testing.T) string {
	t.Helper()
	docker := newDocker(t)
	v, err := docker.VolumeCreate(t.Context(), volume.CreateOptions{Labels: engine.Labels()})
	if err != nil {
		t.Fatalf("create volume: %v", err)
	}
	t.Cleanup(func() {
		if err := docker.VolumeRemove(context.Background(), v.Name, true); err != nil {
			t.Errorf("remove volume: %v", err)
		}
	})
	return v.Name
}

// kill ends a container as a lost machine does.
func kill(t *testing.T, c testcontainers.Container) {
	t.Helper()
	if err := newDocker(t).ContainerKill(t.Context(), c.GetContainerID(), "KILL"); err != nil {
		t.Fatalf("kill: %v", err)
	}
}

func newDocker(t *testing.T) *testcontainers.DockerClient {
	t.Helper()
	docker, err := testcontainers.NewDockerClientWithOpts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { docker.Close() })
	return docker
}

// address is where a port of the container answers.
func address(t *testing.T, c testcontainers.Container, port nat.Port) string {
	t.Helper()
	endpoint, err := c.PortEndpoint(t.Context(), port, "")
	if err != nil {
		t.Fatalf("port %s: %v", port, err)
	}
	return endpoint
}

// run runs a command in the container and returns what it printed.
func run(t *testing.T, c testcontainers.Container, command ...string) string {
	t.Helper()
	said, err := engine.Output(t.Context(), c.GetContainerID(), command...)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(said)
}

func logs(t *testing.T, c testcontainers.Container) string {
	t.Helper()
	r, err := c.Logs(context.Background())
	if err != nil {
		return err.Error()
	}
	defer r.Close()
	said, err := io.ReadAll(r)
	if err != nil {
		return err.Error()
	}
	return string(said)
}
