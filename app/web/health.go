package web

import (
	"context"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
)

// CheckHeader is what a container's own health check sends to /healthz. It comes back from the second check on:
// then the container is known to be healthy, and the check may take its time.
const CheckHeader = "X-Check"

// healthz says that the process lives. It does not ask the database: whatever watches it would
// restart every replica for a fault that a restart does not mend. The server listens only after
// the database has answered once, so that a new container is healthy when it can serve.
func (s *Server) healthz(c echo.Context) error {
	if c.Request().Header.Get(CheckHeader) != "" && s.checked.Swap(true) {
		c.Response().Header().Set(CheckHeader, "again")
	}
	return c.String(http.StatusOK, "ok\n")
}

// readyPatience is for the database's answer. One that is busy is not away: whoever asks gives an
// answer some seconds too.
const readyPatience = 3 * time.Second

// readyz says whether requests should be sent here now.
func (s *Server) readyz(c echo.Context) error {
	if s.draining.Load() {
		return c.String(http.StatusServiceUnavailable, "draining\n")
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), readyPatience)
	defer cancel()
	if err := s.Store.Ping(ctx); err != nil {
		s.Log.Warn("not ready", "error", err)
		return c.String(http.StatusServiceUnavailable, "database not reachable\n")
	}
	if err := s.Store.CheckSchema(ctx); err != nil {
		s.Log.Warn("not ready", "error", err)
		return c.String(http.StatusServiceUnavailable, "schema not current\n")
	}
	return c.String(http.StatusOK, "ready\n")
}
