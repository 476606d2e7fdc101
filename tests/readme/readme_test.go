// Package readme_test runs what the documents tell people to type: every line of their shell blocks, pasted into a
// shell of a fresh checkout.
//
// What takes minutes or machines is still called, and told to check instead of to do (see testdata/bin): make says
// whether it has the target, rollout reads its arguments and files and comes as far as ssh, ansible-playbook reads
// the playbook. tests/cluster and tests/lab do the rest.
package readme_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"boardcafe/tests/engine"
)

// document is one that has shell blocks, and how its reader comes to them.
type document struct {
	name    string
	setting string // typed before each block
	cafe    bool   // it starts one
}

var documents = []document{
	{name: "README.md", cafe: true},
	{name: "CONTRIBUTING.md"},
	{name: "tests/README.md"},
	{name: "docs/rollout.md", setting: `
		export PATH="$STANDIN_BUILD:$PATH"
		export DOCKER_HOST=ssh://deploy@manager REGISTRY=registry.example.org/cafe RELEASE=$(make -s release)`},
	{name: "docs/runbook.md", setting: `
		cd ansible
		[[ -d inventory ]] || cp -r inventory.example inventory`},
}

// remote is what comes as far as a machine that is not there.
var remote = regexp.MustCompile(`\b(rollout (plan|deploy|rollback|history|status|lock|secret)|ssh) `)

func TestEveryLineThatADocumentTellsToTypeWorks(t *testing.T) {
	t.Parallel()
	for _, d := range documents {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			s := newShell(t)
			s.withToolbox(t)
			if d.cafe {
				s.withCafe(t)
			}
			found := blocks(read(t, d.name))
			if len(found) == 0 {
				t.Fatal("there is no shell block")
			}
			for _, b := range found {
				outcomes, err := s.paste(t.Context(), d.setting, b.commands)
				if err != nil {
					t.Errorf("%s, %s: %v", d.name, b.heading, err)
					continue
				}
				for i, c := range b.commands {
					if fault := fault(c, outcomes[i]); fault != "" {
						t.Errorf("%s:%d: %s\n%s, got exit code %d and\n%s", d.name, c.line, c.text, fault, outcomes[i].code,
							outcomes[i].out)
					}
				}
			}
		})
	}
}

// fault says what is wrong with a command's outcome, if anything is.
func fault(c command, got outcome) string {
	if !remote.MatchString(c.text + " ") {
		if got.code != 0 {
			return "want exit code 0"
		}
		return ""
	}
	if got.code == 0 || !strings.Contains(got.out, "Connection refused") || strings.Contains(got.out, "--help") {
		return "want it to come as far as ssh, which refuses"
	}
	return ""
}

// In running text a command may have a word in capitals where the reader puts his own, and need not be whole. What it
// names must exist.
func TestWhatTheTextNamesExists(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	names, err := filepath.Glob(filepath.Join(engine.Root(), "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	decisions, err := filepath.Glob(filepath.Join(engine.Root(), "docs", "decisions", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	names = append(names, decisions...)
	seen := map[string]bool{}
	for _, name := range append(names, "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "tests/README.md") {
		name = strings.TrimPrefix(name, engine.Root()+"/")
		lines := read(t, name)
		for _, c := range inline(lines, "ansible-playbook") {
			if playbook := strings.Fields(c.text)[1]; !exists("ansible/" + playbook) {
				t.Errorf("%s:%d: %s: there is no such playbook", name, c.line, c.text)
			}
		}
		commands := slices.Concat(made(inline(lines, "make")), helped(inline(lines, "rollout")))
		commands = slices.DeleteFunc(commands, func(c command) bool {
			before := seen[c.text]
			seen[c.text] = true
			return before
		})
		outcomes, err := s.paste(t.Context(), `export PATH="$STANDIN_BUILD:$PATH"`, commands)
		if err != nil {
			t.Fatal(err)
		}
		for i, c := range commands {
			if outcomes[i].code != 0 {
				t.Errorf("%s:%d: %s\n%s", name, c.line, c.text, outcomes[i].out)
			}
		}
	}
}

func exists(file string) bool {
	_, err := os.Stat(filepath.Join(engine.Root(), file))
	return err == nil
}

// made are calls of make, without their redirections. Those that look for a Makefile above come from ansible/.
func made(commands []command) (all []command) {
	for _, c := range commands {
		text, _, _ := strings.Cut(c.text, " <")
		text, _, _ = strings.Cut(text, " >")
		if strings.Contains(text, "C .. ") {
			text = "(cd ansible && " + text + ")"
		}
		all = append(all, command{c.line, strings.TrimSuffix(text, "…")})
	}
	return all
}

// helped are calls of rollout that ask for help on the command and give the same flags: an unknown one is an error.
func helped(commands []command) (all []command) {
	for _, c := range commands {
		words := strings.Fields(c.text)
		if words[0] != "rollout" && !strings.HasSuffix(words[0], "/rollout") {
			continue
		}
		words[0] = "rollout"
		all = append(all, command{c.line, strings.Join(append(words, "--help"), " ")})
	}
	return all
}

func TestALineThatDoesNotWorkIsFound(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	for name, test := range map[string]struct{ text, want string }{
		"a program that is not there":         {"rollout plan", "rollout: command not found"},
		"a program that nobody has named":     {"perl -e 1", "perl: command not found"},
		"a target that make does not have":    {"make nosuch", "say in"},
		"a target that the Makefile has lost": {"cd app && make test", "No rule to make target"},
		"a variable that make has not":        {"make push REGISTRI=x", "the Makefile knows no REGISTRI"},
		"a command that rollout has not":      {"$STANDIN_BUILD/rollout histroy", "did you mean: rollout history"},
		"a flag that rollout has not":         {"$STANDIN_BUILD/rollout status --stack cafe --slow", "unknown flag: --slow"},
		"a test that is not there":            {"go test ./app/cafe -run TestNothing", "has no test TestNothing"},
		"quotes that do not end":              {"make help; echo 'it", "unexpected EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := command{1, test.text}
			outcomes, err := s.paste(t.Context(), "", []command{c})
			if err != nil {
				if !strings.Contains(err.Error(), test.want) {
					t.Errorf("got %v, want %q", err, test.want)
				}
				return
			}
			if got := outcomes[0]; fault(c, got) == "" || !strings.Contains(got.out, test.want) {
				t.Errorf("%s: got exit code %d, %s, want %q", c.text, got.code, got.out, test.want)
			}
		})
	}
}
