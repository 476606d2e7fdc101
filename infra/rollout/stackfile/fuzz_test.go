package stackfile_test

import (
	"path/filepath"
	"testing"

	"boardcafe/infra/rollout/stackfile"

	"golang.org/x/tools/txtar"
)

// FuzzLoad checks that every file, alone or merged over another one, is a stack or gets an error of one line.
func FuzzLoad(f *testing.F) {
	archive, err := txtar.ParseFile("testdata/fuzz.txtar")
	if err != nil {
		f.Fatal(err)
	}
	seeds := []string{whole, ""}
	for _, file := range archive.Files {
		seeds = append(seeds, string(file.Data))
	}
	for _, seed := range seeds {
		f.Add(seed)
	}
	dir := folder(f)
	f.Fuzz(func(t *testing.T, text string) {
		alone, err := stackfile.Parse(filepath.Join(dir, "s.yml"), []byte(text), "cafe", testEnvironment)
		mustBeGood(t, alone, err)
		merged, err := stackfile.Load(write(t, dir, whole, text), "cafe", testEnvironment)
		mustBeGood(t, merged, err)
	})
}

func mustBeGood(t *testing.T, file *stackfile.File, err error) {
	t.Helper()
	if err != nil {
		mustBeALine(t, err.Error())
		return
	}
	if _, err := file.Stack(versions()); err != nil {
		t.Errorf("the file is good, its stack is not: %v", err)
	}
}
