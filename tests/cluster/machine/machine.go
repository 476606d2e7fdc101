package machine

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/pkg/stdcopy"
	"github.com/docker/go-connections/nat"
	"github.com/testcontainers/testcontainers-go"

	"boardcafe/tests/await"
)

// Spec says which machine to start.
type Spec struct {
	Name string
	Kind Kind
	// Ports to publish on this host beside 22.
	Ports []int
}

// Machine is a machine of a [Site].
type Machine struct {
	Console
	Address netip.Addr // on the site's network

	site      *Site
	spec      Spec
	container *testcontainers.DockerContainer
	ports     map[int]string
	hostKeys  []string
	tunnel    tunnel
}

// bootTimeout is many times what a boot takes (3 s on 2 idle cores).
const bootTimeout = 2 * time.Minute

// Start starts a machine and waits until it has booted and lets us in. On a reused site it returns
// the machine of that name, started again if it was stopped.
func (s *Site) Start(ctx context.Context, spec Spec) (*Machine, error) {
	image, err := s.image(ctx, spec.Kind)
	if err != nil {
		return nil, err
	}
	m := &Machine{Console: Console{Name: spec.Name, docker: s.docker}, site: s, spec: spec}

	// Known from here on, so that two that start at once do not take one address.
	s.mu.Lock()
	m.Address = s.free()
	s.machines = append(s.machines, m)
	s.mu.Unlock()
	if err := m.start(ctx, image); err != nil {
		return nil, err
	}
	return m, nil
}

// Replace takes the machine away with all that is on it, and starts a new one in its place: of the same
// name, with another address and another host key, as ordered anew.
func (m *Machine) Replace(ctx context.Context) error {
	image, err := m.site.image(ctx, m.spec.Kind)
	if err != nil {
		return err
	}
	m.closeTunnel()
	m.tunnel = tunnel{}
	if err := m.docker.ContainerRemove(ctx, m.id, container.RemoveOptions{Force: true, RemoveVolumes: true}); err != nil {
		return fmt.Errorf("remove %s: %w", m.Name, err)
	}
	m.site.mu.Lock()
	m.Address = m.site.free()
	m.site.mu.Unlock()
	return m.start(ctx, image)
}

// free is the first address that no machine has, and no machine has just had.
func (s *Site) free() netip.Addr {
	for n := byte(11); ; n++ {
		if address := s.Address(n); !slices.ContainsFunc(s.machines, func(m *Machine) bool { return m.Address == address }) {
			return address
		}
	}
}

func (m *Machine) start(ctx context.Context, image string) (err error) {
	begin := time.Now()
	if m.container, err = m.site.run(ctx, m, image); err != nil {
		return fmt.Errorf("start machine %s: %w", m.Name, err)
	}
	m.id = m.container.GetContainerID()
	if err := m.attach(ctx, image); err != nil {
		return fmt.Errorf("start machine %s: %w", m.Name, err)
	}
	if err := m.letIn(ctx, m.spec.Kind); err != nil {
		return fmt.Errorf("start machine %s: %w", m.Name, err)
	}
	m.site.options.Log("machine %s (%s) up at %s after %.1fs", m.Name, m.spec.Kind, m.Address, time.Since(begin).Seconds())
	return nil
}

