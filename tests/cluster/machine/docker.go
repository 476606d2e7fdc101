package machine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"sync"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"
	"github.com/docker/docker/pkg/jsonmessage"
	"github.com/docker/docker/pkg/stdcopy"
)

// tunnel is a socket on this host that leads to the machine's Docker engine.
type tunnel struct {
	once     sync.Once
	listener net.Listener
	client   *client.Client
	err      error
}

// DockerHost is the address of the machine's Docker engine, for DOCKER_HOST or --host: a socket on
// this host. It works while the machine's sshd does not, and again after the machine was down. The
// address by ssh is ssh://deploy@NAME with the environment of [Site.Env].
func (m *Machine) DockerHost() (string, error) {
	m.tunnel.once.Do(func() {
		path := filepath.Join(m.site.sockets, m.Name+".sock")
		if m.tunnel.listener, m.tunnel.err = net.Listen("unix", path); m.tunnel.err != nil {
			return
		}
		m.tunnel.client, m.tunnel.err = client.NewClientWithOpts(
			client.WithHost("unix://"+path), client.WithAPIVersionNegotiation())
		go m.accept()
	})
	if m.tunnel.err != nil {
		return "", fmt.Errorf("open a socket to the engine of %s: %w", m.Name, m.tunnel.err)
	}
	return "unix://" + m.tunnel.listener.Addr().String(), nil
}

// Docker is the API of the machine's Docker engine. Do not close it: it is the machine's own.
func (m *Machine) Docker() (*client.Client, error) {
	_, err := m.DockerHost()
	return m.tunnel.client, err
}

func (m *Machine) closeTunnel() {
	if m.tunnel.listener != nil {
		m.tunnel.listener.Close()
	}
	if m.tunnel.client != nil {
		m.tunnel.client.Close()
	}
}

func (m *Machine) accept() {
	for {
		conn, err := m.tunnel.listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			if err := m.forward(conn.(*net.UnixConn)); err != nil {
				m.site.options.Log("socket to %s: %v", m.Name, err)
			}
		}()
	}
}

// forward joins a connection to the machine's engine. What docker's own ssh:// hosts run on the
// other side runs here at the console.
func (m *Machine) forward(conn *net.UnixConn) error {
	ctx := context.Background() // as long as the two sides want
	exec, err := m.docker.ContainerExecCreate(ctx, m.id, container.ExecOptions{
		Cmd: []string{"docker", "system", "dial-stdio"}, AttachStdin: true, AttachStdout: true, AttachStderr: true,
	})
	if err != nil {
		return err
	}
	stream, err := m.docker.ContainerExecAttach(ctx, exec.ID, container.ExecAttachOptions{})
	if err != nil {
		return err
	}
	defer stream.Close()
	go func() {
		io.Copy(stream.Conn, conn)
		stream.CloseWrite()
	}()
	_, err = stdcopy.StdCopy(conn, io.Discard, stream.Reader)
	if errors.Is(err, net.ErrClosed) {
		return nil // the client has gone: the usual end
	}
	return err
}

// Load brings images from this host's engine into the machine's.
func (m *Machine) Load(ctx context.Context, images ...string) error {
	docker, err := m.Docker()
	if err != nil {
		return err
	}
	archive, err := m.docker.ImageSave(ctx, images)
	if err != nil {
		return fmt.Errorf("save %v: %w", images, err)
	}
	defer archive.Close()
	response, err := docker.ImageLoad(ctx, archive, client.ImageLoadWithQuiet(true))
	if err != nil {
		return fmt.Errorf("load %v on %s: %w", images, m.Name, err)
	}
	defer response.Body.Close()
	if err := jsonmessage.DisplayJSONMessagesStream(response.Body, io.Discard, 0, false, nil); err != nil {
		return fmt.Errorf("load %v on %s: %w", images, m.Name, err)
	}
	return nil
}
