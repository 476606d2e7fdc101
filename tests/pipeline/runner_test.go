package pipeline_test

import (
	"errors"
	"strings"
	"testing"

	"boardcafe/tests/pipeline"
)

// What Jenkins would refuse, and the mistakes that it would run, the runner names with their line.
func TestAMistakeInAJenkinsfileIsNamed(t *testing.T) {
	const good = "pipeline {\n  agent any\n  stages {\n    stage('a') {\n      steps { sh 'true' }\n    }\n  }\n}\n"
	if _, err := runner.Run(t.Context(), pipeline.Build{Jenkinsfile: good, Env: map[string]string{}}, dry{}); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		replace, by string
		want        string
	}{
		"no agent":  {"agent any", "", "pipeline has no agent"},
		"no stages": {"stages", "options", "unknown word 'stage'"},
		"an unknown section": {"agent any", "agent any\n  stagse { }",
			"Jenkinsfile:3: unknown word 'stagse' in pipeline"},
		"an unknown word in a stage": {"steps {", "step {", "unknown word 'step' in stage 'a'"},
		"a stage without steps":      {"steps { sh 'true' }", "", "stage 'a' needs steps or stages"},
		"steps twice": {"steps { sh 'true' }", "steps { sh 'true' }\n steps { sh 'true' }\n stages { }",
			"stages holds no stage"},
		"two stages of one name": {"stage('a') {", "stage('a') { steps { sh 'x' } }\n stage('a') {",
			"two stages are called 'a'"},
		"an unknown step": {"sh 'true'", "bash 'true'", "Jenkinsfile:5: unknown word 'bash'"},
		"an unknown argument of a step": {"sh 'true'", "sh script: 'true', retrunStatus: true",
			"unknown argument 'retrunStatus' of sh"},
		"a step without its argument": {"sh 'true'", "junit allowEmptyResults: true", "junit lacks its testResults"},
		"an unknown condition in post": {"agent any", "agent any\n  post { allways { deleteDir() } }",
			"unknown word 'allways' in post"},
		"an unknown option": {"agent any", "agent any\n  options { timeouts(time: 1) }",
			"unknown word 'timeouts'"},
		"a timeout without a number": {"agent any", "agent any\n  options { timeout(time: '1', unit: 'HOURS') }",
			"timeout takes time: a number"},
		"a timeout in an unknown unit": {"agent any", "agent any\n  options { timeout(time: 1, unit: 'HOUR') }",
			"timeout takes time: a number"},
		"a pipeline's option in a stage": {"steps {", "options { disableConcurrentBuilds() }\n steps {",
			"unknown word 'disableConcurrentBuilds' in options of stage 'a'"},
		"an unknown condition in when": {"steps {", "when { brunch 'main' }\n steps {", "unknown word 'brunch' in when"},
		"an empty when":                {"steps {", "when { }\n steps {", "when holds no condition"},
		"a secret for Groovy": {"sh 'true'", `sh "echo ${env.PASSWORD}"`,
			"Jenkinsfile:5: sh takes a text in single quotes"},
		"Groovy among the steps": {"sh 'true'", "if (true) { sh 'true' }",
			"Jenkinsfile:5: only words of Jenkins may stand in steps"},
		"two stages in one line": {"steps { sh 'true' }\n    }",
			"steps { sh 'true' } } stage('b') { steps { sh 'true' } }", "on a line of its own"},
		"a variable that nobody sets": {"agent any", "agent any\n  environment { A = \"${B}/x\" }",
			"unknown variable 'B' in environment"},
		"a number as a variable": {"agent any", "agent any\n  environment { A = 1 }", "neither text nor credentials"},
		"a step in environment": {"agent any", "agent any\n  environment { sh 'true' }",
			"environment holds NAME = value"},
		"an unknown name in a step":     {"sh 'true'", "checkout smc", "unknown name 'smc'"},
		"something before the pipeline": {"pipeline {", "def x = 1\npipeline {", "it must be one pipeline"},
		"a brace that is missing":       {"  }\n}\n", "  }\n", "Jenkinsfile:"},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(good, test.replace, test.by, 1)
			if text == good {
				t.Fatalf("%q is not in it", test.replace)
			}
			_, err := runner.Run(t.Context(), pipeline.Build{Jenkinsfile: text, Env: map[string]string{}}, dry{})
			var fault *pipeline.FaultError
			if !errors.As(err, &fault) || !strings.Contains(fault.Message, test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestTheRulesOfPost(t *testing.T) {
	const file = `pipeline {
  agent any
  environment { WHERE = "${env.BRANCH_NAME}/x" }
  stages {
    stage('a') {
      environment { TOKEN = credentials('token') }
      steps { sh 'a' }
      post {
        cleanup { echo 'a cleanup' }
        success { echo 'a success' }
        always { sh 'a always' }
        failure { echo 'a failure' }
        aborted { echo 'a aborted' }
      }
    }
    stage('b') {
      when { not { branch 'release/*' } }
      steps { sh 'b' }
      post { always { echo 'b always' } }
    }
  }
  post {
    unsuccessful { echo 'unsuccessful' }
    cleanup { echo 'cleanup' }
  }
}
`
	for name, test := range map[string]struct {
		branch string
		world  dry
		want   string
		result string
	}{
		"all goes well": {"main", dry{}, "a, a always, a success, a cleanup, b, b always, cleanup", "SUCCESS"},
		"when says no":  {"release/1", dry{}, "a, a always, a success, a cleanup, cleanup", "SUCCESS"},
		"a step fails": {"main", dry{fail: "[script:a]"}, "a, a always, a failure, a cleanup, unsuccessful, cleanup",
			"FAILURE"},
		"post fails": {"main", dry{fail: "a always"}, "a, a always, a failure, a cleanup, unsuccessful, cleanup",
			"FAILURE"},
		"it is aborted": {"main", dry{abort: "[script:a]"}, "a, a always, a aborted, a cleanup, unsuccessful, cleanup",
			"ABORTED"},
	} {
		t.Run(name, func(t *testing.T) {
			report := must(t, pipeline.Build{Jenkinsfile: file, Env: map[string]string{"BRANCH_NAME": test.branch}}, test.world)
			var steps []string
			for _, step := range report.Steps {
				steps = append(steps, step.Text("script")+step.Text("message"))
				if want := test.branch + "/x"; step.Env["WHERE"] != want {
					t.Errorf("WHERE is %q, want %q", step.Env["WHERE"], want)
				}
				if sees := step.Credentials["TOKEN"] == "token"; sees != (step.Stage == "a") {
					t.Errorf("step %v of stage %q sees the token: %t", step.Args, step.Stage, sees)
				}
			}
			if got := strings.Join(steps, ", "); got != test.want || report.Result != test.result {
				t.Errorf("got  %s: %s\nwant %s: %s", report.Result, got, test.result, test.want)
			}
		})
	}
}
