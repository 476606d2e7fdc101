package swarmtest

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/swarm"
)

// RoundTrip answers as the service that publishes the port on the asked machine: its tasks by turns,
// wherever they run. It makes a [Swarm] the transport of an HTTP client.
func (s *Swarm) RoundTrip(request *http.Request) (*http.Response, error) {
	if err := s.enter("HTTP", false, ""); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	if !slices.ContainsFunc(s.nodes, func(n swarm.Node) bool { return s.address(n) == request.URL.Hostname() }) {
		return nil, errors.New("no route to host")
	}
	var running []*task
	for _, one := range s.services {
		if one.Spec.EndpointSpec == nil {
			continue
		}
		published := slices.ContainsFunc(one.Spec.EndpointSpec.Ports, func(p swarm.PortConfig) bool {
			return fmt.Sprint(p.PublishedPort) == request.URL.Port()
		})
		for _, t := range s.tasks {
			if published && t.ServiceID == one.ID && t.Status.State == swarm.TaskStateRunning {
				running = append(running, t)
			}
		}
	}
	if len(running) == 0 {
		return nil, errors.New("connection refused")
	}
	s.asked++
	image, _ := s.image(running[s.asked%len(running)].Spec.ContainerSpec.Image)
	status := image.Status
	if status == 0 {
		status = http.StatusOK
	}
	return &http.Response{
		StatusCode: status, Status: fmt.Sprintf("%d %s", status, http.StatusText(status)), Request: request,
		Header: http.Header{"X-Release": {image.Release}}, Body: io.NopCloser(strings.NewReader("")),
	}, nil
}

func (s *Swarm) address(node swarm.Node) string {
	if node.ManagerStatus != nil {
		host, _, _ := strings.Cut(node.ManagerStatus.Addr, ":")
		return host
	}
	return node.Status.Addr
}
