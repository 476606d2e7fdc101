package cafe

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Code says what kind of error it is. The web maps each to one status.
type Code string

// The codes. An error without one is [Internal].
const (
	Invalid     Code = "invalid"     // what was sent breaks a rule; Fields says which
	NotFound    Code = "not_found"   // there is no such row, or no longer
	Conflict    Code = "conflict"    // it is allowed, but not in the present state
	Stale       Code = "stale"       // the row was changed since it was read
	Busy        Code = "busy"        // asked too often; RetryAfter says when it may be asked again
	Unavailable Code = "unavailable" // the database does not answer in time; it may later
	Internal    Code = "internal"
)

// Error is an error that a person may read: its message and fields hold no cause.
type Error struct {
	Code       Code
	Message    string            // one sentence for a person
	Fields     map[string]string // by field name; only with Invalid and Conflict
	GameID     uint64            // the game that stands in the way, with Conflict; else 0
	Waiting    int               // how many customers stand in the way, with Conflict; else 0
	RetryAfter time.Duration     // with Busy
	Err        error             // the cause, for the log
}

// Error gives the message, the fields and the cause: it is for logs and tests, not for a page.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", e.Code, e.Message)
	for _, name := range slices.Sorted(maps.Keys(e.Fields)) {
		fmt.Fprintf(&b, " [%s: %s]", name, e.Fields[name])
	}
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	return b.String()
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// AsError finds the Error in a chain. What has none becomes an [Internal] one, whose message
// says nothing of the cause.
func AsError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Code: Internal, Message: "Something went wrong on our side.", Err: err}
}

// CodeOf is the code of an error, and empty for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	return AsError(err).Code
}

// check collects the broken rules of one form.
type check map[string]string

func (c check) that(ok bool, field, message string) {
	if _, told := c[field]; !ok && !told {
		c[field] = message
	}
}

func (c check) err() error {
	if len(c) == 0 {
		return nil
	}
	return &Error{Code: Invalid, Message: "Some values need another look.", Fields: c}
}
