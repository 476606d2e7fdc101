package smoke_test

import (
	"bufio"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"boardcafe/tests/engine"
	"boardcafe/tests/smoke"
)

func TestSmoke(t *testing.T) {
	café, account := startDemo(t)

	t.Run("OK", func(t *testing.T) {
		if err := smoke.Run(t.Context(), café.String(), smoke.Options{}, account); err != nil {
			t.Fatal(err)
		}
		if err := smoke.Run(t.Context(), café.String()+"/", smoke.Options{}, account); err != nil {
			t.Errorf("a second time, with a slash: %v", err)
		}
	})

	t.Run("ErrRelease", func(t *testing.T) {
		wants(t, smoke.Run(t.Context(), café.String(), smoke.Options{Release: "3f2a1b"}, account), "want \"3f2a1b\"")
	})

	t.Run("ErrPassword", func(t *testing.T) {
		wants(t, smoke.Run(t.Context(), café.String(), smoke.Options{}, smoke.Account{Name: account.Name, Password: "wrong"}),
			"sign in as staff", "422")
	})

	t.Run("ErrNobodyThere", func(t *testing.T) {
		gone := httptest.NewServer(nil)
		gone.Close()
		wants(t, smoke.Run(t.Context(), gone.URL, smoke.Options{}, account), gone.URL, "refused")
	})

	t.Run("ErrCreate: the café cannot write", func(t *testing.T) {
		broken := between(t, café, func(r *http.Request) error {
			if r.Method == http.MethodPost && r.URL.Path == "/games" {
				return errors.New("read-only")
			}
			return nil
		})
		wants(t, smoke.Run(t.Context(), broken, smoke.Options{}, account), "create", "502")
	})

	t.Run("ErrDelete, and the next run removes what is left", func(t *testing.T) {
		broken := between(t, café, func(r *http.Request) error {
			if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/remove") {
				return errors.New("lost")
			}
			return nil
		})
		wants(t, smoke.Run(t.Context(), broken, smoke.Options{}, account), "delete", "502")
		// What is there now, the broken one cannot remove either, and says so first.
		wants(t, smoke.Run(t.Context(), broken, smoke.Options{}, account), "leftover")
		if err := smoke.Run(t.Context(), café.String(), smoke.Options{}, account); err != nil {
			t.Fatal(err)
		}
		if err := smoke.Run(t.Context(), broken, smoke.Options{}, account); err == nil ||
			strings.Contains(err.Error(), "leftover") {
			t.Errorf("got %v: the leftover is still there", err)
		}
	})
}

func TestTheCommand(t *testing.T) {
	café, account := startDemo(t)
	dir := t.TempDir()
	program := filepath.Join(dir, "smoke")
	build(t, program, "./tests/cmd/smoke")
	password := filepath.Join(dir, "password")
	if err := os.WriteFile(password, []byte(account.Password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	plain, ca := overHTTPS(t, café)
	for name, test := range map[string]struct {
		args []string
		want string
		ok   bool
	}{
		"OK, at two addresses": {[]string{"--name", "staff", "--password-file", password, café.String(), café.String()},
			"deleted in", true},
		"OK, http leads to https": {[]string{"--name", "staff", "--password-file", password, "--tls-name", "example.com",
			plain}, "deleted in", true},
		"ErrTLSName": {[]string{"--name", "staff", "--password-file", password, "--tls-name", "cafe.test",
			plain}, "not cafe.test", false},
		"ErrNoAddress":    {[]string{"--password-file", password}, "Name the address of each machine", false},
		"ErrAddress":      {[]string{"--password-file", password, "manager"}, `"manager" is no address`, false},
		"ErrNoPassword":   {[]string{café.String()}, "--password-file", false},
		"ErrPasswordFile": {[]string{"--password-file", dir + "/none", café.String()}, "no such file", false},
		"Err, one machine of two": {[]string{"--name", "staff", "--password-file", password, café.String(),
			"http://127.0.0.1:1"}, "http://127.0.0.1:1", false},
		"ErrRelease, no secret out": {[]string{"--release", "x", "--name", "staff", "--password-file", password,
			café.String()}, `want "x"`, false},
	} {
		t.Run(name, func(t *testing.T) {
			command := exec.Command(program, test.args...)
			command.Env = append(os.Environ(), "SSL_CERT_FILE="+ca)
			out, err := command.CombinedOutput()
			if (err == nil) != test.ok || !strings.Contains(string(out), test.want) {
				t.Errorf("got %v, %s, want %q", err, out, test.want)
			}
			if strings.Contains(string(out), account.Password) {
				t.Errorf("the password is in the output: %s", out)
			}
		})
	}
}

// between is a proxy that loses the requests for which lose has an error.
func between(t *testing.T, to *url.URL, lose func(*http.Request) error) string {
	t.Helper()
	proxy := httputil.NewSingleHostReverseProxy(to)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := lose(r); err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// overHTTPS has the café behind TLS with a certificate for example.com, and the address that leads there.
func overHTTPS(t *testing.T, café *url.URL) (plain, ca string) {
	t.Helper()
	secure := httptest.NewTLSServer(httputil.NewSingleHostReverseProxy(café))
	t.Cleanup(secure.Close)
	leads := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, secure.URL+r.URL.Path, http.StatusPermanentRedirect)
	}))
	t.Cleanup(leads.Close)
	ca = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw}),
		0o600); err != nil {
		t.Fatal(err)
	}
	return leads.URL, ca
}

func build(t *testing.T, program, pkg string) {
	t.Helper()
	compile := exec.Command("go", "build", "-tags", "gms_pure_go", "-o", program, pkg)
	compile.Dir = engine.Root()
	if out, err := compile.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", pkg, err, out)
	}
}

// startDemo starts a café without Docker.
func startDemo(t *testing.T) (*url.URL, smoke.Account) {
	t.Helper()
	program := filepath.Join(t.TempDir(), "cafe-demo")
	build(t, program, "./app/cmd/cafe-demo")
	demo := exec.Command(program, "-addr", "127.0.0.1:0")
	stdout, err := demo.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := demo.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		demo.Process.Kill()
		_ = demo.Wait() // killed, as it is to be
	})
	var said strings.Builder
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		said.WriteString(lines.Text() + "\n")
		if strings.HasPrefix(lines.Text(), "Stop it") {
			break
		}
	}
	address, err := url.Parse(regexp.MustCompile(`http://\S+:\d+`).FindString(said.String()))
	password := regexp.MustCompile(`password +(\S+)`).FindStringSubmatch(said.String())
	if err != nil || address.Host == "" || password == nil {
		t.Fatalf("it said %q", said.String())
	}
	return address, smoke.Account{Name: "staff", Password: password[1]}
}

func wants(t *testing.T, err error, texts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one with %q", texts)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("got %q, want it to have %q", err, text)
		}
	}
}
