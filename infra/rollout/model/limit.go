package model

import "time"

// Swarm's limits (swarmkit, manager/controlapi/common.go).
const (
	MaxServiceName = 63 // characters: it is a DNS label; a network's name too
	MaxObjectName  = 64 // characters of the name of a config or secret
	MaxConfig      = 1000*1024 - 1
	MaxSecret      = 500*1024 - 1 // bytes, as MaxConfig
)

// What Swarm and Docker do where a stack file says nothing.
const (
	DefaultMonitor = 5 * time.Second  // for so long Swarm watches a new task
	DefaultGrace   = 10 * time.Second // between SIGTERM and SIGKILL
)
