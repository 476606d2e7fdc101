package web

import (
	"bufio"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	"golang.org/x/crypto/bcrypt"
)

// Staff holds the accounts: bcrypt hashes by name.
type Staff map[string]string

// bcryptLength is that of every hash. bcrypt itself ignores what follows one, such as the next account of
// a file that has lost its line breaks.
const bcryptLength = 60

// ParseStaff reads accounts in htpasswd's format, one name:bcrypt a line; empty lines and lines
// that begin with # do not count. An error names the line, never what is in it.
func ParseStaff(r io.Reader) (Staff, error) {
	staff := Staff{}
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, hash, ok := strings.Cut(line, ":")
		if !ok || name == "" {
			return nil, fmt.Errorf("line %d is not name:bcrypt", n)
		}
		if _, err := bcrypt.Cost([]byte(hash)); err != nil || len(hash) != bcryptLength {
			return nil, fmt.Errorf("line %d has no bcrypt hash; make one with `cafe hash-password`", n)
		}
		if _, double := staff[name]; double {
			return nil, fmt.Errorf("line %d has a name that an earlier line has", n)
		}
		staff[name] = hash
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(staff) == 0 {
		return nil, fmt.Errorf("there is no account in it; make one with `cafe hash-password`")
	}
	return staff, nil
}

// HashPassword returns the line of an account.
func HashPassword(name, password string) (string, error) {
	if name == "" || strings.ContainsAny(name, ":\r\n") || strings.HasPrefix(name, "#") ||
		strings.TrimSpace(name) != name {
		return "", fmt.Errorf("a name must not be empty, hold a colon, begin with # or have space around it")
	}
	if len(password) < 8 || len(password) > 72 {
		return "", fmt.Errorf("a password must have 8 to 72 bytes, this has %d", len(password))
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcryptCost)
	if err != nil {
		return "", err
	}
	return name + ":" + string(hash), nil
}

// bcryptCost takes about 60 ms on one core: little at a counter, much for a thief.
const bcryptCost = 10

// absentHash is checked against for a name that has no account, so that the time tells nobody which
// names have one.
func absentHash() []byte {
	hash, err := bcrypt.GenerateFromPassword([]byte("nobody has this password"), bcryptCost)
	if err != nil {
		panic(err)
	}
	return hash
}

// check tells whether a password is the account's.
func (s Staff) check(name, password string, unknown []byte) bool {
	hash, ok := s[name]
	if !ok {
		hash = string(unknown)
	}
	return bcrypt.CompareHashAndPassword([]byte(hash), []byte(password)) == nil && ok
}

// proof is what a session keeps of the password's hash: with another password, older sessions end.
func (s Staff) proof(name string) string {
	sum := sha256.Sum256([]byte(s[name]))
	return hex.EncodeToString(sum[:8])
}

func (s Staff) holds(name, proof string) bool {
	_, ok := s[name]
	return ok && subtle.ConstantTimeCompare([]byte(s.proof(name)), []byte(proof)) == 1
}
