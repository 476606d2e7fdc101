package plan

import (
	"context"
	"fmt"
	"time"

	"github.com/docker/docker/api/types/swarm"
)

// RunJob runs a job once. It is not undone: what a migration did stays done. The release before must work with
// the new schema, so a schema is expanded first and contracted later.
type RunJob struct {
	Name    string
	Spec    swarm.ServiceSpec
	Timeout time.Duration
	unneeded
}

func (o RunJob) Line() Line {
	return Line{Action: Execute, Kind: Job, Name: o.Name, Note: image(o.Spec)}
}

func (o RunJob) Run(ctx context.Context, t Target) error {
	spec, err := bind(ctx, t.Engine, o.Spec)
	if err != nil {
		return fmt.Errorf("job %s: %w", o.Name, err)
	}
	return t.Jobs.RunJob(ctx, o.Name, spec, o.Timeout)
}
