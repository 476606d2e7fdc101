// Package dbtest gives tests the real thing: our db image, one container for a package and a
// database of its own for each test.
package dbtest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	driver "github.com/go-sql-driver/mysql"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/wait"

	"github.com/docker/docker/api/types/container"

	"boardcafe/app/mysql"
	"boardcafe/tests/engine"
)

// Server is a running MySQL.
type Server struct {
	container         testcontainers.Container
	host              string
	port              int
	password, migrate string
}

// Run starts a server for a package, runs its tests and removes the server. Call it in TestMain:
//
//	func TestMain(m *testing.M) { os.Exit(dbtest.Run(m, &server)) }
func Run(m *testing.M, server **Server) int {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	s, err := Start(ctx)
	if s != nil {
		defer s.Stop()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "dbtest:", err)
		return 1
	}
	*server = s
	return m.Run()
}

// Start starts a server; the caller stops it, also after an error if it is not nil.
func Start(ctx context.Context) (*Server, error) {
	if err := engine.Setup(ctx); err != nil {
		return nil, err
	}
	s := &Server{password: rand.Text(), migrate: rand.Text()}
	secret := func(name, value string) testcontainers.ContainerFile {
		return testcontainers.ContainerFile{Reader: strings.NewReader(value), ContainerFilePath: "/run/" + name,
			FileMode: 0o444}
	}
	var err error
	s.container, err = testcontainers.GenericContainer(ctx, testcontainers.GenericContainerRequest{
		Started: true,
		ContainerRequest: testcontainers.ContainerRequest{
			Image:        engine.Image("db"),
			Labels:       engine.Labels(),
			Env:          map[string]string{"CAFE_DB_PASSWORD_FILE": "/run/cafe", "CAFE_MIGRATE_PASSWORD_FILE": "/run/migrate"},
			Files:        []testcontainers.ContainerFile{secret("cafe", s.password), secret("migrate", s.migrate)},
			ExposedPorts: []string{"3306/tcp"},
			// What a test writes need not survive a power cut.
			Cmd: []string{"--innodb-flush-log-at-trx-commit=0", "--disable-log-bin"},
			HostConfigModifier: func(c *container.HostConfig) {
				c.Tmpfs = map[string]string{"/var/lib/mysql": "mode=1777", "/tmp": "mode=1777"}
				c.CapDrop = []string{"ALL"}
			},
			WaitingFor: wait.ForHealthCheck().WithStartupTimeout(2 * time.Minute),
		},
	})
	if err != nil {
		if s.container == nil {
			return nil, fmt.Errorf("start %s (`make images` builds it): %w", engine.Image("db"), err)
		}
		return s, fmt.Errorf("start %s: %w", engine.Image("db"), err)
	}
	if s.host, err = s.container.Host(ctx); err != nil {
		return s, err
	}
	port, err := s.container.MappedPort(ctx, "3306/tcp")
	if err != nil {
		return s, err
	}
	s.port = port.Int()
	// The café's two users, with just their privileges, in every database of a test.
	return s, s.root(ctx, "GRANT SELECT, INSERT, UPDATE, DELETE ON `test\\_%`.* TO cafe@'%', cafe_migrate@'%';"+
		"GRANT CREATE, ALTER, DROP, INDEX, REFERENCES ON `test\\_%`.* TO cafe_migrate@'%';")
}

// root runs SQL as root, inside of the container: nobody else can.
func (s *Server) root(ctx context.Context, statements string) error {
	_, err := engine.Output(ctx, s.container.GetContainerID(), "mysql", "--execute", statements)
	return err
}

// Stop removes the server.
func (s *Server) Stop() {
	if err := testcontainers.TerminateContainer(s.container); err != nil {
		fmt.Fprintln(os.Stderr, "dbtest:", err)
	}
}

// Empty makes a database with nothing in it and returns how the migrations reach it.
func (s *Server) Empty(t testing.TB) mysql.Config {
	t.Helper()
	c := mysql.Config{Host: s.host, Port: s.port, Name: "test_" + strings.ToLower(rand.Text()), User: "cafe_migrate",
		Password: s.migrate}
	admin := s.raw(t, c, "")
	if _, err := admin.Exec("CREATE DATABASE " + c.Name); err != nil {
		t.Fatalf("create database: %v", err)
	}
	t.Cleanup(func() {
		if _, err := admin.Exec("DROP DATABASE " + c.Name); err != nil {
			t.Errorf("drop database: %v", err)
		}
		admin.Close()
	})
	return c
}

// Config makes a migrated database and returns how the app reaches it.
func (s *Server) Config(t testing.TB) mysql.Config {
	t.Helper()
	c := s.Empty(t)
	if _, err := MustOpen(t, c).Migrate(t.Context()); err != nil {
		t.Fatalf("migrate: %v", err)
	}
	c.User, c.Password = "cafe", s.password
	return c
}

// Open makes a migrated database and opens it as the app does.
func (s *Server) Open(t testing.TB) *mysql.DB {
	t.Helper()
	return MustOpen(t, s.Config(t))
}

// Raw opens a database for statements that the storage does not offer.
func (s *Server) Raw(t testing.TB, c mysql.Config) *sql.DB {
	t.Helper()
	db := s.raw(t, c, c.Name)
	t.Cleanup(func() { db.Close() })
	return db
}

func (s *Server) raw(t testing.TB, c mysql.Config, name string) *sql.DB {
	t.Helper()
	d := driver.NewConfig()
	d.Net, d.Addr, d.User, d.Passwd, d.DBName = "tcp", fmt.Sprintf("%s:%d", c.Host, c.Port), c.User, c.Password, name
	d.ParseTime, d.MultiStatements = true, true
	connector, err := driver.NewConnector(d)
	if err != nil {
		t.Fatal(err)
	}
	return sql.OpenDB(connector)
}

// MustOpen opens a database until the test ends.
func MustOpen(t testing.TB, c mysql.Config) *mysql.DB {
	t.Helper()
	db, err := mysql.Open(c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}
