package mysql_test

import (
	"fmt"
	"strings"
	"testing"

	"boardcafe/app/cafe"
)

func TestCreateGame(t *testing.T) {
	t.Parallel()
	db := server.Open(t)
	t.Run("OK", func(t *testing.T) {
		g := game("  Azul \t Sommer\u0301pavillon ")
		g.MinPlayers, g.MaxPlayers = 1, 1
		if err := db.CreateGame(t.Context(), &g); err != nil {
			t.Fatal(err)
		}
		got, err := db.Game(t.Context(), g.ID)
		if err != nil {
			t.Fatal(err)
		}
		want := cafe.GameStatus{Game: cafe.Game{ID: g.ID, Name: "Azul Sommeŕpavillon", Copies: 1, MinPlayers: 1,
			MaxPlayers: 1, Minutes: 45, Shelf: "A1", Version: 1}}
		if got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})
	t.Run("OKAnyText", func(t *testing.T) {
		for _, name := range []string{`<script>alert(1)</script>`, `Robert'); DROP TABLE board_games;-- "x"`, "🎲🎯 𝔘𝔫𝔦",
			"משחק القهوة", `100%_\`, strings.Repeat("ß", cafe.MaxGameName)} {
			g := mustGame(t, db, game(name))
			got, err := db.Game(t.Context(), g.ID)
			if err != nil || got.Name != name {
				t.Errorf("got %q, %v, want %q", got.Name, err, name)
			}
			found, err := db.FindGame(t.Context(), name)
			if err != nil || found != g.ID {
				t.Errorf("find %q: got %d, %v, want %d", name, found, err, g.ID)
			}
		}
	})
	t.Run("ErrNameTaken", func(t *testing.T) {
		first := mustGame(t, db, game("Café International"))
		again := game(" CAFE  international ")
		e := wantCode(t, db.CreateGame(t.Context(), &again), cafe.Conflict)
		if e.GameID != first.ID || !strings.Contains(e.Fields["name"], "Café International") {
			t.Errorf("got %v for game %d, want the name of game %d", e, e.GameID, first.ID)
		}
	})
	t.Run("ErrInvalid", func(t *testing.T) {
		g := cafe.Game{MinPlayers: 5, MaxPlayers: 2}
		e := wantCode(t, db.CreateGame(t.Context(), &g), cafe.Invalid)
		if len(e.Fields) != 4 {
			t.Errorf("got %v, want four fields", e.Fields)
		}
	})
}

func TestUpdateGame(t *testing.T) {
	t.Parallel()
	db := server.Open(t)
	g := mustGame(t, db, game("Hive"))
	other := mustGame(t, db, game("Go"))
	t.Run("OK", func(t *testing.T) {
		g.Copies, g.Shelf = 3, ""
		if err := db.UpdateGame(t.Context(), &g); err != nil {
			t.Fatal(err)
		}
		got, err := db.Game(t.Context(), g.ID)
		if err != nil || got.Game != g || g.Version != 2 {
			t.Errorf("got %+v, %v, want %+v", got.Game, err, g)
		}
	})
	t.Run("OKUnchanged", func(t *testing.T) {
		if err := db.UpdateGame(t.Context(), &g); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("ErrStale", func(t *testing.T) {
		old := g
		old.Version, old.Copies = 1, 9
		wantCode(t, db.UpdateGame(t.Context(), &old), cafe.Stale)
		if got, err := db.Game(t.Context(), g.ID); err != nil || got.Copies != 3 {
			t.Errorf("got %d copies, %v: a stale save overwrote", got.Copies, err)
		}
	})
	t.Run("ErrNameTaken", func(t *testing.T) {
		taken := g
		taken.Name = "gó"
		if e := wantCode(t, db.UpdateGame(t.Context(), &taken), cafe.Conflict); e.GameID != other.ID {
			t.Errorf("got game %d, want %d", e.GameID, other.ID)
		}
	})
	t.Run("ErrNotFound", func(t *testing.T) {
		gone := g
		gone.ID = 999999
		gone.Name = "Gone"
		wantCode(t, db.UpdateGame(t.Context(), &gone), cafe.NotFound)
	})
	t.Run("ErrInvalid", func(t *testing.T) {
		bad := g
		bad.Minutes = 0
		wantCode(t, db.UpdateGame(t.Context(), &bad), cafe.Invalid)
	})
}

func TestDeleteGame(t *testing.T) {
	t.Parallel()
	db := server.Open(t)
	t.Run("OKAlsoWithFinished", func(t *testing.T) {
		g := mustGame(t, db, game("Root"))
		c := mustCustomer(t, db, "Ann", g.ID)
		if err := db.FinishCustomer(t.Context(), c.ID, c.Version); err != nil {
			t.Fatal(err)
		}
		if err := db.DeleteGame(t.Context(), g.ID, g.Version); err != nil {
			t.Fatal(err)
		}
		_, err := db.Game(t.Context(), g.ID)
		wantCode(t, err, cafe.NotFound)
	})
	t.Run("ErrWaiting", func(t *testing.T) {
		g := mustGame(t, db, game("Ra"))
		mustCustomer(t, db, "Ann", g.ID)
		mustCustomer(t, db, "Bob", g.ID)
		if e := wantCode(t, db.DeleteGame(t.Context(), g.ID, g.Version), cafe.Conflict); e.Waiting != 2 || e.GameID != g.ID {
			t.Errorf("got %d waiting for game %d, want 2 for %d", e.Waiting, e.GameID, g.ID)
		}
	})
	t.Run("ErrStale", func(t *testing.T) {
		g := mustGame(t, db, game("Risk"))
		wantCode(t, db.DeleteGame(t.Context(), g.ID, g.Version+1), cafe.Stale)
	})
	t.Run("ErrNotFound", func(t *testing.T) {
		wantCode(t, db.DeleteGame(t.Context(), 999999, 1), cafe.NotFound)
	})
}

func TestGames(t *testing.T) {
	t.Parallel()
	db := server.Open(t)
	for i := range 60 {
		g := game(fmt.Sprintf("Game %02d", i))
		g.Copies, g.MinPlayers, g.MaxPlayers, g.Minutes = 1+i%3, 1+i%4, 4+i%4, 10+i
		mustGame(t, db, g)
	}
	list := func(t *testing.T, f cafe.GameFilter) cafe.Page[cafe.GameStatus] {
		t.Helper()
		page, err := db.Games(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		return page
	}
	t.Run("OKPages", func(t *testing.T) {
		one, two := list(t, cafe.GameFilter{}), list(t, cafe.GameFilter{Page: 2})
		if len(one.Rows) != 50 || !one.More || one.Total != 60 || one.Pages() != 2 {
			t.Errorf("got %d of %d rows, more %v, %d pages", len(one.Rows), one.Total, one.More, one.Pages())
		}
		if len(two.Rows) != 10 || two.More || two.Rows[0].Name != "Game 50" {
			t.Errorf("got %d rows from %q, more %v", len(two.Rows), two.Rows[0].Name, two.More)
		}
	})
	t.Run("OKFilters", func(t *testing.T) {
		page := list(t, cafe.GameFilter{Query: "gáme 0", Players: 7, Minutes: 17})
		if len(page.Rows) != 2 || page.Rows[0].Name != "Game 03" || page.Rows[1].Name != "Game 07" {
			t.Errorf("got %+v", page.Rows)
		}
		for _, wild := range []string{"%", "_", `\`} {
			if page := list(t, cafe.GameFilter{Query: wild}); len(page.Rows) != 0 {
				t.Errorf("%q found %d games", wild, len(page.Rows))
			}
		}
	})
	t.Run("OKSorts", func(t *testing.T) {
		for sort, want := range map[cafe.GameSort][2]string{
			cafe.GamesByName:    {"Game 00", "Game 59"},
			cafe.GamesByCopies:  {"Game 00", "Game 02"},
			cafe.GamesByPlayers: {"Game 00", "Game 03"},
			cafe.GamesByMinutes: {"Game 00", "Game 59"},
		} {
			up, down := list(t, cafe.GameFilter{Sort: sort}), list(t, cafe.GameFilter{Sort: sort, Desc: true})
			if got := [2]string{up.Rows[0].Name, down.Rows[0].Name}; got != want {
				t.Errorf("by %s: got %v first, want %v", sort, got, want)
			}
		}
	})
	t.Run("OKQueueState", func(t *testing.T) {
		g := game("Zoo")
		g.Copies = 2
		g = mustGame(t, db, g)
		for _, name := range []string{"A", "B", "C", "D"} {
			mustCustomer(t, db, name, g.ID)
		}
		got := list(t, cafe.GameFilter{Query: "zoo"}).Rows[0]
		if got.Out() != 2 || got.Free() != 0 || got.Waiting() != 2 || got.Next == nil || got.Next.Name != "C" ||
			!got.Next.Next() {
			t.Errorf("got %+v, next %+v", got, got.Next)
		}
	})
	t.Run("OKNames", func(t *testing.T) {
		names, err := db.GameNames(t.Context(), "game 1", 3)
		if err != nil || fmt.Sprint(names) != "[Game 10 Game 11 Game 12]" {
			t.Errorf("got %v, %v", names, err)
		}
	})
	t.Run("ErrNoName", func(t *testing.T) {
		_, err := db.FindGame(t.Context(), "Game")
		wantCode(t, err, cafe.NotFound)
	})
}
