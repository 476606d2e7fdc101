package web

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"

	"github.com/labstack/echo/v4"
)

//go:embed static
var staticFiles embed.FS

// assets are the static files. Their URLs hold a hash of what is in them, so that a browser keeps
// them for good and a new release's are new.
type assets struct {
	content map[string][]byte
	hash    map[string]string
}

func newAssets() (*assets, error) {
	a := &assets{content: map[string][]byte{}, hash: map[string]string{}}
	files, err := fs.ReadDir(staticFiles, "static")
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		content, err := staticFiles.ReadFile("static/" + file.Name())
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(content)
		a.content[file.Name()], a.hash[file.Name()] = content, hex.EncodeToString(sum[:6])
	}
	return a, nil
}

// url is for templates; a name that is not there stops the start.
func (a *assets) url(name string) (string, error) {
	hash, ok := a.hash[name]
	if !ok {
		return "", fmt.Errorf("no static file %q", name)
	}
	return "/static/" + hash + "/" + name, nil
}

func (s *Server) asset(c echo.Context) error {
	name := c.Param("name")
	content, ok := s.assets.content[name]
	if !ok {
		return echo.ErrNotFound
	}
	// During a rolling update a page of one release may ask the other: it gets that one's file,
	// but does not keep it.
	if c.Param("hash") == s.assets.hash[name] {
		c.Response().Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	return c.Blob(http.StatusOK, mime.TypeByExtension(path.Ext(name)), content)
}
