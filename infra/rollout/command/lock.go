package command

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"
)

func (a *app) lockCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "lock",
		Short: "Show or release the lock of the stack",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.lockStatusCommand(), a.lockReleaseCommand())
	return cmd
}

func (a *app) lockStatusCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "status",
		Short:   "Show who holds the lock",
		Example: "  rollout lock status",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.connect()
			if err != nil {
				return err
			}
			defer s.close()
			holder, held, err := s.Lock(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return a.printJSON(map[string]any{"held": held, "holder": holder})
			}
			if !held {
				fmt.Fprintf(a.Stdout, "Stack %s is not locked.\n", s.Stack)
				return nil
			}
			fmt.Fprintf(a.Stdout, "Stack %s is locked by %s (%s) since %s; last sign of life %s ago.\n", s.Stack, holder.Who, holder.What,
				holder.Since.UTC().Format(time.RFC3339), time.Since(holder.Renewed).Round(time.Second))
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func (a *app) lockReleaseCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "release",
		Short:   "Take the lock from whoever holds it; a holder that lives stops within seconds",
		Example: "  rollout lock release",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.connect()
			if err != nil {
				return err
			}
			defer s.close()
			holder, held, err := s.Unlock(cmd.Context())
			if err != nil {
				return err
			}
			if !held {
				fmt.Fprintf(a.Stdout, "Stack %s is not locked.\n", s.Stack)
				return nil
			}
			fmt.Fprintf(a.Stdout, "The lock of %s (%s) on stack %s is released.\n", holder.Who, holder.What, s.Stack)
			return nil
		},
	}
}
