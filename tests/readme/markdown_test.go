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

// command is what a reader copies: a line of a shell block with the lines that it is continued on, or a piece of text
// in the font of code.
type command struct {
	line int
	text string
}

// block is a shell block of a document, under its heading.
type block struct {
	heading  string
	commands []command
}

func read(t *testing.T, document string) []string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(engine.Root(), document))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(content), "\n")
}

// blocks are the shell blocks of a document. Those of another language are not for a shell, and one without a
// language shows output.
func blocks(lines []string) (all []block) {
	var heading, indent string
	inside, shell, continued := false, false, false
	for i, line := range lines {
		text, fence := strings.CutPrefix(strings.TrimLeft(line, " "), "```")
		switch {
		case fence && !inside:
			inside, shell = true, text == "sh"
			indent = line[:len(line)-len(strings.TrimLeft(line, " "))]
			if shell {
				all = append(all, block{heading: heading})
			}
		case fence:
			inside, continued = false, false
		case !inside && strings.HasPrefix(line, "#"):
			heading = strings.TrimLeft(line, "# ")
		case shell && inside:
			line = strings.TrimPrefix(line, indent)
			commands := &all[len(all)-1].commands
			if continued {
				(*commands)[len(*commands)-1].text += "\n" + line
			} else if line != "" && !strings.HasPrefix(line, "#") {
				*commands = append(*commands, command{i + 1, line})
			}
			continued = strings.HasSuffix(line, `\`)
		}
	}
	return all
}

var code = regexp.MustCompile("`([^`]+)`")

// inline are the commands in the running text and the tables of a document that begin with one of the words.
func inline(lines []string, words ...string) (all []command) {
	inside := false
	for i, line := range lines {
		if strings.HasPrefix(strings.TrimLeft(line, " "), "```") {
			inside = !inside
		}
		if inside {
			continue
		}
		for _, found := range code.FindAllStringSubmatch(line, -1) {
			text := strings.ReplaceAll(found[1], `\|`, "|")
			for _, word := range words {
				if strings.HasPrefix(text, word+" ") || strings.Contains(text, "/"+word+" ") {
					all = append(all, command{i + 1, text})
					break
				}
			}
		}
	}
	return all
}

func TestBlocks(t *testing.T) {
	t.Parallel()
	lines := strings.Split("# A\n```sh\none \\\n  more\n# why\n\ntwo\n```\n```yaml\nthree: 3\n```\n"+
		"## B\n1. x\n\n   ```sh\n   four\n   ```\n```\n$ five\n```\n", "\n")
	got := blocks(lines)
	want := []block{
		{"A", []command{{3, "one \\\n  more"}, {7, "two"}}},
		{"B", []command{{16, "four"}}},
	}
	if len(got) != len(want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	for i := range want {
		if got[i].heading != want[i].heading || !slices.Equal(got[i].commands, want[i].commands) {
			t.Errorf("got %v, want %v", got[i], want[i])
		}
	}
}
