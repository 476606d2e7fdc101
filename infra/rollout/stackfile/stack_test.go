package stackfile_test

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

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

func versions() stackfile.Versions { return stackfile.Versions{Key: []byte("a key of the swarm")} }

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
		want := []string{model.SecretName("cafe", "password", []byte("xxxxxxxx"), v.Key), "shared_3"}
		if !slices.Equal(secrets, want) {
			t.Errorf("got secrets %v, want %v", secrets, want)
		}
	})
	t.Run("OKObjects", func(t *testing.T) {
		conf := got.Configs[0]
		if conf.Key != "conf" || !strings.HasPrefix(conf.Name, "cafe_conf_") || string(conf.Data) != "xxxxxxxxxx" || conf.Templating.Name != "golang" {
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
		{"ProbeWithoutPort", "services:\n  a:\n    image: a\n    x-rollout:\n      probe: {path: /}\n", "s.yml:5: services.a.x-rollout.probe: the service publishes no fixed port"},
		{"NotUTF8", "services:\n  app: {image: caf\xe9}\n", "s.yml:*: not YAML: "},
		{"Binary", "\x7fELF\x00\x01\x02\xff", "s.yml:1: not YAML: "},
		{"Comment", "# nothing\n", "s.yml: the file is empty"},
		{"Null", "~\n", "s.yml:1: must be a mapping"},
		{"TwoDocuments", "services:\n  app: {image: a}\n---\nservices: {}\n", "s.yml:4: a second document begins here"},
		{"SecondDocumentIsNoYAML", "services:\n  app: {image: a}\n---\n[\n", "s.yml:*: not YAML: "},
		{"AliasOfItself", "x: &x [*x]\n", "s.yml:1: not YAML: anchor 'x' value contains itself"},
		{"AliasesThatExplode", "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n", "s.yml:1: not YAML: document contains excessive aliasing"},
		{"DeepAsNobodyWrites", "services: " + strings.Repeat("[", 20_000), "s.yml:1: not YAML: exceeded max depth"},
		{"NumberAsKey", "services:\n  app:\n    image: a\n    labels:\n      5: x\n", "s.yml:5: services.app.labels: the key 5 must be text; put it in quotes"},
		{"NullAsKey", "services:\n  ~: {image: a}\n", "s.yml:2: services: the key ~ must be text"},
		{"NothingAsKey", "services:\n  app:\n    image: a\n    ? \n    : b\n", "s.yml:4: services.app: a key is missing before the colon"},
		{"ListAsKey", "services:\n  ? [a]\n  : {image: a}\n", "s.yml:2: services: a key must be text"},
		{"MergeOfText", "services:\n  app:\n    <<: base\n", "s.yml:3: services.app: << takes a mapping"},
		{"MergeOfAListOfTexts", "x-base: &base [a]\nservices:\n  app:\n    <<: *base\n", "s.yml:4: services.app: << takes a mapping"},
		{"UnknownAnchor", "services:\n  app:\n    <<: *base\n", "s.yml:*: not YAML: unknown anchor 'base'"},
		{"NoServicesAtAll", "version: '3.9'\n", "s.yml:1: services: there is no service"},
		{"ServicesAreAList", "services: [app]\n", "s.yml:1: services: must be a mapping"},
		{"ServiceIsNothing", "services:\n  app:\n", "s.yml:2: services.app: must be a mapping"},
		{"OldVersion", "version: '2'\nservices: {a: {image: a}}\n", "s.yml:1: version: unsupported Compose file version: 2; write 3.13"},
		{"VersionIsANumber", "version: 3.8\nservices: {a: {image: a}}\n", "s.yml:1: version: must be a string"},
		{"NameWithASpace", "services: {a: {image: a}}\nconfigs:\n  'my conf': {file: ./app.conf}\n", "s.yml:3: configs.my conf: a name has"},
		{"NameWithALineBreak", "services:\n  \"a\\nb\": {image: a}\n", `s.yml:2: services.a\nb: a name has`},
		{"KeyWithALineBreak", "services:\n  a:\n    image: a\n    \"im\\nage\": b\n", `s.yml:4: services.a.im\nage: unknown key`},
		{"KeyWithAnEscape", "services:\n  a:\n    image: a\n    \"\\e[31m\": b\n", `s.yml:4: services.a.\x1b[31m: unknown key`},
		{"WindowsLines", "services:\r\n  a:\r\n    image: a\r\n    imgae: b\r\n", "s.yml:4: services.a.imgae: unknown key"},
		{"ImageIsEmpty", "services:\n  a:\n    image: ''\n", "s.yml:3: services.a.image: is missing"},
		{"ImageWithoutTagAfterColon", "services:\n  a:\n    image: 'app:'\n", `s.yml:3: services.a.image: "app:": invalid reference format`},
		{"ImageInCapitals", "services:\n  a:\n    image: reg/App\n", `s.yml:3: services.a.image: "reg/App": invalid reference format: repository name`},
		{"ImageIsAnIdentifier", "services:\n  a:\n    image: " + strings.Repeat("ab", 32) + "\n", "s.yml:3: services.a.image: *cannot specify 64-byte hexadecimal strings"},
		{"VariableInADefault", "services:\n  a:\n    image: a:${A:-${TAG}}\n", "s.yml:3: services.a.image: a default cannot hold another variable"},
		{"VariableThatNeverEnds", "services:\n  a:\n    image: a:${TAG\n", "s.yml:3: services.a.image: a $ that begins no variable"},
		{"RequiredVariableOfTwoLines", "services:\n  a:\n    image: \"${V:?one\\ntwo}\"\n", `s.yml:3: services.a.image: variable V is required: one\ntwo`},
		{"Extends", "services:\n  a:\n    image: a\n    extends: b\n", "s.yml:4: services.a.extends: "},
		{"Memory", "services:\n  a:\n    image: a\n    deploy:\n      resources:\n        limits:\n          memory: lots\n", "s.yml:7: services.a.deploy.resources.limits.memory: invalid size: 'lots'"},
		{"LittleMemory", "services:\n  a:\n    image: a\n    deploy:\n      resources:\n        reservations:\n          memory: 1M\n", "s.yml:7: services.a.deploy.resources.reservations.memory: must be at least 4M"},
		{"CPUs", "services:\n  a:\n    image: a\n    deploy:\n      resources: {limits: {cpus: two}}\n", "s.yml:5: services.a.deploy.resources: failed to parse two"},
		{"FewCPUs", "services:\n  a:\n    image: a\n    deploy:\n      resources: {limits: {cpus: '0.0001'}}\n", "s.yml:5: services.a.deploy.resources.limits.cpus: must be at least 0.001"},
		{"Mode", "services:\n  a:\n    image: a\n    deploy:\n      mode: sometimes\n", "s.yml:5: services.a.deploy.mode: Unknown mode: sometimes"},
		{"ReplicasOfAGlobalService", "services:\n  a:\n    image: a\n    deploy:\n      mode: global\n      replicas: 2\n", "s.yml:6: services.a.deploy.replicas: replicas can only be used"},
		{"NegativeReplicas", "services:\n  a:\n    image: a\n    deploy:\n      replicas: -1\n", "s.yml:5: services.a.deploy.replicas: "},
		{"NegativeRetries", "services:\n  a:\n    image: a\n    healthcheck:\n      test: x\n      retries: -1\n", "s.yml:6: services.a.healthcheck.retries: "},
		{"UpdateOrder", "services:\n  a:\n    image: a\n    deploy:\n      update_config:\n        order: backwards\n", "s.yml:6: services.a.deploy.update_config.order: must be one of the following"},
		{"UpdateFailureAction", "services:\n  a:\n    image: a\n    deploy:\n      update_config:\n        failure_action: panic\n", `s.yml:6: services.a.deploy.update_config.failure_action: must be pause or continue or rollback, not "panic"`},
		{"RollbackOfARollback", "services:\n  a:\n    image: a\n    deploy:\n      rollback_config:\n        failure_action: rollback\n", "s.yml:6: services.a.deploy.rollback_config.failure_action: must be pause or continue, not"},
		{"FailureRatio", "services:\n  a:\n    image: a\n    deploy:\n      update_config:\n        max_failure_ratio: 2\n", "s.yml:6: services.a.deploy.update_config.max_failure_ratio: must be from 0 to 1"},
		{"NegativeMonitor", "services:\n  a:\n    image: a\n    deploy:\n      update_config:\n        monitor: -5s\n", "s.yml:6: services.a.deploy.update_config.monitor: must not be negative"},
		{"UpdateOfASwarmJob", "services:\n  a:\n    image: a\n    deploy:\n      mode: replicated-job\n      update_config: {parallelism: 1}\n", "s.yml:6: services.a.deploy.update_config: a job is never updated"},
		{"RestartCondition", "services:\n  a:\n    image: a\n    deploy:\n      restart_policy:\n        condition: maybe\n", `s.yml:6: services.a.deploy.restart_policy.condition: must be none or on-failure or any, not "maybe"`},
		{"NegativeRestartDelay", "services:\n  a:\n    image: a\n    deploy:\n      restart_policy:\n        delay: -1s\n", "s.yml:6: services.a.deploy.restart_policy.delay: must not be negative"},
		{"Restart", "services:\n  a:\n    image: a\n    restart: sometimes\n", "s.yml:4: services.a.restart: unknown restart policy"},
		{"Constraint", "services:\n  a:\n    image: a\n    deploy:\n      placement:\n        constraints:\n          - node.role=manager\n", `s.yml:7: services.a.deploy.placement.constraints.0: "node.role=manager": constraint expected one operator`},
		{"NegativeGrace", "services:\n  a:\n    image: a\n    stop_grace_period: -5s\n", "s.yml:4: services.a.stop_grace_period: must not be negative"},
		{"HealthcheckTest", "services:\n  a:\n    image: a\n    healthcheck:\n      test: [curl, localhost]\n", `s.yml:5: services.a.healthcheck.test: begins with "curl"; it must be CMD`},
		{"HealthcheckAndNone", "services:\n  a:\n    image: a\n    healthcheck: {test: x, disable: true}\n", "s.yml:4: services.a.healthcheck: test and disable"},
		{"HealthcheckInterval", "services:\n  a:\n    image: a\n    healthcheck:\n      test: x\n      interval: 1us\n", "s.yml:6: services.a.healthcheck.interval: must be at least 1ms"},
		{"TargetPortTooHigh", "services:\n  a:\n    image: a\n    ports:\n      - {target: 99999}\n", "s.yml:5: services.a.ports.0: the target 99999 must be a port"},
		{"PublishedPortTooHigh", "services:\n  a:\n    image: a\n    ports:\n      - {target: 80, published: 70000}\n", "s.yml:5: services.a.ports.0: the published 70000 must be a port"},
		{"PortIsNoNumber", "services:\n  a:\n    image: a\n    ports:\n      - {target: 80, published: x}\n", "s.yml:5: services.a.ports.0.published: must be an integer"},
		{"PortMode", "services:\n  a:\n    image: a\n    ports:\n      - {target: 80, published: 80, mode: hots}\n", `s.yml:5: services.a.ports.0.mode: must be ingress or host, not "hots"`},
		{"PortProtocol", "services:\n  a:\n    image: a\n    ports:\n      - {target: 80, published: 80, protocol: http}\n", `s.yml:5: services.a.ports.0.protocol: must be tcp or udp or sctp, not "http"`},
		{"PortTwiceInAService", "services:\n  a:\n    image: a\n    ports:\n      - 80:80\n      - 80:81\n", "s.yml:6: services.a.ports.1: 80/tcp is published twice"},
		{"PortTwiceInTheStack", "services:\n  a: {image: a, ports: ['80:80']}\n  b: {image: a, ports: ['80:81']}\n", "s.yml:3: services.b.ports.0: 80/tcp is published by a already"},
		{"MeshPortWithoutMesh", "services:\n  a:\n    image: a\n    deploy: {endpoint_mode: dnsrr}\n    ports:\n      - 80:80\n", "s.yml:6: services.a.ports.0: endpoint_mode dnsrr has no routing mesh"},
		{"EndpointMode", "services:\n  a:\n    image: a\n    deploy: {endpoint_mode: mesh}\n", `s.yml:4: services.a.deploy.endpoint_mode: must be vip or dnsrr, not "mesh"`},
		{"VolumeWithoutTarget", "services:\n  a:\n    image: a\n    volumes:\n      - {type: volume, source: v}\nvolumes: {v: {}}\n", "s.yml:5: services.a.volumes.0: the target \"\" must be an absolute path"},
		{"VolumeOnARelativePath", "services:\n  a:\n    image: a\n    volumes:\n      - v:data\nvolumes: {v: {}}\n", "s.yml:5: services.a.volumes.0: the target \"v:data\" must be an absolute path"},
		{"TwoVolumesOnOnePath", "services:\n  a:\n    image: a\n    volumes:\n      - one:/data\n      - two:/data\nvolumes: {one: {}, two: {}}\n", "s.yml:6: services.a.volumes.1: another volume is mounted on /data"},
		{"VolumeType", "services:\n  a:\n    image: a\n    volumes:\n      - {type: disk, target: /data}\n", "s.yml:4: services.a.volumes: volume type must be"},
		{"ExternalVolumeWithDriver", "services: {a: {image: a}}\nvolumes:\n  v: {external: true, driver: local}\n", "s.yml:3: volumes.v: conflicting parameters"},
		{"Nameserver", "services:\n  a:\n    image: a\n    dns: [resolver]\n", `s.yml:4: services.a.dns.0: "resolver" is no address`},
		{"ExtraHost", "services:\n  a:\n    image: a\n    extra_hosts: [db]\n", `s.yml:4: services.a.extra_hosts.0: "db" must be NAME:ADDRESS`},
		{"Command", "services:\n  a:\n    image: a\n    command: say \"hello\n", "s.yml:4: services.a.command: "},
		{"EnvFile", "services:\n  a:\n    image: a\n    env_file: ./none.env\n", "s.yml:4: services.a.env_file: " + dir + "/none.env: no such file"},
		{"CredentialSpec", "services:\n  a:\n    image: a\n    credential_spec: {file: x, registry: y}\n", "s.yml:4: services.a.credential_spec: invalid credential spec"},
		{"TwoConfigsOnOnePath", "services:\n  a:\n    image: a\n    configs: [{source: c, target: /x}, {source: d, target: /x}]\nconfigs: {c: {file: ./app.conf}, d: {file: ./app.conf}}\n", "s.yml:4: services.a.configs: duplicate config target"},
		{"ConfigWithoutFile", "services: {a: {image: a}}\nconfigs:\n  c: {}\n", "s.yml:3: configs.c: needs file, or external: true"},
		{"ExternalConfigWithFile", "services: {a: {image: a}}\nconfigs:\n  c:\n    external: true\n    file: ./app.conf\n", "s.yml:5: configs.c.file: an external one has no file"},
		{"ConfigTemplating", "services: {a: {image: a}}\nconfigs:\n  c:\n    file: ./app.conf\n    template_driver: jinja\n", "s.yml:5: configs.c.template_driver: must be golang"},
		{"ConfigName", "services: {a: {image: a}}\nconfigs:\n  c: {file: ./app.conf, name: 'a b'}\n", "s.yml:3: configs.c: a b_*: a name has letters"},
		{"LongExternalSecret", "services: {a: {image: a}}\nsecrets:\n  s: {external: true, name: " + strings.Repeat("s", 65) + "}\n", "s.yml:3: secrets.s: s*and 64 at most"},
		{"SecretOfTheEnvironment", "services: {a: {image: a}}\nsecrets:\n  s: {environment: S}\n", "s.yml:3: secrets.s.environment: unknown key"},
		{"LongNetworkName", "services: {a: {image: a}}\nnetworks:\n  " + long + ": {}\n", "s.yml:3: networks." + long + ": cafe_" + long + ": a network's name has"},
		{"NetworkName", "services: {a: {image: a}}\nnetworks:\n  n: {name: a.b}\n", "s.yml:3: networks.n.name: a.b: a network's name has"},
		{"Subnet", "services: {a: {image: a}}\nnetworks:\n  n:\n    ipam:\n      config:\n        - subnet: 10.0.0.0\n", `s.yml:6: networks.n.ipam.config.0.subnet: "10.0.0.0" must be like 10.1.0.0/24`},
		{"ExtensionMisspelt", "services:\n  a:\n    image: a\n    x-rolout: {job: true}\n", "s.yml:4: services.a.x-rolout: unknown key; x-rollout?"},
		{"ExtensionMisspeltAtTheTop", "x-rollouts: {stack: a}\nservices: {a: {image: a}}\n", "s.yml:1: x-rollouts: unknown key; x-rollout?"},
		{"ReleaseIsAList", "services: {a: {image: a}}\nx-rollout:\n  release: [v1]\n", "s.yml:3: x-rollout.release: must be text"},
		{"ReleaseOfTwoLines", "services: {a: {image: a}}\nx-rollout:\n  release: \"a\\nb\"\n", "s.yml:3: x-rollout.release: must be one short line"},
		{"TimeoutWithoutJob", "services:\n  a:\n    image: a\n    x-rollout:\n      timeout: 5m\n", "s.yml:5: services.a.x-rollout.timeout: is for a job"},
		{"JobTimeoutWithoutUnit", "services:\n  a:\n    image: a\n    x-rollout:\n      job: true\n      timeout: 5\n", `s.yml:6: services.a.x-rollout.timeout: must be a duration like 30s, not "5"`},
		{"JobWithProbe", "services:\n  a:\n    image: a\n    x-rollout:\n      job: true\n      probe: {port: 80}\n", "s.yml:6: services.a.x-rollout.probe: a job ends"},
		{"JobWithReplicas", "services:\n  a:\n    image: a\n    x-rollout:\n      job: true\n      replicas: keep\n", "s.yml:6: services.a.x-rollout.replicas: a job runs once"},
		{"JobWithDrain", "services:\n  a:\n    image: a\n    x-rollout:\n      job: true\n      drain: 5s\n", "s.yml:6: services.a.x-rollout.drain: a job ends by itself"},
		{"Replicas", "services:\n  a:\n    image: a\n    x-rollout:\n      replicas: 3\n", `s.yml:5: services.a.x-rollout.replicas: must be keep, not "3"`},
		{"ReplicasIsAList", "services:\n  a:\n    image: a\n    x-rollout:\n      replicas: [keep]\n", "s.yml:5: services.a.x-rollout.replicas: must be text"},
		{"KeepReplicasOfAGlobalService", "services:\n  a:\n    image: a\n    deploy: {mode: global}\n    x-rollout:\n      replicas: keep\n", "s.yml:6: services.a.x-rollout.replicas: a service of mode global"},
		{"ProbeIsText", "services:\n  a:\n    image: a\n    x-rollout:\n      probe: /readyz\n", "s.yml:5: services.a.x-rollout.probe: must be a mapping"},
		{"ProbeIsNothing", "services:\n  a:\n    image: a\n    x-rollout:\n      probe:\n", "s.yml:5: services.a.x-rollout.probe: must be a mapping"},
		{"ProbeStatus", "services:\n  a:\n    image: a\n    x-rollout:\n      probe: {port: 80, status: 42}\n", `s.yml:5: services.a.x-rollout.probe.status: must be a number from 100 to 599, not "42"`},
		{"ProbePathIsNone", "services:\n  a:\n    image: a\n    x-rollout:\n      probe: {port: 80, path: '/%zz'}\n", "s.yml:5: services.a.x-rollout.probe.path: must begin with / and be a path"},
		{"ProbeHeaderIsNone", "services:\n  a:\n    image: a\n    x-rollout:\n      probe: {port: 80, header: 'X Y', expect: z}\n", `s.yml:5: services.a.x-rollout.probe.header: "X Y" is no name of a header`},
		{"ProbeHeaderWithoutExpect", "services:\n  a:\n    image: a\n    x-rollout:\n      probe: {port: 80, header: X-Release, expect: \"${EMPTY}\"}\n", "s.yml:5: services.a.x-rollout.probe.expect: is missing or empty"},
		{"ProbeExpectWithoutHeader", "services:\n  a:\n    image: a\n    x-rollout:\n      probe: {port: 80, expect: v1}\n", "s.yml:5: services.a.x-rollout.probe.header: is missing"},
		{"ProbeOfARandomPort", "services:\n  a:\n    image: a\n    ports: ['80']\n    x-rollout: {probe: {path: /}}\n", "s.yml:5: services.a.x-rollout.probe: the service publishes no fixed port"},
	} {
		t.Run("Err"+c.name, func(t *testing.T) {
			t.Parallel()
			_, err := stackfile.Parse(filepath.Join(dir, "s.yml"), []byte(c.text), "cafe", testEnvironment)
			if err == nil {
				t.Fatalf("accepted, want %q", c.want)
			}
			var located *stackfile.Error
			if !errors.As(err, &located) {
				t.Errorf("got a %T, want a *stackfile.Error", err)
			}
			got := strings.TrimPrefix(err.Error(), dir+"/")
			mustBeALine(t, got)
			if !matches(got, c.want) {
				t.Errorf("got  %s\nwant %s…", got, c.want)
			}
		})
	}
	t.Run("ErrTooManyValues", func(t *testing.T) {
		t.Parallel()
		text := "x-list: [" + strings.Repeat("1,", 100_001) + "]\n"
		_, err := stackfile.Parse("s.yml", []byte(text), "cafe", testEnvironment)
		if err == nil || err.Error() != "s.yml: more than 100000 values" {
			t.Errorf("got %v", err)
		}
	})
	t.Run("ErrStackName", func(t *testing.T) {
		t.Parallel()
		for _, name := range []string{"", "a b", "-a", strings.Repeat("a", 32)} {
			if _, err := stackfile.Parse("s.yml", []byte("services: {a: {image: a}}"), name, testEnvironment); err == nil || !strings.Contains(err.Error(), "31 at most") {
				t.Errorf("%q: got %v", name, err)
			}
		}
	})
}

// mustBeALine checks that a message is one line, short enough to be read, without what a terminal obeys.
func mustBeALine(t *testing.T, message string) {
	t.Helper()
	if !utf8.ValidString(message) || strings.ContainsFunc(message, unicode.IsControl) || len(message) > 8_000 {
		t.Errorf("no line to print: %.500q", message)
	}
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
		if _, err := stackfile.Load([]string{path}, "cafe", testEnvironment); err == nil || err.Error() != path+": no such file or directory" {
			t.Errorf("got %v", err)
		}
		if _, err := stackfile.NameIn([]string{path}); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("got %v, want ErrNotExist", err)
		}
	})
	t.Run("OK", func(t *testing.T) {
		if err := os.WriteFile(path, []byte(whole), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := stackfile.Load([]string{path}, "cafe", testEnvironment); err != nil {
			t.Error(err)
		}
		if name, err := stackfile.NameIn([]string{path}); err != nil || name != "cafe" {
			t.Errorf("got %q, %v, want cafe", name, err)
		}
	})
	t.Run("ErrConfigGoneBetweenLoadAndUse", func(t *testing.T) {
		for _, name := range []string{"password", "app.conf"} {
			file, err := stackfile.Load([]string{path}, "cafe", testEnvironment)
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
	t.Run("ErrLarge", func(t *testing.T) {
		if _, err := stackfile.Load([]string{"/dev/zero"}, "cafe", testEnvironment); err == nil || err.Error() != "/dev/zero: larger than 10 MB: not a stack file" {
			t.Errorf("got %v", err)
		}
	})
	t.Run("ErrFolder", func(t *testing.T) {
		dir := t.TempDir()
		if _, err := stackfile.Load([]string{dir}, "cafe", testEnvironment); err == nil || err.Error() != dir+": is a directory" {
			t.Errorf("got %v", err)
		}
	})
	t.Run("ErrNameIn", func(t *testing.T) {
		for text, want := range map[string]string{
			"x-rollout: {stack: [cafe]}":      ":1: x-rollout.stack: must be the stack's name",
			"x-rollout: {stack: \"${NAME}\"}": `:1: x-rollout.stack: "${NAME}": a stack's name has letters`,
		} {
			bad := filepath.Join(t.TempDir(), "bad.yml")
			if err := os.WriteFile(bad, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := stackfile.NameIn([]string{bad}); err == nil || !strings.HasPrefix(err.Error(), bad+want) {
				t.Errorf("%s: got %v", text, err)
			}
		}
	})
	t.Run("ErrNameInNoYAML", func(t *testing.T) {
		bad := filepath.Join(t.TempDir(), "bad.yml")
		if err := os.WriteFile(bad, []byte("x-rollout: [\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := stackfile.NameIn([]string{bad}); err == nil || !strings.HasPrefix(err.Error(), bad+":1: not YAML: ") {
			t.Errorf("got %v", err)
		}
	})
}

func TestTheNameOfAVersionFollowsItsContent(t *testing.T) {
	t.Parallel()
	name := func(stackName, key, value, hmacKey string) string {
		return model.SecretName(stackName, key, []byte(value), []byte(hmacKey))
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
		{"DelayShorterThanMonitor", "  a:\n    image: a\n    deploy: {replicas: 2, update_config: {order: start-first, delay: 2s}}\n" + healthy, "a: update_config.delay 2s is shorter than its monitor of 5s"},
		{"DelayAsLongAsMonitorIsFine", "  a:\n    image: a\n    deploy: {replicas: 2, update_config: {order: start-first, delay: 7s, monitor: 7s}}\n" + healthy, ""},
		{"GraceShorterThanDrain", "  a:\n    image: a\n    deploy: {replicas: 2}\n    x-rollout: {drain: 10s}\n" + healthy, "a: stop_grace_period 10s is not longer than the drain of 10s"},
		{"Unsupported", "  a:\n    image: a\n    privileged: true\n    deploy: {replicas: 2}\n" + healthy, ": privileged: a swarm ignores it"},
		{"AddressOfAPort", "  a:\n    image: a\n    ports: ['127.0.0.1:80:80']\n    deploy: {replicas: 2}\n" + healthy, "a: port 127.0.0.1:80:80: a swarm ignores the address"},
		{"Deprecated", "  a:\n    image: a\n    container_name: x\n    deploy: {replicas: 2}\n" + healthy, ": container_name: a swarm ignores it"},
		{"OneShotIsFine", "  a:\n    image: a\n    deploy: {restart_policy: {condition: none}}\n", ""},
		{"NeverRestartedButWithAPort", "  a:\n    image: a\n    ports: ['80:80']\n    deploy: {replicas: 2, restart_policy: {condition: none}}\n", "a: no healthcheck"},
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

// FuzzLoad: every file, alone or over another one, is either a stack or one line that says what is wrong.
func FuzzLoad(f *testing.F) {
	for _, seed := range []string{
		whole, "", "services:", "services: {a: {image: a, depends_on: {b: }}}", "a: &a [*a]", "services: {a: {ports: ['1-0:1']}}",
		"x-rollout: {<<: 5}", "services: {? [a] : b}", "services: {a: {image: a, networks: {n: }}}\nnetworks: {n: {ipam: {config: [{subnet: 10.0.0.0/8}]}}}",
		"services: {a: {image: a, deploy: {mode: global-job, resources: {limits: {cpus: '1e-9'}}}}}", "services: {a: {image: a}}\n---\n",
		"services: {a: {image: \"a\\n${TAG:?b}\", secrets: [s], configs: [{source: c, mode: 0400}]}}\nsecrets: {s: {file: ./password}}\nconfigs: {c: {file: ./app.conf}}",
		"services: {a: {image: a, x-rollout: {probe: {port: 80, header: h, expect: e}}, extra_hosts: {a: b}, ulimits: {nofile: {soft: 1, hard: 2}}}}",
		"services: {a: {image: a, volumes: [{type: bind, source: ~, target: /a}, 'a:/b:z'], healthcheck: {test: x, interval: 1h}, sysctls: [a=b], restart: on-failure:x}}",
	} {
		f.Add(seed)
	}
	dir := folder(f)
	f.Fuzz(func(t *testing.T, text string) {
		alone, err := stackfile.Parse(filepath.Join(dir, "s.yml"), []byte(text), "cafe", testEnvironment)
		mustBeGood(t, alone, err)
		merged, err := stackfile.Load(write(t, dir, whole, text), "cafe", testEnvironment)
		mustBeGood(t, merged, err)
	})
}

func mustBeGood(t *testing.T, file *stackfile.File, err error) {
	t.Helper()
	if err != nil {
		mustBeALine(t, err.Error())
		return
	}
	if _, err := file.Stack(versions()); err != nil {
		t.Errorf("the file is good, its stack is not: %v", err)
	}
}
