package mysql

import (
	"context"
	"fmt"
	"strings"

	"boardcafe/app/cafe"
)

// conditions are the parts of a WHERE clause with their arguments.
type conditions struct {
	parts []string
	args  []any
}

func (c *conditions) add(part string, args ...any) {
	c.parts = append(c.parts, "("+part+")")
	c.args = append(c.args, args...)
}

func (c *conditions) sql() string {
	if len(c.parts) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(c.parts, " AND ")
}

// contains is the LIKE pattern for a text anywhere, with the wildcards in the text taken literally.
func contains(text string) string {
	return "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(text) + "%"
}

// direct looks up an ORDER BY clause and puts the direction in.
func direct[S ~string](orders map[S]string, sort, fallback S, desc bool) string {
	order, ok := orders[sort]
	if !ok {
		order = orders[fallback]
	}
	direction := "ASC"
	if desc {
		direction = "DESC"
	}
	if !strings.Contains(order, "%") {
		return order
	}
	return fmt.Sprintf(order, direction)
}

// query is a list in two steps: inner selects one page of rows by an index; columns, which may
// count in other tables, are then computed for these rows alone.
type query struct {
	from, columns, inner, order string
	join                        string // what the outer columns need besides
	outer                       string // the alias of the inner rows outside; of from by default
	outerOrder                  string
}

// list returns one page.
func list[T any](ctx context.Context, q queryer, number int, where conditions, s query, scan func(func(...any) error) (T, error)) (page cafe.Page[T], err error) {
	page.Number = max(1, number)
	from := " FROM " + s.from + where.sql()
	err = one(ctx, q, []any{&page.Total}, fmt.Sprintf("SELECT COUNT(*) FROM (SELECT 1%s LIMIT %d) counted", from, cafe.CountLimit+1), where.args...)
	if err != nil {
		return page, err
	}
	outer, outerOrder := s.outer, s.outerOrder
	if outer == "" {
		outer, outerOrder = "g", s.order
	}
	// One row more than is shown tells whether there is a next page.
	page.Rows, err = all(ctx, q, scan, fmt.Sprintf("SELECT %s FROM (SELECT %s%s ORDER BY %s LIMIT %d OFFSET %d) %s%s ORDER BY %s",
		s.columns, s.inner, from, s.order, cafe.PageSize+1, (page.Number-1)*cafe.PageSize, outer, s.join, outerOrder), where.args...)
	if err != nil {
		return page, err
	}
	if len(page.Rows) > cafe.PageSize {
		page.Rows, page.More = page.Rows[:cafe.PageSize], true
	}
	return page, nil
}
