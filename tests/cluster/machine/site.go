// Package machine starts machines for tests: containers that boot systemd and run sshd, on a
// network of their own, as close to freshly ordered VMs as a container comes.
//
//	site, err := machine.Open(ctx, machine.Options{Name: "example"})
//	defer site.Close(ctx)
//	m, err := site.Start(ctx, machine.Spec{Name: "manager", Kind: machine.Docker, Ports: []int{80}})
//	m.Run(ctx, "docker", "info")         // as root, as if at its console
//	m.Docker()                           // the API of its Docker engine
//	m.Port(80)                           // 127.0.0.1:23456, the same for the machine's whole life
//	m.Kill(ctx); m.PowerOn(ctx)          // pull the plug, and put it back
//	m.Replace(ctx)                       // a new one in its place, with nothing on it
//	site.SSH(ctx, "manager", "uptime")   // as the user debian
//
// Addresses stay the same when a machine is stopped and started, as those of a VM do. Everything
// carries a label by which [Site.Close], the next [Open] of the same name, or `make sweep` removes
// it. The kernel is the engine's own: where it has no IPVS there is no routing mesh, so publish
// ports in host mode and use endpoint_mode dnsrr.
package machine

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/pem"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/client"
	"github.com/testcontainers/testcontainers-go"
	"golang.org/x/crypto/ssh"

	"boardcafe/tests/engine"
)

// labelSite tells the sites of one checkout apart.
const labelSite = "boardcafe.site"

// Options of a [Site].
type Options struct {
	// Name is part of the name of everything the site has. One site of a name at a time.
	Name string
	// Reuse takes over the machines that an earlier run left, and leaves them in turn: Close does
	// nothing. `make sweep` ends it.
	Reuse bool
	// Labels are put on everything; [engine.Labels] when nil.
	Labels map[string]string
	// Log receives what takes long: the building of an image, the start of a machine.
	Log func(format string, args ...any)
}

// Site is where machines stand: a network, and the keys to the machines on it.
type Site struct {
	options Options
	docker  *client.Client // the engine that the machines are containers of
	network string
	prefix  netip.Prefix
	hostIP  string // where the machines' ports are published

	dir        string // keys, known_hosts and ssh_config
	sockets    string // apart from dir, because the path of a socket may have 107 characters only
	authorized string // the public key that opens every machine

	mu       sync.Mutex
	machines []*Machine
}

// Open makes a site, or takes over the one of that name if it is to be reused.
func Open(ctx context.Context, options Options) (_ *Site, err error) {
	if options.Labels == nil {
		options.Labels = engine.Labels()
	}
	if options.Log == nil {
		options.Log = func(string, ...any) {}
	}
	if err := engine.Setup(ctx); err != nil {
		return nil, err
	}
	docker, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		return nil, fmt.Errorf("docker: %w", err)
	}
	s := &Site{
		options: options,
		docker:  docker,
		network: fmt.Sprintf("boardcafe-%s-%s", engine.Checkout()[:6], options.Name),
		dir:     filepath.Join(engine.Root(), "build", "sites", options.Name),
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close(context.WithoutCancel(ctx)))
		}
	}()
	if s.hostIP, err = hostIP(ctx); err != nil {
		return nil, err
	}
	if !options.Reuse {
		if err := s.remove(ctx); err != nil {
			return nil, err
		}
	}
	if err := s.ensureNetwork(ctx); err != nil {
		return nil, err
	}
	if s.sockets, err = os.MkdirTemp("", "machines"); err != nil {
		return nil, err
	}
	if err := s.ensureKey(); err != nil {
		return nil, err
	}
	return s, nil
}

// Close removes the machines and the network, unless the site is to be reused.
func (s *Site) Close(ctx context.Context) error {
	for _, m := range s.machines {
		m.closeTunnel()
	}
	defer s.docker.Close()
	var err error
	if !s.options.Reuse {
		err = s.remove(ctx)
	}
	return errors.Join(err, os.RemoveAll(s.sockets))
}

