package lab_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"boardcafe/tests/cluster/machine"
	"boardcafe/tests/engine"
)

// The images of Jenkins cannot be had here. Two that say in their names that they stand in for them take
// their place; what the role gives to those is compared with what the real ones need.
const (
	controllerStandIn = "boardcafe/jenkins-stand-in:test"
	agentStandIn      = "boardcafe/jenkins-agent-stand-in:test"
)

// given is what the stand-in of the controller says that it was given: see standin/main.go.
type given struct {
	UID, GID int
	Groups   []int
	Env      map[string]string
	Secrets  []struct {
		Name, Mode string
		UID        int
		Size       int
		LineEnd    bool
	}
	Mounts []struct {
		Path     string
		ReadOnly bool
	}
	Writable []string
}

// jenkins is the Jenkins machine after jenkins.yml.
type jenkins struct {
	*cafe
	variables map[string]string // that are its own, secrets most of them
}

func TestJenkins(t *testing.T) {
	l := aCafe(t)
	right := l.Inventory
	defer func() { l.Inventory = right }()
	l.Inventory = right.Clone()
	j := jenkins{l, l.setJenkins(t)}
	l.play(t, "jenkins.yml")

	t.Run("a second run changes nothing", j.changesNothing)
	t.Run("the controller is given what the real one needs, and no engine", j.givesWhatIsNeeded)
	t.Run("the agent lets the controller in, and may use the engine", j.letsTheControllerIn)
	t.Run("the deploy key opens the manager's engine from the agent", j.deployKeyOpensTheEngine)
	t.Run("the world reaches it by https and no other way", j.isReachedByHTTPS)
	t.Run("a changed secret reaches it", j.takesAChangedSecret)
	t.Run("the backup has its home, and no workspace", j.backsUpItsHome)
	for name, test := range map[string]struct{ variable, value, want string }{
		"a tag in place of a digest": {"jenkins_image", "registry/jenkins:latest", "must be NAME@sha256:"},
		"an empty secret":            {"jenkins_github_hook_secret", "", "jenkins_github_hook_secret is empty"},
	} {
		t.Run(name+" stops the run before the first change", func(t *testing.T) {
			right := l.Inventory
			defer func() { l.Inventory = right }()
			l.Inventory = right.Clone()
			l.Inventory.Set(test.variable, test.value)
			recap, err := l.Play(t.Context(), "preflight.yml")
			if err == nil || !strings.Contains(recap.Output, test.want) {
				t.Errorf("got %v\n%s", err, recap.Output)
			}
		})
	}
}

func (j jenkins) changesNothing(t *testing.T) {
	recap := j.play(t, "jenkins.yml")
	if changed := recap.ChangedTasks(); len(changed) > 0 {
		t.Errorf("changed:\n%s", strings.Join(changed, "\n"))
	}
	if strings.Contains(recap.Output, j.variables["jenkins_admin_password"]) {
		t.Error("Ansible prints a secret")
	}
}

func (j jenkins) givesWhatIsNeeded(t *testing.T) {
	var got given
	if err := json.Unmarshal([]byte(j.fetch(t, j.Jenkins, "http://127.0.0.1:8080/given")), &got); err != nil {
		t.Fatal(err)
	}
	if got.UID != 1000 || got.GID != 1000 || len(got.Groups) > 0 && !slices.Equal(got.Groups, []int{1000}) {
		t.Errorf("it runs as %d:%d, groups %v, want 1000:1000 alone", got.UID, got.GID, got.Groups)
	}
	if !slices.Equal(got.Writable, []string{"/var/jenkins_home"}) {
		t.Errorf("it can write to %v, want its home", got.Writable)
	}
	got.wantSecrets(t)
	for name, want := range map[string]string{
		"DEPLOY_HOST": "ssh://deploy@" + j.Manager.Address.String(),
		"REGISTRY":    j.Jenkins.Address.String() + ":5000",
		"STACK_FILES": "docker-stack.yml",
		"URLS":        "http://" + j.Manager.Address.String() + " http://" + j.Worker.Address.String(),
	} {
		if got.Env[name] != want {
			t.Errorf("%s is %q, want %q", name, got.Env[name], want)
		}
	}
	got.wantMounts(t)
	inspected := on(t, j.Jenkins, "docker inspect jenkins")
	if strings.Contains(inspected, j.variables["jenkins_admin_password"]) {
		t.Error("docker inspect shows a secret")
	}
}

