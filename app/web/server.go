// Package web is the café in a browser: routes, forms, pages and sessions. Everything works with
// plain HTML forms; the rules are those of app/cafe.
package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"boardcafe/app/cafe"
)

// Store is what the pages need of the storage. Errors are those of app/cafe.
type Store interface {
	Games(context.Context, cafe.GameFilter) (cafe.Page[cafe.GameStatus], error)
	Game(ctx context.Context, id uint64) (cafe.GameStatus, error)
	FindGame(ctx context.Context, name string) (id uint64, err error)
	GameNames(ctx context.Context, query string, limit int) ([]string, error)
	CreateGame(context.Context, *cafe.Game) error
	UpdateGame(context.Context, *cafe.Game) error
	DeleteGame(ctx context.Context, id uint64, version uint32) error

	Customers(context.Context, cafe.CustomerFilter) (cafe.Page[cafe.Reservation], error)
	Customer(ctx context.Context, id uint64) (cafe.Reservation, error)
	Queue(ctx context.Context, game uint64) ([]cafe.Reservation, error)
	Finished(ctx context.Context, game uint64) ([]cafe.Reservation, error)
	CreateCustomer(ctx context.Context, c *cafe.Customer, again bool) error
	UpdateCustomer(ctx context.Context, c *cafe.Customer) (moved bool, err error)
	FinishCustomer(ctx context.Context, id uint64, version uint32) error
	RestoreCustomer(ctx context.Context, id uint64, version uint32) error
	DeleteCustomer(ctx context.Context, id uint64, version uint32) error

	BeginSignIn(ctx context.Context, name, address string) error
	EndSignIn(ctx context.Context, name, address string) error
	EndSession(ctx context.Context, id string) error
	SessionEnded(ctx context.Context, id string) (bool, error)

	Ping(context.Context) error
	CheckSchema(context.Context) error
}

// Config is what the pages need to know besides the data.
type Config struct {
	Store          Store
	Staff          Staff
	SessionKey     []byte // at least 32 bytes
	HTTPS          bool   // browsers reach the café by https: cookies are Secure
	TrustedProxies []*net.IPNet
	Release        string
	Log            *slog.Logger
	Metrics        *prometheus.Registry
	Now            func() time.Time // for "12 min ago"
}

// Server serves the café. Make it with [New].
type Server struct {
	Config
	echo      *echo.Echo
	sessions  *sessions
	pages     pages
	assets    *assets
	absent    []byte // see [absentHash]
	turnstile *turnstile
	draining  atomic.Bool
	checked   atomic.Bool // a container's health check has been answered
}

// bodyLimit is far more than any form here holds.
const bodyLimit = "256K"

// requestTimeout ends the work for a request; the server's write timeout is longer, so that the
// answer still says so.
const requestTimeout = 10 * time.Second

// New prepares a server. It fails when a template is broken, never later.
func New(c Config) (*Server, error) {
	s := &Server{Config: c, echo: echo.New(), sessions: newSessions(c.SessionKey, c.HTTPS), absent: absentHash(),
		turnstile: newTurnstile()}
	var err error
	if s.assets, err = newAssets(); err != nil {
		return nil, err
	}
	if s.pages, err = parsePages(s.assets); err != nil {
		return nil, err
	}
	e := s.echo
	e.HideBanner, e.HidePort = true, true
	e.Logger.SetOutput(io.Discard)
	e.HTTPErrorHandler = s.showError
	e.IPExtractor = clientAddress(c.TrustedProxies)
	e.Server.ReadHeaderTimeout = 5 * time.Second
	e.Server.ReadTimeout = 15 * time.Second
	e.Server.WriteTimeout = 30 * time.Second
	e.Server.IdleTimeout = 90 * time.Second // longer than the proxy keeps a connection, or it meets a closed one
	e.Server.MaxHeaderBytes = 32 << 10

	e.Use(
		middleware.RequestID(),
		s.observe(),
		s.logRequests(),
		middleware.RecoverWithConfig(middleware.RecoverConfig{
			DisableStackAll: true,
			LogErrorFunc: func(c echo.Context, err error, stack []byte) error {
				s.Log.Error("panic", "error", err, "stack", string(stack), "request_id", requestID(c))
				return err
			},
		}),
		s.headers,
		middleware.BodyLimit(bodyLimit),
		middleware.ContextTimeout(requestTimeout),
		s.session,
	)
	s.routes()
	return s, nil
}

