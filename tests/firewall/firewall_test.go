// Package firewall_test tries the rules that Ansible writes for the machines of inventory.example, in network
// namespaces: no machine, no Docker in it, some seconds. On real machines tests/lab tries them.
package firewall_test

import (
	"bytes"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"boardcafe/tests/engine"
)

func TestEachMachineAnswersOnlyWhomItShould(t *testing.T) {
	answers := knock(t)

	everything := "stranger tcp/22 tcp/2377 tcp/443 tcp/5000 tcp/7946 tcp/80 tcp/9000 tcp/9999 udp/4789 udp/7946 udp/9999"
	for _, test := range []struct{ rules, who, want string }{
		// Without rules all of it is open: what is closed below, the rules have closed.
		{"none", "stranger", strings.TrimPrefix(everything, "stranger ")},
		{"none", "worker1", strings.TrimPrefix(everything, "stranger ")},
		{"none", "ci", strings.TrimPrefix(everything, "stranger ")},
		{"none", "container", "tcp/7000"},
		// 9000 is a port that a container publishes.
		{"manager", "stranger", "tcp/22 tcp/443 tcp/80"},
		{"manager", "worker1", "tcp/22 tcp/2377 tcp/443 tcp/7946 tcp/80 udp/4789 udp/7946"},
		{"manager", "ci", "tcp/22 tcp/443 tcp/80"},
		{"manager", "container", "tcp/7000"},
		{"worker1", "stranger", "tcp/22 tcp/443 tcp/80"},
		{"worker1", "worker1", "tcp/22 tcp/443 tcp/7946 tcp/80 udp/4789 udp/7946"},
		{"worker1", "ci", "tcp/22 tcp/443 tcp/80"},
		{"worker1", "container", "tcp/7000"},
		{"ci", "stranger", "tcp/22 tcp/443"},
		{"ci", "worker1", "tcp/22 tcp/443 tcp/5000"},
		{"ci", "ci", "tcp/22 tcp/443 tcp/5000"},
		{"ci", "container", "tcp/7000"},
		// With firewall_admin_networks: the others of the inventory come in by ssh, as Jenkins does to deploy.
		{"manager.admins", "stranger", "tcp/443 tcp/80"},
		{"manager.admins", "ci", "tcp/22 tcp/443 tcp/80"},
	} {
		got := answers[test.rules+" "+test.who]
		slices.Sort(got)
		if got := strings.Join(got, " "); got != test.want {
			t.Errorf("with the rules of %s, %s is answered on\n  %s\nwant\n  %s", test.rules, test.who, got, test.want)
		}
	}
}

// knock renders the rules of every machine and tries them, and returns the ports that answer, by `RULES WHO`.
func knock(t *testing.T) map[string][]string {
	t.Helper()
	const script = `
		tar --extract
		export ANSIBLE_HOME=/tmp/.ansible ANSIBLE_NOCOLOR=1
		cd ansible
		render() { # SUFFIX [OPTION...]
			ansible all -i inventory.example -c local -m template \
				-e @roles/firewall/defaults/main.yml -e @roles/firewall/vars/main.yml \
				-a "src=roles/firewall/templates/firewall.nft.j2 dest=/tmp/{{ inventory_hostname }}$1" "${@:2}"
		}
		render '' >&2
		render .admins -e '{"firewall_admin_networks": ["198.51.100.0/24", "2001:db8::/32"]}' >&2
		cd /tmp && python3 /tmp/tests/firewall/testdata/namespaces.py manager worker1 ci manager.admins`
	files := exec.CommandContext(t.Context(), "tar", "--create", "ansible", "tests/firewall/testdata")
	files.Dir = engine.Root()
	archive, err := files.Output()
	if err != nil {
		t.Fatal(err)
	}
	arguments := []string{"run", "--rm", "--interactive", "--network", "none", "--user", "0:0",
		"--sysctl", "net.ipv4.ip_forward=1", "--cap-add", "NET_ADMIN", "--cap-add", "SYS_ADMIN",
		"--security-opt", "apparmor=unconfined", "--security-opt", "seccomp=unconfined"}
	for name, value := range engine.Labels() {
		arguments = append(arguments, "--label", name+"="+value)
	}
	docker := exec.CommandContext(t.Context(), "docker",
		append(arguments, engine.Toolbox(), "bash", "-euo", "pipefail", "-c", script)...)
	docker.Stdin = bytes.NewReader(archive)
	var diagnostics bytes.Buffer
	docker.Stderr = &diagnostics
	out, err := docker.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, diagnostics.String())
	}
	answers := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		key := fields[0] + " " + fields[1]
		answers[key] = append(answers[key], fields[2])
	}
	return answers
}
