package command

import (
	"bufio"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"boardcafe/infra/rollout/deploy"
	"boardcafe/infra/rollout/plan"

	"github.com/spf13/cobra"
)

func (a *app) deployCommand() *cobra.Command {
	var options deploy.Options
	var yes, showEnv bool
	cmd := &cobra.Command{
		Use:   "deploy",
		Short: "Bring the stack into the swarm, or leave it as it was",
		Long: `Bring the stack into the swarm, or leave it as it was.

Shows the plan, takes the lock, runs migrations, updates the services wave by wave, and asks every
machine until the new release, and only it, answers. On any failure what was there before is restored.

Exits with 0 when it serves; 1 when nothing was started; 3 when it failed and the release before serves
again; 4 when it failed and does not; 5 when another rollout holds the lock; 130 when interrupted.`,
		Example: `  RELEASE=3f2a1b rollout deploy --host ssh://deploy@manager
  rollout deploy -f docker-stack.yml -f docker-stack.tls.yml
  rollout deploy --prune --yes --progress plain          in a pipeline
  rollout deploy --probe http://192.0.2.10 --settle 30s`,
		Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			file, err := a.load()
			if err != nil {
				return err
			}
			return a.connected(func(s *session) error {
				a.involve(s, &options, yes, showEnv)
				return s.Deploy(cmd.Context(), file, options)
			})
		},
	}
	a.fileFlags(cmd)
	resolveFlag(cmd, &options)
	runFlags(cmd, &options, &yes, &showEnv)
	return cmd
}

// runFlags are those of deploy and rollback.
func runFlags(cmd *cobra.Command, options *deploy.Options, yes, showEnv *bool) {
	f := cmd.Flags()
	f.BoolVar(&options.Prune, "prune", false, "remove services and networks that the release does not have")
	f.StringArrayVar(&options.Probes, "probe", nil, "address to probe instead of the machines' own (repeatable)")
	f.DurationVar(&options.Settle, "settle", 10*time.Second,
		"how long every machine must answer with the new release only")
	f.DurationVar(&options.Timeout, "timeout", 10*time.Minute, "for the whole release; restoring has as long again")
	f.DurationVar(&options.LockWait, "lock-wait", 0, "wait for another rollout to end")
	f.BoolVar(&options.NoRollback, "no-rollback", false, "leave a failed release as it is, to look into it")
	f.BoolVarP(yes, "yes", "y", false, "do not ask before a service is removed or replaced")
	showEnvFlag(cmd, showEnv)
	cmd.PreRunE = func(*cobra.Command, []string) error { return checkRun(options) }
}

// checkRun finds values of flags with which no release can run.
func checkRun(options *deploy.Options) error {
	switch {
	case options.Settle < 0:
		return fmt.Errorf("--settle %s: must not be negative", options.Settle)
	case options.Timeout <= 0:
		return fmt.Errorf("--timeout %s: must be more than nothing", options.Timeout)
	case options.LockWait < 0:
		return fmt.Errorf("--lock-wait %s: must not be negative", options.LockWait)
	}
	for _, address := range options.Probes {
		parsed, err := url.Parse(address)
		if err != nil || parsed.Host == "" || parsed.Scheme != "http" && parsed.Scheme != "https" {
			return fmt.Errorf("--probe %s: must be an address like http://192.0.2.10/readyz", address)
		}
	}
	return nil
}

func showEnvFlag(cmd *cobra.Command, showEnv *bool) {
	cmd.Flags().BoolVar(showEnv, "show-env", false, "show the values of environment variables")
}

// involve shows people the plan, and asks them before a service is removed or replaced.
func (a *app) involve(s *session, options *deploy.Options, yes, showEnv bool) {
	options.Show = func(made *plan.Plan) { made.Text(a.Stdout, plan.View{Target: s.target, ShowEnv: showEnv}) }
	options.Confirm = a.confirm(yes, s.Stack)
}

func resolveFlag(cmd *cobra.Command, options *deploy.Options) {
	options.Resolve = true
	cmd.Flags().BoolVar(&options.Resolve, "resolve", true,
		"pin images to their digests; --resolve=false where there is no registry")
}

// ErrNotConfirmed is returned when nobody agreed to remove or replace a service.
var ErrNotConfirmed = errors.New("nothing was changed")

// confirm asks before a service is removed or replaced. It asks only at a terminal: a pipeline would wait for the
// answer for ever.
func (a *app) confirm(yes bool, stackName string) func([]plan.Operation) error {
	return func(operations []plan.Operation) error {
		if yes {
			return nil
		}
		var what []string
		for _, operation := range operations {
			what = append(what, string(operation.Line().Action)+" service "+operation.Line().Name)
		}
		list := strings.Join(what, ", ")
		if !a.Terminal {
			return fmt.Errorf("this would %s; say --yes if it should: %w", list, ErrNotConfirmed)
		}
		fmt.Fprintf(a.Stderr, "Stack %s: %s? [y/N] ", stackName, list)
		answer, _ := bufio.NewReader(a.Stdin).ReadString('\n')
		if answer = strings.ToLower(strings.TrimSpace(answer)); answer != "y" && answer != "yes" {
			return ErrNotConfirmed
		}
		return nil
	}
}
