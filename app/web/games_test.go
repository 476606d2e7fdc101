package web_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
)

// azul is a form as staff fill it in.
func azul() url.Values {
	return url.Values{"name": {"Azul"}, "copies": {"2"}, "min_players": {"2"}, "max_players": {"4"}, "minutes": {"45"},
		"shelf": {"A1"}}
}

func TestGames(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.signedIn()
	b.get("/").want(t, 200, "The library is empty", "Nobody has reserved a game")
	b.get("/games/new").want(t, 200, "Add a game")
	p := b.submit("/games", azul())
	p.want(t, 200, "Added Azul.", "2, 0 out, 2 free", "2 to 4", "Nobody has reserved it.")
	path := p.path
	b.get("/").want(t, 200, "Azul", "nobody waits")
	if strings.Contains(b.page.body, "Added Azul.") {
		t.Error("the flash was shown twice")
	}

	b.get(path+"/edit").want(t, 200, "Edit game")
	p = b.submit(path+"/update", url.Values{"name": {"Azul ✕ <b>2</b>"}, "shelf": {""}})
	p.want(t, 200, "Saved Azul ✕ <b>2</b>.")

	b.get(path+"/remove").want(t, 200, "Delete Azul ✕ <b>2</b>?", "for good")
	b.submit(path+"/remove", nil).want(t, 200, "Deleted Azul ✕ <b>2</b>.", "The library is empty")
	b.get(path).want(t, 404, "There is nothing here")
	b.get(path+"/edit").want(t, 404)
	b.get(path+"/remove").want(t, 404)
	b.get("/customers/new?game="+strings.TrimPrefix(path, "/games/")).want(t, 404)
	b.get("/games/new")
	b.post(path+"/update", azul()).want(t, 404)
	b.get("/games/new")
	b.post(path+"/remove", url.Values{}).want(t, 404)
}

func TestGameForm(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.signedIn()
	other := s.game("Café Noir", 1)
	for _, test := range []struct {
		name, field, value string
		status             int
		want               string
	}{
		{"ErrNameMissing", "name", "", 422, "Enter the name of the game"},
		{"ErrNameSpaces", "name", "   ", 422, "Enter the name of the game"},
		{"ErrNameLong", "name", strings.Repeat("ä", 151), 422, "Shorten the name to 150 characters"},
		{"ErrNameTaken", "name", " CAFE  NOIR ", 409, "There is a game called “Café Noir” already"},
		{"ErrCopiesNone", "copies", "0", 422, "from 1 to 99"},
		{"ErrCopiesNegative", "copies", "-1", 422, "from 1 to 99"},
		{"ErrCopiesMany", "copies", "99999999999999999999", 422, "from 1 to 99"},
		{"ErrPlayersText", "min_players", "two", 422, "Enter the fewest players"},
		{"ErrPlayersMissing", "max_players", "", 422, "Enter the most players"},
		{"ErrPlayersReversed", "max_players", "1", 422, "can’t be fewer"},
		{"ErrMinutes", "minutes", "1.5", 422, "playing time in minutes"},
		{"ErrShelf", "shelf", strings.Repeat("x", 201), 422, "Shorten the shelf note"},
	} {
		t.Run(test.name, func(t *testing.T) {
			form := azul()
			form.Set(test.field, test.value)
			b.get("/games/new")
			p := b.submit("/games", form)
			p.want(t, test.status, "There is a problem", test.want)
			input := p.Find("#" + test.field)
			if got := input.AttrOr("value", ""); got != test.value {
				t.Errorf("got %q in the field, want what was typed", got)
			}
			if input.AttrOr("aria-invalid", "") != "true" || p.Find("#"+test.field+"-problem").Length() != 1 ||
				p.Find(`.summary a[href="#`+test.field+`"]`).Length() != 1 {
				t.Errorf("the words are not beside the field and in the summary")
			}
			if test.status == 409 && p.Find(fmt.Sprintf(`.summary a[href="/games/%d"]`, other.ID)).Length() != 1 {
				t.Error("no link to the other game")
			}
		})
	}
	b.get(fmt.Sprintf("/games/%d/edit", other.ID))
	b.submit(fmt.Sprintf("/games/%d/update", other.ID), url.Values{"copies": {"x"}}).want(t, 422, "from 1 to 99")
	b.get("/games").want(t, 200, "1 game")
}

func TestGameConflict(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	g := s.game("Azul", 1)
	path := fmt.Sprintf("/games/%d", g.ID)
	anna, bob := s.signedIn(), s.signedIn()
	anna.get(path + "/edit")
	bob.get(path + "/edit")
	bob.submit(path+"/update", url.Values{"copies": {"7"}}).want(t, 200, "Saved Azul.")

	p := anna.submit(path+"/update", url.Values{"shelf": {"B2"}})
	p.want(t, 409, "Somebody else was quicker", "Your version", "Saved now")
	if got := p.Find(".differs").Length(); got != 2 {
		t.Errorf("got %d rows that differ, want copies and shelf", got)
	}
	anna.get(path).want(t, 200, "7, 0 out", "A1")
	anna.get(path + "/edit")
	bob.get(path + "/edit")
	bob.submit(path+"/update", url.Values{"copies": {"8"}})
	anna.submit(path+"/update", url.Values{"shelf": {"B2"}})
	anna.submit(path+"/update", nil).want(t, 200, "Saved Azul.", "7, 0 out", "B2")

	anna.get(path + "/remove")
	bob.get(path + "/edit")
	bob.submit(path+"/update", url.Values{"copies": {"9"}})
	anna.submit(path+"/remove", nil).want(t, 409, "Somebody else has changed it")
	anna.submit(path+"/remove", nil).want(t, 200, "Deleted Azul.")
}

func TestGameWithQueue(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	g := s.game("Azul", 1)
	b := s.signedIn()
	path := fmt.Sprintf("/games/%d", g.ID)
	b.get(path + "/remove")
	s.customer("Ann", 1, g.ID)
	s.customer("Bob", 2, g.ID)
	p := b.submit(path+"/remove", nil)
	p.want(t, 409, "2 customers have or wait for this game")
	if p.Find(`a[href="`+path+`#queue"]`).Length() != 1 {
		t.Error("no link to the queue")
	}
	b.get(path+"/remove").want(t, 200, "2 customers")
	b.get(path).want(t, 200, "▶ Playing #1 Ann", "★ Next #2 Bob")
}
