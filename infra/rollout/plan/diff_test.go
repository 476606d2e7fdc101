package plan_test

import (
	"reflect"
	"testing"
	"time"

	"boardcafe/infra/rollout/plan"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/swarm"
)

func ptr[T any](value T) *T { return &value }

// web is a service with something of everything.
func web() swarm.ServiceSpec {
	return swarm.ServiceSpec{
		Annotations: swarm.Annotations{Name: "cafe_web",
			Labels: map[string]string{"com.docker.stack.namespace": "cafe", "team": "floor"}},
		Mode: swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: ptr(uint64(2))}},
		TaskTemplate: swarm.TaskSpec{
			ContainerSpec: &swarm.ContainerSpec{
				Image: "reg/web:1", Args: []string{"serve", "--fast"}, Env: []string{"A=1", "B=2"},
				Mounts: []mount.Mount{{Type: mount.TypeVolume, Source: "cafe_data", Target: "/data"},
					{Type: mount.TypeTmpfs, Target: "/tmp"}},
				StopGracePeriod: ptr(30 * time.Second),
				Healthcheck:     &container.HealthConfig{Test: []string{"CMD", "healthy"}, Interval: 2 * time.Second},
				Secrets: []*swarm.SecretReference{{SecretName: "cafe_key_1", SecretID: "s1",
					File: &swarm.SecretReferenceFileTarget{Name: "key", Mode: 0o400}}},
				Configs: []*swarm.ConfigReference{{ConfigName: "cafe_conf_1", ConfigID: "c1",
					File: &swarm.ConfigReferenceFileTarget{Name: "/etc/web.conf", Mode: 0o444}}},
			},
			Placement: &swarm.Placement{Constraints: []string{"node.role == worker", "node.labels.x == y"}},
			Resources: &swarm.ResourceRequirements{Limits: &swarm.Limit{MemoryBytes: 256 << 20}},
			Networks:  []swarm.NetworkAttachmentConfig{{Target: "cafe_front"}, {Target: "cafe_back"}},
		},
		UpdateConfig: &swarm.UpdateConfig{Parallelism: 1, Order: swarm.UpdateOrderStartFirst},
		EndpointSpec: &swarm.EndpointSpec{Mode: swarm.ResolutionModeDNSRR, Ports: []swarm.PortConfig{
			{TargetPort: 53, PublishedPort: 53, Protocol: "udp", PublishMode: "host"},
			{TargetPort: 53, PublishedPort: 53, Protocol: "tcp", PublishMode: "host"},
		}},
	}
}

type changes = []plan.Change

