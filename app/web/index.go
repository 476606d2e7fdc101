package web

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"boardcafe/app/cafe"
)

// indexPage shows the games, the reservations, or both.
type indexPage struct {
	layout
	Heading string
	Path    string
	Query   string // as typed, like the next two
	Players string
	Minutes string
	Sorts   []hidden // what the filter form keeps
	Fields  []field  // those filters that are wrong
	Clear   bool     // there is a filter to clear

	Games        *cafe.Page[cafe.GameStatus]
	GameColumns  []column
	GamePager    pager
	Reservations *cafe.Page[cafe.Reservation]
	CustColumns  []column
	CustPager    pager
}

// Problem is what is wrong with a filter.
func (p indexPage) Problem(name string) string {
	for _, f := range p.Fields {
		if f.Name == name {
			return f.Problem
		}
	}
	return ""
}

type hidden struct{ Name, Value string }

// column is the head of a column; without a URL it cannot be sorted by.
type column struct {
	Label  string
	URL    string
	Sorted string // ascending, descending or empty: aria-sort
	Number bool
	Extra  bool // left out on small screens
}

type pager struct {
	Prev, Next string
	Text       string
}

func (s *Server) index(c echo.Context) error { return s.list(c, "The café now", true, true) }

func (s *Server) listGames(c echo.Context) error { return s.list(c, "Games", true, false) }

func (s *Server) listCustomers(c echo.Context) error { return s.list(c, "Reservations", false, true) }

// list shows what the URL asks for. Everything that can be chosen on the page is in the URL.
func (s *Server) list(c echo.Context, title string, games, customers bool) error {
	q, ctx := c.QueryParams(), c.Request().Context()
	page := indexPage{Heading: title, Path: c.Path(), Query: q.Get("q"), Players: q.Get("players"),
		Minutes: q.Get("minutes")}
	page.Clear = page.Query != "" || page.Players != "" || page.Minutes != ""
	g, r, wrong := filters(q)
	page.Fields = wrong
	page.layout = s.layout(c, title)
	for _, name := range []string{"gsort", "csort"} {
		if q.Get(name) != "" {
			page.Sorts = append(page.Sorts, hidden{name, q.Get(name)})
		}
	}
	status := http.StatusOK
	if len(wrong) > 0 {
		status, page.Failed = http.StatusUnprocessableEntity, true
	}
	if games {
		found, err := s.Store.Games(ctx, g)
		if err != nil {
			return err
		}
		page.Games, page.GamePager = &found, pagerOf(page.Path, q, "gpage", found, "game", "games")
		page.GameColumns = columns(page.Path, q, "gsort", "gpage", string(cafe.GamesByName), []column{
			{Label: "Game", URL: string(cafe.GamesByName)},
			{Label: "Copies", URL: string(cafe.GamesByCopies), Number: true},
			{Label: "Out", Number: true},
			{Label: "Next in line"},
			{Label: "Players", URL: string(cafe.GamesByPlayers), Number: true, Extra: true},
			{Label: "Minutes", URL: string(cafe.GamesByMinutes), Number: true, Extra: true},
			{Label: "Shelf", Extra: true},
		})
	}
	if customers {
		found, err := s.Store.Customers(ctx, r)
		if err != nil {
			return err
		}
		page.Reservations, page.CustPager = &found, pagerOf(page.Path, q, "cpage", found, "reservation", "reservations")
		page.CustColumns = columns(page.Path, q, "csort", "cpage", string(cafe.CustomersByTime), []column{
			{Label: "Customer", URL: string(cafe.CustomersByName)},
			{Label: "Table", URL: string(cafe.CustomersByTable), Number: true},
			{Label: "Game", URL: string(cafe.CustomersByGame)},
			{Label: "Place"},
			{Label: "Reserved", URL: string(cafe.CustomersByTime)},
		})
	}
	return s.render(c, status, "index", page)
}

