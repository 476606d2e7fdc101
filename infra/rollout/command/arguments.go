package command

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// usage is an error that points to the help.
func usage(cmd *cobra.Command, format string, args ...any) error {
	return fmt.Errorf(format+"; see: %s --help", append(args, cmd.CommandPath())...)
}

// takes says how many arguments a command has. cobra's own message about it speaks of commands where people gave
// arguments.
func takes(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return usage(cmd, "%s: an argument is missing: %s", cmd.CommandPath(), cmd.Use)
		case len(args) > most:
			return usage(cmd, "%s: there is no place for %q", cmd.CommandPath(), args[most])
		}
		return nil
	}
}

// group makes a command of commands. Alone it shows its help.
func group(cmd *cobra.Command) *cobra.Command {
	cmd.SuggestionsMinimumDistance = 2 // letters
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		if close := cmd.SuggestionsFor(args[0]); len(close) > 0 {
			return fmt.Errorf("unknown command %q; did you mean: %s %s", args[0], cmd.CommandPath(), strings.Join(close, " or "))
		}
		return usage(cmd, "unknown command %q", args[0])
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	return cmd
}
