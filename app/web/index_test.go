package web_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
)

func TestIndex(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for i := range 55 {
		g := s.game(fmt.Sprintf("Game %02d", i), 1+i%2)
		s.customer(fmt.Sprintf("Customer %02d", i), 1+i%7, g.ID)
	}
	b := s.signedIn()
	names := func(p *page, table string) (list []string) {
		p.Find("table." + table + " tbody th").Each(func(_ int, th *goquery.Selection) {
			list = append(list, strings.TrimSpace(th.Text()))
		})
		return list
	}
	follow := func(p *page, selector string) *page {
		t.Helper()
		href, ok := p.Find(selector).First().Attr("href")
		if !ok {
			t.Fatalf("%s has no %s", p.path, selector)
		}
		return b.get(href)
	}
	t.Run("OKPagesOfBoth", func(t *testing.T) {
		p := b.get("/")
		p.want(t, 200, "55 games, page 1 of 2", "55 reservations, page 1 of 2")
		if len(names(p, "games")) != 50 || len(names(p, "customers")) != 50 {
			t.Errorf("got %d games and %d customers, want 50", len(names(p, "games")), len(names(p, "customers")))
		}
		p = follow(p, `a[rel=next][href*=gpage]`)
		if got := names(p, "games"); len(got) != 5 || got[0] != "Game 50" {
			t.Errorf("got games %v", got)
		}
		if len(names(p, "customers")) != 50 {
			t.Error("the other table turned its page too")
		}
		follow(p, `a[rel=prev]`).want(t, 200, "55 games, page 1 of 2")
	})
	t.Run("OKSortByColumn", func(t *testing.T) {
		p := follow(b.get("/?q=0"), `table.customers thead a[href*="csort=name"]`)
		if got := p.Find(`table.customers th[aria-sort]`); got.AttrOr("aria-sort", "") != "ascending" || got.Length() != 1 {
			t.Errorf("got aria-sort %q", got.AttrOr("aria-sort", ""))
		}
		p = follow(p, `table.customers th[aria-sort] a`)
		if got := names(p, "customers"); got[0] != "Customer 50" ||
			p.Find(`table.customers th[aria-sort]`).AttrOr("aria-sort", "") != "descending" {
			t.Errorf("got %v first", got[0])
		}
		if p.Find("#q").AttrOr("value", "") != "0" {
			t.Error("sorting lost the search")
		}
	})
	t.Run("OKFilters", func(t *testing.T) {
		b.get("/?q=game+07&players=3&minutes=60").want(t, 200, "1 game", "1 reservation", "Show all")
		b.get("/?q=nothing").want(t, 200, "No game fits.", "No reservation fits.")
		b.get("/games?gpage=9").want(t, 200, "No game fits.")
	})
	for _, query := range []string{"players=x", "players=-1", "minutes=99999", "gsort=shelf", "csort=-id", "gpage=0",
		"cpage=x", "q=" + strings.Repeat("x", 151)} {
		t.Run("Err"+query[:7], func(t *testing.T) { b.get("/?"+query).want(t, 422, "There is a problem") })
	}
}
