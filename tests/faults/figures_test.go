package faults_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"

	"boardcafe/tests/await"
	"boardcafe/tests/engine"
)

// What the café weighs and how fast it is, on this machine: -v prints it. The one limit is that of
// the app's image.
func TestFigures(t *testing.T) {
	c := shared
	for _, name := range []string{"app", "db", "proxy"} {
		image, err := c.docker.ImageInspect(t.Context(), engine.Image(name))
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("image %s: %.1f MB", name, float64(image.Size)/1e6)
		if name == "app" && image.Size > 20e6 {
			t.Errorf("the app's image has %d bytes, want 20 MB at the most", image.Size)
		}
	}

	app := c.apps[1].GetContainerID()
	none := 0 // drain is measured elsewhere
	if err := c.docker.ContainerRestart(t.Context(), app,
		container.StopOptions{Signal: "KILL", Timeout: &none}); err != nil {
		t.Fatal(err)
	}
	var inspected container.InspectResponse
	await.Within(t, time.Minute, func() (err error) {
		if inspected, err = c.docker.ContainerInspect(t.Context(), app); err != nil {
			return err
		}
		return c.ping(t, 1)
	})
	started, err := time.Parse(time.RFC3339Nano, inspected.State.StartedAt)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("app: %v from the container's start to serving",
		c.serving(t, app, started).Sub(started).Round(time.Millisecond))
	t.Logf("app: %.1f MB of memory, idle", c.memory(t, app))

	const visitors, lasts = 16, 4 * time.Second
	s := c.mustSignIn(t)
	times := make([][]time.Duration, visitors)
	var all sync.WaitGroup
	end := time.Now().Add(lasts)
	for i := range times {
		all.Go(func() {
			for time.Now().Before(end) {
				start := time.Now()
				if a := s.get(t.Context(), "/"); a.status != http.StatusOK {
					t.Errorf("got %v", a)
					return
				}
				times[i] = append(times[i], time.Since(start))
			}
		})
	}
	all.Wait()
	took := slices.Concat(times...)
	slices.Sort(took)
	if len(took) == 0 {
		t.Fatal("no page was served")
	}
	t.Logf("index through nginx, 2 replicas, %d visitors, load from the same machine: %.0f requests/s, p50 %v, p99 %v",
		visitors, float64(len(took))/lasts.Seconds(), took[len(took)/2].Round(time.Millisecond),
		took[len(took)*99/100].Round(time.Millisecond))
	t.Logf("app: %.1f MB of memory after that", c.memory(t, app))
}

// ping asks a replica whether it serves.
func (c *cafe) ping(t *testing.T, replica int) error {
	response, err := http.Get(c.direct(t, replica) + "/healthz")
	if err != nil {
		return err
	}
	return response.Body.Close()
}

// serving is when the app said that it serves.
func (c *cafe) serving(t *testing.T, id string, since time.Time) time.Time {
	t.Helper()
	logs, err := c.docker.ContainerLogs(t.Context(), id,
		container.LogsOptions{ShowStderr: true, Since: since.Format(time.RFC3339Nano)})
	if err != nil {
		t.Fatal(err)
	}
	defer logs.Close()
	var text bytes.Buffer
	if _, err := stdcopy.StdCopy(io.Discard, &text, logs); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(text.String()) {
		var entry struct {
			Time time.Time
			Msg  string
		}
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == "serving" {
			return entry.Time
		}
	}
	t.Fatalf("it did not say that it serves:\n%s", text.String())
	return time.Time{}
}

// memory is what `docker stats` shows, in MB.
func (c *cafe) memory(t *testing.T, id string) float64 {
	t.Helper()
	response, err := c.docker.ContainerStatsOneShot(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var stats container.StatsResponse
	if err := json.NewDecoder(response.Body).Decode(&stats); err != nil {
		t.Fatal(err)
	}
	// The page cache is no use of the app's. Its name is that of cgroup v1 or v2.
	cache := max(stats.MemoryStats.Stats["total_inactive_file"], stats.MemoryStats.Stats["inactive_file"])
	return float64(stats.MemoryStats.Usage-cache) / 1e6
}
