package stackfile_test

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"boardcafe/infra/rollout/model"
	"boardcafe/infra/rollout/stackfile"
)

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
}

func TestTheLastFileCounts(t *testing.T) {
	t.Parallel()
	t.Run("OKExtensionsKeyByKeyAndTheProbeAsAWhole", func(t *testing.T) {
		got := mustMerge(t, plain, overlay)
		proxy, _ := got.Service("proxy")
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
		const last = "services: {proxy: {image: 'proxy:3', ports: [{target: 1, published: 80}], x-rollout: {drain: 9s}}}"
		got := mustMerge(t, plain, overlay, last)
		proxy, _ := got.Service("proxy")
		image, ports := proxy.Spec.TaskTemplate.ContainerSpec.Image, proxy.Spec.EndpointSpec.Ports
		if image != "proxy:3" || proxy.Drain != 9*time.Second || len(ports) != 2 || ports[0].TargetPort != 1 {
			t.Errorf("got %s, %+v, ports %v", image, proxy.Options, ports)
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
		const hurts = `
services:
  a:
    image: a
    privileged: true
    container_name: x
    ports: ['127.0.0.1:80:80']
    healthcheck: {test: x}
    deploy: {replicas: 2}
`
		if got := mustMerge(t, hurts, hurts).Warnings; len(got) != 3 {
			t.Errorf("got %v, want one each for address, privileged, container_name", got)
		}
	})
}
