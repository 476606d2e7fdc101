package command

import (
	"context"
	"fmt"
	"io"
	"time"

	"boardcafe/infra/rollout/lock"

	"github.com/spf13/cobra"
)

func (a *app) lockCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "lock",
		Short:   "Show or release the lock of the stack",
		Example: "  rollout lock status\n  rollout lock release",
	}
	cmd.AddCommand(a.lockStatusCommand(), a.lockReleaseCommand())
	return group(cmd)
}

// lockStatus says who holds the lock, if anybody does.
type lockStatus struct {
	Held   bool         `json:"held"`
	Holder *lock.Holder `json:"holder,omitempty"`
}

func (a *app) lockStatusCommand() *cobra.Command {
	return reading(a, &cobra.Command{
		Use:     "status",
		Short:   "Show who holds the lock",
		Example: "  rollout lock status\n  rollout lock status --json",
	}, question[lockStatus]{readLock, lockText}, false)
}

func readLock(ctx context.Context, s *session) (lockStatus, error) {
	holder, held, err := s.Lock(ctx)
	if err != nil || !held {
		return lockStatus{}, err
	}
	return lockStatus{Held: true, Holder: &holder}, nil
}

func lockText(w io.Writer, s *session, now lockStatus) error {
	if !now.Held {
		return notLocked(w, s)
	}
	since, ago := now.Holder.Since.UTC().Format(time.RFC3339), time.Since(now.Holder.Renewed).Round(time.Second)
	_, err := fmt.Fprintf(w, "Stack %s is locked by %s (%s) since %s; last sign of life %s ago.\n",
		s.Stack, now.Holder.Who, now.Holder.What, since, ago)
	return err
}

func notLocked(w io.Writer, s *session) error {
	_, err := fmt.Fprintf(w, "Stack %s is not locked.\n", s.Stack)
	return err
}

func (a *app) lockReleaseCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "release",
		Short:   "Take the lock from whoever holds it; a holder that lives stops within seconds",
		Example: "  rollout lock release",
		Args:    takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.connected(func(s *session) error {
				holder, held, err := s.Unlock(cmd.Context())
				if err != nil {
					return err
				}
				if !held {
					return notLocked(a.Stdout, s)
				}
				fmt.Fprintf(a.Stdout, "The lock of %s (%s) on stack %s is released.\n", holder.Who, holder.What, s.Stack)
				return nil
			})
		},
	}
}
