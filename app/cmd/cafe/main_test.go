package main_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"boardcafe/app/mysql"
	"boardcafe/tests/dbtest"
)

var (
	server *dbtest.Server
	binary string
)

// TestMain builds the program as it is shipped: what is tested is a process, with its exit code,
// its environment and its signals. PROCESS_COVER is where such a process leaves its coverage; go test
// gives GOCOVERDIR a value of its own.
func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "cafe")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		binary = filepath.Join(dir, "cafe")
		args := []string{"build", "-o", binary, "-ldflags", "-X main.release=r1"}
		if os.Getenv("PROCESS_COVER") != "" {
			args = append(args, "-cover", "-coverpkg=boardcafe/app/...")
		}
		if out, err := exec.Command("go", append(args, ".")...).CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
			return 1
		}
		return dbtest.Run(m, &server)
	}())
}

// cafe runs the program to its end.
func cafe(t *testing.T, env []string, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	c := process(t, env, args...)
	c.Stdin = strings.NewReader(stdin)
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Run(); err != nil && c.ProcessState == nil {
		t.Fatal(err)
	}
	return c.ProcessState.ExitCode(), out.String(),
		strings.ReplaceAll(errs.String(), "warning: GOCOVERDIR not set, no coverage data emitted\n", "")
}

// process is the program, not started yet. It ends with the test.
func process(t *testing.T, env []string, args ...string) *exec.Cmd {
	c := exec.CommandContext(t.Context(), binary, args...)
	c.Env = append(slices.Clone(env), "GOCOVERDIR="+os.Getenv("PROCESS_COVER"))
	return c
}

func staffFile(t *testing.T) string {
	t.Helper()
	code, line, stderr := cafe(t, nil, "a long password\n", "hash-password", "anna")
	if code != 0 || !strings.HasPrefix(line, "anna:$2a$") {
		t.Fatalf("hash-password: %d %q %s", code, line, stderr)
	}
	return write(t, line)
}

func write(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func environment(t *testing.T, c mysql.Config) []string {
	return []string{"CAFE_ADDR=127.0.0.1:0", "CAFE_DB_HOST=" + c.Host, fmt.Sprintf("CAFE_DB_PORT=%d", c.Port),
		"CAFE_DB_NAME=" + c.Name,
		"CAFE_DB_USER=" + c.User, "CAFE_DB_PASSWORD_FILE=" + write(t, c.Password+"\n"), "CAFE_STAFF_FILE=" + staffFile(t),
		"CAFE_SESSION_KEY=" + strings.Repeat("k", 32), "CAFE_DRAIN=300ms", "CAFE_TRUSTED_PROXIES=10.0.0.0/8, 192.168.0.0/16"}
}

func TestHelp(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"help"}, {"--help"}} {
		if code, out, _ := cafe(t, nil, "", args...); code != 0 || !strings.Contains(out, "cafe migrate") {
			t.Errorf("%v: got %d %q", args, code, out)
		}
	}
	if code, out, _ := cafe(t, nil, "", "version"); code != 0 || out != "r1\n" {
		t.Errorf("version: got %d %q", code, out)
	}
}

