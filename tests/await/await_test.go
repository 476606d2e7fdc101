package await_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"boardcafe/tests/await"
)

var errNotYet = errors.New("not yet")

func TestSuccess(t *testing.T) {
	t.Parallel()
	t.Run("OK", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			begin, looks := time.Now(), 0
			err := await.Success(t.Context(), func() error {
				if looks++; looks < 4 {
					return errNotYet
				}
				return nil
			})
			if took := time.Since(begin); err != nil || looks != 4 || took != 600*time.Millisecond {
				t.Errorf("got %v after %d looks and %s, want none after 4 and 600ms", err, looks, took)
			}
		})
	})
	t.Run("ErrTooLate", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			err := await.Success(ctx, func() error { return errNotYet })
			if !errors.Is(err, errNotYet) || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v, want both why and that the time is over", err)
			}
		})
	})
}