// differences are changes of the service web, and what Diff says about them.
var differences = map[string]struct {
	change func(*swarm.ServiceSpec)
	want   changes
	effect plan.Effect
}{
	"OK/nothing": {func(*swarm.ServiceSpec) {}, nil, plan.InPlace},

	"OK/replicas": {
		func(s *swarm.ServiceSpec) { s.Mode.Replicated.Replicas = ptr(uint64(3)) },
		changes{{"replicas", "2", "3"}}, plan.InPlace,
	},
	"OK/label": {
		func(s *swarm.ServiceSpec) { s.Labels["team"] = "bar" },
		changes{{"labels[team]", "floor", "bar"}}, plan.InPlace,
	},
	"OK/label set to nothing": {
		func(s *swarm.ServiceSpec) { s.Labels["new"] = "" },
		changes{{"labels[new]", "", `""`}}, plan.InPlace,
	},
	"OK/update policy": {
		func(s *swarm.ServiceSpec) { s.UpdateConfig.Delay = time.Second },
		changes{{"update_config.delay", "", "1s"}}, plan.InPlace,
	},

	"OK/image": {
		func(s *swarm.ServiceSpec) { s.TaskTemplate.ContainerSpec.Image = "reg/web:2" },
		changes{{"image", "reg/web:1", "reg/web:2"}}, plan.Restarts,
	},
	"OK/variable": {
		func(s *swarm.ServiceSpec) { s.TaskTemplate.ContainerSpec.Env = []string{"A=1", "C=3"} },
		changes{{"environment[B]", "2", ""}, {"environment[C]", "", "3"}}, plan.Restarts,
	},
	"OK/variable set to nothing": {
		func(s *swarm.ServiceSpec) { s.TaskTemplate.ContainerSpec.Env = []string{"A=1", "B=2", "C="} },
		changes{{"environment[C]", "", `""`}}, plan.Restarts,
	},
	"OK/variable that is called like a field": {
		func(s *swarm.ServiceSpec) { s.TaskTemplate.ContainerSpec.Env = []string{"A=1", "B=2", "SecretName=x"} },
		changes{{"environment[SecretName]", "", "x"}}, plan.Restarts,
	},
	"OK/command": {
		func(s *swarm.ServiceSpec) { s.TaskTemplate.ContainerSpec.Args = []string{"serve"} },
		changes{{"command", "serve --fast", "serve"}}, plan.Restarts,
	},
	"OK/words of a command": {
		func(s *swarm.ServiceSpec) { s.TaskTemplate.ContainerSpec.Args = []string{"serve --fast"} },
		changes{{"command", "serve --fast", `"serve --fast"`}}, plan.Restarts,
	},
	"OK/order of a command": {
		func(s *swarm.ServiceSpec) { s.TaskTemplate.ContainerSpec.Args = []string{"--fast", "serve"} },
		changes{{"command", "serve --fast", "--fast serve"}}, plan.Restarts,
	},
	"OK/entrypoint": {
		func(s *swarm.ServiceSpec) { s.TaskTemplate.ContainerSpec.Command = []string{"/cafe"} },
		changes{{"entrypoint", "", "/cafe"}}, plan.Restarts,
	},
	"OK/memory": {
		func(s *swarm.ServiceSpec) { s.TaskTemplate.Resources.Limits.MemoryBytes = 1 << 30 },
		changes{{"resources.limits.memory", "256MiB", "1GiB"}}, plan.Restarts,
	},
	"OK/cpus": {
		func(s *swarm.ServiceSpec) { s.TaskTemplate.Resources.Limits.NanoCPUs = 15e8 },
		changes{{"resources.limits.cpus", "", "1.5"}}, plan.Restarts,
	},
	"OK/grace period": {
		func(s *swarm.ServiceSpec) { s.TaskTemplate.ContainerSpec.StopGracePeriod = ptr(time.Minute) },
		changes{{"stop_grace_period", "30s", "1m0s"}}, plan.Restarts,
	},
	"OK/read only": {
		func(s *swarm.ServiceSpec) { s.TaskTemplate.ContainerSpec.ReadOnly = true },
		changes{{"read_only", "", "true"}}, plan.Restarts,
	},
	"OK/version of a secret": {
		func(s *swarm.ServiceSpec) { s.TaskTemplate.ContainerSpec.Secrets[0].SecretName = "cafe_key_2" },
		changes{{"secrets[key].version", "cafe_key_1", "cafe_key_2"}}, plan.Restarts,
	},
	"OK/version of a config": {
		func(s *swarm.ServiceSpec) { s.TaskTemplate.ContainerSpec.Configs[0].ConfigName = "cafe_conf_2" },
		changes{{"configs[/etc/web.conf].version", "cafe_conf_1", "cafe_conf_2"}}, plan.Restarts,
	},
	"OK/mode of a secret": {
		func(s *swarm.ServiceSpec) { s.TaskTemplate.ContainerSpec.Secrets[0].File.Mode = 0o440 },
		changes{{"secrets[key].file.mode", "0400", "0440"}}, plan.Restarts,
	},
	"OK/volume": {
		func(s *swarm.ServiceSpec) { s.TaskTemplate.ContainerSpec.Mounts[0].Source = "other" },
		changes{{"volumes[/data].source", "cafe_data", "other"}}, plan.Restarts,
	},
	"OK/network": {
		func(s *swarm.ServiceSpec) { s.TaskTemplate.Networks = s.TaskTemplate.Networks[:1] },
		changes{{"networks[cafe_back]", "cafe_back", ""}}, plan.Restarts,
	},
	"OK/container label": {
		func(s *swarm.ServiceSpec) { s.TaskTemplate.ContainerSpec.Labels = map[string]string{"a": "b"} },
		changes{{"container labels[a]", "", "b"}}, plan.Restarts,
	},
	"OK/port of one protocol": {
		func(s *swarm.ServiceSpec) { s.EndpointSpec.Ports[0].PublishedPort = 5353 },
		changes{{"ports[53/udp].published_port", "53", "5353"}}, plan.Restarts,
	},
	"OK/forced update": {
		func(s *swarm.ServiceSpec) { s.TaskTemplate.ForceUpdate = 1 },
		changes{{"force_update", "0", "1"}}, plan.Restarts,
	},
	"OK/replicas per machine": {
		func(s *swarm.ServiceSpec) { s.TaskTemplate.Placement.MaxReplicas = 1 },
		changes{{"placement.max_replicas", "", "1"}}, plan.Restarts,
	},

	"OK/constraint": {
		func(s *swarm.ServiceSpec) { s.TaskTemplate.Placement.Constraints = []string{"node.role == worker"} },
		changes{{"placement.constraints", `"node.labels.x == y" "node.role == worker"`, `"node.role == worker"`}},
		plan.Moves,
	},
	"OK/constraint and label": {
		func(s *swarm.ServiceSpec) { s.TaskTemplate.Placement.Constraints = nil; s.Labels["team"] = "" },
		changes{
			{"labels[team]", "floor", `""`},
			{"placement.constraints", `"node.labels.x == y" "node.role == worker"`, ""},
		},
		plan.Moves,
	},
	"OK/constraint and image": {func(s *swarm.ServiceSpec) {
		s.TaskTemplate.Placement.Constraints = nil
		s.TaskTemplate.ContainerSpec.Image = "reg/web:2"
	}, changes{{"image", "reg/web:1", "reg/web:2"},
		{"placement.constraints", `"node.labels.x == y" "node.role == worker"`, ""}}, plan.Restarts},
}

