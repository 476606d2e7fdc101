package rollout

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"

	"boardcafe/infra/rollout/live"
	"boardcafe/infra/rollout/stack"

	"github.com/distribution/reference"
	"github.com/docker/docker/api/types/swarm"
)

// ImageError says that an image cannot be had.
type ImageError struct {
	Image string
	Err   error
}

func (e *ImageError) Error() string {
	return fmt.Sprintf("image %s: %v; does the registry answer, is it pushed, and may this user pull it? (docker login)", e.Image, e.Err)
}

func (e *ImageError) Unwrap() error { return e.Err }

// want completes the file with what only the swarm and the registry know, and returns the swarm's
// state with it.
func (r *Rollout) want(ctx context.Context, file *stack.File, options Options) (*stack.Stack, *live.State, error) {
	now, err := live.Read(ctx, r.Engine, r.Stack)
	if err != nil {
		return nil, nil, err
	}
	key, isNew := r.secretKey(now)
	want, err := file.Stack(stack.Versions{Key: key, Secrets: now.CurrentSecrets(r.Stack)})
	if err != nil {
		return nil, nil, err
	}
	if isNew && hasSecretFiles(want) {
		want.Configs = append(want.Configs, keyObject(r.Stack, key))
	}
	if options.Resolve {
		if err := r.resolve(ctx, want); err != nil {
			return nil, nil, err
		}
	}
	return want, now, nil
}

// resolve pins every image to the digest that its tag has now, so that all machines run the same
// one and a restore brings back exactly what was there.
func (r *Rollout) resolve(ctx context.Context, want *stack.Stack) error {
	type pinned struct {
		image     string
		platforms []swarm.Platform
	}
	known := map[string]pinned{}
	for _, service := range want.Services {
		task := &service.Spec.TaskTemplate
		image := task.ContainerSpec.Image
		if _, ok := known[image]; !ok {
			found, err := r.Engine.DistributionInspect(ctx, image, r.Auth(image))
			if err != nil {
				return &ImageError{Image: image, Err: err}
			}
			pin := pinned{image: withDigest(image, found.Descriptor.Digest)}
			for _, p := range found.Platforms {
				pin.platforms = append(pin.platforms, platform(p.Architecture, p.OS))
			}
			known[image] = pin
		}
		task.ContainerSpec.Image = known[image].image
		task.Placement.Platforms = known[image].platforms
	}
	return nil
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

// The key that names the versions of secrets is a config: whoever can read it can also start a
// task with the secrets themselves. It keeps the values from those who see names only, in logs
// and plans.
func keyName(stackName string) string { return "rollout." + stackName + ".key" }

func (r *Rollout) secretKey(now *live.State) (key []byte, isNew bool) {
	for _, config := range now.Configs {
		if config.Spec.Name == keyName(r.Stack) {
			return config.Spec.Data, false
		}
	}
	key = make([]byte, 32)
	rand.Read(key)
	return key, true
}

func keyObject(stackName string, key []byte) stack.Object {
	return stack.Object{
		Key: "the key that names secrets' versions", Name: keyName(stackName), Data: key,
		Labels: map[string]string{stack.LabelStack: stackName},
	}
}

func hasSecretFiles(s *stack.Stack) bool {
	for _, secret := range s.Secrets {
		if !secret.External {
			return true
		}
	}
	return false
}
