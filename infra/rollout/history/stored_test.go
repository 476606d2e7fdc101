package history_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"boardcafe/infra/rollout/history"
	"boardcafe/infra/rollout/model"
	"boardcafe/infra/rollout/swarmtest"

	"github.com/docker/docker/api/types/swarm"
)

// golden is a release that rollout wrote before the stored form had types of its own. Its stack,
// testdata/stack.yml, has something in every field. Never write this file again: swarms have releases like it.
const golden = "testdata/release.json"

// recorded is a swarm whose history is one release with those data.
func recorded(t *testing.T, data []byte) (*swarmtest.Swarm, history.Release) {
	t.Helper()
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	if _, err := zip.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	s := swarmtest.New()
	about := swarm.Annotations{Name: "rollout.cafe.r1", Labels: map[string]string{
		model.LabelStack: "cafe", model.LabelRelease: "1", model.LabelReleaseStatus: "deployed",
	}}
	if _, err := s.ConfigCreate(t.Context(), swarm.ConfigSpec{Annotations: about, Data: packed.Bytes()}); err != nil {
		t.Fatal(err)
	}
	releases, err := history.History{Engine: s, Stack: "cafe"}.List(t.Context())
	if err != nil || len(releases) != 1 {
		t.Fatalf("%d releases, %v", len(releases), err)
	}
	return s, releases[0]
}

// written is what Begin writes of a content.
func written(t *testing.T, content history.Content) []byte {
	t.Helper()
	s := swarmtest.New()
	if _, err := (history.History{Engine: s, Stack: "cafe"}).Begin(t.Context(), history.Release{}, content); err != nil {
		t.Fatal(err)
	}
	configs, err := s.ConfigList(t.Context(), swarm.ConfigListOptions{})
	if err != nil || len(configs) != 1 {
		t.Fatalf("%d configs, %v", len(configs), err)
	}
	unzip, err := gzip.NewReader(bytes.NewReader(configs[0].Spec.Data))
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(unzip)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestAReleaseIsStoredAsItAlwaysWas(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	_, release := recorded(t, data)
	content, err := release.Content()
	if err != nil {
		t.Fatal(err)
	}
	t.Run("OKRead", func(t *testing.T) {
		t.Parallel()
		web, _ := content.Stack.Service("web")
		probe := model.Probe{
			Port: 80, Path: "/readyz", Status: 200, Header: "X-Release", Expect: "3f2a1b", Timeout: 9 * time.Second,
		}
		if web.Probe == nil || *web.Probe != probe || web.Drain != 5*time.Second {
			t.Errorf("got drain %s and probe %+v, want 5s and %+v", web.Drain, web.Probe, probe)
		}
		if want := []string{"db", "migrate"}; !reflect.DeepEqual(web.Needs, want) {
			t.Errorf("got needs %q, want %q", web.Needs, want)
		}
		migrate, _ := content.Stack.Service("migrate")
		if !migrate.Job || migrate.JobTimeout != 90*time.Second || content.Jobs["migrate"] == "" {
			t.Errorf("got %+v, fingerprints %q, want a job of 90s that has run", migrate.Options, content.Jobs)
		}
		if cron, _ := content.Stack.Service("cron"); !cron.KeepReplicas {
			t.Error("the replicas of cron are not kept")
		}
		if want := [][]string{{"db"}, {"migrate"}, {"cron", "web"}}; !reflect.DeepEqual(content.Stack.Waves, want) {
			t.Errorf("got waves %q, want %q", content.Stack.Waves, want)
		}
	})
	t.Run("OKWrittenByteForByte", func(t *testing.T) {
		t.Parallel()
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		again := *content
		// All objects of a release that was read are external. Here they are as in the stack file.
		again.Stack.Configs = withoutExternal(again.Stack.Configs, "theirs")
		again.Stack.Secrets = withoutExternal(again.Stack.Secrets, "token")
		if got := written(t, again); !bytes.Equal(got, want) {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	})
}

func TestTheGoldenReleaseUsesEveryField(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("OKEveryFieldIsUsed", func(t *testing.T) {
		t.Parallel()
		var fields map[string]any
		if err := json.Unmarshal(data, &fields); err != nil {
			t.Fatal(err)
		}
		stack := fields["stack"].(map[string]any)
		used := map[string]bool{}
		for _, list := range []string{"Services", "Networks", "Configs", "Secrets"} {
			for _, item := range stack[list].([]any) {
				for field, value := range item.(map[string]any) {
					used[list+"."+field] = used[list+"."+field] || value != nil && !reflect.ValueOf(value).IsZero()
				}
			}
		}
		for field, is := range used {
			if !is && field != "Configs.Driver" { // only secrets have one
				t.Errorf("nothing in the golden file has %s", field)
			}
		}
	})
}

func TestAReleaseThatCannotBeReadIsAnError(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("ErrFormat", func(t *testing.T) {
		t.Parallel()
		_, release := recorded(t, bytes.Replace(data, []byte(`"format":1`), []byte(`"format":2`), 1))
		_, err := release.Content()
		const want = "read release r1: it was written by another version of rollout (format 2, this one reads 1)"
		if err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	})
	t.Run("ErrNoJSON", func(t *testing.T) {
		t.Parallel()
		_, release := recorded(t, []byte("release"))
		if _, err := release.Content(); err == nil || !strings.HasPrefix(err.Error(), "read release r1: ") {
			t.Errorf("got %v, want what cannot be read", err)
		}
	})
}

// withoutExternal marks all objects as internal, but for the one with that key.
func withoutExternal(objects []model.Object, but string) []model.Object {
	var out []model.Object
	for _, object := range objects {
		object.External = object.Key == but
		out = append(out, object)
	}
	return out
}