// filters reads the URL. What is wrong is named and left out of the filter.
func filters(q url.Values) (g cafe.GameFilter, r cafe.CustomerFilter, wrong []field) {
	limit := func(name, label string, most int, message string) int {
		text := strings.TrimSpace(q.Get(name))
		if text == "" {
			return 0
		}
		n := number(text)
		if n < 1 || n > most {
			wrong = append(wrong, field{Name: name, Label: label, Problem: message})
			return 0
		}
		return n
	}
	page := func(name string) int {
		return max(1, limit(name, "Page", 1_000_000, "There is no such page"))
	}
	order := func(name string, known ...string) (string, bool) {
		sort, desc := strings.CutPrefix(q.Get(name), "-")
		for _, k := range known {
			if sort == k {
				return sort, desc
			}
		}
		if sort != "" {
			wrong = append(wrong, field{Name: name, Label: "Order", Problem: "The table can’t be sorted by that"})
		}
		return "", false
	}
	text := q.Get("q")
	if len([]rune(text)) > cafe.MaxGameName {
		wrong = append(wrong, field{Name: "q", Label: "Search",
			Problem: fmt.Sprintf("Search for %d characters at most", cafe.MaxGameName)})
		text = ""
	}
	g = cafe.GameFilter{Query: text, Page: page("gpage"),
		Players: limit("players", "Players", cafe.MaxPlayers,
			fmt.Sprintf("Enter how many want to play, from 1 to %d", cafe.MaxPlayers)),
		Minutes: limit("minutes", "Minutes", cafe.MaxMinutes,
			fmt.Sprintf("Enter how long it may take, from 1 to %d minutes", cafe.MaxMinutes))}
	sort, desc := order("gsort", string(cafe.GamesByName), string(cafe.GamesByCopies), string(cafe.GamesByPlayers),
		string(cafe.GamesByMinutes))
	g.Sort, g.Desc = cafe.GameSort(sort), desc
	r = cafe.CustomerFilter{Query: text, Page: page("cpage")}
	sort, desc = order("csort", string(cafe.CustomersByTime), string(cafe.CustomersByName), string(cafe.CustomersByTable),
		string(cafe.CustomersByGame))
	r.Sort, r.Desc = cafe.CustomerSort(sort), desc
	return g, r, wrong
}

// with is the URL of this page with one parameter set and others dropped.
func with(path string, q url.Values, name, value string, drop ...string) string {
	next := url.Values{}
	for k, v := range q {
		if len(v) > 0 && v[0] != "" {
			next.Set(k, v[0])
		}
	}
	for _, d := range drop {
		next.Del(d)
	}
	next.Set(name, value)
	return path + "?" + next.Encode()
}

// columns makes the links by which a table is sorted: by the column, and the other way round when
// it is that already.
func columns(path string, q url.Values, sortParam, pageParam, first string, heads []column) []column {
	current := q.Get(sortParam)
	if current == "" {
		current = first
	}
	for i, head := range heads {
		if head.URL == "" {
			continue
		}
		key := head.URL
		switch current {
		case key:
			heads[i].Sorted, key = "ascending", "-"+key
		case "-" + key:
			heads[i].Sorted = "descending"
		}
		heads[i].URL = with(path, q, sortParam, key, pageParam)
	}
	return heads
}

// pagerOf says where in a list a page is, and links to the pages beside it.
func pagerOf[T any](path string, q url.Values, param string, page cafe.Page[T], one, many string) pager {
	p := pager{Text: plural(page.Total, one, many)}
	of := strconv.Itoa(page.Pages())
	if page.Capped() {
		p.Text, of = fmt.Sprintf("More than %d %s", cafe.CountLimit, many), "more than "+of
	}
	if page.Number > 1 || page.More {
		p.Text += fmt.Sprintf(", page %d of %s", page.Number, of)
	}
	if page.Number > 1 {
		p.Prev = with(path, q, param, strconv.Itoa(page.Number-1))
	}
	if page.More {
		p.Next = with(path, q, param, strconv.Itoa(page.Number+1))
	}
	return p
}