// run creates and starts the machine's container.
//
// The capabilities are all that systemd and a Docker engine need, short of --privileged, which a
// host that itself lacks CAP_SYS_RESOURCE refuses to give; and short of SYS_TIME: the clock is the host's.
func (s *Site) run(ctx context.Context, m *Machine, image string) (*testcontainers.DockerContainer, error) {
	ports := append([]int{22}, m.spec.Ports...)
	request := testcontainers.GenericContainerRequest{
		Reuse:   s.options.Reuse,
		Started: true,
		Logger:  quiet{},
		ContainerRequest: testcontainers.ContainerRequest{
			Name:     s.network + "-" + m.Name,
			Image:    image,
			Labels:   s.Labels(),
			Networks: []string{s.network},
			Tmpfs:    map[string]string{"/run": "exec", "/run/lock": "", "/tmp": "exec"},
			ConfigModifier: func(config *container.Config) {
				config.Hostname = m.Name
			},
			HostConfigModifier: func(host *container.HostConfig) {
				host.CapAdd = []string{"ALL"}
				host.CapDrop = []string{"SYS_RESOURCE", "SYS_TIME"}
				host.SecurityOpt = []string{"seccomp=unconfined", "apparmor=unconfined"}
				host.MaskedPaths, host.ReadonlyPaths = []string{}, []string{} // systempaths=unconfined
				host.DeviceCgroupRules = []string{"a *:* rwm"}
				host.CgroupnsMode = container.CgroupnsModePrivate
				// An overlay on the container's own overlay would fall back to plain copies.
				host.Mounts = []mount.Mount{{Type: mount.TypeVolume, Target: "/var/lib/docker"}}
				host.PortBindings = nat.PortMap{}
				for _, port := range ports {
					host.PortBindings[nat.Port(strconv.Itoa(port)+"/tcp")] = []nat.PortBinding{{HostIP: s.hostIP, HostPort: randomPort()}}
				}
			},
			EndpointSettingsModifier: func(endpoints map[string]*network.EndpointSettings) {
				endpoints[s.network].IPAMConfig = &network.EndpointIPAMConfig{IPv4Address: m.Address.String()}
			},
		},
	}
	for _, port := range ports {
		request.ExposedPorts = append(request.ExposedPorts, strconv.Itoa(port)+"/tcp")
	}
	for range 5 {
		c, err := testcontainers.GenericContainer(ctx, request)
		if err == nil {
			return c.(*testcontainers.DockerContainer), nil
		}
		err = errors.Join(err, testcontainers.TerminateContainer(c))
		if !strings.Contains(err.Error(), "port is already allocated") && !strings.Contains(err.Error(), "address already in use") {
			return nil, err
		}
	}
	return nil, errors.New("no free port on this host")
}

// randomPort is a host port that the machine keeps: left to the engine, it would get another one at
// each start. The range is below the one that the kernel gives to outgoing connections, so nobody
// takes the port while the machine is down.
func randomPort() string { return strconv.Itoa(20000 + rand.N(12000)) }

// attach learns from the engine what the machine's container has.
func (m *Machine) attach(ctx context.Context, image string) error {
	info, err := m.docker.ContainerInspect(ctx, m.id)
	if err != nil {
		return err
	}
	if info.Config.Image != image {
		return fmt.Errorf("it was made from %s, which is now %s: run `make sweep`", info.Config.Image, image)
	}
	endpoint := info.NetworkSettings.Networks[m.site.network]
	if endpoint == nil {
		return fmt.Errorf("not on network %s any more: run `make sweep`", m.site.network)
	}
	if m.Address, err = netip.ParseAddr(endpoint.IPAddress); err != nil {
		return err
	}
	m.ports = map[int]string{}
	for port, bindings := range info.HostConfig.PortBindings {
		m.ports[port.Int()] = net.JoinHostPort(m.site.hostIP, bindings[0].HostPort)
	}
	return nil
}

// letIn waits for the boot, hands out the site's key to the machine's users and reads its host keys.
func (m *Machine) letIn(ctx context.Context, kind Kind) error {
	if err := m.booted(ctx); err != nil {
		return err
	}
	users := []string{"debian"}
	if kind == Docker {
		users = append(users, "deploy")
	}
	const script = `
		key=$1; shift
		for user; do
			install -d -m 0700 -o "$user" -g "$user" "/home/$user/.ssh"
			file=/home/$user/.ssh/authorized_keys
			grep -qxF "$key" "$file" 2>/dev/null || printf '%s\n' "$key" >> "$file"
			chown "$user:$user" "$file" && chmod 0600 "$file"
		done
		cat /etc/ssh/ssh_host_*_key.pub`
	out, err := m.Run(ctx, append([]string{"sh", "-euc", script, "sh", m.site.authorized}, users...)...)
	if err != nil {
		return err
	}
	m.site.mu.Lock()
	defer m.site.mu.Unlock()
	m.hostKeys = nil
	for line := range strings.Lines(out) {
		if fields := strings.Fields(line); len(fields) >= 2 {
			m.hostKeys = append(m.hostKeys, fields[0]+" "+fields[1])
		}
	}
	return m.site.writeSSH()
}

