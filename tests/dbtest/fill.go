package dbtest

import (
	"context"
	"testing"

	"boardcafe/app/mysql"
)

// Fill puts games and standing reservations into an empty database, in seconds also when they are
// many. Customers spread evenly over the games.
func (s *Server) Fill(t testing.TB, c mysql.Config, games, customers int) {
	t.Helper()
	conn, err := s.Raw(t, c).Conn(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, step := range []struct {
		statement string
		args      []any
	}{
		{"SET SESSION cte_max_recursion_depth = 1000000", nil},
		{`INSERT INTO board_games (name, copies, min_players, max_players, minutes, shelf)
			WITH RECURSIVE n AS (SELECT 1 i UNION ALL SELECT i + 1 FROM n WHERE i < ?)
			SELECT CONCAT('Game ', LPAD(i, 6, '0')), 1 + i MOD 9, 1 + i MOD 3, 3 + i MOD 5, 15 * (1 + i MOD 12),
				CONCAT('Shelf ', i MOD 40) FROM n`, []any{games}},
		{`INSERT INTO customers (name, table_number, game_id, reserved_at)
			WITH RECURSIVE n AS (SELECT 1 i UNION ALL SELECT i + 1 FROM n WHERE i < ?)
			SELECT CONCAT('Guest ', LPAD(i * 7919 MOD 1000003, 7, '0')), 1 + i MOD 200, g.id,
				UTC_TIMESTAMP(6) - INTERVAL ? - i SECOND
			FROM n JOIN board_games g ON g.name = CONCAT('Game ', LPAD(1 + i * 31 MOD ?, 6, '0'))`,
			[]any{customers, customers, games}},
		// What the server does by itself some seconds later.
		{"ANALYZE TABLE board_games, customers", nil},
	} {
		if _, err := conn.ExecContext(context.Background(), step.statement, step.args...); err != nil {
			t.Fatalf("fill: %v in %s", err, step.statement)
		}
	}
}
