// Package progress shows a rollout to people and programs. On a terminal it redraws one line for each service.
// Elsewhere it writes one line for each change of state.
package progress

import (
	"fmt"
	"io"

	"boardcafe/infra/rollout/watch"
)

// Mode is the value of --progress.
type Mode string

// The modes.
const (
	Auto  Mode = "auto"
	TTY   Mode = "tty"
	Plain Mode = "plain"
	JSON  Mode = "json"
)

// Sink is what a rollout reports to. Close must be called before anything else is printed.
type Sink interface {
	Step(text string)
	Warn(text string)
	Services(statuses []watch.Status)
	Close()
}

// New returns the sink for a mode. terminal says whether w is a terminal, and colour whether to use colours there.
func New(mode Mode, w io.Writer, terminal, colour bool) (Sink, error) {
	switch {
	case mode == TTY || mode == Auto && terminal:
		return newTTY(w, colour), nil
	case mode == Plain || mode == Auto:
		return &plain{w: w}, nil
	case mode == JSON:
		return &jsonLines{w: w}, nil
	}
	return nil, fmt.Errorf("--progress %s: must be auto, tty, plain or json", mode)
}
