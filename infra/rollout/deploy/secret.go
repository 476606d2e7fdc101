package deploy

import (
	"context"
	"fmt"
	"maps"
	"strconv"

	"boardcafe/infra/rollout/live"
	"boardcafe/infra/rollout/model"
	"boardcafe/infra/rollout/plan"

	"github.com/docker/docker/api/types/swarm"
)

// SetSecret makes a value the current version of an external secret. Nothing uses it before the
// next deploy. The version's name is returned; the value is in no name, label or message.
func (r *Rollout) SetSecret(ctx context.Context, key string, value []byte) (version string, err error) {
	if err := model.CheckKey(key); err != nil {
		return "", fmt.Errorf("secret %w", err)
	}
	if len(value) == 0 || len(value) > model.MaxSecret {
		return "", fmt.Errorf("secret %s: the value has %d bytes; it must have 1 to %d", key, len(value), model.MaxSecret)
	}
	now, err := live.Read(ctx, r.Engine, r.Stack)
	if err != nil {
		return "", err
	}
	hmacKey, isNew := r.secretKey(now)
	if isNew {
		create := plan.CreateObject{Kind: plan.Config, Object: keyObject(r.Stack, hmacKey)}
		if err := create.Run(ctx, r.target()); err != nil {
			return "", err
		}
	}
	name := model.SecretName(r.Stack, key, value, hmacKey)
	known, order := findVersion(now, r.Stack, key, name)
	labels := map[string]string{
		model.LabelStack: r.Stack, model.LabelKey: key, model.LabelSet: strconv.Itoa(order),
	}
	if known == nil {
		about := swarm.Annotations{Name: name, Labels: labels}
		if _, err := r.Engine.SecretCreate(ctx, swarm.SecretSpec{Annotations: about, Data: value}); err != nil {
			return "", fmt.Errorf("create secret %s: %w", name, err)
		}
		return name, nil
	}
	// An old value is set again: its version exists, and becomes the current one.
	spec := known.Spec
	spec.Labels = withoutNamespace(spec.Labels)
	maps.Copy(spec.Labels, labels)
	if err := r.Engine.SecretUpdate(ctx, known.ID, known.Version, spec); err != nil {
		return "", fmt.Errorf("update secret %s: %w", name, err)
	}
	return name, nil
}

// findVersion finds a version of a secret by its name, nil where there is none, and the order that the next
// version of the same key gets.
func findVersion(now *live.State, stack, key, name string) (known *swarm.Secret, order int) {
	order = 1
	for _, secret := range now.Secrets {
		labels := secret.Spec.Labels
		if model.Owns(stack, labels) && labels[model.LabelKey] == key {
			order = max(order, live.SetOrder(labels)+1)
		}
		if secret.Spec.Name == name {
			known = &secret
		}
	}
	return known, order
}

// keepFromStackRemoval takes Docker's label off the secrets that were set by hand and off the key of their
// names. Earlier rollouts put it there. `docker stack rm` removes what has that label: the database's password
// would be gone, while its volume stays.
func (r *Rollout) keepFromStackRemoval(ctx context.Context, now *live.State) {
	warn := func(kind, name string, err error) {
		if err != nil {
			r.Progress.Warn(fmt.Sprintf("%s %s: docker stack rm would remove it: %v", kind, name, err))
		}
	}
	for _, secret := range now.Secrets {
		spec := secret.Spec
		if spec.Labels[model.LabelNamespace] != r.Stack || live.SetOrder(spec.Labels) == 0 {
			continue
		}
		spec.Labels = withoutNamespace(spec.Labels)
		spec.Labels[model.LabelStack] = r.Stack
		warn("secret", spec.Name, r.Engine.SecretUpdate(ctx, secret.ID, secret.Version, spec))
	}
	for _, config := range now.Configs {
		spec := config.Spec
		if spec.Name != model.KeyName(r.Stack) || spec.Labels[model.LabelNamespace] == "" {
			continue
		}
		spec.Labels = keyObject(r.Stack, nil).Labels
		warn("config", spec.Name, r.Engine.ConfigUpdate(ctx, config.ID, config.Version, spec))
	}
}

func withoutNamespace(labels map[string]string) map[string]string {
	labels = maps.Clone(labels)
	delete(labels, model.LabelNamespace)
	return labels
}
