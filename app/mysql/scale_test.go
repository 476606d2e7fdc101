package mysql_test

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"

	"boardcafe/app/cafe"
	"boardcafe/app/mysql"
)

// A page costs a page: with 10,000 games and 100,000 customers no list of the index reads all the
// customers, whatever it is sorted by. It is looked at from two sides: the plan of each statement
// that the storage really sends, and how many rows the server reads for it.
func TestListsDoNotReadAllCustomers(t *testing.T) {
	t.Parallel()
	const games, customers = 10_000, 100_000
	c := server.Config(t)
	server.Fill(t, c, games, customers)
	db, sent, err := mysql.OpenRecorded(c)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	raw := server.Raw(t, c)

	type list struct {
		name string
		call func(context.Context) error
		most int // rows read
	}
	var lists []list
	for _, page := range []int{1, 3} {
		for _, desc := range []bool{false, true} {
			for _, sort := range []cafe.CustomerSort{cafe.CustomersByTime, cafe.CustomersByName, cafe.CustomersByTable,
				cafe.CustomersByGame} {
				lists = append(lists, list{fmt.Sprintf("customers by %s, desc %v, page %d", sort, desc, page),
					func(ctx context.Context) error {
						found, err := db.Customers(ctx, cafe.CustomerFilter{Sort: sort, Desc: desc, Page: page})
						return full(len(found.Rows), err)
					}, customers / 20})
			}
			for _, sort := range []cafe.GameSort{cafe.GamesByName, cafe.GamesByCopies, cafe.GamesByPlayers,
				cafe.GamesByMinutes} {
				// Sorting the games may read all of them: a library is thousands at the most.
				lists = append(lists, list{fmt.Sprintf("games by %s, desc %v, page %d", sort, desc, page),
					func(ctx context.Context) error {
						found, err := db.Games(ctx, cafe.GameFilter{Sort: sort, Desc: desc, Page: page})
						return full(len(found.Rows), err)
					}, games + customers/20})
			}
		}
	}
	for _, l := range lists {
		t.Run(l.name, func(t *testing.T) {
			first := rowsRead(t, db.Pool())
			before := rowsRead(t, db.Pool())
			asking := before - first // is not free
			*sent = nil
			if err := l.call(t.Context()); err != nil {
				t.Fatal(err)
			}
			statements := *sent
			read := rowsRead(t, db.Pool()) - before - asking
			if read > l.most {
				t.Errorf("the server read %d rows, want %d at the most", read, l.most)
			}
			if len(statements) < 2 {
				t.Fatalf("%d statements were recorded", len(statements))
			}
			t.Logf("%d statements, %d rows read", len(statements), read)
			for _, s := range statements {
				wantNoScan(t, raw, s)
			}
		})
	}
}

func full(rows int, err error) error {
	if err == nil && rows != cafe.PageSize {
		err = fmt.Errorf("%d rows, want a full page", rows)
	}
	return err
}

// rowsRead is how many rows the one connection has read so far.
func rowsRead(t *testing.T, pool *sql.DB) (sum int) {
	t.Helper()
	rows, err := pool.QueryContext(t.Context(), "SHOW SESSION STATUS LIKE 'Handler_read%'")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var n int
		if err := rows.Scan(&name, &n); err != nil {
			t.Fatal(err)
		}
		sum += n
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return sum
}

// wantNoScan fails if a plan reads the whole table of customers, or a whole index of it.
func wantNoScan(t *testing.T, raw *sql.DB, s mysql.Statement) {
	t.Helper()
	rows, err := raw.QueryContext(t.Context(), "EXPLAIN FORMAT=TRADITIONAL "+s.SQL, s.Args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	plan, customers, scan := s.SQL, false, false
	for rows.Next() {
		var id, kind, table, partitions, access, possible, key, length, ref, count, filtered, extra sql.NullString
		if err := rows.Scan(&id, &kind, &table, &partitions, &access, &possible, &key, &length, &ref, &count, &filtered,
			&extra); err != nil {
			t.Fatal(err)
		}
		plan += "\n" + strings.Join([]string{kind.String, table.String, access.String, key.String, count.String,
			extra.String}, " | ")
		switch table.String {
		case "c", "a", "customers": // what the storage calls it; a page of it is <derived…> here
			customers = true
			scan = scan || access.String == "ALL" || access.String == "index"
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if scan {
		t.Errorf("all customers are read by\n%s", plan)
	}
	if strings.Contains(s.SQL, "customers") && !customers {
		t.Errorf("customers are not in the plan of\n%s", plan)
	}
	t.Log(plan)
}
