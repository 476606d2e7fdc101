// Package lint_test checks what no linter from the shelf knows: the rules that this repository has for
// its Dockerfiles.
package lint_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"boardcafe/tests/engine"
)

func TestEveryDockerfileKeepsTheRules(t *testing.T) {
	git := exec.Command("git", "ls-files", "--cached", "--others", "--exclude-standard", "*Dockerfile*")
	git.Dir = engine.Root()
	out, err := git.Output()
	if err != nil {
		t.Fatal(err)
	}
	files := strings.Fields(string(out))
	if len(files) == 0 {
		t.Fatal("there is no Dockerfile here")
	}
	for _, file := range files {
		content, err := os.ReadFile(filepath.Join(engine.Root(), file))
		if os.IsNotExist(err) {
			continue // deleted, and not yet committed so
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, fault := range faults(string(content)) {
			t.Errorf("%s:%s", file, fault)
		}
	}
}

func TestTheRules(t *testing.T) {
	const good = "ARG BASE=nginx:1.30\nFROM ${BASE}\nCOPY a b /c/\nUSER 101:101\n"
	for name, test := range map[string]struct {
		dockerfile string
		want       string // in the one fault; none if empty
	}{
		"a plain one":                     {good, ""},
		"from scratch":                    {"FROM scratch\nUSER 1:1\n", ""},
		"a stage of its own":              {"FROM a:1 AS x\nFROM x\nUSER 1\n", ""},
		"root, with a reason":             {"# Root: systemd is one\nFROM debian:12\n", ""},
		"no user":                         {"FROM debian:12\n", "no USER"},
		"root at the end":                 {good + "USER 0\n", "USER"},
		"a user by name":                  {good + "USER nginx\n", "USER"},
		"latest":                          {"FROM nginx:latest\nUSER 1\n", "tag"},
		"no tag":                          {"FROM registry:5000/nginx\nUSER 1\n", "tag"},
		"a base without a default":        {"ARG BASE\nFROM ${BASE}\nUSER 1\n", "tag"},
		"an argument that does not exist": {"FROM ${BASE}\nUSER 1\n", "tag"},
		"ADD":                             {good + "ADD https://example.org/x /x\n", "COPY"},
		"a mount":                         {good + "RUN --mount=type=cache,target=/x true\n", "BuildKit"},
		"a mount on the next line":        {good + "RUN \\\n  # why\n  --mount=type=cache,target=/x true\n", "BuildKit"},
		"a mode":                          {good + "COPY --chmod=755 a /a\n", "BuildKit"},
		"an owner":                        {good + "COPY --chown=1:1 a /a\n", ""},
		"a here document":                 {good + "RUN <<EOF\ntrue\nEOF\n", "BuildKit"},
		"another syntax":                  {"# syntax=docker/dockerfile:1\n" + good, "BuildKit"},
		"a shell as process one":          {good + "ENTRYPOINT nginx\n", "exec form"},
		"a command in a shell":            {good + "CMD nginx\n", "exec form"},
		"a port, but no health check":     {good + "EXPOSE 80\n", "HEALTHCHECK"},
		"a health check in a shell":       {good + "EXPOSE 80\nHEALTHCHECK --interval=5s CMD curl x\n", "exec form"},
		"a port and a health check":       {good + "EXPOSE 80\nHEALTHCHECK --interval=5s CMD [\"/x\"]\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := faults(test.dockerfile)
			if test.want == "" && len(got) == 0 {
				return
			}
			if test.want == "" || len(got) == 0 || !strings.Contains(got[0], test.want) {
				t.Errorf("got %q, want one with %q", got, test.want)
			}
		})
	}
}

// instruction is one of a Dockerfile, its continued lines joined.
type instruction struct {
	line       int
	word, rest string
}

