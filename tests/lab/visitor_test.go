package lab_test

import (
	"testing"

	"boardcafe/tests/cluster/machine"
	"boardcafe/tests/lab"
	"boardcafe/tests/visitor"
)

// staff signs in at a machine.
func (l *cafe) staff(t *testing.T, m *machine.Machine) *visitor.Visitor {
	t.Helper()
	password, err := l.Password()
	if err != nil {
		t.Fatal(err)
	}
	v, err := visitor.SignIn("http://"+m.Port(80), lab.Staff, password)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// startLoad is a member of staff who looks at pages on a machine's port 80, 50 a second. Not at /readyz: a
// replica that is about to stop says there that it is not ready, and serves on.
func (l *cafe) startLoad(t *testing.T, m *machine.Machine) *visitor.Load {
	t.Helper()
	l.prefer(t)
	v := l.staff(t, m)
	return visitor.Start(t.Context(), 50, func(n int) (string, error) {
		_, err := v.Get([]string{"/", "/games"}[n%2]) // both ask the database
		return m.Name, err
	})
}
