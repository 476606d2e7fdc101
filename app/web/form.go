package web

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"boardcafe/app/cafe"
)

// form is a form with what was typed and what is wrong with it.
type form struct {
	layout
	Heading string
	Action  string
	Submit  string
	Cancel  string
	Version uint32 // of the row that is edited; 0 for a new one
	Fields  []field
	Problem string // stands above the fields, when it is no one field's
	GameID  uint64 // the game that has the name already, to link to
	Repeat  bool   // offer to reserve a second time
}

// field is one labelled input.
type field struct {
	Name, Label, Hint string
	Value             string
	Max               int // characters, or the largest number
	Number            bool
	Optional          bool
	Suggest           []string
	Problem           string
}

// fill puts what was posted into the fields.
func (f *form) fill(posted url.Values) {
	for i := range f.Fields {
		f.Fields[i].Value = posted.Get(f.Fields[i].Name)
	}
}

// explain puts the words of an error beside the fields that it names.
func (f *form) explain(e *cafe.Error) {
	f.Failed, f.GameID = true, e.GameID
	for i := range f.Fields {
		f.Fields[i].Problem = e.Fields[f.Fields[i].Name]
	}
	if len(e.Fields) == 0 {
		f.Problem = e.Message
	}
}

// showForm answers with a form, and with the status of its error if there is one.
func (s *Server) showForm(c echo.Context, f form, err error) error {
	if err == nil {
		return s.render(c, http.StatusOK, "form", f)
	}
	e := cafe.AsError(err)
	if e.Code != cafe.Invalid && e.Code != cafe.Conflict {
		return err
	}
	f.explain(e)
	return s.render(c, statusOf[e.Code], "form", f)
}

// number reads a whole number. What is none becomes -1, which is outside of every range that the
// domain allows: there is one message for both.
func number(s string) int {
	n, err := strconv.Atoi(strings.TrimSpace(s))
	if err != nil {
		return -1
	}
	return n
}

// version reads the hidden field that every form about a row has. None is 0, which no row has.
func version(c echo.Context) uint32 {
	n, _ := strconv.ParseUint(c.Request().PostForm.Get("version"), 10, 32)
	return uint32(n)
}

// rowID reads the id in the path. What is no id is not found.
func rowID(c echo.Context) (uint64, error) {
	id, err := strconv.ParseUint(c.Param("id"), 10, 63)
	if err != nil || id == 0 {
		return 0, echo.ErrNotFound
	}
	return id, nil
}

// conflict shows two people's versions of one row, side by side.
type conflict struct {
	layout
	Heading string
	Text    string // instead of rows, where nothing was typed
	Rows    []conflictRow
	Action  string
	Version uint32 // with which saving is possible now
	Hidden  []field
	Submit  string
	Keep    string // where to go when the other version stays
}

type conflictRow struct {
	Label, Yours, Theirs string
}

// Differs tells whether there is something to decide.
func (r conflictRow) Differs() bool { return r.Yours != r.Theirs }

// showConflict answers a stale save: mine is the form as it was sent, theirs as the row is now.
func (s *Server) showConflict(c echo.Context, mine, theirs form) error {
	page := conflict{layout: mine.layout, Heading: "Somebody else was quicker", Action: mine.Action,
		Version: theirs.Version,
		Hidden:  mine.Fields, Submit: "Save my version", Keep: mine.Cancel}
	page.Title, page.Failed = page.Heading, true
	for i, f := range mine.Fields {
		page.Rows = append(page.Rows, conflictRow{Label: f.Label, Yours: f.Value, Theirs: theirs.Fields[i].Value})
	}
	return s.render(c, http.StatusConflict, "conflict", page)
}

// removal asks before something is deleted.
type removal struct {
	layout
	Heading string
	Text    string
	Action  string
	Version uint32
	Submit  string
	Cancel  string
	Problem string
	GameID  uint64 // whose queue is in the way
	Waiting int
}
