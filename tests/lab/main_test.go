// Package lab_test is what the playbooks must do, each as a test on one lab that all of them share:
// three bare machines that site.yml makes a café of. Every test can run alone (-run), and brings the
// machines there first where no other has.
package lab_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"boardcafe/tests/cluster/machine"
	"boardcafe/tests/engine"
	"boardcafe/tests/lab"
)

// l is the lab of all tests.
var l *lab.Lab

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	logs := filepath.Join(engine.Root(), "build", "logs", "lab")
	if err := os.MkdirAll(logs, 0o755); err != nil {
		log.Print(err)
		return 1
	}
	output, err := os.Create(filepath.Join(logs, "ansible.log"))
	if err != nil {
		log.Print(err)
		return 1
	}
	defer output.Close()
	l, err = lab.Open(ctx, lab.Options{Name: "labtest", Reuse: os.Getenv("CLUSTER_REUSE") == "1", Log: log.Printf, Output: output})
	if err != nil {
		log.Print(err)
		return 1
	}
	defer func() {
		if err := l.Close(context.Background()); err != nil {
			log.Print(err)
		}
	}()
	if err := l.PrepareCafe(ctx); err != nil {
		log.Print(err)
		return 1
	}
	code := m.Run()
	if code != 0 {
		l.Collect(context.Background(), logs)
		log.Printf("what Ansible printed and the machines logged is in %s", logs)
	}
	return code
}

// firstRun is site.yml on the bare machines.
type firstRun struct {
	lab.Recap
	took   time.Duration
	leaked string // lines of process lists that had a secret
	err    error
}

var provision = sync.OnceValue(func() firstRun {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute)
	defer cancel()
	if ready(l.Manager) == nil && ready(l.Worker) == nil {
		log.Print("the machines are a café already: left by an earlier run")
		return firstRun{}
	}
	watch := watchProcesses(ctx)
	begin := time.Now()
	recap, err := l.Play(ctx, "site.yml")
	took := time.Since(begin)
	leaked, watched := watch()
	if err == nil {
		err = watched
	}
	log.Printf("site.yml on bare machines took %.0f s\n%s", took.Seconds(), recap.Roles())
	return firstRun{recap, took, leaked, err}
})

// provisioned makes sure that the machines are a café.
func provisioned(t *testing.T) firstRun {
	t.Helper()
	run := provision()
	if run.err != nil {
		t.Fatal(run.err)
	}
	return run
}

// bare skips a test that needs machines with nothing on them, when an earlier run has left others.
func bare(t *testing.T) {
	t.Helper()
	for _, m := range l.Machines() {
		if _, err := m.Run(t.Context(), "test", "!", "-e", "/usr/bin/dockerd"); err != nil {
			t.Skip("the machines are not bare any more: make sweep")
		}
	}
}

// play runs a playbook that has to end well.
func play(t *testing.T, playbook string, arguments ...string) lab.Recap {
	t.Helper()
	begin := time.Now()
	recap, err := l.Play(t.Context(), playbook, arguments...)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s took %.0f s", strings.Join(append([]string{playbook}, arguments...), " "), time.Since(begin).Seconds())
	return recap
}

// unchanged fails the test when a task changed something.
func unchanged(t *testing.T, recap lab.Recap) {
	t.Helper()
	if got := len(recap.Hosts); got != len(l.Machines()) {
		t.Errorf("the recap has %d machines, want %d", got, len(l.Machines()))
	}
	for name, count := range recap.Hosts {
		if count.Changed != 0 {
			t.Errorf("%s: changed=%d, want 0", name, count.Changed)
		}
	}
	if changed := recap.ChangedTasks(); len(changed) > 0 {
		t.Errorf("changed:\n%s", strings.Join(changed, "\n"))
	}
}

// wantChanged compares the tasks that changed something with those that had to.
func wantChanged(t *testing.T, recap lab.Recap, want ...string) {
	t.Helper()
	got := recap.ChangedTasks()
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("changed\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// ready asks a machine's port 80 for the café of this checkout.
func ready(m *machine.Machine) error {
	client := http.Client{Timeout: 5 * time.Second}
	response, err := client.Get("http://" + m.Port(80) + "/readyz")
	if err != nil {
		return err
	}
	defer response.Body.Close()
	io.Copy(io.Discard, response.Body)
	if release := response.Header.Get("X-Release"); response.StatusCode != http.StatusOK || release != engine.Release() {
		return fmt.Errorf("%s answers %s with release %q, want 200 with %q", m.Name, response.Status, release, engine.Release())
	}
	return nil
}

// eventually waits for something that comes by itself.
func eventually(t *testing.T, atMost time.Duration, check func() error) {
	t.Helper()
	for deadline := time.Now().Add(atMost); ; time.Sleep(500 * time.Millisecond) {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %s: %v", atMost, err)
		}
	}
}

func on(t *testing.T, m *machine.Machine, script string, arguments ...string) string {
	t.Helper()
	out, err := m.Run(t.Context(), append([]string{"bash", "-euo", "pipefail", "-c", script, "bash"}, arguments...)...)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(out)
}
