// Package cluster is a swarm to test on: three machines, one manager and two workers, each with its
// own Docker engine, and a registry with TLS and a password that all of them trust.
//
//	swarm, err := cluster.Start(ctx, cluster.Options{Name: "rollout", Log: t.Logf})
//	defer swarm.Close(ctx)
//	ref, err := swarm.Push(ctx, engine.Image("app"), "app:1")      // registry:5000/app:1
//	err = swarm.Label(ctx, swarm.Workers[0], "db", "true")
//	rollout := exec.Command("rollout", "deploy", "--host", cluster.SSHHost)
//	rollout.Env = swarm.Env()                                      // ssh and the registry's password
//	http.Get("http://" + swarm.Workers[0].Port(80))                // a machine's port 80
//
// `CLUSTER_REUSE=1 go test …` leaves the machines for the next run, which then has them in seconds
// and with the services that were on them (see [Swarm.Reset]); `make sweep` removes them. Package
// machine documents what can be done with a single machine.
//
// There may be no IPVS in the host's kernel, and then there is no routing mesh: only ports in host
// mode are reachable, and a service is found by its tasks' addresses (endpoint_mode: dnsrr).
package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/docker/docker/api/types/swarm"
	"golang.org/x/sync/errgroup"

	"boardcafe/tests/await"
	"boardcafe/tests/cluster/machine"
)

// SSHHost is the manager, for --host or DOCKER_HOST, with the environment of [Swarm.Env].
const SSHHost = "ssh://deploy@manager"

// Options of a [Swarm].
type Options struct {
	// Name keeps the swarms of test packages apart that run at the same time.
	Name string
	// Log receives the progress and the times, such as t.Logf or log.Printf.
	Log func(format string, args ...any)
	// Keep leaves the swarm for the next run of that name. CLUSTER_REUSE=1 in the environment does
	// the same.
	Keep bool
}

// Swarm is one manager and two workers, `manager`, `worker1` and `worker2`.
type Swarm struct {
	*machine.Site
	Manager  *machine.Machine
	Workers  []*machine.Machine
	Registry *Registry
}

// Start makes a swarm. It takes 25 s on two idle cores, and a minute or two more the first time,
// when the images are built. What there is of it after an error is removed.
func Start(ctx context.Context, options Options) (_ *Swarm, err error) {
	begin := time.Now()
	site, err := machine.Open(ctx, machine.Options{
		Name:  options.Name,
		Reuse: options.Keep || os.Getenv("CLUSTER_REUSE") == "1",
		Log:   options.Log,
	})
	if err != nil {
		return nil, err
	}
	s := &Swarm{Site: site}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close(context.WithoutCancel(ctx)))
		}
	}()
	if s.Registry, err = startRegistry(ctx, site); err != nil {
		return nil, err
	}
	for _, name := range []string{"manager", "worker1", "worker2"} {
		m, err := site.Start(ctx, machine.Spec{Name: name, Kind: machine.Docker, Ports: []int{80, 443}})
		if err != nil {
			return nil, err
		}
		if err := s.Registry.trust(ctx, m); err != nil {
			return nil, err
		}
	}
	s.Manager, s.Workers = site.Machines()[0], site.Machines()[1:]
	if err := s.form(ctx); err != nil {
		return nil, err
	}
	if options.Log != nil {
		options.Log("swarm %s ready after %.1fs", options.Name, time.Since(begin).Seconds())
	}
	return s, nil
}

// Env is [machine.Site.Env] with the registry's password where docker looks for it.
func (s *Swarm) Env() []string {
	return append(s.Site.Env(), "DOCKER_CONFIG="+s.Registry.DockerConfig())
}

// form makes a swarm of the machines, unless they are one already.
func (s *Swarm) form(ctx context.Context) error {
	docker, err := s.Manager.Docker()
	if err != nil {
		return err
	}
	info, err := docker.Info(ctx)
	if err != nil {
		return fmt.Errorf("ask the manager's engine: %w", err)
	}
	if info.Swarm.LocalNodeState == swarm.LocalNodeStateInactive {
		request := swarm.InitRequest{ListenAddr: "0.0.0.0:2377", AdvertiseAddr: s.Manager.Address.String()}
		request.Spec.Dispatcher.HeartbeatPeriod = 20 * time.Second // as the role swarm has it
		if _, err := docker.SwarmInit(ctx, request); err != nil {
			return fmt.Errorf("init the swarm: %w", err)
		}
	}
	formed, err := docker.SwarmInspect(ctx)
	if err != nil {
		return fmt.Errorf("inspect the swarm: %w", err)
	}
	var joins errgroup.Group
	for _, worker := range s.Workers {
		joins.Go(func() error { return s.join(ctx, worker, formed.JoinTokens.Worker) })
	}
	if err := joins.Wait(); err != nil {
		return err
	}
	return s.Ready(ctx)
}

