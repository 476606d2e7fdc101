package mysql_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"boardcafe/app/cafe"
)

func TestCreateCustomer(t *testing.T) {
	t.Parallel()
	db := server.Open(t)
	g := mustGame(t, db, game("Azul"))
	t.Run("OK", func(t *testing.T) {
		before := time.Now().UTC()
		c := mustCustomer(t, db, " Ann  Lee ", g.ID)
		r, err := db.Customer(t.Context(), c.ID)
		if err != nil {
			t.Fatal(err)
		}
		if r.Name != "Ann Lee" || r.GameName != "Azul" || r.Place != 1 || !r.Playing() || r.Version != 1 {
			t.Errorf("got %+v", r)
		}
		if !r.ReservedAt.Equal(c.ReservedAt) || r.ReservedAt.Location() != time.UTC ||
			r.ReservedAt.Sub(before).Abs() > time.Minute {
			t.Errorf("got time %v, want now in UTC", r.ReservedAt)
		}
	})
	t.Run("ErrTwice", func(t *testing.T) {
		c := cafe.Customer{Name: "ann lee", Table: 1, GameID: g.ID}
		wantCode(t, db.CreateCustomer(t.Context(), &c, false), cafe.Conflict)
		if err := db.CreateCustomer(t.Context(), &c, true); err != nil {
			t.Errorf("again: %v", err)
		}
	})
	t.Run("ErrNoGame", func(t *testing.T) {
		c := cafe.Customer{Name: "Bob", Table: 1, GameID: 999999}
		if e := wantCode(t, db.CreateCustomer(t.Context(), &c, false), cafe.Invalid); e.Fields["game"] == "" {
			t.Errorf("got %v, want a word beside the game", e)
		}
	})
	t.Run("ErrInvalid", func(t *testing.T) {
		c := cafe.Customer{Name: "\u200b ", Table: 201}
		if e := wantCode(t, db.CreateCustomer(t.Context(), &c, false), cafe.Invalid); len(e.Fields) != 3 {
			t.Errorf("got %v", e.Fields)
		}
	})
}

func TestUpdateCustomer(t *testing.T) {
	t.Parallel()
	db := server.Open(t)
	azul, hive := mustGame(t, db, game("Azul")), mustGame(t, db, game("Hive"))
	ann, bob := mustCustomer(t, db, "Ann", azul.ID), mustCustomer(t, db, "Bob", azul.ID)
	mustCustomer(t, db, "Cid", hive.ID)
	t.Run("OKKeepsPlace", func(t *testing.T) {
		at := ann.ReservedAt
		ann.Name, ann.Table = "Anna", 9
		moved, err := db.UpdateCustomer(t.Context(), &ann)
		if err != nil || moved || !ann.ReservedAt.Equal(at) {
			t.Errorf("got moved %v, %v, time %v; want %v", moved, err, ann.ReservedAt, at)
		}
		wantQueue(t, db, azul.ID, "Anna", "Bob")
	})
	t.Run("OKOtherGameGoesToItsEnd", func(t *testing.T) {
		at := ann.ReservedAt
		ann.GameID = hive.ID
		moved, err := db.UpdateCustomer(t.Context(), &ann)
		if err != nil || !moved || !ann.ReservedAt.After(at) {
			t.Errorf("got moved %v, %v, time %v; want after %v", moved, err, ann.ReservedAt, at)
		}
		wantQueue(t, db, azul.ID, "Bob")
		wantQueue(t, db, hive.ID, "Cid", "Anna")
	})
	t.Run("ErrStale", func(t *testing.T) {
		old := ann
		old.Version, old.Name = 1, "Mallory"
		_, err := db.UpdateCustomer(t.Context(), &old)
		wantCode(t, err, cafe.Stale)
		wantQueue(t, db, hive.ID, "Cid", "Anna")
	})
	t.Run("ErrNoGame", func(t *testing.T) {
		lost := bob
		lost.GameID = 999999
		_, err := db.UpdateCustomer(t.Context(), &lost)
		wantCode(t, err, cafe.Invalid)
	})
	t.Run("ErrNotFound", func(t *testing.T) {
		gone := bob
		gone.ID = 999999
		_, err := db.UpdateCustomer(t.Context(), &gone)
		wantCode(t, err, cafe.NotFound)
	})
	t.Run("ErrInvalid", func(t *testing.T) {
		bad := bob
		bad.Table = 0
		_, err := db.UpdateCustomer(t.Context(), &bad)
		wantCode(t, err, cafe.Invalid)
	})
}

