package mysql_test

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"
	"time"

	driver "github.com/go-sql-driver/mysql"

	"boardcafe/app/cafe"
	"boardcafe/app/mysql"
	"boardcafe/tests/dbtest"
)

func mustOpen(t testing.TB, c mysql.Config) *mysql.DB { t.Helper(); return dbtest.MustOpen(t, c) }

func TestMigrate(t *testing.T) {
	t.Parallel()
	t.Run("OKFromEmptyThenNothing", func(t *testing.T) {
		db := mustOpen(t, server.Empty(t))
		if err := db.CheckSchema(t.Context()); !errors.Is(err, mysql.ErrSchema) {
			t.Errorf("got %v before, want ErrSchema", err)
		}
		applied, err := db.Migrate(t.Context())
		if err != nil || len(applied) != 4 {
			t.Fatalf("got %v, %v, want four migrations", applied, err)
		}
		if err := db.CheckSchema(t.Context()); err != nil {
			t.Errorf("after: %v", err)
		}
		if applied, err = db.Migrate(t.Context()); err != nil || len(applied) != 0 {
			t.Errorf("again: got %v, %v, want nothing", applied, err)
		}
	})
	t.Run("ErrTooOld", func(t *testing.T) {
		c := server.Config(t)
		if _, err := server.Raw(t, c).Exec("DELETE FROM goose_db_version WHERE version_id = 4"); err != nil {
			t.Fatal(err)
		}
		if err := mustOpen(t, c).CheckSchema(t.Context()); !errors.Is(err, mysql.ErrSchema) {
			t.Errorf("got %v, want ErrSchema", err)
		}
	})
	t.Run("OKNewerSchema", func(t *testing.T) {
		c := server.Config(t)
		raw := server.Raw(t, c)
		if _, err := raw.Exec("INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, 1)"); err != nil {
			t.Fatal(err)
		}
		if err := mustOpen(t, c).CheckSchema(t.Context()); err != nil {
			t.Error(err)
		}
	})
	t.Run("ErrAppMayNotChangeTheSchema", func(t *testing.T) {
		_, err := server.Raw(t, server.Config(t)).Exec("CREATE TABLE more (id INT)")
		if e := (*driver.MySQLError)(nil); !errors.As(err, &e) || e.Number != 1142 {
			t.Errorf("got %v, want 1142, command denied", err)
		}
	})
}

