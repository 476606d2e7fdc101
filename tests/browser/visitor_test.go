package browser_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// patience is for a machine that runs all the other tests at once.
const patience = 30 * time.Second

// visitor is somebody at a tab. Whatever they cannot do ends the test.
type visitor struct {
	t         *testing.T
	ctx       context.Context
	screen    screen
	scripting bool

	mu         sync.Mutex
	complaints []string // of the browser about the pages
}

// screen is what a visitor looks at.
type screen struct{ width, height int64 }

var (
	desktop = screen{1280, 800}
	phone   = screen{320, 640} // the smallest there is
)

// visit opens a browser with no cookies. With scripting off it runs no script of any page.
func visit(t *testing.T, s screen, scripting bool) *visitor {
	t.Helper()
	return open(t, chromium, s, scripting, chromedp.WithNewBrowserContext())
}

// tab opens another tab of the same browser: it is signed in where this one is.
func (v *visitor) tab() *visitor {
	v.t.Helper()
	return open(v.t, v.ctx, v.screen, v.scripting)
}

func open(t *testing.T, parent context.Context, s screen, scripting bool, options ...chromedp.ContextOption) *visitor {
	t.Helper()
	v := &visitor{t: t, screen: s, scripting: scripting}
	ctx, cancel := chromedp.NewContext(parent, append(options, chromedp.WithListener(v.hear))...)
	t.Cleanup(cancel)
	v.ctx = ctx
	off := emulation.SetScriptExecutionDisabledParams{Value: !scripting}
	if _, err := chromedp.Call(ctx, emulation.SetScriptExecutionDisabled, off); err != nil {
		t.Fatal(err)
	}
	v.size(s, 1)
	t.Cleanup(func() {
		for _, c := range v.heard() {
			t.Errorf("the browser complains: %s", c)
		}
	})
	return v
}

// hear collects what stands in red in a browser's console: violations of the content security
// policy, exceptions, failed requests. That a page has an error status is no complaint.
func (v *visitor) hear(event any) {
	complaint := ""
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		complaint = e.ExceptionDetails.Text
		if e.ExceptionDetails.Exception != nil {
			complaint += " " + e.ExceptionDetails.Exception.Description
		}
	case *runtime.EventConsoleAPICalled:
		if e.Type == "error" || e.Type == "warning" || e.Type == "assert" {
			complaint = fmt.Sprintf("console.%s at %v", e.Type, e.StackTrace)
		}
	case *log.EventEntryAdded:
		page := e.Entry.Source == "network" && !strings.Contains(e.Entry.URL, "/static/")
		if (e.Entry.Level == "error" || e.Entry.Level == "warning") && !page {
			complaint = fmt.Sprintf("%s: %s (%s)", e.Entry.Source, e.Entry.Text, e.Entry.URL)
		}
	}
	if complaint != "" {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.complaints = append(v.complaints, complaint)
	}
}

// heard returns the complaints so far and forgets them.
func (v *visitor) heard() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	heard := v.complaints
	v.complaints = nil
	return heard
}

func (v *visitor) do(what string, steps ...chromedp.Action[chromedp.Void]) {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(v.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		v.t.Fatalf("%s: %v\nthe page:\n%s", what, err, v.text())
	}
}

// load does what leads to another page and checks the page that comes.
func (v *visitor) load(what string, status int64, steps ...chromedp.Action[chromedp.Void]) {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(v.ctx, patience)
	defer cancel()
	response, err := chromedp.RunResponse(ctx, steps...)
	if err != nil {
		v.t.Fatalf("%s: %v\nthe page:\n%s", what, err, v.text())
	}
	if response == nil || response.Status != status {
		v.t.Fatalf("%s: got %+v, want status %d\nthe page:\n%s", what, response, status, v.text())
	}
	v.inspect(what)
}

// open goes to a path of the café.
func (v *visitor) open(path string) {
	v.t.Helper()
	v.load("open "+path, 200, chromedp.Navigate(address+path))
}

// click presses the button or link that a screen reader calls by this name; a page follows.
func (v *visitor) click(name string) {
	v.t.Helper()
	v.clickFor(200, name)
}

// clickFor is click, for a page that comes with another status.
func (v *visitor) clickFor(status int64, name string) {
	v.t.Helper()
	button := fmt.Sprintf(`//*[self::a or self::button][normalize-space()=%s]`, quote(name))
	v.load("click "+name, status, chromedp.Click(button, chromedp.NodeVisible))
}

// fill replaces what the field with this label holds.
func (v *visitor) fill(label, value string) {
	v.t.Helper()
	input := fmt.Sprintf(`//input[@id=//label[normalize-space(text()[1])=%s]/@for]`, quote(label))
	v.do("fill "+label, chromedp.Clear(input), chromedp.SendKeys(input, value))
}

