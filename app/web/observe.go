package web

import (
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// routeOf names what was asked for without what was typed: never the URL, whose query may hold a
// customer's name.
func routeOf(c echo.Context) string {
	if path := c.Path(); path != "" {
		return path
	}
	return "none"
}

// observe counts and times the requests by route.
func (s *Server) observe() echo.MiddlewareFunc {
	factory := promauto.With(s.Metrics)
	seconds := factory.NewHistogramVec(prometheus.HistogramOpts{
		Name: "cafe_http_request_seconds", Help: "Time to answer a request.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
	}, []string{"method", "route", "code"})
	factory.NewGaugeVec(prometheus.GaugeOpts{Name: "cafe_release", Help: "1, labelled with the release."},
		[]string{"release"}).
		WithLabelValues(s.Release).Set(1)
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			start := time.Now()
			if err := next(c); err != nil {
				c.Error(err) // writes the answer, whose status is counted
			}
			seconds.WithLabelValues(knownMethod(c.Request().Method), routeOf(c), strconv.Itoa(c.Response().Status)).
				Observe(time.Since(start).Seconds())
			return nil
		}
	}
}

// knownMethod keeps made-up methods from making a time series each.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost:
		return method
	}
	return "other"
}

// logRequests writes a line for each request, but for the health checks that went well.
func (s *Server) logRequests() echo.MiddlewareFunc {
	return middleware.RequestLoggerWithConfig(middleware.RequestLoggerConfig{
		HandleError: true, LogStatus: true, LogLatency: true, LogMethod: true, LogRoutePath: true,
		LogRemoteIP: true, LogRequestID: true, LogResponseSize: true,
		LogValuesFunc: func(c echo.Context, v middleware.RequestLoggerValues) error {
			level := slog.LevelInfo
			switch {
			case v.Status >= 500:
				level = slog.LevelError
			case v.Status < 400 && (v.RoutePath == "/healthz" || v.RoutePath == "/readyz" || v.RoutePath == "/metrics"):
				level = slog.LevelDebug
			}
			s.Log.Log(c.Request().Context(), level, "request", "method", v.Method, "route", routeOf(c), "status", v.Status,
				"ms", v.Latency.Milliseconds(), "bytes", v.ResponseSize, "address", v.RemoteIP, "request_id", v.RequestID)
			return nil
		},
	})
}
