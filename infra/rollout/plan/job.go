package plan

import (
	"context"
	"fmt"
	"time"

	"github.com/docker/docker/api/types/swarm"
)

// RunJob runs a job once. What a migration did stays done: schemas are expanded before they are
// contracted, and the release before must work on the new one.
type RunJob struct {
	Name    string
	Spec    swarm.ServiceSpec
	Timeout time.Duration
	unneeded
}

func (o RunJob) Line() Line {
	return Line{Action: Run, Kind: Job, Name: o.Name, Note: image(o.Spec)}
}

func (o RunJob) Run(ctx context.Context, t Target) error {
	spec, err := bind(ctx, t.Engine, o.Spec)
	if err != nil {
		return fmt.Errorf("job %s: %w", o.Name, err)
	}
	return t.Jobs.RunJob(ctx, o.Name, spec, o.Timeout)
}
