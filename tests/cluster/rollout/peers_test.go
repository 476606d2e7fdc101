package rollout_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"boardcafe/tests/cluster"
	"boardcafe/tests/engine"
)

func TestTheManagerReachedOverSSH(t *testing.T) {
	s := aCafe(t)
	old := s.good(t)
	release := s.other(t, old)
	ssh := call{release: release, file: variant(t, quick), host: cluster.SSHHost}
	s.rollout(t, ssh, "plan").wants(t, 2, "update", cluster.SSHHost)
	r := s.rollout(t, ssh, "deploy")
	r.wants(t, 0)
	t.Logf("deploy: %s", r.took)
	s.rollout(t, ssh, "status").wants(t, 0, "app", "2/2 running")
	s.rollout(t, ssh, "history").wants(t, 0, release)
	s.rollout(t, ssh, "lock", "status").wants(t, 0, "not locked")
	status := exec.CommandContext(t.Context(), program, "status")
	status.Dir, status.Env = engine.Root(), append(s.Env(), "DOCKER_HOST="+cluster.SSHHost)
	if out, err := status.CombinedOutput(); err != nil || !strings.Contains(string(out), "Stack cafe on "+cluster.SSHHost) {
		t.Errorf("status with DOCKER_HOST: %v\n%s", err, out)
	}
	s.rollout(t, ssh, "rollback").wants(t, 0)
	s.answers(t, old)
}

const stackDeployPatience = time.Minute

var external = regexp.MustCompile(`(\w+): \{external: true\}`)

// stackDeploy shows beside each other what the two make of the same broken release.
func TestTheBrokenReleaseWithDockerStackDeploy(t *testing.T) {
	s := aCafe(t)
	old := s.good(t)
	s.publishBroken(t, "crash", "crash")
	file := variant(t, func(stack string) string {
		return external.ReplaceAllStringFunc(stack, func(line string) string {
			key := external.FindStringSubmatch(line)[1]
			const find = `docker service inspect cafe_app cafe_db --format "$1" | tr ' ' '\n' | grep "cafe_$2" | head -1`
			version := s.onManager(t, "sh", "-c", find, "sh", secretNames, key)
			return key + ": {external: true, name: " + version + "}"
		})
	})
	// It waits for ever for a service that has ended, such as the migration (docker/cli#5299).
	bounded, cancel := context.WithTimeout(t.Context(), stackDeployPatience)
	defer cancel()
	docker := exec.CommandContext(bounded, "docker", "stack", "deploy", "--detach=false", "--with-registry-auth",
		"--compose-file", file, "cafe")
	docker.Env = append(s.Env(), "DOCKER_HOST="+s.host,
		"REGISTRY="+cluster.RegistryAddress, "RELEASE=crash", "APP_REPLICAS=2")
	docker.Cancel = func() error { return docker.Process.Signal(os.Interrupt) }
	docker.CombinedOutput()
	ended := fmt.Sprintf("exit code %d", docker.ProcessState.ExitCode())
	if bounded.Err() != nil {
		ended = fmt.Sprintf("waited for %s until it was interrupted, then %s", stackDeployPatience, ended)
	}
	t.Logf("docker stack deploy --detach=false: %s; the stack then is\n%s", ended, s.specs(t))
	s.deploy(t, old, "--prune", "--yes") // also takes away the service of the job that stack deploy left

	r := s.rollout(t, call{release: "crash"}, "deploy")
	t.Logf("rollout deploy: exit code %d; the stack then is\n%s", r.code, s.specs(t))
	r.wants(t, 3)
	s.answers(t, old)
}

// number is that of the newest good release.
func (s *cafe) number(t *testing.T) string {
	t.Helper()
	for _, entry := range s.history(t) {
		if entry.Status == "deployed" {
			return strconv.Itoa(entry.Number)
		}
	}
	t.Fatal("no good release")
	return ""
}