func TestDiffNamesFieldsAndWhatTheyDoToTasks(t *testing.T) {
	t.Parallel()
	for name, c := range differences {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			after := web()
			c.change(&after)
			got, effect := plan.Diff(web(), after)
			if !reflect.DeepEqual(got, c.want) || effect != c.effect {
				t.Errorf("got  %q, %s\nwant %q, %s", got, effect, c.want, c.effect)
			}
		})
	}
}

func TestDiffSeesNoChangeWhereSwarmSaysTheSameInOtherWords(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*swarm.ServiceSpec){
		"order of variables": func(s *swarm.ServiceSpec) {
			s.TaskTemplate.ContainerSpec.Env = []string{"B=2", "A=1"}
		},
		"order of mounts": func(s *swarm.ServiceSpec) {
			m := s.TaskTemplate.ContainerSpec.Mounts
			m[0], m[1] = m[1], m[0]
		},
		"order of networks": func(s *swarm.ServiceSpec) { n := s.TaskTemplate.Networks; n[0], n[1] = n[1], n[0] },
		"order of ports":    func(s *swarm.ServiceSpec) { p := s.EndpointSpec.Ports; p[0], p[1] = p[1], p[0] },
		"order of constraints": func(s *swarm.ServiceSpec) {
			c := s.TaskTemplate.Placement.Constraints
			c[0], c[1] = c[1], c[0]
		},
		"empty lists": func(s *swarm.ServiceSpec) { s.TaskTemplate.ContainerSpec.Groups = []string{} },
		"empty maps": func(s *swarm.ServiceSpec) {
			s.TaskTemplate.ContainerSpec.Sysctls = map[string]string{}
		},
		"empty structs": func(s *swarm.ServiceSpec) {
			s.TaskTemplate.ContainerSpec.DNSConfig = &swarm.DNSConfig{}
			s.TaskTemplate.ContainerSpec.Privileges = &swarm.Privileges{}
		},
		"false": func(s *swarm.ServiceSpec) { s.TaskTemplate.ContainerSpec.Init = ptr(false) },
		"defaults of tasks": func(s *swarm.ServiceSpec) {
			s.TaskTemplate.Runtime = swarm.RuntimeContainer
			s.TaskTemplate.ContainerSpec.Isolation = container.IsolationDefault
			s.TaskTemplate.RestartPolicy = &swarm.RestartPolicy{Condition: "any", Delay: ptr(5 * time.Second),
				MaxAttempts: ptr(uint64(0)), Window: ptr(time.Duration(0))}
		},
		"defaults of updates": func(s *swarm.ServiceSpec) {
			s.UpdateConfig.FailureAction, s.UpdateConfig.Monitor = "pause", 5*time.Second
			s.RollbackConfig = &swarm.UpdateConfig{Parallelism: 1, FailureAction: "pause", Monitor: 5 * time.Second,
				Order: "stop-first"}
		},
		"defaults of ports": func(s *swarm.ServiceSpec) { s.EndpointSpec.Ports[1].Protocol = "" },
		"identifiers": func(s *swarm.ServiceSpec) {
			s.TaskTemplate.ContainerSpec.Secrets[0].SecretID = ""
			s.TaskTemplate.ContainerSpec.Configs[0].ConfigID = ""
		},
		"docker's label of the image": func(s *swarm.ServiceSpec) {
			s.Labels["com.docker.stack.image"] = "reg/web:1"
		},
	} {
		t.Run("OK/"+name, func(t *testing.T) {
			t.Parallel()
			after := web()
			change(&after)
			for _, specs := range [][2]swarm.ServiceSpec{{web(), after}, {after, web()}} {
				if got, effect := plan.Diff(specs[0], specs[1]); len(got) > 0 || effect != plan.InPlace {
					t.Errorf("got %q, %s", got, effect)
				}
			}
		})
	}
}

