package main_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// demo builds and starts it, without Docker, and waits until it has said where it is and how to sign in.
func demo(t *testing.T) (c *exec.Cmd, base, password string) {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "cafe-demo")
	args := []string{"build", "-tags", "gms_pure_go", "-o", binary}
	if os.Getenv("PROCESS_COVER") != "" {
		args = append(args, "-cover", "-coverpkg=boardcafe/app/...")
	}
	if out, err := exec.Command("go", append(args, ".")...).CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	c = exec.Command(binary, "-addr", "127.0.0.1:0")
	c.Env = []string{"DOCKER_HOST=unix:///nowhere", "GOCOVERDIR=" + os.Getenv("PROCESS_COVER")}
	stdout, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Process.Kill() })
	var said strings.Builder
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		fmt.Fprintln(&said, lines.Text())
		if strings.HasPrefix(lines.Text(), "Stop it") {
			break
		}
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("took %v to start, want 5 s at most", took)
	}
	base = regexp.MustCompile(`http://\S+:\d+`).FindString(said.String())
	found := regexp.MustCompile(`password +(\S+)`).FindStringSubmatch(said.String())
	if base == "" || found == nil {
		t.Fatalf("it said %q", said.String())
	}
	return c, base, found[1]
}

// It shows its queues, and one can work with it, from the sign-in to the sign-out.
func TestDemo(t *testing.T) {
	t.Parallel()
	c, base, password := demo(t)
	jar, _ := cookiejar.New(nil)
	browser := http.Client{Jar: jar}
	read := func(response *http.Response, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil || response.StatusCode != 200 {
			t.Fatalf("got %d, %v: %s", response.StatusCode, err, body)
		}
		return string(body)
	}
	token := func(page string) string {
		return regexp.MustCompile(`name="csrf" value="(\w+)"`).FindStringSubmatch(page)[1]
	}
	page := read(browser.Get(base + "/signin"))
	page = read(browser.PostForm(base+"/signin",
		url.Values{"csrf": {token(page)}, "name": {"staff"}, "password": {password}}))
	for _, want := range []string{"12 games", "8 reservations", "★ Next", "▶ Playing", "Waiting"} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is not on the index", want)
		}
	}
	for _, sort := range []string{"csort=game", "csort=-name", "csort=table", "gsort=players",
		"q=az&players=3&minutes=60"} {
		read(browser.Get(base + "/?" + sort))
	}
	page = read(browser.PostForm(base+"/customers",
		url.Values{"csrf": {token(page)}, "name": {"Zoë"}, "table": {"3"}, "game": {"catan"}}))
	if !strings.Contains(page, "Reserved Catan for Zoë at table 3") {
		t.Error("the reservation was not taken")
	}
	site, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	copied := jar.Cookies(site)
	read(browser.PostForm(base+"/signout", url.Values{"csrf": {token(page)}}))
	jar.SetCookies(site, copied)
	if page = read(browser.Get(base + "/")); !strings.Contains(page, "<h1>Sign in</h1>") {
		t.Error("a copied cookie works on after the sign-out")
	}
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); err != nil {
		t.Errorf("ended with %v", err)
	}
}
