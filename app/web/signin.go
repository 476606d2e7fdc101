package web

import (
	"fmt"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"boardcafe/app/cafe"
)

type signInPage struct {
	layout
	Name    string
	Next    string
	Problem string
}

// showSignIn shows the form, and starts a visitor's session for its token.
func (s *Server) showSignIn(c echo.Context) error {
	next := localPath(c.QueryParam("next"))
	if sessionOf(c).Staff != "" {
		return c.Redirect(http.StatusSeeOther, next)
	}
	if sessionOf(c).ID == "" {
		if err := s.begin(c, ""); err != nil {
			return err
		}
	}
	return s.render(c, http.StatusOK, "signin", signInPage{layout: s.layout(c, "Sign in"), Next: next})
}

func (s *Server) signIn(c echo.Context) error {
	form := c.Request().PostForm
	name, next, ctx := form.Get("name"), localPath(form.Get("next")), c.Request().Context()
	refuse := func(status int, problem string) error {
		page := signInPage{layout: s.layout(c, "Sign in"), Name: name, Next: next, Problem: problem}
		page.Failed = true
		return s.render(c, status, "signin", page)
	}
	if name == "" || form.Get("password") == "" {
		return refuse(http.StatusUnprocessableEntity, "Enter your name and your password")
	}
	right, err := s.turnstile.pass(ctx,
		func() error { return s.Store.BeginSignIn(ctx, name, c.RealIP()) },
		func() bool { return s.Staff.check(name, form.Get("password"), s.absent) })
	if e := cafe.AsError(err); err != nil && e.Code == cafe.Busy {
		seconds := int((e.RetryAfter + time.Second - 1) / time.Second)
		c.Response().Header().Set("Retry-After", fmt.Sprint(seconds))
		wait := fmt.Sprintf("%d seconds", seconds)
		if seconds > 90 {
			wait = fmt.Sprintf("%d minutes", (seconds+59)/60)
		} else if seconds == 1 {
			wait = "a second"
		}
		return refuse(http.StatusTooManyRequests, e.Message+" Wait "+wait+" and try again")
	}
	if err != nil {
		return err
	}
	if !right {
		s.Log.Warn("sign-in refused", "address", c.RealIP(), "request_id", requestID(c))
		return refuse(http.StatusUnprocessableEntity, "The name or the password is wrong")
	}
	if err := s.Store.EndSignIn(ctx, name, c.RealIP()); err != nil {
		return err
	}
	if err := s.begin(c, name); err != nil {
		return err
	}
	return c.Redirect(http.StatusSeeOther, next)
}

func (s *Server) signOut(c echo.Context) error {
	if err := s.end(c); err != nil {
		return err
	}
	s.sessions.clear(c, sessionCookie)
	s.sessions.clear(c, flashCookie)
	return c.Redirect(http.StatusSeeOther, "/signin")
}
