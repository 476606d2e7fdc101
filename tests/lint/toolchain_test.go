package lint_test

import (
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"boardcafe/tests/engine"
)

// A Go with known faults must not build a release: one version is meant everywhere, that of go.mod's
// toolchain line.
func TestOneGoEverywhere(t *testing.T) {
	read := func(file string) string {
		content, err := os.ReadFile(filepath.Join(engine.Root(), file))
		if err != nil {
			t.Fatal(err)
		}
		return string(content)
	}
	found := regexp.MustCompile(`(?m)^toolchain (go\S+)$`).FindStringSubmatch(read("go.mod"))
	if found == nil {
		t.Fatal("go.mod has no toolchain line")
	}
	if got := runtime.Version(); got != found[1] {
		t.Errorf("built with %s, want %s of go.mod; call it by make, or with GOTOOLCHAIN=auto", got, found[1])
	}
	version := strings.TrimPrefix(found[1], "go")
	for file, want := range map[string]string{
		"jenkins/agent/Dockerfile": "golang:" + version + "-",
		"infra/tools/go.mod":       "toolchain " + found[1] + "\n",
		"README.md":                "older than " + version + ",",
	} {
		if !strings.Contains(read(file), want) {
			t.Errorf("%s does not say %q", file, want)
		}
	}
}
