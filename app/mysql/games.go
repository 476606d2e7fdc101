package mysql

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"boardcafe/app/cafe"
)

const gameColumns = "g.id, g.name, g.copies, g.min_players, g.max_players, g.minutes, g.shelf, g.version"

func gameFields(g *cafe.Game) []any {
	return []any{&g.ID, &g.Name, &g.Copies, &g.MinPlayers, &g.MaxPlayers, &g.Minutes, &g.Shelf, &g.Version}
}

// reserved counts a game's standing reservations; it reads as many rows of customers_queue.
const reserved = "(SELECT COUNT(*) FROM customers c WHERE c.game_id = g.id AND c.finished_at IS NULL)"

// CreateGame stores a new game and sets its id and version. A name that another game has is a
// Conflict with that game's id.
func (db *DB) CreateGame(ctx context.Context, g *cafe.Game) error {
	g.Clean()
	if err := g.Validate(); err != nil {
		return err
	}
	return db.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx,
			"INSERT INTO board_games (name, copies, min_players, max_players, minutes, shelf) VALUES (?, ?, ?, ?, ?, ?)",
			g.Name, g.Copies, g.MinPlayers, g.MaxPlayers, g.Minutes, g.Shelf)
		if number(err) == duplicateKey {
			return nameTaken(ctx, tx, g.Name, err)
		}
		if err != nil {
			return err
		}
		id, err := result.LastInsertId()
		g.ID, g.Version = uint64(id), 1
		return err
	})
}

// nameTaken is the error for a name that another game has.
func nameTaken(ctx context.Context, tx *sql.Tx, name string, cause error) error {
	e := &cafe.Error{Code: cafe.Conflict, Message: "Some values need another look.", Err: cause}
	var other string
	if err := one(ctx, tx, []any{&e.GameID, &other}, "SELECT id, name FROM board_games WHERE name = ?", name); err != nil {
		return err // gone again, or the database is: the next try tells
	}
	e.Fields = map[string]string{"name": fmt.Sprintf("There is a game called “%s” already", other)}
	return e
}

// Game returns one game with the state of its queue.
func (db *DB) Game(ctx context.Context, id uint64) (g cafe.GameStatus, err error) {
	ctx, cancel := context.WithTimeout(ctx, StatementTimeout)
	defer cancel()
	err = one(ctx, db.sql, append(gameFields(&g.Game), &g.Reserved),
		"SELECT "+gameColumns+", "+reserved+" FROM board_games g WHERE g.id = ?", id)
	return g, translate(err)
}

// UpdateGame saves a game if nobody else has since g.Version was read, and counts the version up.
// Otherwise it is Stale; a game that is gone is NotFound.
func (db *DB) UpdateGame(ctx context.Context, g *cafe.Game) error {
	g.Clean()
	if err := g.Validate(); err != nil {
		return err
	}
	return db.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, `UPDATE board_games
			SET name = ?, copies = ?, min_players = ?, max_players = ?, minutes = ?, shelf = ?, version = version + 1
			WHERE id = ? AND version = ?`,
			g.Name, g.Copies, g.MinPlayers, g.MaxPlayers, g.Minutes, g.Shelf, g.ID, g.Version)
		if number(err) == duplicateKey {
			return nameTaken(ctx, tx, g.Name, err)
		}
		if err != nil {
			return err
		}
		if err := changed(ctx, tx, result, "board_games", g.ID); err != nil {
			return err
		}
		g.Version++
		return nil
	})
}

// changed tells why a statement that names an id and a version changed no row.
func changed(ctx context.Context, tx *sql.Tx, result sql.Result, table string, id uint64) error {
	n, err := result.RowsAffected()
	if err != nil || n > 0 {
		return err
	}
	var exists int
	if err := one(ctx, tx, []any{&exists}, "SELECT 1 FROM "+table+" WHERE id = ?", id); err != nil {
		return err
	}
	return stale()
}

// DeleteGame deletes a game that nobody has reserved, if nobody has changed it since version was
// read. Customers who play it or wait for it are a Conflict with their number.
func (db *DB) DeleteGame(ctx context.Context, id uint64, version uint32) error {
	return db.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if err := lockGames(ctx, tx, id); err != nil {
			return err
		}
		e := &cafe.Error{Code: cafe.Conflict, Message: "Customers still have or want this game.", GameID: id}
		if err := one(ctx, tx, []any{&e.Waiting}, "SELECT COUNT(*) FROM customers WHERE game_id = ? AND finished_at IS NULL",
			id); err != nil {
			return err
		}
		if e.Waiting > 0 {
			return e
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM customers WHERE game_id = ? AND finished_at IS NOT NULL",
			id); err != nil {
			return err
		}
		result, err := tx.ExecContext(ctx, "DELETE FROM board_games WHERE id = ? AND version = ?", id, version)
		if err != nil {
			return err
		}
		return changed(ctx, tx, result, "board_games", id)
	})
}

