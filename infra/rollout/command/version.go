package command

import (
	"fmt"

	"github.com/spf13/cobra"
)

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  rollout version",
		Args:    takes(0, 0),
		Run:     func(*cobra.Command, []string) { fmt.Fprintln(a.Stdout, "rollout", a.Version) },
	}
}
