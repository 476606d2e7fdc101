// Package rollout_test measures rollout on a swarm of three machines that are containers; `make bench`
// runs it. It prints figures and fails on none of them.
package rollout_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"boardcafe/tests/cluster"
	"boardcafe/tests/engine"
)

// release names the images that are deployed: it is what the app in them answers with.
var release = engine.Release()

// bench is the swarm, and the programs that change it.
type bench struct {
	*cluster.Swarm
	b       *testing.B
	program string
	host    string // the manager's engine, on a local socket
}

// BenchmarkRollout has one swarm for all that it measures.
func BenchmarkRollout(b *testing.B) {
	s := start(b)
	s.deployCafe()
	cafe := []string{"--file", filepath.Join(engine.Root(), "docker-stack.yml")}
	b.Run("plan-of-the-cafe", func(b *testing.B) {
		s.measure(b, "1.0", func() used { return s.rollout(b, release, 0, append([]string{"plan"}, cafe...)...) })
	})
	b.Run("deploy-without-changes", func(b *testing.B) {
		s.measure(b, "2.0", func() used { return s.rollout(b, release, 0, append([]string{"deploy"}, cafe...)...) })
	})
	b.Run("update-of-one-service", func(b *testing.B) { s.compare(b) })
}

func start(b *testing.B) *bench {
	b.Helper()
	ctx := context.WithoutCancel(b.Context())
	program := filepath.Join(b.TempDir(), "rollout")
	compile := exec.CommandContext(ctx, "go", "build", "-o", program, "./infra/cmd/rollout")
	compile.Dir = engine.Root()
	if out, err := compile.CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	swarm, err := cluster.Start(ctx, cluster.Options{Name: "bench", Log: b.Logf})
	must(b, err)
	b.Cleanup(func() {
		if err := swarm.Close(ctx); err != nil {
			b.Error(err)
		}
	})
	must(b, swarm.Reset(ctx)) // machines of an earlier run
	host, err := swarm.Manager.DockerHost()
	must(b, err)
	return &bench{Swarm: swarm, b: b, program: program, host: host}
}

// deployCafe brings the café in, with secrets of its own.
func (s *bench) deployCafe() {
	s.b.Helper()
	ctx := s.b.Context()
	for _, m := range s.Machines() {
		_, err := m.Run(ctx, "docker", "volume", "rm", "--force", "cafe_db") // of an earlier run
		must(s.b, err)
	}
	must(s.b, s.Label(ctx, s.Workers[0], "cafe.db", "true"))
	for _, name := range []string{"app", "db", "proxy"} {
		_, err := s.Push(ctx, engine.Image(name), name+":"+release)
		must(s.b, err)
	}
	file := filepath.Join(engine.Root(), "docker-stack.yml")
	hash, err := bcrypt.GenerateFromPassword([]byte(random()), bcrypt.MinCost)
	must(s.b, err)
	for name, value := range map[string]string{
		"db_password": random(), "migrate_password": random(), "session_key": random(), "staff": "anna:" + string(hash),
	} {
		cmd := s.command(s.program, "secret", "set", name, "--file", file, "--host", s.host)
		cmd.Stdin = strings.NewReader(value)
		if out, err := cmd.CombinedOutput(); err != nil {
			s.b.Fatalf("secret set %s: %v\n%s", name, err, out)
		}
	}
	args := []string{"deploy", "--file", file, "--settle", "1s", "--timeout", "5m"}
	for _, m := range s.Machines() {
		args = append(args, "--probe", "http://"+m.Port(80))
	}
	first := s.rollout(s.b, release, 0, args...)
	s.b.Logf("the first deploy of the café took %.0f s", first.seconds)
}

// used is what one run of a program took.
type used struct{ seconds, megabytes float64 }

