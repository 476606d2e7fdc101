package rollout_test

import (
	"archive/tar"
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/docker/docker/api/types/build"
	"github.com/docker/docker/client"
	"github.com/docker/docker/pkg/jsonmessage"
	"golang.org/x/crypto/bcrypt"

	"boardcafe/tests/cluster"
	"boardcafe/tests/engine"
)

// publish pushes the three images of a release of the café, once. Its database and proxy are the same in
// each: what a release changes is the app.
func (s *cafe) publish(t *testing.T, release string) {
	t.Helper()
	if !s.published[release] {
		buildApp(t, release, "./app/cmd/cafe", "-X main.release="+release)
		s.pushRelease(t, release)
		s.published[release] = true
	}
}

// publishBroken pushes a release whose app fails in the given way, see testdata/broken.
func (s *cafe) publishBroken(t *testing.T, release, how string) {
	t.Helper()
	buildApp(t, release, "./tests/cluster/rollout/testdata/broken", "-X main.release="+release+" -X main.how="+how)
	s.pushRelease(t, release)
}

func appImage(release string) string { return "boardcafe/test-app:" + release }

// building is held by whoever builds an image: the swarms have the same.
var building sync.Mutex

// buildApp makes an image with one program in it, as infra/images/app does.
func buildApp(t *testing.T, release, pkg, ldflags string) {
	t.Helper()
	building.Lock()
	defer building.Unlock()
	binary := filepath.Join(t.TempDir(), "cafe")
	compile := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w "+ldflags, "-o", binary, pkg)
	compile.Dir = engine.Root()
	compile.Env = append(os.Environ(), "CGO_ENABLED=0")
	must(t, output(compile))
	program, err := os.ReadFile(binary)
	must(t, err)
	dockerfile, err := os.ReadFile(filepath.Join(engine.Root(), "infra/images/app/Dockerfile"))
	must(t, err)

	var archive bytes.Buffer
	tw := tar.NewWriter(&archive)
	for name, content := range map[string][]byte{"Dockerfile": dockerfile, "cafe": program} {
		must(t, tw.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(content))}))
		_, err := tw.Write(content)
		must(t, err)
	}
	must(t, tw.Close())
	docker := outerEngine(t)
	response, err := docker.ImageBuild(t.Context(), &archive, build.ImageBuildOptions{
		Tags: []string{appImage(release)}, Remove: true, ForceRemove: true, Labels: engine.Labels(),
	})
	must(t, err)
	defer response.Body.Close()
	must(t, jsonmessage.DisplayJSONMessagesStream(response.Body, io.Discard, 0, false, nil))
}

func (s *cafe) pushRelease(t *testing.T, release string) {
	t.Helper()
	_, err := s.Push(t.Context(), appImage(release), "app:"+release)
	must(t, err)
	for _, name := range []string{"db", "proxy"} {
		s.onManager(t, "docker", "tag", engine.Image(name), cluster.RegistryAddress+"/"+name+":"+release)
		docker := exec.CommandContext(t.Context(), "docker", "push", "--quiet", cluster.RegistryAddress+"/"+name+":"+release)
		docker.Env = append(s.Env(), "DOCKER_HOST="+s.host)
		must(t, output(docker))
	}
}

// The staff of the test.
const (
	staffName     = "anna"
	staffPassword = "seven wonders and a duel"
)

// account is a line of the staff file.
func account(t *testing.T, name, password string) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	must(t, err)
	return name + ":" + string(hash) + "\n"
}

func random(bytes int) string {
	raw := make([]byte, bytes)
	rand.Read(raw)
	return hex.EncodeToString(raw)
}

func (s *cafe) onManager(t *testing.T, command ...string) string {
	t.Helper()
	out, err := s.Manager.Run(t.Context(), command...)
	must(t, err)
	return strings.TrimSpace(out)
}

func outerEngine(t *testing.T) *client.Client {
	t.Helper()
	docker, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	must(t, err)
	t.Cleanup(func() { docker.Close() })
	return docker
}

func output(cmd *exec.Cmd) error {
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%v: %w\n%s", cmd.Args, err, out)
	}
	return nil
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
