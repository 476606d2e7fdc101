package progress_test

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"io"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"boardcafe/infra/rollout/progress"
	"boardcafe/infra/rollout/watch"
)

var (
	starting = watch.Status{Service: "app", State: "starting", Done: 0, Want: 2}
	crashed  = watch.Status{Service: "app", State: "starting", Done: 1, Want: 2,
		Detail: "task t1 on m2: failed, exit code 3"}
	running = watch.Status{Service: "app", State: "running", Done: 2, Want: 2, Settled: true}
	ready   = watch.Status{Service: "db", State: "running", Done: 1, Want: 1, Settled: true}
	failed  = watch.Status{Service: "db", State: "failed", Done: 0, Want: 1, Detail: "service db: 3 tasks failed"}
)

// play tells a sink what a rollout would tell it.
func play(sink progress.Sink) {
	sink.Step("release r2 (new) begins")
	sink.Services([]watch.Status{starting, failed})
	sink.Services([]watch.Status{starting, failed}) // says nothing new
	sink.Services([]watch.Status{crashed, failed})
	sink.Warn("the disk is full")
	sink.Services([]watch.Status{running, failed})
	sink.Close()
}

func newSink(t *testing.T, mode progress.Mode, w io.Writer, terminal, colour bool) progress.Sink {
	t.Helper()
	sink, err := progress.New(mode, w, terminal, colour)
	if err != nil {
		t.Fatal(err)
	}
	return sink
}

var clock = regexp.MustCompile(`(?m)^\d\d:\d\d:\d\d `)

const plainGolden = `TIME release r2 (new) begins
TIME app: 0/2 starting
TIME db: 0/1 failed: service db: 3 tasks failed
TIME app: 1/2 starting: task t1 on m2: failed, exit code 3
TIME warning: the disk is full
TIME app: 2/2 running
`

func TestPlainWritesALineForEachChange(t *testing.T) {
	for name, mode := range map[string]progress.Mode{"OK/asked for": progress.Plain,
		"OK/auto without a terminal": progress.Auto} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			play(newSink(t, mode, &out, false, true))
			if got := clock.ReplaceAllString(out.String(), "TIME "); got != plainGolden {
				t.Errorf("got\n%s\nwant\n%s", got, plainGolden)
			}
		})
	}
	t.Run("OK/a long silence is broken", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var out bytes.Buffer
			sink := newSink(t, progress.Plain, &out, false, false)
			sink.Services(nil) // there is nothing to wait for
			sink.Services([]watch.Status{starting, ready})
			time.Sleep(29 * time.Second)
			sink.Services([]watch.Status{starting, ready})
			time.Sleep(2 * time.Second)
			sink.Services([]watch.Status{starting, ready})
			want := "00:00:00 app: 0/2 starting\n00:00:00 db: 1/1 running\n00:00:31 still waiting for app\n"
			if got := out.String(); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	})
}

// events are the JSON lines of play, without their times.
//
//go:embed testdata/events.jsonl
var events string

func TestJSONWritesAnObjectForEachChange(t *testing.T) {
	t.Run("OK", func(t *testing.T) {
		var out bytes.Buffer
		began := time.Now().Add(-time.Second)
		play(newSink(t, progress.JSON, &out, true, true))
		for line := range strings.Lines(out.String()) {
			var event struct{ Time time.Time }
			if err := json.Unmarshal([]byte(line), &event); err != nil {
				t.Fatalf("line %q: %v", line, err)
			}
			if event.Time.Before(began) || event.Time.After(time.Now().Add(time.Second)) || event.Time.Location() != time.UTC {
				t.Errorf("time %s, want now in UTC", event.Time)
			}
		}
		got := regexp.MustCompile(`"time":"[^"]+",`).ReplaceAllString(out.String(), "")
		if got != events {
			t.Errorf("got\n%s\nwant\n%s", got, events)
		}
	})
}

var (
	cursor = regexp.MustCompile(`\x1b\[\d*[A-LN-Z]`) // not colours, which end in m
	took   = regexp.MustCompile(`\b\d+s\b`)
)

// lines are the lines that a terminal was sent, without the movements of the cursor and the trailing spaces.
func lines(out string) []string {
	var got []string
	for line := range strings.Lines(cursor.ReplaceAllString(out, "")) {
		got = append(got, strings.TrimRight(took.ReplaceAllString(line, "Ns"), " \r\n"))
	}
	return got
}

func TestATerminalShowsALineForEachService(t *testing.T) {
	for name, test := range map[string]struct {
		mode     progress.Mode
		terminal bool
		colour   bool
		want     []string // among the lines, the last two at its end
	}{
		"OK/without colour": {progress.TTY, false, false, []string{
			"release r2 (new) begins",
			"warning: the disk is full",
			"  * app              2/2 running      Ns",
			"  x db               0/1 failed       Ns service db: 3 tasks failed",
		}},
		"OK/auto on a terminal, in colour": {progress.Auto, true, true, []string{
			"release r2 (new) begins",
			"\x1b[33mwarning: the disk is full\x1b[0m",
			"\x1b[32m  * app              2/2 running      Ns \x1b[0m",
			"\x1b[31m  x db               0/1 failed       Ns service db: 3 tasks failed\x1b[0m",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			play(newSink(t, test.mode, &out, test.terminal, test.colour))
			got := lines(out.String())
			for _, want := range test.want {
				found := false
				for _, line := range got {
					found = found || line == want
				}
				if !found {
					t.Errorf("no line %q in %q", want, got)
				}
			}
		})
	}
	t.Run("OK/a service that settled and began again", func(t *testing.T) {
		var out bytes.Buffer
		sink := newSink(t, progress.TTY, &out, true, false)
		sink.Services([]watch.Status{running})
		sink.Services([]watch.Status{crashed})
		sink.Close()
		want := "  . app              1/2 starting     Ns task t1 on m2: failed, exit code 3"
		if got := lines(out.String()); len(got) == 0 || got[len(got)-1] != want {
			t.Errorf("got %q, want %q last", got, want)
		}
	})
	t.Run("OK/nothing at all", func(t *testing.T) {
		var out bytes.Buffer
		newSink(t, progress.TTY, &out, true, true).Close()
		if got := strings.TrimSpace(cursor.ReplaceAllString(out.String(), "")); got != "" {
			t.Errorf("wrote %q", got)
		}
	})
}

func TestNewKnowsTheModes(t *testing.T) {
	t.Run("ErrMode", func(t *testing.T) {
		_, err := progress.New("loud", io.Discard, true, true)
		if err == nil || err.Error() != "--progress loud: must be auto, tty, plain or json" {
			t.Errorf("error %v", err)
		}
	})
}
