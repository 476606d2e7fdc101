package web

import (
	"context"
	"time"

	"boardcafe/app/cafe"
)

const (
	// signInPlaces are for whose password is checked and who waits for that: as many as come to work at once.
	signInPlaces = 8

	// signInPatience is what is asked of whoever finds no place: about as long as all who have one take.
	signInPatience = 2 * time.Second

	// restAfter is for how many times as long as a check took no other begins. bcrypt keeps a processor busy,
	// and a server may have but one: three quarters of its time are for the pages.
	restAfter = 3
)

// turnstile lets one password at a time be checked, however many are guessed.
type turnstile struct {
	places chan struct{}
	turn   chan struct{}
}

func newTurnstile() *turnstile {
	return &turnstile{places: make(chan struct{}, signInPlaces), turn: make(chan struct{}, 1)}
}

// pass waits for a turn, then asks whether a password may be checked at all, and checks it. Whoever finds no
// place is refused at once: Busy. Whoever gives up while waiting leaves, and was never asked about.
func (t *turnstile) pass(ctx context.Context, allowed func() error, check func() bool) (right bool, err error) {
	busy := &cafe.Error{Code: cafe.Busy, Message: "Many are signing in just now.", RetryAfter: signInPatience}
	select {
	case t.places <- struct{}{}:
		defer func() { <-t.places }()
	default:
		return false, busy
	}
	select {
	case t.turn <- struct{}{}:
	case <-ctx.Done():
		return false, busy
	}
	var rest time.Duration
	defer func() { time.AfterFunc(rest, func() { <-t.turn }) }()
	if err := allowed(); err != nil {
		return false, err
	}
	start := time.Now()
	right = check()
	rest = restAfter * time.Since(start)
	return right, nil
}
