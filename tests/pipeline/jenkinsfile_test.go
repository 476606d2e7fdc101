package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"boardcafe/tests/engine"
	"boardcafe/tests/pipeline"
)

// runner is shared: a JVM takes seconds to start.
var runner *pipeline.Runner

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	var err error
	if runner, err = pipeline.Start(ctx); err != nil {
		log.Print(err)
		return 1
	}
	defer runner.Close()
	return m.Run()
}

// dry answers every step without doing anything.
type dry struct {
	fail  string // the step that has this text in its arguments fails
	abort string // or ends the build
}

func (d dry) Do(_ context.Context, step pipeline.Step) (any, error) {
	said := fmt.Sprint(step.Name, " ", step.Args)
	switch {
	case d.abort != "" && strings.Contains(said, d.abort):
		return nil, pipeline.ErrAborted
	case d.fail != "" && strings.Contains(said, d.fail):
		return nil, errors.New("exit code 2")
	case step.Name == "fileExists":
		return true, nil
	case step.Name == "readFile":
		return "the end of " + step.Text("file"), nil
	}
	return nil, nil
}

func build(branch string) pipeline.Build {
	return pipeline.Build{Jenkinsfile: jenkinsfile(),
		Env: map[string]string{"BRANCH_NAME": branch, "WORKSPACE_TMP": "/w@tmp"}}
}

func pullRequest() pipeline.Build {
	b := build("PR-7")
	b.Env["CHANGE_ID"], b.Env["CHANGE_TARGET"], b.Env["CHANGE_BRANCH"] = "7", "main", "feature"
	return b
}

func jenkinsfile() string {
	content, err := os.ReadFile(filepath.Join(engine.Root(), "Jenkinsfile"))
	if err != nil {
		panic(err)
	}
	return string(content)
}

var (
	checks   = []string{"checkout", "lint", "test", "test-cluster"}
	delivery = []string{"images", "push", "deploy", "smoke"}
	all      = slices.Concat(checks, delivery)
)

func TestTheStagesOfABuild(t *testing.T) {
	for name, test := range map[string]struct {
		build       pipeline.Build
		world       dry
		result      string
		passed      []string
		failed      string // the stage that it fails or ends in
		description string
	}{
		"main is tested and delivered":   {build("main"), dry{}, "SUCCESS", all, "", ""},
		"a branch is tested":             {build("feature"), dry{}, "SUCCESS", checks, "", ""},
		"a branch with main in its name": {build("main-2"), dry{}, "SUCCESS", checks, "", ""},
		"a pull request is tested":       {pullRequest(), dry{}, "SUCCESS", checks, "", ""},
		"a job that knows no branch": {pipeline.Build{Jenkinsfile: jenkinsfile(), Env: map[string]string{}}, dry{},
			"SUCCESS", checks, "", ""},
		"lint fails": {build("main"), dry{fail: "STAGES=lint"}, "FAILURE", all[:1], "lint",
			"failed.txt"},
		"a test fails": {build("main"), dry{fail: "STAGES=test]"}, "FAILURE", all[:2], "test",
			"failed.txt"},
		"a test leaves no results": {build("main"), dry{fail: "junit/test.xml"}, "FAILURE", all[:2], "test",
			"failed.txt"},
		"a cluster test fails": {build("main"), dry{fail: "STAGES=test-cluster"}, "FAILURE", all[:3],
			"test-cluster", "failed.txt"},
		"the images fail": {build("main"), dry{fail: "STAGES=images"}, "FAILURE", all[:4], "images",
			"failed.txt"},
		"the registry does not let it in": {build("main"), dry{fail: "docker login"}, "FAILURE", all[:5], "push",
			"failed.txt"},
		"the push fails": {build("main"), dry{fail: "STAGES=push"}, "FAILURE", all[:5], "push",
			"failed.txt"},
		"the deployment fails": {build("main"), dry{fail: "STAGES=deploy"}, "FAILURE", all[:6], "deploy",
			"failed.txt"},
		"the smoke test fails": {build("main"), dry{fail: "STAGES=smoke"}, "FAILURE", all[:7], "smoke",
			"failed.txt"},
		"the logout fails":                    {build("main"), dry{fail: "docker logout"}, "FAILURE", all, "", "failed.txt"},
		"somebody aborts it during the tests": {build("main"), dry{abort: "STAGES=test]"}, "ABORTED", all[:2], "test", ""},
		"somebody aborts the deployment":      {build("main"), dry{abort: "STAGES=deploy"}, "ABORTED", all[:6], "deploy", ""},
	} {
		t.Run(name, func(t *testing.T) {
			report := must(t, test.build, test.world)
			if report.Result != test.result {
				t.Errorf("result %s, want %s", report.Result, test.result)
			}
			for _, stage := range report.Stages {
				want := "skipped"
				switch {
				case stage.Name == "deliver": // only what is in it matters
					continue
				case slices.Contains(test.passed, stage.Name):
					want = "passed"
				case stage.Name == test.failed:
					want = strings.ToLower(test.result)
				}
				if stage.State != want {
					t.Errorf("stage %s: %s, want %s", stage.Name, stage.State, want)
				}
			}
			if !strings.Contains(report.Description, test.description) ||
				(test.description == "") != (report.Description == "") {
				t.Errorf("the build's page says %q, want %q in it", report.Description, test.description)
			}
			wantCleanEnd(t, report)
		})
	}
}

