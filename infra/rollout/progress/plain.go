package progress

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"boardcafe/infra/rollout/watch"
)

// heartbeat is the longest silence in a log. CI systems end a job that writes nothing.
const heartbeat = 30 * time.Second

// plain writes a line for each change of state, with the time before it.
type plain struct {
	mu    sync.Mutex // probes of several machines report at once
	w     io.Writer
	shown map[string]string
	last  time.Time
}

func (p *plain) Step(text string) { p.line(text) }

func (p *plain) Warn(text string) { p.line("warning: " + text) }

func (p *plain) Services(statuses []watch.Status) {
	if p.shown == nil {
		p.shown = map[string]string{}
	}
	for _, status := range statuses {
		text := describe(status)
		if p.shown[status.Service] != text {
			p.shown[status.Service] = text
			p.line(text)
		}
	}
	if time.Since(p.last) >= heartbeat && len(statuses) > 0 {
		var waiting []string
		for _, status := range statuses {
			if !status.Settled {
				waiting = append(waiting, status.Service)
			}
		}
		p.line("still waiting for " + strings.Join(waiting, ", "))
	}
}

func (p *plain) Close() {}

func (p *plain) line(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = time.Now()
	fmt.Fprintf(p.w, "%s %s\n", p.last.UTC().Format("15:04:05"), text)
}

// describe is a status in words.
func describe(status watch.Status) string {
	text := fmt.Sprintf("%s: %d/%d %s", status.Service, status.Done, status.Want, status.State)
	if status.Detail != "" {
		text += ": " + status.Detail
	}
	return text
}
