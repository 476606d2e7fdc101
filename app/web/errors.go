package web

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"boardcafe/app/cafe"
)

// statusOf is the one map from the domain's errors to HTTP.
var statusOf = map[cafe.Code]int{
	cafe.Invalid:     http.StatusUnprocessableEntity,
	cafe.NotFound:    http.StatusNotFound,
	cafe.Conflict:    http.StatusConflict,
	cafe.Stale:       http.StatusConflict,
	cafe.Busy:        http.StatusTooManyRequests,
	cafe.Unavailable: http.StatusServiceUnavailable,
	cafe.Internal:    http.StatusInternalServerError,
}

// retryAfter is what a page says when the database is away.
const retryAfter = 5 * time.Second

// errorPage is what a person sees: never a cause.
type errorPage struct {
	layout
	Status  int
	Heading string
	Message string
}

var explanations = map[int]errorPage{
	http.StatusBadRequest: {Heading: "That request can’t be read", Message: "Go back and try again."},
	http.StatusForbidden: {Heading: "This form can’t be used any more",
		Message: "It was opened before you signed in, or it came from another site. Nothing was changed. Go back, reload " +
			"the page and try again."},
	http.StatusNotFound: {Heading: "There is nothing here",
		Message: "It may have been deleted or finished in the meantime, or the address is mistyped."},
	http.StatusMethodNotAllowed: {Heading: "That can’t be done here",
		Message: "The address exists, but not for this. Go back and use the buttons of the page."},
	http.StatusConflict: {Heading: "That can’t be done just now", Message: ""},
	http.StatusRequestEntityTooLarge: {Heading: "That is too much at once",
		Message: "Shorten what you typed. Nothing was changed."},
	http.StatusTooManyRequests: {Heading: "Too many tries", Message: ""},
	http.StatusServiceUnavailable: {Heading: "The café’s database is taking a break",
		Message: "Nothing is lost. Try again in a few seconds."},
	http.StatusInternalServerError: {Heading: "Something went wrong on our side",
		Message: "Try again. If it stays so, tell whoever runs the café’s computers the request id below."},
}

// showError writes the page for an error that no handler has answered. It is the one place that
// logs causes.
func (s *Server) showError(err error, c echo.Context) {
	if c.Response().Committed {
		return
	}
	page, wait := describe(err)
	if page.Status >= http.StatusInternalServerError {
		s.Log.Error("request failed", "route", routeOf(c), "error", err, "request_id", requestID(c))
	}
	if wait > 0 {
		c.Response().Header().Set("Retry-After", strconv.Itoa(int((wait+time.Second-1)/time.Second)))
	}
	if c.Request().Method == http.MethodHead {
		err = c.NoContent(page.Status)
	} else {
		page.layout = s.layout(c, page.Heading)
		page.Failed = true
		err = s.render(c, page.Status, "error", page)
	}
	if err != nil {
		s.Log.Error("error page", "error", err)
		_ = c.String(page.Status, page.Heading+"\n")
	}
}

// describe finds what an error means for a person, and how long to wait before trying again.
func describe(err error) (page errorPage, wait time.Duration) {
	status := http.StatusInternalServerError
	message := ""
	var known *cafe.Error
	var routed *echo.HTTPError
	switch {
	case errors.As(err, &known):
		status, wait = statusOf[known.Code], known.RetryAfter
		if known.Code == cafe.Conflict || known.Code == cafe.Stale || known.Code == cafe.Busy {
			message = known.Message
		}
	case errors.As(err, &routed):
		status = routed.Code
	case errors.Is(err, context.DeadlineExceeded):
		status = http.StatusServiceUnavailable
	}
	page, ok := explanations[status]
	if !ok {
		page = explanations[http.StatusBadRequest]
		if status >= 500 {
			page = explanations[http.StatusInternalServerError]
		}
	}
	page.Status = status
	if message != "" {
		page.Message = message
	}
	if status == http.StatusServiceUnavailable {
		wait = retryAfter
	}
	return page, wait
}
