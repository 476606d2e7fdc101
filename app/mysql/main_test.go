package mysql_test

import (
	"fmt"
	"os"
	"testing"

	"boardcafe/app/cafe"
	"boardcafe/app/mysql"
	"boardcafe/tests/dbtest"
)

var server *dbtest.Server

func TestMain(m *testing.M) { os.Exit(dbtest.Run(m, &server)) }

// game is a valid game for a test to change.
func game(name string) cafe.Game {
	return cafe.Game{Name: name, Copies: 1, MinPlayers: 2, MaxPlayers: 4, Minutes: 45, Shelf: "A1"}
}

func mustGame(t testing.TB, db *mysql.DB, g cafe.Game) cafe.Game {
	t.Helper()
	if err := db.CreateGame(t.Context(), &g); err != nil {
		t.Fatalf("create game: %v", err)
	}
	return g
}

func mustCustomer(t testing.TB, db *mysql.DB, name string, gameID uint64) cafe.Customer {
	t.Helper()
	c := cafe.Customer{Name: name, Table: 1, GameID: gameID}
	if err := db.CreateCustomer(t.Context(), &c, false); err != nil {
		t.Fatalf("create customer: %v", err)
	}
	return c
}

// wantCode fails unless an error has a code.
func wantCode(t testing.TB, err error, want cafe.Code) *cafe.Error {
	t.Helper()
	if got := cafe.CodeOf(err); got != want {
		t.Fatalf("got code %q (%v), want %q", got, err, want)
	}
	return cafe.AsError(err)
}

// wantQueue fails unless these are a game's customers, by place.
func wantQueue(t testing.TB, db *mysql.DB, gameID uint64, want ...string) {
	t.Helper()
	queue, err := db.Queue(t.Context(), gameID)
	if err != nil {
		t.Fatal(err)
	}
	got := []string{}
	for i, r := range queue {
		got = append(got, r.Name)
		if r.Place != i+1 {
			t.Errorf("%s has place %d, want %d", r.Name, r.Place, i+1)
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("got queue %v, want %v", got, want)
	}
}
