package mysql

import (
	"context"
	"database/sql"
	sqldriver "database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"

	driver "github.com/go-sql-driver/mysql"

	"boardcafe/app/cafe"
)

// Error numbers of the server: https://dev.mysql.com/doc/mysql-errors/9.7/en/server-error-reference.html
const (
	tooManyConnections = 1040
	accessDenied       = 1045
	serverShutdown     = 1053
	duplicateKey       = 1062
	noSuchTable        = 1146
	lockWaitTimeout    = 1205
	deadlock           = 1213
	queryInterrupted   = 1317
	rowIsReferenced    = 1451
	noReferencedRow    = 1452
	statementTimeout   = 3024
)

// ErrAccess tells that the database refuses the user or the password.
var ErrAccess = errors.New("the database refuses CAFE_DB_USER with this password")

func number(err error) uint16 {
	var e *driver.MySQLError
	if errors.As(err, &e) {
		return e.Number
	}
	return 0
}

func isDeadlock(err error) bool { return number(err) == deadlock }

// translate is the one place where an error of the driver becomes one of the café. An error that
// is one already stays as it is, and what is not expected stays [cafe.Internal], with its cause.
//
// A value that is too long or breaks a CHECK is such a one: the domain has let it through.
func translate(err error) error {
	if err == nil {
		return nil
	}
	if e := (*cafe.Error)(nil); errors.As(err, &e) {
		return err
	}
	if errors.Is(err, sql.ErrNoRows) {
		return &cafe.Error{Code: cafe.NotFound, Message: "It is not there any more.", Err: err}
	}
	if errors.Is(err, context.Canceled) {
		return &cafe.Error{Code: cafe.Unavailable, Message: "The request was given up.", Err: err}
	}
	switch number(err) {
	case accessDenied:
		return fmt.Errorf("%w: %w", ErrAccess, err)
	case duplicateKey:
		return &cafe.Error{Code: cafe.Conflict, Message: "It is there already.", Err: err}
	case rowIsReferenced:
		return &cafe.Error{Code: cafe.Conflict, Message: "Something else still needs it.", Err: err}
	case noReferencedRow:
		return unknownGame(err)
	case tooManyConnections, serverShutdown, lockWaitTimeout, deadlock, queryInterrupted, statementTimeout:
		return unavailable(err)
	}
	if network := net.Error(nil); errors.As(err, &network) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, sqldriver.ErrBadConn) || errors.Is(err, driver.ErrInvalidConn) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return unavailable(err)
	}
	return cafe.AsError(err)
}

func unavailable(err error) error {
	return &cafe.Error{Code: cafe.Unavailable, Message: "The database does not answer at the moment.", Err: err}
}

func unknownGame(err error) error {
	return &cafe.Error{Code: cafe.Invalid, Message: "Some values need another look.",
		Fields: map[string]string{"game": "Choose a game of the library"}, Err: err}
}

func stale() error {
	return &cafe.Error{Code: cafe.Stale, Message: "Somebody else has changed it in the meantime."}
}
