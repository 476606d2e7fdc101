package web

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gorilla/securecookie"
	"github.com/labstack/echo/v4"

	"boardcafe/app/cafe"
)

// session is what the signed cookie holds. A visitor has one too, before signing in, because the
// sign-in form is protected like any other.
type session struct {
	ID    string // random; new at each sign-in, over at sign-out
	Staff string // empty for a visitor
	Proof string // fits the password that the account had, see [Staff.proof]
}

// sessions reads and writes the cookies. Every replica has the same key: stored is only which sessions were
// ended before their time.
type sessions struct {
	codec  *securecookie.SecureCookie
	key    []byte
	prefix string // "__Host-" keeps sibling hosts from planting one; it takes https
	secure bool
}

func newSessions(key []byte, https bool) *sessions {
	codec := securecookie.New(key, nil)
	codec.MaxAge(int(cafe.SessionLife / time.Second))
	codec.SetSerializer(securecookie.JSONEncoder{})
	s := &sessions{codec: codec, key: key, secure: https}
	if https {
		s.prefix = "__Host-"
	}
	return s
}

func (s *sessions) set(c echo.Context, name string, value any, life time.Duration) error {
	encoded, err := s.codec.Encode(name, value)
	if err != nil {
		return err
	}
	s.write(c, name, encoded, int(life/time.Second))
	return nil
}

func (s *sessions) get(c echo.Context, name string, value any) bool {
	cookie, err := c.Cookie(s.prefix + name)
	return err == nil && s.codec.Decode(name, cookie.Value, value) == nil
}

func (s *sessions) clear(c echo.Context, name string) { s.write(c, name, "", -1) }

func (s *sessions) write(c echo.Context, name, value string, maxAge int) {
	c.SetCookie(&http.Cookie{Name: s.prefix + name, Value: value, Path: "/", MaxAge: maxAge,
		Secure: s.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

// token is the CSRF token of a session: nobody can compute it who does not have the key.
func (s *sessions) token(id string) string {
	mac := hmac.New(sha256.New, s.key)
	mac.Write([]byte("csrf:" + id))
	return hex.EncodeToString(mac.Sum(nil))
}

const sessionCookie = "cafe_session"

// session reads the session of a request. A visitor gets one with the sign-in page. Whoever is signed in costs
// a look at the sessions that were ended, and none is believed while the database cannot tell.
func (s *Server) session(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		var v session
		if sameForAll(c.Path()) || !s.sessions.get(c, sessionCookie, &v) {
			return next(c)
		}
		if v.Staff != "" && !s.Staff.holds(v.Staff, v.Proof) {
			v = session{} // the account is gone or has another password
		}
		if v.Staff != "" {
			ended, err := s.Store.SessionEnded(c.Request().Context(), v.ID)
			if err != nil {
				return err
			}
			if ended {
				v = session{}
			}
		}
		c.Set(sessionCookie, v)
		return next(c)
	}
}

// sameForAll tells whether a route answers everybody alike, so that nobody has to look at a session.
func sameForAll(route string) bool {
	switch route {
	case "/healthz", "/readyz", "/metrics", "/static/:hash/:name":
		return true
	}
	return false
}

func sessionOf(c echo.Context) session {
	v, _ := c.Get(sessionCookie).(session)
	return v
}

// begin starts a new session for a member of staff, or for a visitor when the name is empty. Whose session it
// replaces is signed out.
func (s *Server) begin(c echo.Context, staff string) error {
	if err := s.end(c); err != nil {
		return err
	}
	v := session{ID: rand.Text(), Staff: staff, Proof: s.Staff.proof(staff)}
	c.Set(sessionCookie, v)
	return s.sessions.set(c, sessionCookie, v, cafe.SessionLife)
}

// end ends the session of whoever is signed in, at every replica and for every copy of the cookie. After an
// error nothing may say so: it may go on.
func (s *Server) end(c echo.Context) error {
	if v := sessionOf(c); v.Staff != "" {
		return s.Store.EndSession(c.Request().Context(), v.ID)
	}
	return nil
}

// requireStaff sends whoever is not signed in to the sign-in page, and from there back.
func (s *Server) requireStaff(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if sessionOf(c).Staff != "" {
			return next(c)
		}
		back := c.Request().URL.RequestURI()
		if c.Request().Method != http.MethodGet {
			back = refererPath(c.Request())
		}
		return c.Redirect(http.StatusSeeOther, "/signin?next="+url.QueryEscape(back))
	}
}

// refererPath is the page that a form was sent from.
func refererPath(r *http.Request) string {
	u, err := url.Parse(r.Referer())
	if err != nil || u.Host != r.Host {
		return "/"
	}
	return localPath(u.RequestURI())
}

// localPath returns a path of this site, and the index for anything else: a link with another
// site's address must not lead there by way of ours.
func localPath(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "" || u.Host != "" || !strings.HasPrefix(s, "/") ||
		strings.HasPrefix(s, "//") || strings.ContainsAny(s, "\\\r\n\t") {
		return "/"
	}
	return s
}

// requireToken refuses a form that does not carry the token of the session.
func (s *Server) requireToken(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if err := c.Request().ParseForm(); err != nil {
			// What the body limit says comes out here when the length was not announced.
			if isTooLarge(err) {
				return echo.ErrStatusRequestEntityTooLarge
			}
			return echo.NewHTTPError(http.StatusBadRequest).SetInternal(err)
		}
		id := sessionOf(c).ID
		if id == "" || !hmac.Equal([]byte(c.Request().PostForm.Get("csrf")), []byte(s.sessions.token(id))) {
			return echo.NewHTTPError(http.StatusForbidden)
		}
		return next(c)
	}
}

func isTooLarge(err error) bool {
	e, ok := err.(*echo.HTTPError)
	return ok && e.Code == http.StatusRequestEntityTooLarge
}
