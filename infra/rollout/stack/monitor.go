package stack

import (
	"time"

	"github.com/docker/docker/api/types/swarm"
)

// defaultMonitor is Swarm's own.
const defaultMonitor = 5 * time.Second

// Monitor is for how long a new task of a service must stay up before Swarm trusts it.
func Monitor(spec swarm.ServiceSpec) time.Duration {
	if update := spec.UpdateConfig; update != nil && update.Monitor > 0 {
		return update.Monitor
	}
	return defaultMonitor
}
