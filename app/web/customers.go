package web

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"boardcafe/app/cafe"
)

// suggestions bounds how many games a form offers to choose from; any other can be typed.
const suggestions = 300

func (s *Server) customerForm(c echo.Context, title string, r cafe.Reservation) (form, error) {
	names, err := s.Store.GameNames(c.Request().Context(), "", suggestions)
	if err != nil {
		return form{}, err
	}
	table := ""
	if r.Table > 0 {
		table = strconv.Itoa(r.Table)
	}
	return form{
		layout: s.layout(c, title), Heading: title, Version: r.Version, Submit: "Save", Cancel: "/",
		Fields: []field{
			{Name: "name", Label: "Customer", Value: r.Name, Max: cafe.MaxCustomerName},
			{Name: "table", Label: "Table", Hint: "The number on the table", Value: table, Number: true, Max: cafe.MaxTable},
			{Name: "game", Label: "Game", Hint: "Type a part of the name and choose", Value: r.GameName, Max: cafe.MaxGameName,
				Suggest: names},
		},
	}, nil
}

func (s *Server) newCustomerForm(c echo.Context, game string) (form, error) {
	f, err := s.customerForm(c, "Reserve a game", cafe.Reservation{GameName: game})
	f.Action, f.Submit = "/customers", "Reserve"
	return f, err
}

func (s *Server) editCustomerForm(c echo.Context, r cafe.Reservation) (form, error) {
	f, err := s.customerForm(c, "Edit reservation", r)
	f.Action = fmt.Sprintf("/customers/%d/update", r.ID)
	for i := range f.Fields {
		if f.Fields[i].Name == "game" {
			f.Fields[i].Hint = "Another game goes to the end of that game’s queue"
		}
	}
	return f, err
}

// postedCustomer reads the fields of the form. A game that the library does not have leaves
// GameID 0, with an error that suggests others.
func (s *Server) postedCustomer(c echo.Context) (cafe.Customer, error) {
	form, ctx := c.Request().PostForm, c.Request().Context()
	customer := cafe.Customer{Name: form.Get("name"), Table: number(form.Get("table")), Version: version(c)}
	customer.Clean()
	name := cafe.CleanText(form.Get("game"))
	var err error
	if name != "" {
		customer.GameID, err = s.Store.FindGame(ctx, name)
		if err != nil && cafe.CodeOf(err) != cafe.NotFound {
			return customer, err
		}
	}
	err = customer.Validate()
	if customer.GameID == 0 && name != "" && err != nil {
		if e := cafe.AsError(err); e.Fields != nil {
			if e.Fields["game"], err = s.noSuchGame(ctx, name); err != nil {
				return customer, err
			}
			return customer, e
		}
	}
	return customer, err
}

// noSuchGame says which games somebody may have meant.
func (s *Server) noSuchGame(ctx context.Context, name string) (string, error) {
	if len([]rune(name)) > cafe.MaxGameName {
		name = string([]rune(name)[:cafe.MaxGameName])
	}
	like, err := s.Store.GameNames(ctx, name, 3)
	if err != nil {
		return "", err
	}
	if len(like) == 0 {
		return "No game has this name; choose one of the library", nil
	}
	return "No game has just this name. Is it “" + strings.Join(like, "”, “") + "”?", nil
}

func (s *Server) newCustomer(c echo.Context) error {
	var name string
	if id := number(c.QueryParam("game")); id > 0 {
		g, err := s.Store.Game(c.Request().Context(), uint64(id))
		if err != nil {
			return err
		}
		name = g.Name
	}
	f, err := s.newCustomerForm(c, name)
	if err != nil {
		return err
	}
	return s.showForm(c, f, nil)
}

func (s *Server) createCustomer(c echo.Context) error {
	ctx := c.Request().Context()
	customer, err := s.postedCustomer(c)
	if err == nil {
		err = s.Store.CreateCustomer(ctx, &customer, c.Request().PostForm.Get("again") == "yes")
	}
	if err != nil {
		f, formErr := s.newCustomerForm(c, "")
		if formErr != nil {
			return formErr
		}
		f.fill(c.Request().PostForm)
		f.Repeat = cafe.CodeOf(err) == cafe.Conflict
		return s.showForm(c, f, err)
	}
	r, err := s.Store.Customer(ctx, customer.ID)
	if err != nil {
		return err
	}
	s.flash(c, flash{Text: fmt.Sprintf("Reserved %s for %s at table %d: %s.", r.GameName, r.Name, r.Table, standing(r))})
	return c.Redirect(http.StatusSeeOther, "/")
}

// standing says where a customer is in the queue.
func standing(r cafe.Reservation) string {
	switch {
	case r.Playing():
		return "there is a copy, play!"
	case r.Next():
		return "next in line"
	default:
		return plural(r.Ahead(), "customer waits", "customers wait") + " before"
	}
}

// customer reads the standing reservation that the path names.
func (s *Server) customer(c echo.Context) (cafe.Reservation, error) {
	id, err := rowID(c)
	if err != nil {
		return cafe.Reservation{}, err
	}
	r, err := s.Store.Customer(c.Request().Context(), id)
	if err == nil && !r.FinishedAt.IsZero() {
		return r, echo.ErrNotFound
	}
	return r, err
}

