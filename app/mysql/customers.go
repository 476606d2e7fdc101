package mysql

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"boardcafe/app/cafe"
)

const (
	customerColumns = "c.id, c.name, c.table_number, c.game_id, c.reserved_at, c.finished_at, c.version"

	// place is where a customer stands in the queue of the game. It reads the queue up to there.
	place = `(SELECT COUNT(*) FROM customers a WHERE a.game_id = c.game_id AND a.finished_at IS NULL
		AND (a.reserved_at < c.reserved_at OR (a.reserved_at = c.reserved_at AND a.id <= c.id)))`

	reservations = `SELECT ` + customerColumns + `, g.name, g.copies, ` + place + `
		FROM customers c JOIN board_games g ON g.id = c.game_id`
)

func scanReservation(scan func(...any) error) (r cafe.Reservation, err error) {
	var finished sql.NullTime
	err = scan(&r.ID, &r.Name, &r.Table, &r.GameID, &r.ReservedAt, &finished, &r.Version, &r.GameName, &r.Copies, &r.Place)
	r.FinishedAt = finished.Time
	return r, err
}

// CreateCustomer puts a customer at the end of the game's queue and sets id, time and version.
//
// The same name at the same table in the same queue is a Conflict unless again is true: it is a
// second click, or a second member of staff, more often than a wish for two copies.
func (db *DB) CreateCustomer(ctx context.Context, c *cafe.Customer, again bool) error {
	c.Clean()
	if err := c.Validate(); err != nil {
		return err
	}
	return db.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if err := lockGame(ctx, tx, c.GameID); err != nil {
			return err
		}
		if !again {
			if err := refuseTwice(ctx, tx, c); err != nil {
				return err
			}
		}
		// The statement's time is taken after the lock was: the queue is in the order of the locks.
		result, err := tx.ExecContext(ctx,
			"INSERT INTO customers (name, table_number, game_id, reserved_at) VALUES (?, ?, ?, UTC_TIMESTAMP(6))",
			c.Name, c.Table, c.GameID)
		if err != nil {
			return err
		}
		id, err := result.LastInsertId()
		if err != nil {
			return err
		}
		c.ID, c.Version = uint64(id), 1
		return one(ctx, tx, []any{&c.ReservedAt}, "SELECT reserved_at FROM customers WHERE id = ?", id)
	})
}

// lockGame locks the game that a form has chosen; one that is gone is an error beside the field.
func lockGame(ctx context.Context, tx *sql.Tx, id uint64) error {
	err := lockGames(ctx, tx, id)
	if cafe.CodeOf(translate(err)) == cafe.NotFound {
		return unknownGame(err)
	}
	return err
}

// refuseTwice returns a Conflict if the customer stands in the game's queue already.
func refuseTwice(ctx context.Context, tx *sql.Tx, c *cafe.Customer) error {
	r, err := scanReservation(tx.QueryRowContext(ctx, reservations+`
		WHERE c.game_id = ? AND c.finished_at IS NULL AND c.table_number = ? AND c.name = ?
		ORDER BY c.reserved_at, c.id LIMIT 1`, c.GameID, c.Table, c.Name).Scan)
	if err == sql.ErrNoRows {
		return nil
	}
	if err != nil {
		return err
	}
	return &cafe.Error{Code: cafe.Conflict, Message: fmt.Sprintf(
		"%s at table %d has already reserved %s (place %d in the queue).", r.Name, r.Table, r.GameName, r.Place)}
}

// Customer returns one reservation, also a finished one.
func (db *DB) Customer(ctx context.Context, id uint64) (cafe.Reservation, error) {
	ctx, cancel := context.WithTimeout(ctx, StatementTimeout)
	defer cancel()
	r, err := scanReservation(db.sql.QueryRowContext(ctx, reservations+" WHERE c.id = ?", id).Scan)
	return r, translate(err)
}

// UpdateCustomer saves a customer if nobody else has since c.Version was read; otherwise it is
// Stale. Another name or table keeps the place in the queue. Another game goes to the end of that
// game's queue: moved tells so, and c.ReservedAt is the new time.
func (db *DB) UpdateCustomer(ctx context.Context, c *cafe.Customer) (moved bool, err error) {
	c.Clean()
	if err := c.Validate(); err != nil {
		return false, err
	}
	err = db.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		game, err := gameOf(ctx, tx, c.ID)
		if err != nil {
			return err
		}
		moved = game != c.GameID
		at := "reserved_at"
		if moved {
			at = "UTC_TIMESTAMP(6)"
			var exists int
			if err := one(ctx, tx, []any{&exists}, "SELECT 1 FROM board_games WHERE id = ?", c.GameID); err == sql.ErrNoRows {
				return unknownGame(err)
			} else if err != nil {
				return err
			}
			err = lockGames(ctx, tx, game, c.GameID)
		} else {
			err = lockGames(ctx, tx, game)
		}
		if err != nil {
			return err
		}
		// Whether the customer still is where gameOf saw it, the version tells.
		result, err := tx.ExecContext(ctx, `UPDATE customers
			SET name = ?, table_number = ?, game_id = ?, reserved_at = `+at+`, version = version + 1
			WHERE id = ? AND version = ? AND finished_at IS NULL`, c.Name, c.Table, c.GameID, c.ID, c.Version)
		if err != nil {
			return err
		}
		if err := changed(ctx, tx, result, "customers", c.ID); err != nil {
			return err
		}
		return one(ctx, tx, []any{&c.ReservedAt, &c.Version}, "SELECT reserved_at, version FROM customers WHERE id = ?", c.ID)
	})
	return moved, err
}

