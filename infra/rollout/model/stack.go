// Package model has the words of a rollout: what a stack is, what its objects are called and labelled, and the
// limits that Swarm sets them. Every other package of rollout uses it, and it uses none of them.
package model

import (
	"slices"
	"time"

	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/swarm"
)

// Stack is what is to run. It is complete: whoever has it needs neither the stack file nor the environment.
type Stack struct {
	Name string
	// Release is what people call this version (`x-rollout: release:`); it may be empty.
	Release  string
	Services []Service // by name
	Networks []Network // by name
	Configs  []Object  // by key
	Secrets  []Object  // by key
	// Waves orders the services by depends_on: a wave starts when the one before it serves. A job comes as
	// early as its own dependencies allow. If a migration fails, the rest of the stack is still untouched.
	Waves [][]string
	// Warnings say what is legal and will hurt.
	Warnings []Warning
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

// Versions are the names of the configs and secrets of the stack.
func (s *Stack) Versions() map[string]bool {
	names := map[string]bool{}
	for _, object := range slices.Concat(s.Configs, s.Secrets) {
		names[object.Name] = true
	}
	return names
}

// Service is one service of a stack. It refers to configs, secrets and networks by their names: identifiers
// exist in a swarm, not in a file.
type Service struct {
	Name string // as in the file; the swarm's name is Spec.Name
	Spec swarm.ServiceSpec
	// Needs are the services named by depends_on.
	Needs []string
	Options
}

// Options is the `x-rollout` of a service.
type Options struct {
	// Job marks a service that runs once, to its end, before the services that depend on it are touched.
	Job bool
	// JobTimeout is how long a job may run.
	JobTimeout time.Duration
	// KeepReplicas leaves the number of replicas to whoever scales the service.
	KeepReplicas bool
	// Drain is how long the service goes on serving after SIGTERM. It must be shorter than the grace period.
	Drain time.Duration
	// Probe is asked on every machine that publishes the service; nil asks nothing.
	Probe *Probe
}

// Probe is the question by which a release proves from outside that it serves.
type Probe struct {
	Port    uint32 // the published one
	Path    string
	Status  int    // 0: any below 400
	Header  string // when set, its value must equal Expect
	Expect  string
	Timeout time.Duration // a release fails that gives no right answer for so long
}

// Network is a network of a stack.
type Network struct {
	Name     string
	External bool
	Options  network.CreateOptions
}

// Object is one version of a config or secret. Its name carries the version: a swarm cannot change the data of
// an object, and a task keeps the version that it was started with.
type Object struct {
	Key        string // as in the file
	Name       string
	External   bool // it exists already, or somebody else creates it
	Data       []byte
	Labels     map[string]string
	Driver     *swarm.Driver // secrets only
	Templating *swarm.Driver
}

// Warning is one thing that is legal and will hurt. Service is empty where it is about the whole file.
type Warning struct {
	Service string `json:"service"`
	Text    string `json:"text"`
}
