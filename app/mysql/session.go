package mysql

import (
	"context"
	"crypto/sha256"
	"database/sql"

	"boardcafe/app/cafe"
)

// EndSession remembers, for all replicas, that a session is over; the end of one that is over already is
// no error. What is older than [cafe.KeepEnded] is forgotten by the way.
func (db *DB) EndSession(ctx context.Context, id string) error {
	session := sha256.Sum256([]byte(id))
	err := db.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx,
			"INSERT IGNORE INTO ended_sessions (session, ended_at) VALUES (?, UTC_TIMESTAMP(6))", session[:])
		return err
	})
	if err != nil {
		return err
	}
	db.trim(ctx, "ended_sessions", "ended_at", cafe.KeepEnded)
	return nil
}

// SessionEnded tells whether [DB.EndSession] has ended a session. It reads one row by its primary key.
func (db *DB) SessionEnded(ctx context.Context, id string) (ended bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, StatementTimeout)
	defer cancel()
	session := sha256.Sum256([]byte(id))
	err = one(ctx, db.sql, []any{&ended}, "SELECT EXISTS (SELECT 1 FROM ended_sessions WHERE session = ?)", session[:])
	return ended, translate(err)
}
