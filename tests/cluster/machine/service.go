package machine

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/wait"
)

// ServiceSpec is one process in a plain container on the site's network, which the machines reach by
// its name.
type ServiceSpec struct {
	Name   string
	Kind   Kind              // or
	Image  string            // an image that is there
	Cmd    []string          // in place of the image's own
	Files  map[string][]byte // by path
	Volume string            // a folder whose content survives a stop
	Port   int               // where it listens once it is ready
}

// Service is a running [ServiceSpec].
type Service struct {
	Console
	container *testcontainers.DockerContainer
}

// Serve starts a service, or takes over the one of that name on a reused site.
func (s *Site) Serve(ctx context.Context, spec ServiceSpec) (*Service, error) {
	image := spec.Image
	if spec.Kind != "" {
		var err error
		if image, err = s.image(ctx, spec.Kind); err != nil {
			return nil, err
		}
	}
	request := testcontainers.ContainerRequest{
		Name:           s.network + "-" + spec.Name,
		Image:          image,
		Cmd:            spec.Cmd,
		Labels:         s.Labels(),
		Networks:       []string{s.network},
		NetworkAliases: map[string][]string{s.network: {spec.Name}},
		HostConfigModifier: func(host *container.HostConfig) {
			if spec.Volume != "" {
				host.Mounts = []mount.Mount{{Type: mount.TypeVolume, Target: spec.Volume}}
			}
		},
	}
	if spec.Port != 0 {
		// From the inside: nobody on this host needs the port.
		connect := "</dev/tcp/127.0.0.1/" + strconv.Itoa(spec.Port)
		request.WaitingFor = wait.ForExec([]string{"bash", "-c", connect}).WithStartupTimeout(time.Minute)
	}
	for path, content := range spec.Files {
		request.Files = append(request.Files, testcontainers.ContainerFile{
			Reader: bytes.NewReader(content), ContainerFilePath: path, FileMode: 0o644,
		})
	}
	c, err := testcontainers.GenericContainer(ctx, testcontainers.GenericContainerRequest{
		ContainerRequest: request, Started: true, Reuse: s.options.Reuse, Logger: quiet{},
	})
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.Name, err)
	}
	return &Service{
		Console:   Console{Name: spec.Name, docker: s.docker, id: c.GetContainerID()},
		container: c.(*testcontainers.DockerContainer),
	}, nil
}

// Stop stops the service; its name no longer resolves.
func (s *Service) Stop(ctx context.Context) error {
	timeout := 10 * time.Second
	return s.container.Stop(ctx, &timeout)
}

// Start starts it again and waits until it is ready.
func (s *Service) Start(ctx context.Context) error { return s.container.Start(ctx) }