// Remove removes everything that the site of that name has, whoever made it and with whichever
// labels.
func Remove(ctx context.Context, options Options) error {
	s, err := Open(ctx, Options{Name: options.Name, Labels: options.Labels, Reuse: true})
	if err != nil {
		return err
	}
	s.options.Reuse = false
	return s.Close(ctx)
}

func (s *Site) remove(ctx context.Context) error {
	ours := filters.NewArgs(filters.Arg("label", labelSite+"="+s.network))
	containers, err := s.docker.ContainerList(ctx, container.ListOptions{All: true, Filters: ours})
	if err != nil {
		return fmt.Errorf("list containers: %w", err)
	}
	var errs []error
	for _, c := range containers {
		errs = append(errs, s.docker.ContainerRemove(ctx, c.ID, container.RemoveOptions{Force: true, RemoveVolumes: true}))
	}
	// Not pruned: the engine does that for one at a time and refuses others.
	networks, err := s.docker.NetworkList(ctx, network.ListOptions{Filters: ours})
	if err != nil {
		errs = append(errs, fmt.Errorf("list networks: %w", err))
	}
	for _, n := range networks {
		errs = append(errs, s.docker.NetworkRemove(ctx, n.ID))
	}
	errs = append(errs, os.RemoveAll(s.dir))
	return errors.Join(errs...)
}

// Machines are the site's machines, in the order of their start.
func (s *Site) Machines() []*Machine {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.machines)
}

// Network is the name of the site's network, for a container that has to join it.
func (s *Site) Network() string { return s.network }

// Labels are what everything of the site carries.
func (s *Site) Labels() map[string]string {
	labels := map[string]string{labelSite: s.network}
	for key, value := range s.options.Labels {
		labels[key] = value
	}
	return labels
}

// Dir is where the site keeps id_ed25519, known_hosts and ssh_config; it goes with the site.
func (s *Site) Dir() string { return s.dir }

// AuthorizedKey is the public key of id_ed25519, as it stands in authorized_keys.
func (s *Site) AuthorizedKey() string { return s.authorized }

// Env is this process's environment, with a PATH on which `ssh` knows the machines by name. What
// runs ssh by itself (docker's ssh:// hosts) cannot be told of a configuration file otherwise: ssh
// finds the one of the user by the password database, not by HOME.
func (s *Site) Env() []string {
	return append(os.Environ(), "PATH="+filepath.Join(s.dir, "bin")+":"+os.Getenv("PATH"))
}

// Address is the nth address of the site's network. Machines have those from the 11th on.
func (s *Site) Address(n byte) netip.Addr {
	bytes := s.prefix.Addr().As4()
	bytes[3] = n
	return netip.AddrFrom4(bytes)
}

// SSH is ssh as somebody runs it who knows the machines by name.
func (s *Site) SSH(ctx context.Context, arguments ...string) *exec.Cmd {
	return exec.CommandContext(ctx, s.path("bin", "ssh"), arguments...) // found by this process's PATH otherwise
}

// Collect writes what every machine has logged to a folder of its own, for whoever looks for the
// cause of a failure.
func (s *Site) Collect(ctx context.Context, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	var errs []error
	for _, m := range s.Machines() {
		journal, err := m.Run(ctx, "journalctl", "--boot", "--no-pager", "--output=short-precise")
		errs = append(errs, err, os.WriteFile(filepath.Join(dir, m.Name+".log"), []byte(journal), 0o644))
	}
	return errors.Join(errs...)
}

// hostIP is the address to publish ports on: 127.0.0.1, or, where the tests run in a container
// beside the machines (as on a Jenkins agent), the gateway by which that container reaches them.
// Either way nothing outside this host does.
func hostIP(ctx context.Context) (string, error) {
	provider, err := testcontainers.NewDockerProvider()
	if err != nil {
		return "", fmt.Errorf("docker: %w", err)
	}
	defer provider.Close()
	host, err := provider.DaemonHost(ctx)
	if err != nil {
		return "", fmt.Errorf("find the engine's host: %w", err)
	}
	if host == "localhost" {
		return "127.0.0.1", nil
	}
	return host, nil
}

