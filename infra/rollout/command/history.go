package command

import (
	"encoding/json"
	"fmt"
	"text/tabwriter"
	"time"

	"boardcafe/infra/rollout/release"

	"github.com/spf13/cobra"
)

func (a *app) historyCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "history",
		Short:   "List the releases, newest first",
		Example: "  rollout history\n  rollout history --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.connect()
			if err != nil {
				return err
			}
			defer s.close()
			releases, err := s.History(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return a.printJSON(append([]release.Release{}, releases...))
			}
			w := tabwriter.NewWriter(a.Stdout, 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "RELEASE\tNAME\tSTATUS\tSTARTED\tTOOK\tBY\tREASON")
			for _, r := range releases {
				fmt.Fprintf(w, "r%d\t%s\t%s\t%s\t%s\t%s\t%s\n", r.Number, r.Name, status(r), r.Started.Format(time.RFC3339), took(r), r.By, r.Reason)
			}
			return w.Flush()
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func status(r release.Release) string {
	if r.Of > 0 {
		return fmt.Sprintf("%s (back to r%d)", r.Status, r.Of)
	}
	return string(r.Status)
}

func took(r release.Release) string {
	if r.Ended.IsZero() {
		return "-"
	}
	return r.Ended.Sub(r.Started).String()
}

func (a *app) printJSON(value any) error {
	encoder := json.NewEncoder(a.Stdout)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}
