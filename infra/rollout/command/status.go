package command

import (
	"context"
	"fmt"
	"io"
	"time"

	"boardcafe/infra/rollout/deploy"

	"github.com/spf13/cobra"
)

func (a *app) statusCommand() *cobra.Command {
	return reading(a, &cobra.Command{
		Use:   "status",
		Short: "Show the services, the newest release and the lock",
		Example: `  rollout status
  rollout status --watch
  rollout status --json | jq '.services[] | select(.settled | not)'`,
	}, question[*deploy.Status]{status, statusText}, true)
}

func status(ctx context.Context, s *session) (*deploy.Status, error) { return s.Status(ctx) }

func statusText(w io.Writer, s *session, now *deploy.Status) error {
	release := "no release yet"
	if now.Release != nil {
		release = fmt.Sprintf("release %s %s", now.Release, now.Release.Status)
	}
	fmt.Fprintf(w, "Stack %s on %s: %s\n", now.Stack, s.target, release)
	table(w, now.Services)
	if now.Lock != nil {
		since := now.Lock.Since.UTC().Format(time.RFC3339)
		fmt.Fprintf(w, "  locked by %s (%s) since %s\n", now.Lock.Who, now.Lock.What, since)
	}
	return nil
}
