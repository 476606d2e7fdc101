package command

import (
	"context"
	"encoding/json"
	"io"
	"time"

	"github.com/spf13/cobra"
)

// question is what a command asks the swarm, and how it tells people the answer. Programs get the answer as JSON.
type question[T any] struct {
	ask  func(context.Context, *session) (T, error)
	text func(io.Writer, *session, T) error
}

// reading makes a command that asks and prints, and changes nothing. A watchable one can repeat that every second.
func reading[T any](a *app, cmd *cobra.Command, q question[T], watchable bool) *cobra.Command {
	var asJSON, watching bool
	cmd.Args = takes(0, 0)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		ctx := cmd.Context()
		return a.connected(func(s *session) error {
			for {
				answer, err := q.ask(ctx, s)
				if err != nil {
					return err
				}
				text := func(w io.Writer) error { return q.text(w, s, answer) }
				if err := a.print(asJSON, answer, text); err != nil || !watching {
					return err
				}
				if a.out.gone() {
					return nil // nobody watches
				}
				select {
				case <-ctx.Done():
					return nil
				case <-time.After(time.Second):
				}
			}
		})
	}
	jsonFlag(cmd, &asJSON)
	if watchable {
		cmd.Flags().BoolVarP(&watching, "watch", "w", false, "print it again every second, until interrupted")
	}
	return cmd
}

func jsonFlag(cmd *cobra.Command, asJSON *bool) {
	cmd.Flags().BoolVar(asJSON, "json", false, "print JSON")
}

func (a *app) print(asJSON bool, value any, text func(io.Writer) error) error {
	if !asJSON {
		return text(a.Stdout)
	}
	encoder := json.NewEncoder(a.Stdout)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}
