package rollout_test

import (
	"encoding/json"
	"sync"
	"testing"
)

// entry is a line of `rollout history --json`.
type entry struct {
	Number int
	Name   string
	Status string
}

func history(t *testing.T) []entry {
	t.Helper()
	r := rollout(t, call{}, "history", "--json")
	r.wants(t, 0)
	var entries []entry
	must(t, json.Unmarshal([]byte(r.stdout), &entries))
	return entries
}

// good makes sure that the café is deployed and returns its release.
func good(t *testing.T) string {
	t.Helper()
	for _, entry := range history(t) {
		if entry.Status == "deployed" && onManager(t, "docker", "service", "ls", "-q", "--filter", "name=cafe_app") != "" {
			return entry.Name
		}
	}
	firstDeploy(t)
	return "v1"
}

// other is a second good release, published once.
var publishV2 sync.Once

// other returns the good release that is not the given one.
func other(t *testing.T, release string) string {
	t.Helper()
	publishV2.Do(func() { publish(t, "v2") })
	if release == "v2" {
		publishV1.Do(func() { publish(t, "v1") })
		return "v1"
	}
	return "v2"
}

// fingerprint is the version of every service and the identifier of every task that runs.
func fingerprint(t *testing.T) string {
	t.Helper()
	return onManager(t, "sh", "-c", `docker service inspect --format '{{.Spec.Name}} {{.Version.Index}}' $(docker service ls -q)
		for service in $(docker service ls -q); do docker service ps -q --filter desired-state=running "$service"; done`)
}

// tasks are the tasks of a service that run.
func tasks(t *testing.T, service string) string {
	t.Helper()
	return onManager(t, "docker", "service", "ps", "-q", "--filter", "desired-state=running", "cafe_"+service)
}

// inspect is a field of a service, by a template.
func inspect(t *testing.T, service, template string) string {
	t.Helper()
	return onManager(t, "docker", "service", "inspect", "--format", template, "cafe_"+service)
}

// unlocked checks that nobody holds the lock.
func unlocked(t *testing.T) {
	t.Helper()
	rollout(t, call{}, "lock", "status").wants(t, 0, "not locked")
}
