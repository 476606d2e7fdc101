// Package lab_test is what the playbooks must do, each as a test on three machines that it has for itself.
// Tests run in any order, and two at a time.
package lab_test

import (
	"context"
	"errors"
	"log"
	"os"
	"path/filepath"
	"testing"
	"time"

	"boardcafe/tests/cluster/machine"
	"boardcafe/tests/engine"
	"boardcafe/tests/lab"
	"boardcafe/tests/lend"
)

// cafe is a lab that site.yml has made a café of, and the test's own while it has it.
type cafe struct {
	*lab.Lab
	first  firstRun
	lent   bool // to a test before
	output *os.File
}

// firstRun is site.yml on the bare machines. It is empty for a lab that an earlier process has left.
type firstRun struct {
	lab.Recap
	took   time.Duration
	leaked string // lines of process lists that had a secret
}

// labs are where the tests get a café: two, as each leaves the processors idle for half of the time.
var labs = lend.NewPool("lab", 2, openCafe)

func TestMain(m *testing.M) { os.Exit(labs.Run(m)) }

// aCafe lends a test a café on three machines, which it has to leave as one.
func aCafe(t *testing.T) *cafe {
	t.Helper()
	return labs.Take(t)
}

// openCafe makes a café of three bare machines, or takes over the one that an earlier process has left.
func openCafe(ctx context.Context, name string) (_ *cafe, err error) {
	l, err := openLab(ctx, name)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			ctx := context.WithoutCancel(ctx)
			err = errors.Join(err, l.Collect(ctx, filepath.Join(logs(), name)), l.Close(ctx))
		}
	}()
	if errors.Join(ready(l.Manager), ready(l.Worker)) == nil {
		log.Printf("%s is a café already: left by an earlier run", name)
		return l, nil
	}
	watch := l.watchProcesses(ctx)
	begin := time.Now()
	l.first.Recap, err = l.Play(ctx, "site.yml")
	l.first.took = time.Since(begin)
	leaked, watched := watch()
	if l.first.leaked = leaked; err != nil || watched != nil {
		return nil, errors.Join(err, watched)
	}
	log.Printf("%s: site.yml on bare machines took %.0f s\n%s", name, l.first.took.Seconds(), l.first.Roles())
	return l, nil
}

// bareMachines starts a lab with nothing on its machines, which goes with the test.
func bareMachines(t *testing.T) *cafe {
	t.Helper()
	t.Parallel()
	l, err := openLab(t.Context(), "bare")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return l
}

// openLab starts three bare machines, and has the inventory and the images with which site.yml can make a
// café of them.
func openLab(ctx context.Context, name string) (*cafe, error) {
	if err := os.MkdirAll(logs(), 0o755); err != nil {
		return nil, err
	}
	output, err := os.Create(filepath.Join(logs(), name+"-ansible.log"))
	if err != nil {
		return nil, err
	}
	l, err := lab.Open(ctx, lab.Options{
		Name: name, Reuse: os.Getenv("CLUSTER_REUSE") == "1", Output: output,
		Log: func(format string, args ...any) { log.Printf(name+": "+format, args...) },
	})
	if err != nil {
		return nil, errors.Join(err, output.Close())
	}
	if err := l.PrepareCafe(ctx); err != nil {
		return nil, errors.Join(err, l.Close(context.WithoutCancel(ctx)), output.Close())
	}
	return &cafe{Lab: l, output: output}, nil
}

// asWritten makes sure that the machines are as the inventory says, for a test that counts changes: the one before
// may have left a firewall, say, of another inventory.
func (l *cafe) asWritten(t *testing.T) {
	t.Helper()
	if l.lent {
		l.play(t, "site.yml")
	}
}

func logs() string { return filepath.Join(engine.Root(), "build", "logs", "lab") }

// consoles are those of the machines and of where Ansible runs.
func (l *cafe) consoles() []*machine.Console {
	consoles := []*machine.Console{l.Control()}
	for _, m := range l.Machines() {
		consoles = append(consoles, &m.Console)
	}
	return consoles
}

// prefer gives this lab most of the processors until the test ends: what runs beside it is not to count.
func (l *cafe) prefer(t *testing.T) {
	t.Helper()
	for _, console := range l.consoles() {
		release, err := console.Prefer(t.Context())
		check(t, err)
		t.Cleanup(func() { check(t, release()) })
	}
}

// Intact says whether both machines serve the café, with every replica that it should have.
func (l *cafe) Intact(context.Context) error {
	l.lent = true
	return errors.Join(ready(l.Manager), ready(l.Worker), l.allRun())
}

// Close removes the machines.
func (l *cafe) Close(ctx context.Context) error {
	return errors.Join(l.Lab.Close(ctx), l.output.Close())
}
