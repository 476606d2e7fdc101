package rollout_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// quick is the café's stack with a short monitor and both replicas at once, for cases with many
// deploys.
func quick(t *testing.T) string {
	t.Helper()
	return variant(t, func(stack string) string {
		return strings.Replace(stack, "{order: start-first, parallelism: 1, delay: 5s, failure_action: rollback, monitor: 5s}",
			"{order: start-first, parallelism: 2, delay: 1s, failure_action: rollback, monitor: 1s}", 1)
	})
}

// running is a rollout that goes on while the test does something.
type running struct {
	cmd            *exec.Cmd
	stdout, stderr bytes.Buffer
}

func start(t *testing.T, c call, args ...string) *running {
	t.Helper()
	r := &running{cmd: command(t.Context(), c, args...)}
	r.cmd.Stdout, r.cmd.Stderr = &r.stdout, &r.stderr
	must(t, r.cmd.Start())
	t.Cleanup(func() {
		if r.cmd.ProcessState == nil { // the test has failed: the next one wants the lock
			r.cmd.Process.Signal(os.Interrupt)
			r.wait()
		}
	})
	return r
}

func (r *running) wait() result {
	r.cmd.Wait()
	return result{code: r.cmd.ProcessState.ExitCode(), stdout: r.stdout.String(), stderr: r.stderr.String()}
}

// awaitLocked returns when a rollout holds the lock.
func awaitLocked(t *testing.T) {
	t.Helper()
	for range 200 {
		if strings.Contains(rollout(t, call{}, "lock", "status").stdout, "is locked by") {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("nobody took the lock")
}

func twoAtOnce(t *testing.T) {
	old := good(t)
	release, file := other(t, old), quick(t)
	first := start(t, call{release: release, file: file}, "deploy")
	awaitLocked(t)
	refused := rollout(t, call{release: old, file: file}, "deploy")
	waiting := start(t, call{release: old, file: file}, "deploy", "--lock-wait", "5m")
	refused.wants(t, 5, "is locked by", "(deploy)", "rollout lock release")
	t.Log(strings.TrimSpace(refused.stderr))
	first.wait().wants(t, 0)
	second := waiting.wait()
	second.wants(t, 0, "waiting for the lock of")
	answers(t, old)
	unlocked(t)
}

func interrupt(t *testing.T) {
	old := good(t)
	release, file := other(t, old), quick(t)
	l := startLoad(t)
	r := start(t, call{release: release, file: file}, "deploy")
	awaitUpdating(t)
	must(t, r.cmd.Process.Signal(os.Interrupt))
	ended := r.wait()
	ended.wants(t, 130, "begun or done: update service app", "the lock is released")
	t.Log(ended.stderr)
	unlocked(t)
	rollout(t, call{release: release, file: file}, "deploy").wants(t, 0)
	answers(t, release)
	l.dropsNothing(t)
}

// awaitUpdating returns when Swarm has begun to update the app.
func awaitUpdating(t *testing.T) {
	t.Helper()
	for range 300 {
		if inspect(t, "app", "{{with .UpdateStatus}}{{.State}}{{end}}") == "updating" {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatal("the app is not updated")
}

func tenKills(t *testing.T) {
	release, file := good(t), quick(t)
	l := startLoad(t)
	for n := range 10 {
		release = other(t, release)
		moment := time.Duration(rand.Int64N(int64(8 * time.Second)))
		r := start(t, call{release: release, file: file}, "deploy")
		time.Sleep(moment)
		r.cmd.Process.Signal(syscall.SIGKILL)
		r.wait()
		again := rollout(t, call{release: release, file: file}, "deploy")
		again.wants(t, 0)
		t.Logf("kill %d after %s: the next deploy took %s", n+1, moment.Round(time.Millisecond), again.took.Round(time.Millisecond))
		answers(t, release)
		rollout(t, call{release: release, file: file}, "plan").wants(t, 0, "Nothing to change")
		if left := onManager(t, "docker", "service", "ls", "-q", "--filter", "label=rollout.job"); left != "" {
			t.Errorf("jobs left: %s", left)
		}
	}
	l.dropsNothing(t)
	unlocked(t)
}

func scaledMeanwhile(t *testing.T) {
	old := good(t)
	release, file := other(t, old), quick(t)
	onManager(t, "docker", "service", "scale", "--detach", "cafe_app=3")
	rollout(t, call{release: old, file: file}, "deploy").wants(t, 0)
	if got := inspect(t, "app", "{{.Spec.Mode.Replicated.Replicas}}"); got != "3" {
		t.Errorf("replicas: %s, want the 3 that someone scaled to (replicas: keep)", got)
	}
	// And in the middle of an update, many times.
	r := start(t, call{release: release, file: file}, "deploy")
	awaitLocked(t)
	for n := range 8 {
		onManager(t, "docker", "service", "scale", "--detach", "cafe_app="+strconv.Itoa(2+n%2))
	}
	ended := r.wait()
	ended.wants(t, 0)
	if strings.Contains(ended.all(), "out of sequence") {
		t.Errorf("the user was bothered:\n%s", ended.all())
	}
	onManager(t, "docker", "service", "scale", "--detach", "cafe_db=1", "cafe_app=2")
	// Without keep, the plan says what it will do to the number.
	strict := variant(t, func(stack string) string { return strings.Replace(stack, "      replicas: keep\n", "", 1) })
	onManager(t, "docker", "service", "scale", "--detach", "cafe_app=4")
	rollout(t, call{release: release, file: strict}, "plan").wants(t, 2, "replicas", "4 → 2", "in place")
	onManager(t, "docker", "service", "scale", "--detach", "cafe_app=2")
	rollout(t, call{release: release}, "deploy").wants(t, 0)
}
