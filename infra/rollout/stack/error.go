package stack

import "fmt"

// Error is what is wrong with a stack file, and where.
type Error struct {
	File    string
	Line    int    // 0 when the whole file is meant
	Key     string // the path to the value, e.g. services.app.image
	Problem string
}

func (e *Error) Error() string {
	where := e.File
	if e.Line > 0 {
		where = fmt.Sprintf("%s:%d", e.File, e.Line)
	}
	if e.Key == "" {
		return where + ": " + e.Problem
	}
	return where + ": " + e.Key + ": " + e.Problem
}
