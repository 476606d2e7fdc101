package rollout_test

import (
	"net/url"
	"strings"
	"testing"

	"boardcafe/tests/visitor"
)

func TestTheFirstDeployOfTheCafeOnAnEmptySwarm(t *testing.T) { aCafe(t).firstDeploy(t) }

func (s *cafe) firstDeploy(t *testing.T) {
	must(t, s.Reset(t.Context()))
	for _, m := range s.Machines() {
		// A task that has just ended has its container still, and with it the volume.
		_, err := m.Run(t.Context(), "sh", "-c", "docker ps -aq --filter label=com.docker.swarm.task.id | xargs -r docker rm -f >/dev/null 2>&1; docker volume rm --force cafe_db")
		must(t, err)
	}
	must(t, s.Label(t.Context(), s.Workers[0], "cafe.db", "true"))
	s.publish(t, "v1")

	s.rollout(t, call{release: "v1"}, "deploy").wants(t, 1, "secret", "rollout secret set")
	if services := s.onManager(t, "docker", "service", "ls", "-q"); services != "" {
		t.Errorf("services in spite of exit code 1: %s", services)
	}
	for name, value := range map[string]string{
		"db_password": random(16), "migrate_password": random(16), "session_key": random(32),
		"staff": account(t, staffName, staffPassword),
	} {
		r := s.rollout(t, call{release: "v1", stdin: value}, "secret", "set", name)
		r.wants(t, 0)
		r.reveals(t, value, false)
	}
	r := s.deploy(t, "v1")
	t.Logf("%s\n%s", r.took, r.all())
	s.answers(t, "v1")
	for i, m := range s.Machines() {
		v, err := visitor.SignIn("http://"+m.Port(80), staffName, staffPassword)
		must(t, err)
		for n := i; n < games; n += len(s.Machines()) {
			err := v.Post("/games", url.Values{"name": {game(n)}, "copies": {"3"}, "min_players": {"2"},
				"max_players": {"4"}, "minutes": {"45"}, "shelf": {"A"}})
			must(t, err)
		}
		must(t, reserve(v, "First at "+m.Name, game(i)))
		page, err := v.Get("/customers")
		must(t, err)
		if !strings.Contains(page, "First at "+m.Name) {
			t.Errorf("%s does not show the reservation", m.Name)
		}
	}
}

func TestTheSameAgain(t *testing.T) {
	s := aCafe(t)
	release := s.good(t)
	before := s.fingerprint(t)
	r := s.rollout(t, call{release: release}, "deploy")
	r.wants(t, 0, "Nothing to change")
	t.Logf("a deploy without changes: %s", r.took)
	if after := s.fingerprint(t); after != before {
		t.Errorf("services and tasks:\n%s\nwere:\n%s", after, before)
	}
	s.rollout(t, call{release: release}, "plan").wants(t, 0, "Nothing to change")
}

// reveals checks whether a value is in the output.
func (r result) reveals(t *testing.T, value string, want bool) {
	t.Helper()
	if got := strings.Contains(r.all(), strings.TrimSpace(value)); got != want {
		t.Errorf("the output has the value: %v, want %v", got, want)
	}
}
