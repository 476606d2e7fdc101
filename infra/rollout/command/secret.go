package command

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

func (a *app) secretCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "secret",
		Short:   "Set a secret",
		Example: "  openssl rand -base64 32 | rollout secret set session_key",
	}
	cmd.AddCommand(a.secretSetCommand())
	return group(cmd)
}

func (a *app) secretSetCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "set NAME [-]",
		Short: "Make a value the current version of an external secret, for the next deploy",
		Long: `Make a value the current version of an external secret; the next deploy uses it.

The value is read from standard input, never from the command line, where others could see it. One line
break at its end is dropped.`,
		Example: `  openssl rand -base64 32 | rollout secret set session_key
  rollout secret set db_password < password.txt`,
		Args: takes(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 2 && args[1] != "-" {
				return errors.New("secret set: the value comes from standard input, not from the command line")
			}
			if a.Terminal {
				fmt.Fprintf(a.Stderr, "Value of %s, ended with Ctrl-D: ", args[0])
			}
			value, err := io.ReadAll(io.LimitReader(a.Stdin, 1<<20))
			if err != nil {
				return fmt.Errorf("read the value: %w", err)
			}
			return a.connected(func(s *session) error {
				version, err := s.SetSecret(cmd.Context(), args[0], bytes.TrimSuffix(value, []byte("\n")))
				if err != nil {
					return err
				}
				fmt.Fprintf(a.Stdout, "%s is the current version of %s. Use it with: rollout deploy\n", version, args[0])
				return nil
			})
		},
	}
}
