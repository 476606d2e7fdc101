package deploy

import (
	"context"
	"fmt"
	"strings"

	"boardcafe/infra/rollout/model"

	"github.com/distribution/reference"
	"github.com/docker/docker/api/types/swarm"
)

// ImageError says that an image cannot be had.
type ImageError struct {
	Image string
	Err   error
}

func (e *ImageError) Error() string {
	return fmt.Sprintf("image %s: %v; does the registry answer, is it pushed, and may this user pull it? (docker login)",
		e.Image, e.Err)
}

func (e *ImageError) Unwrap() error { return e.Err }

// pinned is an image with its digest, and what it runs on.
type pinned struct {
	image     string
	platforms []swarm.Platform
}

// resolve pins every image to the digest that its tag has now. So all machines run the same image, and a
// restore brings back exactly the one that was there.
func (r *Rollout) resolve(ctx context.Context, wanted *model.Stack) error {
	known := map[string]pinned{}
	for i := range wanted.Services {
		task := &wanted.Services[i].Spec.TaskTemplate
		image := task.ContainerSpec.Image
		pin, ok := known[image]
		if !ok {
			var err error
			if pin, err = r.pin(ctx, image); err != nil {
				return err
			}
			known[image] = pin
		}
		container, placement := *task.ContainerSpec, swarm.Placement{}
		if task.Placement != nil {
			placement = *task.Placement
		}
		container.Image, placement.Platforms = pin.image, pin.platforms
		task.ContainerSpec, task.Placement = &container, &placement
	}
	return nil
}

// pin asks the registry for the digest of an image.
func (r *Rollout) pin(ctx context.Context, image string) (pinned, error) {
	found, err := r.Engine.DistributionInspect(ctx, image, r.Auth(image))
	if err != nil {
		return pinned{}, &ImageError{Image: image, Err: err}
	}
	pin := pinned{image: withDigest(image, found.Descriptor.Digest)}
	for _, p := range found.Platforms {
		pin.platforms = append(pin.platforms, platform(p.Architecture, p.OS))
	}
	return pin, nil
}

// platform leaves the architecture out for arm: manifests say "arm" where machines say "armv7l"
// (moby/swarmkit#2294).
func platform(architecture, os string) swarm.Platform {
	if strings.EqualFold(architecture, "arm") {
		architecture = ""
	}
	return swarm.Platform{Architecture: architecture, OS: os}
}

func withDigest[D ~string](image string, digest D) string {
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return image
	}
	if _, ok := named.(reference.Canonical); ok {
		return image
	}
	return reference.FamiliarString(reference.TagNameOnly(named)) + "@" + string(digest)
}
