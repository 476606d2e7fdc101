package stack_test

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"boardcafe/infra/rollout/stack"
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

func environment(values map[string]string) stack.Lookup {
	return func(name string) (string, bool) {
		value, ok := values[name]
		return value, ok
	}
}

var testEnvironment = environment(map[string]string{"TAG": "v7", "EMPTY": "", "PORT": "8080"})

func versions() stack.Versions { return stack.Versions{Key: []byte("a key of the swarm")} }

func mustStack(t testing.TB, text string, v stack.Versions) *stack.Stack {
	t.Helper()
	file, err := stack.Parse(filepath.Join(folder(t), "s.yml"), []byte(text), "cafe", testEnvironment)
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
	v := versions()
	v.Secrets = map[string]string{"shared": "shared_3"}
	got := mustStack(t, whole, v)

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
		want := stack.Options{JobTimeout: 5 * time.Minute, KeepReplicas: true, Drain: 5 * time.Second, Probe: &stack.Probe{
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
		want := []string{stack.SecretName("cafe", "password", []byte("xxxxxxxx"), v.Key), "shared_3"}
		if !slices.Equal(secrets, want) {
			t.Errorf("got secrets %v, want %v", secrets, want)
		}
	})
	t.Run("OKObjects", func(t *testing.T) {
		conf := got.Configs[0]
		if conf.Key != "conf" || !strings.HasPrefix(conf.Name, "cafe_conf_") || string(conf.Data) != "xxxxxxxxxx" || conf.Templating.Name != "golang" {
			t.Errorf("got config %+v", conf)
		}
		labels := map[string]string{stack.LabelNamespace: "cafe", stack.LabelKey: "conf", "team": "café"}
		if !reflect.DeepEqual(conf.Labels, labels) {
			t.Errorf("got labels %v, want %v", conf.Labels, labels)
		}
		if theirs := got.Configs[1]; !theirs.External || theirs.Name != "theirs" {
			t.Errorf("got external config %+v", theirs)
		}
		vault := got.Secrets[2]
		if vault.Driver == nil || vault.Driver.Name != "vault" || vault.Driver.Options["path"] != "p" || vault.Data != nil {
			t.Errorf("got secret of a driver %+v", vault)
		}
	})
	t.Run("OKNetworks", func(t *testing.T) {
		if len(got.Networks) != 2 || got.Networks[0].Name != "cafe_inner" || got.Networks[0].Options.Driver != "overlay" ||
			got.Networks[1].Name != "edge" || !got.Networks[1].External {
			t.Errorf("got %+v", got.Networks)
		}
	})
	t.Run("ErrNoSuchService", func(t *testing.T) {
		if _, ok := got.Service("none"); ok {
			t.Error("found a service that is not there")
		}
	})
}

