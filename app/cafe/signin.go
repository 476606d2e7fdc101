package cafe

import "time"

// SessionLife is how long somebody stays signed in: a long shift.
const SessionLife = 12 * time.Hour

// KeepEnded is how long it is remembered that a session was ended. Once its cookie is too old nobody has to
// know; twice the life, as clocks differ and the next release may let sessions live longer.
const KeepEnded = 2 * SessionLife

// SignInPause is how long a name is refused from an address after its fifth wrong password, and
// how long wrong tries are remembered.
const SignInPause = 15 * time.Minute

// SignInWait is how long a name must wait, from one address, after so many wrong passwords in a
// row: the first slip costs nothing, the next ones slow down, from the fifth on the pair pauses.
func SignInWait(failures int) time.Duration {
	switch {
	case failures <= 1:
		return 0
	case failures < 5:
		return time.Second << (failures - 2)
	default:
		return SignInPause
	}
}
