// Package lab is three bare machines and Ansible to provision them: what somebody has who has just
// ordered three VMs, and what `make lab` starts.
//
//	lab, err := lab.Open(ctx, lab.Options{Name: "provision", Log: t.Logf})
//	defer lab.Close(ctx)
//	recap, err := lab.Play(ctx, "site.yml")
//
// Ansible runs in a container of the toolbox image, on the machines' network, with the playbooks of
// this checkout: the same that real machines get. Only the inventory differs.
package lab

import (
	"context"
	"errors"
	"io"

	"golang.org/x/sync/errgroup"

	"boardcafe/tests/cluster/machine"
	"boardcafe/tests/engine"
)

// Options of a [Lab].
type Options struct {
	// Name keeps labs apart that exist at the same time.
	Name string
	// Reuse takes over the lab that an earlier run left, and leaves it in turn.
	Reuse bool
	// Labels are put on everything; [engine.Labels] when nil.
	Labels map[string]string
	// Log receives the progress; Output what Ansible prints, while it does.
	Log    func(format string, args ...any)
	Output io.Writer
}

// Lab is the machines, and the inventory that describes them.
type Lab struct {
	*machine.Site
	Manager, Worker, Jenkins *machine.Machine

	// Inventory is what Play tells Ansible of the machines; tests change it.
	Inventory Inventory

	control *machine.Service // where Ansible runs
	output  io.Writer
}

// Open starts the machines `manager`, `worker` and `ci`, and describes them in an inventory.
func Open(ctx context.Context, options Options) (_ *Lab, err error) {
	if options.Output == nil {
		options.Output = io.Discard
	}
	site, err := machine.Open(ctx, machine.Options{
		Name: options.Name, Reuse: options.Reuse, Labels: options.Labels, Log: options.Log,
	})
	if err != nil {
		return nil, err
	}
	l := &Lab{Site: site, output: options.Output}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.Close(context.WithoutCancel(ctx)))
		}
	}()

	var starting errgroup.Group
	starting.Go(func() error { return l.startControl(ctx) })
	for _, start := range []struct {
		name string
		m    **machine.Machine
	}{{"manager", &l.Manager}, {"worker", &l.Worker}, {"ci", &l.Jenkins}} {
		if *start.m, err = l.StartBare(ctx, start.name); err != nil {
			return nil, errors.Join(err, starting.Wait())
		}
	}
	if err := starting.Wait(); err != nil {
		return nil, err
	}
	l.Inventory = l.newInventory()
	return l, nil
}

// StartBare starts one more machine with nothing on it.
func (l *Lab) StartBare(ctx context.Context, name string) (*machine.Machine, error) {
	return l.Start(ctx, machine.Spec{Name: name, Kind: machine.Bare, Ports: []int{80, 443}})
}

// Control is where Ansible runs.
func (l *Lab) Control() *machine.Console { return &l.control.Console }

// startControl starts the container that Ansible runs in; `make toolbox` has built its image.
func (l *Lab) startControl(ctx context.Context) (err error) {
	l.control, err = l.Serve(ctx, machine.ServiceSpec{
		Name: "control", Image: engine.Toolbox(), Cmd: []string{"sleep", "infinity"},
	})
	return err
}
