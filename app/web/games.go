package web

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"boardcafe/app/cafe"
)

func (s *Server) gameForm(c echo.Context, title string, g cafe.Game) form {
	count := func(n int) string {
		if n == 0 {
			return ""
		}
		return strconv.Itoa(n)
	}
	return form{
		layout: s.layout(c, title), Heading: title, Version: g.Version, Submit: "Save", Cancel: "/",
		Fields: []field{
			{Name: "name", Label: "Name", Value: g.Name, Max: cafe.MaxGameName},
			{Name: "copies", Label: "Copies", Hint: "How many of it the café has", Value: count(g.Copies), Number: true,
				Max: cafe.MaxCopies},
			{Name: "min_players", Label: "Players, from", Value: count(g.MinPlayers), Number: true, Max: cafe.MaxPlayers},
			{Name: "max_players", Label: "Players, to", Value: count(g.MaxPlayers), Number: true, Max: cafe.MaxPlayers},
			{Name: "minutes", Label: "Minutes", Hint: "How long a game takes", Value: count(g.Minutes), Number: true,
				Max: cafe.MaxMinutes},
			{Name: "shelf", Label: "Shelf note", Hint: "Where it stands, what is missing", Value: g.Shelf,
				Max: cafe.MaxShelfNote, Optional: true},
		},
	}
}

func (s *Server) newGameForm(c echo.Context) form {
	f := s.gameForm(c, "Add a game", cafe.Game{Copies: 1})
	f.Action, f.Submit = "/games", "Add the game"
	return f
}

func (s *Server) editGameForm(c echo.Context, g cafe.Game) form {
	f := s.gameForm(c, "Edit game", g)
	f.Action = fmt.Sprintf("/games/%d/update", g.ID)
	f.Cancel = fmt.Sprintf("/games/%d", g.ID)
	return f
}

// postedGame reads the fields of the form.
func postedGame(c echo.Context) cafe.Game {
	form := c.Request().PostForm
	return cafe.Game{
		Name: form.Get("name"), Shelf: form.Get("shelf"), Copies: number(form.Get("copies")), Version: version(c),
		MinPlayers: number(form.Get("min_players")), MaxPlayers: number(form.Get("max_players")),
		Minutes: number(form.Get("minutes")),
	}
}

func (s *Server) newGame(c echo.Context) error { return s.showForm(c, s.newGameForm(c), nil) }

func (s *Server) createGame(c echo.Context) error {
	g := postedGame(c)
	if err := s.Store.CreateGame(c.Request().Context(), &g); err != nil {
		f := s.newGameForm(c)
		f.fill(c.Request().PostForm)
		return s.showForm(c, f, err)
	}
	s.flash(c, flash{Text: fmt.Sprintf("Added %s.", g.Name)})
	return c.Redirect(http.StatusSeeOther, fmt.Sprintf("/games/%d", g.ID))
}

type gamePage struct {
	layout
	Game     cafe.GameStatus
	Queue    []cafe.Reservation
	Finished []cafe.Reservation
}

// showGame shows a game with its queue.
func (s *Server) showGame(c echo.Context) error {
	g, err := s.game(c)
	if err != nil {
		return err
	}
	page := gamePage{Game: g}
	ctx := c.Request().Context()
	if page.Queue, err = s.Store.Queue(ctx, g.ID); err != nil {
		return err
	}
	if page.Finished, err = s.Store.Finished(ctx, g.ID); err != nil {
		return err
	}
	page.layout = s.layout(c, g.Name)
	return s.render(c, http.StatusOK, "game", page)
}

// game reads the game that the path names.
func (s *Server) game(c echo.Context) (cafe.GameStatus, error) {
	id, err := rowID(c)
	if err != nil {
		return cafe.GameStatus{}, err
	}
	return s.Store.Game(c.Request().Context(), id)
}

func (s *Server) editGame(c echo.Context) error {
	g, err := s.game(c)
	if err != nil {
		return err
	}
	return s.showForm(c, s.editGameForm(c, g.Game), nil)
}

func (s *Server) updateGame(c echo.Context) error {
	id, err := rowID(c)
	if err != nil {
		return err
	}
	g := postedGame(c)
	g.ID = id
	err = s.Store.UpdateGame(c.Request().Context(), &g)
	if err == nil {
		s.flash(c, flash{Text: fmt.Sprintf("Saved %s.", g.Name)})
		return c.Redirect(http.StatusSeeOther, fmt.Sprintf("/games/%d", id))
	}
	mine := s.editGameForm(c, g)
	mine.fill(c.Request().PostForm)
	if cafe.CodeOf(err) != cafe.Stale {
		return s.showForm(c, mine, err)
	}
	current, err := s.Store.Game(c.Request().Context(), id)
	if err != nil {
		return err
	}
	return s.showConflict(c, mine, s.editGameForm(c, current.Game))
}

func (s *Server) confirmRemoveGame(c echo.Context) error {
	g, err := s.game(c)
	if err != nil {
		return err
	}
	return s.render(c, http.StatusOK, "remove", s.gameRemoval(c, g))
}

func (s *Server) gameRemoval(c echo.Context, g cafe.GameStatus) removal {
	return removal{
		layout: s.layout(c, "Delete "+g.Name), Heading: "Delete " + g.Name + "?", Version: g.Version,
		Text:   "The game disappears from the library, for good.",
		Action: fmt.Sprintf("/games/%d/remove", g.ID), Submit: "Delete the game", Cancel: fmt.Sprintf("/games/%d", g.ID),
		GameID: g.ID, Waiting: g.Reserved,
	}
}

func (s *Server) removeGame(c echo.Context) error {
	id, err := rowID(c)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	g, err := s.Store.Game(ctx, id)
	if err != nil {
		return err
	}
	err = s.Store.DeleteGame(ctx, id, version(c))
	if err == nil {
		s.flash(c, flash{Text: fmt.Sprintf("Deleted %s.", g.Name)})
		return c.Redirect(http.StatusSeeOther, "/")
	}
	page := s.gameRemoval(c, g)
	switch e := cafe.AsError(err); e.Code {
	case cafe.Stale:
		page.Problem = e.Message + " It is shown as it is now."
	case cafe.Conflict:
		page.Waiting = e.Waiting
	default:
		return err
	}
	page.Failed = true
	return s.render(c, http.StatusConflict, "remove", page)
}
