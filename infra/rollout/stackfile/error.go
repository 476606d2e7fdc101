package stackfile

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Error is what is wrong with a stack file, and where.
type Error struct {
	File    string
	Line    int    // 0 for the whole file
	Key     string // the path to the value, e.g. services.app.image
	Problem string
	Err     error // the operating system's, when the file could not be read
}

// Error is always one line that is safe to print, whatever the file has in its keys and values.
func (e *Error) Error() string {
	where := printable(e.File)
	if e.Line > 0 {
		where = fmt.Sprintf("%s:%d", where, e.Line)
	}
	if e.Key == "" {
		return where + ": " + printable(e.Problem)
	}
	return where + ": " + printable(e.Key) + ": " + printable(e.Problem)
}

func (e *Error) Unwrap() error { return e.Err }

// mostShown is how many characters of a key or a problem are shown.
const mostShown = 500

// printable escapes all but visible characters: line breaks, the colours of a terminal, broken UTF-8.
func printable(text string) string {
	var out strings.Builder
	for shown := 0; len(text) > 0; shown++ {
		if shown == mostShown {
			out.WriteString("…")
			break
		}
		r, size := utf8.DecodeRuneInString(text)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&out, `\x%02x`, text[0])
		case unicode.IsPrint(r):
			out.WriteRune(r)
		default:
			quoted := strconv.QuoteRune(r)
			out.WriteString(quoted[1 : len(quoted)-1])
		}
		text = text[size:]
	}
	return out.String()
}