// booted waits until systemd has started everything. A unit that failed is not the machine's
// failure to boot; whoever needs the unit will see.
func (m *Machine) booted(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, bootTimeout)
	defer cancel()
	var died error
	err := await.Success(ctx, func() error {
		out, err := m.Run(ctx, "systemctl", "is-system-running", "--wait")
		if state := strings.TrimSpace(out); state == "running" || state == "degraded" {
			return nil
		}
		if info, inspected := m.docker.ContainerInspect(ctx, m.id); inspected == nil && !info.State.Running {
			died = fmt.Errorf("it stopped while it booted: %s", m.lastWords(ctx))
			return nil
		}
		return err
	})
	return cmp.Or(died, err)
}

// lastWords is the end of what the machine has printed on its console: why systemd gave up.
func (m *Machine) lastWords(ctx context.Context) string {
	printed, err := m.docker.ContainerLogs(ctx, m.id, container.LogsOptions{ShowStdout: true, ShowStderr: true, Tail: "5"})
	if err != nil {
		return err.Error()
	}
	defer printed.Close()
	var words bytes.Buffer
	if _, err := stdcopy.StdCopy(&words, &words, printed); err != nil {
		return err.Error()
	}
	return words.String()
}

// Port is where a published port answers on this host, as host:port.
func (m *Machine) Port(port int) string { return m.ports[port] }

func (m *Machine) hostPort(port int) (host, hostPort string) {
	host, hostPort, _ = net.SplitHostPort(m.Port(port))
	return host, hostPort
}

// PowerOff shuts the machine down in order.
func (m *Machine) PowerOff(ctx context.Context) error {
	timeout := time.Minute
	if err := m.container.Stop(ctx, &timeout); err != nil {
		return fmt.Errorf("power off %s: %w", m.Name, err)
	}
	return nil
}

// Kill pulls the plug.
func (m *Machine) Kill(ctx context.Context) error {
	if err := m.docker.ContainerKill(ctx, m.id, "KILL"); err != nil {
		return fmt.Errorf("kill %s: %w", m.Name, err)
	}
	return nil
}

// PowerOn starts a machine that is off and waits until it has booted.
func (m *Machine) PowerOn(ctx context.Context) error {
	if err := m.docker.ContainerStart(ctx, m.id, container.StartOptions{}); err != nil {
		return fmt.Errorf("power on %s: %w", m.Name, err)
	}
	return m.booted(ctx)
}

// Remove takes the machine off the site, with all that is on it.
func (m *Machine) Remove(ctx context.Context) error {
	m.closeTunnel()
	m.site.mu.Lock()
	m.site.machines = slices.DeleteFunc(m.site.machines, func(other *Machine) bool { return other == m })
	m.site.mu.Unlock()
	if err := m.docker.ContainerRemove(ctx, m.id, container.RemoveOptions{Force: true, RemoveVolumes: true}); err != nil {
		return fmt.Errorf("remove %s: %w", m.Name, err)
	}
	return nil
}

// Pause freezes the machine: to the others it looks as if its network was gone.
func (m *Machine) Pause(ctx context.Context) error {
	return m.docker.ContainerPause(ctx, m.id)
}

// Unpause lets a frozen machine go on.
func (m *Machine) Unpause(ctx context.Context) error {
	return m.docker.ContainerUnpause(ctx, m.id)
}

// Throttle leaves the machine so much of a core, such as 0.1; 0 gives back all that this host has.
func (m *Machine) Throttle(ctx context.Context, cores float64) error {
	const period = 100_000 // µs
	limit := container.Resources{CPUPeriod: period, CPUQuota: int64(cores * period)}
	if cores == 0 {
		limit.CPUQuota = -1
	}
	if _, err := m.docker.ContainerUpdate(ctx, m.id, container.UpdateConfig{Resources: limit}); err != nil {
		return fmt.Errorf("give %s %g cores: %w", m.Name, cores, err)
	}
	return nil
}
