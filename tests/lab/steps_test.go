package lab_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"boardcafe/tests/cluster/machine"
	"boardcafe/tests/engine"
	"boardcafe/tests/lab"
)

// play runs a playbook that has to end well.
func (l *cafe) play(t *testing.T, playbook string, arguments ...string) lab.Recap {
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
func (l *cafe) unchanged(t *testing.T, recap lab.Recap) {
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
	release, want := response.Header.Get("X-Release"), engine.Release()
	if response.StatusCode != http.StatusOK || release != want {
		return fmt.Errorf("%s answers %s with release %q, want 200 with %q", m.Name, response.Status, release, want)
	}
	return nil
}

// on runs a script as root at a machine's console and returns what it printed.
func on(t *testing.T, m *machine.Machine, script string, arguments ...string) string {
	t.Helper()
	out, err := m.Run(t.Context(), append([]string{"bash", "-euo", "pipefail", "-c", script, "bash"}, arguments...)...)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(out)
}