// wantCleanEnd checks what happens however a build ends: the results and logs are kept, the login and the
// workspace removed.
func wantCleanEnd(t *testing.T, report pipeline.Report) {
	t.Helper()
	always := []string{"archiveArtifacts build/stages/*", "deleteDir "}
	if slices.ContainsFunc(report.Steps, func(s pipeline.Step) bool { return s.Stage == "test" }) {
		always = append(always, "junit build/junit/test.xml", "archiveArtifacts build/coverage.txt")
	}
	if slices.ContainsFunc(report.Steps, func(s pipeline.Step) bool { return s.Stage == "test-cluster" }) {
		always = append(always, "junit build/junit/test-cluster.xml")
	}
	if slices.ContainsFunc(report.Steps, func(s pipeline.Step) bool { return s.Stage == "push" }) {
		always = append(always, `sh docker logout "${REGISTRY%%/*}"`)
	}
	for _, want := range always {
		if !slices.ContainsFunc(report.Steps, func(s pipeline.Step) bool { return s.Post != "" && saying(s) == want }) {
			t.Errorf("no post has %q", want)
		}
	}
	if last := report.Steps[len(report.Steps)-1]; saying(last) != "deleteDir " || last.Post != "cleanup" {
		t.Errorf("the last step is %q in %s, want deleteDir in cleanup", saying(last), last.Post)
	}
}

func TestWhoSeesWhichCredential(t *testing.T) {
	want := map[string]string{ // stage → variable=id
		"push":   "REGISTRY_LOGIN=registry",
		"deploy": "DEPLOY_KEY=deploy-key",
		"smoke":  "SMOKE_PASSWORD_FILE=smoke-password",
	}
	seen := map[string]string{}
	for _, step := range must(t, build("main"), dry{}).Steps {
		var has []string
		for variable, id := range step.Credentials {
			has = append(has, variable+"="+id)
		}
		if got := strings.Join(has, " "); got != want[step.Stage] {
			t.Errorf("%s in stage %q sees %q, want %q", saying(step), step.Stage, got, want[step.Stage])
		}
		seen[step.Stage] = ""
		// sh prints each command with what its variables hold.
		if script := step.Text("script"); strings.Contains(script, "_PSW") && !strings.HasPrefix(script, "set +x;") {
			t.Errorf("stage %s prints a password: %s", step.Stage, script)
		}
	}
	for stage := range want {
		if _, ok := seen[stage]; !ok {
			t.Errorf("stage %s did nothing", stage)
		}
	}
	for _, other := range []pipeline.Build{build("feature"), pullRequest()} {
		for _, step := range must(t, other, dry{}).Steps {
			if len(step.Credentials) > 0 || step.Env["DOCKER_CONFIG"] != "" {
				t.Errorf("%s: %s sees %v", other.Env["BRANCH_NAME"], saying(step), step.Credentials)
			}
		}
	}
}

func TestNoStepTakesForEver(t *testing.T) {
	for _, step := range must(t, build("main"), dry{}).Steps {
		if step.Timeout == 0 {
			t.Errorf("%s in stage %q has no timeout", saying(step), step.Stage)
		}
	}
}

// One build of a branch at a time: what is pushed meanwhile waits, and Jenkins keeps one waiting build for
// a branch, which takes the newest commit. (An option to end the running build is no word of the runner's.)
func TestBuildsWaitForEachOtherAndTheirHistoryEnds(t *testing.T) {
	options := must(t, build("main"), dry{}).Options
	for _, name := range []string{"disableConcurrentBuilds", "skipDefaultCheckout", "timestamps"} {
		if options[name] != true {
			t.Errorf("option %s is %v, want true", name, options[name])
		}
	}
	if keep, _ := options["buildDiscarder"].(map[string]any); keep["numToKeepStr"] == nil {
		t.Errorf("the history has no bound: %v", options)
	}
}

