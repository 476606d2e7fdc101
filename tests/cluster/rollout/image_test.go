package rollout_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func newImage(t *testing.T) {
	old := good(t)
	release := other(t, old)
	db, proxy := tasks(t, "db"), tasks(t, "proxy")
	l := startLoad(t)
	time.Sleep(2 * time.Second)
	r := rollout(t, call{release: release}, "deploy")
	r.wants(t, 0, "update service app")
	answers(t, release)
	l.dropsNothing(t)
	t.Logf("%s\n%s", r.took, r.all())
	if tasks(t, "db") != db || tasks(t, "proxy") != proxy {
		t.Error("the database or the proxy was restarted for the tag of an image that did not change")
	}
}

// patient shortens how long the engine bears with an unhealthy container: nobody needs to wait
// for the 70 s that a real start may take.
func patient(stack string) string {
	return strings.Replace(stack, "start_period: 70s", "start_period: 2s", 1)
}

func neverHealthy(t *testing.T) {
	fails(t, "unhealthy", "app", "unhealthy", "broken (unhealthy): line 1")
}

func crashes(t *testing.T) { fails(t, "crash", "app", "exit code 7", "panic: out of dice") }

func failsProbe(t *testing.T) {
	fails(t, "probe", "status 500", "broken (probe): 500 for /readyz")
}

// fails deploys a release that fails in the given way and checks that nobody notices.
func fails(t *testing.T, how string, texts ...string) {
	t.Helper()
	old := good(t)
	publishBroken(t, how, how)
	l := startLoad(t)
	r := rollout(t, call{release: how, file: variant(t, patient)}, "deploy")
	r.wants(t, 3, append(texts, "serves again")...)
	answers(t, old)
	l.dropsNothing(t)
	t.Logf("%s\n%s", r.took, r.all())
	if got := history(t)[0]; got.Status != "failed" || got.Name != how {
		t.Errorf("newest release: %+v, want %s failed", got, how)
	}
	// What serves is what is recorded as good: there is nothing left to do.
	rollout(t, call{release: old}, "plan").wants(t, 0)
	unlocked(t)
}

// unchanged checks that a call ended with 1 and touched nothing.
func unchanged(t *testing.T, c call, texts ...string) {
	t.Helper()
	before := fingerprint(t)
	entries := len(history(t))
	r := rollout(t, c, "deploy")
	r.wants(t, 1, texts...)
	t.Log(strings.TrimSpace(r.stderr))
	if after := fingerprint(t); after != before {
		t.Errorf("services and tasks:\n%s\nwere:\n%s", after, before)
	}
	if now := len(history(t)); now != entries {
		t.Errorf("%d releases, were %d", now, entries)
	}
	unlocked(t)
}

func noImage(t *testing.T) {
	good(t)
	unchanged(t, call{release: "never-pushed"}, "registry:5000/", ":never-pushed")
}

func wrongPassword(t *testing.T) {
	release := good(t)
	dir := t.TempDir()
	// base64 of "cafe:wrong"
	must(t, os.WriteFile(filepath.Join(dir, "config.json"), []byte(`{"auths": {"registry:5000": {"auth": "Y2FmZTp3cm9uZw=="}}}`), 0o600))
	unchanged(t, call{release: release, env: []string{"DOCKER_CONFIG=" + dir}}, "docker login")
}

func registryDown(t *testing.T) {
	release := good(t)
	must(t, swarm.Registry.Stop(t.Context()))
	defer func() { must(t, swarm.Registry.Start(t.Context())) }()
	unchanged(t, call{release: release}, "registry:5000")
}
