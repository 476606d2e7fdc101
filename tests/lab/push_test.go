package lab_test

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"boardcafe/tests/cluster/machine"
	"boardcafe/tests/engine"
	"boardcafe/tests/pipeline"
	"boardcafe/tests/visitor"
)

// bounds keep a build to minutes. What the stages run is the same, over less: it has all run already, here.
var bounds = []string{"LINTERS=lint-shell", "TESTS=./app/cafe", "CLUSTER_TESTS=./app/cafe", "MIN_COVERAGE=0"}

// pushes come one after the other, each on top of what the one before has left.
type pushes struct {
	*ci
	repository repository
	serving    string // the release that the last good one has brought
}

// A push goes live: the runner of tests/pipeline reads the real Jenkinsfile, and its steps are done for real.
// The engine of the Jenkins machine builds, its registry has the images, and rollout comes to the manager as
// the user deploy.
func TestAPushToMain(t *testing.T) {
	l := aCafe(t)
	p := &pushes{ci: l.newPipeline(t), repository: newRepository(t), serving: l.releases(t)}
	defer l.play(t, "cafe.yml") // whatever happens: the release that the other tests know
	t.Run("goes live", p.goesLive)
	t.Run("replaces what serves, and no visitor notices", p.replacesWhatServes)
	t.Run("that breaks the app ends red, and what served goes on", p.thatBreaksTheApp)
	t.Run("whose tests fail is not pushed, and no stage after the tests runs", p.whoseTestsFail)
	t.Run("is taken back as the runbook says", p.isTakenBack)
}

func (p *pushes) goesLive(t *testing.T) {
	p.repository.commit(t, "docs/first.md", "The first.\n")
	b := p.push(t, p.repository, "main")
	b.wants(t, "SUCCESS", "checkout lint test test-cluster images push deploy smoke")
	p.l.answers(t, b.release)
	if b.agent.tests == 0 {
		t.Error("no test result was published")
	}
	for _, kept := range []string{"coverage.txt", "test.log", "deploy.log"} {
		if _, err := os.Stat(filepath.Join(b.agent.kept, kept)); err != nil {
			t.Errorf("not kept: %v", err)
		}
	}
}

func (p *pushes) replacesWhatServes(t *testing.T) {
	replace(t, p.repository, "app/web/templates/signin.html",
		`{{define "content"}}`, `{{define "content"}}<!-- the second -->`)
	visitors := p.l.visit(t)
	b := p.push(t, p.repository, "main")
	b.wants(t, "SUCCESS", "checkout lint test test-cluster images push deploy smoke")
	visitors.wantNoFailure(t, b.release)
	p.l.answers(t, b.release)
	p.serving = b.release
}

func (p *pushes) thatBreaksTheApp(t *testing.T) {
	good := p.repository.head(t)
	replace(t, p.repository, "app/cmd/cafe/main.go", "if err := db.CheckSchema(ctx); err != nil {",
		"if release != \"\" {\n\t\treturn fmt.Errorf(\"the oven of %s is cold\", release)\n\t}\n\tif err := db.CheckSchema(ctx); err != nil {")
	visitors := p.l.visit(t)
	b := p.push(t, p.repository, "main")
	b.wants(t, "FAILURE", "checkout lint test test-cluster images push")
	visitors.wantNoFailure(t, "")
	p.l.answers(t, p.serving)
	said := b.report.Description
	if !strings.Contains(said, "deploy failed") || !strings.Contains(said, "the oven of "+b.release+" is cold") {
		t.Errorf("the build's page says %q, want what the app said", b.report.Description)
	}
	p.repository.git(t, "reset", "--quiet", "--hard", good)
}

func (p *pushes) whoseTestsFail(t *testing.T) {
	p.repository.write(t, "app/cafe/fails_test.go", `package cafe_test

import "testing"

func TestThatFails(t *testing.T) { t.Fatal("two dice are missing") }
`)
	p.repository.commit(t, "docs/fourth.md", "A test that fails.\n")
	b := p.push(t, p.repository, "main")
	b.wants(t, "FAILURE", "checkout lint")
	p.l.answers(t, p.serving)
	if !strings.Contains(b.report.Description, "two dice are missing") {
		t.Errorf("the build's page says %q, want the test that failed", b.report.Description)
	}
	for _, step := range b.report.Steps {
		if len(step.Credentials) > 0 {
			t.Errorf("%v saw %v", step.Args, step.Credentials)
		}
	}
	const find = `find /var/lib/docker-registry -path '*/_manifests/tags/*' -name "$1"`
	if out := on(t, p.l.Jenkins, find, b.release); out != "" {
		t.Errorf("the registry has it: %s", out)
	}
}

