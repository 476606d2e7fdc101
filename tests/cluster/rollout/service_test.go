package rollout_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"boardcafe/tests/visitor"
)

// withService adds a service to the café's stack.
func withService(t *testing.T, service string) string {
	t.Helper()
	return variant(t, func(stack string) string {
		return strings.Replace(stack, "\n# The proxy and the database share", service+"\n# The proxy and the database share", 1)
	})
}

// shot is a service that runs a command once, of the app's image for it has no other.
func shot(name, command string) string {
	return fmt.Sprintf(`
  %s:
    image: ${REGISTRY}/app:${RELEASE}
    command: [%s]
    networks: [back]
    healthcheck: {disable: true}
    deploy:
      endpoint_mode: dnsrr
      restart_policy: {condition: none}
`, name, command)
}

func TestAConstraintThatNoMachineMeets(t *testing.T) {
	s := aCafe(t)
	old := s.good(t)
	release := s.other(t, old)
	file := variant(t, func(stack string) string {
		return strings.Replace(stack, "      replicas: ${APP_REPLICAS:-2}", "      replicas: ${APP_REPLICAS:-2}\n      placement: {constraints: [node.labels.moon == true]}", 1)
	})
	l := s.startLoad(t)
	r := s.rollout(t, call{release: release, file: file}, "deploy", "--timeout", "20s")
	r.wants(t, 3, "timed out", "no suitable node", "serves again")
	t.Logf("%s\n%s", r.took, r.stderr)
	s.answers(t, old)
	l.dropsNothing(t)
}

func TestOneShotServicesThatEndWith0AndWith1(t *testing.T) {
	s := aCafe(t)
	release := s.good(t)
	r := s.rollout(t, call{release: release, file: withService(t, shot("greet", "version"))}, "deploy")
	r.wants(t, 0, "greet: 1/1 complete")
	r = s.rollout(t, call{release: release, file: withService(t, shot("fret", "no-such-command"))}, "deploy")
	r.wants(t, 3, "service fret", "exit code 1", "there is no command")
	t.Log(r.stderr)
	s.answers(t, release)
	s.rollout(t, call{release: release}, "deploy", "--prune", "--yes").wants(t, 0, "remove service greet")
}

func TestAServiceRemovedFromTheFile(t *testing.T) {
	s := aCafe(t)
	release := s.good(t)
	s.rollout(t, call{release: release, file: withService(t, shot("extra", "version"))}, "deploy").wants(t, 0)
	s.rollout(t, call{release: release}, "deploy").wants(t, 0, "extra", "kept; remove it with --prune")
	s.inspect(t, "extra", "{{.ID}}")
	s.rollout(t, call{release: release}, "deploy", "--prune").wants(t, 1, "--yes", "nothing was changed")
	s.inspect(t, "extra", "{{.ID}}")
	s.rollout(t, call{release: release}, "deploy", "--prune", "--yes").wants(t, 0)
	if left := s.onManager(t, "docker", "service", "ls", "-q", "--filter", "name=cafe_extra"); left != "" {
		t.Error("the service is still there")
	}
}

func TestAWorkersMachineStopsDuringTheUpdate(t *testing.T) {
	s := aCafe(t)
	old := s.good(t)
	release := s.other(t, old)
	// The database is on the other worker: without it nothing serves, and no rollout can help.
	lost, remaining := s.Workers[1], s.Machines()[:2]
	defer func() {
		must(t, lost.PowerOn(t.Context()))
		must(t, s.Ready(t.Context()))
		s.deploy(t, release)
		s.answers(t, release)
	}()
	begin := time.Now()
	r := s.start(t, call{release: release, probed: remaining}, "deploy", "--timeout", "3m")
	s.awaitUpdating(t)
	must(t, lost.Kill(t.Context()))
	ended := r.wait()
	t.Logf("%s: exit code %d\n%s", time.Since(begin), ended.code, ended.stderr)
	want := map[int]string{0: release, 3: old}[ended.code]
	if want == "" {
		t.Fatalf("exit code %d, want 0 or 3", ended.code)
	}
	for _, m := range remaining {
		v, err := visitor.SignIn("http://"+m.Port(80), staffName, staffPassword)
		must(t, err)
		must(t, reserve(v, "After the loss at "+m.Name, game(1)))
		if got := releaseAt(t, m.Port(80)); got != want {
			t.Errorf("%s answers with %q, want %q", m.Name, got, want)
		}
	}
}
