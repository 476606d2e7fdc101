// Package mysql keeps games and customers in MySQL. Every driver error becomes an error of
// app/cafe in one place, every transaction is retried and bounded in time in another.
package mysql

import (
	"context"
	"database/sql"
	sqldriver "database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"strconv"
	"time"

	driver "github.com/go-sql-driver/mysql"
)

// StatementTimeout bounds one call of this package, with all its statements and retries. The
// server stops its own work a little earlier, see [Config.connector].
const StatementTimeout = 5 * time.Second

// Config says where the database is and who asks.
type Config struct {
	Host     string
	Port     int
	Name     string
	User     string
	Password string
}

// connector is the driver's configuration; the comments give what goes wrong without each.
func (c Config) connector() (sqldriver.Connector, error) {
	cfg := driver.NewConfig()
	cfg.Net = "tcp"
	cfg.Addr = net.JoinHostPort(c.Host, strconv.Itoa(c.Port))
	cfg.DBName, cfg.User, cfg.Passwd = c.Name, c.User, c.Password
	cfg.ParseTime = true
	cfg.Loc = time.UTC         // what is read
	cfg.ClientFoundRows = true // a save that changes nothing still finds its row
	cfg.Collation = "utf8mb4_0900_ai_ci"
	// The driver escapes the values itself: one round trip for a statement instead of three. That is
	// safe with utf8mb4, where no byte of a character is a quote.
	cfg.InterpolateParams = true
	cfg.Timeout = 3 * time.Second
	cfg.ReadTimeout = StatementTimeout + 5*time.Second // the context is first
	cfg.WriteTimeout = cfg.ReadTimeout
	cfg.Params = map[string]string{
		"time_zone":          "'+00:00'", // what is written
		"max_execution_time": "4500",     // ms; without it the server goes on after the client has left
	}
	cfg.Logger = quiet{} // what it says is returned as an error as well
	connector, err := driver.NewConnector(cfg)
	if err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	return connector, nil
}

type quiet struct{}

func (quiet) Print(...any) {}

// DB is the storage. It is safe for concurrent use.
type DB struct {
	sql *sql.DB
	// health has a connection of its own: behind a queue of visitors a server would seem dead that is
	// only busy.
	health *sql.DB
	log    *slog.Logger
}

// Open prepares the storage; the first connection is made by the first call.
func Open(c Config, log *slog.Logger) (*DB, error) {
	connector, err := c.connector()
	if err != nil {
		return nil, err
	}
	return &DB{sql: openPool(connector, 10), health: openPool(connector, 1), log: log}, nil
}

func openPool(connector sqldriver.Connector, size int) *sql.DB {
	pool := sql.OpenDB(connector)
	pool.SetMaxOpenConns(size)
	pool.SetMaxIdleConns(size)
	// Shorter than the 900 s after which a swarm's virtual address drops idle connections (moby#31208).
	pool.SetConnMaxLifetime(3 * time.Minute)
	pool.SetConnMaxIdleTime(time.Minute)
	return pool
}

// Close ends all connections.
func (db *DB) Close() error { return errors.Join(db.sql.Close(), db.health.Close()) }

// Pool is the connection pool, for its metrics.
func (db *DB) Pool() *sql.DB { return db.sql }

// Ping asks the database whether it answers.
func (db *DB) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, StatementTimeout)
	defer cancel()
	return translate(db.health.PingContext(ctx))
}

// tries is how often a transaction runs when it loses a deadlock each time.
const tries = 3

// write runs do in a transaction. When MySQL chose the transaction as a deadlock's victim (error
// 1213) all of do runs again, so do must only change what it gets from the transaction.
func (db *DB) write(ctx context.Context, do func(context.Context, *sql.Tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, StatementTimeout)
	defer cancel()
	for try := 1; ; try++ {
		err := db.once(ctx, do)
		if !isDeadlock(err) || try == tries {
			return translate(err)
		}
		db.log.WarnContext(ctx, "deadlock, trying again", "try", try)
		select {
		case <-ctx.Done():
			return translate(ctx.Err())
		case <-time.After(20*time.Millisecond + rand.N(80*time.Millisecond)):
		}
	}
}

func (db *DB) once(ctx context.Context, do func(context.Context, *sql.Tx) error) error {
	// Under READ COMMITTED a row lock locks the row, not the gap beside it, and a read sees what
	// the lock was waited for.
	tx, err := db.sql.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return err
	}
	// Also after a lock wait timeout, which undoes only the statement: no half is ever committed.
	defer tx.Rollback()
	if err := do(ctx, tx); err != nil {
		return err
	}
	return tx.Commit()
}

// trim deletes up to a hundred rows whose time is longer ago than they are kept. It is best effort, in a
// transaction of its own: a failure here must not undo what staff did.
func (db *DB) trim(ctx context.Context, table, at string, keep time.Duration) {
	err := db.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "DELETE FROM "+table+" WHERE "+at+" < UTC_TIMESTAMP(6) - INTERVAL ? SECOND LIMIT 100",
			int(keep/time.Second))
		return err
	})
	if err != nil {
		db.log.WarnContext(ctx, "old rows not deleted", "table", table, "error", err)
	}
}

// one runs a query for one row and scans it; a row that is not there is [sql.ErrNoRows].
func one(ctx context.Context, q queryer, dest []any, query string, args ...any) error {
	return q.QueryRowContext(ctx, query, args...).Scan(dest...)
}

// all runs a query and scans each row.
func all[T any](
	ctx context.Context, q queryer, scan func(func(...any) error) (T, error), query string, args ...any,
) ([]T, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []T
	for rows.Next() {
		row, err := scan(rows.Scan)
		if err != nil {
			return nil, err
		}
		list = append(list, row)
	}
	return list, rows.Err()
}

// queryer is what *sql.DB and *sql.Tx have in common.
type queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}
