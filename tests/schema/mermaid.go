// Package schema draws the entity-relationship diagram of a database, and tests that docs/er.md is
// the one of the schema that the migrations make.
package schema

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
)

// column is one as information_schema describes it.
type column struct {
	table, name, kind string
	null              bool
	keys              []string // PK, FK, UK: Mermaid's marks
}

// reference is a foreign key of one column.
type reference struct{ table, column, to string }

// Mermaid is the diagram of all tables but those of the migrations themselves.
func Mermaid(ctx context.Context, db *sql.DB) (string, error) {
	columns, err := readColumns(ctx, db)
	if err != nil {
		return "", fmt.Errorf("read the columns: %w", err)
	}
	references, err := readReferences(ctx, db)
	if err != nil {
		return "", fmt.Errorf("read the foreign keys: %w", err)
	}
	var out strings.Builder
	out.WriteString("erDiagram\n")
	for _, r := range references {
		many := "||--o{" // each has exactly one, which has any number of them
		for _, c := range columns {
			if c.table == r.table && c.name == r.column && c.null {
				many = "|o--o{"
			}
		}
		fmt.Fprintf(&out, "  %s %s %s : %s\n", r.to, many, r.table, r.column)
	}
	table := ""
	for _, c := range columns {
		for i := range references {
			if references[i].table == c.table && references[i].column == c.name && !slices.Contains(c.keys, "FK") {
				c.keys = append(c.keys, "FK")
			}
		}
		if c.table != table {
			if table != "" {
				out.WriteString("  }\n")
			}
			table = c.table
			fmt.Fprintf(&out, "  %s {\n", table)
		}
		line := "    " + strings.ReplaceAll(c.kind, " ", "_") + " " + c.name
		if len(c.keys) > 0 {
			line += " " + strings.Join(c.keys, ", ")
		}
		if c.null {
			line += ` "or none"`
		}
		out.WriteString(line + "\n")
	}
	if table != "" {
		out.WriteString("  }\n")
	}
	return out.String(), nil
}

func readColumns(ctx context.Context, db *sql.DB) (all []column, err error) {
	rows, err := db.QueryContext(ctx, `
		SELECT table_name, column_name, column_type, is_nullable = 'YES', column_key
		FROM information_schema.columns
		WHERE table_schema = DATABASE() AND table_name NOT LIKE 'goose%'
		ORDER BY table_name, ordinal_position`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var c column
		var key string
		if err := rows.Scan(&c.table, &c.name, &c.kind, &c.null, &key); err != nil {
			return nil, err
		}
		// MUL, the third, is an index that means nothing here.
		switch key {
		case "PRI":
			c.keys = []string{"PK"}
		case "UNI":
			c.keys = []string{"UK"}
		}
		all = append(all, c)
	}
	return all, rows.Err()
}

func readReferences(ctx context.Context, db *sql.DB) (all []reference, err error) {
	rows, err := db.QueryContext(ctx, `
		SELECT table_name, column_name, referenced_table_name
		FROM information_schema.key_column_usage
		WHERE table_schema = DATABASE() AND referenced_table_name IS NOT NULL
		ORDER BY table_name, column_name`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var r reference
		if err := rows.Scan(&r.table, &r.column, &r.to); err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, rows.Err()
}