// ensureNetwork makes the network with a subnet that we choose: only then can a machine be given an
// address that it keeps. 198.18.0.0/15 is set aside for tests (RFC 2544) and nobody's default.
func (s *Site) ensureNetwork(ctx context.Context) error {
	existing, err := s.docker.NetworkInspect(ctx, s.network, network.InspectOptions{})
	if err == nil {
		s.prefix, err = netip.ParsePrefix(existing.IPAM.Config[0].Subnet)
		return err
	}
	if !errdefs.IsNotFound(err) {
		return fmt.Errorf("inspect network %s: %w", s.network, err)
	}
	for range 20 {
		s.prefix = netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 18 + byte(rand.N(2)), byte(rand.N(256)), 0}), 24)
		_, err = s.docker.NetworkCreate(ctx, s.network, network.CreateOptions{
			Driver: "bridge",
			Labels: s.Labels(),
			IPAM:   &network.IPAM{Config: []network.IPAMConfig{{Subnet: s.prefix.String()}}},
		})
		if err == nil || !strings.Contains(err.Error(), "overlap") {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("create network %s: %w", s.network, err)
	}
	return nil
}

// ensureKey makes the key pair that opens every machine of the site.
func (s *Site) ensureKey() error {
	if err := os.MkdirAll(filepath.Join(s.dir, "bin"), 0o700); err != nil {
		return err
	}
	wrapper := fmt.Sprintf("#!/bin/sh\nPATH=${PATH#'%s':} exec ssh -F '%s' \"$@\"\n", s.path("bin"), s.path("ssh_config"))
	if err := os.WriteFile(s.path("bin", "ssh"), []byte(wrapper), 0o755); err != nil {
		return err
	}
	content, err := os.ReadFile(s.path("id_ed25519"))
	if errors.Is(err, os.ErrNotExist) {
		_, private, err := ed25519.GenerateKey(nil)
		if err != nil {
			return err
		}
		block, err := ssh.MarshalPrivateKey(private, "boardcafe tests")
		if err != nil {
			return err
		}
		content = pem.EncodeToMemory(block)
		if err := os.WriteFile(s.path("id_ed25519"), content, 0o600); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	signer, err := ssh.ParsePrivateKey(content)
	if err != nil {
		return fmt.Errorf("%s: %w", s.path("id_ed25519"), err)
	}
	s.authorized = strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey())))
	return nil
}

// writeSSH writes known_hosts and ssh_config for the machines there are. The host keys were read at
// the machines' consoles, so that none has to be believed.
func (s *Site) writeSSH() error {
	var known, config bytes.Buffer
	for _, m := range s.machines {
		host, port := m.hostPort(22)
		for _, key := range m.hostKeys {
			fmt.Fprintf(&known, "%s,%s,[%s]:%s %s\n", m.Name, m.Address, host, port, key)
		}
		fmt.Fprintf(&config, "Host %s\n  HostName %s\n  Port %s\n  HostKeyAlias %s\n\n", m.Name, host, port, m.Name)
	}
	fmt.Fprintf(&config, "Host *\n  User debian\n  IdentityFile %q\n  IdentitiesOnly yes\n", s.path("id_ed25519"))
	fmt.Fprintf(&config, "  UserKnownHostsFile %q\n  StrictHostKeyChecking yes\n  BatchMode yes\n", s.path("known_hosts"))
	return errors.Join(
		os.WriteFile(s.path("known_hosts"), known.Bytes(), 0o644),
		os.WriteFile(s.path("ssh_config"), config.Bytes(), 0o644),
	)
}

func (s *Site) path(elements ...string) string {
	return filepath.Join(append([]string{s.dir}, elements...)...)
}

// quiet keeps testcontainers from reporting each container; we say what matters ourselves.
type quiet struct{}

func (quiet) Printf(string, ...any) {}