// letsTheControllerIn comes to the agent as the controller does: by the key that the role has made, to the host key
// that it tells.
func (j jenkins) letsTheControllerIn(t *testing.T) {
	const ssh = `dir=/etc/boardcafe/jenkins; known=$(mktemp); trap 'rm "$known"' EXIT
		echo "[127.0.0.1]:2222 $(cut -d' ' -f1,2 "$dir/agent/agent_host_key.pub")" > "$known"
		ssh -p 2222 -i "$dir/agent_key" -o UserKnownHostsFile="$known" -o BatchMode=yes jenkins@127.0.0.1 "$1"`
	const ask = "id -un; curl -fsS --unix-socket /var/run/docker.sock http://engine/version >/dev/null && echo engine"
	if got := on(t, j.Jenkins, ssh, ask); got != "jenkins\nengine" {
		t.Errorf("got %q", got)
	}
	if got := on(t, j.Jenkins, ssh, "touch ~/agent/try && echo ok"); got != "ok" {
		t.Errorf("its folder: %q", got)
	}
	want := j.Manager.Address.String() + " ssh-ed25519 "
	if got := on(t, j.Jenkins, ssh, "cat /etc/ssh/ssh_known_hosts"); !strings.HasPrefix(got, want) {
		t.Errorf("it knows %q, want %q", got, want)
	}
	const read = "cat /etc/boardcafe/jenkins/secrets/* /run/secrets/agent_host_key 2>/dev/null | wc -c"
	if got := on(t, j.Jenkins, ssh, read); got != "0" {
		t.Errorf("a build reads %s bytes of secrets", got)
	}
	out, err := j.Jenkins.Run(t.Context(), "ssh", "-p", "2222", "-o", "BatchMode=yes",
		"-o", "StrictHostKeyChecking=accept-new", "-o", "UserKnownHostsFile=/dev/null", "jenkins@127.0.0.1")
	if err == nil {
		t.Errorf("somebody without the key is let in: %s", out)
	}
}

func (j jenkins) deployKeyOpensTheEngine(t *testing.T) {
	key := on(t, j.Jenkins, "cat /etc/boardcafe/jenkins/secrets/DEPLOY_KEY")
	if want := strings.TrimSpace(j.variables["jenkins_deploy_key"]); key != want {
		t.Error("the key has changed on its way")
	}
	const ping = `cd /etc/boardcafe/jenkins
		ssh -i secrets/DEPLOY_KEY -o UserKnownHostsFile=agent/known_hosts -o BatchMode=yes "deploy@$1" \
			docker system dial-stdio <<< $'GET /_ping HTTP/1.0\r\n\r\n' | head -n 1 | tr -d '\r'`
	got := on(t, j.Jenkins, ping, j.Manager.Address.String())
	if got != "HTTP/1.0 200 OK" {
		t.Errorf("got %q", got)
	}
}

func (j jenkins) isReachedByHTTPS(t *testing.T) {
	ci := j.Jenkins.Address.String()
	if got := j.fetch(t, j.Worker, "https://"+ci+"/login"); !strings.Contains(got, "stands in") {
		t.Errorf("got %q", got)
	}
	for _, port := range []string{"8080", "2222", "80"} {
		if _, err := j.Worker.Run(t.Context(), "timeout", "2", "bash", "-c", "</dev/tcp/"+ci+"/"+port); err == nil {
			t.Errorf("port %s is open", port)
		}
	}
	j.play(t, "verify.yml", "--limit", "ci")
}

func (j jenkins) takesAChangedSecret(t *testing.T) {
	j.Inventory.Set("jenkins_github_token", "another-token")
	recap := j.play(t, "jenkins.yml")
	// One line for each item of a loop, and one for the task.
	changed := slices.Compact(recap.ChangedTasks())
	want := []string{"ci: jenkins : Give the controller its secrets", "ci: jenkins : Restart Jenkins"}
	if !slices.Equal(changed, want) {
		t.Errorf("changed\n%s", strings.Join(changed, "\n"))
	}
}

func (j jenkins) backsUpItsHome(t *testing.T) {
	list := on(t, j.Jenkins, `home=/var/lib/docker/volumes/jenkins_home/_data
		mkdir -p $home/jobs/cafe $home/workspace/cafe $home/caches
		touch $home/jobs/cafe/config.xml $home/workspace/cafe/x $home/caches/y
		systemctl start jenkins-backup.service
		file=$(ls /var/backups/jenkins/home-*.tar.gz | tail -n 1); stat -c %a "$file"; tar --list --file="$file"`)
	if !strings.HasPrefix(list, "600\n") || !strings.Contains(list, "jobs/cafe/config.xml") ||
		strings.Contains(list, "workspace") || strings.Contains(list, "caches") {
		t.Errorf("got\n%s", list)
	}
}

