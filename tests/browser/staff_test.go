package browser_test

import (
	"strings"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

func TestStaff(t *testing.T) {
	t.Run("at the counter, with scripts", func(t *testing.T) {
		t.Parallel()
		evening(t, visit(t, desktop, true), " (scripts)")
	})
	t.Run("on a phone, without scripts", func(t *testing.T) {
		t.Parallel()
		evening(t, visit(t, phone, false), " (plain)")
	})
}

// evening is what staff do, from sign-in to sign-out. Two of them work in one café at once, so each
// marks names as mine.
func evening(t *testing.T, v *visitor, mine string) {
	game, renamed := "Brass <i>& Co</i> 🎲"+mine, "Brass & “Co”"+mine
	ada, ben := "Ada O’Neil"+mine, "בן"+mine

	// Sign-in is the way to every page, and leads back to where one was going.
	v.open("/customers")
	v.reads(v.text(), "Sign in")
	v.fill("Name", "somebody"+mine) // not staff: the pause after a wrong password would be for all tests
	v.fill("Password", "wrong")
	v.clickFor(422, "Sign in")
	v.reads(v.text(), "The name or the password is wrong")
	v.signIn()
	v.reads(v.text(), "Reservations", "Anna", "Azul")

	// A game, at the second try.
	v.click("Games")
	v.click("Add a game")
	v.fill("Copies", "0")
	v.clickFor(422, "Add the game")
	v.reads(v.text(), "There is a problem", "Enter the name of the game", "Enter how many copies there are, from 1 to 99")
	v.fill("Name", game)
	v.fill("Copies", "1")
	v.fill("Players, from", "2")
	v.fill("Players, to", "4")
	v.fill("Minutes", "120")
	v.click("Add the game")
	v.reads(v.text(), "Added "+game+".", "1, 0 out, 1 free", "Nobody has reserved it.")

	// Two customers: one copy, so the second waits.
	reserve := func(name, table string) {
		t.Helper()
		v.fill("Customer", name)
		v.fill("Table", table)
		v.click("Reserve")
	}
	v.click("Reserve it")
	reserve(ada, "11")
	v.reads(v.text(), "Reserved "+game+" for "+ada+" at table 11: there is a copy, play!")
	v.click("Reserve " + game)
	reserve(ben, "12")
	v.reads(v.text(), "Reserved "+game+" for "+ben+" at table 12: next in line.")
	v.reads(v.row(ada), "▶ Playing #1", game, "just now")
	v.reads(v.row(ben), "★ Next #2", game, "just now")
	v.reads(v.row(game), "all out", ben)

	// The copy comes back: the next moves up at once. Undone, all is as before.
	v.click("Finish " + ada + " at table 11")
	v.reads(v.text(), ada+" at table 11 has finished with "+game)
	v.reads(v.row(ben), "▶ Playing #1")
	v.reads(v.row(game), "nobody waits")
	v.click("Undo")
	v.reads(v.text(), "in the same place")
	v.reads(v.row(ada), "▶ Playing #1")
	v.reads(v.row(ben), "★ Next #2")

	// Another name and table keep the place.
	v.click("Edit " + ada)
	ada = "Ada Lovelace" + mine
	v.fill("Customer", ada)
	v.fill("Table", "13")
	v.click("Save")
	v.reads(v.row(ada), "13", "▶ Playing #1")
	v.reads(v.row(ben), "★ Next #2")

	// Two tabs edit one game: the one that comes second sees both versions and decides.
	v.click(game)
	v.click("Edit")
	other := v.tab()
	other.open(location(v))
	other.fill("Shelf note", "D1")
	other.click("Save")
	v.fill("Name", renamed)
	v.fill("Shelf note", "D2")
	v.clickFor(409, "Save")
	v.reads(v.text(), "Somebody else was quicker", "Your version", "Saved now")
	v.reads(v.row("Name differs"), renamed, game)
	v.reads(v.row("Shelf note differs"), "D2", "D1")
	v.click("Save my version")
	v.reads(v.text(), "Saved "+renamed, "D2")
	v.misses(v.text(), "D1")
	game = renamed

	// A page that is out of date changes nothing: that customer is finished already.
	other.open("/customers")
	v.open("/customers")
	other.click("Finish " + ben + " at table 12")
	v.clickFor(409, "Finish "+ben+" at table 12")
	v.reads(v.text(), "Nothing was changed", "has finished with")
	v.click("Back")
	other.click("Undo")

	// A game that somebody has stays; without its queue it goes.
	v.click("Games")
	v.click("Delete " + game)
	v.reads(v.text(), "2 customers have or wait for this game, so it can’t be deleted.")
	v.click("Show the queue")
	v.reads(v.text(), "▶ Playing #1 "+ada+", table 13", "★ Next #2 "+ben+", table 12")
	v.click("Finish " + ada + " at table 13")
	v.reads(v.text(), "▶ Playing #1 "+ben+", table 12", "Finished in the last day")
	v.click("Now")
	v.click("Delete " + ben)
	v.reads(v.text(), "loses place 1 in the queue for "+game)
	v.click("Delete the reservation")
	v.misses(v.text(), ben+" 12")

	// Found by a part of the name, sorted by its column.
	v.fill("Search", strings.ToUpper(strings.TrimSpace(mine)))
	v.click("Show")
	v.reads(v.text(), game, "1 game")
	v.misses(v.text(), "Catan")
	v.click("Games")
	v.click("Copies")
	v.click("Copies▲")
	v.reads(location(v), "gsort=-copies")

	v.click("Delete " + game)
	v.click("Delete the game")
	v.reads(v.text(), "Deleted "+game+".")

	v.click("Sign out")
	v.reads(v.text(), "Sign in")
	v.open("/games")
	v.misses(v.text(), "Azul")
}

func location(v *visitor) string {
	v.t.Helper()
	url, err := chromedp.Run(v.ctx, chromedp.Location())
	if err != nil {
		v.t.Fatal(err)
	}
	return strings.TrimPrefix(url, address)
}

// The first thing that the keyboard reaches leads past the navigation.
func TestKeyboard(t *testing.T) {
	t.Parallel()
	v := visit(t, desktop, true)
	v.open("/signin")
	v.signIn()
	v.open("/games")
	if got := v.focus(); got != "Skip to the content" {
		t.Fatalf("the first Tab reaches %q", got)
	}
	v.do("press Enter", chromedp.KeyEvent(kb.Enter))
	if got := v.focus(); got != "Add a game" {
		t.Fatalf("after the skip link, Tab reaches %q", got)
	}
	v.load("press Enter", 200, chromedp.KeyEvent(kb.Enter))
	v.reads(v.text(), "Copies")

	// A form with errors begins at its summary, from where a link leads to the field.
	v.clickFor(422, "Add the game")
	v.do("focus the summary", chromedp.WaitReady(chromedp.CSS(".summary:focus")))
	if got := v.focus(); got != "Enter the name of the game" {
		t.Fatalf("after the summary, Tab reaches %q", got)
	}
	// As a keyboard does it: the keydown follows the link, so no character comes after it. One would
	// arrive in the field and send the form.
	for _, event := range []input.DispatchKeyEventType{input.DispatchKeyEventTypeRawKeyDown, input.DispatchKeyEventTypeKeyUp} {
		enter := input.DispatchKeyEventParams{Type: event, Key: "Enter", Code: "Enter", WindowsVirtualKeyCode: 13}
		if _, err := chromedp.Call(v.ctx, input.DispatchKeyEvent, enter); err != nil {
			t.Fatal(err)
		}
	}
	v.do("follow the link", chromedp.WaitReady(chromedp.CSS("#name:focus")))
}

// A name that would get past the escaping still runs nothing. It proves as well that the other
// tests would hear the browser complain.
func TestInlineCodeIsForbidden(t *testing.T) {
	t.Parallel()
	v := visit(t, desktop, true)
	v.open("/signin")
	inject := `document.body.insertAdjacentHTML("beforeend", '<p style="color:red" onclick="1">x</p><img src="x:" onerror="document.title=1">'); 0`
	if _, err := chromedp.Run(v.ctx, chromedp.Evaluate[int](inject)); err != nil {
		t.Fatal(err)
	}
	complaints := strings.Join(v.heard(), "\n")
	for _, want := range []string{"inline style", "inline event handler"} {
		if !strings.Contains(complaints, want) {
			t.Errorf("no complaint about an %s in:\n%s", want, complaints)
		}
	}
}
