package engine

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
)

// Toolbox is the full name of the image with the browser and the linters, which `make toolbox`
// builds: its tag is the hash of its folder, as in the Makefile.
func Toolbox() string {
	files, err := filepath.Glob(filepath.Join(Root(), "infra/images/toolbox/*")) // in order of name, as the shell's
	if err != nil {
		panic(err)
	}
	sum := sha256.New()
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			panic(err)
		}
		sum.Write(content)
	}
	return fmt.Sprintf("boardcafe/toolbox:%x", sum.Sum(nil)[:6])
}
