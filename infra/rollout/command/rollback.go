package command

import (
	"strings"

	"boardcafe/infra/rollout/deploy"

	"github.com/spf13/cobra"
)

func (a *app) rollbackCommand() *cobra.Command {
	var options deploy.Options
	var yes, showEnv bool
	cmd := &cobra.Command{
		Use:   "rollback [RELEASE]",
		Short: "Bring an earlier release back, by number or name; without one the release before",
		Long: `Bring an earlier release back, by number or name; without one the release before.

It comes back as it was: images by digest, configs and secrets in the versions of then. What a migration
did stays done. Exit codes as of deploy.`,
		Example: `  rollout rollback
  rollout rollback 12
  rollout rollback 3f2a1b`,
		Args: takes(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.connected(func(s *session) error {
				a.involve(s, &options, yes, showEnv)
				return s.Rollback(cmd.Context(), strings.Join(args, ""), options)
			})
		},
	}
	runFlags(cmd, &options, &yes, &showEnv)
	return cmd
}