// gameOf returns the game that a customer has reserved.
func gameOf(ctx context.Context, tx *sql.Tx, id uint64) (game uint64, err error) {
	err = one(ctx, tx, []any{&game}, "SELECT game_id FROM customers WHERE id = ?", id)
	return game, err
}

// FinishCustomer ends a reservation: the next in line moves up. It can be put back for
// [cafe.KeepFinished]; what was finished longer ago is deleted by the way.
func (db *DB) FinishCustomer(ctx context.Context, id uint64, version uint32) error {
	err := db.inQueue(ctx, id, `UPDATE customers SET finished_at = UTC_TIMESTAMP(6), version = version + 1
		WHERE id = ? AND version = ? AND finished_at IS NULL`, id, version)
	if err != nil {
		return err
	}
	db.trim(ctx, "customers", "finished_at", cafe.KeepFinished)
	return nil
}

// RestoreCustomer puts a finished reservation back to the place in the queue that it had.
func (db *DB) RestoreCustomer(ctx context.Context, id uint64, version uint32) error {
	return db.inQueue(ctx, id, `UPDATE customers SET finished_at = NULL, version = version + 1
		WHERE id = ? AND version = ? AND finished_at IS NOT NULL`, id, version)
}

// DeleteCustomer deletes a customer for good.
func (db *DB) DeleteCustomer(ctx context.Context, id uint64, version uint32) error {
	return db.inQueue(ctx, id, "DELETE FROM customers WHERE id = ? AND version = ?", id, version)
}

// inQueue runs a statement that changes one customer, with the queue locked, and tells why it
// changed none.
func (db *DB) inQueue(ctx context.Context, id uint64, statement string, args ...any) error {
	return db.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		game, err := gameOf(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := lockGames(ctx, tx, game); err != nil {
			return err
		}
		result, err := tx.ExecContext(ctx, statement, args...)
		if err != nil {
			return err
		}
		return changed(ctx, tx, result, "customers", id)
	})
}

// Customers returns one page of the standing reservations, each with its place in its queue.
func (db *DB) Customers(ctx context.Context, f cafe.CustomerFilter) (page cafe.Page[cafe.Reservation], err error) {
	ctx, cancel := context.WithTimeout(ctx, StatementTimeout)
	defer cancel()
	var where conditions
	where.add("c.finished_at IS NULL")
	if q := cafe.CleanText(f.Query); q != "" {
		where.add("c.name LIKE ? OR g.name LIKE ?", contains(q), contains(q))
	}
	dir := direction(f.Desc)
	s := selection{
		// STRAIGHT_JOIN reads the tables in this order: left to itself the optimizer may begin with
		// the games and sort every customer.
		from:    "customers c STRAIGHT_JOIN board_games g ON g.id = c.game_id",
		inner:   customerColumns + ", g.name AS game_name, g.copies",
		alias:   "c",
		columns: customerColumns + ", c.game_name, c.copies, " + place,
	}
	switch f.Sort {
	case cafe.CustomersByName:
		s.order = fmt.Sprintf("c.name %[1]s, c.reserved_at %[1]s, c.id %[1]s", dir)
	case cafe.CustomersByTable:
		s.order = fmt.Sprintf("c.table_number %[1]s, c.reserved_at %[1]s, c.id %[1]s", dir)
	case cafe.CustomersByGame:
		// Walks the games by name and each one's queue by its index, which gives the queue's order
		// without sorting: ordering by reserved_at as well would sort every customer.
		s.from = "board_games g STRAIGHT_JOIN customers c FORCE INDEX (customers_queue) ON c.game_id = g.id"
		s.order = "g.name " + dir
		s.outerOrder = "c.game_name " + dir + ", c.reserved_at, c.id"
	default:
		s.order = fmt.Sprintf("c.reserved_at %[1]s, c.id %[1]s", dir)
	}
	page, err = list(ctx, db.sql, f.Page, where, s, scanReservation)
	return page, translate(err)
}

// queueLimit bounds what one page about one game shows.
const queueLimit = 200

// Queue returns the first reservations of a game, by place.
func (db *DB) Queue(ctx context.Context, game uint64) ([]cafe.Reservation, error) {
	ctx, cancel := context.WithTimeout(ctx, StatementTimeout)
	defer cancel()
	queue, err := all(ctx, db.sql, scanReservation, `
		SELECT `+customerColumns+`, g.name, g.copies, ROW_NUMBER() OVER (ORDER BY c.reserved_at, c.id)
		FROM customers c JOIN board_games g ON g.id = c.game_id
		WHERE c.game_id = ? AND c.finished_at IS NULL ORDER BY c.reserved_at, c.id LIMIT ?`, game, queueLimit)
	return queue, translate(err)
}

// Finished returns a game's reservations that can still be put back, the latest first.
func (db *DB) Finished(ctx context.Context, game uint64) ([]cafe.Reservation, error) {
	ctx, cancel := context.WithTimeout(ctx, StatementTimeout)
	defer cancel()
	finished, err := all(ctx, db.sql, scanReservation, `
		SELECT `+customerColumns+`, g.name, g.copies, 0
		FROM customers c JOIN board_games g ON g.id = c.game_id
		WHERE c.game_id = ? AND c.finished_at > UTC_TIMESTAMP(6) - INTERVAL ? SECOND
		ORDER BY c.finished_at DESC LIMIT 20`, game, int(cafe.KeepFinished/time.Second))
	return finished, translate(err)
}