func parse(dockerfile string) (all []instruction) {
	continued := false
	for i, line := range strings.Split(dockerfile, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue // also between continued lines
		}
		text, more := strings.CutSuffix(line, `\`)
		if continued {
			last := &all[len(all)-1]
			last.rest = strings.TrimSpace(last.rest + " " + text)
		} else {
			word, rest, _ := strings.Cut(text, " ")
			all = append(all, instruction{i + 1, strings.ToUpper(word), strings.TrimSpace(rest)})
		}
		continued = more
	}
	return all
}

var (
	// Root is allowed where the file says why: "# Root: …".
	rootReason = regexp.MustCompile(`(?m)^# Root: \S`)
	syntaxLine = regexp.MustCompile(`(?im)^#\s*syntax\s*=`)
	// What the classic builder, the only one in Debian 12, does not know.
	buildKitFlag = regexp.MustCompile(`^(--\S+\s+)*--` +
		`(mount|network|security|chmod|link|parents|exclude|checksum|keep-git-dir)\b`)
	hereDocument = regexp.MustCompile(`<<-?\s*["']?[A-Za-z_]`)
	argument     = regexp.MustCompile(`^\$\{?(\w+)\}?$`)
	numericUser  = regexp.MustCompile(`^[1-9]\d*(:\d+)?$`)
)

func faults(dockerfile string) (all []string) {
	fault := func(in instruction, format string, args ...any) {
		all = append(all, fmt.Sprintf("%d: %s", in.line, fmt.Sprintf(format, args...)))
	}
	if syntaxLine.MatchString(dockerfile) {
		fault(instruction{line: 1}, "BuildKit only: # syntax=")
	}
	var user, from, expose instruction
	var healthcheck bool
	var stages []string
	defaults := map[string]string{}
	for _, in := range parse(dockerfile) {
		if slices.Contains([]string{"RUN", "COPY", "ADD"}, in.word) &&
			(buildKitFlag.MatchString(in.rest) || hereDocument.MatchString(in.rest)) {
			fault(in, "BuildKit only: %s %s", in.word, in.rest)
		}
		switch in.word {
		case "ARG":
			name, value, _ := strings.Cut(in.rest, "=")
			defaults[name] = value
		case "FROM":
			from, user = in, instruction{}
			words := strings.Fields(in.rest)
			if base := words[0]; !tagged(base, defaults) && !slices.Contains(stages, base) {
				fault(in, "FROM %s: want a base with a tag, and not latest", base)
			}
			if len(words) == 3 {
				stages = append(stages, words[2])
			}
		case "USER":
			user = in
		case "EXPOSE":
			expose = in
		case "ADD":
			fault(in, "ADD takes archives apart and fetches addresses: use COPY")
		case "CMD", "ENTRYPOINT":
			if !strings.HasPrefix(in.rest, "[") {
				fault(in, "%s: want the exec form, a shell passes no signal on", in.word)
			}
		case "HEALTHCHECK":
			healthcheck = true
			if _, command, ok := strings.Cut(in.rest, "CMD "); ok && !strings.HasPrefix(command, "[") {
				fault(in, "HEALTHCHECK: want the exec form, an image need not have a shell")
			}
		}
	}
	if expose.line > 0 && !healthcheck {
		fault(expose, "EXPOSE without a HEALTHCHECK")
	}
	if rootReason.MatchString(dockerfile) {
		return all
	}
	if user.line == 0 {
		fault(from, "no USER: it would run as root (say why in a line that begins with # Root:)")
	} else if !numericUser.MatchString(user.rest) {
		fault(user, "USER %s: want a number above 0, which needs no look-up", user.rest)
	}
	return all
}

// tagged reports whether an image's name says which one it is.
func tagged(image string, defaults map[string]string) bool {
	if m := argument.FindStringSubmatch(image); m != nil {
		image = defaults[m[1]]
	}
	if image == "scratch" || strings.Contains(image, "@sha256:") {
		return true
	}
	_, tag, ok := strings.Cut(image[strings.LastIndex(image, "/")+1:], ":")
	return ok && tag != "" && tag != "latest"
}
