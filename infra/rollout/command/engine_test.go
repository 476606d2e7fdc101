package command_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/registry"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/api/types/system"
	"github.com/opencontainers/go-digest"
)

// engine is a server with as much of the Docker API as a rollout needs. It is a swarm of one machine. Every task
// runs at once there, or fails at once when its image is a bad one.
type engine struct {
	*httptest.Server
	worker bool // it is not a manager

	mu       sync.Mutex
	last     uint64 // the version that was given last
	services map[string]swarm.Service
	tasks    map[string]swarm.Task
	configs  map[string]swarm.Config
	secrets  map[string]swarm.Secret
	networks map[string]network.Summary
	writes   []string // the calls that change something
}

func newEngine(t *testing.T) *engine {
	t.Helper()
	e := &engine{
		services: map[string]swarm.Service{}, tasks: map[string]swarm.Task{}, configs: map[string]swarm.Config{},
		secrets: map[string]swarm.Secret{}, networks: map[string]network.Summary{},
	}
	e.Server = httptest.NewServer(e)
	t.Cleanup(e.Close)
	return e
}

// host is its address as DOCKER_HOST has it.
func (e *engine) host() string { return "tcp://" + strings.TrimPrefix(e.URL, "http://") }

var versioned = regexp.MustCompile(`^/v\d+\.\d+`)

func (e *engine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	path := versioned.ReplaceAllString(r.URL.Path, "")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		e.writes = append(e.writes, r.Method+" "+path)
	}
	w.Header().Set("Api-Version", "1.51")
	w.Header().Set("Content-Type", "application/json")
	status, answer := e.answer(r, path)
	w.WriteHeader(status)
	if answer != nil && r.Method != http.MethodHead {
		json.NewEncoder(w).Encode(answer)
	}
}

func refuse(status int, text string) (int, any) {
	return status, map[string]string{"message": text}
}

func (e *engine) answer(r *http.Request, path string) (int, any) {
	wanted, err := filters.FromJSON(r.URL.Query().Get("filters"))
	if err != nil {
		return refuse(http.StatusBadRequest, err.Error())
	}
	kind, rest, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	id, _, _ := strings.Cut(rest, "/")
	switch {
	case kind == "_ping":
		return http.StatusOK, nil
	case kind == "info":
		return http.StatusOK, system.Info{Swarm: swarm.Info{ControlAvailable: !e.worker}}
	case kind == "nodes":
		return http.StatusOK, []swarm.Node{{
			ID: "node1", Description: swarm.NodeDescription{Hostname: "machine1"},
			Status: swarm.NodeStatus{State: swarm.NodeStateReady, Addr: "127.0.0.1"},
		}}
	case kind == "distribution":
		image := strings.TrimSuffix(rest, "/json")
		if strings.Contains(image, "missing") {
			return refuse(http.StatusNotFound, "manifest unknown")
		}
		var found registry.DistributionInspect
		found.Descriptor.Digest = digest.FromString(image)
		return http.StatusOK, found
	case kind == "tasks" && id != "":
		return refuse(http.StatusInternalServerError, "the log driver cannot read")
	case kind == "tasks":
		return http.StatusOK, e.taskList(wanted)
	case kind == "services":
		return e.service(r, id)
	case kind == "configs":
		return object(e, r, e.configs, id, wanted, "config", func(c *swarm.Config, spec swarm.ConfigSpec, meta swarm.Meta) {
			c.Spec, c.Meta = spec, meta
		}, func(c *swarm.Config) (*string, *swarm.Annotations) { return &c.ID, &c.Spec.Annotations })
	case kind == "secrets":
		return object(e, r, e.secrets, id, wanted, "secret", func(s *swarm.Secret, spec swarm.SecretSpec, meta swarm.Meta) {
			spec.Data = nil // an engine never gives it away
			s.Spec, s.Meta = spec, meta
		}, func(s *swarm.Secret) (*string, *swarm.Annotations) { return &s.ID, &s.Spec.Annotations })
	case kind == "networks":
		return e.network(r)
	}
	return refuse(http.StatusNotFound, "page not found")
}

func (e *engine) version() swarm.Meta {
	e.last++
	return swarm.Meta{Version: swarm.Version{Index: e.last}, CreatedAt: time.Now(), UpdatedAt: time.Now()}
}

