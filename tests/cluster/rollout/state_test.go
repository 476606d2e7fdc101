package rollout_test

import (
	"encoding/json"
	"testing"
)

// entry is a line of `rollout history --json`.
type entry struct {
	Number int
	Name   string
	Status string
}

func (s *cafe) history(t *testing.T) []entry {
	t.Helper()
	r := s.rollout(t, call{}, "history", "--json")
	r.wants(t, 0)
	var entries []entry
	must(t, json.Unmarshal([]byte(r.stdout), &entries))
	return entries
}

// good makes sure that the café is deployed, as docker-stack.yml has it, and returns its release.
func (s *cafe) good(t *testing.T) string {
	t.Helper()
	for _, entry := range s.history(t) {
		if entry.Status == "deployed" && s.onManager(t, "docker", "service", "ls", "-q", "--filter", "name=cafe_app") != "" {
			s.deploy(t, entry.Name, "--prune", "--yes") // the test before may have deployed another file
			return entry.Name
		}
	}
	s.firstDeploy(t)
	return "v1"
}

// other returns the good release that is not the given one.
func (s *cafe) other(t *testing.T, release string) string {
	t.Helper()
	other := "v2"
	if release == "v2" {
		other = "v1"
	}
	s.publish(t, other)
	return other
}

// fingerprint is the version of every service and the identifier of every task that runs.
func (s *cafe) fingerprint(t *testing.T) string {
	t.Helper()
	return s.onManager(t, "sh", "-c", `
		docker service inspect --format '{{.Spec.Name}} {{.Version.Index}}' $(docker service ls -q)
		for service in $(docker service ls -q); do docker service ps -q --filter desired-state=running "$service"; done`)
}

// tasks are the tasks of a service that run.
func (s *cafe) tasks(t *testing.T, service string) string {
	t.Helper()
	return s.onManager(t, "docker", "service", "ps", "-q", "--filter", "desired-state=running", "cafe_"+service)
}

// inspect is a field of a service, by a template.
func (s *cafe) inspect(t *testing.T, service, template string) string {
	t.Helper()
	return s.onManager(t, "docker", "service", "inspect", "--format", template, "cafe_"+service)
}

// unlocked checks that nobody holds the lock.
func (s *cafe) unlocked(t *testing.T) {
	t.Helper()
	s.rollout(t, call{}, "lock", "status").wants(t, 0, "not locked")
}