// quote is a string in XPath, which knows no escapes.
func quote(s string) string {
	if strings.Contains(s, `"`) {
		return "'" + s + "'"
	}
	return `"` + s + `"`
}

// text is what is to be read on the page, in single spaces.
func (v *visitor) text() string {
	return v.words(chromedp.Text(chromedp.CSS("body")))
}

// row is what is to be read in a table's row about somebody or something.
func (v *visitor) row(name string) string {
	v.t.Helper()
	return v.words(chromedp.Text(fmt.Sprintf(`//tr[th[@scope="row"][normalize-space()=%s]]`, quote(name))))
}

func (v *visitor) words(read chromedp.Action[string]) string {
	ctx, cancel := context.WithTimeout(v.ctx, patience)
	defer cancel()
	text, err := chromedp.Run(ctx, read)
	if err != nil {
		return err.Error()
	}
	return strings.Join(strings.Fields(text), " ")
}

// reads fails the test where the text does not hold all of the words.
func (v *visitor) reads(text string, words ...string) {
	v.t.Helper()
	for _, w := range words {
		if !strings.Contains(text, w) {
			v.t.Fatalf("want %q in\n%s", w, text)
		}
	}
}

// misses fails the test where the text holds one of the words.
func (v *visitor) misses(text string, words ...string) {
	v.t.Helper()
	for _, w := range words {
		if strings.Contains(text, w) {
			v.t.Fatalf("want no %q in\n%s", w, text)
		}
	}
}

func (v *visitor) size(s screen, scale float64) {
	v.t.Helper()
	size := emulation.SetDeviceMetricsOverrideParams{Width: s.width, Height: s.height, DeviceScaleFactor: scale}
	if _, err := chromedp.Call(v.ctx, emulation.SetDeviceMetricsOverride, size); err != nil {
		v.t.Fatal(err)
	}
}

// flaws finds what is wrong with the page for those who cannot see it or have a small screen.
const flaws = `(() => {
	const found = [];
	const say = (e, words) => found.push(words + ": " + e.outerHTML.slice(0, 120));
	const heads = document.querySelectorAll("h1");
	if (heads.length !== 1) found.push(heads.length + " h1");
	if (!document.documentElement.lang) found.push("no language");
	for (const e of document.querySelectorAll("input:not([type=hidden]), select, textarea"))
		if (!e.labels.length || !e.labels[0].textContent.trim()) say(e, "no label");
	for (const e of document.querySelectorAll("th")) if (!e.scope) say(e, "no scope");
	for (const e of document.querySelectorAll("a, button")) if (!e.textContent.trim()) say(e, "no name");
	for (const e of document.querySelectorAll("form[method=post]")) if (!e.elements.csrf) say(e, "no token");
	for (const e of document.querySelectorAll("[aria-describedby], [aria-labelledby]"))
		for (const id of (e.getAttribute("aria-describedby") || e.getAttribute("aria-labelledby")).trim().split(/\s+/))
			if (!document.getElementById(id)) say(e, "nothing has the id " + id);
	const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
	for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) found.push("twice the id " + id);
	for (const e of document.querySelectorAll("button, .button, input:not([type=hidden])"))
		if (e.getBoundingClientRect().height < 43.5) say(e, "too small to touch");
	if (document.documentElement.scrollWidth > innerWidth) {
		found.push("wider than the screen of " + innerWidth + ": " + document.documentElement.scrollWidth);
		for (const e of document.querySelectorAll("body *"))
			if (e.getBoundingClientRect().right > innerWidth + 1 && !e.closest(".scroll")) say(e, "sticks out");
	}
	return found;
})()`

func (v *visitor) inspect(what string) {
	v.t.Helper()
	found, err := chromedp.Run(v.ctx, chromedp.Evaluate[[]string](flaws))
	if err != nil {
		v.t.Fatalf("%s: inspect: %v", what, err)
	}
	for _, flaw := range found {
		v.t.Errorf("%s: the page has %s", what, flaw)
	}
}

// signIn fills the form that is on the page.
func (v *visitor) signIn() {
	v.t.Helper()
	v.fill("Name", "staff")
	v.fill("Password", password)
	v.click("Sign in")
}

// focus presses Tab and tells what has the focus then.
func (v *visitor) focus() string {
	v.t.Helper()
	v.do("press Tab", chromedp.KeyEvent(kb.Tab))
	focused, err := chromedp.Run(v.ctx, chromedp.Evaluate[string](`document.activeElement.textContent.trim()`))
	if err != nil {
		v.t.Fatal(err)
	}
	return focused
}