// What is wrong is one line that names it, exit 1, and nothing is served.
func TestConfiguration(t *testing.T) {
	t.Parallel()
	good := environment(t, server.Config(t))
	for _, test := range []struct {
		name string
		set  []string
		args []string
		want string
	}{
		{"ErrCommand", nil, []string{"fly"}, `no command "fly"`},
		{"ErrArguments", nil, []string{"serve", "now"}, "serve takes no arguments"},
		{"ErrAddress", []string{"CAFE_ADDR=8080"}, nil, "CAFE_ADDR"},
		{"ErrAddressTaken", []string{"CAFE_ADDR=192.0.2.1:80"}, nil, "CAFE_ADDR"},
		{"ErrPort", []string{"CAFE_DB_PORT=x"}, nil, "CAFE_DB_PORT"},
		{"ErrNoPassword", []string{"CAFE_DB_PASSWORD_FILE="}, nil, "CAFE_DB_PASSWORD is not set"},
		{"ErrBothForms", []string{"CAFE_DB_PASSWORD=x"}, nil, "CAFE_DB_PASSWORD and CAFE_DB_PASSWORD_FILE are both set"},
		{"ErrUnreadable", []string{"CAFE_DB_PASSWORD_FILE=/nowhere"}, nil, "CAFE_DB_PASSWORD_FILE: open /nowhere"},
		{"ErrEmptyFile", []string{"CAFE_DB_PASSWORD_FILE=/dev/null"}, nil, "CAFE_DB_PASSWORD_FILE /dev/null is empty"},
		{"ErrWrongPassword", []string{"CAFE_DB_PASSWORD_FILE=", "CAFE_DB_PASSWORD=wrong"}, nil, "refuses CAFE_DB_USER"},
		{"ErrShortKey", []string{"CAFE_SESSION_KEY=short"}, nil, "CAFE_SESSION_KEY has 5 bytes"},
		{"ErrNoKey", []string{"CAFE_SESSION_KEY="}, nil, "CAFE_SESSION_KEY is not set"},
		{"ErrNoStaff", []string{"CAFE_STAFF_FILE="}, nil, "CAFE_STAFF_FILE is not set"},
		{"ErrStaffUnreadable", []string{"CAFE_STAFF_FILE=/nowhere"}, nil, "CAFE_STAFF_FILE: open /nowhere"},
		{"ErrStaffEmpty", []string{"CAFE_STAFF_FILE=/dev/null"}, nil, "CAFE_STAFF_FILE /dev/null: there is no account"},
		{"ErrDrain", []string{"CAFE_DRAIN=5"}, nil, "CAFE_DRAIN"},
		{"ErrHTTPS", []string{"CAFE_HTTPS=maybe"}, nil, "CAFE_HTTPS"},
		{"ErrProxies", []string{"CAFE_TRUSTED_PROXIES=10.0.0.1"}, nil, "CAFE_TRUSTED_PROXIES"},
		{"ErrLogLevel", []string{"CAFE_LOG_LEVEL=loud"}, nil, "CAFE_LOG_LEVEL"},
		{"ErrSchema", nil, nil, "the schema is too old"},
		{"ErrMigratePassword", []string{"CAFE_DB_PASSWORD_FILE="}, []string{"migrate"}, "CAFE_DB_PASSWORD is not set"},
		{"ErrMigrateRights", nil, []string{"migrate"}, "migrate:"},
		{"ErrHealthNobody", []string{"CAFE_ADDR=127.0.0.1:1"}, []string{"healthcheck"}, "refused"},
		{"ErrHealthAddress", []string{"CAFE_ADDR=x"}, []string{"healthcheck"}, "CAFE_ADDR"},
		{"ErrHashName", nil, []string{"hash-password"}, "takes a name"},
		{"ErrHashShort", nil, []string{"hash-password", "anna"}, "8 to 72 bytes"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			env := good
			if test.name == "ErrSchema" || test.name == "ErrMigrateRights" {
				c := server.Empty(t)
				env = append(append([]string{}, good...), "CAFE_DB_NAME="+c.Name)
			}
			code, _, stderr := cafe(t, append(append([]string{}, env...), test.set...), "short", test.args...)
			lines := strings.Split(strings.TrimSpace(stderr), "\n")
			last := lines[len(lines)-1]
			if code != 1 || !strings.HasPrefix(last, "cafe: ") || !strings.Contains(last, test.want) {
				t.Errorf("got %d %q, want 1 and %q", code, stderr, test.want)
			}
			if strings.Contains(stderr, `"serving"`) {
				t.Error("it served")
			}
		})
	}
}

// Two processes at once from an empty database: one migrates, the other waits, both are content.
func TestMigrateAtOnce(t *testing.T) {
	t.Parallel()
	env := environment(t, server.Empty(t))
	var group sync.WaitGroup
	var mu sync.Mutex
	applied := 0
	for range 2 {
		group.Go(func() {
			code, _, stderr := cafe(t, env, "", "migrate")
			if code != 0 {
				t.Errorf("got %d %s", code, stderr)
			}
			mu.Lock()
			applied += strings.Count(stderr, `"msg":"applied"`)
			mu.Unlock()
		})
	}
	group.Wait()
	if applied != 4 {
		t.Errorf("got %d migrations applied by both together, want 4", applied)
	}
}

func TestServe(t *testing.T) {
	t.Parallel()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := free.Addr().String()
	free.Close()
	env := append(environment(t, server.Config(t)), "CAFE_ADDR="+addr)
	early := process(t, env, "healthcheck") // waits for the server
	if err := early.Start(); err != nil {
		t.Fatal(err)
	}
	c := process(t, env)
	var log bytes.Buffer
	c.Stderr = &log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if err := early.Wait(); err != nil {
		t.Fatalf("never healthy: %v; the server's log: %s", err, log.String())
	}
	rests(t, process(t, env, "healthcheck"), addr)
	response, err := http.Get("http://" + addr + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(response.Body)
	response.Body.Close()
	if response.Header.Get("X-Release") != "r1" || !bytes.Contains(body, []byte(`cafe_release{release="r1"} 1`)) ||
		!bytes.Contains(body, []byte("go_sql_open_connections")) {
		t.Errorf("got release %q, metrics %s", response.Header.Get("X-Release"), body)
	}
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); err != nil {
		t.Errorf("ended with %v", err)
	}
	if out := log.String(); !strings.Contains(out, `"msg":"draining"`) || !strings.Contains(out, `"msg":"stopped"`) ||
		strings.Contains(out, strings.Repeat("k", 32)) {
		t.Errorf("got log %s", out)
	}
}

// rests checks that a healthcheck of a server that was healthy before stays for a while after the answer, and
// ends well when it is told to.
func rests(t *testing.T, c *exec.Cmd, addr string) {
	t.Helper()
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	const answered = `cafe_http_request_seconds_count{code="200",method="GET",route="/healthz"} 2`
	for !strings.Contains(metrics(t, addr), answered) {
		select {
		case err := <-ended:
			t.Fatalf("healthcheck ended before it was answered: %v", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
	select {
	case err := <-ended:
		t.Errorf("healthcheck did not rest after the answer: %v", err)
		return
	case <-time.After(time.Second):
	}
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("healthcheck ended with %v", err)
	}
}

func metrics(t *testing.T, addr string) string {
	t.Helper()
	response, err := http.Get("http://" + addr + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