func (p *pushes) isTakenBack(t *testing.T) {
	const rollback = `cd "$1"; DOCKER_HOST="ssh://deploy@$2" build/rollout rollback "$3" --yes 2>&1`
	out, err := p.l.Control().Run(t.Context(), "sh", "-euc", rollback,
		"sh", "/checkout", p.l.Manager.Address.String(), engine.Release())
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	p.l.answers(t, engine.Release())
}

// repository is somebody's clone, and the repository that it pushes to.
type repository struct{ clone, bare string }

// newRepository has what this checkout has, changes that are not committed as well.
func newRepository(t *testing.T) repository {
	t.Helper()
	r := repository{clone: filepath.Join(t.TempDir(), "clone"), bare: filepath.Join(t.TempDir(), "repository.git")}
	check(t, os.Mkdir(r.clone, 0o755))
	copied := exec.Command("bash", "-euo", "pipefail", "-c",
		`git ls-files -z --cached --others --exclude-standard | tar --create --null --ignore-failed-read --files-from=- | tar --extract --directory "$1"`, "bash", r.clone)
	check(t, output(copied, engine.Root(), os.Environ()))
	check(t, output(exec.Command("git", "init", "--quiet", "--bare", r.bare), "", os.Environ()))
	r.git(t, "init", "--quiet", "--initial-branch", "main")
	r.git(t, "config", "user.name", "Anna")
	r.git(t, "config", "user.email", "anna@example.org")
	return r
}

func (r repository) git(t *testing.T, args ...string) string {
	t.Helper()
	git := exec.Command("git", args...)
	git.Dir = r.clone
	out, err := git.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v: %s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func (r repository) head(t *testing.T) string { return r.git(t, "rev-parse", "HEAD") }

func (r repository) write(t *testing.T, name, content string) {
	t.Helper()
	check(t, os.WriteFile(filepath.Join(r.clone, name), []byte(content), 0o644))
}

func (r repository) commit(t *testing.T, name, content string) {
	t.Helper()
	r.write(t, name, content)
	r.git(t, "add", "--all")
	r.git(t, "commit", "--quiet", "--message", "Change "+name)
}

func replace(t *testing.T, r repository, name, old, by string) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(r.clone, name))
	check(t, err)
	changed := strings.Replace(string(content), old, by, 1)
	if changed == string(content) {
		t.Fatalf("%s has no %q", name, old)
	}
	r.commit(t, name, changed)
}

// build is a build that has ended.
type build struct {
	release string
	report  pipeline.Report
	agent   *agent
}

// push pushes the clone's commit and has the runner build what then is the branch's head.
func (p *ci) push(t *testing.T, r repository, branch string) build {
	t.Helper()
	begin := time.Now()
	r.git(t, "push", "--quiet", "--force", r.bare, "HEAD:refs/heads/"+branch)
	a := p.newAgent(t, r, branch)
	jenkinsfile := exec.Command("git", "--git-dir", r.bare, "show", a.commit+":Jenkinsfile")
	file, err := jenkinsfile.Output()
	check(t, err)
	report, err := p.runner.Run(t.Context(), pipeline.Build{Jenkinsfile: string(file), Env: map[string]string{
		"BRANCH_NAME": branch, "JOB_NAME": "cafe/" + branch, "BUILD_URL": "https://ci.example.org/job/cafe/",
		"WORKSPACE": a.workspace, "WORKSPACE_TMP": a.workspace + "@tmp",
	}}, a)
	check(t, err)
	b := build{release: a.commit[:12], report: report, agent: a}
	var stages strings.Builder
	for _, stage := range report.Stages {
		fmt.Fprintf(&stages, "\n  %-14s %-8s %s", stage.Name, stage.State, stage.Took.Round(100*time.Millisecond))
	}
	t.Logf("%s: %s after %s%s", b.release, report.Result, time.Since(begin).Round(time.Second), &stages)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the log of the build:\n%s", a.log.String())
		}
	})
	// Of what a credential gave, the log has nothing.
	for id, secret := range a.secrets {
		for part := range strings.SplitSeq(secret, ":") {
			if len(part) > 8 && strings.Contains(a.log.String(), strings.TrimSpace(part)) {
				t.Errorf("the log shows the credential %s", id)
			}
		}
	}
	if config, err := os.ReadFile(filepath.Join(a.workspace+"@tmp", "docker/config.json")); err == nil && strings.Contains(string(config), `"auth"`) {
		t.Error("the login to the registry is left behind")
	}
	if left, err := os.ReadDir(a.workspace); err != nil || len(left) > 0 {
		t.Errorf("the workspace has %v, %v", left, err)
	}
	return b
}

