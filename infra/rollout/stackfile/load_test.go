package stackfile_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"boardcafe/infra/rollout/stackfile"
)

// write makes stack files s.yml, over.yml, … of the texts.
func write(t testing.TB, dir string, texts ...string) []string {
	t.Helper()
	var paths []string
	for i, text := range texts {
		path := filepath.Join(dir, []string{"s.yml", "over.yml", "last.yml"}[i])
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	return paths
}

func TestLoadReadsAFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(folder(t), "s.yml")
	t.Run("ErrMissing", func(t *testing.T) {
		_, err := stackfile.Load([]string{path}, "cafe", testEnvironment)
		if err == nil || err.Error() != path+": no such file or directory" {
			t.Errorf("got %v", err)
		}
		if _, err := stackfile.NameIn([]string{path}); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("got %v, want ErrNotExist", err)
		}
	})
	t.Run("OK", func(t *testing.T) {
		if err := os.WriteFile(path, []byte(whole), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := stackfile.Load([]string{path}, "cafe", testEnvironment); err != nil {
			t.Error(err)
		}
		if name, err := stackfile.NameIn([]string{path}); err != nil || name != "cafe" {
			t.Errorf("got %q, %v, want cafe", name, err)
		}
	})
	t.Run("ErrConfigGoneBetweenLoadAndUse", func(t *testing.T) {
		for _, name := range []string{"password", "app.conf"} {
			file, err := stackfile.Load([]string{path}, "cafe", testEnvironment)
			if err != nil {
				t.Fatal(err)
			}
			gone := filepath.Join(filepath.Dir(path), name)
			if err := os.Rename(gone, gone+".old"); err != nil {
				t.Fatal(err)
			}
			_, err = file.Stack(versions())
			if err == nil || !strings.Contains(err.Error(), gone+": no such file") {
				t.Errorf("got %v", err)
			}
			if err := os.Rename(gone+".old", gone); err != nil {
				t.Fatal(err)
			}
		}
	})
	t.Run("ErrLarge", func(t *testing.T) {
		_, err := stackfile.Load([]string{"/dev/zero"}, "cafe", testEnvironment)
		if err == nil || err.Error() != "/dev/zero: larger than 10 MB: not a stack file" {
			t.Errorf("got %v", err)
		}
	})
	t.Run("ErrFolder", func(t *testing.T) {
		dir := t.TempDir()
		_, err := stackfile.Load([]string{dir}, "cafe", testEnvironment)
		if err == nil || err.Error() != dir+": is a directory" {
			t.Errorf("got %v", err)
		}
	})
}

func TestAWrongNameOfAStackIsRefused(t *testing.T) {
	t.Parallel()
	t.Run("ErrNameIn", func(t *testing.T) {
		for text, want := range map[string]string{
			"x-rollout: {stack: [cafe]}":      ":1: x-rollout.stack: must be the stack's name",
			"x-rollout: {stack: \"${NAME}\"}": `:1: x-rollout.stack: "${NAME}": a stack's name has letters`,
		} {
			bad := filepath.Join(t.TempDir(), "bad.yml")
			if err := os.WriteFile(bad, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := stackfile.NameIn([]string{bad})
			if err == nil || !strings.HasPrefix(err.Error(), bad+want) {
				t.Errorf("%s: got %v", text, err)
			}
		}
	})
	t.Run("ErrNameInNoYAML", func(t *testing.T) {
		bad := filepath.Join(t.TempDir(), "bad.yml")
		if err := os.WriteFile(bad, []byte("x-rollout: [\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := stackfile.NameIn([]string{bad})
		if err == nil || !strings.HasPrefix(err.Error(), bad+":1: not YAML: ") {
			t.Errorf("got %v", err)
		}
	})
}

func TestTheNameIsInAnyOfTheFiles(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		texts []string
		want  string
	}{
		"OKFirst": {[]string{"x-rollout: {stack: cafe}", "services: {}"}, "cafe"},
		"OKLast":  {[]string{"x-rollout: {stack: cafe}", "x-rollout: {stack: bar}"}, "bar"},
		"OKNone":  {[]string{"services: {}", "services: {}"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := stackfile.NameIn(write(t, t.TempDir(), c.texts...))
			if err != nil || got != c.want {
				t.Errorf("got %q, %v, want %q", got, err, c.want)
			}
		})
	}
	t.Run("ErrInTheLast", func(t *testing.T) {
		dir := t.TempDir()
		_, err := stackfile.NameIn(write(t, dir, "x-rollout: {stack: cafe}", "x-rollout: {stack: a b}"))
		if err == nil || !strings.HasPrefix(err.Error(), dir+"/over.yml:1: x-rollout.stack: ") {
			t.Errorf("got %v", err)
		}
	})
}