// object serves configs and secrets, which differ in their types only.
func object[Object, Spec any](e *engine, r *http.Request, all map[string]Object, id string, wanted filters.Args,
	kind string,
	set func(*Object, Spec, swarm.Meta), parts func(*Object) (*string, *swarm.Annotations),
) (int, any) {
	switch r.Method {
	case http.MethodGet:
		out := []Object{}
		for _, o := range all {
			id, about := parts(&o)
			if wanted.MatchKVList("label", about.Labels) && wanted.ExactMatch("id", *id) {
				out = append(out, o)
			}
		}
		return http.StatusOK, out
	case http.MethodDelete:
		delete(all, id)
		return http.StatusNoContent, nil
	}
	var spec Spec
	if err := json.NewDecoder(r.Body).Decode(&spec); err != nil {
		return refuse(http.StatusBadRequest, err.Error())
	}
	if id != "create" {
		changed := all[id]
		set(&changed, spec, e.version())
		all[id] = changed
		return http.StatusOK, nil
	}
	var made Object
	set(&made, spec, e.version())
	newID, about := parts(&made)
	for _, o := range all {
		if _, other := parts(&o); other.Name == about.Name {
			return refuse(http.StatusConflict, kind+" "+about.Name+" already exists")
		}
	}
	*newID = fmt.Sprintf("%s%d", kind, e.last)
	all[*newID] = made
	return http.StatusCreated, map[string]string{"ID": *newID}
}

func (e *engine) network(r *http.Request) (int, any) {
	if r.Method == http.MethodGet {
		out := []network.Summary{}
		for _, n := range e.networks {
			out = append(out, n)
		}
		return http.StatusOK, out
	}
	var wanted network.CreateRequest
	if err := json.NewDecoder(r.Body).Decode(&wanted); err != nil {
		return refuse(http.StatusBadRequest, err.Error())
	}
	made := network.Summary{ID: fmt.Sprintf("network%d", e.version().Version.Index), Name: wanted.Name,
		Driver:     wanted.Driver,
		Attachable: wanted.Attachable, Internal: wanted.Internal, Labels: wanted.Labels}
	e.networks[made.ID] = made
	return http.StatusCreated, network.CreateResponse{ID: made.ID}
}

func (e *engine) service(r *http.Request, id string) (int, any) {
	for _, s := range e.services { // it takes a name too
		if s.Spec.Name == id {
			id = s.ID
		}
	}
	current, known := e.services[id]
	switch {
	case r.Method == http.MethodGet && id == "":
		out := []swarm.Service{}
		for _, s := range e.services {
			out = append(out, s)
		}
		return http.StatusOK, out
	case id != "create" && !known:
		return refuse(http.StatusNotFound, "service "+id+" not found")
	case r.Method == http.MethodGet:
		return http.StatusOK, current
	case r.Method == http.MethodDelete:
		delete(e.services, id)
		e.stop(id)
		return http.StatusOK, nil
	}
	var spec swarm.ServiceSpec
	if err := json.NewDecoder(r.Body).Decode(&spec); err != nil {
		return refuse(http.StatusBadRequest, err.Error())
	}
	current.Meta, current.Spec = e.version(), spec
	if !known {
		current.ID = fmt.Sprintf("service%d", e.last)
	}
	e.services[current.ID] = current
	e.stop(current.ID)
	e.start(current)
	if !known {
		return http.StatusCreated, swarm.ServiceCreateResponse{ID: current.ID}
	}
	return http.StatusOK, swarm.ServiceUpdateResponse{}
}

func (e *engine) stop(service string) {
	for id, task := range e.tasks {
		if task.ServiceID == service {
			delete(e.tasks, id)
		}
	}
}

func (e *engine) start(s swarm.Service) {
	replicas := 1
	if s.Spec.Mode.Replicated != nil && s.Spec.Mode.Replicated.Replicas != nil {
		replicas = int(*s.Spec.Mode.Replicated.Replicas)
	}
	bad := strings.Contains(s.Spec.TaskTemplate.ContainerSpec.Image, "bad")
	count := replicas
	if bad {
		count = 3 // one after the other, as Swarm tries again
	}
	for i := range count {
		task := swarm.Task{ID: fmt.Sprintf("task%d", e.version().Version.Index), Meta: s.Meta, ServiceID: s.ID,
			NodeID: "node1",
			Slot:   i%replicas + 1, Spec: s.Spec.TaskTemplate, DesiredState: swarm.TaskStateRunning}
		task.Status.State = swarm.TaskStateRunning
		if bad {
			task.DesiredState, task.Status.State = swarm.TaskStateShutdown, swarm.TaskStateFailed
			task.Status.ContainerStatus = &swarm.ContainerStatus{ExitCode: 7}
		}
		e.tasks[task.ID] = task
	}
}

func (e *engine) taskList(wanted filters.Args) []swarm.Task {
	out := []swarm.Task{}
	for _, task := range e.tasks {
		service := e.services[task.ServiceID]
		ofService := wanted.ExactMatch("service", task.ServiceID) || wanted.ExactMatch("service", service.Spec.Name)
		if ofService && wanted.ExactMatch("desired-state", string(task.DesiredState)) {
			out = append(out, task)
		}
	}
	return out
}

// changes are the calls so far that have changed something.
func (e *engine) changes() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.writes
}
