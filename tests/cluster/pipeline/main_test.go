// Package pipeline_test sees a push go live: the runner of tests/pipeline reads the real Jenkinsfile, and
// its steps are done for real, on a swarm of three machines with a registry and a fourth machine whose
// engine builds. The tests in the stages are bounded (see [bounds]): they have run already, here.
package pipeline_test

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"boardcafe/tests/cluster"
	"boardcafe/tests/cluster/machine"
	"boardcafe/tests/engine"
	"boardcafe/tests/pipeline"
)

// bounds keep a build to minutes. What the stages run is the same, over less.
var bounds = []string{"TESTS=./app/cafe", "CLUSTER_TESTS=./app/cafe", "MIN_COVERAGE=0"}

var (
	swarm  *cluster.Swarm
	runner *pipeline.Runner
	ciHost string // the engine that builds
	folder string // of this run
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	ctx, cancel := context.WithTimeout(context.Background(), 25*time.Minute)
	defer cancel()
	fail := func(err error) int {
		log.Print(err)
		return 1
	}
	var err error
	if folder, err = os.MkdirTemp("", "pipeline"); err != nil {
		return fail(err)
	}
	defer os.RemoveAll(folder)
	if runner, err = pipeline.Start(ctx); err != nil {
		return fail(err)
	}
	defer runner.Close()
	if swarm, err = cluster.Start(ctx, cluster.Options{Name: "pipeline", Log: log.Printf}); err != nil {
		return fail(err)
	}
	defer func() {
		if err := swarm.Close(context.Background()); err != nil {
			log.Print(err)
		}
	}()
	if err := prepare(ctx); err != nil {
		return fail(err)
	}
	code := m.Run()
	if code != 0 {
		swarm.Collect(context.Background(), filepath.Join(engine.Root(), "build", "logs", "pipeline"))
	}
	return code
}

// prepare does what Ansible does before the first build: an empty swarm with its secrets, a machine that
// builds and trusts the registry. The images that need no registry are brought to it.
func prepare(ctx context.Context) error {
	if err := swarm.Reset(ctx); err != nil {
		return err
	}
	for _, m := range swarm.Machines()[:3] {
		if _, err := m.Run(ctx, "docker", "volume", "rm", "--force", "cafe_db"); err != nil {
			return err
		}
	}
	if err := swarm.Label(ctx, swarm.Workers[0], "cafe.db", "true"); err != nil {
		return err
	}
	ci, err := swarm.Start(ctx, machine.Spec{Name: "ci", Kind: machine.Docker})
	if err != nil {
		return err
	}
	if err := ci.WriteFile(ctx, "/etc/docker/certs.d/"+cluster.RegistryAddress+"/ca.crt", swarm.Registry.CA, "0644"); err != nil {
		return err
	}
	if ciHost, err = ci.DockerHost(); err != nil {
		return err
	}
	begin := time.Now()
	for _, image := range []string{"boardcafe/base-debian:12", "boardcafe/base-mysql:9.7", "boardcafe/base-nginx:1.30", engine.Toolbox()} {
		if _, err := ci.Run(ctx, "docker", "image", "inspect", image); err == nil {
			continue
		}
		if err := ci.Load(ctx, image); err != nil {
			return err
		}
	}
	log.Printf("images for the machine that builds: %.0f s", time.Since(begin).Seconds())
	return setSecrets(ctx)
}

// setSecrets gives the swarm the café's secrets, among them the account of the smoke test.
func setSecrets(ctx context.Context) error {
	host, err := swarm.Manager.DockerHost()
	if err != nil {
		return err
	}
	rollout := filepath.Join(folder, "rollout")
	if err := output(exec.CommandContext(ctx, "go", "build", "-o", rollout, "./infra/cmd/rollout"), engine.Root(), os.Environ()); err != nil {
		return err
	}
	for name, value := range secrets() {
		set := exec.CommandContext(ctx, rollout, "secret", "set", name, "--host", host, "--file", filepath.Join(engine.Root(), "docker-stack.yml"))
		set.Stdin = strings.NewReader(value)
		if err := output(set, engine.Root(), swarm.Env()); err != nil {
			return err
		}
	}
	return nil
}

// agentEnv is what a session on the agent has: no variable of the make that runs this test, ssh without a
// key, the engine that builds, the addresses that casc.yaml gives to every build.
func agentEnv() ([]string, error) {
	env := slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.Contains([]string{"RELEASE", "REGISTRY", "MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "STAGES", "TESTS",
			"CLUSTER_TESTS", "DOCKER_HOST", "DOCKER_CONFIG", "PROCESS_COVER", "SSH_AUTH_SOCK", "COMPOSE_PROJECT_NAME"}, name)
	})
	bin, err := sshWithoutKey()
	if err != nil {
		return nil, err
	}
	var urls []string
	for _, m := range swarm.Machines()[:3] {
		urls = append(urls, "http://"+m.Port(80))
	}
	env = append(env, bounds...)
	// What the first build on a new agent takes: PIPELINE_COLD=1.
	if os.Getenv("PIPELINE_COLD") != "" {
		env = append(env, "GOCACHE="+filepath.Join(folder, "gocache"))
	}
	return append(env, "PATH="+bin+":"+os.Getenv("PATH"), "DOCKER_HOST="+ciHost, "REGISTRY="+cluster.RegistryAddress,
		"DEPLOY_HOST="+cluster.SSHHost, "URLS="+strings.Join(urls, " ")), nil
}

// sshWithoutKey is a folder with an ssh that knows the machines and their host keys, as the agent does, but
// has no key to get in: that must come from the credential.
func sshWithoutKey() (string, error) {
	config, err := os.ReadFile(filepath.Join(swarm.Dir(), "ssh_config"))
	if err != nil {
		return "", err
	}
	var without bytes.Buffer
	for line := range strings.Lines(string(config)) {
		if !strings.Contains(line, "Identit") {
			without.WriteString(line)
		}
	}
	real, err := exec.LookPath("ssh")
	if err != nil {
		return "", err
	}
	bin := filepath.Join(folder, "bin")
	file := filepath.Join(bin, "ssh_config")
	wrapper := fmt.Sprintf("#!/bin/sh\nexec '%s' -F '%s' \"$@\"\n", real, file)
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return "", err
	}
	if err := os.WriteFile(file, without.Bytes(), 0o644); err != nil {
		return "", err
	}
	return bin, os.WriteFile(filepath.Join(bin, "ssh"), []byte(wrapper), 0o755)
}

// output runs a command; what it says is in the error, if there is one.
func output(command *exec.Cmd, dir string, env []string) error {
	command.Dir, command.Env = dir, env
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("%v: %w\n%s", command.Args, err, out)
	}
	return nil
}