func (s *Server) editCustomer(c echo.Context) error {
	r, err := s.customer(c)
	if err != nil {
		return err
	}
	f, err := s.editCustomerForm(c, r)
	if err != nil {
		return err
	}
	return s.showForm(c, f, nil)
}

func (s *Server) updateCustomer(c echo.Context) error {
	current, err := s.customer(c)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	customer, err := s.postedCustomer(c)
	customer.ID = current.ID
	moved := false
	if err == nil {
		moved, err = s.Store.UpdateCustomer(ctx, &customer)
	}
	if err == nil {
		r, err := s.Store.Customer(ctx, customer.ID)
		if err != nil {
			return err
		}
		text := fmt.Sprintf("Saved %s at table %d.", r.Name, r.Table)
		if moved {
			text = fmt.Sprintf("%s at table %d now stands at the end of the queue for %s: %s.", r.Name, r.Table, r.GameName,
				standing(r))
		}
		s.flash(c, flash{Text: text})
		return c.Redirect(http.StatusSeeOther, "/")
	}
	if cafe.CodeOf(err) == cafe.Stale {
		if current, err = s.customer(c); err != nil {
			return err
		}
		theirs, err := s.editCustomerForm(c, current)
		if err != nil {
			return err
		}
		mine := theirs
		mine.Fields = append([]field(nil), theirs.Fields...)
		mine.fill(c.Request().PostForm)
		return s.showConflict(c, mine, theirs)
	}
	f, formErr := s.editCustomerForm(c, current)
	if formErr != nil {
		return formErr
	}
	f.fill(c.Request().PostForm)
	f.Version = customer.Version
	return s.showForm(c, f, err)
}

// finishCustomer ends a reservation by one click, and goes back to the page of the click.
func (s *Server) finishCustomer(c echo.Context) error {
	return s.changeQueue(c, s.Store.FinishCustomer, func(r cafe.Reservation) flash {
		return flash{Text: fmt.Sprintf("%s at table %d has finished with %s.", r.Name, r.Table, r.GameName),
			Undo: fmt.Sprintf("/customers/%d/restore", r.ID), Version: r.Version + 1}
	})
}

// restoreCustomer undoes finishCustomer.
func (s *Server) restoreCustomer(c echo.Context) error {
	return s.changeQueue(c, s.Store.RestoreCustomer, func(r cafe.Reservation) flash {
		return flash{Text: fmt.Sprintf("%s at table %d has %s again, in the same place.", r.Name, r.Table, r.GameName)}
	})
}

func (s *Server) changeQueue(c echo.Context, change func(context.Context, uint64, uint32) error,
	done func(cafe.Reservation) flash,
) error {
	id, err := rowID(c)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	r, err := s.Store.Customer(ctx, id)
	if err != nil {
		return err
	}
	if err := change(ctx, id, version(c)); err != nil {
		if cafe.CodeOf(err) == cafe.Stale {
			return s.showChanged(c, r)
		}
		return err
	}
	s.flash(c, done(r))
	return c.Redirect(http.StatusSeeOther, localPath(c.Request().PostForm.Get("back")))
}

// showChanged answers a click on a row that has changed since the page was made.
func (s *Server) showChanged(c echo.Context, r cafe.Reservation) error {
	page := conflict{layout: s.layout(c, "Somebody else was quicker"), Keep: localPath(c.Request().PostForm.Get("back"))}
	page.Heading, page.Failed = page.Title, true
	state := "has reserved"
	if !r.FinishedAt.IsZero() {
		state = "has finished with"
	}
	page.Text = fmt.Sprintf("Nothing was changed. As it is now, %s at table %d %s %s.", r.Name, r.Table, state, r.GameName)
	return s.render(c, http.StatusConflict, "conflict", page)
}

func (s *Server) confirmRemoveCustomer(c echo.Context) error {
	r, err := s.customer(c)
	if err != nil {
		return err
	}
	return s.render(c, http.StatusOK, "remove", s.customerRemoval(c, r))
}

func (s *Server) customerRemoval(c echo.Context, r cafe.Reservation) removal {
	return removal{
		layout: s.layout(c, "Delete reservation"), Heading: "Delete the reservation of " + r.Name + "?", Version: r.Version,
		Text: fmt.Sprintf("%s at table %d loses place %d in the queue for %s, for good. To end a game that was played, "+
			"use Finish instead.", r.Name, r.Table, r.Place, r.GameName),
		Action: fmt.Sprintf("/customers/%d/remove", r.ID), Submit: "Delete the reservation", Cancel: "/",
	}
}

func (s *Server) removeCustomer(c echo.Context) error {
	r, err := s.customer(c)
	if err != nil {
		return err
	}
	err = s.Store.DeleteCustomer(c.Request().Context(), r.ID, version(c))
	if cafe.CodeOf(err) == cafe.Stale {
		page := s.customerRemoval(c, r)
		page.Problem, page.Failed = cafe.AsError(err).Message+" It is shown as it is now.", true
		return s.render(c, http.StatusConflict, "remove", page)
	}
	if err != nil {
		return err
	}
	s.flash(c, flash{Text: fmt.Sprintf("Deleted the reservation of %s.", r.Name)})
	return c.Redirect(http.StatusSeeOther, "/")
}
