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
		newEvening(visit(t, desktop, true), " (scripts)").passes()
	})
	t.Run("on a phone, without scripts", func(t *testing.T) {
		t.Parallel()
		newEvening(visit(t, phone, false), " (plain)").passes()
	})
}

// evening is what staff do, from sign-in to sign-out. Two of them work in one café at once, so each
// marks names as mine.
type evening struct {
	*visitor
	mine           string
	game, ada, ben string // the names as they are by now
}

func newEvening(v *visitor, mine string) *evening {
	return &evening{visitor: v, mine: mine,
		game: "Brass <i>& Co</i> 🎲" + mine, ada: "Ada O’Neil" + mine, ben: "בן" + mine}
}

func (e *evening) passes() {
	e.signsIn()
	e.addsAGame()
	e.reserves()
	e.finishesAndUndoes()
	e.edits()
	e.editsInTwoTabs()
	e.finishesWhatIsFinished()
	e.deletesAQueue()
	e.finds()
	e.click("Delete " + e.game)
	e.click("Delete the game")
	e.reads(e.text(), "Deleted "+e.game+".")

	e.click("Sign out")
	e.reads(e.text(), "Sign in")
	e.open("/games")
	e.misses(e.text(), "Azul")
}

// Sign-in is the way to every page, and leads back to where one was going.
func (e *evening) signsIn() {
	e.open("/customers")
	e.reads(e.text(), "Sign in")
	e.fill("Name", "somebody"+e.mine) // not staff: the pause after a wrong password would be for all tests
	e.fill("Password", "wrong")
	e.clickFor(422, "Sign in")
	e.reads(e.text(), "The name or the password is wrong")
	e.signIn()
	e.reads(e.text(), "Reservations", "Anna", "Azul")
}

// A game, at the second try.
func (e *evening) addsAGame() {
	e.click("Games")
	e.click("Add a game")
	e.fill("Copies", "0")
	e.clickFor(422, "Add the game")
	e.reads(e.text(), "There is a problem",
		"Enter the name of the game", "Enter how many copies there are, from 1 to 99")
	e.fill("Name", e.game)
	e.fill("Copies", "1")
	e.fill("Players, from", "2")
	e.fill("Players, to", "4")
	e.fill("Minutes", "120")
	e.click("Add the game")
	e.reads(e.text(), "Added "+e.game+".", "1, 0 out, 1 free", "Nobody has reserved it.")
}

// Two customers: one copy, so the second waits.
func (e *evening) reserves() {
	reserve := func(name, table string) {
		e.t.Helper()
		e.fill("Customer", name)
		e.fill("Table", table)
		e.click("Reserve")
	}
	e.click("Reserve it")
	reserve(e.ada, "11")
	e.reads(e.text(), "Reserved "+e.game+" for "+e.ada+" at table 11: there is a copy, play!")
	e.click("Reserve " + e.game)
	reserve(e.ben, "12")
	e.reads(e.text(), "Reserved "+e.game+" for "+e.ben+" at table 12: next in line.")
	e.reads(e.row(e.ada), "▶ Playing #1", e.game, "just now")
	e.reads(e.row(e.ben), "★ Next #2", e.game, "just now")
	e.reads(e.row(e.game), "all out", e.ben)
}

// The copy comes back: the next moves up at once. Undone, all is as before.
func (e *evening) finishesAndUndoes() {
	e.click("Finish " + e.ada + " at table 11")
	e.reads(e.text(), e.ada+" at table 11 has finished with "+e.game)
	e.reads(e.row(e.ben), "▶ Playing #1")
	e.reads(e.row(e.game), "nobody waits")
	e.click("Undo")
	e.reads(e.text(), "in the same place")
	e.reads(e.row(e.ada), "▶ Playing #1")
	e.reads(e.row(e.ben), "★ Next #2")
}

// Another name and table keep the place.
func (e *evening) edits() {
	e.click("Edit " + e.ada)
	e.ada = "Ada Lovelace" + e.mine
	e.fill("Customer", e.ada)
	e.fill("Table", "13")
	e.click("Save")
	e.reads(e.row(e.ada), "13", "▶ Playing #1")
	e.reads(e.row(e.ben), "★ Next #2")
}

// Two tabs edit one game: the one that comes second sees both versions and decides.
func (e *evening) editsInTwoTabs() {
	renamed := "Brass & “Co”" + e.mine
	e.click(e.game)
	e.click("Edit")
	other := e.tab()
	other.open(location(e.visitor))
	other.fill("Shelf note", "D1")
	other.click("Save")
	e.fill("Name", renamed)
	e.fill("Shelf note", "D2")
	e.clickFor(409, "Save")
	e.reads(e.text(), "Somebody else was quicker", "Your version", "Saved now")
	e.reads(e.row("Name differs"), renamed, e.game)
	e.reads(e.row("Shelf note differs"), "D2", "D1")
	e.click("Save my version")
	e.reads(e.text(), "Saved "+renamed, "D2")
	e.misses(e.text(), "D1")
	e.game = renamed
}

// A page that is out of date changes nothing: that customer is finished already.
func (e *evening) finishesWhatIsFinished() {
	other := e.tab()
	other.open("/customers")
	e.open("/customers")
	other.click("Finish " + e.ben + " at table 12")
	e.clickFor(409, "Finish "+e.ben+" at table 12")
	e.reads(e.text(), "Nothing was changed", "has finished with")
	e.click("Back")
	other.click("Undo")
}

// A game that somebody has stays; without its queue it goes.
func (e *evening) deletesAQueue() {
	e.click("Games")
	e.click("Delete " + e.game)
	e.reads(e.text(), "2 customers have or wait for this game, so it can’t be deleted.")
	e.click("Show the queue")
	e.reads(e.text(), "▶ Playing #1 "+e.ada+", table 13", "★ Next #2 "+e.ben+", table 12")
	e.click("Finish " + e.ada + " at table 13")
	e.reads(e.text(), "▶ Playing #1 "+e.ben+", table 12", "Finished in the last day")
	e.click("Now")
	e.click("Delete " + e.ben)
	e.reads(e.text(), "loses place 1 in the queue for "+e.game)
	e.click("Delete the reservation")
	e.misses(e.text(), e.ben+" 12")
}

// Found by a part of the name, sorted by its column.
func (e *evening) finds() {
	e.fill("Search", strings.ToUpper(strings.TrimSpace(e.mine)))
	e.click("Show")
	e.reads(e.text(), e.game, "1 game")
	e.misses(e.text(), "Catan")
	e.click("Games")
	e.click("Copies")
	e.click("Copies▲")
	e.reads(location(e.visitor), "gsort=-copies")
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
	for _, event := range []input.DispatchKeyEventType{input.DispatchKeyEventTypeRawKeyDown,
		input.DispatchKeyEventTypeKeyUp} {
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
	inject := `document.body.insertAdjacentHTML("beforeend",
		'<p style="color:red" onclick="1">x</p><img src="x:" onerror="document.title=1">'); 0`
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