func TestFinishCustomer(t *testing.T) {
	t.Parallel()
	c := server.Config(t)
	db := mustOpen(t, c)
	g := mustGame(t, db, game("Azul"))
	ann, bob := mustCustomer(t, db, "Ann", g.ID), mustCustomer(t, db, "Bob", g.ID)
	t.Run("OKNextMovesUp", func(t *testing.T) {
		if err := db.FinishCustomer(t.Context(), ann.ID, ann.Version); err != nil {
			t.Fatal(err)
		}
		wantQueue(t, db, g.ID, "Bob")
		finished, err := db.Finished(t.Context(), g.ID)
		if err != nil || len(finished) != 1 || finished[0].Name != "Ann" || finished[0].FinishedAt.IsZero() {
			t.Errorf("got %+v, %v", finished, err)
		}
	})
	t.Run("ErrTwice", func(t *testing.T) {
		wantCode(t, db.FinishCustomer(t.Context(), ann.ID, ann.Version), cafe.Stale)
	})
	t.Run("OKPutBackInPlace", func(t *testing.T) {
		if err := db.RestoreCustomer(t.Context(), ann.ID, ann.Version+1); err != nil {
			t.Fatal(err)
		}
		wantQueue(t, db, g.ID, "Ann", "Bob")
		wantCode(t, db.RestoreCustomer(t.Context(), ann.ID, ann.Version+2), cafe.Stale)
	})
	t.Run("OKForgetsAfterADay", func(t *testing.T) {
		if err := db.FinishCustomer(t.Context(), ann.ID, ann.Version+2); err != nil {
			t.Fatal(err)
		}
		if _, err := server.Raw(t, c).Exec("UPDATE customers SET finished_at = finished_at - INTERVAL 25 HOUR WHERE id = ?",
			ann.ID); err != nil {
			t.Fatal(err)
		}
		if err := db.FinishCustomer(t.Context(), bob.ID, bob.Version); err != nil {
			t.Fatal(err)
		}
		_, err := db.Customer(t.Context(), ann.ID)
		wantCode(t, err, cafe.NotFound)
	})
	t.Run("ErrNotFound", func(t *testing.T) {
		wantCode(t, db.FinishCustomer(t.Context(), 999999, 1), cafe.NotFound)
		wantCode(t, db.RestoreCustomer(t.Context(), 999999, 1), cafe.NotFound)
	})
}

func TestDeleteCustomer(t *testing.T) {
	t.Parallel()
	db := server.Open(t)
	g := mustGame(t, db, game("Azul"))
	ann := mustCustomer(t, db, "Ann", g.ID)
	wantCode(t, db.DeleteCustomer(t.Context(), ann.ID, ann.Version+1), cafe.Stale)
	if err := db.DeleteCustomer(t.Context(), ann.ID, ann.Version); err != nil {
		t.Fatal(err)
	}
	wantQueue(t, db, g.ID)
	wantCode(t, db.DeleteCustomer(t.Context(), ann.ID, ann.Version), cafe.NotFound)
}

func TestCustomers(t *testing.T) {
	t.Parallel()
	db := server.Open(t)
	azul, hive := mustGame(t, db, game("Azul")), mustGame(t, db, game("Hive"))
	for i, name := range []string{"Dan", "Ann", "Cid", "Bob"} {
		c := cafe.Customer{Name: name, Table: 10 - i, GameID: []uint64{hive.ID, azul.ID}[i%2]}
		if err := db.CreateCustomer(t.Context(), &c, false); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		filter cafe.CustomerFilter
		want   string
	}{
		{cafe.CustomerFilter{}, "[Dan#1 Ann#1 Cid#2 Bob#2]"},
		{cafe.CustomerFilter{Desc: true}, "[Bob#2 Cid#2 Ann#1 Dan#1]"},
		{cafe.CustomerFilter{Sort: cafe.CustomersByName}, "[Ann#1 Bob#2 Cid#2 Dan#1]"},
		{cafe.CustomerFilter{Sort: cafe.CustomersByTable}, "[Bob#2 Cid#2 Ann#1 Dan#1]"},
		{cafe.CustomerFilter{Sort: cafe.CustomersByGame}, "[Ann#1 Bob#2 Dan#1 Cid#2]"},
		{cafe.CustomerFilter{Sort: cafe.CustomersByGame, Desc: true}, "[Dan#1 Cid#2 Ann#1 Bob#2]"},
		{cafe.CustomerFilter{Query: "hIV"}, "[Dan#1 Cid#2]"},
		{cafe.CustomerFilter{Query: "án"}, "[Dan#1 Ann#1]"},
		{cafe.CustomerFilter{Query: "%"}, "[]"},
		{cafe.CustomerFilter{Page: 2}, "[]"},
	} {
		page, err := db.Customers(t.Context(), test.filter)
		if err != nil {
			t.Fatal(err)
		}
		got := []string{}
		for _, r := range page.Rows {
			got = append(got, fmt.Sprintf("%s#%d", r.Name, r.Place))
		}
		if fmt.Sprint(got) != test.want {
			t.Errorf("%+v: got %v, want %s", test.filter, got, test.want)
		}
	}
}

// Many at once, over two games and in both directions, must neither deadlock for good nor give a
// place twice or lose anybody.
func TestQueueAtOnce(t *testing.T) {
	t.Parallel()
	db := server.Open(t)
	games := []cafe.Game{mustGame(t, db, game("Azul")), mustGame(t, db, game("Hive"))}
	var group sync.WaitGroup
	for w := range 8 {
		group.Go(func() {
			for i := range 6 {
				c := cafe.Customer{Name: fmt.Sprintf("%d-%d", w, i), Table: 1 + w, GameID: games[(w+i)%2].ID}
				if err := db.CreateCustomer(t.Context(), &c, false); err != nil {
					t.Errorf("create: %v", err)
					return
				}
				c.GameID = games[(w+i+1)%2].ID
				if _, err := db.UpdateCustomer(t.Context(), &c); err != nil {
					t.Errorf("move: %v", err)
				}
				if i%3 == 0 {
					if err := db.FinishCustomer(t.Context(), c.ID, c.Version); err != nil {
						t.Errorf("finish: %v", err)
					}
				}
			}
		})
	}
	group.Wait()
	total := 0
	for _, g := range games {
		queue, err := db.Queue(t.Context(), g.ID)
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range queue {
			got, err := db.Customer(t.Context(), r.ID)
			if err != nil || got.Place != i+1 {
				t.Errorf("%s: got place %d, %v, want %d", r.Name, got.Place, err, i+1)
			}
		}
		total += len(queue)
	}
	if total != 8*4 {
		t.Errorf("got %d reservations, want %d", total, 8*4)
	}
}
