package mysql

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations/*.sql
var migrations embed.FS

// ErrSchema tells that the database lacks migrations which this program needs. A schema that is
// newer is fine: migrations are expand-then-contract, a release also works on the next one's.
var ErrSchema = errors.New("the schema is too old; run `cafe migrate` first")

func (db *DB) provider(options ...goose.ProviderOption) (*goose.Provider, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(database.DialectMySQL, db.sql, files,
		append(options, goose.WithDisableGlobalRegistry(true))...)
}

// Migrate brings the schema up to date and returns what it applied, in order. Any number of
// processes may do so at once: a lock table lets one work and the others wait.
func (db *DB) Migrate(ctx context.Context) (applied []string, err error) {
	// goose has no lock by default: of 24 processes that started at once 16 failed.
	locker, err := lock.NewMySQLTableLocker()
	if err != nil {
		return nil, fmt.Errorf("migration lock: %w", err)
	}
	return db.migrate(ctx, goose.WithLocker(locker))
}

// MigrateUnlocked is Migrate for a database that no other process can reach, where there may be
// no lock table.
func (db *DB) MigrateUnlocked(ctx context.Context) error {
	_, err := db.migrate(ctx)
	return err
}

func (db *DB) migrate(ctx context.Context, options ...goose.ProviderOption) (applied []string, err error) {
	provider, err := db.provider(options...)
	if err != nil {
		return nil, fmt.Errorf("migrations: %w", err)
	}
	results, err := provider.Up(ctx)
	for _, r := range results {
		applied = append(applied, r.Source.Path)
	}
	if err != nil {
		return applied, fmt.Errorf("migrate: %w", err)
	}
	return applied, nil
}

// CheckSchema returns [ErrSchema] unless every migration that this program knows is applied. It
// only reads, and works with the least privileges.
func (db *DB) CheckSchema(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, StatementTimeout)
	defer cancel()
	want, err := latest()
	if err != nil {
		return err
	}
	var have int64
	err = one(ctx, db.health, []any{&have}, "SELECT COALESCE(MAX(version_id), 0) FROM goose_db_version WHERE is_applied")
	if number(err) == noSuchTable {
		have, err = 0, nil
	}
	if err != nil {
		return translate(err)
	}
	if have < want {
		return fmt.Errorf("%w: it has version %d and needs %d", ErrSchema, have, want)
	}
	return nil
}

// latest is the version of the newest migration.
func latest() (version int64, err error) {
	files, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return 0, err
	}
	for _, name := range files {
		v, err := goose.NumericComponent(name)
		if err != nil {
			return 0, err
		}
		version = max(version, v)
	}
	return version, nil
}