// lockGames locks the rows of games, lowest id first. Whatever changes a queue locks its game
// before anything else: then no two of them deadlock, and no place in a queue is given twice.
func lockGames(ctx context.Context, tx *sql.Tx, ids ...uint64) error {
	if len(ids) == 2 && ids[0] > ids[1] {
		ids[0], ids[1] = ids[1], ids[0]
	}
	for _, id := range ids {
		var locked uint64
		if err := one(ctx, tx, []any{&locked}, "SELECT id FROM board_games WHERE id = ? FOR UPDATE", id); err != nil {
			return err
		}
	}
	return nil
}

// gameOrder is the ORDER BY clause of a sort; an unknown one is by name.
func gameOrder(sort cafe.GameSort, desc bool) string {
	dir := direction(desc)
	switch sort {
	case cafe.GamesByCopies:
		return "g.copies " + dir + ", g.name"
	case cafe.GamesByPlayers:
		return "g.min_players " + dir + ", g.max_players " + dir + ", g.name"
	case cafe.GamesByMinutes:
		return "g.minutes " + dir + ", g.name"
	default:
		return "g.name " + dir
	}
}

// Games returns one page of games with the states of their queues.
func (db *DB) Games(ctx context.Context, f cafe.GameFilter) (page cafe.Page[cafe.GameStatus], err error) {
	ctx, cancel := context.WithTimeout(ctx, StatementTimeout)
	defer cancel()
	var where conditions
	if q := cafe.CleanText(f.Query); q != "" {
		where.add("g.name LIKE ?", contains(q))
	}
	if f.Players > 0 {
		where.add("g.min_players <= ? AND g.max_players >= ?", f.Players, f.Players)
	}
	if f.Minutes > 0 {
		where.add("g.minutes <= ?", f.Minutes)
	}
	page, err = list(ctx, db.sql, f.Page, where, selection{
		from:    "board_games g",
		inner:   gameColumns,
		order:   gameOrder(f.Sort, f.Desc),
		alias:   "g",
		columns: gameColumns + ", " + reserved,
	}, func(scan func(...any) error) (g cafe.GameStatus, err error) {
		err = scan(append(gameFields(&g.Game), &g.Reserved)...)
		return g, err
	})
	if err != nil {
		return page, translate(err)
	}
	return page, translate(db.addNext(ctx, page.Rows))
}

// addNext finds who is next in line for those of the games that somebody waits for.
func (db *DB) addNext(ctx context.Context, games []cafe.GameStatus) error {
	index := map[uint64]int{}
	var ids []any
	for i, g := range games {
		if g.Waiting() > 0 {
			index[g.ID] = i
			ids = append(ids, g.ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	next, err := all(ctx, db.sql, scanReservation, `
		SELECT q.id, q.name, q.table_number, q.game_id, q.reserved_at, q.finished_at, q.version, g.name, g.copies, q.place
		FROM (
			SELECT c.*, ROW_NUMBER() OVER (PARTITION BY c.game_id ORDER BY c.reserved_at, c.id) AS place
			FROM customers c
			WHERE c.finished_at IS NULL AND c.game_id IN (?`+strings.Repeat(", ?", len(ids)-1)+`)
		) q
		JOIN board_games g ON g.id = q.game_id
		WHERE q.place = g.copies + 1`, ids...)
	if err != nil {
		return err
	}
	for _, r := range next {
		games[index[r.GameID]].Next = &r
	}
	return nil
}

// FindGame returns the id of the game with exactly this name, case and accents folded.
// None is NotFound.
func (db *DB) FindGame(ctx context.Context, name string) (id uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, StatementTimeout)
	defer cancel()
	err = one(ctx, db.sql, []any{&id}, "SELECT id FROM board_games WHERE name = ?", cafe.CleanText(name))
	return id, translate(err)
}

// GameNames returns up to limit names that contain query, in order, for a form to suggest.
func (db *DB) GameNames(ctx context.Context, query string, limit int) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, StatementTimeout)
	defer cancel()
	names, err := all(ctx, db.sql, func(scan func(...any) error) (name string, err error) {
		err = scan(&name)
		return name, err
	}, "SELECT name FROM board_games WHERE name LIKE ? ORDER BY name LIMIT ?", contains(cafe.CleanText(query)), limit)
	return names, translate(err)
}