// routes is the list of all there is. Whatever changes something is a POST.
func (s *Server) routes() {
	e, staff, csrf := s.echo, s.requireStaff, s.requireToken

	e.GET("/healthz", s.healthz)
	e.GET("/readyz", s.readyz)
	e.GET("/metrics", echo.WrapHandler(promhttp.HandlerFor(s.Metrics, promhttp.HandlerOpts{})))
	e.GET("/static/:hash/:name", s.asset)

	e.GET("/signin", s.showSignIn)
	e.POST("/signin", s.signIn, csrf)
	e.POST("/signout", s.signOut, staff, csrf)

	e.GET("/", s.index, staff)

	e.GET("/games", s.listGames, staff)
	e.GET("/games/new", s.newGame, staff)
	e.POST("/games", s.createGame, staff, csrf)
	e.GET("/games/:id", s.showGame, staff)
	e.GET("/games/:id/edit", s.editGame, staff)
	e.POST("/games/:id/update", s.updateGame, staff, csrf)
	e.GET("/games/:id/remove", s.confirmRemoveGame, staff)
	e.POST("/games/:id/remove", s.removeGame, staff, csrf)

	e.GET("/customers", s.listCustomers, staff)
	e.GET("/customers/new", s.newCustomer, staff)
	e.POST("/customers", s.createCustomer, staff, csrf)
	e.GET("/customers/:id/edit", s.editCustomer, staff)
	e.POST("/customers/:id/update", s.updateCustomer, staff, csrf)
	e.POST("/customers/:id/finish", s.finishCustomer, staff, csrf)
	e.POST("/customers/:id/restore", s.restoreCustomer, staff, csrf)
	e.GET("/customers/:id/remove", s.confirmRemoveCustomer, staff)
	e.POST("/customers/:id/remove", s.removeCustomer, staff, csrf)
}

// ServeHTTP answers one request; HEAD wherever there is GET (RFC 9110, 9.3.2), which echo routes apart.
// net/http knows the request that came, and sends no body.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodHead {
		get := *r
		get.Method = http.MethodGet
		r = &get
	}
	s.echo.ServeHTTP(w, r)
}

// shutdownTimeout is how long requests that run at the end of the drain may take.
const shutdownTimeout = 15 * time.Second

// Serve answers on a listener until the context ends. Then it drains: /readyz says 503 while
// requests are still served for the given time, so that a proxy which has not yet heard of the
// end loses none; after that it takes no more and waits for those under way.
func (s *Server) Serve(ctx context.Context, listener net.Listener, drain time.Duration) error {
	s.echo.Server.Handler = s
	var unread unread
	s.echo.Server.ConnState = unread.note
	failed := make(chan error, 1)
	go func() { failed <- s.echo.Server.Serve(listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	s.draining.Store(true)
	s.Log.Info("draining", "for", drain.String())
	time.Sleep(drain)
	if err := refuseNew(listener); err != nil {
		s.Log.Warn("requests of the last moment may be cut off", "error", err)
	}
	unread.wait()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	// Serve returns at once when this begins: it is this call that waits for the requests.
	if err := s.echo.Server.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("requests were cut off: %w", err), s.echo.Server.Close())
	}
	s.Log.Info("stopped")
	return nil
}

// unread are the connections of which no request has been read yet. net/http drops those that it reads
// after Shutdown began.
type unread struct{ connections sync.Map }

func (u *unread) note(c net.Conn, state http.ConnState) {
	if state == http.StateNew {
		u.connections.Store(c, nil)
	} else {
		u.connections.Delete(c)
	}
}

// wait returns when there has been none for a while, at the latest after some seconds: somebody may have
// connected who never asks. The while is counted in looks, as a machine that is too busy to run the server
// does not run this either.
func (u *unread) wait() {
	const looks, every, longest = 10, 25 * time.Millisecond, 3 * time.Second
	for begun, none := time.Now(), 0; none < looks && time.Since(begun) < longest; time.Sleep(every) {
		none++
		u.connections.Range(func(any, any) bool { none = 0; return false })
	}
}

// clientAddress believes X-Forwarded-For only from the given networks. Echo's own default takes
// whatever a client sends there.
func clientAddress(trusted []*net.IPNet) echo.IPExtractor {
	if len(trusted) == 0 {
		return echo.ExtractIPDirect()
	}
	options := []echo.TrustOption{echo.TrustLoopback(false), echo.TrustLinkLocal(false), echo.TrustPrivateNet(false)}
	for _, network := range trusted {
		options = append(options, echo.TrustIPRange(network))
	}
	return echo.ExtractIPFromXFFHeader(options...)
}

// headers sets what every answer carries.
func (s *Server) headers(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		h := c.Response().Header()
		h.Set("X-Release", s.Release)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
		// No inline code of any kind: a name that gets past the escaping still cannot run.
		h.Set("Content-Security-Policy",
			"default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; connect-src 'self'; "+
				"form-action 'self'; base-uri 'none'; frame-ancestors 'none'; manifest-src 'self'")
		h.Set("Cache-Control", "no-store") // names of customers; static files set their own
		if s.HTTPS {                       // over plain http a browser ignores both, the second with an error in its console
			h.Set("Strict-Transport-Security", "max-age=31536000")
			h.Set("Cross-Origin-Opener-Policy", "same-origin")
		}
		if s.draining.Load() {
			h.Set("Connection", "close") // a kept connection would be cut at the end of the drain
		}
		return next(c)
	}
}

func requestID(c echo.Context) string { return c.Response().Header().Get(echo.HeaderXRequestID) }
