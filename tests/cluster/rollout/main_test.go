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
	if err := loadBase(ctx); err != nil {
		return fmt.Errorf("load the café's images: %w", err)
	}
	return nil
}

// The cases of issue 4, in its order. Each begins with a café whose newest release is good and ends
// with one.
func TestRollout(t *testing.T) {
	t.Run("first deploy of the café on an empty swarm", firstDeploy)
	t.Run("the same again", sameAgain)
	t.Run("a new app image", newImage)
	t.Run("an image that never becomes healthy", neverHealthy)
	t.Run("an image that crashes after 3 s", crashes)
	t.Run("an image that is healthy but answers the probe with 500", failsProbe)
	t.Run("an image or tag that does not exist", noImage)
	t.Run("wrong registry password", wrongPassword)
	t.Run("registry down", registryDown)
	t.Run("a changed nginx setting", changedConfig)
	t.Run("a changed secret, and back", changedSecret)
	t.Run("a migration that fails", failedMigration)
	t.Run("a migration, then a release that fails", migrationThenFailure)
	t.Run("two deploys at once", twoAtOnce)
	t.Run("SIGINT during the update", interrupt)
	t.Run("SIGKILL at ten random moments, each followed by deploy again", tenKills)
	t.Run("a constraint that no machine meets", noMachineFits)
	t.Run("a one-shot service that ends with 0; one that ends with 1", oneShot)
	t.Run("a worker's machine stopped during the update", stoppedMachine)
	t.Run("a service removed from the file", removedService)
	t.Run("rollback two releases back, across a changed config", rollbackTwo)
	t.Run("someone else scales a service meanwhile", scaledMeanwhile)
	t.Run("manager reached over ssh", overSSH)
	t.Run("the broken release with docker stack deploy", stackDeploy)
	t.Run("the stack removed with docker stack rm", stackRemoved)
}
