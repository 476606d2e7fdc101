package web

import (
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"path"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
)

//go:embed templates
var templateFiles embed.FS

// pages holds a template set for each page: the layout, the shared parts and the page itself.
// One set for all would let the last page's "content" win.
type pages map[string]*template.Template

func parsePages(a *assets) (pages, error) {
	all, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil {
		return nil, err
	}
	set := pages{}
	for _, file := range all {
		name := strings.TrimSuffix(path.Base(file), ".html")
		if name == "layout" || name == "parts" {
			continue
		}
		t := template.New("layout.html").Option("missingkey=error").Funcs(template.FuncMap{
			"asset": a.url, "ago": ago, "clock": clock, "iso": iso, "plural": plural,
		})
		if set[name], err = t.ParseFS(templateFiles, "templates/layout.html", "templates/parts.html", file); err != nil {
			return nil, fmt.Errorf("templates: %w", err)
		}
	}
	return set, nil
}

// layout is what every page shows around its content. Page structs embed it.
type layout struct {
	Title   string
	Failed  bool // the page shows a problem, and its title says so
	Section string
	Staff   string
	Token   string
	Here    string // this page's own address, to come back to
	Flash   *flash
	Now     time.Time
	Release string
	Request string // id
}

func (s *Server) layout(c echo.Context, title string) layout {
	v := sessionOf(c)
	l := layout{Title: title, Staff: v.Staff, Here: c.Request().URL.RequestURI(), Now: s.Now(), Release: s.Release,
		Request: requestID(c)}
	if v.ID != "" {
		l.Token = s.sessions.token(v.ID)
	}
	if v.Staff != "" {
		l.Flash = s.takeFlash(c)
	}
	switch section, _, _ := strings.Cut(strings.TrimPrefix(c.Path(), "/"), "/"); section {
	case "games", "customers":
		l.Section = section
	case "":
		if c.Path() == "/" {
			l.Section = "index"
		}
	}
	return l
}

// render writes a page only when all of it could be made.
func (s *Server) render(c echo.Context, status int, name string, page any) error {
	var b strings.Builder
	if err := s.pages[name].Execute(&b, page); err != nil {
		return fmt.Errorf("page %s: %w", name, err)
	}
	return c.HTML(status, b.String())
}

// ago says how long before now a time was, as people do.
func ago(t, now time.Time) string {
	d := now.Sub(t)
	switch {
	case d < time.Minute:
		return "just now"
	case d < time.Hour:
		return fmt.Sprintf("%d min ago", int(d.Minutes()))
	case d < 24*time.Hour:
		return fmt.Sprintf("%d h %d min ago", int(d.Hours()), int(d.Minutes())%60)
	default:
		return plural(int(d.Hours()/24), "day", "days") + " ago"
	}
}

// clock is the exact time, where no script puts it into the browser's own zone.
func clock(t time.Time) string { return t.UTC().Format("2 Jan 15:04:05") + " UTC" }

func iso(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