func TestAWrongFileIsRefusedWithItsLineAndKey(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	long := strings.Repeat("n", 60)
	for _, c := range []struct{ name, text, want string }{
		{"Empty", "", "s.yml: the file is empty"},
		{"NotYAML", "services:\n  app: [\n", "s.yml:*: not YAML: "},
		{"Tab", "services:\n\tapp: {}\n", "s.yml:2: not YAML: "},
		{"TwiceTheSameKey", "services:\n  app: {image: a}\n  app: {image: b}\n", "s.yml:3: not YAML: "},
		{"List", "- a\n", "s.yml:1: must be a mapping"},
		{"NoServices", "services: {}\n", "s.yml:1: services: there is no service"},
		{"ServiceIsNoMapping", "services:\n  app: 5\n", "s.yml:2: services.app"},
		{"UnknownKey", "services:\n  app:\n    image: a\n    imgae: b\n", "s.yml:4: services.app.imgae: unknown key"},
		{"UnknownKeyAtTheTop", "services:\n  app: {image: a}\nservice: {}\n", "s.yml:3: service: unknown key"},
		{"Forbidden", "services:\n  app:\n    image: a\n    mem_limit: 5m\n", "s.yml:4: services.app.mem_limit: "},
		{"NoImage", "services:\n  app:\n    command: x\n", "s.yml:2: services.app.image: is missing"},
		{"BadImage", "services:\n  app:\n    image: 'A B'\n", "s.yml:3: services.app.image: \"A B\""},
		{"BadPort", "services:\n  app:\n    image: a\n    ports:\n      - 99999:80\n", "s.yml:5: services.app.ports.0: Does not match"},
		{"BadTarget", "services:\n  app:\n    image: a\n    ports:\n      - target: eighty\n", "s.yml:5: services.app.ports.0.target: "},
		{"BadDuration", "services:\n  app:\n    image: a\n    stop_grace_period: soon\n", "s.yml:4: services.app.stop_grace_period"},
		{"BadNumberFromVariable", "services:\n  app:\n    image: a\n    deploy:\n      replicas: ${TAG}\n", "s.yml:5: services.app.deploy.replicas: "},
		{"LongServiceName", "services:\n  " + long + ":\n    image: a\n", "s.yml:2: services." + long + ": cafe_" + long + " has 65 characters"},
		{"BadServiceName", "services:\n  app.web:\n    image: a\n", "s.yml:2: services.app.web: a service's name has"},
		{"UnsetVariable", "services:\n  app:\n    image: a:$VERSION\n", "s.yml:3: services.app.image: variable VERSION is not set and has no default"},
		{"RequiredVariable", "services:\n  app:\n    image: a:${VERSION:?say which}\n", "s.yml:3: services.app.image: variable VERSION is required: say which"},
		{"LoneDollar", "services:\n  app:\n    image: a\n    command: cost 5$ each\n", "s.yml:4: services.app.command: a $ that begins no variable"},
		{"Cycle", "services:\n  a: {image: a, depends_on: [b]}\n  b: {image: b, depends_on: [c]}\n  c: {image: c, depends_on: [a]}\n", "s.yml:2: services.a.depends_on: a cycle: a → b → c → a"},
		{"CycleOfOne", "services:\n  a:\n    image: a\n    depends_on: [a]\n", "s.yml:4: services.a.depends_on: a cycle: a → a"},
		{"DependsOnNobody", "services:\n  a:\n    image: a\n    depends_on: [b]\n", "s.yml:4: services.a.depends_on: there is no service b"},
		{"DependsOnText", "services:\n  a:\n    image: a\n    depends_on: b\n", "s.yml:4: services.a.depends_on: must be a list or"},
		{"DependsOnNumbers", "services:\n  a:\n    image: a\n    depends_on: [5]\n", "s.yml:4: services.a.depends_on: must be a list of"},
		{"DependsOnNoCondition", "services:\n  a:\n    image: a\n    depends_on: {b: 5}\n  b: {image: b}\n", "s.yml:4: services.a.depends_on.b: must be a mapping"},
		{"DependsOnUnknownCondition", "services:\n  a:\n    image: a\n    depends_on: {b: {condition: well}}\n  b: {image: b}\n", "s.yml:4: services.a.depends_on.b.condition: must be one of"},
		{"DependsOnUnknownKey", "services:\n  a:\n    image: a\n    depends_on: {b: {restart: true}}\n  b: {image: b}\n", "s.yml:4: services.a.depends_on.b.restart: unknown key"},
		{"NoNetwork", "services:\n  a:\n    image: a\n    networks: [x]\n", "s.yml:4: services.a.networks: there is no network x"},
		{"NoSecret", "services:\n  a:\n    image: a\n    secrets: [x]\n", "s.yml:4: services.a.secrets: there is no secret x"},
		{"NoConfig", "services:\n  a:\n    image: a\n    configs: [x]\n", "s.yml:4: services.a.configs: there is no config x"},
		{"NoVolume", "services:\n  a:\n    image: a\n    volumes: ['files:/y']\n", "s.yml:4: services.a.volumes: there is no volume files"},
		{"MissingConfigFile", "services:\n  a: {image: a}\nconfigs:\n  c:\n    file: ./none\n", "s.yml:5: configs.c.file: " + dir + "/none: no such file"},
		{"BigConfig", "services:\n  a: {image: a}\nconfigs:\n  c:\n    file: ./big\n", "s.yml:5: configs.c.file: " + dir + "/big: 2097152 bytes; a swarm stores 1023999 at most"},
		{"BigSecret", "services:\n  a: {image: a}\nsecrets:\n  c:\n    file: ./big\n", "s.yml:5: secrets.c.file: " + dir + "/big: 2097152 bytes; a swarm stores 511999 at most"},
		{"EmptyConfig", "services:\n  a: {image: a}\nconfigs:\n  c:\n    file: ./empty\n", "s.yml:5: configs.c.file: " + dir + "/empty: empty"},
		{"FolderAsConfig", "services:\n  a: {image: a}\nconfigs:\n  c:\n    file: .\n", "s.yml:5: configs.c.file: " + dir + ": not a file"},
		{"ExtensionIsText", "services:\n  a:\n    image: a\n    x-rollout: job\n", "s.yml:4: services.a.x-rollout: must be a mapping"},
		{"ExtensionUnknownKey", "services:\n  a:\n    image: a\n    x-rollout:\n      prob: {port: 80}\n", "s.yml:5: services.a.x-rollout.prob: unknown key"},
		{"ExtensionUnknownKeyAtTheTop", "services:\n  a: {image: a}\nx-rollout:\n  relaese: v1\n", "s.yml:4: x-rollout.relaese: unknown key"},
		{"JobFalse", "services:\n  a:\n    image: a\n    x-rollout:\n      job: false\n", `s.yml:5: services.a.x-rollout.job: must be true, not "false"`},
		{"BadDrain", "services:\n  a:\n    image: a\n    x-rollout:\n      drain: -1s\n", `s.yml:5: services.a.x-rollout.drain: must be a duration like 30s, not "-1s"`},
		{"ProbePortTooHigh", "services:\n  a:\n    image: a\n    x-rollout:\n      probe:\n        port: 65536\n", `s.yml:6: services.a.x-rollout.probe.port: must be a number from 1 to 65535, not "65536"`},
		{"ProbePathWithoutSlash", "services:\n  a:\n    image: a\n    x-rollout:\n      probe: {port: 80, path: up}\n", "s.yml:5: services.a.x-rollout.probe.path: must begin with /"},
		{"ProbeWithoutPort", "services:\n  a:\n    image: a\n    x-rollout:\n      probe: {path: /}\n", "s.yml:5: services.a.x-rollout.probe: the service publishes no port"},
	} {
		t.Run("Err"+c.name, func(t *testing.T) {
			t.Parallel()
			_, err := stack.Parse(filepath.Join(dir, "s.yml"), []byte(c.text), "cafe", testEnvironment)
			if err == nil {
				t.Fatalf("accepted, want %q", c.want)
			}
			var located *stack.Error
			if !errors.As(err, &located) {
				t.Errorf("got a %T, want a *stack.Error", err)
			}
			got := strings.TrimPrefix(err.Error(), dir+"/")
			if strings.Contains(got, "\n") {
				t.Errorf("more than one line: %q", got)
			}
			if !matches(got, c.want) {
				t.Errorf("got  %s\nwant %s…", got, c.want)
			}
		})
	}
	t.Run("ErrTooManyValues", func(t *testing.T) {
		t.Parallel()
		text := "x-list: [" + strings.Repeat("1,", 100_001) + "]\n"
		_, err := stack.Parse("s.yml", []byte(text), "cafe", testEnvironment)
		if err == nil || err.Error() != "s.yml: more than 100000 values" {
			t.Errorf("got %v", err)
		}
	})
	t.Run("ErrStackName", func(t *testing.T) {
		t.Parallel()
		for _, name := range []string{"", "a b", "-a", strings.Repeat("a", 32)} {
			if _, err := stack.Parse("s.yml", []byte("services: {a: {image: a}}"), name, testEnvironment); err == nil || !strings.Contains(err.Error(), "31 at most") {
				t.Errorf("%q: got %v", name, err)
			}
		}
	})
}

