// Package pipeline runs the Jenkinsfile without Jenkins. A runner in Groovy, the language and the
// version of Jenkins, reads it and decides what comes when (runner/runner.groovy, in the toolbox);
// what a step then does is up to a [World]: one that answers from a table, or one that does it.
package pipeline

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"

	"boardcafe/tests/engine"
)

//go:embed runner
var source embed.FS

// Build is a run of a Jenkinsfile.
type Build struct {
	Jenkinsfile string
	// Env is what Jenkins itself sets: BRANCH_NAME, CHANGE_ID, WORKSPACE_TMP …
	Env map[string]string
}

// Step is what the Jenkinsfile wants done, and what may be seen meanwhile.
type Step struct {
	Name        string            `json:"step"`
	Args        map[string]any    `json:"args"`
	Stage       string            `json:"stage"` // none: the pipeline's own post
	Post        string            `json:"post"`  // the condition; none: the stage's own steps
	Env         map[string]string `json:"env"`
	Credentials map[string]string `json:"credentials"` // variable → id
	Timeout     int               `json:"timeoutSeconds"`
}

// Text is an argument that is one.
func (s Step) Text(name string) string {
	text, _ := s.Args[name].(string)
	return text
}

// World does steps. An error fails the step; [ErrAborted] ends the build.
type World interface {
	Do(ctx context.Context, step Step) (value any, err error)
}

// ErrAborted is what a [World] returns when somebody stops the build.
var ErrAborted = errors.New("aborted")

// StageState is how a stage ended.
type StageState struct {
	Name  string `json:"stage"`
	State string `json:"state"` // passed, skipped, failure, unstable, aborted
	Why   string `json:"why"`   // it was skipped
	Took  time.Duration
}

// Report is what a build did.
type Report struct {
	Result      string // SUCCESS, UNSTABLE, FAILURE, ABORTED
	Stages      []StageState
	Steps       []Step
	Description string         // of the build, on its page
	Options     map[string]any // of the pipeline
}

// FaultError is a mistake in a Jenkinsfile, with its line.
type FaultError struct{ Message string }

func (e *FaultError) Error() string { return e.Message }

// Runner is the runner's process, in a container of the toolbox. One at a time may run a build.
type Runner struct {
	command *exec.Cmd
	stdin   io.WriteCloser
	stdout  *bufio.Scanner
	stderr  bytes.Buffer
}

// Start starts the runner. The context ends it.
func Start(ctx context.Context) (*Runner, error) {
	r := &Runner{command: groovy(ctx, "runner.groovy")}
	r.command.Stderr = &r.stderr
	files, err := archive()
	if err != nil {
		return nil, err
	}
	if r.stdin, err = r.command.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := r.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	r.stdout = bufio.NewScanner(stdout)
	r.stdout.Buffer(nil, 1<<20)
	if err := r.command.Start(); err != nil {
		return nil, fmt.Errorf("start the runner in %s (`make toolbox` builds it): %w", engine.Toolbox(), err)
	}
	_, err = io.WriteString(r.stdin, files)
	return r, err
}

// Jobs reads a Job DSL script and returns the words in it, in JSON. The names are what Jenkins gives it.
func Jobs(ctx context.Context, script string, names ...string) ([]byte, error) {
	command := groovy(ctx, "jobdsl.groovy", names...)
	files, err := archive()
	if err != nil {
		return nil, err
	}
	command.Stdin = strings.NewReader(files + script)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	words, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, strings.TrimSpace(stderr.String()))
	}
	return words, nil
}

// groovy runs one of the scripts in the toolbox. The first line of its input must be the [archive]: the
// files are sent, not mounted, as the engine may run on another machine.
func groovy(ctx context.Context, script string, args ...string) *exec.Cmd {
	run := []string{"run", "--rm", "--interactive", "--network", "none", "--read-only",
		"--tmpfs", "/tmp", "--cap-drop", "ALL"}
	for name, value := range engine.Labels() {
		run = append(run, "--label", name+"="+value)
	}
	run = append(run, engine.Toolbox(), "bash", "-euc",
		`read -r files; base64 -d <<<"$files" | tar --extract --gzip; exec groovy -Dfile.encoding=UTF-8 "$@"`, "bash",
		"runner/"+script)
	return exec.CommandContext(ctx, "docker", append(run, args...)...)
}

// archive is the scripts, as one line.
func archive() (string, error) {
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	files := tar.NewWriter(zip)
	if err := files.AddFS(source); err != nil {
		return "", err
	}
	if err := errors.Join(files.Close(), zip.Close()); err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(packed.Bytes()) + "\n", nil
}

// Close ends the runner.
func (r *Runner) Close() error {
	r.stdin.Close()
	return r.command.Wait()
}

// message is one line of the runner's.
type message struct {
	Step
	State       string         `json:"state"`
	Why         string         `json:"why"`
	Description *string        `json:"description"`
	Options     map[string]any `json:"options"`
	End         string         `json:"end"`
	Fault       string         `json:"fault"`
}

// Run runs a build. A mistake in the Jenkinsfile is a [FaultError]; a build that fails is no error.
func (r *Runner) Run(ctx context.Context, b Build, world World) (Report, error) {
	var report Report
	if err := r.send(map[string]any{"jenkinsfile": b.Jenkinsfile, "env": b.Env}); err != nil {
		return report, err
	}
	begun := map[string]time.Time{}
	for {
		m, err := r.receive()
		if err != nil {
			return report, err
		}
		switch {
		case m.Fault != "":
			return report, &FaultError{m.Fault}
		case m.End != "":
			report.Result = m.End
			return report, nil
		case m.Options != nil:
			report.Options = m.Options
		case m.Description != nil:
			report.Description = *m.Description
		case m.State == "started":
			begun[m.Stage] = time.Now()
		case m.State != "":
			state := StageState{Name: m.Stage, State: m.State, Why: m.Why}
			if at, ok := begun[m.Stage]; ok {
				state.Took = time.Since(at)
			}
			report.Stages = append(report.Stages, state)
		default:
			report.Steps = append(report.Steps, m.Step)
			if err := r.send(answer(ctx, world, m.Step)); err != nil {
				return report, err
			}
		}
	}
}

func answer(ctx context.Context, world World, step Step) map[string]any {
	if step.Timeout > 0 {
		var cancel func()
		ctx, cancel = context.WithTimeout(ctx, time.Duration(step.Timeout)*time.Second)
		defer cancel()
	}
	value, err := world.Do(ctx, step)
	switch {
	case errors.Is(err, ErrAborted), ctx.Err() != nil:
		return map[string]any{"aborted": true}
	case err != nil:
		return map[string]any{"failed": err.Error()}
	}
	return map[string]any{"value": value}
}

func (r *Runner) send(what any) error {
	line, err := json.Marshal(what)
	if err != nil {
		return err
	}
	if _, err = fmt.Fprintf(r.stdin, "%s\n", line); err != nil {
		return r.ended(err)
	}
	return nil
}

func (r *Runner) receive() (m message, err error) {
	if !r.stdout.Scan() {
		return m, r.ended(errors.Join(io.ErrUnexpectedEOF, r.stdout.Err()))
	}
	if err := json.Unmarshal(r.stdout.Bytes(), &m); err != nil {
		return m, fmt.Errorf("the runner said %q: %w", r.stdout.Text(), err)
	}
	return m, nil
}

// ended tells why the runner is gone: what it wrote last.
func (r *Runner) ended(err error) error {
	_ = r.command.Wait() // its exit code says less than what it wrote
	return fmt.Errorf("the runner has ended (%w): %s", err, strings.TrimSpace(r.stderr.String()))
}
