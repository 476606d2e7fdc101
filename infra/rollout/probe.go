package rollout

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"boardcafe/infra/rollout/probe"
	"boardcafe/infra/rollout/stack"

	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/swarm"
)

// defaultProbeTimeout is for an address that was named by hand, without a probe in the file.
const defaultProbeTimeout = 30 * time.Second

// probe asks the stack on every machine, until only this release has answered for the settle time.
func (r *run) probe(ctx context.Context, s *stack.Stack, settle time.Duration) error {
	questions, err := r.questions(ctx, s)
	if err != nil || len(questions) == 0 {
		return err
	}
	r.Progress.Step(fmt.Sprintf("probing for %s: %s", settle, addresses(questions)))
	prober := probe.Prober{Transport: r.Transport, Report: func(url string, right bool, answer string) {
		if right {
			r.Progress.Step(fmt.Sprintf("probe %s: %s", url, answer))
		} else {
			r.Progress.Warn(fmt.Sprintf("probe %s: %s", url, answer))
		}
	}}
	return prober.Settle(ctx, questions, settle)
}

func (r *run) questions(ctx context.Context, s *stack.Stack) ([]probe.Question, error) {
	var out []probe.Question
	probed := false
	for _, service := range s.Services {
		if service.Probe == nil {
			continue
		}
		probed = true
		addresses := r.options.Probes
		if len(addresses) == 0 {
			hosts, err := r.machines(ctx, service)
			if err != nil {
				return nil, err
			}
			for _, host := range hosts {
				addresses = append(addresses, "http://"+net.JoinHostPort(host, strconv.Itoa(int(service.Probe.Port))))
			}
		}
		for _, address := range addresses {
			out = append(out, question(address, service.Probe))
		}
	}
	if !probed {
		for _, address := range r.options.Probes {
			out = append(out, probe.Question{URL: address, Timeout: defaultProbeTimeout})
		}
	}
	return out, nil
}

func question(address string, p *stack.Probe) probe.Question {
	if parsed, err := url.Parse(address); err == nil && (parsed.Path == "" || parsed.Path == "/") {
		parsed.Path = p.Path
		address = parsed.String()
	}
	return probe.Question{URL: address, Status: p.Status, Header: p.Header, Expect: p.Expect, Timeout: p.Timeout}
}

// machines are the addresses of those that run a task of the service. One that is down is said to
// be left out: nobody can reach it there either.
func (r *run) machines(ctx context.Context, service stack.Service) ([]string, error) {
	nodes, err := r.Engine.NodeList(ctx, swarm.NodeListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list nodes: %w", err)
	}
	tasks, err := r.Engine.TaskList(ctx, swarm.TaskListOptions{
		Filters: filters.NewArgs(filters.Arg("service", service.Spec.Name), filters.Arg("desired-state", "running")),
	})
	if err != nil {
		return nil, fmt.Errorf("list tasks: %w", err)
	}
	var out []string
	for _, node := range nodes {
		runs := slices.ContainsFunc(tasks, func(t swarm.Task) bool { return t.NodeID == node.ID })
		switch {
		case node.Status.State != swarm.NodeStateReady:
			r.Progress.Warn(fmt.Sprintf("machine %s is %s: it is not probed", node.Description.Hostname, node.Status.State))
		case runs:
			out = append(out, address(node))
		}
	}
	slices.Sort(out)
	return out, nil
}

// address of a machine as the others reach it. A manager may report 0.0.0.0 for itself (moby#25437).
func address(node swarm.Node) string {
	if node.ManagerStatus != nil && (node.Status.Addr == "" || node.Status.Addr == "0.0.0.0") {
		if host, _, err := net.SplitHostPort(node.ManagerStatus.Addr); err == nil {
			return host
		}
	}
	return node.Status.Addr
}

// addresses lists what is probed, for people.
func addresses(questions []probe.Question) string {
	var out []string
	for _, q := range questions {
		out = append(out, q.URL)
	}
	return strings.Join(out, ", ")
}
