package command_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// build builds rollout as it is shipped. Signals need a process of their own. PROCESS_COVER is the folder of its
// coverage.
func build(t *testing.T) (program string) {
	t.Helper()
	program = filepath.Join(t.TempDir(), "rollout")
	args := []string{"build", "-o", program}
	if os.Getenv("PROCESS_COVER") != "" {
		args = append(args, "-cover", "-coverpkg=boardcafe/infra/...")
	}
	if out, err := exec.Command("go", append(args, "boardcafe/infra/cmd/rollout")...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}

// start starts a process, and returns it with a pipe from its standard error. Its standard output comes by the same
// pipe where stdout is nil.
func (u *user) start(t *testing.T, stdout io.Writer, line ...string) (*exec.Cmd, *os.File) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	process := exec.CommandContext(ctx, line[0], append(line[1:], "--file", u.file)...)
	process.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "GOCOVERDIR=" + os.Getenv("PROCESS_COVER")}
	for name, value := range u.env {
		process.Env = append(process.Env, name+"="+value)
	}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { read.Close() })
	process.Stdout, process.Stderr = stdout, write
	if process.Stdout == nil {
		process.Stdout = write
	}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	write.Close()
	return process, read
}

// exited waits for the process, and checks its exit code. It is -1 after an end by a signal.
func exited(t *testing.T, process *exec.Cmd, want int) {
	t.Helper()
	_ = process.Wait()
	if got := process.ProcessState.ExitCode(); got != want {
		t.Errorf("it ended with %v, want exit code %d", process.ProcessState, want)
	}
}

// signalled runs a deploy, sends it a signal while it probes, and returns what it wrote to standard error.
func (u *user) signalled(t *testing.T, signal syscall.Signal, line []string) (*exec.Cmd, string) {
	t.Helper()
	var plan bytes.Buffer
	process, errs := u.start(t, &plan, line...)
	lines := bufio.NewScanner(errs)
	var text strings.Builder
	for sent := false; lines.Scan(); {
		text.WriteString(lines.Text() + "\n")
		if !sent && strings.Contains(lines.Text(), "probing for") {
			sent = true
			if err := process.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
		}
	}
	return process, text.String()
}

func TestNothingButASignalEndsADeployHalfWay(t *testing.T) {
	program := build(t)
	t.Run("OKAReaderLeaves", func(t *testing.T) {
		for _, mode := range []string{"plain", "json", "tty"} {
			t.Run(mode, func(t *testing.T) {
				t.Parallel()
				u := newUser(t, newEngine(t))
				process, errs := u.start(t, nil, program, "deploy", "--progress", mode, "--probe", site(t, "one"), "--settle", "1s")
				if _, err := bufio.NewReader(errs).ReadString('\n'); err != nil { // `2>&1 | head -1`
					t.Fatal(err)
				}
				errs.Close()
				exited(t, process, 0)
				u.run(t, 0, "history").out("deployed")
				u.run(t, 0, "lock", "status").out("not locked")
			})
		}
	})
	t.Run("OKAReaderOfTheWatchLeaves", func(t *testing.T) {
		t.Parallel()
		u := newUser(t, newEngine(t))
		u.deploy(t, "one")
		process, out := u.start(t, nil, program, "status", "--watch")
		if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		out.Close()
		exited(t, process, 0)
	})
	for name, c := range map[string]struct {
		signal syscall.Signal
		under  []string
		code   int
	}{
		"ErrInterruptedByTERM":             {syscall.SIGTERM, nil, 130},
		"ErrInterruptedAsTheSessionIsLost": {syscall.SIGHUP, nil, 130},
		"OKUnderNohup":                     {syscall.SIGHUP, []string{"nohup"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newUser(t, newEngine(t))
			line := append(c.under, program, "deploy", "--progress", "plain", "--probe", site(t, "one"), "--settle", "3s")
			process, text := u.signalled(t, c.signal, line)
			exited(t, process, c.code)
			if c.code == 130 && !strings.Contains(text, "was interrupted; the lock is released") {
				t.Errorf("it does not say how far it came:\n%s", text)
			}
			u.run(t, 0, "lock", "status").out("not locked")
		})
	}
}
