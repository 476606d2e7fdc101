package rollout_test

import (
	"strings"
	"testing"

	"boardcafe/tests/visitor"
)

// stackRemoved: `docker stack rm` takes the services, networks and files of a stack. The database's password
// must stay, as its volume does.
func stackRemoved(t *testing.T) {
	old := good(t)
	const gone = `
		docker stack rm cafe
		while docker network ls --filter label=com.docker.stack.namespace=cafe --quiet | grep -q .; do sleep 0.2; done`
	onManager(t, "sh", "-euc", gone)
	if secrets := onManager(t, "docker", "secret", "ls", "--format", "{{.Name}}"); !strings.Contains(secrets, "cafe_db_password") {
		t.Fatalf("the secrets left are %q, want the database's password among them", secrets)
	}
	deploy(t, old)
	answers(t, old)
	v, err := visitor.SignIn("http://"+swarm.Manager.Port(80), staffName, staffPassword)
	must(t, err)
	page, err := v.Get("/customers")
	must(t, err)
	if !strings.Contains(page, "First at") {
		t.Error("the reservations of before are gone")
	}
}
