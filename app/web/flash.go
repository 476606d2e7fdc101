package web

import (
	"time"

	"github.com/labstack/echo/v4"
)

const flashCookie = "cafe_flash"

// flash is one sentence about what has just happened, shown on the next page.
type flash struct {
	Text    string
	Alert   bool   // it did not go as wished
	Undo    string // where a form undoes it; empty if nothing can
	Version uint32 // of the row that Undo changes
}

func (s *Server) flash(c echo.Context, f flash) {
	if err := s.sessions.set(c, flashCookie, f, time.Minute); err != nil {
		s.Log.Warn("flash", "error", err)
	}
}

// takeFlash returns the flash once.
func (s *Server) takeFlash(c echo.Context) *flash {
	var f flash
	if !s.sessions.get(c, flashCookie, &f) {
		return nil
	}
	s.sessions.clear(c, flashCookie)
	return &f
}
