package command

import (
	"boardcafe/infra/rollout"
	"boardcafe/infra/rollout/plan"

	"github.com/spf13/cobra"
)

func (a *app) rollbackCommand() *cobra.Command {
	var options rollout.Options
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
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := a.connect()
			if err != nil {
				return err
			}
			defer s.close()
			to := ""
			if len(args) > 0 {
				to = args[0]
			}
			options.Show = func(made *plan.Plan) { made.Text(a.Stdout, plan.View{Target: s.target, ShowEnv: showEnv}) }
			options.Confirm = a.confirm(yes, s.Stack)
			return s.Rollback(cmd.Context(), to, options)
		},
	}
	runFlags(cmd, &options, &yes, &showEnv)
	return cmd
}