// matches compares the beginning of a text; a * stands for anything.
func matches(text, pattern string) bool {
	head, rest, star := strings.Cut(pattern, "*")
	if !strings.HasPrefix(text, head) {
		return false
	}
	return !star || strings.Contains(text[len(head):], rest)
}

func TestLoadReadsAFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(folder(t), "s.yml")
	t.Run("ErrMissing", func(t *testing.T) {
		if _, err := stack.Load(path, "cafe", testEnvironment); err == nil || err.Error() != path+": no such file or directory" {
			t.Errorf("got %v", err)
		}
		if _, err := stack.NameIn(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("got %v, want ErrNotExist", err)
		}
	})
	t.Run("OK", func(t *testing.T) {
		if err := os.WriteFile(path, []byte(whole), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := stack.Load(path, "cafe", testEnvironment); err != nil {
			t.Error(err)
		}
		if name, err := stack.NameIn(path); err != nil || name != "cafe" {
			t.Errorf("got %q, %v, want cafe", name, err)
		}
	})
	t.Run("ErrConfigGoneBetweenLoadAndUse", func(t *testing.T) {
		for _, name := range []string{"password", "app.conf"} {
			file, err := stack.Load(path, "cafe", testEnvironment)
			if err != nil {
				t.Fatal(err)
			}
			gone := filepath.Join(filepath.Dir(path), name)
			if err := os.Rename(gone, gone+".old"); err != nil {
				t.Fatal(err)
			}
			if _, err := file.Stack(versions()); err == nil || !strings.Contains(err.Error(), gone+": no such file") {
				t.Errorf("got %v", err)
			}
			if err := os.Rename(gone+".old", gone); err != nil {
				t.Fatal(err)
			}
		}
	})
	t.Run("ErrNameInNoYAML", func(t *testing.T) {
		bad := filepath.Join(t.TempDir(), "bad.yml")
		if err := os.WriteFile(bad, []byte("x-rollout: [\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := stack.NameIn(bad); err == nil || !strings.HasPrefix(err.Error(), bad+": ") {
			t.Errorf("got %v", err)
		}
	})
}

func TestTheNameOfAVersionFollowsItsContent(t *testing.T) {
	t.Parallel()
	name := func(stackName, key, value, hmacKey string) string {
		return stack.SecretName(stackName, key, []byte(value), []byte(hmacKey))
	}
	base := name("cafe", "password", "one", "k")
	t.Run("OKSame", func(t *testing.T) {
		if again := name("cafe", "password", "one", "k"); again != base || !strings.HasPrefix(base, "cafe_password_") {
			t.Errorf("got %s and %s", base, again)
		}
	})
	t.Run("OKDiffersWithValueAndKey", func(t *testing.T) {
		if name("cafe", "password", "two", "k") == base || name("cafe", "password", "one", "l") == base {
			t.Error("two values or two keys make the same name")
		}
	})
	t.Run("OKLongNameKeepsItsVersion", func(t *testing.T) {
		a, b := name("cafe", strings.Repeat("k", 80), "one", "k"), name("cafe", strings.Repeat("k", 80), "two", "k")
		if len(a) > 64 || len(b) > 64 || a == b {
			t.Errorf("got %s and %s, want two names of 64 at most", a, b)
		}
	})
	t.Run("OKConfigOfAnotherTemplating", func(t *testing.T) {
		text := "services: {a: {image: a}}\nconfigs: {c: {file: ./app.conf}}\n"
		plain := mustStack(t, text, versions()).Configs[0].Name
		templated := mustStack(t, strings.Replace(text, "./app.conf", "./app.conf, template_driver: golang", 1), versions()).Configs[0].Name
		if plain == templated {
			t.Errorf("both are %s", plain)
		}
	})
}

func TestTheLintNamesWhatWillHurt(t *testing.T) {
	t.Parallel()
	const healthy = "    healthcheck: {test: [CMD, x]}\n"
	for _, c := range []struct{ name, text, want string }{
		{"OneReplicaStopFirst", "  a:\n    image: a\n" + healthy, "a: one replica and stop-first"},
		{"NoHealthcheck", "  a:\n    image: a\n    deploy: {replicas: 2}\n", "a: no healthcheck"},
		{"StartFirstHostPort", "  a:\n    image: a\n    ports: [{target: 80, published: 80, mode: host}]\n    deploy: {update_config: {order: start-first}}\n" + healthy, "a: start-first with a port in host mode"},
		{"StartFirstVolume", "  a:\n    image: a\n    volumes: ['files:/v']\n    deploy: {update_config: {order: start-first}}\n" + healthy, "a: start-first with a named volume"},
		{"GraceShorterThanDrain", "  a:\n    image: a\n    deploy: {replicas: 2}\n    x-rollout: {drain: 10s}\n" + healthy, "a: stop_grace_period 10s is not longer than the drain of 10s"},
		{"Unsupported", "  a:\n    image: a\n    privileged: true\n    deploy: {replicas: 2}\n" + healthy, ": privileged: a swarm ignores it"},
		{"Deprecated", "  a:\n    image: a\n    container_name: x\n    deploy: {replicas: 2}\n" + healthy, ": container_name: a swarm ignores it"},
		{"OneShotIsFine", "  a:\n    image: a\n    deploy: {restart_policy: {condition: none}}\n", ""},
		{"SwarmJobIsFine", "  a:\n    image: a\n    deploy: {mode: replicated-job}\n", ""},
		{"JobIsFine", "  a:\n    image: a\n    x-rollout: {job: true}\n", ""},
	} {
		t.Run("OK"+c.name, func(t *testing.T) {
			t.Parallel()
			got := mustStack(t, "services:\n"+c.text+"volumes: {files: {}}\n", versions()).Warnings
			if c.want == "" {
				if len(got) > 0 {
					t.Errorf("got %v, want none", got)
				}
				return
			}
			if len(got) != 1 || !strings.HasPrefix(got[0].Service+": "+got[0].Text, c.want) {
				t.Errorf("got %v, want %s…", got, c.want)
			}
		})
	}
}

func TestAnchorsAndMergesCountWhereTheyAreUsed(t *testing.T) {
	t.Parallel()
	const text = "x-base: &base\n  image: a\n  x-rollout: &x {drain: 3s}\nservices:\n  a:\n    <<: *base\n    x-rollout: *x\n  b: *base\n"
	t.Run("OK", func(t *testing.T) {
		got := mustStack(t, text, versions())
		for _, s := range got.Services {
			if s.Spec.TaskTemplate.ContainerSpec.Image != "a:latest" && s.Spec.TaskTemplate.ContainerSpec.Image != "a" {
				t.Errorf("%s: got image %s", s.Name, s.Spec.TaskTemplate.ContainerSpec.Image)
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
		got := mustStack(t, "x-a: &a {image: a}\nx-b: &b {x-rollout: {job: true}}\nservices:\n  a:\n    <<: [*a, *b]\n", versions())
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

func FuzzParseNeverPanics(f *testing.F) {
	for _, seed := range []string{whole, "", "services:", "services: {a: {image: a, depends_on: {b: }}}", "a: &a [*a]", "services: {a: {ports: ['1-0:1']}}", "x-rollout: {<<: 5}", "services: {? [a] : b}"} {
		f.Add(seed)
	}
	path := filepath.Join(folder(f), "s.yml")
	f.Fuzz(func(t *testing.T, text string) {
		file, err := stack.Parse(path, []byte(text), "cafe", testEnvironment)
		if (file == nil) == (err == nil) {
			t.Errorf("got %v, %v", file, err)
		}
	})
}
