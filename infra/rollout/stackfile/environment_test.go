package stackfile_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"boardcafe/infra/rollout/model"
	"boardcafe/infra/rollout/stackfile"
)

// Whatever `docker stack deploy` takes from the shell, a rollout takes as well. A value that is lost on the way
// is lost in production, and nobody is told.
var shell = stackfile.Environment{
	"API_TOKEN": "t0k$n", "EMPTY": "", "SMTP_PASSWORD": "s3cret", "HOME": "/home/mia",
}

// web is a stack whose one service has those lines.
func web(t *testing.T, lines string) *model.Stack {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "s.yml")
	for name, text := range map[string]string{
		"s.yml":   "version: \"3.9\"\nservices:\n  web:\n    image: a\n" + lines,
		"app.env": "FILE=1\nSMTP_PASSWORD\nUNSET\nEMPTY_HERE=\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	loaded, err := stackfile.Load([]string{file}, "cafe", shell)
	if err != nil {
		t.Fatal(err)
	}
	out, err := loaded.Stack(versions())
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestTheEnvironmentReachesTheServices(t *testing.T) {
	t.Parallel()
	const both = "    env_file: [app.env]\n    environment: [SMTP_PASSWORD=x]\n"
	for name, c := range map[string]struct {
		service string
		want    []string
	}{
		"OKList":           {"    environment: [API_TOKEN, A=1]\n", []string{"A=1", "API_TOKEN=t0k$n"}},
		"OKMap":            {"    environment: {API_TOKEN: , A: 1}\n", []string{"A=1", "API_TOKEN=t0k$n"}},
		"OKSetButEmpty":    {"    environment: [EMPTY]\n", []string{"EMPTY="}},
		"OKEmptyInTheFile": {"    environment: [API_TOKEN=]\n", []string{"API_TOKEN=t0k$n"}}, // as docker/cli has it
		"OKUnset":          {"    environment: [NOWHERE]\n", []string{"NOWHERE"}},
		"OKEnvFile":        {"    env_file: app.env\n", []string{"EMPTY_HERE=", "FILE=1", "SMTP_PASSWORD=s3cret"}},
		"OKBoth":           {both, []string{"EMPTY_HERE=", "FILE=1", "SMTP_PASSWORD=x"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := web(t, c.service).Services[0].Spec.TaskTemplate.ContainerSpec.Env
			if !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	t.Run("OKWhatIsUnsetIsWarnedOf", func(t *testing.T) {
		t.Parallel()
		var got []string
		for _, w := range web(t, "    env_file: app.env\n    environment: [NOWHERE, API_TOKEN]\n").Warnings {
			name, ok := strings.CutSuffix(w.Text, " is not set where rollout runs: containers do not get it")
			if ok {
				got = append(got, w.Service+" "+name)
			}
		}
		want := []string{"web environment variable NOWHERE", "web environment variable UNSET"}
		if !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestATildeStandsForHome(t *testing.T) {
	t.Parallel()
	for name, volume := range map[string]string{
		"Home": `"~/x:/y"`, "HomeLong": "{type: bind, source: ~/x, target: /y}",
	} {
		lines := "    volumes: [" + volume + "]\n"
		t.Run("OK"+name, func(t *testing.T) {
			t.Parallel()
			got := web(t, lines).Services[0].Spec.TaskTemplate.ContainerSpec.Mounts[0].Source
			if got != "/home/mia/x" {
				t.Errorf("got %s, want /home/mia/x", got)
			}
		})
		t.Run("Err"+name, func(t *testing.T) {
			t.Parallel()
			text := "services:\n  web:\n    image: a\n" + lines
			_, err := stackfile.Parse("s.yml", []byte(text), "cafe", stackfile.Environment{})
			if err == nil || !strings.Contains(err.Error(), "s.yml:4: services.web.volumes.0") ||
				!strings.Contains(err.Error(), "HOME") {
				t.Errorf("got %v, want the line and HOME", err)
			}
		})
	}
}
