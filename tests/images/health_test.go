package images_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"boardcafe/tests/engine"
)

// Compose takes the checks from the images, a swarm from the stack file, which has the reasons.
func TestTheImagesHaveTheChecksOfTheStack(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile(filepath.Join(engine.Root(), "docker-stack.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var stack struct {
		Services map[string]struct {
			Healthcheck struct {
				Test              []string
				Interval, Timeout time.Duration
				StartPeriod       time.Duration `yaml:"start_period"`
				Retries           int
			}
		}
	}
	if err := yaml.Unmarshal(content, &stack); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"app", "proxy"} { // db: its Dockerfile says what differs
		image, err := newDocker(t).ImageInspect(t.Context(), engine.Image(name))
		if err != nil {
			t.Fatal(err)
		}
		got, want := image.Config.Healthcheck, stack.Services[name].Healthcheck
		if !slices.Equal(got.Test, want.Test) || got.Interval != want.Interval || got.Timeout != want.Timeout ||
			got.StartPeriod != want.StartPeriod || got.Retries != want.Retries {
			t.Errorf("%s: the image has %+v, the stack file %+v", name, *got, want)
		}
	}
}

// resting is how `timeout` ends who is still there.
const resting = "124"

// A check that only rests is no load, and no reason to end the server.
func TestDBIsNotEndedForBeingSlow(t *testing.T) {
	t.Parallel()
	db := start(t, database(t, newVolume(t), passwords))
	// A server that answers nobody: no slowness is worse. Frozen is the server alone, as no signal stops a
	// container's first process from inside.
	if err := newDocker(t).ContainerKill(t.Context(), db.GetContainerID(), "STOP"); err != nil {
		t.Fatal(err)
	}
	if got := run(t, db, "bash", "-c", "timeout 5 healthy; echo $?"); got != resting {
		t.Errorf("the check ended with %s, want it to rest", got)
	}
}

func TestProxyIsCheckedOnceAMinute(t *testing.T) {
	t.Parallel()
	c, _ := proxy(t, newNetwork(t))
	if got := run(t, c, "bash", "-c", "timeout 2 healthy; echo $?"); got != resting {
		t.Errorf("the check after the first ended with %s, want it to rest", got)
	}
}
