// Package rollout_test is what rollout must do, each as a test on a real swarm of three machines,
// with the real café under load: 200 requests a second, half of them reservations, over port 80 of
// every machine.
package rollout_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"boardcafe/tests/cluster"
	"boardcafe/tests/engine"
)

// The swarm and the program that all tests share.
var (
	swarm       *cluster.Swarm
	managerHost string // the manager's engine, on a local socket
	program     string // rollout
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	dir, err := os.MkdirTemp("", "rollout")
	if err != nil {
		log.Print(err)
		return 1
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "rollout")
	compile := exec.CommandContext(ctx, "go", "build", "-o", program, "./infra/cmd/rollout")
	compile.Dir = engine.Root()
	if err := output(compile); err != nil {
		log.Print(err)
		return 1
	}
	swarm, err = cluster.Start(ctx, cluster.Options{Name: "rollout", Log: log.Printf})
	if err != nil {
		log.Print(err)
		return 1
	}
	defer func() {
		if err := swarm.Close(context.Background()); err != nil {
			log.Print(err)
		}
	}()
	if err := prepare(ctx); err != nil {
		log.Print(err)
		return 1
	}
	code := m.Run()
	if code != 0 {
		swarm.Collect(context.Background(), filepath.Join(engine.Root(), "build", "logs", "rollout"))
	}
	return code
}

func prepare(ctx context.Context) (err error) {
	if managerHost, err = swarm.Manager.DockerHost(); err != nil {
		return err
	}
	if err := swarm.Reset(ctx); err != nil {
		return err
	}
	// A reused machine has the café's data still.
	for _, m := range swarm.Machines() {
		if _, err := m.Run(ctx, "docker", "volume", "rm", "--force", "cafe_db"); err != nil {
			return err
		}
	}
	if err := swarm.Label(ctx, swarm.Workers[0], "cafe.db", "true"); err != nil {
		return err
	}
	if err := loadBase(ctx); err != nil {
		return fmt.Errorf("load the café's images: %w", err)
	}
	return nil
}
