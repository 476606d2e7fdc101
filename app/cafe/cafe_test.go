package cafe_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"boardcafe/app/cafe"
)

func TestCleanText(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"  Azul \n\t 2 ": "Azul 2", "e\u0301": "é", "a\x00b": "a b", "\xff": "\uFFFD", "": "", "👩‍👩‍👧": "👩‍👩‍👧",
	} {
		if got := cafe.CleanText(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func FuzzCleanText(f *testing.F) {
	f.Add(" a\u0301 ")
	f.Fuzz(func(t *testing.T, s string) {
		once := cafe.CleanText(s)
		if twice := cafe.CleanText(once); twice != once {
			t.Errorf("%q: cleaned once %q, twice %q", s, once, twice)
		}
		if strings.TrimSpace(once) != once || strings.Contains(once, "  ") {
			t.Errorf("%q: got %q", s, once)
		}
	})
}

func TestQueue(t *testing.T) {
	t.Parallel()
	for place, want := range []string{1: "playing", 2: "playing", 3: "next 0", 4: "1", 5: "2"} {
		if place == 0 {
			continue
		}
		r := cafe.Reservation{Copies: 2, Place: place}
		got := fmt.Sprint(r.Ahead())
		if r.Playing() {
			got = "playing"
		} else if r.Next() {
			got = "next " + got
		}
		if got != want {
			t.Errorf("place %d: got %s, want %s", place, got, want)
		}
	}
	g := cafe.GameStatus{Game: cafe.Game{Copies: 3}, Reserved: 2}
	if g.Out() != 2 || g.Free() != 1 || g.Waiting() != 0 {
		t.Errorf("got %d out, %d free, %d waiting", g.Out(), g.Free(), g.Waiting())
	}
}

func TestSignInWait(t *testing.T) {
	t.Parallel()
	var got []time.Duration
	for n := range 7 {
		got = append(got, cafe.SignInWait(n))
	}
	want := []time.Duration{0, 0, time.Second, 2 * time.Second, 4 * time.Second, cafe.SignInPause, cafe.SignInPause}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestError(t *testing.T) {
	t.Parallel()
	cause := errors.New("disk on fire")
	if e := cafe.AsError(cause); e.Code != cafe.Internal || strings.Contains(e.Message, "fire") || !errors.Is(e, cause) {
		t.Errorf("got %+v", e)
	}
	e := &cafe.Error{Code: cafe.Invalid, Message: "No.", Fields: map[string]string{"b": "2", "a": "1"}, Err: cause}
	if got, want := fmt.Errorf("save: %w", e).Error(), "save: invalid: No. [a: 1] [b: 2]: disk on fire"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if cafe.CodeOf(nil) != "" || cafe.CodeOf(e) != cafe.Invalid {
		t.Error("wrong codes")
	}
}