// wantSecrets compares the names of all that it was given with those that casc.yaml reads, and looks at who may
// read the secrets.
func (got given) wantSecrets(t *testing.T) {
	t.Helper()
	var names []string
	for _, secret := range got.Secrets {
		names = append(names, secret.Name)
		if secret.Mode != "-r--------" || secret.UID != 1000 || secret.Size == 0 {
			t.Errorf("secret %s has mode %s, owner %d and %d bytes, want -r--------, 1000 and some",
				secret.Name, secret.Mode, secret.UID, secret.Size)
		}
		if key := strings.HasSuffix(secret.Name, "_KEY"); key != secret.LineEnd {
			t.Errorf("secret %s ends with a line's end: %t, want %t", secret.Name, secret.LineEnd, key)
		}
	}
	for name := range got.Env {
		if name != "PATH" && name != "HOME" && name != "HOSTNAME" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	want := strings.Fields(`AGENT_HOST_KEY AGENT_KEY DEPLOY_HOST DEPLOY_KEY GITHUB_HOOK_SECRET GITHUB_OWNER
		GITHUB_REPOSITORY GITHUB_TOKEN JENKINS_ADMIN_ID JENKINS_ADMIN_PASSWORD JENKINS_URL REGISTRY REGISTRY_PASSWORD
		REGISTRY_USER SMOKE_PASSWORD STACK_FILES TLS_NAME URLS`)
	if !slices.Equal(names, want) {
		t.Errorf("it has\n%q, want\n%q", names, want)
	}
}

func (got given) wantMounts(t *testing.T) {
	t.Helper()
	mounts := map[string]bool{} // path → read-only
	for _, mount := range got.Mounts {
		mounts[mount.Path] = mount.ReadOnly
	}
	if readOnly, ok := mounts["/run/secrets"]; !ok || !readOnly {
		t.Errorf("/run/secrets is there: %t, read-only: %t", ok, readOnly)
	}
	if readOnly, ok := mounts["/var/jenkins_home"]; !ok || readOnly {
		t.Errorf("/var/jenkins_home is there: %t, read-only: %t", ok, readOnly)
	}
	if _, ok := mounts["/var/run/docker.sock"]; ok {
		t.Error("the controller has the engine's socket")
	}
}

// setJenkins builds the stand-ins, pushes them to the lab's registry, and completes the inventory.
func (l *cafe) setJenkins(t *testing.T) (secrets map[string]string) {
	t.Helper()
	root := engine.Root()
	standin := t.TempDir()
	compile := exec.Command("go", "build", "-o", filepath.Join(standin, "standin"), "./tests/lab/standin")
	compile.Dir, compile.Env = root, append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if out, err := compile.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := os.Mkdir(filepath.Join(standin, "home"), 0o755); err != nil {
		t.Fatal(err)
	}
	build := func(dockerfile, tag, folder string) {
		args := []string{"build", "--quiet", "--file", filepath.Join(root, "tests/lab/standin", dockerfile), "--tag", tag}
		for name, value := range engine.Labels() {
			args = append(args, "--label", name+"="+value)
		}
		if out, err := exec.Command("docker", append(args, folder)...).CombinedOutput(); err != nil {
			t.Fatalf("docker build: %v\n%s", err, out)
		}
	}
	build("Dockerfile", controllerStandIn, standin)
	build("agent.Dockerfile", agentStandIn, filepath.Join(root, "jenkins/agent"))
	if err := l.Jenkins.Load(t.Context(), controllerStandIn, agentStandIn); err != nil {
		t.Fatal(err)
	}
	l.Inventory.Set("jenkins_image", l.push(t, controllerStandIn, "jenkins-stand-in"))
	l.Inventory.Set("jenkins_agent_image", l.push(t, agentStandIn, "jenkins-agent-stand-in"))

	key, err := os.ReadFile(filepath.Join(l.Dir(), "id_ed25519"))
	if err != nil {
		t.Fatal(err)
	}
	secrets = map[string]string{
		"jenkins_url": "https://ci.example.org/", "jenkins_github_owner": "anna", "jenkins_github_repository": "cafe",
		"jenkins_admin_password": "the-admins-password", "jenkins_github_token": "a-token-of-github",
		"jenkins_github_hook_secret": "the-hooks-secret", "jenkins_smoke_password": "the-smoke-tests-password", "jenkins_deploy_key": string(key),
	}
	for name, value := range secrets {
		l.Inventory.Set(name, value)
	}
	return secrets
}

// fetch asks an address from a machine, by the certificates of the registry's CA. Machines have no curl.
func (l *cafe) fetch(t *testing.T, m *machine.Machine, url string) string {
	t.Helper()
	return on(t, m, `python3 -c '
import ssl, sys, urllib.request
context = ssl.create_default_context(cafile=sys.argv[2])
print(urllib.request.urlopen(sys.argv[1], timeout=10, context=context).read().decode())' "$1" /etc/docker/certs.d/"$2":5000/ca.crt`,
		url, l.Jenkins.Address.String())
}

// push moves an image that the Jenkins machine has to the registry, and returns it with its digest.
func (l *cafe) push(t *testing.T, image, name string) string {
	t.Helper()
	password := l.Inventory.All.Vars["registry_password"].(string)
	registry := l.Jenkins.Address.String() + ":5000"
	const script = `config=$(mktemp --directory); trap 'rm -rf "$config"' EXIT
		docker --config "$config" login --username cafe --password-stdin "$1" >/dev/null 2>&1
		docker tag "$2" "$1/$3:test"; docker --config "$config" push --quiet "$1/$3:test" >/dev/null
		docker image inspect --format '{{join .RepoDigests "\n"}}' "$2" | grep "^$1/$3@"
		docker image rm --force "$1/$3:test" "$2" >/dev/null # the role has to pull it`
	out, err := l.Jenkins.Pipe(context.WithoutCancel(t.Context()), bytes.NewBufferString(password), "bash", "-euo", "pipefail", "-c", script, "bash", registry, image, name)
	if err != nil {
		t.Fatal(fmt.Errorf("push %s: %w", image, err))
	}
	return strings.TrimSpace(out)
}
