package web_test

import (
	"log/slog"
	"strings"
	"testing"

	"boardcafe/app/web"
)

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestParseStaff(t *testing.T) {
	t.Parallel()
	if staff, err := web.ParseStaff(strings.NewReader("# staff\n\n" + account() + "\n")); err != nil || len(staff) != 1 {
		t.Errorf("got %d accounts, %v", len(staff), err)
	}
	for text, want := range map[string]string{
		"":                                "no account",
		"anna":                            "line 1 is not name:bcrypt",
		"# x\nanna:secret":                "line 2 has no bcrypt hash",
		account() + `\n` + account():      "line 1 has no bcrypt hash", // no line break
		account() + "\n" + account():      "line 2 has a name that an earlier line has",
		strings.Repeat("x", 70_000) + ":": "too long",
	} {
		_, err := web.ParseStaff(strings.NewReader(text))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestHashPassword(t *testing.T) {
	t.Parallel()
	for _, test := range [][2]string{{"", password}, {"a:b", password}, {"#a", password}, {" a", password},
		{"anna", "short"}, {"anna", strings.Repeat("x", 73)}} {
		if line, err := web.HashPassword(test[0], test[1]); err == nil {
			t.Errorf("%q, %q: got %q, want an error", test[0], test[1], line)
		}
	}
}
