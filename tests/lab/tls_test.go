package lab_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"boardcafe/tests/cluster/machine"
	"boardcafe/tests/engine"
	"boardcafe/tests/lab"
)

const tlsName = "cafe.test"

// With a certificate the café is on port 443 and port 80 leads there; without it, all is as before.
func TestACertificateBringsTLS(t *testing.T) {
	l := aCafe(t)
	certificate, key := newCertificate(t, time.Now().Add(24*time.Hour))
	plain := l.Inventory.Clone()
	setTLS(certificate, key)(&l.Inventory)
	undone := false
	undo := func() {
		l.Inventory, undone = plain, true
		l.play(t, "cafe.yml")
	}
	defer func() {
		if !undone { // the other tests want the café as it was
			undo()
		}
	}()

	recap := l.play(t, "cafe.yml")
	if strings.Contains(recap.Output, "PRIVATE KEY") {
		t.Error("the key is in what Ansible printed")
	}
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, []byte(certificate), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, m := range l.Machines()[:2] {
		l.wantTLS(t, m, certificate)
		l.smoke(t, m, ca)
	}
	l.play(t, "verify.yml")
	again := l.play(t, "cafe.yml")
	wantChanged(t, again)

	undo()
	for _, m := range l.Machines()[:2] {
		if err := ready(m); err != nil {
			t.Error(err)
		}
		l.staff(t, m)
		if client, err := tls.Dial("tcp", m.Port(443), &tls.Config{InsecureSkipVerify: true}); err == nil {
			client.Close()
			t.Errorf("%s: port 443 is still open", m.Name)
		}
	}
}

// wantTLS looks at a machine as a browser does that does not know yet about https.
func (l *cafe) wantTLS(t *testing.T, m *machine.Machine, certificate string) {
	t.Helper()
	if err := ready(m); err != nil { // a health check is not sent on
		t.Error(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(certificate))
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: tlsName}, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	client := http.Client{Transport: transport, Timeout: 10 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	get := func(url string) *http.Response {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Host = tlsName
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		return response
	}
	response := get("http://" + m.Port(80) + "/signin?next=%2Fgames")
	if to := response.Header.Get("Location"); response.StatusCode != http.StatusPermanentRedirect || to != "https://"+tlsName+"/signin?next=%2Fgames" {
		t.Errorf("%s: http is answered with %s to %q", m.Name, response.Status, to)
	}
	response = get("https://" + m.Port(443) + "/signin")
	if response.StatusCode != http.StatusOK || response.ProtoMajor != 2 || response.Header.Get("Strict-Transport-Security") == "" {
		t.Errorf("%s: https is answered with %s %s, %v", m.Name, response.Proto, response.Status, response.Header)
	}
	for _, cookie := range response.Cookies() {
		if !cookie.Secure {
			t.Errorf("%s: the cookie %s is not secure", m.Name, cookie.Name)
		}
	}
	if old, err := tls.Dial("tcp", m.Port(443), &tls.Config{RootCAs: roots, ServerName: tlsName, MaxVersion: tls.VersionTLS11}); err == nil {
		old.Close()
		t.Errorf("%s: TLS 1.1 is good enough", m.Name)
	}
}

// smoke works with the café over https, as the pipeline does after a deploy.
func (l *cafe) smoke(t *testing.T, m *machine.Machine, ca string) {
	t.Helper()
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte(must(l.Password())), 0o600); err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), "go", "run", "./tests/cmd/smoke", "--release", engine.Release(), "--name", lab.Staff,
		"--password-file", password, "--tls-name", tlsName, "https://"+m.Port(443))
	command.Dir, command.Env = engine.Root(), append(os.Environ(), "SSL_CERT_FILE="+ca)
	if out, err := command.CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s", m.Name, err, out)
	}
}

func setTLS(certificate, key string) func(*lab.Inventory) {
	return func(i *lab.Inventory) {
		i.Set("cafe_tls_certificate", certificate)
		i.Set("cafe_tls_key", key)
		i.Set("cafe_tls_name", tlsName)
	}
}

// newCertificate is one that signs itself, and its key, in PEM.
func newCertificate(t *testing.T, until time.Time) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{tlsName}, NotBefore: until.Add(-48 * time.Hour), NotAfter: until,
		IsCA: true, BasicConstraintsValid: true}
	signed, err := x509.CreateCertificate(rand.Reader, &template, &template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}))
}
