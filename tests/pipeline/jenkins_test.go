package pipeline_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"boardcafe/tests/engine"
	"boardcafe/tests/pipeline"
)

// What configures Jenkins, as far as it can be checked where no Jenkins can be had.

func TestCasc(t *testing.T) {
	for _, fault := range faults(t, read(t, "jenkins/casc.yaml"), read(t, "Jenkinsfile"),
		read(t, "jenkins/jobs/cafe.groovy")) {
		t.Error(fault)
	}
}

func TestTheRulesForCasc(t *testing.T) {
	casc, file, job := read(t, "jenkins/casc.yaml"), read(t, "Jenkinsfile"), read(t, "jenkins/jobs/cafe.groovy")
	for name, test := range map[string]struct {
		text        *string
		replace, by string
		want        string
	}{
		"a password in the file": {&casc, `"${REGISTRY_PASSWORD}"`, "hunter2", "password is a literal"},
		"a key in the file": {&casc, `"${readFile:/run/secrets/DEPLOY_KEY}"`, "-----BEGIN",
			"privateKey is a literal"},
		"a default password": {&casc, `${JENKINS_ADMIN_PASSWORD}`, "${JENKINS_ADMIN_PASSWORD:-admin}",
			"has a default"},
		"an executor on the controller": {&casc, "numExecutors: 0", "numExecutors: 2", "jenkins.numExecutors is 2"},
		"anybody may sign up":           {&casc, "allowsSignup: false", "allowsSignup: true", "allowsSignup is true"},
		"anonymous access":              {&casc, "name: authenticated", "name: anonymous", "anonymous"},
		"a port for agents":             {&casc, "slaveAgentPort: -1", "slaveAgentPort: 50000", "slaveAgentPort is 50000"},
		"an agent that is not verified": {&casc, "manuallyProvidedKeyVerificationStrategy",
			"nonVerifyingKeyVerificationStrategy", "sshHostKeyVerificationStrategy"},
		"a label without an agent":   {&casc, "labelString: docker", "labelString: linux", "label 'docker'"},
		"a hook without a signature": {&casc, "- credentialsId: github-hook", "[]", "hookSecretConfigs"},
		"a credential nobody defines": {&file, "credentials('registry')", "credentials('registery')",
			"credential registery is not defined"},
		"a credential nobody uses": {&job, "credentialsId('github')", "credentialsId('registry')",
			"credential github is not used"},
		"a credential out of reach": {&casc, "scope: GLOBAL\n              id: deploy-key",
			"scope: SYSTEM\n              id: deploy-key", "deploy-key has scope SYSTEM"},
	} {
		t.Run(name, func(t *testing.T) {
			good := *test.text
			defer func() { *test.text = good }()
			*test.text = strings.Replace(good, test.replace, test.by, 1)
			if *test.text == good {
				t.Fatalf("%q is not in it", test.replace)
			}
			if got := strings.Join(faults(t, casc, file, job), "\n"); !strings.Contains(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

var (
	reference  = regexp.MustCompile(`\$\{([^}]*)\}`)
	credential = regexp.MustCompile(`(?:credentials\('|credentialsId\('|credentialsId: )([a-z-]+)`)
	onlyRef    = regexp.MustCompile(`^\$\{[^}]+\}$`)
	label      = regexp.MustCompile(`label '([^']+)'`)
)

// secretKeys are those whose value must not stand in the file.
var secretKeys = []string{"password", "privateKey", "secret", "secretBytes", "passphrase", "token", "apiToken"}

// faults are what is wrong with a configuration, or between it and those that use it.
func faults(t *testing.T, casc, jenkinsfile, job string) (all []string) {
	t.Helper()
	fault := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	var config map[string]any
	if err := yaml.Unmarshal([]byte(casc), &config); err != nil {
		return []string{err.Error()}
	}
	walk(config, "", func(path string, value any) {
		key := path[strings.LastIndex(path, ".")+1:]
		if text := fmt.Sprint(value); slices.Contains(secretKeys, key) && !onlyRef.MatchString(text) {
			fault("%s is a literal", path)
		}
	})
	for _, name := range reference.FindAllStringSubmatch(casc, -1) {
		if strings.Contains(name[1], ":-") {
			fault("${%s} has a default", name[1])
		}
	}
	for path, want := range map[string]any{
		"jenkins.numExecutors": 0, "jenkins.mode": "EXCLUSIVE", "jenkins.slaveAgentPort": -1,
		"jenkins.securityRealm.local.allowsSignup": false,
	} {
		if got := at(config, path); got != want {
			fault("%s is %v, want %v", path, got, want)
		}
	}
	if entries := fmt.Sprint(at(config, "jenkins.authorizationStrategy")); strings.Contains(entries, "anonymous") {
		fault("anonymous has permissions")
	}
	if hooks, _ := at(config, "unclassified.gitHubPluginConfig.hookSecretConfigs").([]any); len(hooks) == 0 {
		fault("hookSecretConfigs is empty: any delivery would be believed")
	}
	agentFaults(config, jenkinsfile, fault)
	credentialFaults(config, casc, jenkinsfile, job, fault)
	return all
}

// agentFaults finds what is wrong with the agent.
func agentFaults(config any, jenkinsfile string, fault func(format string, args ...any)) {
	nodes, _ := at(config, "jenkins.nodes").([]any)
	if len(nodes) != 1 {
		fault("%d agents, want 1", len(nodes))
	}
	for _, node := range nodes {
		wanted := label.FindStringSubmatch(jenkinsfile)[1]
		if got := at(node, "permanent.labelString"); got != wanted {
			fault("the Jenkinsfile wants label '%s', the agent has '%v'", wanted, got)
		}
		verification := at(node, "permanent.launcher.ssh.sshHostKeyVerificationStrategy")
		if at(verification, "manuallyProvidedKeyVerificationStrategy.key") == nil {
			fault("sshHostKeyVerificationStrategy: the agent's key is not looked at")
		}
	}
}

// credentialFaults compares the credentials that are defined with those that are used.
func credentialFaults(config any, casc, jenkinsfile, job string, fault func(format string, args ...any)) {
	scopes := map[string]string{}
	walk(at(config, "credentials"), "", func(path string, value any) {
		if strings.HasSuffix(path, ".id") {
			scopes[fmt.Sprint(value)] = fmt.Sprint(at(config, "credentials"+strings.TrimSuffix(path, ".id")+".scope"))
		}
	})
	used := map[string]bool{}
	for _, use := range credential.FindAllStringSubmatch(casc+jenkinsfile+job, -1) {
		used[use[1]] = true
		if _, ok := scopes[use[1]]; !ok {
			fault("credential %s is not defined", use[1])
		}
	}
	for _, use := range credential.FindAllStringSubmatch(jenkinsfile+job, -1) {
		if scope, ok := scopes[use[1]]; ok && scope != "GLOBAL" {
			fault("%s has scope %s: no job can use it", use[1], scope)
		}
	}
	for id := range scopes {
		if !used[id] {
			fault("credential %s is not used", id)
		}
	}
}

// walk visits every scalar with its path; what is in a list has its number there.
func walk(value any, path string, visit func(path string, value any)) {
	switch v := value.(type) {
	case map[string]any:
		for key, inside := range v {
			walk(inside, path+"."+key, visit)
		}
	case []any:
		for i, inside := range v {
			walk(inside, fmt.Sprint(path, ".", i), visit)
		}
	default:
		visit(path, v)
	}
}

// at is what a path leads to.
func at(value any, path string) any {
	for _, key := range strings.FieldsFunc(path, func(r rune) bool { return r == '.' }) {
		switch v := value.(type) {
		case map[string]any:
			value = v[key]
		case []any:
			var i int
			if _, err := fmt.Sscan(key, &i); err != nil || i >= len(v) {
				return nil
			}
			value = v[i]
		default:
			return nil
		}
	}
	return value
}

// Each file of secrets has its place in the guide for whoever sets it up.
func TestTheGuideNamesEverythingThatCascNeeds(t *testing.T) {
	guide := read(t, "docs/pipeline.md")
	for _, name := range needed(t) {
		if !strings.Contains(guide, "`"+name+"`") {
			t.Errorf("docs/pipeline.md does not say what %s is", name)
		}
	}
}

// needed are the names of all that casc.yaml has read from its surroundings.
func needed(t *testing.T) (names []string) {
	t.Helper()
	for _, found := range reference.FindAllStringSubmatch(read(t, "jenkins/casc.yaml"), -1) {
		if name := found[1][strings.LastIndex(found[1], "/")+1:]; name != "NAME" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func TestPlugins(t *testing.T) {
	pinned := regexp.MustCompile(`^([a-z0-9-]+):([0-9][\w.-]*)$`)
	var names []string
	for line := range strings.Lines(read(t, "jenkins/plugins.txt")) {
		found := pinned.FindStringSubmatch(strings.TrimSpace(line))
		if found == nil {
			t.Fatalf("%q is no plugin:version", line)
		}
		names = append(names, found[1])
	}
	if !slices.IsSorted(names) {
		t.Error("they are not in order")
	}
	if len(slices.Compact(slices.Clone(names))) != len(names) {
		t.Error("one is there twice")
	}
	// What our files say is understood by one of them.
	for word, plugin := range map[string]string{
		"pipeline {": "pipeline-model-definition", "checkout scm": "workflow-scm-step", "sh '": "workflow-durable-task-step",
		"junit '": "junit", "archiveArtifacts ": "workflow-basic-steps", "deleteDir()": "workflow-basic-steps",
		"readFile(": "workflow-basic-steps", "timestamps()": "timestamper", "credentials('": "credentials-binding",
		"basicSSHUserPrivateKey:": "ssh-credentials", "string:": "plain-credentials", "globalMatrix:": "matrix-auth",
		"ssh:": "ssh-slaves", "gitHubPluginConfig:": "github", "jobs:": "job-dsl", "security:": "job-dsl",
		"jenkins:":                "configuration-as-code",
		"multibranchPipelineJob(": "workflow-multibranch", "github {": "github-branch-source", "repositoryUrl(": "git",
	} {
		texts := read(t, "Jenkinsfile") + read(t, "jenkins/casc.yaml") + read(t, "jenkins/jobs/cafe.groovy")
		if !strings.Contains(texts, word) {
			t.Errorf("nothing says %q: why is %s here?", word, plugin)
		}
		if !slices.Contains(names, plugin) {
			t.Errorf("%q needs the plugin %s", word, plugin)
		}
	}
}

// word is one of a Job DSL script.
type word struct {
	Word   string
	Args   []any
	Inside []word
}

func (w word) find(name string) (found []word) {
	for _, inside := range w.Inside {
		if inside.Word == name {
			found = append(found, inside)
		}
		found = append(found, inside.find(name)...)
	}
	return found
}

func TestTheJob(t *testing.T) {
	script := read(t, "jenkins/jobs/cafe.groovy")
	out, err := pipeline.Jobs(t.Context(), script, "GITHUB_OWNER=anna", "GITHUB_REPOSITORY=cafe")
	if err != nil {
		t.Fatal(err)
	}
	all := word{}
	if err := json.Unmarshal(out, &all.Inside); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for name, want := range map[string]string{
		"multibranchPipelineJob": "cafe", "queue": "cafe", "id": "boardcafe", "repoOwner": "anna", "repository": "cafe",
		"repositoryUrl": "https://github.com/anna/cafe",
	} {
		if found := all.find(name); len(found) != 1 || fmt.Sprint(found[0].Args...) != want {
			t.Errorf("%s: %v, want one with %q", name, found, want)
		}
	}
	if id := regexp.MustCompile(`\bid\('\w+'\)`); !id.MatchString(script) {
		t.Error("the id is no constant: each start would deploy every branch anew")
	}
	if forks := all.find("gitHubForkDiscovery"); len(forks) > 0 {
		t.Error("pull requests of forks are built, and the agent has the engine")
	}

	t.Run("a mistake in it is found", func(t *testing.T) {
		for _, bad := range []string{strings.TrimSuffix(strings.TrimSpace(script), ")"),
			strings.Replace(script, "repoOwner(GITHUB_OWNER", "repoOwner(GITHUB_ONWER", 1)} {
			if out, err := pipeline.Jobs(t.Context(), bad, "GITHUB_OWNER=anna", "GITHUB_REPOSITORY=cafe"); err == nil {
				t.Errorf("it was read as %s", out)
			}
		}
	})
}

func read(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(engine.Root(), name))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func TestTheDiagramHasTheStagesInOrder(t *testing.T) {
	_, diagram, _ := strings.Cut(read(t, "docs/pipeline.md"), "```mermaid")
	diagram, _, _ = strings.Cut(diagram, "```")
	from := 0
	for _, stage := range all {
		at := strings.Index(diagram[from:], "> "+stage)
		if stage == "push" { // where the arrow from outside has the name already
			at = strings.Index(diagram[from:], `["push"]`)
		}
		if at < 0 {
			t.Fatalf("after %q the diagram has no stage %s", diagram[:from], stage)
		}
		from += at
	}
}

func TestTheRoleProvidesWhatCascNeeds(t *testing.T) {
	var role struct {
		Variables map[string]string `yaml:"jenkins_variables"`
		Secrets   map[string]string `yaml:"jenkins_secrets"`
	}
	if err := yaml.Unmarshal([]byte(read(t, "ansible/roles/jenkins/vars/main.yml")), &role); err != nil {
		t.Fatal(err)
	}
	provided := []string{"AGENT_KEY"} // made by the role on the machine, and read from there
	for name := range role.Secrets {
		provided = append(provided, name)
	}
	for name := range role.Variables {
		provided = append(provided, name)
	}
	slices.Sort(provided)
	if want := needed(t); !slices.Equal(provided, want) {
		t.Errorf("the role provides\n%q\ncasc.yaml needs\n%q", provided, want)
	}
	for name := range role.Variables {
		if regexp.MustCompile(`PASSWORD|TOKEN|SECRET|DEPLOY_KEY`).MatchString(name) {
			t.Errorf("%s is a secret, and a variable of the container", name)
		}
	}
}
