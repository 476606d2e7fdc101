// Package rollout_test is what rollout must do, each as a test on a real swarm of three machines that it has
// for itself, with the real café under load: 200 requests a second, half of them reservations, over port 80
// of every machine. Tests run in any order, and two at a time; one of them has the load.
package rollout_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"boardcafe/tests/cluster"
	"boardcafe/tests/engine"
	"boardcafe/tests/lend"
)

// cafe is a swarm with the café on it, as soon as a test has asked for a good release of it.
type cafe struct {
	*cluster.Swarm
	host      string // the manager's engine, on a local socket
	published map[string]bool
}

var (
	cafes   = lend.NewPool("rollout", 2, open)
	program string // rollout
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "rollout")
	if err != nil {
		log.Print(err)
		return 1
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "rollout")
	compile := exec.Command("go", "build", "-o", program, "./infra/cmd/rollout")
	compile.Dir = engine.Root()
	if err := output(compile); err != nil {
		log.Print(err)
		return 1
	}
	return cafes.Run(m)
}

// aCafe lends a test a swarm. The newest release on it is good, if there is any, and has to be in the end.
func aCafe(t *testing.T) *cafe {
	t.Helper()
	return cafes.Take(t)
}

// open starts a swarm, with the images on the manager that all releases share.
func open(ctx context.Context, name string) (_ *cafe, err error) {
	swarm, err := cluster.Start(ctx, cluster.Options{Name: name, Log: log.Printf})
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, swarm.Close(context.WithoutCancel(ctx)))
		}
	}()
	s := &cafe{Swarm: swarm, published: map[string]bool{}}
	if s.host, err = s.Manager.DockerHost(); err != nil {
		return nil, err
	}
	for _, image := range []string{engine.Image("db"), engine.Image("proxy")} {
		if err := s.Manager.Load(ctx, image); err != nil {
			return nil, fmt.Errorf("load the café's images: %w (are they built? make images)", err)
		}
	}
	return s, nil
}

// Intact says whether all machines are in the swarm. [cafe.good] sees to the café.
func (s *cafe) Intact(ctx context.Context) error { return s.Ready(ctx) }