func TestAFingerprintIsOfWhatMatters(t *testing.T) {
	t.Parallel()
	const digest = "@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	of := func(image string) string {
		spec := web()
		spec.TaskTemplate.ContainerSpec.Image = image
		return plan.Fingerprint(spec)
	}
	t.Run("OK/another tag of the same image", func(t *testing.T) {
		if of("reg/web:1"+digest) != of("reg/web:2"+digest) || of("reg:5000/web"+digest) != of("reg:5000/web:2"+digest) {
			t.Error("the tag counts")
		}
	})
	t.Run("OK/another order", func(t *testing.T) {
		spec := web()
		spec.TaskTemplate.ContainerSpec.Env = []string{"B=2", "A=1"}
		spec.TaskTemplate.ContainerSpec.Secrets[0].SecretID = "another swarm's"
		if plan.Fingerprint(spec) != plan.Fingerprint(web()) {
			t.Error("the order of variables, or an identifier, counts")
		}
	})
	t.Run("OK/another image", func(t *testing.T) {
		if of("reg/web:1") == of("reg/web:2") || of("reg/web"+digest) == of("reg/other"+digest) {
			t.Error("two images have one fingerprint")
		}
	})
	t.Run("OK/another variable", func(t *testing.T) {
		spec := web()
		spec.TaskTemplate.ContainerSpec.Env = append(spec.TaskTemplate.ContainerSpec.Env, "C=")
		if plan.Fingerprint(spec) == plan.Fingerprint(web()) {
			t.Error("a variable that is set to nothing does not count")
		}
	})
}