func TestDeployAndSmokeSayWhatIsMissing(t *testing.T) {
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"no swarm": {[]string{"deploy", "DEPLOY_HOST="}, "Which swarm? Say DEPLOY_HOST="},
		"no addresses": {[]string{"smoke", "DEPLOY_HOST=ssh://deploy@manager", "URLS="},
			"Where does the café answer? Say URLS="},
	} {
		t.Run(name, func(t *testing.T) {
			if out, err := sandbox(t, "exit 1").make(test.args...); err == nil || !strings.Contains(out, test.want) {
				t.Errorf("got %v, %s, want %q", err, out, test.want)
			}
		})
	}
}

// `make ci` is what a person runs: each of Jenkins's stages is one of its, in the same order.
func TestMakeRunsTheStagesInTheOrderOfTheJenkinsfile(t *testing.T) {
	for name, test := range map[string]struct {
		build pipeline.Build
		args  []string
	}{
		"a branch": {build("feature"), nil},
		"main": {build("main"), []string{"DEPLOY_HOST=ssh://deploy@manager", "REGISTRY=registry:5000",
			"URLS=http://manager"}},
	} {
		t.Run(name, func(t *testing.T) {
			var jenkins []string
			for _, step := range must(t, test.build, dry{}).Steps {
				if stage, ok := strings.CutPrefix(step.Text("script"), "make ci STAGES="); ok {
					if stage != step.Stage {
						t.Errorf("stage %s runs stage %s", step.Stage, stage)
					}
					jenkins = append(jenkins, stage)
				}
			}
			if byHand := makeCI(t, test.args...); !slices.Equal(byHand, jenkins) {
				t.Errorf("make ci runs %q, Jenkins %q", byHand, jenkins)
			}
		})
	}
}

func TestAStageThatFailsEndsMakeCIWithTheEndOfItsLog(t *testing.T) {
	root := sandbox(t, `echo "$2 says something"; [[ $2 != test ]]`)
	out, err := root.make("ci")
	if err == nil {
		t.Errorf("make ci has passed:\n%s", out)
	}
	if strings.Contains(out, "test-cluster says") {
		t.Errorf("it went on after the failure:\n%s", out)
	}
	failed, err := os.ReadFile(filepath.Join(string(root), "build/stages/failed.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if text := string(failed); !strings.HasPrefix(text, "test failed") || !strings.Contains(text, "test says something") {
		t.Errorf("failed.txt has %q", text)
	}
	if out, err := root.make("ci", "STAGES=lint"); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	if _, err := os.Stat(filepath.Join(string(root), "build/stages/failed.txt")); err == nil {
		t.Error("failed.txt outlives the next stage")
	}
}

// makeCI runs the real `make ci`, whose stages are then run by a make that only says which.
func makeCI(t *testing.T, args ...string) (stages []string) {
	t.Helper()
	out, err := sandbox(t, `echo "stage $2"`).make(append([]string{"ci"}, args...)...)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for line := range strings.Lines(out) {
		if stage, ok := strings.CutPrefix(strings.TrimSpace(line), "stage "); ok {
			stages = append(stages, stage)
		}
	}
	return stages
}

// sandbox is a folder with the Makefile and what runs a stage, where the make of a stage is a script.
type folder string

func sandbox(t *testing.T, script string) folder {
	t.Helper()
	root := t.TempDir()
	for _, name := range []string{"Makefile", "infra/stage.sh"} {
		content, err := os.ReadFile(filepath.Join(engine.Root(), name))
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(root, name), string(content))
	}
	write(t, filepath.Join(root, "bin/make"), "#!/usr/bin/env bash\n"+script+"\n")
	return folder(root)
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
		t.Fatal(err)
	}
}

func (f folder) make(args ...string) (string, error) {
	program, err := exec.LookPath("make")
	if err != nil {
		return "", err
	}
	command := exec.Command(program, args...)
	command.Dir = string(f)
	command.Env = append(os.Environ(), "PATH="+filepath.Join(string(f), "bin")+":"+os.Getenv("PATH"),
		"RELEASE=0123456789ab", "MAKEFLAGS=", "MFLAGS=", "DEPLOY_HOST=", "STAGES=lint")
	// `make test` was perhaps called by `make ci STAGES=test`: what that has set is not this one's.
	command.Env = slices.DeleteFunc(command.Env, func(v string) bool { return strings.HasPrefix(v, "STAGES=") })
	out, err := command.CombinedOutput()
	return string(out), err
}

func must(t *testing.T, b pipeline.Build, world pipeline.World) pipeline.Report {
	t.Helper()
	report, err := runner.Run(t.Context(), b, world)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// saying is a step with its first argument.
func saying(step pipeline.Step) string {
	for _, name := range []string{"script", "testResults", "artifacts", "file", "scm"} {
		if text := step.Text(name); text != "" {
			return step.Name + " " + text
		}
	}
	return step.Name + " "
}
