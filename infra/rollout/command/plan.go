package command

import (
	"boardcafe/infra/rollout/deploy"
	"boardcafe/infra/rollout/plan"

	"github.com/spf13/cobra"
)

func (a *app) planCommand() *cobra.Command {
	var options deploy.Options
	var asJSON, showEnv bool
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Show what a deploy would change; writes nothing",
		Long: "Show what a deploy would change; writes nothing.\n" +
			"Exits with 0 when there is nothing to change and with 2 when there is.",
		Example: `  rollout plan
  rollout plan -f docker-stack.yml -f docker-stack.tls.yml
  rollout plan --json | jq '.operations[] | select(.action == "update")'`,
		Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			file, err := a.load()
			if err != nil {
				return err
			}
			return a.connected(func(s *session) error {
				made, err := s.Plan(cmd.Context(), file, options)
				if err != nil {
					return err
				}
				if err := a.show(made, s, asJSON, showEnv); err != nil {
					return err
				}
				if made.Empty() {
					return nil
				}
				return errChanges
			})
		},
	}
	a.fileFlags(cmd)
	resolveFlag(cmd, &options)
	cmd.Flags().BoolVar(&options.Prune, "prune", false, "remove services and networks that the file no longer has")
	jsonFlag(cmd, &asJSON)
	showEnvFlag(cmd, &showEnv)
	return cmd
}

func (a *app) show(made *plan.Plan, s *session, asJSON, showEnv bool) error {
	view := plan.View{Target: s.target, ShowEnv: showEnv}
	if asJSON {
		return made.JSON(a.Stdout, view)
	}
	made.Text(a.Stdout, view)
	return nil
}
