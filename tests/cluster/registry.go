package cluster

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/registry"
	"github.com/docker/docker/pkg/jsonmessage"
	"golang.org/x/crypto/bcrypt"

	"boardcafe/tests/cluster/machine"
)

// RegistryAddress is what the machines call the registry.
const RegistryAddress = "registry:5000"

// Registry is a registry with a password, and a certificate from a CA that only the site's machines
// trust.
type Registry struct {
	*machine.Service
	User, Password string
	// CA is the certificate, in PEM, that a machine must have in /etc/docker/certs.d.
	CA []byte

	dir string // docker's own config.json, with the password
}

const registryConfig = `version: 0.1
log: {level: warn}
storage:
  filesystem: {rootdirectory: /var/lib/docker-registry}
  delete: {enabled: true}
http:
  addr: :5000
  tls: {certificate: /etc/docker/registry/tls.crt, key: /etc/docker/registry/tls.key}
auth:
  htpasswd: {realm: registry, path: /etc/docker/registry/htpasswd}
`

// startRegistry starts the site's registry, or takes over the one that is there: what it was made
// with is in the site's folder.
func startRegistry(ctx context.Context, site *machine.Site) (*Registry, error) {
	r := &Registry{User: "cafe", dir: filepath.Join(site.Dir(), "docker")}
	files, err := r.files()
	if err != nil {
		return nil, err
	}
	r.Service, err = site.Serve(ctx, machine.ServiceSpec{
		Name:   "registry",
		Kind:   machine.Registry,
		Files:  files,
		Volume: "/var/lib/docker-registry",
		Port:   5000,
	})
	return r, err
}

// files makes, or reads from an earlier run, the registry's secrets: its certificate, the password,
// and docker's config.json with it.
func (r *Registry) files() (map[string][]byte, error) {
	secrets := filepath.Join(r.dir, "registry.json")
	var kept struct{ CA, Certificate, Key, Password []byte }
	content, err := os.ReadFile(secrets)
	switch {
	case errors.Is(err, os.ErrNotExist):
		kept.Password = []byte(rand.Text())
		if kept.CA, kept.Certificate, kept.Key, err = certificate("registry"); err != nil {
			return nil, err
		}
		if content, err = json.Marshal(kept); err != nil {
			return nil, err
		}
		if err := os.MkdirAll(r.dir, 0o700); err != nil {
			return nil, err
		}
		if err := os.WriteFile(secrets, content, 0o600); err != nil {
			return nil, err
		}
	case err != nil:
		return nil, err
	default:
		if err := json.Unmarshal(content, &kept); err != nil {
			return nil, fmt.Errorf("%s: %w", secrets, err)
		}
	}
	r.CA, r.Password = kept.CA, string(kept.Password)

	login := base64.StdEncoding.EncodeToString([]byte(r.User + ":" + r.Password))
	config := fmt.Sprintf(`{"auths": {%q: {"auth": %q}}}`, RegistryAddress, login)
	if err := os.WriteFile(filepath.Join(r.dir, "config.json"), []byte(config), 0o600); err != nil {
		return nil, err
	}
	hash, err := bcrypt.GenerateFromPassword(kept.Password, bcrypt.MinCost)
	if err != nil {
		return nil, err
	}
	return map[string][]byte{
		"/etc/docker/registry/config.yml": []byte(registryConfig),
		"/etc/docker/registry/tls.crt":    kept.Certificate,
		"/etc/docker/registry/tls.key":    kept.Key,
		"/etc/docker/registry/htpasswd":   fmt.Appendf(nil, "%s:%s\n", r.User, hash),
	}, nil
}

// DockerConfig is a folder for DOCKER_CONFIG, with which docker and rollout may pull and push.
func (r *Registry) DockerConfig() string { return r.dir }

// trust makes the machine's engine believe the registry's certificate. Docker reads the folder at
// each pull, there is nothing to restart.
func (r *Registry) trust(ctx context.Context, m *machine.Machine) error {
	return m.WriteFile(ctx, "/etc/docker/certs.d/"+RegistryAddress+"/ca.crt", r.CA, "0644")
}

// push pushes an image that the machine's engine has.
func (r *Registry) push(ctx context.Context, from *machine.Machine, ref string) error {
	docker, err := from.Docker()
	if err != nil {
		return err
	}
	auth, err := registry.EncodeAuthConfig(registry.AuthConfig{
		Username: r.User, Password: r.Password, ServerAddress: RegistryAddress,
	})
	if err != nil {
		return err
	}
	stream, err := docker.ImagePush(ctx, ref, image.PushOptions{RegistryAuth: auth})
	if err != nil {
		return fmt.Errorf("push %s: %w", ref, err)
	}
	defer stream.Close()
	if err := jsonmessage.DisplayJSONMessagesStream(stream, io.Discard, 0, false, nil); err != nil {
		return fmt.Errorf("push %s: %w", ref, err)
	}
	return nil
}

// certificate makes a CA and a certificate from it for one host, all in PEM.
func certificate(host string) (ca, cert, key []byte, err error) {
	now := time.Now()
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "boardcafe test CA"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(0, 1, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: host},
		DNSNames: []string{host}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: authority.NotBefore, NotAfter: authority.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	authorityKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, nil, err
	}
	leafKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, nil, err
	}
	caDER, err := x509.CreateCertificate(rand.Reader, authority, authority, authorityKey.Public(), authorityKey)
	if err != nil {
		return nil, nil, nil, err
	}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, authority, leafKey.Public(), authorityKey)
	if err != nil {
		return nil, nil, nil, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(leafKey)
	if err != nil {
		return nil, nil, nil, err
	}
	encode := func(kind string, der []byte) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	}
	return encode("CERTIFICATE", caDER), encode("CERTIFICATE", leafDER), encode("PRIVATE KEY", keyDER), nil
}
