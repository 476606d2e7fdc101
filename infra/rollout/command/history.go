package command

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"boardcafe/infra/rollout/history"

	"github.com/spf13/cobra"
)

func (a *app) historyCommand() *cobra.Command {
	return reading(a, &cobra.Command{
		Use:   "history",
		Short: "List the releases, newest first",
		Example: `  rollout history
  rollout history --json | jq '.[] | select(.status == "deployed") | .name'`,
	}, question[[]history.Release]{readHistory, historyText}, false)
}

func readHistory(ctx context.Context, s *session) ([]history.Release, error) {
	releases, err := s.History(ctx)
	return append([]history.Release{}, releases...), err // none is [] and not null
}

func historyText(out io.Writer, _ *session, releases []history.Release) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "RELEASE\tNAME\tSTATUS\tSTARTED\tTOOK\tBY\tREASON")
	for _, r := range releases {
		started, reason := r.Started.Format(time.RFC3339), strings.Join(strings.Fields(r.Reason), " ")
		fmt.Fprintf(w, "r%d\t%s\t%s\t%s\t%s\t%s\t%s\n",
			r.Number, r.Name, releaseStatus(r), started, took(r), r.By, reason)
	}
	return w.Flush()
}

func releaseStatus(r history.Release) string {
	if r.Of > 0 {
		return fmt.Sprintf("%s (back to r%d)", r.Status, r.Of)
	}
	return string(r.Status)
}

func took(r history.Release) string {
	if r.Ended.IsZero() {
		return "-"
	}
	return r.Ended.Sub(r.Started).String()
}