// newAgent is an agent with a clean workspace, always in the same place: Go's cache knows it.
func (p *ci) newAgent(t *testing.T, r repository, branch string) *agent {
	t.Helper()
	a := &agent{workspace: filepath.Join(p.folder, "workspace"), kept: t.TempDir(), repository: r.bare, env: p.env, kinds: p.kinds, secrets: p.secrets}
	for _, dir := range []string{a.workspace, a.workspace + "@tmp"} {
		check(t, os.MkdirAll(dir, 0o755))
	}
	head, err := exec.Command("git", "--git-dir", r.bare, "rev-parse", "refs/heads/"+branch).Output()
	check(t, err)
	a.commit = strings.TrimSpace(string(head))
	return a
}

// wants checks how the build ended, and which stages passed.
func (b build) wants(t *testing.T, result, stages string) {
	t.Helper()
	var passed []string
	for _, stage := range b.report.Stages {
		if stage.State == "passed" && stage.Name != "deliver" {
			passed = append(passed, stage.Name)
		}
	}
	if got := strings.Join(passed, " "); b.report.Result != result || got != stages {
		t.Fatalf("%s: passed %q, want %s: %q", b.report.Result, got, result, stages)
	}
}

// visitors ask every machine all the time, each time on a new connection.
type visitors struct {
	*visitor.Load
	seen sync.Map // the releases that have answered
}

var visited = regexp.MustCompile(`^[0-9a-f]{12}(-dirty)?$`)

// newcomer has no connection yet.
var newcomer = &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

func (l *cafe) visit(t *testing.T) *visitors {
	t.Helper()
	l.prefer(t)
	v := &visitors{}
	v.Load = visitor.Start(t.Context(), 40, func(n int) (string, error) {
		m := l.Machines()[n%2]
		release, err := ask(m)
		v.seen.Store(release, nil)
		return m.Name, err
	})
	t.Cleanup(func() { v.End() })
	return v
}

// ask returns the release that answers at a machine.
func ask(m *machine.Machine) (release string, err error) {
	response, err := newcomer.Get("http://" + m.Port(80) + "/signin")
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return "", err
	}
	if response.StatusCode != http.StatusOK {
		return "", errors.New(response.Status)
	}
	release = response.Header.Get("X-Release")
	if !visited.MatchString(release) {
		return "", fmt.Errorf("X-Release is %q", release)
	}
	return release, nil
}

// wantNoFailure ends the visits. If there is a new release, it must have been met.
func (v *visitors) wantNoFailure(t *testing.T, release string) {
	t.Helper()
	_, failures := v.End()
	t.Logf("load: %s", v)
	if len(failures) > 0 {
		t.Errorf("%d requests failed:\n%s", len(failures), strings.Join(v.Summary(), "\n"))
	}
	if _, met := v.seen.Load(release); release != "" && !met {
		t.Errorf("no visitor met %s", release)
	}
}

// releases are those that answer, at every machine and often enough to meet every replica.
func (l *cafe) releases(t *testing.T) string {
	t.Helper()
	seen := map[string]bool{}
	for _, m := range l.Machines()[:2] {
		for range 12 {
			release, err := ask(m)
			check(t, err)
			seen[release] = true
		}
	}
	return strings.Join(slices.Sorted(maps.Keys(seen)), " ")
}

func (l *cafe) answers(t *testing.T, release string) {
	t.Helper()
	if got := l.releases(t); got != release {
		t.Errorf("X-Release %q answers, want only %q", got, release)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
