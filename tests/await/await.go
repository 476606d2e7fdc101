// Package await waits for what comes by itself: a machine that boots, a replica that serves. Tests wait for
// the event, never by the clock.
package await

import (
	"context"
	"errors"
	"testing"
	"time"
)

// interval is how long after one look the next one begins.
const interval = 200 * time.Millisecond

// Success calls check five times a second until it returns no error. When the context ends before, Success
// returns check's last error with the context's.
func Success(ctx context.Context, check func() error) error {
	for {
		err := check()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(interval):
		}
	}
}

// Within is [Success] for a test, which it ends when the time is over.
func Within(t testing.TB, atMost time.Duration, check func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), atMost)
	defer cancel()
	if err := Success(ctx, check); err != nil {
		t.Fatalf("after %s: %v", atMost, err)
	}
}
