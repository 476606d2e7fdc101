package rollout_test

import (
	"net/url"
	"strings"
	"testing"
)

// The tests of this package run in the order of the files' first letters and build on one another
// only by this: the café is deployed, and its newest release is good.
func TestADeployOnAnEmptySwarm(t *testing.T) {
	publish(t, "v1")

	t.Run("names the secrets that are missing and changes nothing", func(t *testing.T) {
		rollout(t, call{release: "v1"}, "deploy").wants(t, 1, "secret", "rollout secret set")
		if services := onManager(t, "docker", "service", "ls", "-q"); services != "" {
			t.Errorf("services: %s", services)
		}
	})

	for name, value := range map[string]string{
		"db_password": random(16), "migrate_password": random(16), "session_key": random(32),
		"staff": account(t, staffName, staffPassword),
	} {
		rollout(t, call{release: "v1", stdin: value}, "secret", "set", name).wants(t, 0)
	}
	r := deploy(t, "v1")
	t.Logf("first deploy: %s\n%s", r.took, r.all())
	answers(t, "v1")

	t.Run("serves a sign-in, a creation and a read on every machine", func(t *testing.T) {
		for i, m := range swarm.Machines() {
			v, err := signIn("http://"+m.Port(80), staffName, staffPassword)
			must(t, err)
			for n := range games {
				if n%len(swarm.Machines()) != i {
					continue
				}
				_, _, err := v.post("/games", url.Values{"name": {game(n)}, "copies": {"3"}, "min_players": {"2"},
					"max_players": {"4"}, "minutes": {"45"}, "shelf": {"A"}})
				must(t, err)
			}
			must(t, v.reserve("First at "+m.Name, game(i)))
			page, err := v.get("/customers")
			must(t, err)
			if !strings.Contains(page, "First at "+m.Name) {
				t.Errorf("%s does not show the reservation", m.Name)
			}
		}
	})

	t.Run("again changes nothing", func(t *testing.T) {
		before := fingerprint(t)
		r := deploy(t, "v1")
		t.Logf("deploy without changes: %s", r.took)
		r.wants(t, 0, "Nothing to change")
		if after := fingerprint(t); after != before {
			t.Errorf("services and tasks:\n%s\nwere:\n%s", after, before)
		}
		rollout(t, call{release: "v1"}, "plan").wants(t, 0, "Nothing to change")
	})
}

// fingerprint is the version of every service and the identifier of every task that runs.
func fingerprint(t *testing.T) string {
	t.Helper()
	return onManager(t, "sh", "-c", `docker service inspect --format '{{.Spec.Name}} {{.Version.Index}}' $(docker service ls -q)
		for service in $(docker service ls -q); do docker service ps -q --filter desired-state=running "$service"; done`)
}
