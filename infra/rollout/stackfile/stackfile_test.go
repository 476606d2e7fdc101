package stackfile_test

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"boardcafe/infra/rollout/model"
	"boardcafe/infra/rollout/stackfile"
)

// folder makes a directory with the files that the stack files of these tests refer to.
func folder(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for name, size := range map[string]int{"app.conf": 10, "password": 8, "empty": 0, "big": 2 << 20} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.Repeat("x", size)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

var testEnvironment = stackfile.Environment{"TAG": "v7", "EMPTY": "", "PORT": "8080"}

func versions() stackfile.Versions {
	return stackfile.Versions{Key: []byte("a key of the swarm"), Secrets: map[string]string{"shared": "shared_3"}}
}

func mustStack(t testing.TB, text string, v stackfile.Versions) *model.Stack {
	t.Helper()
	file, err := stackfile.Parse(filepath.Join(folder(t), "s.yml"), []byte(text), "cafe", testEnvironment)
	if err != nil {
		t.Fatalf("parse: %v", err)
	}
	out, err := file.Stack(v)
	if err != nil {
		t.Fatalf("stack: %v", err)
	}
	return out
}

const whole = `name: ignored
x-rollout:
  stack: cafe
  release: ${TAG}
services:
  app:
    image: registry.example/app:${TAG}
    depends_on:
      db: {condition: service_healthy}
      migrate: {condition: service_completed_successfully}
    environment:
      PRICE: 5$$
      OTHER: ${NOTHING:-default}
    networks: [inner, outer]
    configs: [{source: conf, target: /etc/app.conf}]
    secrets: [password, shared]
    ports: [{target: 80, published: "8080"}]
    stop_grace_period: 20s
    healthcheck: {test: [CMD, "true"]}
    deploy:
      replicas: 2
      update_config: {order: start-first}
    x-rollout:
      replicas: keep
      drain: 5s
      probe: {path: /readyz, status: 200, header: X-Release, expect: "${TAG}", timeout: 9s}
  db:
    image: mysql:8.4
    networks: [inner]
    volumes: ["data:/var/lib/mysql"]
    healthcheck: {test: [CMD, "true"]}
  migrate:
    image: registry.example/app:${TAG}
    command: [migrate]
    depends_on: [db, db]
    networks: [inner]
    x-rollout: {job: true, timeout: 90s}
networks:
  inner: {}
  outer: {external: true, name: edge}
volumes:
  data: {}
configs:
  conf: {file: ./app.conf, template_driver: golang, labels: {team: café}}
  theirs: {external: true}
secrets:
  password: {file: ./password}
  shared: {external: true, name: shared}
  vault: {driver: vault, driver_opts: {path: p}}
`

func TestAWholeFileBecomesAStack(t *testing.T) {
	t.Parallel()
	got := mustStack(t, whole, versions())
	t.Run("OKNames", func(t *testing.T) {
		if got.Name != "cafe" || got.Release != "v7" {
			t.Errorf("got %s %s, want cafe v7", got.Name, got.Release)
		}
		var names []string
		for _, s := range got.Services {
			names = append(names, s.Name+"="+s.Spec.Name)
		}
		if want := []string{"app=cafe_app", "db=cafe_db", "migrate=cafe_migrate"}; !slices.Equal(names, want) {
			t.Errorf("got services %v, want %v", names, want)
		}
	})
	t.Run("OKWavesPutTheJobAndItsNeedsFirst", func(t *testing.T) {
		if want := [][]string{{"db"}, {"migrate"}, {"app"}}; !reflect.DeepEqual(got.Waves, want) {
			t.Errorf("got %v, want %v", got.Waves, want)
		}
	})
	t.Run("OKOptions", func(t *testing.T) {
		app, ok := got.Service("app")
		want := model.Options{JobTimeout: 5 * time.Minute, KeepReplicas: true, Drain: 5 * time.Second, Probe: &model.Probe{
			Port: 8080, Path: "/readyz", Status: 200, Header: "X-Release", Expect: "v7", Timeout: 9 * time.Second,
		}}
		if !ok || !reflect.DeepEqual(app.Options, want) {
			t.Errorf("got %+v, want %+v", app.Options, want)
		}
		if want := []string{"db", "migrate"}; !slices.Equal(app.Needs, want) {
			t.Errorf("got needs %v, want %v", app.Needs, want)
		}
		job, _ := got.Service("migrate")
		if !job.Job || job.JobTimeout != 90*time.Second || !slices.Equal(job.Needs, []string{"db"}) {
			t.Errorf("got %+v needs %v, want a job of 90s that needs db", job.Options, job.Needs)
		}
	})
	t.Run("ErrNoSuchService", func(t *testing.T) {
		if _, ok := got.Service("none"); ok {
			t.Error("found a service that is not there")
		}
	})
}

func TestAStackHasTheVersionsOfItsObjects(t *testing.T) {
	t.Parallel()
	got := mustStack(t, whole, versions())
	t.Run("OKSpec", func(t *testing.T) {
		app, _ := got.Service("app")
		container := app.Spec.TaskTemplate.ContainerSpec
		if container.Image != "registry.example/app:v7" || *app.Spec.Mode.Replicated.Replicas != 2 {
			t.Errorf("got %s × %d", container.Image, *app.Spec.Mode.Replicated.Replicas)
		}
		env := slices.Sorted(slices.Values(container.Env))
		if want := []string{"OTHER=default", "PRICE=5$"}; !slices.Equal(env, want) {
			t.Errorf("got environment %v, want %v", env, want)
		}
		if len(container.Configs) != 1 || container.Configs[0].ConfigName != got.Configs[0].Name {
			t.Errorf("the config's reference does not carry its version: %+v", container.Configs)
		}
		var secrets []string
		for _, ref := range container.Secrets {
			secrets = append(secrets, ref.SecretName)
		}
		slices.Sort(secrets)
		want := []string{model.SecretName("cafe", "password", []byte("xxxxxxxx"), versions().Key), "shared_3"}
		if !slices.Equal(secrets, want) {
			t.Errorf("got secrets %v, want %v", secrets, want)
		}
	})
	t.Run("OKObjects", func(t *testing.T) {
		conf := got.Configs[0]
		if conf.Key != "conf" || !strings.HasPrefix(conf.Name, "cafe_conf_") ||
			string(conf.Data) != "xxxxxxxxxx" || conf.Templating.Name != "golang" {
			t.Errorf("got config %+v", conf)
		}
		labels := map[string]string{model.LabelNamespace: "cafe", model.LabelKey: "conf", "team": "café"}
		if !reflect.DeepEqual(conf.Labels, labels) {
			t.Errorf("got labels %v, want %v", conf.Labels, labels)
		}
		if theirs := got.Configs[1]; !theirs.External || theirs.Name != "theirs" {
			t.Errorf("got external config %+v", theirs)
		}
		vault := got.Secrets[2]
		if vault.Driver == nil || vault.Driver.Name != "vault" ||
			vault.Driver.Options["path"] != "p" || vault.Data != nil {
			t.Errorf("got secret of a driver %+v", vault)
		}
	})
	t.Run("OKNetworks", func(t *testing.T) {
		if len(got.Networks) != 2 || got.Networks[0].Name != "cafe_inner" ||
			got.Networks[0].Options.Driver != "overlay" ||
			got.Networks[1].Name != "edge" || !got.Networks[1].External {
			t.Errorf("got %+v", got.Networks)
		}
	})
}

func TestAnchorsAndMergesCountWhereTheyAreUsed(t *testing.T) {
	t.Parallel()
	const text = `
x-base: &base
  image: a
  x-rollout: &x {drain: 3s}
services:
  a:
    <<: *base
    x-rollout: *x
  b: *base
`
	t.Run("OK", func(t *testing.T) {
		got := mustStack(t, text, versions())
		for _, s := range got.Services {
			if image := s.Spec.TaskTemplate.ContainerSpec.Image; image != "a:latest" && image != "a" {
				t.Errorf("%s: got image %s", s.Name, image)
			}
			if s.Drain != 3*time.Second {
				t.Errorf("%s: got drain %s, want 3s", s.Name, s.Drain)
			}
		}
		if len(got.Networks) != 1 || got.Networks[0].Name != "cafe_default" {
			t.Errorf("got networks %+v, want cafe_default", got.Networks)
		}
	})
	t.Run("OKMergedFromAList", func(t *testing.T) {
		const list = "x-a: &a {image: a}\nx-b: &b {x-rollout: {job: true}}\nservices: {a: {<<: [*a, *b]}}\n"
		got := mustStack(t, list, versions())
		if a, _ := got.Service("a"); !a.Job {
			t.Error("the job of a merged mapping is a service")
		}
	})
	t.Run("OKMergedExtension", func(t *testing.T) {
		got := mustStack(t, strings.Replace(text, "    x-rollout: *x\n", "", 1), versions())
		if a, _ := got.Service("a"); a.Drain != 3*time.Second {
			t.Errorf("got drain %s, want the 3s of the merged mapping", a.Drain)
		}
	})
}
