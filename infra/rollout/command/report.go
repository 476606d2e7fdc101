package command

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"boardcafe/infra/rollout/deploy"
	"boardcafe/infra/rollout/history"
	"boardcafe/infra/rollout/watch"
)

// report tells people what an error means for them: what happened, what serves now, what to do.
func report(w io.Writer, err error, code int) {
	var failed *deploy.FailedError
	var interrupted *deploy.InterruptedError
	switch {
	case code == exitDone, code == exitChanges:
	case errors.As(err, &failed):
		reportFailed(w, failed)
	case errors.As(err, &interrupted):
		reportInterrupted(w, interrupted)
	case code == exitInterrupted:
		fmt.Fprintln(w, "rollout: interrupted before anything was changed")
	default:
		fmt.Fprintf(w, "rollout: %s\n", line(err))
	}
}

// reportJSON tells the same to programs that read --progress json. It writes the last line.
func reportJSON(w io.Writer, err error, code int) {
	if err == nil {
		return
	}
	var words bytes.Buffer
	report(&words, err, code)
	json.NewEncoder(w).Encode(struct {
		Time   time.Time `json:"time"`
		Type   string    `json:"type"`
		Code   int       `json:"code"`
		Text   string    `json:"text"`
		Report string    `json:"report,omitempty"`
	}{time.Now().UTC(), "result", code, line(err), words.String()})
}

// line is an error in one line. Engines and ssh answer in several lines.
func line(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

func reportFailed(w io.Writer, e *deploy.FailedError) {
	fmt.Fprintf(w, "\nrollout: %v\n", e)
	for _, task := range e.Tasks {
		if task.ID == "" {
			continue
		}
		fmt.Fprintf(w, "\n  %s, %s\n", task.Service, task)
		for _, line := range task.Log {
			fmt.Fprintf(w, "    | %s\n", line)
		}
	}
	fmt.Fprintln(w)
	switch {
	case e.Restored && e.Empty && e.Previous.Number > 0:
		fmt.Fprintf(w, "Nothing of the stack ran before: what this release created is removed.\n"+
			"Next: mend it and run: rollout deploy, or bring release %s back with: rollout rollback %d\n",
			e.Previous, e.Previous.Number)
	case e.Restored && e.Previous.Number > 0:
		fmt.Fprintf(w, "Release %s serves again. What a job did, a migration for example, stays done.\n"+
			"Next: mend it and run: rollout deploy\n", e.Previous)
	case e.Restored:
		fmt.Fprintln(w, "There was no release before: what this one created is removed.\n"+
			"Next: mend it and run: rollout deploy")
	default:
		reportNotRestored(w, e)
	}
}

func reportNotRestored(w io.Writer, e *deploy.FailedError) {
	if e.RestoreErr != nil {
		fmt.Fprintf(w, "The release before could not be restored: %v\n", e.RestoreErr)
	} else {
		fmt.Fprintln(w, "The release before was not restored.")
	}
	fmt.Fprintln(w, "What runs now:")
	table(w, e.Running)
	if e.Previous.Status == history.Deployed {
		fmt.Fprintf(w, "Next: rollout rollback %d, or mend it and run: rollout deploy\n", e.Previous.Number)
		return
	}
	fmt.Fprintln(w, "Next: rollout status")
}

func reportInterrupted(w io.Writer, e *deploy.InterruptedError) {
	fmt.Fprintf(w, "\nrollout: %v; the lock is released\n", e)
	for _, text := range e.Applied {
		fmt.Fprintf(w, "  begun or done: %s\n", text)
	}
	for _, text := range e.Pending {
		fmt.Fprintf(w, "  not begun:     %s\n", text)
	}
	fmt.Fprintln(w, "Next: rollout deploy goes on, rollout rollback goes back")
}

func table(w io.Writer, statuses []watch.Status) {
	for _, status := range statuses {
		text := fmt.Sprintf("  %-16s %d/%d %-10s %s", status.Service, status.Done, status.Want, status.State, status.Detail)
		fmt.Fprintln(w, strings.TrimRight(text, " "))
	}
}
