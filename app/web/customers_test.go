package web_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
)

func TestCustomers(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	g, other := s.game("Azul", 1), s.game("Hive", 1)
	b := s.signedIn()
	reserve := func(name, table, want string) {
		t.Helper()
		p := b.get(fmt.Sprintf("/customers/new?game=%d", g.ID))
		if got := p.Find("#game").AttrOr("value", ""); got != "Azul" {
			t.Errorf("got game %q in the form", got)
		}
		b.submit("/customers", url.Values{"name": {name}, "table": {table}}).want(t, 200, want)
	}
	reserve("Ann", "1", "Reserved Azul for Ann at table 1: there is a copy, play!")
	reserve("Bob <i>", "2", "Reserved Azul for Bob <i> at table 2: next in line.")
	reserve("محمد 🎲", "3", "1 customer waits before.")
	b.get("/").want(t, 200, "Ann 1 Azul ▶ Playing #1", "Bob <i> 2 Azul ★ Next #2", "محمد 🎲 3 Azul Waiting #3",
		"Bob <i>, table 2 of 2 waiting")

	ann := strings.TrimSuffix(b.page.Find(`form[action$="/finish"]`).First().AttrOr("action", ""), "/finish")
	b.submit(ann+"/finish", nil).want(t, 200, "Ann at table 1 has finished with Azul.", "Bob <i> 2 Azul ▶ Playing #1")
	b.submit(ann+"/restore", nil).want(t, 200, "in the same place", "Ann 1 Azul ▶ Playing #1")

	b.get(ann+"/edit").want(t, 200, "Edit reservation")
	b.submit(ann+"/update", url.Values{"name": {"Anna"}, "table": {"9"}}).want(t, 200, "Saved Anna at table 9.",
		"Anna 9 Azul ▶ Playing #1")
	b.get(ann + "/edit")
	b.submit(ann+"/update", url.Values{"game": {"hivé"}}).want(t, 200,
		"Anna at table 9 now stands at the end of the queue for Hive: there is a copy, play!")
	b.get(ann+"/remove").want(t, 200, "Delete the reservation of Anna?", "loses place 1 in the queue for Hive")
	b.submit(ann+"/remove", nil).want(t, 200, "Deleted the reservation of Anna.")
	b.get(ann+"/edit").want(t, 404)
	b.get(ann+"/remove").want(t, 404)
	for _, what := range []string{"/update", "/finish", "/restore", "/remove"} {
		b.get("/games/new")
		b.post(ann+what, url.Values{}).want(t, 404)
	}
	b.get(fmt.Sprintf("/games/%d", other.ID)).want(t, 200, "Nobody has reserved it.")
	b.get("/customers?q=bob").want(t, 200, "1 reservation", "Bob <i>")
}

func TestCustomerForm(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	g := s.game("Azul", 1)
	b := s.signedIn()
	valid := url.Values{"name": {"Ann"}, "table": {"1"}, "game": {"azul"}}
	for _, test := range []struct{ name, field, value, want string }{
		{"ErrName", "name", " \u200b ", "Enter the customer’s name"},
		{"ErrNameLong", "name", strings.Repeat("x", 101), "Shorten the name to 100 characters"},
		{"ErrTable", "table", "201", "Enter a table number from 1 to 200"},
		{"ErrTableText", "table", "one", "Enter a table number from 1 to 200"},
		{"ErrGameMissing", "game", "", "Choose a game of the library"},
		{"ErrGameUnknown", "game", "Chess", "No game has this name"},
		{"ErrGamePart", "game", "zu", "Is it “Azul”?"},
		{"ErrGameLong", "game", strings.Repeat("x", 500), "No game has this name"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b.get("/customers/new")
			p := b.submit("/customers", url.Values{"name": valid["name"], "table": valid["table"], "game": valid["game"],
				test.field: {test.value}})
			p.want(t, 422, "There is a problem", test.want)
			if got := p.Find("#"+test.field).AttrOr("value", ""); got != test.value {
				t.Errorf("got %q in the field, want what was typed", got)
			}
		})
	}
	t.Run("ErrTwice", func(t *testing.T) {
		b.get("/customers/new")
		b.submit("/customers", valid).want(t, 200, "Reserved Azul for Ann")
		b.get("/customers/new")
		b.submit("/customers", valid).want(t, 409, "Ann at table 1 has already reserved Azul (place 1 in the queue).",
			"Reserve a second time")
		b.submit("/customers", url.Values{"again": {"yes"}}).want(t, 200, "Reserved Azul for Ann at table 1: next in line.")
	})
	t.Run("ErrEdit", func(t *testing.T) {
		c := s.customer("Bob", 2, g.ID)
		b.get(fmt.Sprintf("/customers/%d/edit", c.ID))
		b.submit(fmt.Sprintf("/customers/%d/update", c.ID), url.Values{"table": {""}}).want(t, 422, "Enter a table number")
		b.submit(fmt.Sprintf("/customers/%d/update", c.ID), url.Values{"table": {"3"}}).want(t, 200, "Saved Bob at table 3.")
	})
}

func TestCustomerConflict(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	g := s.game("Azul", 1)
	c := s.customer("Ann", 1, g.ID)
	path := fmt.Sprintf("/customers/%d", c.ID)
	anna, bob := s.signedIn(), s.signedIn()

	anna.get(path + "/edit")
	bob.get(path + "/edit")
	bob.submit(path+"/update", url.Values{"table": {"5"}}).want(t, 200, "Saved Ann at table 5.")
	p := anna.submit(path+"/update", url.Values{"name": {"Anne"}})
	p.want(t, 409, "Somebody else was quicker", "Anne", "Ann")
	anna.submit(path+"/update", nil).want(t, 200, "Saved Anne at table 1.")

	anna.get("/")
	bob.get("/")
	bob.submit(path+"/finish", nil)
	anna.submit(path+"/finish", nil).want(t, 409, "Nothing was changed.", "Anne at table 1 has finished with Azul")

	c = s.customer("Cid", 1, g.ID)
	path = fmt.Sprintf("/customers/%d", c.ID)
	anna.get(path + "/remove")
	bob.get(path + "/edit")
	bob.submit(path+"/update", url.Values{"table": {"5"}})
	anna.submit(path+"/remove", nil).want(t, 409, "Somebody else has changed it", "table 5")
	anna.submit(path+"/remove", nil).want(t, 200, "Deleted the reservation of Cid.")
}