// rollout runs it over the manager's local socket.
func (s *bench) rollout(b *testing.B, release string, code int, args ...string) used {
	b.Helper()
	cmd := s.command(s.program, append(args, "--host", s.host, "--progress", "plain")...)
	cmd.Env = append(cmd.Env, "RELEASE="+release)
	return run(b, cmd, code)
}

func (s *bench) command(name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(s.b.Context(), name, args...)
	cmd.Env = append(s.Env(), "REGISTRY="+cluster.RegistryAddress, "APP_REPLICAS=2")
	return cmd
}

func run(b *testing.B, cmd *exec.Cmd, code int) used {
	b.Helper()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	begin := time.Now()
	err := cmd.Run()
	took := time.Since(begin)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || cmd.ProcessState.ExitCode() != code {
		b.Fatalf("%v: %v, want exit code %d\n%s", cmd.Args, err, code, &out)
	}
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		b.Fatal("this system does not tell what a process used")
	}
	return used{seconds: took.Seconds(), megabytes: float64(usage.Maxrss) / 1024} // Linux counts in KiB
}

// measure runs something again and again and reports the median time and the peak of memory.
func (s *bench) measure(b *testing.B, target string, once func() used) {
	var all []used
	for b.Loop() {
		all = append(all, once())
	}
	b.ReportMetric(0, "ns/op") // the mean; one slow run in it says nothing
	b.ReportMetric(median(all), "s-median")
	b.ReportMetric(peak(all), "MB-peak")
	b.Logf("target: at most %s s; %d runs: %.2f s", target, len(all), seconds(all))
}

// updated is a service that does nothing and stops at once: what is left is the tools' own time.
const updated = `version: "3.13"
x-rollout: {stack: bench, release: "${VALUE}"}
services:
  idle:
    image: ${REGISTRY}/proxy:${RELEASE}
    entrypoint: [sleep, infinity]
    stop_signal: SIGKILL
    healthcheck: {disable: true}
    environment: {VALUE: "${VALUE}"}
    deploy:
      endpoint_mode: dnsrr
      replicas: 2
      update_config: {monitor: 1s}
`

// compare makes the same change, in turns, by rollout and by docker: a variable of one service, which
// restarts its two tasks one after the other.
func (s *bench) compare(b *testing.B) {
	file := filepath.Join(b.TempDir(), "stack.yml")
	must(b, os.WriteFile(file, []byte(updated), 0o600))
	deploy := func(value string) used {
		cmd := s.command(s.program, "deploy", "--file", file, "--host", s.host, "--progress", "plain")
		cmd.Env = append(cmd.Env, "RELEASE="+release, "VALUE="+value)
		return run(b, cmd, 0)
	}
	deploy("first")
	var byRollout, byDocker []used
	for i := 0; b.Loop(); i++ {
		byRollout = append(byRollout, deploy(fmt.Sprint("rollout", i)))
		byDocker = append(byDocker, run(b,
			s.command("docker", "--host", s.host, "service", "update", "--quiet", "--detach=false",
				"--env-add", fmt.Sprint("VALUE=docker", i), "bench_idle"), 0))
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(byRollout), "rollout-s-median")
	b.ReportMetric(median(byDocker), "docker-s-median")
	b.ReportMetric(median(byRollout)/median(byDocker), "rollout/docker")
	b.ReportMetric(peak(byRollout), "MB-peak")
	b.Logf("rollout: %.2f s, docker service update: %.2f s", seconds(byRollout), seconds(byDocker))
}

func seconds(all []used) []float64 {
	var out []float64
	for _, u := range all {
		out = append(out, u.seconds)
	}
	slices.Sort(out)
	return out
}

func median(all []used) float64 { return seconds(all)[len(all)/2] }

func peak(all []used) float64 {
	most := 0.0
	for _, u := range all {
		most = max(most, u.megabytes)
	}
	return most
}

func random() string {
	raw := make([]byte, 24)
	rand.Read(raw)
	return hex.EncodeToString(raw)
}

func must(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}
