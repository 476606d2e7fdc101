package command

import (
	"context"
	"fmt"
	"time"

	"boardcafe/infra/rollout"

	"github.com/spf13/cobra"
)

func (a *app) statusCommand() *cobra.Command {
	var asJSON, watching bool
	cmd := &cobra.Command{
		Use:     "status",
		Short:   "Show the services, the newest release and the lock",
		Example: "  rollout status\n  rollout status --watch",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.connect()
			if err != nil {
				return err
			}
			defer s.close()
			for {
				if err := a.printStatus(cmd.Context(), s, asJSON); err != nil || !watching {
					return err
				}
				select {
				case <-cmd.Context().Done():
					return nil
				case <-time.After(time.Second):
				}
			}
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVarP(&watching, "watch", "w", false, "print it again every second, until interrupted")
	return cmd
}

func (a *app) printStatus(ctx context.Context, s *session, asJSON bool) error {
	now, err := s.Status(ctx)
	if err != nil {
		return err
	}
	if asJSON {
		return a.printJSON(now)
	}
	fmt.Fprintf(a.Stdout, "Stack %s on %s: %s\n", now.Stack, s.target, releaseLine(now))
	table(a.Stdout, now.Services)
	if now.Lock != nil {
		fmt.Fprintf(a.Stdout, "  locked by %s (%s) since %s\n", now.Lock.Who, now.Lock.What, now.Lock.Since.UTC().Format(time.RFC3339))
	}
	return nil
}

func releaseLine(s *rollout.Status) string {
	if s.Release == nil {
		return "no release yet"
	}
	return fmt.Sprintf("release %s %s", s.Release, s.Release.Status)
}
