package rollout_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestANewAppImage(t *testing.T) {
	s := aCafe(t)
	old := s.good(t)
	release := s.other(t, old)
	db, proxy := s.tasks(t, "db"), s.tasks(t, "proxy")
	l := s.startLoad(t)
	time.Sleep(2 * time.Second)
	r := s.rollout(t, call{release: release}, "deploy")
	r.wants(t, 0, "update service app")
	s.answers(t, release)
	l.dropsNothing(t)
	t.Logf("%s\n%s", r.took, r.all())
	if s.tasks(t, "db") != db || s.tasks(t, "proxy") != proxy {
		t.Error("the database or the proxy was restarted for the tag of an image that did not change")
	}
}

// impatient shortens how long the engine bears with an unhealthy app: nobody needs to wait for as long as a real
// start may take. The proxy's check stays, or its ports would close under load.
func impatient(stack string) string {
	const check = "test: [CMD, /cafe, healthcheck]"
	return strings.Replace(stack, check, check+"\n      retries: 3", 1)
}

func TestAnImageThatNeverBecomesHealthy(t *testing.T) {
	fails(t, "unhealthy", "app", "unhealthy", "broken (unhealthy): line 1")
}

func TestAnImageThatCrashesAfter3Seconds(t *testing.T) {
	fails(t, "crash", "app", "exit code 7", "panic: out of dice")
}

func TestAnImageThatIsHealthyButAnswersTheProbeWith500(t *testing.T) {
	fails(t, "probe", "status 500", "broken (probe): 500 for /readyz")
}

// fails deploys a release that fails in the given way and checks that nobody notices.
func fails(t *testing.T, how string, texts ...string) {
	t.Helper()
	s := aCafe(t)
	old := s.good(t)
	s.publishBroken(t, how, how)
	l := s.startLoad(t)
	r := s.rollout(t, call{release: how, file: variant(t, impatient)}, "deploy")
	r.wants(t, 3, append(texts, "serves again")...)
	s.answers(t, old)
	l.dropsNothing(t)
	t.Logf("%s\n%s", r.took, r.all())
	if got := s.history(t)[0]; got.Status != "failed" || got.Name != how {
		t.Errorf("newest release: %+v, want %s failed", got, how)
	}
	// What serves is what is recorded as good: there is nothing left to do.
	s.rollout(t, call{release: old}, "plan").wants(t, 0)
	s.unlocked(t)
}

// unchanged checks that a call ended with 1 and touched nothing.
func (s *cafe) unchanged(t *testing.T, c call, texts ...string) {
	t.Helper()
	before := s.fingerprint(t)
	entries := len(s.history(t))
	r := s.rollout(t, c, "deploy")
	r.wants(t, 1, texts...)
	t.Log(strings.TrimSpace(r.stderr))
	if after := s.fingerprint(t); after != before {
		t.Errorf("services and tasks:\n%s\nwere:\n%s", after, before)
	}
	if now := len(s.history(t)); now != entries {
		t.Errorf("%d releases, were %d", now, entries)
	}
	s.unlocked(t)
}

func TestAnImageThatDoesNotExist(t *testing.T) {
	s := aCafe(t)
	s.good(t)
	s.unchanged(t, call{release: "never-pushed"}, "registry:5000/", ":never-pushed")
}

func TestAWrongRegistryPassword(t *testing.T) {
	s := aCafe(t)
	release := s.good(t)
	dir := t.TempDir()
	// base64 of "cafe:wrong"
	must(t, os.WriteFile(filepath.Join(dir, "config.json"), []byte(`{"auths": {"registry:5000": {"auth": "Y2FmZTp3cm9uZw=="}}}`), 0o600))
	s.unchanged(t, call{release: release, env: []string{"DOCKER_CONFIG=" + dir}}, "docker login")
}

func TestTheRegistryIsDown(t *testing.T) {
	s := aCafe(t)
	release := s.good(t)
	must(t, s.Registry.Stop(t.Context()))
	defer func() { must(t, s.Registry.Start(t.Context())) }()
	s.unchanged(t, call{release: release}, "registry:5000")
}
