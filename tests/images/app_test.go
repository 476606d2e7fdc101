package images_test

import (
	"strings"
	"testing"
	"time"

	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/wait"

	"boardcafe/tests/engine"
)

func TestAppNamesTheVariableThatIsMissing(t *testing.T) {
	t.Parallel()
	app := start(t, testcontainers.ContainerRequest{
		Image:              engine.Image("app"),
		HostConfigModifier: confine,
		WaitingFor:         wait.ForExit().WithExitTimeout(30 * time.Second),
	})
	state, err := app.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if log := logs(t, app); state.ExitCode != 1 || strings.Count(log, "\n") != 1 ||
		!strings.Contains(log, "CAFE_DB_PASSWORD") {
		t.Errorf("exit %d, log %q; want 1 and one line that names the variable", state.ExitCode, log)
	}
}

func TestImagesAreSmallAndRunAsNobody(t *testing.T) {
	t.Parallel()
	for name, limit := range map[string]int64{"app": 20e6, "proxy": 200e6, "db": 1000e6} {
		t.Run(name, func(t *testing.T) {
			image, err := newDocker(t).ImageInspect(t.Context(), engine.Image(name))
			if err != nil {
				t.Fatal(err)
			}
			if image.Size > limit {
				t.Errorf("it has %d MB, want at most %d", image.Size/1e6, limit/1e6)
			}
			if user := image.Config.User; user == "" || strings.HasPrefix(user, "0") || strings.HasPrefix(user, "root") {
				t.Errorf("it runs as %q", user)
			}
			if image.Config.Healthcheck == nil {
				t.Error("it has no health check")
			}
		})
	}
}
