// Command lab starts, or removes, three machines on this one with the café on them, provisioned by the
// playbooks that real machines get:
//
//	lab up      what `make lab` does; again, it brings the machines up to date
//	lab down    what `make lab-down` does: leaves nothing
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"boardcafe/tests/cluster/machine"
	"boardcafe/tests/engine"
	"boardcafe/tests/lab"
)

// name of the lab; not that of the tests', which can run beside it.
const name = "lab"

// labels of its own, so that the sweep before and after the tests leaves it alone.
func labels() map[string]string { return map[string]string{"boardcafe.lab": engine.Checkout()} }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	run := map[string]func(context.Context) error{"up": up, "down": down}
	if len(os.Args) != 2 || run[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: lab up|down")
		os.Exit(64)
	}
	if err := run[os.Args[1]](ctx); err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		os.Exit(1)
	}
}

func up(ctx context.Context) error {
	begin := time.Now()
	log := func(format string, args ...any) {
		fmt.Fprintf(os.Stderr, "%4.0fs  %s\n", time.Since(begin).Seconds(), fmt.Sprintf(format, args...))
	}
	l, err := lab.Open(ctx, lab.Options{Name: name, Reuse: true, Labels: labels(), Log: log, Output: os.Stdout})
	if err != nil {
		return err
	}
	defer l.Close(context.WithoutCancel(ctx))
	if err := l.PrepareCafe(ctx); err != nil {
		return err
	}
	log("ansible-playbook site.yml, as on real machines: some minutes the first time")
	if _, err := l.Play(ctx, "site.yml"); err != nil {
		return err
	}
	password, err := l.Password()
	if err != nil {
		return err
	}
	log("the café is open")
	for _, m := range []*machine.Machine{l.Manager, l.Worker} {
		fmt.Printf("%-8s  http://%s\n", m.Name, m.Port(80))
	}
	fmt.Printf("sign in as %s with the password %s\n", lab.Staff, password)
	for _, m := range l.Machines() {
		fmt.Printf("%-8s  ssh -F %s %s\n", m.Name, filepath.Join(l.Dir(), "ssh_config"), m.Name)
	}
	fmt.Println("remove it: make lab-down")
	return nil
}

func down(ctx context.Context) error {
	return machine.Remove(ctx, machine.Options{Name: name, Labels: labels()})
}
