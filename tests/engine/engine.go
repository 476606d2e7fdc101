// Package engine is the Docker engine as the tests meet it: where its published ports answer,
// how the images of this checkout are called, and the label by which everything that a test
// creates is found and removed again, also after a kill.
package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"
)

// Label marks every container, volume and network that a test creates. Its value is [Checkout],
// so that two checkouts on one machine never remove each other's.
const Label = "boardcafe.test"

// Root is the folder of the module that the running test belongs to.
var Root = sync.OnceValue(func() string {
	dir, err := os.Getwd()
	if err != nil {
		panic(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			panic("no go.mod above the working directory")
		}
		dir = parent
	}
})

// Checkout identifies this checkout on this machine.
func Checkout() string {
	sum := sha256.Sum256([]byte(Root()))
	return hex.EncodeToString(sum[:6])
}

// Labels are what every container, volume and network of a test must carry.
func Labels() map[string]string {
	return map[string]string{Label: Checkout()}
}

// Release is the version that the images of this checkout are tagged with: RELEASE where the
// Makefile has set it, else what git says, as the Makefile does.
var Release = sync.OnceValue(func() string {
	if release := os.Getenv("RELEASE"); release != "" {
		return release
	}
	git := exec.Command("git", "describe", "--always", "--dirty", "--exclude=*", "--abbrev=12")
	git.Dir = Root()
	out, err := git.Output()
	if err != nil {
		panic(fmt.Sprintf("git describe: %v", err))
	}
	return strings.TrimSpace(string(out))
})

// Image is the full name of one of the images that `make images` builds: app, db, proxy.
func Image(name string) string {
	registry := os.Getenv("REGISTRY")
	if registry == "" {
		registry = "boardcafe"
	}
	return registry + "/" + name + ":" + Release()
}

// Setup points testcontainers at this machine's engine and must run before its first use, in
// TestMain. There is no registry to pull the reaper from: [Sweep] takes its place.
//
// A development machine can itself be made from a container image. testcontainers then sees
// /.dockerenv and takes the default gateway for the engine's address, where nothing answers.
// Only when the engine runs a container with this machine's host name is the gateway right.
func Setup(ctx context.Context) error {
	os.Setenv("TESTCONTAINERS_RYUK_DISABLED", "true")
	docker, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		return fmt.Errorf("docker: %w", err)
	}
	defer docker.Close()
	if _, err := docker.Ping(ctx); err != nil {
		return fmt.Errorf("the Docker engine does not answer; start it, or run `make setup`: %w", err)
	}
	if os.Getenv("TESTCONTAINERS_HOST_OVERRIDE") != "" {
		return nil
	}
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	if _, err := docker.ContainerInspect(ctx, host); err != nil {
		os.Setenv("TESTCONTAINERS_HOST_OVERRIDE", "127.0.0.1")
	}
	return nil
}

// Sweep removes every container, volume and network that tests of this checkout left behind, and
// says what it removed.
func Sweep(ctx context.Context) ([]string, error) {
	docker, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		return nil, fmt.Errorf("docker: %w", err)
	}
	defer docker.Close()
	ours := filters.NewArgs(filters.Arg("label", Label+"="+Checkout()))

	var removed []string
	var errs []error
	note := func(kind, name string, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("remove %s %s: %w", kind, name, err))
			return
		}
		removed = append(removed, kind+" "+name)
	}
	containers, err := docker.ContainerList(ctx, container.ListOptions{All: true, Filters: ours})
	if err != nil {
		return nil, fmt.Errorf("list containers: %w", err)
	}
	for _, c := range containers {
		name := strings.TrimPrefix(c.Names[0], "/")
		note("container", name, docker.ContainerRemove(ctx, c.ID, container.RemoveOptions{Force: true, RemoveVolumes: true}))
	}
	// Not pruned: from API 1.42 on that spares the named ones.
	volumes, err := docker.VolumeList(ctx, volume.ListOptions{Filters: ours})
	if err != nil {
		errs = append(errs, fmt.Errorf("list volumes: %w", err))
	}
	for _, v := range volumes.Volumes {
		note("volume", v.Name, docker.VolumeRemove(ctx, v.Name, true))
	}
	// Nor here: the engine prunes networks for one at a time and refuses others.
	networks, err := docker.NetworkList(ctx, network.ListOptions{Filters: ours})
	if err != nil {
		errs = append(errs, fmt.Errorf("list networks: %w", err))
	}
	for _, n := range networks {
		note("network", n.Name, docker.NetworkRemove(ctx, n.ID))
	}
	return removed, errors.Join(errs...)
}
