package stackfile_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"boardcafe/infra/rollout/stackfile"

	"golang.org/x/tools/txtar"
)

// oneCase is a stack file, and what rollout says about it.
type oneCase struct {
	name, want string
	base       string // the file that this one is merged over, if there is one
	text       string
}

// cases reads an archive of testdata. Each of its files is a case and is called NAME: MESSAGE. The file s.yml is
// the one that all cases are merged over. A file called NAME, s.yml takes its place for one case.
func cases(t *testing.T, archive string) []oneCase {
	t.Helper()
	parsed, err := txtar.ParseFile(filepath.Join("testdata", archive))
	if err != nil || len(parsed.Files) == 0 {
		t.Fatalf("%s: %d files, %v", archive, len(parsed.Files), err)
	}
	var out []oneCase
	base, ofOne := "", ""
	for _, file := range parsed.Files {
		text := strings.ReplaceAll(string(file.Data), "$LONG", long)
		if file.Name == "s.yml" {
			base = text
			continue
		}
		if strings.HasSuffix(file.Name, ", s.yml") {
			ofOne = text
			continue
		}
		name, want, ok := strings.Cut(file.Name, ":")
		if !ok {
			t.Fatalf("%s: %q has no colon", archive, file.Name)
		}
		c := oneCase{name: name, want: strings.ReplaceAll(strings.TrimSpace(want), "$LONG", long), base: base, text: text}
		if ofOne != "" {
			c.base, ofOne = ofOne, ""
		}
		out = append(out, c)
	}
	return out
}

// long is a name that is too long once the stack's is before it.
var long = strings.Repeat("n", 60)

// refused are the cases that an archive of text cannot hold.
func refused() []oneCase {
	return []oneCase{
		{name: "NotUTF8", text: "services:\n  app: {image: caf\xe9}\n", want: "s.yml:*: not YAML:"},
		{name: "Binary", text: "\x7fELF\x00\x01\x02\xff", want: "s.yml:1: not YAML:"},
		{
			name: "DeepAsNobodyWrites", text: "services: " + strings.Repeat("[", 20_000),
			want: "s.yml:1: not YAML: exceeded max depth",
		},
		{
			name: "WindowsLines", text: "services:\r\n  a:\r\n    image: a\r\n    imgae: b\r\n",
			want: "s.yml:4: services.a.imgae: unknown key",
		},
	}
}

func TestAWrongFileIsRefusedWithItsLineAndKey(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	for _, c := range append(cases(t, "refused.txtar"), refused()...) {
		t.Run("Err"+c.name, func(t *testing.T) {
			t.Parallel()
			_, err := stackfile.Parse(filepath.Join(dir, "s.yml"), []byte(c.text), "cafe", testEnvironment)
			mustBeRefused(t, dir, err, c.want)
		})
	}
	t.Run("ErrTooManyValues", func(t *testing.T) {
		t.Parallel()
		text := "x-list: [" + strings.Repeat("1,", 100_001) + "]\n"
		_, err := stackfile.Parse("s.yml", []byte(text), "cafe", testEnvironment)
		if err == nil || err.Error() != "s.yml: more than 100000 values" {
			t.Errorf("got %v", err)
		}
	})
	t.Run("ErrStackName", func(t *testing.T) {
		t.Parallel()
		for _, name := range []string{"", "a b", "-a", strings.Repeat("a", 32)} {
			_, err := stackfile.Parse("s.yml", []byte("services: {a: {image: a}}"), name, testEnvironment)
			if err == nil || !strings.Contains(err.Error(), "31 at most") {
				t.Errorf("%q: got %v", name, err)
			}
		}
	})
}

func TestAnErrorNamesTheFileThatHasIt(t *testing.T) {
	t.Parallel()
	for _, c := range cases(t, "merged.txtar") {
		t.Run("Err"+c.name, func(t *testing.T) {
			t.Parallel()
			dir := folder(t)
			_, err := stackfile.Load(write(t, dir, c.base, c.text), "cafe", testEnvironment)
			mustBeRefused(t, dir, err, c.want)
		})
	}
}

// mustBeRefused checks that an error has a place in a file of the folder, and is the one that is wanted.
func mustBeRefused(t *testing.T, dir string, err error, want string) {
	t.Helper()
	if err == nil {
		t.Fatalf("accepted, want %q", want)
	}
	var located *stackfile.Error
	if !errors.As(err, &located) {
		t.Errorf("got a %T, want a *stackfile.Error", err)
	}
	got := strings.TrimPrefix(err.Error(), dir+"/")
	mustBeALine(t, got)
	if want := strings.ReplaceAll(want, "$DIR", dir); !matches(got, want) {
		t.Errorf("got  %s\nwant %s…", got, want)
	}
}

// mustBeALine checks that a message is one short line without control characters.
func mustBeALine(t *testing.T, message string) {
	t.Helper()
	if !utf8.ValidString(message) || strings.ContainsFunc(message, unicode.IsControl) || len(message) > 8_000 {
		t.Errorf("no line to print: %.500q", message)
	}
}

// matches compares the beginning of a text; a * stands for anything.
func matches(text, pattern string) bool {
	head, rest, star := strings.Cut(pattern, "*")
	if !strings.HasPrefix(text, head) {
		return false
	}
	return !star || strings.Contains(text[len(head):], rest)
}
