package lab_test

import (
	"bytes"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"boardcafe/tests/cluster/machine"
	"boardcafe/tests/engine"
	"boardcafe/tests/lab"
)

func TestSSHLetsInNobodyButUsersWithKeys(t *testing.T) {
	l := aCafe(t)
	content, err := os.ReadFile(filepath.Join(l.Dir(), "id_ed25519"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.ParsePrivateKey(content)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range l.Machines()[:3] {
		on(t, m, `id mallory >/dev/null 2>&1 || useradd --create-home mallory
			for user in root mallory; do
				home=$(getent passwd $user | cut -d: -f6); mkdir -p -m 0700 $home/.ssh
				echo "$1" > $home/.ssh/authorized_keys; chown -R $user $home/.ssh
			done
			echo 'debian:correct horse' | chpasswd`, l.AuthorizedKey())
		defer on(t, m, "rm /root/.ssh/authorized_keys; userdel --remove mallory; usermod --lock debian")

		t.Run(m.Name, func(t *testing.T) {
			if err := signOn(m, "debian", ssh.PublicKeys(key)); err != nil {
				t.Errorf("debian, with the right key: %v", err)
			}
			if err := signOn(m, "ops", ssh.PublicKeys(key)); err != nil {
				t.Errorf("an admin of the inventory, with the right key: %v", err)
			}
			for who, refused := range map[string]error{
				"debian, with the right password": signOn(m, "debian", ssh.Password("correct horse")),
				"debian, by the keyboard": signOn(m, "debian", ssh.KeyboardInteractive(
					func(_, _ string, questions []string, _ []bool) ([]string, error) {
						return []string{"correct horse"}[:min(1, len(questions))], nil
					})),
				"root, with a right key":                         signOn(m, "root", ssh.PublicKeys(key)),
				"a user of no role, with a right key of his own": signOn(m, "mallory", ssh.PublicKeys(key)),
			} {
				if refused == nil {
					t.Errorf("%s: let in", who)
				} else if !strings.Contains(refused.Error(), "unable to authenticate") {
					t.Errorf("%s: not refused, but %v", who, refused)
				}
			}
		})
	}
}

func signOn(m *machine.Machine, user string, method ssh.AuthMethod) error {
	client, err := ssh.Dial("tcp", m.Port(22), &ssh.ClientConfig{
		User: user, Auth: []ssh.AuthMethod{method}, Timeout: 10 * time.Second,
		HostKeyCallback: func(string, net.Addr, ssh.PublicKey) error { return nil }, // it tells nothing
	})
	if err != nil {
		return err
	}
	return client.Close()
}

func TestTheKeyOfDeployOpensTheEngineAndNoShell(t *testing.T) {
	l := aCafe(t)
	command := l.SSH(t.Context(), "deploy@manager", "touch /tmp/was-here; cat /etc/passwd")
	command.Stdin = strings.NewReader("GET /_ping HTTP/1.0\r\n\r\n")
	out, err := command.CombinedOutput()
	if bytes.Contains(out, []byte("root:")) || !bytes.Contains(out, []byte("200 OK")) {
		t.Errorf("deploy came to something else than the engine: %v\n%s", err, out)
	}
	if _, err := l.Manager.Run(t.Context(), "test", "!", "-e", "/tmp/was-here"); err != nil {
		t.Error("deploy ran a command")
	}
	docker := exec.CommandContext(t.Context(), "docker", "info", "--format", "{{.Name}} {{.Swarm.ControlAvailable}}")
	docker.Env = append(l.Env(), "DOCKER_HOST=ssh://deploy@manager")
	if out, err := docker.CombinedOutput(); err != nil || strings.TrimSpace(string(out)) != "manager true" {
		t.Errorf("docker info by way of deploy: %v\n%s", err, out)
	}
	if out, err := l.SSH(t.Context(), "-W", "127.0.0.1:22", "deploy@manager").CombinedOutput(); err == nil || !bytes.Contains(out, []byte("prohibited")) {
		t.Errorf("deploy got a tunnel: %v\n%s", err, out)
	}
}

func TestAMachineWithAnotherHostKeyIsNotTalkedTo(t *testing.T) {
	l := aCafe(t)
	right, wrong := l.Inventory, l.Inventory.Clone()
	defer func() { l.Inventory = right }()
	wrong.Host("worker")["ansible_host"] = l.Jenkins.Address.String()
	wrong.Host("worker")["ansible_control_path_dir"] = "/tmp/another" // no connection that is open already
	wrong.Host("worker")["ansible_ssh_extra_args"] = "-o HostKeyAlias=" + l.Worker.Address.String()
	l.Inventory = wrong
	recap, err := l.Play(t.Context(), "preflight.yml", "--limit", "worker")
	var exit *lab.PlayError
	if !errors.As(err, &exit) || recap.Hosts["worker"].Unreachable != 1 {
		t.Errorf("worker has another's host key, and Ansible ended with %v\n%s", err, recap.Output)
	}
	if !strings.Contains(recap.Output, "Host key verification failed") {
		t.Errorf("it does not say why:\n%s", recap.Output)
	}
}

func TestNothingSwitchesTheCheckOfHostKeysOff(t *testing.T) {
	t.Parallel()
	grep := exec.CommandContext(t.Context(), "git", "grep", "--untracked", "-nEi",
		"host_key_checking|StrictHostKeyChecking[= ]*(no|off|accept-new)", "--", "ansible", "jenkins", "Jenkinsfile", "infra", "Makefile")
	grep.Dir = engine.Root()
	if out, err := grep.Output(); err == nil {
		t.Errorf("%s", out)
	}
}
