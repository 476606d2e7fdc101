package rollout

import (
	"context"
	"fmt"
	"maps"
	"strconv"

	"boardcafe/infra/rollout/live"
	"boardcafe/infra/rollout/plan"
	"boardcafe/infra/rollout/stack"

	"github.com/docker/docker/api/types/swarm"
)

// maxSecret is Swarm's limit for the value of a secret.
const maxSecret = 500*1024 - 1

// SetSecret makes a value the current version of an external secret. Nothing uses it before the
// next deploy. The version's name is returned; the value is in no name, label or message.
func (r *Rollout) SetSecret(ctx context.Context, key string, value []byte) (version string, err error) {
	if err := stack.CheckKey(key); err != nil {
		return "", fmt.Errorf("secret %w", err)
	}
	if len(value) == 0 || len(value) > maxSecret {
		return "", fmt.Errorf("secret %s: the value has %d bytes; it must have 1 to %d", key, len(value), maxSecret)
	}
	now, err := live.Read(ctx, r.Engine, r.Stack)
	if err != nil {
		return "", err
	}
	hmacKey, isNew := r.secretKey(now)
	if isNew {
		if err := (plan.CreateObject{Kind: plan.Config, Object: keyObject(r.Stack, hmacKey)}).Run(ctx, r.target()); err != nil {
			return "", err
		}
	}
	name := stack.SecretName(r.Stack, key, value, hmacKey)
	order := 1
	var known *swarm.Secret
	for _, secret := range now.Secrets {
		labels := secret.Spec.Labels
		if stack.Owns(r.Stack, labels) && labels[stack.LabelKey] == key {
			order = max(order, live.SetOrder(labels)+1)
		}
		if secret.Spec.Name == name {
			known = &secret
		}
	}
	labels := map[string]string{stack.LabelStack: r.Stack, stack.LabelKey: key, stack.LabelSet: strconv.Itoa(order)}
	if known == nil {
		_, err := r.Engine.SecretCreate(ctx, swarm.SecretSpec{Annotations: swarm.Annotations{Name: name, Labels: labels}, Data: value})
		if err != nil {
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

// keepFromStackRemoval takes Docker's label off the secrets that were set and off the key of their names,
// where an earlier rollout has put it: `docker stack rm` takes what has it, and the database's password
// would be gone while its volume stays.
func (r *Rollout) keepFromStackRemoval(ctx context.Context, now *live.State) {
	warn := func(kind, name string, err error) {
		if err != nil {
			r.Progress.Warn(fmt.Sprintf("%s %s: docker stack rm would remove it: %v", kind, name, err))
		}
	}
	for _, secret := range now.Secrets {
		spec := secret.Spec
		if spec.Labels[stack.LabelNamespace] != r.Stack || live.SetOrder(spec.Labels) == 0 {
			continue
		}
		spec.Labels = withoutNamespace(spec.Labels)
		spec.Labels[stack.LabelStack] = r.Stack
		warn("secret", spec.Name, r.Engine.SecretUpdate(ctx, secret.ID, secret.Version, spec))
	}
	for _, config := range now.Configs {
		spec := config.Spec
		if spec.Name != keyName(r.Stack) || spec.Labels[stack.LabelNamespace] == "" {
			continue
		}
		spec.Labels = keyObject(r.Stack, nil).Labels
		warn("config", spec.Name, r.Engine.ConfigUpdate(ctx, config.ID, config.Version, spec))
	}
}

func withoutNamespace(labels map[string]string) map[string]string {
	labels = maps.Clone(labels)
	delete(labels, stack.LabelNamespace)
	return labels
}
