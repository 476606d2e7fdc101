// Package stack reads a stack file: compose v3 as `docker stack deploy` takes it, plus the
// `x-rollout` keys that compose has no word for. What it returns is complete and checked: whoever
// has a [Stack] needs neither the file nor the environment any more.
//
// It is the only package that knows docker/cli's loader and converter, whose exported surface
// shrinks with every release.
package stack

import (
	"time"

	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/swarm"
)

// Stack is what the file asks for.
type Stack struct {
	Name string
	// Release is what people call this version (`x-rollout: release:`); it may be empty.
	Release  string
	Services []Service // by name
	Networks []Network // by name
	Configs  []Object  // by key
	Secrets  []Object  // by key
	// Waves orders the services by depends_on: a wave starts when the one before it serves. Jobs
	// come as early as their own dependencies allow, so that a failed migration finds the rest of
	// the stack untouched.
	Waves [][]string
	// Warnings are the lint: what is legal and will hurt.
	Warnings []Warning
}

// Service is one service of the stack. Configs, secrets and networks are referenced by name
// only: identifiers exist in a swarm, not in a file.
type Service struct {
	Name string // as in the file; the swarm's name is Spec.Name
	Spec swarm.ServiceSpec
	// Needs are the services named by depends_on.
	Needs []string
	Options
}

// Options is the `x-rollout` of a service.
type Options struct {
	// Job marks a service that runs once, to its end, before what depends on it is touched.
	Job bool
	// JobTimeout bounds a job.
	JobTimeout time.Duration
	// KeepReplicas leaves the number of replicas to whoever scales the service.
	KeepReplicas bool
	// Drain is how long the service goes on serving after SIGTERM; the lint compares it with the
	// grace period.
	Drain time.Duration
	// Probe is asked on every machine that publishes the service.
	Probe *Probe
}

// Probe is the question by which a release proves itself from outside.
type Probe struct {
	Port    uint32 // the published one
	Path    string
	Status  int    // 0: any below 400
	Header  string // when set, its value must equal Expect
	Expect  string
	Timeout time.Duration // without one right answer for so long, the release has failed
}

// Network is a network of the stack.
type Network struct {
	Name     string
	External bool
	Options  network.CreateOptions
}

// Object is one version of a config or secret. The name carries the version: a swarm cannot change
// their data, and a task keeps what it was started with.
type Object struct {
	Key        string // as in the file
	Name       string
	External   bool
	Data       []byte `json:"-"`
	Labels     map[string]string
	Driver     *swarm.Driver // secrets only
	Templating *swarm.Driver
}

// Warning is one finding of the lint.
type Warning struct {
	Service string `json:"service"`
	Text    string `json:"text"`
}

// Labels by which the objects of a stack are found again. LabelNamespace is Docker's own, so that
// `docker stack ps`, `services` and `rm` keep working.
const (
	LabelNamespace = "com.docker.stack.namespace"
	LabelImage     = "com.docker.stack.image"
	// LabelStack says whose an object is that `docker stack rm` must leave, as it takes all that has
	// Docker's own label: the releases, and the secrets that were set by hand.
	LabelStack = "rollout.stack"
	// LabelKey holds a config's or secret's key in the file, LabelSet the order in which the
	// versions of an external secret were set.
	LabelKey = "rollout.key"
	LabelSet = "rollout.set"
)

// Owns tells by its labels whether an object belongs to the stack of that name.
func Owns(name string, labels map[string]string) bool {
	return labels[LabelStack] == name || labels[LabelNamespace] == name
}

// Service returns the service of that name.
func (s *Stack) Service(name string) (Service, bool) {
	for _, service := range s.Services {
		if service.Name == name {
			return service, true
		}
	}
	return Service{}, false
}
