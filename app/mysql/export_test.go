package mysql

import (
	"context"
	"database/sql"
	"database/sql/driver"
)

// Statement is what was sent to the database.
type Statement struct {
	SQL  string
	Args []any
}

// OpenRecorded opens the storage with one connection and a record of what it sends there.
func OpenRecorded(c Config) (*DB, *[]Statement, error) {
	connector, err := c.connector()
	if err != nil {
		return nil, nil, err
	}
	r := &recorder{Connector: connector}
	pool := sql.OpenDB(r)
	pool.SetMaxOpenConns(1)
	return &DB{sql: pool, health: pool}, &r.sent, nil
}

type recorder struct {
	driver.Connector
	sent []Statement
}

func (r *recorder) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := r.Connector.Connect(ctx)
	return &recordedConn{conn, r}, err
}

// recordedConn hides what else the driver can do: every statement is prepared here.
type recordedConn struct {
	driver.Conn
	recorder *recorder
}

func (c *recordedConn) Prepare(query string) (driver.Stmt, error) {
	stmt, err := c.Conn.Prepare(query)
	return &recordedStmt{stmt, query, c.recorder}, err
}

type recordedStmt struct {
	driver.Stmt
	query    string
	recorder *recorder
}

func (s *recordedStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	sent := Statement{SQL: s.query}
	for _, a := range args {
		sent.Args = append(sent.Args, a.Value)
	}
	s.recorder.sent = append(s.recorder.sent, sent)
	return s.Stmt.(driver.StmtQueryContext).QueryContext(ctx, args)
}
