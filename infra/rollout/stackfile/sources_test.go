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

// write makes stack files s.yml, over.yml, … of the texts.
func write(t testing.TB, dir string, texts ...string) []string {
	t.Helper()
	var paths []string
	for i, text := range texts {
		path := filepath.Join(dir, []string{"s.yml", "over.yml", "last.yml"}[i])
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	return paths
}

func mustMerge(t *testing.T, texts ...string) *model.Stack {
	t.Helper()
	file, err := stackfile.Load(write(t, folder(t), texts...), "cafe", testEnvironment)
	if err != nil {
		t.Fatalf("load: %v", err)
	}
	out, err := file.Stack(versions())
	if err != nil {
		t.Fatalf("stack: %v", err)
	}
	return out
}

const plain = `x-rollout: {stack: cafe, release: one}
services:
  app:
    image: app:1
    environment: {LOG: info}
  proxy:
    image: proxy:1
    depends_on: [app]
    ports: [{target: 8080, published: 80}]
    configs: [{source: conf, target: /etc/conf}]
    x-rollout:
      drain: 5s
      probe: {port: 80, header: X-Release, expect: one}
configs:
  conf: {file: ./app.conf}
`

const overlay = `services:
  app:
    environment: [HTTPS=true]
  proxy:
    depends_on: {cache: {condition: service_started}}
    ports: [{target: 8443, published: 443}]
    configs: [{source: tls, target: /etc/tls}]
    secrets: [cert, key]
    x-rollout:
      replicas: keep
      probe: {port: 443, path: /readyz}
  cache: {image: cache:1}
configs:
  tls: {file: ./app.conf}
secrets:
  cert: {external: true}
  key: {external: true}
x-rollout: {release: two}
`

func TestALaterFileIsMergedOverThoseBefore(t *testing.T) {
	t.Parallel()
	got := mustMerge(t, plain, overlay)
	proxy, _ := got.Service("proxy")
	container := proxy.Spec.TaskTemplate.ContainerSpec

	t.Run("OKWhatItDoesNotRepeatStays", func(t *testing.T) {
		if container.Image != "proxy:1" || len(got.Services) != 3 {
			t.Errorf("got image %s, %d services", container.Image, len(got.Services))
		}
	})
	t.Run("OKPortsAreAdded", func(t *testing.T) {
		var ports []uint32
		for _, port := range proxy.Spec.EndpointSpec.Ports {
			ports = append(ports, port.PublishedPort)
		}
		if want := []uint32{80, 443}; !slices.Equal(ports, want) {
			t.Errorf("got ports %v, want %v", ports, want)
		}
	})
	t.Run("OKConfigsAndSecretsAreAdded", func(t *testing.T) {
		var uses, objects []string
		for _, ref := range container.Configs {
			uses = append(uses, ref.File.Name)
		}
		for _, ref := range container.Secrets {
			uses = append(uses, ref.SecretName)
		}
		for _, object := range slices.Concat(got.Configs, got.Secrets) {
			objects = append(objects, object.Key)
		}
		slices.Sort(uses)
		if want := []string{"/etc/conf", "/etc/tls", "cert", "key"}; !slices.Equal(uses, want) {
			t.Errorf("got %v, want %v", uses, want)
		}
		if want := []string{"conf", "tls", "cert", "key"}; !slices.Equal(objects, want) {
			t.Errorf("got objects %v, want %v", objects, want)
		}
	})
	t.Run("OKEnvironmentIsAdded", func(t *testing.T) {
		app, _ := got.Service("app")
		env := slices.Sorted(slices.Values(app.Spec.TaskTemplate.ContainerSpec.Env))
		if want := []string{"HTTPS=true", "LOG=info"}; !slices.Equal(env, want) {
			t.Errorf("got environment %v, want %v", env, want)
		}
	})
	t.Run("OKDependenciesAreAdded", func(t *testing.T) {
		if want := []string{"app", "cache"}; !slices.Equal(proxy.Needs, want) {
			t.Errorf("got needs %v, want %v", proxy.Needs, want)
		}
	})
	t.Run("OKExtensionsKeyByKeyAndTheProbeAsAWhole", func(t *testing.T) {
		want := model.Options{JobTimeout: 5 * time.Minute, KeepReplicas: true, Drain: 5 * time.Second,
			Probe: &model.Probe{Port: 443, Path: "/readyz", Timeout: 30 * time.Second}}
		if !reflect.DeepEqual(proxy.Options, want) {
			t.Errorf("got %+v, probe %+v", proxy.Options, proxy.Probe)
		}
		if got.Release != "two" {
			t.Errorf("got release %s, want two", got.Release)
		}
	})
	t.Run("OKTheLastOfThreeCounts", func(t *testing.T) {
		got := mustMerge(t, plain, overlay, "services: {proxy: {image: 'proxy:3', ports: [{target: 1, published: 80}], x-rollout: {drain: 9s}}}")
		proxy, _ := got.Service("proxy")
		ports := proxy.Spec.EndpointSpec.Ports
		if proxy.Spec.TaskTemplate.ContainerSpec.Image != "proxy:3" || proxy.Drain != 9*time.Second || len(ports) != 2 || ports[0].TargetPort != 1 {
			t.Errorf("got %s, %+v, ports %v", proxy.Spec.TaskTemplate.ContainerSpec.Image, proxy.Options, ports)
		}
	})
	t.Run("OKPathsAreRelativeToTheFirstFile", func(t *testing.T) {
		dir := folder(t)
		other := write(t, t.TempDir(), overlay)
		if _, err := stackfile.Load(append(write(t, dir, plain), other...), "cafe", testEnvironment); err != nil {
			t.Error(err)
		}
	})
	t.Run("OKOneWarningForWhatSeveralFilesHave", func(t *testing.T) {
		const hurts = "services: {a: {image: a, privileged: true, container_name: x, ports: ['127.0.0.1:80:80'], healthcheck: {test: x}, deploy: {replicas: 2}}}"
		if got := mustMerge(t, hurts, hurts).Warnings; len(got) != 3 {
			t.Errorf("got %v, want one each for address, privileged, container_name", got)
		}
	})
}

func TestAnErrorNamesTheFileThatHasIt(t *testing.T) {
	t.Parallel()
	const base = "services:\n  a:\n    image: a\n    depends_on: [b]\n    dns: [1.1.1.1]\n    ports: ['80:80']\n    networks: [n]\n  b: {image: b}\nnetworks: {n: }\n"
	for _, c := range []struct{ name, base, over, want string }{
		{"Empty", base, "", "over.yml: the file is empty"},
		{"NotYAML", base, "services: [\n", "over.yml:1: not YAML: "},
		{"NumberAsKey", base, "services:\n  5: {}\n", "over.yml:2: services: the key 5 must be text"},
		{"UnsetVariable", base, "services:\n  a:\n    image: a:$VERSION\n", "over.yml:3: services.a.image: variable VERSION is not set"},
		{"Misspelt", base, "services:\n  a:\n    x-rolout: {}\n", "over.yml:3: services.a.x-rolout: unknown key; x-rollout?"},
		{"MisspeltAtTheTop", base, "services: {}\nx-rolout: {}\n", "over.yml:2: x-rolout: unknown key; x-rollout?"},
		{"MisspeltInTheFirst", base + "x-rolout: {}\n", "services: {}\n", "s.yml:10: x-rolout: unknown key"},
		{"UnknownKey", base, "services:\n  a:\n    imgae: b\n", "over.yml:3: services.a.imgae: unknown key"},
		{"UnknownKeyInTheFirst", base + "service: {}\n", "services: {}\n", "s.yml:10: service: unknown key"},
		{"BadName", base, "configs:\n  'my conf': {external: true}\n", "over.yml:2: configs.my conf: a name has"},
		{"BadPort", base, "services:\n  a:\n    ports:\n      - 99999:80\n", "over.yml:4: services.a.ports.0: Does not match"},
		{"BadMode", base, "services:\n  a:\n    deploy:\n      mode: often\n", "over.yml:4: services.a.deploy.mode: Unknown mode"},
		{"NoEnvFile", base, "services:\n  a:\n    env_file: ./none\n", "over.yml:3: services.a.env_file: "},
		{"OtherVersion", "version: '3.9'\n" + base, "version: '3.8'\nservices: {}\n", "over.yml:1: version: is 3.8, but 3.9 in *s.yml; write the same"},
		{"NoVersion", "version: '3.9'\n" + base, "services: {}\n", "over.yml:1: version: is 3.13, but 3.9 in "},
		{"NoServices", "networks: {}\n", "services: {}\n", "over.yml:1: services: there is no service"},
		{"NoImage", base, "services:\n  c:\n    command: x\n", "over.yml:2: services.c.image: is missing"},
		{"BadImage", base, "services:\n  a:\n    image: 'A B'\n", "over.yml:3: services.a.image: \"A B\""},
		{"NoNetwork", base, "services:\n  a:\n    networks: [x]\n", "over.yml:3: services.a.networks: there is no network x"},
		{"NoNetworkInTheFirst", strings.Replace(base, "[n]", "[x]", 1), "services:\n  a:\n    networks: [n]\n", "s.yml:7: services.a.networks: there is no network x"},
		{"NoSecret", base, "services:\n  a:\n    secrets: [x]\n", "over.yml:3: services.a.secrets: there is no secret x"},
		{"SecondAddressOfAList", base, "services:\n  a:\n    dns:\n      - 2.2.2.2\n      - x\n", "over.yml:5: services.a.dns.1: \"x\" is no address"},
		{"BadAddressInTheFirst", strings.Replace(base, "1.1.1.1", "x", 1), "services:\n  a:\n    dns: [2.2.2.2]\n", "s.yml:5: services.a.dns.0: \"x\" is no address"},
		{"ExtraHosts", base, "services:\n  a:\n    extra_hosts: [x]\n", "over.yml:3: services.a.extra_hosts.0: "},
		{"PortOfNoMode", base, "services:\n  a:\n    ports:\n      - {target: 1, published: 90, mode: x}\n", "over.yml:4: services.a.ports.0.mode: must be ingress or host"},
		{"PortOfAnother", base, "services:\n  b:\n    ports: [{target: 1, published: 80}]\n", "over.yml:3: services.b.ports.0: 80/tcp is published by a already"},
		{"Constraint", "services: {a: {image: a, deploy: {placement: {constraints: [node.role==manager]}}}}", "services:\n  a:\n    deploy:\n      placement:\n        constraints:\n          - x\n", "over.yml:6: services.a.deploy.placement.constraints.0: \"x\""},
		{"TogetherOnly", strings.Replace(base, "['80:80']", "[{target: 1, published: 80}]", 1), "services:\n  a:\n    deploy:\n      endpoint_mode: dnsrr\n", "s.yml:6: services.a.ports.0: endpoint_mode dnsrr has no routing mesh"},
		{"ConvertedOnly", base, "services:\n  a:\n    healthcheck: {test: x, disable: true}\n", "over.yml:3: services.a.healthcheck: "},
		{"DependsOnNobody", base, "services:\n  b:\n    depends_on: [c]\n", "over.yml:3: services.b.depends_on: there is no service c"},
		{"DependsOnNobodyInTheFirst", strings.Replace(base, "[b]", "[c]", 1), "services:\n  a:\n    depends_on: [b]\n", "s.yml:4: services.a.depends_on: there is no service c"},
		{"DependsOnText", base, "services:\n  b:\n    depends_on: c\n", "over.yml:3: services.b.depends_on: must be a list or"},
		{"Cycle", base, "services:\n  b:\n    depends_on: [a]\n", "s.yml:4: services.a.depends_on: a cycle: a → b → a"},
		{"ExtensionIsText", base, "services:\n  a:\n    x-rollout: job\n", "over.yml:3: services.a.x-rollout: must be a mapping"},
		{"ExtensionUnknownKey", base, "services:\n  a:\n    x-rollout:\n      prob: {}\n", "over.yml:4: services.a.x-rollout.prob: unknown key"},
		{"ExtensionUnknownKeyInTheFirst", base + "x-rollout: {x: y}\n", "x-rollout: {release: r}\n", "s.yml:10: x-rollout.x: unknown key"},
		{"ExtensionReplaced", base + "x-rollout: {release: r}\n", "x-rollout:\n  release: [r]\n", "over.yml:2: x-rollout.release: must be text"},
		{"ProbeAsAWhole", "services: {a: {image: a, x-rollout: {probe: {port: 80, header: h, expect: e}}}}", "services:\n  a:\n    x-rollout:\n      probe: {port: 80, header: h}\n", "over.yml:4: services.a.x-rollout.probe.expect: is missing"},
		{"NoConfigFile", base, "configs:\n  c:\n    file: ./none\n", "over.yml:3: configs.c.file: "},
		{"ConfigIsReplacedAsAWhole", base + "configs: {c: {file: ./app.conf}}\n", "configs:\n  c: {labels: {x: y}}\n", "over.yml:2: configs.c: needs file"},
	} {
		t.Run("Err"+c.name, func(t *testing.T) {
			t.Parallel()
			dir := folder(t)
			_, err := stackfile.Load(write(t, dir, c.base, c.over), "cafe", testEnvironment)
			if err == nil {
				t.Fatalf("accepted, want %q", c.want)
			}
			got := strings.TrimPrefix(err.Error(), dir+"/")
			mustBeALine(t, got)
			if !matches(got, c.want) {
				t.Errorf("got  %s\nwant %s…", got, c.want)
			}
		})
	}
}

func TestTheNameIsInAnyOfTheFiles(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		texts []string
		want  string
	}{
		"OKFirst": {[]string{"x-rollout: {stack: cafe}", "services: {}"}, "cafe"},
		"OKLast":  {[]string{"x-rollout: {stack: cafe}", "x-rollout: {stack: bar}"}, "bar"},
		"OKNone":  {[]string{"services: {}", "services: {}"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := stackfile.NameIn(write(t, t.TempDir(), c.texts...)); err != nil || got != c.want {
				t.Errorf("got %q, %v, want %q", got, err, c.want)
			}
		})
	}
	t.Run("ErrInTheLast", func(t *testing.T) {
		dir := t.TempDir()
		_, err := stackfile.NameIn(write(t, dir, "x-rollout: {stack: cafe}", "x-rollout: {stack: a b}"))
		if err == nil || !strings.HasPrefix(err.Error(), dir+"/over.yml:1: x-rollout.stack: ") {
			t.Errorf("got %v", err)
		}
	})
}
