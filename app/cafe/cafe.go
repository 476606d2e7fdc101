// Package cafe is the domain: games, the customers who reserve them, the queue that follows, and
// the rules and errors of all three. It does no I/O and knows neither SQL nor HTTP.
//
// A reader finds a rule here, its SQL in app/mysql and its page in app/web.
package cafe

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// PageSize is how many rows a list shows at once.
const PageSize = 50

// CountLimit is up to where rows are counted: beyond it a list says "1,000+". Counting on would
// read the whole table for a number that nobody acts on.
const CountLimit = 1000

// Page is one page of a list.
type Page[T any] struct {
	Rows   []T
	Number int // 1-based
	Total  int // rows that match, counted up to CountLimit+1
	More   bool
}

// Pages is the number of the last page, as far as rows were counted, and at least 1.
func (p Page[T]) Pages() int {
	return max(1, (min(p.Total, CountLimit)+PageSize-1)/PageSize)
}

// Capped tells that there are more rows than were counted.
func (p Page[T]) Capped() bool { return p.Total > CountLimit }

// CleanText puts what a person typed into the one form that is stored and compared: valid UTF-8
// in NFC (the same letter typed on two keyboards is one), no control characters (a pasted newline
// is a space), and no space around it or doubled inside.
func CleanText(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	return strings.Join(strings.Fields(norm.NFC.String(s)), " ")
}

// visible tells whether a text has anything to see: zero-width characters alone make a name that
// looks empty.
func visible(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return unicode.IsGraphic(r) && !unicode.IsSpace(r) }) >= 0
}

func runes(s string) int { return utf8.RuneCountInString(s) }
