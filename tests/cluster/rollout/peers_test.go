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

func overSSH(t *testing.T) {
	old := good(t)
	release := other(t, old)
	ssh := call{release: release, file: quick(t), host: cluster.SSHHost}
	rollout(t, ssh, "plan").wants(t, 2, "update", cluster.SSHHost)
	r := rollout(t, ssh, "deploy")
	r.wants(t, 0)
	t.Logf("deploy: %s", r.took)
	rollout(t, ssh, "status").wants(t, 0, "app", "2/2 running")
	rollout(t, ssh, "history").wants(t, 0, release)
	rollout(t, ssh, "lock", "status").wants(t, 0, "not locked")
	status := exec.CommandContext(t.Context(), program, "status")
	status.Dir, status.Env = engine.Root(), append(swarm.Env(), "DOCKER_HOST="+cluster.SSHHost)
	if out, err := status.CombinedOutput(); err != nil || !strings.Contains(string(out), "Stack cafe on "+cluster.SSHHost) {
		t.Errorf("status with DOCKER_HOST: %v\n%s", err, out)
	}
	rollout(t, ssh, "rollback").wants(t, 0)
	answers(t, old)
}

const stackDeployPatience = time.Minute

var external = regexp.MustCompile(`(\w+): \{external: true\}`)

// stackDeploy shows beside each other what the two make of the same broken release.
func stackDeploy(t *testing.T) {
	old := good(t)
	publishBroken(t, "crash", "crash")
	file := variant(t, func(stack string) string {
		return external.ReplaceAllStringFunc(stack, func(line string) string {
			key := external.FindStringSubmatch(line)[1]
			version := onManager(t, "sh", "-c", "docker service inspect cafe_app cafe_db --format '{{range .Spec.TaskTemplate.ContainerSpec.Secrets}}{{.SecretName}} {{end}}' | tr ' ' '\n' | grep cafe_"+key+" | head -1")
			return key + ": {external: true, name: " + version + "}"
		})
	})
	// It waits for ever for a service that has ended, such as the migration (docker/cli#5299).
	bounded, cancel := context.WithTimeout(t.Context(), stackDeployPatience)
	defer cancel()
	docker := exec.CommandContext(bounded, "docker", "stack", "deploy", "--detach=false", "--with-registry-auth", "--compose-file", file, "cafe")
	docker.Env = append(swarm.Env(), "DOCKER_HOST="+managerHost, "REGISTRY="+cluster.RegistryAddress, "RELEASE=crash", "APP_REPLICAS=2")
	docker.Cancel = func() error { return docker.Process.Signal(os.Interrupt) }
	docker.CombinedOutput()
	ended := fmt.Sprintf("exit code %d", docker.ProcessState.ExitCode())
	if bounded.Err() != nil {
		ended = fmt.Sprintf("waited for %s until it was interrupted, then %s", stackDeployPatience, ended)
	}
	t.Logf("docker stack deploy --detach=false: %s; the stack then is\n%s", ended, specs(t))
	deploy(t, old, "--prune", "--yes") // also takes away the service of the job that stack deploy left

	r := rollout(t, call{release: "crash"}, "deploy")
	t.Logf("rollout deploy: exit code %d; the stack then is\n%s", r.code, specs(t))
	r.wants(t, 3)
	answers(t, old)
}

// number is that of the newest good release.
func number(t *testing.T) string {
	t.Helper()
	for _, entry := range history(t) {
		if entry.Status == "deployed" {
			return strconv.Itoa(entry.Number)
		}
	}
	t.Fatal("no good release")
	return ""
}
