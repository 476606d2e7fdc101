package rollout_test

import (
	"strings"
	"testing"

	"boardcafe/tests/visitor"
)

// `docker stack rm` takes the services, networks and files of a stack. The database's password
// must stay, as its volume does.
func TestTheStackRemovedWithDockerStackRm(t *testing.T) {
	s := aCafe(t)
	old := s.good(t)
	const gone = `
		docker stack rm cafe
		while docker network ls --filter label=com.docker.stack.namespace=cafe --quiet | grep -q .; do sleep 0.2; done`
	s.onManager(t, "sh", "-euc", gone)
	if secrets := s.onManager(t, "docker", "secret", "ls", "--format", "{{.Name}}"); !strings.Contains(secrets, "cafe_db_password") {
		t.Fatalf("the secrets left are %q, want the database's password among them", secrets)
	}
	s.deploy(t, old)
	s.answers(t, old)
	v, err := visitor.SignIn("http://"+s.Manager.Port(80), staffName, staffPassword)
	must(t, err)
	page, err := v.Get("/customers")
	must(t, err)
	if !strings.Contains(page, "First at") {
		t.Error("the reservations of before are gone")
	}
}
