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

// direction is how an ORDER BY clause goes.
func direction(desc bool) string {
	if desc {
		return "DESC"
	}
	return "ASC"
}

// selection is a list in two steps: the inner one selects a page of rows by an index, the outer
// one computes what it takes other tables for, for these rows alone.
type selection struct {
	from       string // the tables of the inner step
	inner      string // its columns
	order      string // its order, which an index of customers or the few games give
	alias      string // the inner rows in the outer step
	columns    string // the columns of the outer step
	outerOrder string // its order, where it cannot be the same
}

// list returns one page of a selection.
func list[T any](ctx context.Context, q queryer, number int, where conditions, s selection,
	scan func(func(...any) error) (T, error),
) (page cafe.Page[T], err error) {
	page.Number = max(1, number)
	from := " FROM " + s.from + where.sql()
	err = one(ctx, q, []any{&page.Total},
		fmt.Sprintf("SELECT COUNT(*) FROM (SELECT 1%s LIMIT %d) counted", from, cafe.CountLimit+1), where.args...)
	if err != nil {
		return page, err
	}
	outerOrder := s.outerOrder
	if outerOrder == "" {
		outerOrder = s.order
	}
	// One row more than is shown tells whether there is a next page.
	page.Rows, err = all(ctx, q, scan,
		fmt.Sprintf("SELECT %s FROM (SELECT %s%s ORDER BY %s LIMIT %d OFFSET %d) %s ORDER BY %s",
			s.columns, s.inner, from, s.order, cafe.PageSize+1, (page.Number-1)*cafe.PageSize, s.alias, outerOrder),
		where.args...)
	if err != nil {
		return page, err
	}
	if len(page.Rows) > cafe.PageSize {
		page.Rows, page.More = page.Rows[:cafe.PageSize], true
	}
	return page, nil
}
