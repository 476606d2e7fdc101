package deploy

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"boardcafe/infra/rollout/model"
	"boardcafe/infra/rollout/probe"

	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/swarm"
)

// defaultProbeTimeout is for an address that was named by hand, where the file has no probe.
const defaultProbeTimeout = 30 * time.Second

// probe asks the stack on every machine, until only this release has answered for the settle time.
func (a *Attempt) probe(ctx context.Context, stack *model.Stack, settle time.Duration) error {
	questions, err := a.questions(ctx, stack)
	if err != nil || len(questions) == 0 {
		return err
	}
	progress := a.rollout.Progress
	progress.Step(fmt.Sprintf("probing for %s: %s", settle, addresses(questions)))
	report := func(url string, right bool, answer string) {
		text := fmt.Sprintf("probe %s: %s", url, answer)
		if right {
			progress.Step(text)
		} else {
			progress.Warn(text)
		}
	}
	return probe.Prober{Transport: a.rollout.Transport, Report: report}.Settle(ctx, questions, settle)
}

// questions are what each probe of the stack asks, at each address.
func (a *Attempt) questions(ctx context.Context, stack *model.Stack) ([]probe.Question, error) {
	var out []probe.Question
	probed := false
	for _, service := range stack.Services {
		if service.Probe == nil {
			continue
		}
		probed = true
		addresses, err := a.addressesOf(ctx, service)
		if err != nil {
			return nil, err
		}
		for _, address := range addresses {
			out = append(out, question(address, *service.Probe))
		}
	}
	if !probed {
		for _, address := range a.options.Probes {
			out = append(out, probe.Question{URL: address, Probe: model.Probe{Timeout: defaultProbeTimeout}})
		}
	}
	return out, nil
}

// addressesOf are those where a service is probed: the ones of the options, else those of its machines.
func (a *Attempt) addressesOf(ctx context.Context, service model.Service) ([]string, error) {
	if len(a.options.Probes) > 0 {
		return a.options.Probes, nil
	}
	hosts, err := a.machines(ctx, service)
	var out []string
	for _, host := range hosts {
		out = append(out, "http://"+net.JoinHostPort(host, strconv.Itoa(int(service.Probe.Port))))
	}
	return out, err
}

// question asks at an address. An address without a path gets that of the probe.
func question(address string, asked model.Probe) probe.Question {
	if parsed, err := url.Parse(address); err == nil && (parsed.Path == "" || parsed.Path == "/") {
		parsed.Path = asked.Path
		address = parsed.String()
	}
	return probe.Question{URL: address, Probe: asked}
}

// machines are the hosts that run a task of the service. A machine that is down is left out, with a warning:
// nobody can reach the service there either.
func (a *Attempt) machines(ctx context.Context, service model.Service) ([]string, error) {
	nodes, err := a.rollout.Engine.NodeList(ctx, swarm.NodeListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list nodes: %w", err)
	}
	tasks, err := a.rollout.Engine.TaskList(ctx, swarm.TaskListOptions{Filters: filters.NewArgs(
		filters.Arg("service", service.Spec.Name), filters.Arg("desired-state", "running"),
	)})
	if err != nil {
		return nil, fmt.Errorf("list tasks: %w", err)
	}
	var out []string
	for _, node := range nodes {
		runs := slices.ContainsFunc(tasks, func(t swarm.Task) bool { return t.NodeID == node.ID })
		host, state := node.Description.Hostname, node.Status.State
		switch {
		case state != swarm.NodeStateReady:
			a.rollout.Progress.Warn(fmt.Sprintf("machine %s is %s: it is not probed", host, state))
		case runs:
			out = append(out, address(node))
		}
	}
	slices.Sort(out)
	return out, nil
}

// address is where the other machines reach a machine. A manager may report 0.0.0.0 for itself (moby#25437).
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