// What the domain lets through by mistake, the tables still refuse.
func TestConstraints(t *testing.T) {
	t.Parallel()
	c := server.Config(t)
	raw := server.Raw(t, c)
	g := mustGame(t, mustOpen(t, c), game("Azul"))
	const insertGame = "INSERT INTO board_games (name, copies, min_players, max_players, minutes, shelf) VALUES "
	for statement, want := range map[string]uint16{
		insertGame + "('', 1, 2, 4, 45, '')":                                                              3819,
		insertGame + "('a', 0, 2, 4, 45, '')":                                                             3819,
		insertGame + "('a', 1, 4, 2, 45, '')":                                                             3819,
		insertGame + "('a', 1, 2, 4, 0, '')":                                                              3819,
		insertGame + "('ÁZUL', 1, 2, 4, 45, '')":                                                          1062,
		insertGame + "('" + strings.Repeat("a", 151) + "', 1, 2, 4, 45, '')":                              1406,
		insertGame + "('a', -1, 2, 4, 45, '')":                                                            1264,
		"INSERT INTO customers (name, table_number, game_id, reserved_at) VALUES ('a', 1, 999999, NOW())": 1452,
		"INSERT INTO customers (name, table_number, game_id, reserved_at) VALUES ('', 1, 1, NOW())":       3819,
		"INSERT INTO customers (name, table_number, game_id, reserved_at) VALUES ('a', 0, 1, NOW())":      3819,
	} {
		_, err := raw.Exec(statement)
		if e := (*driver.MySQLError)(nil); !errors.As(err, &e) || e.Number != want {
			t.Errorf("%s: got %v, want error %d", statement, err, want)
		}
	}
	if _, err := raw.Exec("INSERT INTO customers (name, table_number, game_id, reserved_at) VALUES ('a', 1, ?, NOW())",
		g.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := raw.Exec("DELETE FROM board_games"); err == nil {
		t.Error("a game was deleted under its customers")
	}
}

func TestUnavailable(t *testing.T) {
	t.Parallel()
	t.Run("ErrNobodyListens", func(t *testing.T) {
		db := mustOpen(t, mysql.Config{Host: "127.0.0.1", Port: 1, Name: "cafe", User: "cafe", Password: "x"})
		wantCode(t, db.Ping(t.Context()), cafe.Unavailable)
		_, err := db.Game(t.Context(), 1)
		wantCode(t, err, cafe.Unavailable)
		wantCode(t, db.CheckSchema(t.Context()), cafe.Unavailable)
		g := game("Azul")
		wantCode(t, db.CreateGame(t.Context(), &g), cafe.Unavailable)
	})
	t.Run("ErrPassword", func(t *testing.T) {
		c := server.Config(t)
		c.Password = "wrong"
		if err := mustOpen(t, c).Ping(t.Context()); !errors.Is(err, mysql.ErrAccess) ||
			strings.Contains(err.Error(), "wrong") {
			t.Errorf("got %v, want ErrAccess without the password", err)
		}
	})
	t.Run("ErrGivenUp", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := server.Open(t).Game(ctx, 1)
		wantCode(t, err, cafe.Unavailable)
	})
	t.Run("ErrLocked", func(t *testing.T) {
		c := server.Config(t)
		db, raw := mustOpen(t, c), server.Raw(t, c)
		g := mustGame(t, db, game("Azul"))
		tx, err := raw.Begin()
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback()
		if _, err := tx.Exec("SELECT id FROM board_games WHERE id = ? FOR UPDATE", g.ID); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		wantCode(t, db.CreateCustomer(t.Context(), &cafe.Customer{Name: "Ann", Table: 1, GameID: g.ID}, false),
			cafe.Unavailable)
		if took := time.Since(start); took > 2*mysql.StatementTimeout {
			t.Errorf("waited %v for a lock", took)
		}
	})
}

// A deadlock's victim runs again, and both sides are done in the end.
func TestDeadlockIsRetried(t *testing.T) {
	t.Parallel()
	c := server.Config(t)
	db, raw := mustOpen(t, c), server.Raw(t, c)
	azul, hive := mustGame(t, db, game("Azul")), mustGame(t, db, game("Hive"))
	ann := mustCustomer(t, db, "Ann", azul.ID)

	// The other side locks the second game, waits until the storage holds the first and waits for
	// the second, then asks for the first. It has written more, so the storage is the victim.
	tx, err := raw.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if _, err := tx.Exec("SELECT id FROM board_games WHERE id = ? FOR UPDATE", hive.ID); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		if _, err := tx.Exec("INSERT INTO sign_in_failures VALUES (?, 1, NOW())",
			string(make([]byte, 31))+string(rune('a'+i))); err != nil {
			t.Fatal(err)
		}
	}
	done := make(chan error, 1)
	go func() {
		ann.GameID = hive.ID
		_, err := db.UpdateCustomer(t.Context(), &ann)
		done <- err
	}()
	waitForLock(t, raw, azul.ID)
	if _, err := tx.Exec("SELECT id FROM board_games WHERE id = ? FOR UPDATE", azul.ID); err != nil {
		t.Fatalf("the test's side lost: %v", err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Errorf("got %v, want the retry to have moved her", err)
	}
	wantQueue(t, db, hive.ID, "Ann")
}

// waitForLock returns when somebody holds the row of a game.
func waitForLock(t *testing.T, raw *sql.DB, id uint64) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		_, err := raw.Exec("SELECT id FROM board_games WHERE id = ? FOR UPDATE NOWAIT", id)
		if e := (*driver.MySQLError)(nil); errors.As(err, &e) && e.Number == 3572 {
			time.Sleep(50 * time.Millisecond) // from the first lock to waiting for the second
			return
		}
	}
	t.Fatal("nobody took the lock")
}

