package lab_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"boardcafe/tests/engine"
	"boardcafe/tests/pipeline"
)

// ci is what Jenkins and its agent are on the Jenkins machine: the runner, and what every build is given.
type ci struct {
	l       *cafe
	runner  *pipeline.Runner
	folder  string
	env     []string
	secrets map[string]string // by the credential's id
	kinds   map[string]string // of the credentials
}

// newPipeline brings the images to the Jenkins machine that a build there would pull.
func (l *cafe) newPipeline(t *testing.T) *ci {
	t.Helper()
	p := &ci{l: l, folder: t.TempDir()}
	var err error
	p.runner, err = pipeline.Start(t.Context())
	check(t, err)
	t.Cleanup(func() { p.runner.Close() })
	begin := time.Now()
	for _, image := range []string{"boardcafe/base-debian:12", "boardcafe/base-mysql:9.7", "boardcafe/base-nginx:1.30", engine.Toolbox()} {
		if _, err := l.Jenkins.Run(t.Context(), "docker", "image", "inspect", image); err == nil {
			continue
		}
		check(t, l.Jenkins.Load(t.Context(), image))
	}
	t.Logf("images for the machine that builds: %.0f s", time.Since(begin).Seconds())
	p.kinds, err = kinds()
	check(t, err)
	key, err := os.ReadFile(filepath.Join(l.Dir(), "id_ed25519"))
	check(t, err)
	p.secrets = map[string]string{
		"registry":   "cafe:" + l.Inventory.All.Vars["registry_password"].(string),
		"deploy-key": string(key), "smoke-password": must(l.Password()),
	}
	p.setEnv(t)
	return p
}

// setEnv makes what a session on the agent has: no variable of the make that runs this test, ssh without a
// key, the engine that builds, the addresses that casc.yaml gives to every build.
func (p *ci) setEnv(t *testing.T) {
	t.Helper()
	host, err := p.l.Jenkins.DockerHost()
	check(t, err)
	p.env = slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.Contains([]string{"RELEASE", "REGISTRY", "MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES",
			"STAGES", "LINTERS", "TESTS", "CLUSTER_TESTS", "DOCKER_HOST", "DOCKER_CONFIG", "PROCESS_COVER",
			"SSH_AUTH_SOCK", "COMPOSE_PROJECT_NAME"}, name)
	})
	// What the first build on a new agent takes: PIPELINE_COLD=1.
	if os.Getenv("PIPELINE_COLD") != "" {
		p.env = append(p.env, "GOCACHE="+filepath.Join(p.folder, "gocache"))
	}
	var urls []string
	for _, m := range p.l.Machines()[:2] {
		urls = append(urls, "http://"+m.Port(80))
	}
	p.env = append(p.env, bounds...)
	p.env = append(p.env, "PATH="+p.sshWithoutKey(t)+":"+os.Getenv("PATH"), "DOCKER_HOST="+host,
		"REGISTRY="+p.l.Jenkins.Address.String()+":5000", "DEPLOY_HOST=ssh://deploy@manager", "URLS="+strings.Join(urls, " "))
}

// sshWithoutKey is a folder with an ssh that knows the machines and their host keys, as the agent does, but
// has no key to get in: that must come from the credential.
func (p *ci) sshWithoutKey(t *testing.T) string {
	t.Helper()
	config, err := os.ReadFile(filepath.Join(p.l.Dir(), "ssh_config"))
	check(t, err)
	var without bytes.Buffer
	for line := range strings.Lines(string(config)) {
		if !strings.Contains(line, "Identit") {
			without.WriteString(line)
		}
	}
	real, err := exec.LookPath("ssh")
	check(t, err)
	bin := filepath.Join(p.folder, "bin")
	file := filepath.Join(bin, "ssh_config")
	wrapper := fmt.Sprintf("#!/bin/sh\nexec '%s' -F '%s' \"$@\"\n", real, file)
	check(t, os.MkdirAll(bin, 0o755))
	check(t, os.WriteFile(file, without.Bytes(), 0o644))
	check(t, os.WriteFile(filepath.Join(bin, "ssh"), []byte(wrapper), 0o755))
	return bin
}

// output runs a command; what it says is in the error, if there is one.
func output(command *exec.Cmd, dir string, env []string) error {
	command.Dir, command.Env = dir, env
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("%v: %w\n%s", command.Args, err, out)
	}
	return nil
}
