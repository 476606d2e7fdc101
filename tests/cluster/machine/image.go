package machine

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/build"
	"github.com/docker/docker/pkg/jsonmessage"

	"boardcafe/tests/engine"
)

//go:embed image
var buildContext embed.FS

// Kind is what a machine has on its disk: a stage of image/Dockerfile.
type Kind string

const (
	// Bare is a fresh VM: systemd, sshd, python3, and a user `debian` who may become root.
	Bare Kind = "bare"
	// Docker is a bare machine with Debian's Docker and a user `deploy` who may use it.
	Docker Kind = "docker"
	// Registry is no machine but Debian's docker-registry in a plain container.
	Registry Kind = "registry"
)

const base = "boardcafe/base-debian:12"

// image builds the image of a kind, unless it is there from an earlier run, and returns its name.
// The tag is a hash of all that goes into it, so that a change of the Dockerfile is a new image.
func (s *Site) image(ctx context.Context, kind Kind) (string, error) {
	unlock, err := lockImages()
	if err != nil {
		return "", err
	}
	defer unlock()
	parent, err := s.baseImage(ctx)
	if err != nil {
		return "", err
	}
	archive, err := contextTar()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(append([]byte(parent), archive...))
	name := "boardcafe/machine-" + string(kind) + ":" + hex.EncodeToString(sum[:6])
	if _, err := s.docker.ImageInspect(ctx, name); err == nil {
		return name, nil
	} else if !errdefs.IsNotFound(err) {
		return "", fmt.Errorf("inspect %s: %w", name, err)
	}

	begin := time.Now()
	s.options.Log("image %s: building", name)
	response, err := s.docker.ImageBuild(ctx, bytes.NewReader(archive), build.ImageBuildOptions{
		Tags:        []string{name},
		Target:      string(kind),
		Remove:      true,
		ForceRemove: true,
	})
	if err != nil {
		return "", fmt.Errorf("build %s: %w", name, err)
	}
	defer response.Body.Close()
	var output bytes.Buffer
	if err := jsonmessage.DisplayJSONMessagesStream(response.Body, &output, 0, false, nil); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", name, err, output.String())
	}
	s.options.Log("image %s: built in %.1fs", name, time.Since(begin).Seconds())
	return name, nil
}

// lockImages waits for others that build machines' images, as test packages that begin at the same time do:
// the second then has what the first has built.
func lockImages() (unlock func() error, err error) {
	file, err := os.Create(filepath.Join(engine.Root(), "build", "machine-images.lock"))
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", file.Name(), err), file.Close())
	}
	return file.Close, nil // closing it unlocks
}

// baseImage makes sure of the Debian that the machines are built on and returns its id.
func (s *Site) baseImage(ctx context.Context) (string, error) {
	info, err := s.docker.ImageInspect(ctx, base)
	if errdefs.IsNotFound(err) {
		s.options.Log("image %s: building", base)
		make := exec.CommandContext(ctx, "make", "base-debian")
		make.Dir = engine.Root()
		if output, err := make.CombinedOutput(); err != nil {
			return "", fmt.Errorf("make base-debian: %w\n%s", err, output)
		}
		info, err = s.docker.ImageInspect(ctx, base)
	}
	if err != nil {
		return "", fmt.Errorf("inspect %s: %w", base, err)
	}
	return info.ID, nil
}

// contextTar is the folder image as a build context, the same bytes each time.
func contextTar() ([]byte, error) {
	var archive bytes.Buffer
	tw := tar.NewWriter(&archive)
	files, err := fs.ReadDir(buildContext, "image")
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		content, err := buildContext.ReadFile("image/" + file.Name())
		if err != nil {
			return nil, err
		}
		if err := tw.WriteHeader(&tar.Header{Name: file.Name(), Mode: 0o644, Size: int64(len(content))}); err != nil {
			return nil, err
		}
		if _, err := tw.Write(content); err != nil {
			return nil, err
		}
	}
	return archive.Bytes(), tw.Close()
}