func TestSignInFailures(t *testing.T) {
	t.Parallel()
	c := server.Config(t)
	db, raw := mustOpen(t, c), server.Raw(t, c)
	later := func(d time.Duration) {
		t.Helper()
		if _, err := raw.Exec("UPDATE sign_in_failures SET last_failed_at = last_failed_at - INTERVAL ? MICROSECOND",
			d.Microseconds()); err != nil {
			t.Fatal(err)
		}
	}
	begin := func() error { return db.BeginSignIn(t.Context(), "ann", "10.0.0.1") }
	for n, wait := range []time.Duration{0, 0, time.Second, 2 * time.Second, 4 * time.Second} {
		if wait > 0 {
			if e := wantCode(t, begin(), cafe.Busy); e.RetryAfter <= 0 || e.RetryAfter > wait {
				t.Errorf("try %d: wait %v, want up to %v", n+1, e.RetryAfter, wait)
			}
			later(wait)
		}
		if err := begin(); err != nil {
			t.Fatalf("try %d: %v", n+1, err)
		}
	}
	if e := wantCode(t, begin(), cafe.Busy); e.RetryAfter < cafe.SignInPause-time.Minute {
		t.Errorf("after five: wait %v, want %v", e.RetryAfter, cafe.SignInPause)
	}
	if err := db.BeginSignIn(t.Context(), "ann", "10.0.0.2"); err != nil {
		t.Errorf("the same name from elsewhere: %v", err)
	}
	later(cafe.SignInPause)
	if err := begin(); err != nil {
		t.Errorf("after the pause: %v", err)
	}
	if err := db.EndSignIn(t.Context(), "ann", "10.0.0.1"); err != nil {
		t.Fatal(err)
	}
	var left int
	if err := raw.QueryRow("SELECT COUNT(*) FROM sign_in_failures").Scan(&left); err != nil || left != 0 {
		t.Errorf("got %d rows, %v, want none", left, err)
	}
}

func TestEndedSessions(t *testing.T) {
	t.Parallel()
	c := server.Config(t)
	db, raw := mustOpen(t, c), server.Raw(t, c)
	wantEnded := func(id string, want bool) {
		t.Helper()
		if got, err := mustOpen(t, c).SessionEnded(t.Context(), id); err != nil || got != want {
			t.Errorf("session %s ended: got %v, %v, want %v", id, got, err, want)
		}
	}
	end := func(id string) {
		t.Helper()
		if err := db.EndSession(t.Context(), id); err != nil {
			t.Errorf("end session %s: %v", id, err)
		}
	}
	later := func(d time.Duration) {
		t.Helper()
		_, err := raw.Exec("UPDATE ended_sessions SET ended_at = ended_at - INTERVAL ? MICROSECOND", d.Microseconds())
		if err != nil {
			t.Fatal(err)
		}
	}
	wantEnded("first", false)
	end("first")
	end("first")
	wantEnded("first", true)
	wantEnded("second", false)

	// Forgotten when no cookie can be as old, not before.
	later(cafe.KeepEnded - time.Minute)
	end("second")
	wantEnded("first", true)
	later(time.Minute)
	end("third")
	wantEnded("first", false)
	wantEnded("second", true)
	wantEnded("third", true)
	if cafe.KeepEnded <= cafe.SessionLife {
		t.Errorf("an end is forgotten after %v, a cookie is good for %v", cafe.KeepEnded, cafe.SessionLife)
	}

	var clear int
	err := raw.QueryRow("SELECT COUNT(*) FROM ended_sessions WHERE INSTR(session, 'second')").Scan(&clear)
	if err != nil || clear != 0 {
		t.Errorf("got %d ids as they are, %v, want hashes alone", clear, err)
	}
	away := mustOpen(t, mysql.Config{Host: "127.0.0.1", Port: 1, Name: "cafe", User: "cafe", Password: "x"})
	wantCode(t, away.EndSession(t.Context(), "first"), cafe.Unavailable)
	_, err = away.SessionEnded(t.Context(), "first")
	wantCode(t, err, cafe.Unavailable)
}
