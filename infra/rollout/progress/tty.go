package progress

import (
	"fmt"
	"io"
	"sync"
	"time"

	"boardcafe/infra/rollout/watch"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// tty draws one line for each service. Steps scroll by above these lines.
type tty struct {
	pool   *mpb.Progress
	colour bool

	mu    sync.Mutex
	lines map[string]*line
}

// width is that of a line in a file (--progress tty in a log). A terminal has its own.
const width = 160

// line is a service on the screen.
type line struct {
	bar    *mpb.Bar
	status watch.Status
	began  time.Time
	ended  time.Time
}

func newTTY(w io.Writer, colour bool) *tty {
	const rate = 200 * time.Millisecond
	pool := mpb.New(mpb.WithOutput(w), mpb.WithAutoRefresh(), mpb.WithRefreshRate(rate), mpb.WithWidth(width))
	return &tty{pool: pool, colour: colour, lines: map[string]*line{}}
}

func (t *tty) Step(text string) { fmt.Fprintln(t.pool, text) }

func (t *tty) Warn(text string) { fmt.Fprintln(t.pool, t.paint(yellow, "warning: "+text)) }

func (t *tty) Services(statuses []watch.Status) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, status := range statuses {
		l, ok := t.lines[status.Service]
		if !ok {
			l = &line{began: time.Now()}
			t.lines[status.Service] = l
			t.add(l)
		}
		l.status = status
		switch {
		case !status.Settled:
			l.ended = time.Time{}
		case l.ended.IsZero():
			l.ended = time.Now()
		}
	}
}

// add puts a line for the service on the screen. The bar never completes by itself: a service that runs may fail a
// moment later. When the terminal is gone there is no bar and nothing is drawn, and the release goes on.
func (t *tty) add(l *line) {
	bar, err := t.pool.Add(0, mpb.NopStyle().Build(), mpb.PrependDecorators(decor.Any(func(decor.Statistics) string {
		t.mu.Lock()
		defer t.mu.Unlock()
		return t.draw(l)
	})))
	if err == nil {
		l.bar = bar
	}
}

func (t *tty) draw(l *line) string {
	end := l.ended
	if end.IsZero() {
		end = time.Now()
	}
	status := l.status
	text := fmt.Sprintf("  %s %-16s %d/%d %-10s %4s %s", mark(status), status.Service, status.Done, status.Want,
		status.State, end.Sub(l.began).Round(time.Second), status.Detail)
	switch {
	case status.State == "failed":
		return t.paint(red, text)
	case status.Settled:
		return t.paint(green, text)
	}
	return text
}

// mark says with a character what the colour says, for people who do not see the colour.
func mark(status watch.Status) string {
	switch {
	case status.State == "failed":
		return "x"
	case status.Settled:
		return "*"
	}
	return "."
}

func (t *tty) Close() {
	t.mu.Lock()
	bars := make([]*mpb.Bar, 0, len(t.lines))
	for _, l := range t.lines {
		if l.bar != nil {
			bars = append(bars, l.bar)
		}
	}
	t.mu.Unlock() // the last drawing locks it as well
	for _, bar := range bars {
		bar.Abort(false)
	}
	t.pool.Wait()
}

type shade string

const (
	red    shade = "\x1b[31m"
	green  shade = "\x1b[32m"
	yellow shade = "\x1b[33m"
	reset  shade = "\x1b[0m"
)

func (t *tty) paint(s shade, text string) string {
	if !t.colour {
		return text
	}
	return string(s) + text + string(reset)
}
