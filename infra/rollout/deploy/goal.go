package deploy

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"

	"boardcafe/infra/rollout/history"
	"boardcafe/infra/rollout/live"
	"boardcafe/infra/rollout/model"
	"boardcafe/infra/rollout/stackfile"
)

// goal finds the stack that an attempt is to bring about, and for a rollback the release that it was.
type goal func(context.Context, *Attempt) (*model.Stack, history.Release, error)

// NoReleaseError says that there is no such release to go back to.
type NoReleaseError struct{ Stack, Name string }

func (e *NoReleaseError) Error() string {
	missing := "release before the present one"
	if e.Name != "" {
		missing = "deployed release " + e.Name
	}
	return fmt.Sprintf("stack %s has no %s; see: rollout history --stack %s", e.Stack, missing, e.Stack)
}

// fromHistory is the goal of a rollback: the release that is called so, or the one before the present.
func fromHistory(to string) goal {
	return func(_ context.Context, a *Attempt) (*model.Stack, history.Release, error) {
		found, ok := a.record.Find(to)
		if !ok {
			return nil, history.Release{}, &NoReleaseError{Stack: a.rollout.Stack, Name: to}
		}
		content, err := found.Content()
		if err != nil {
			return nil, history.Release{}, err
		}
		return &content.Stack, found, nil
	}
}

// fromFile is the goal of a deploy: the stack of a file, with what only the swarm and the registry know.
func fromFile(file *stackfile.File) goal {
	return func(ctx context.Context, a *Attempt) (*model.Stack, history.Release, error) {
		wanted, err := a.rollout.complete(file, a.before)
		if err == nil && a.options.Resolve {
			err = a.rollout.resolve(ctx, wanted)
		}
		return wanted, history.Release{}, err
	}
}

// complete names the versions of the file's configs and secrets.
func (r *Rollout) complete(file *stackfile.File, now *live.State) (*model.Stack, error) {
	key, isNew := r.secretKey(now)
	wanted, err := file.Stack(stackfile.Versions{Key: key, Secrets: now.CurrentSecrets(r.Stack)})
	if err != nil {
		return nil, err
	}
	named := slices.ContainsFunc(wanted.Secrets, func(s model.Object) bool { return !s.External })
	if isNew && named {
		wanted.Configs = append(wanted.Configs, keyObject(r.Stack, key))
	}
	return wanted, nil
}

// secretKey is the key that names the versions of secrets: the swarm's, or a new one.
func (r *Rollout) secretKey(now *live.State) (key []byte, isNew bool) {
	for _, config := range now.Configs {
		if config.Spec.Name == model.KeyName(r.Stack) {
			return config.Spec.Data, false
		}
	}
	key = make([]byte, 32)
	rand.Read(key)
	return key, true
}

func keyObject(stack string, key []byte) model.Object {
	return model.Object{
		Key: "the key that names secrets' versions", Name: model.KeyName(stack), Data: key,
		Labels: map[string]string{model.LabelStack: stack},
	}
}
