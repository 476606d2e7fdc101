package rollout_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"boardcafe/tests/await"
)

// quick gives the app a short monitor, and both replicas at once, for cases that test neither.
func quick(stack string) string {
	return strings.Replace(stack, "{order: start-first, parallelism: 1, delay: 5s, failure_action: rollback, monitor: 5s}",
		"{order: start-first, parallelism: 2, delay: 1s, failure_action: rollback, monitor: 1s}", 1)
}

// running is a rollout that goes on while the test does something.
type running struct {
	cmd            *exec.Cmd
	stdout, stderr bytes.Buffer
}

func (s *cafe) start(t *testing.T, c call, args ...string) *running {
	t.Helper()
	r := &running{cmd: s.command(t.Context(), c, args...)}
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
func (s *cafe) awaitLocked(t *testing.T) {
	t.Helper()
	await.Within(t, time.Minute, func() error {
		if status := s.rollout(t, call{}, "lock", "status").stdout; !strings.Contains(status, "is locked by") {
			return fmt.Errorf("nobody took the lock: %s", status)
		}
		return nil
	})
}

func TestTwoDeploysAtOnce(t *testing.T) {
	s := aCafe(t)
	old := s.good(t)
	release, file := s.other(t, old), variant(t, quick)
	first := s.start(t, call{release: release, file: file}, "deploy")
	s.awaitLocked(t)
	refused := s.rollout(t, call{release: old, file: file}, "deploy")
	waiting := s.start(t, call{release: old, file: file}, "deploy", "--lock-wait", "5m")
	refused.wants(t, 5, "is locked by", "(deploy)", "rollout lock release")
	t.Log(strings.TrimSpace(refused.stderr))
	first.wait().wants(t, 0)
	second := waiting.wait()
	second.wants(t, 0, "waiting for the lock of")
	s.answers(t, old)
	s.unlocked(t)
}

func TestSIGINTDuringTheUpdate(t *testing.T) {
	s := aCafe(t)
	old := s.good(t)
	release, file := s.other(t, old), variant(t, quick)
	l := s.startLoad(t)
	r := s.start(t, call{release: release, file: file}, "deploy")
	s.awaitUpdating(t)
	must(t, r.cmd.Process.Signal(os.Interrupt))
	ended := r.wait()
	ended.wants(t, 130, "begun or done: update service app", "the lock is released")
	t.Log(ended.stderr)
	s.unlocked(t)
	s.rollout(t, call{release: release, file: file}, "deploy").wants(t, 0)
	s.answers(t, release)
	l.dropsNothing(t)
}

// awaitUpdating returns when Swarm has begun to update the app.
func (s *cafe) awaitUpdating(t *testing.T) {
	t.Helper()
	await.Within(t, time.Minute, func() error {
		if state := s.inspect(t, "app", "{{with .UpdateStatus}}{{.State}}{{end}}"); state != "updating" {
			return fmt.Errorf("the app's update is %q", state)
		}
		return nil
	})
}

func TestSIGKILLAtTenRandomMomentsEachFollowedByDeployAgain(t *testing.T) {
	s := aCafe(t)
	release, file := s.good(t), variant(t, quick)
	l := s.startLoad(t)
	for n := range 10 {
		release = s.other(t, release)
		moment := time.Duration(rand.Int64N(int64(8 * time.Second)))
		r := s.start(t, call{release: release, file: file}, "deploy")
		time.Sleep(moment)
		r.cmd.Process.Signal(syscall.SIGKILL)
		r.wait()
		again := s.rollout(t, call{release: release, file: file}, "deploy")
		again.wants(t, 0)
		t.Logf("kill %d after %s: the next deploy took %s", n+1, moment.Round(time.Millisecond), again.took.Round(time.Millisecond))
		s.answers(t, release)
		s.rollout(t, call{release: release, file: file}, "plan").wants(t, 0, "Nothing to change")
		if left := s.onManager(t, "docker", "service", "ls", "-q", "--filter", "label=rollout.job"); left != "" {
			t.Errorf("jobs left: %s", left)
		}
	}
	l.dropsNothing(t)
	s.unlocked(t)
}

func TestSomeoneElseScalesAServiceMeanwhile(t *testing.T) {
	s := aCafe(t)
	old := s.good(t)
	release, file := s.other(t, old), variant(t, quick)
	s.onManager(t, "docker", "service", "scale", "--detach", "cafe_app=3")
	s.rollout(t, call{release: old, file: file}, "deploy").wants(t, 0)
	if got := s.inspect(t, "app", "{{.Spec.Mode.Replicated.Replicas}}"); got != "3" {
		t.Errorf("replicas: %s, want the 3 that someone scaled to (replicas: keep)", got)
	}
	// And in the middle of an update, many times.
	r := s.start(t, call{release: release, file: file}, "deploy")
	s.awaitLocked(t)
	for n := range 8 {
		s.onManager(t, "docker", "service", "scale", "--detach", "cafe_app="+strconv.Itoa(2+n%2))
	}
	ended := r.wait()
	ended.wants(t, 0)
	if strings.Contains(ended.all(), "out of sequence") {
		t.Errorf("the user was bothered:\n%s", ended.all())
	}
	s.onManager(t, "docker", "service", "scale", "--detach", "cafe_db=1", "cafe_app=2")
	// Without keep, the plan says what it will do to the number.
	strict := variant(t, func(stack string) string { return strings.Replace(stack, "      replicas: keep\n", "", 1) })
	s.onManager(t, "docker", "service", "scale", "--detach", "cafe_app=4")
	s.rollout(t, call{release: release, file: strict}, "plan").wants(t, 2, "replicas", "4 → 2", "in place")
	s.onManager(t, "docker", "service", "scale", "--detach", "cafe_app=2")
	s.rollout(t, call{release: release}, "deploy").wants(t, 0)
}