func (s *Swarm) join(ctx context.Context, worker *machine.Machine, token string) error {
	docker, err := worker.Docker()
	if err != nil {
		return err
	}
	info, err := docker.Info(ctx)
	if err != nil {
		return fmt.Errorf("ask the engine of %s: %w", worker.Name, err)
	}
	if info.Swarm.LocalNodeState != swarm.LocalNodeStateInactive {
		return nil
	}
	err = docker.SwarmJoin(ctx, swarm.JoinRequest{
		ListenAddr:    "0.0.0.0:2377",
		AdvertiseAddr: worker.Address.String(),
		RemoteAddrs:   []string{net.JoinHostPort(s.Manager.Address.String(), "2377")},
		JoinToken:     token,
	})
	if err != nil {
		return fmt.Errorf("join %s: %w", worker.Name, err)
	}
	return nil
}

// Ready waits until the manager sees every machine ready, for at most a minute.
func (s *Swarm) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return await.Success(ctx, func() error {
		for _, m := range s.Machines() {
			node, err := s.Node(ctx, m)
			if err != nil {
				return err
			}
			if node.Status.State != swarm.NodeStateReady {
				return fmt.Errorf("%s is %s: %s", m.Name, node.Status.State, node.Status.Message)
			}
		}
		return nil
	})
}

// Node is a machine as the manager sees it.
func (s *Swarm) Node(ctx context.Context, m *machine.Machine) (swarm.Node, error) {
	docker, err := s.Manager.Docker()
	if err != nil {
		return swarm.Node{}, err
	}
	node, _, err := docker.NodeInspectWithRaw(ctx, m.Name)
	if err != nil {
		return swarm.Node{}, fmt.Errorf("inspect node %s: %w", m.Name, err)
	}
	return node, nil
}

// Label puts a label on a machine's node.
func (s *Swarm) Label(ctx context.Context, m *machine.Machine, key, value string) error {
	docker, err := s.Manager.Docker()
	if err != nil {
		return err
	}
	node, err := s.Node(ctx, m)
	if err != nil {
		return err
	}
	if node.Spec.Labels == nil {
		node.Spec.Labels = map[string]string{}
	}
	node.Spec.Labels[key] = value
	if err := docker.NodeUpdate(ctx, node.ID, node.Version, node.Spec); err != nil {
		return fmt.Errorf("label node %s: %w", m.Name, err)
	}
	return nil
}

// Push brings an image of this host's engine into the registry under a name such as `app:1`, and
// returns the whole reference. It goes by the manager: this host's engine does not trust the
// registry, and must not be made to.
func (s *Swarm) Push(ctx context.Context, local, name string) (ref string, err error) {
	ref = RegistryAddress + "/" + name
	if err := s.Manager.Load(ctx, local); err != nil {
		return "", err
	}
	docker, err := s.Manager.Docker()
	if err != nil {
		return "", err
	}
	if err := docker.ImageTag(ctx, local, ref); err != nil {
		return "", fmt.Errorf("tag %s: %w", ref, err)
	}
	return ref, s.Registry.push(ctx, s.Manager, ref)
}

// Reset takes every service, network, config and secret off the swarm, and every label off its
// nodes: what a test begins with that shares a swarm with others. Volumes stay.
func (s *Swarm) Reset(ctx context.Context) error {
	const script = `
		remove() { xargs --no-run-if-empty docker "$1" rm >/dev/null; }
		docker service ls --quiet | remove service
		while docker ps --quiet --filter label=com.docker.swarm.task.id | grep -q .; do sleep 0.2; done
		docker config ls --quiet | remove config
		docker secret ls --quiet | remove secret
		# The swarm has a network until the last worker has reported its tasks gone, and the machine for a moment more.
		networks() {
			docker network ls --filter scope=swarm --filter driver=overlay --format '{{.ID}} {{.Name}}' | awk '$2 != "ingress" { print $1 }'
		}
		while left=$(networks); [[ -n $left ]]; do
			remove network <<<"$left" 2>/dev/null || true
			sleep 0.2
		done
		for node in $(docker node ls --quiet); do
			for label in $(docker node inspect --format '{{range $key, $_ := .Spec.Labels}}{{$key}} {{end}}' "$node"); do
				docker node update --label-rm "$label" "$node" >/dev/null
			done
		done`
	_, err := s.Manager.Run(ctx, "bash", "-euo", "pipefail", "-c", script)
	return err
}

// Logs is what a service's tasks have printed so far.
func (s *Swarm) Logs(ctx context.Context, service string) string {
	out, err := s.Manager.Run(ctx, "docker", "service", "logs", "--raw", service)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(out)
}
