package cluster_test

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/build"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/client"
	"github.com/docker/docker/pkg/jsonmessage"

	"boardcafe/tests/await"
	"boardcafe/tests/cluster"
	"boardcafe/tests/engine"
)

func TestSwarm(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	begin := time.Now()
	swarm, err := cluster.Start(ctx, cluster.Options{Name: "self", Log: t.Logf})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			swarm.Collect(context.Background(), filepath.Join(engine.Root(), "build", "logs", "self"))
		}
		if err := swarm.Close(context.Background()); err != nil {
			t.Error(err)
		}
		if os.Getenv("CLUSTER_REUSE") != "1" {
			nothingRemains(t, swarm)
		}
	})
	t.Logf("three machines and a registry, from nothing: %.1fs", time.Since(begin).Seconds())
	if err := swarm.Reset(ctx); err != nil {
		t.Fatal(err)
	}

	with := func(test func(*testing.T, *cluster.Swarm)) func(*testing.T) {
		return func(t *testing.T) { test(t, swarm) }
	}
	t.Run("every machine pulls from the registry and reaches the others over an overlay network", with(runPeers))
	t.Run("a machine that lost power comes back, at the same address", with(losesPower))
	t.Run("labels reach the node, and Reset takes everything off", with(isReset))
}

// runPeers runs the program testdata/peers on all machines, unless it runs there. It goes by the docker command and
// over ssh, as a person would; --with-registry-auth sends the password on to the workers.
func runPeers(t *testing.T, swarm *cluster.Swarm) {
	t.Helper()
	ref, err := swarm.Push(t.Context(), buildPeers(t), "peers:1")
	if err != nil {
		t.Fatal(err)
	}
	create := exec.CommandContext(t.Context(), "sh", "-euc", `
		! docker service inspect peers >/dev/null 2>&1 || exit 0
		docker network create --driver overlay across
		docker service create --name peers --mode global --network across --endpoint-mode dnsrr \
			--publish mode=host,published=80,target=8080 --env MACHINE={{.Node.Hostname}} \
			--with-registry-auth --detach "$1"`, "sh", ref)
	create.Env = append(swarm.Env(), "DOCKER_HOST="+cluster.SSHHost)
	if out, err := create.CombinedOutput(); err != nil {
		t.Fatalf("create service: %v\n%s", err, out)
	}
	allSeeAll(t, swarm)
}

func losesPower(t *testing.T, swarm *cluster.Swarm) {
	t.Helper()
	runPeers(t, swarm)
	worker := swarm.Workers[1]
	before := worker.Port(80)
	if err := worker.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := worker.PowerOn(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := worker.Port(80); got != before {
		t.Errorf("port 80 is at %s, was at %s", got, before)
	}
	allSeeAll(t, swarm)
}

func isReset(t *testing.T, swarm *cluster.Swarm) {
	t.Helper()
	runPeers(t, swarm)
	if err := swarm.Label(t.Context(), swarm.Workers[0], "db", "true"); err != nil {
		t.Fatal(err)
	}
	node, err := swarm.Node(t.Context(), swarm.Workers[0])
	if err != nil || node.Spec.Labels["db"] != "true" {
		t.Errorf("labels of worker1: %v, %v; want db=true", node.Spec.Labels, err)
	}
	if err := swarm.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	left, err := swarm.Manager.Run(t.Context(), "sh", "-c", `docker service ls -q
		docker network ls -q --filter name=across
		docker node inspect worker1 --format '{{range $k, $v := .Spec.Labels}}{{$k}}{{end}}'`)
	if err != nil || strings.TrimSpace(left) != "" {
		t.Errorf("left after Reset: %q, %v", left, err)
	}
}

// allSeeAll waits until port 80 of each machine tells of replicas on all of them.
func allSeeAll(t *testing.T, swarm *cluster.Swarm) {
	t.Helper()
	begin := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, m := range swarm.Machines() {
		err := await.Success(ctx, func() error {
			body, err := get("http://" + m.Port(80) + "/peers")
			if err != nil {
				return err
			}
			seen := strings.Fields(body)
			slices.Sort(seen)
			if want := []string{"manager", "worker1", "worker2"}; !slices.Equal(seen, want) {
				return fmt.Errorf("%s sees %q, want %q", m.Name, seen, want)
			}
			return nil
		})
		if err != nil {
			t.Fatalf("%v\n%s", err, swarm.Logs(context.Background(), "peers"))
		}
	}
	t.Logf("all see all after %.1fs", time.Since(begin).Seconds())
}

func get(url string) (string, error) {
	client := http.Client{Timeout: 5 * time.Second}
	answer, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return string(body), err
}

// buildPeers makes an image with nothing but the program testdata/peers in it.
func buildPeers(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "peers")
	compile := exec.Command("go", "build", "-o", binary, "./testdata/peers")
	compile.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := compile.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	program, err := os.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	tw := tar.NewWriter(&archive)
	for name, content := range map[string][]byte{
		"Dockerfile": []byte("FROM scratch\nCOPY peers /peers\nENTRYPOINT [\"/peers\"]\n"),
		"peers":      program,
	} {
		tw.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(content))})
		tw.Write(content)
	}
	tw.Close()

	docker := outerEngine(t)
	const tag = "boardcafe/test-peers:latest"
	response, err := docker.ImageBuild(t.Context(), &archive, build.ImageBuildOptions{
		Tags: []string{tag}, Remove: true, ForceRemove: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if err := jsonmessage.DisplayJSONMessagesStream(response.Body, io.Discard, 0, false, nil); err != nil {
		t.Fatal(err)
	}
	return tag
}

func nothingRemains(t *testing.T, swarm *cluster.Swarm) {
	t.Helper()
	docker := outerEngine(t)
	ctx := context.Background()
	var args []filters.KeyValuePair
	for key, value := range swarm.Labels() {
		args = append(args, filters.Arg("label", key+"="+value))
	}
	ours := filters.NewArgs(args...)
	containers, err := docker.ContainerList(ctx, container.ListOptions{All: true, Filters: ours})
	if err != nil || len(containers) > 0 {
		t.Errorf("containers left: %v, %v", containers, err)
	}
	networks, err := docker.NetworkList(ctx, network.ListOptions{Filters: ours})
	if err != nil || len(networks) > 0 {
		t.Errorf("networks left: %v, %v", networks, err)
	}
	if _, err := os.Stat(swarm.Dir()); !os.IsNotExist(err) {
		t.Errorf("%s is left: %v", swarm.Dir(), err)
	}
}

func outerEngine(t *testing.T) *client.Client {
	t.Helper()
	docker, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { docker.Close() })
	return docker
}
