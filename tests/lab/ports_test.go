package lab_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"boardcafe/tests/cluster/machine"
	"boardcafe/tests/engine"
)

func TestAStrangerReachesOnlyThePortsThatAreMeantForTheWorld(t *testing.T) {
	l := aCafe(t)
	l.prefer(t)
	program := filepath.Join(t.TempDir(), "knock")
	build := exec.Command("go", "build", "-o", program, "./tests/lab/testdata/knock")
	build.Dir = engine.Root()
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	content, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Control().WriteFile(t.Context(), "/usr/local/bin/knock", content, "0755"); err != nil {
		t.Fatal(err)
	}

	// Somebody starts a container and publishes its port to the world, as Docker has it by default.
	const publish = `
		image=$(docker inspect --format '{{.Image}}' "$(docker ps --quiet --filter label=com.docker.swarm.service.name=cafe_proxy)")
		docker run --detach --rm --name published --publish 9000:9000 --tmpfs /tmp --entrypoint sh "$image" -c '
			printf "daemon off; pid /tmp/pid; error_log stderr; events {} http { access_log off; client_body_temp_path /tmp/a; proxy_temp_path /tmp/b;
				fastcgi_temp_path /tmp/c; uwsgi_temp_path /tmp/d; scgi_temp_path /tmp/e; server { listen 9000; return 200; } }" > /tmp/nginx.conf
			exec nginx -c /tmp/nginx.conf' >/dev/null
		for n in $(seq 50); do if (</dev/tcp/127.0.0.1/9000) 2>/dev/null; then exit; fi; sleep 0.2; done
		docker logs published; exit 1`
	on(t, l.Worker, publish)
	defer on(t, l.Worker, "docker rm --force published")

	out, err := l.Control().Run(t.Context(), "knock", l.Manager.Address.String(), l.Worker.Address.String(), l.Jenkins.Address.String())
	if err != nil {
		t.Fatal(err)
	}
	reached := map[string][]string{}
	for line := range strings.Lines(out) {
		var address, port string
		if _, err := fmt.Sscan(line, &address, &port); err != nil {
			t.Fatal(err)
		}
		reached[address] = append(reached[address], port)
	}
	for m, want := range map[*machine.Machine][]string{
		l.Manager: {"22", "443", "80"},
		l.Worker:  {"22", "443", "80"},
		l.Jenkins: {"22", "443"},
	} {
		got := reached[m.Address.String()]
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("a stranger reaches ports %v of %s, want %v\n%s", got, m.Name, want, out)
		}
	}
	for _, open := range []string{l.Manager.Address.String() + " 80 open", l.Worker.Address.String() + " 80 open", l.Jenkins.Address.String() + " 22 open"} {
		if !strings.Contains(out, open+"\n") {
			t.Errorf("not %q", open)
		}
	}
}

func TestTheMachinesReachOfEachOtherWhatTheyNeed(t *testing.T) {
	l := aCafe(t)
	const knock = `set +e; timeout 2 bash -c "</dev/tcp/$1/$2" 2>/dev/null; case $? in 0) echo open;; 1) echo refused;; 124) echo filtered;; esac`
	for _, test := range []struct {
		from, to *machine.Machine
		port     string
		want     string
	}{
		{l.Worker, l.Manager, "2377", "open"},
		{l.Worker, l.Manager, "7946", "open"},
		{l.Manager, l.Worker, "7946", "open"},
		{l.Manager, l.Jenkins, "5000", "open"},
		{l.Worker, l.Jenkins, "5000", "open"},
		{l.Jenkins, l.Manager, "22", "open"},
		{l.Jenkins, l.Manager, "2377", "filtered"},
		{l.Jenkins, l.Worker, "7946", "filtered"},
		{l.Manager, l.Worker, "2377", "filtered"},
		{l.Manager, l.Worker, "2375", "filtered"},
	} {
		if got := on(t, test.from, knock, test.to.Address.String(), test.port); got != test.want {
			t.Errorf("port %s of %s is %s for %s, want %s", test.port, test.to.Name, got, test.from.Name, test.want)
		}
	}
}
