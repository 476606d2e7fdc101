package lab

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/crypto/bcrypt"

	"boardcafe/tests/engine"
)

// Staff is the name that [Lab.Password] signs in with. The pipeline's account, smoke, has the same password.
const Staff = "staff"

// archive is where the images are in the control container.
const archive = private + "/images.tar"

// PrepareCafe builds rollout, takes the images that `make images` has built, and completes the inventory,
// so that site.yml deploys the café of this checkout.
func (l *Lab) PrepareCafe(ctx context.Context) error {
	if err := buildRollout(); err != nil {
		return err
	}
	if err := l.bringImages(ctx, engine.Image("app"), engine.Image("db"), engine.Image("proxy")); err != nil {
		return err
	}
	l.Inventory.Set("cafe_release", engine.Release())
	l.Inventory.Set("cafe_images_archive", archive)
	return l.setSecrets()
}

// buildRollout builds build/rollout once, for all labs of this process.
var buildRollout = sync.OnceValue(func() error {
	build := exec.Command("go", "build", "-o", "build/rollout", "./infra/cmd/rollout")
	build.Dir = engine.Root()
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux") // for the control container
	if output, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build rollout: %w\n%s", err, output)
	}
	return nil
})

func (l *Lab) setSecrets() error {
	registry, err := l.secret("registry_password")
	if err != nil {
		return err
	}
	password, err := l.Password()
	if err != nil {
		return err
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.DefaultCost)
	if err != nil {
		return err
	}
	accounts, err := l.keep("staff", fmt.Appendf(nil, "%s:%s\nsmoke:%s", Staff, hash, hash))
	if err != nil {
		return err
	}
	l.Inventory.Set("registry_password", registry)
	l.Inventory.Set("cafe_staff", strings.Split(string(accounts), "\n"))
	return nil
}

// ChangeSecrets puts new passwords into the inventory.
func (l *Lab) ChangeSecrets() error {
	for _, name := range []string{"registry_password", "staff_password", "staff"} {
		if err := os.Remove(filepath.Join(l.Dir(), name)); err != nil {
			return err
		}
	}
	return l.setSecrets()
}

// Password is what [Staff] signs in with.
func (l *Lab) Password() (string, error) { return l.secret("staff_password") }

func (l *Lab) bringImages(ctx context.Context, images ...string) error {
	save := exec.CommandContext(ctx, "docker", append([]string{"save"}, images...)...)
	var diagnostics bytes.Buffer
	save.Stderr = &diagnostics
	content, err := save.StdoutPipe()
	if err != nil {
		return err
	}
	if err := save.Start(); err != nil {
		return err
	}
	_, err = l.control.Pipe(ctx, content, "sh", "-euc", `umask 077; mkdir -p "$(dirname "$1")"; cat > "$1"`, "sh", archive)
	if waited := save.Wait(); waited != nil {
		return fmt.Errorf("docker save %v: %w: %s (are they built? make images)", images, waited, diagnostics.String())
	}
	return err
}

// keep is the content of a file in the lab's folder, which is made with this one if it is not there.
func (l *Lab) keep(name string, made []byte) ([]byte, error) {
	path := filepath.Join(l.Dir(), name)
	content, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		content, err = made, os.WriteFile(path, made, 0o600)
	}
	return content, err
}
