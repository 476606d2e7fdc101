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
		if labels[stack.LabelNamespace] == r.Stack && labels[stack.LabelKey] == key {
			order = max(order, live.SetOrder(labels)+1)
		}
		if secret.Spec.Name == name {
			known = &secret
		}
	}
	labels := map[string]string{stack.LabelNamespace: r.Stack, stack.LabelKey: key, stack.LabelSet: strconv.Itoa(order)}
	if known == nil {
		_, err := r.Engine.SecretCreate(ctx, swarm.SecretSpec{Annotations: swarm.Annotations{Name: name, Labels: labels}, Data: value})
		if err != nil {
			return "", fmt.Errorf("create secret %s: %w", name, err)
		}
		return name, nil
	}
	// An old value is set again: its version exists, and becomes the current one.
	spec := known.Spec
	spec.Labels = maps.Clone(spec.Labels)
	maps.Copy(spec.Labels, labels)
	if err := r.Engine.SecretUpdate(ctx, known.ID, known.Version, spec); err != nil {
		return "", fmt.Errorf("update secret %s: %w", name, err)
	}
	return name, nil
}
