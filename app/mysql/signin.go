package mysql

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"time"

	"boardcafe/app/cafe"
)

// pair identifies a name at an address without keeping either.
func pair(name, address string) []byte {
	sum := sha256.Sum256([]byte(name + "\x00" + address))
	return sum[:]
}

// BeginSignIn must be asked before a password is checked. It counts the try as a wrong one, so
// that tries at the same time count too, or refuses it: Busy, with the time still to wait. A
// refused try does not count. [DB.EndSignIn] takes the count back after the right password.
func (db *DB) BeginSignIn(ctx context.Context, name, address string) error {
	return db.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		key := pair(name, address)
		if _, err := tx.ExecContext(ctx,
			"INSERT IGNORE INTO sign_in_failures (pair, failures, last_failed_at) VALUES (?, 0, UTC_TIMESTAMP(6))",
			key); err != nil {
			return err
		}
		var failures int
		var last, now time.Time
		if err := one(ctx, tx, []any{&failures, &last, &now},
			"SELECT failures, last_failed_at, UTC_TIMESTAMP(6) FROM sign_in_failures WHERE pair = ? FOR UPDATE",
			key); err != nil {
			return err
		}
		since := now.Sub(last)
		if wait := cafe.SignInWait(failures) - since; wait > 0 {
			return &cafe.Error{Code: cafe.Busy, Message: "Too many wrong passwords.", RetryAfter: wait}
		}
		if since >= cafe.SignInPause {
			failures = 0
		}
		_, err := tx.ExecContext(ctx,
			"UPDATE sign_in_failures SET failures = ?, last_failed_at = UTC_TIMESTAMP(6) WHERE pair = ?",
			failures+1, key)
		return err
	})
}

// EndSignIn forgets the wrong passwords of a name at an address, and by the way those of pairs whose pause
// is long over.
func (db *DB) EndSignIn(ctx context.Context, name, address string) error {
	err := db.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "DELETE FROM sign_in_failures WHERE pair = ?", pair(name, address))
		return err
	})
	if err != nil {
		return err
	}
	db.trim(ctx, "sign_in_failures", "last_failed_at", cafe.SignInPause)
	return nil
}
