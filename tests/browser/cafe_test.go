// Package browser_test uses the café as its staff do: a real Chromium, through nginx, the app and
// MySQL, each in the container that is deployed.
package browser_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/remote"
	"github.com/docker/docker/api/types/container"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/network"
	"github.com/testcontainers/testcontainers-go/wait"
	"golang.org/x/sync/errgroup"

	"boardcafe/app/cafe"
	"boardcafe/app/mysql"
	"boardcafe/app/web"
	"boardcafe/tests/engine"
)

// address is the café's, as the browser's container reaches it.
const address = "http://proxy:8080"

var (
	chromium context.Context // a chromedp context: tabs are made from it
	password = rand.Text()   // of the staff called staff
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	var s stack
	defer s.remove()
	if err := s.open(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "browser:", err)
		return 1
	}
	return m.Run()
}

// stack is the café in its containers on a network of their own, and a browser beside it.
type stack struct {
	network  *testcontainers.DockerNetwork
	started  chan testcontainers.Container
	password string // of the app's database user
	cancel   []context.CancelFunc
}

// open starts everything. What it started is removed by remove, also after an error.
func (s *stack) open(ctx context.Context) error {
	s.started = make(chan testcontainers.Container, 8)
	if err := engine.Setup(ctx); err != nil {
		return err
	}
	var err error
	if s.network, err = network.New(ctx, network.WithLabels(engine.Labels())); err != nil {
		return fmt.Errorf("create network: %w", err)
	}
	staff, err := web.HashPassword("staff", password)
	if err != nil {
		return err
	}
	s.password = rand.Text()
	migrate, key := rand.Text(), rand.Text()+rand.Text()

	var together errgroup.Group
	together.Go(func() error { return s.startCafe(ctx, migrate, key, staff) })
	together.Go(func() error { return s.startBrowser(ctx) })
	return together.Wait()
}

func (s *stack) startCafe(ctx context.Context, migrate, key, staff string) error {
	db, err := s.start(ctx, "db", testcontainers.ContainerRequest{
		Image:        engine.Image("db"),
		Env:          map[string]string{"CAFE_DB_PASSWORD_FILE": "/run/cafe", "CAFE_MIGRATE_PASSWORD_FILE": "/run/migrate"},
		Files:        []testcontainers.ContainerFile{secret("cafe", s.password), secret("migrate", migrate)},
		ExposedPorts: []string{"3306/tcp"},
		Cmd:          []string{"--innodb-flush-log-at-trx-commit=0", "--disable-log-bin"},
		HostConfigModifier: func(c *container.HostConfig) {
			c.Tmpfs = map[string]string{"/var/lib/mysql": "mode=1777", "/tmp": "mode=1777"}
			c.CapDrop = []string{"ALL"}
		},
		WaitingFor: wait.ForHealthCheck().WithStartupTimeout(2 * time.Minute),
	})
	if err != nil {
		return err
	}
	migration, err := s.start(ctx, "migrate", testcontainers.ContainerRequest{
		Image:              engine.Image("app"),
		Cmd:                []string{"migrate"},
		Env:                map[string]string{"CAFE_DB_USER": "cafe_migrate", "CAFE_DB_PASSWORD_FILE": "/run/migrate"},
		Files:              []testcontainers.ContainerFile{secret("migrate", migrate)},
		HostConfigModifier: confined,
		WaitingFor:         wait.ForExit().WithExitTimeout(time.Minute),
	})
	if err != nil {
		return err
	}
	if state, err := migration.State(ctx); err != nil || state.ExitCode != 0 {
		return errors.Join(err, fmt.Errorf("the migration failed: %s", logs(ctx, migration)))
	}
	if err := s.fill(ctx, db); err != nil {
		return fmt.Errorf("sample data: %w", err)
	}
	_, err = s.start(ctx, "app", testcontainers.ContainerRequest{
		Image: engine.Image("app"),
		Env: map[string]string{"CAFE_DB_PASSWORD_FILE": "/run/cafe", "CAFE_SESSION_KEY_FILE": "/run/key",
			"CAFE_STAFF_FILE": "/run/staff", "CAFE_DRAIN": "0s"},
		Files: []testcontainers.ContainerFile{secret("cafe", s.password), secret("key", key),
			secret("staff", staff)},
		HostConfigModifier: confined,
		WaitingFor:         wait.ForHealthCheck().WithStartupTimeout(time.Minute),
	})
	if err != nil {
		return err
	}
	_, err = s.start(ctx, "proxy", testcontainers.ContainerRequest{
		Image:        engine.Image("proxy"),
		ExposedPorts: []string{"8080/tcp"},
		HostConfigModifier: func(c *container.HostConfig) {
			confined(c)
			c.ReadonlyRootfs = true
		},
		WaitingFor: wait.ForHTTP("/readyz").WithPort("8080/tcp").WithStartupTimeout(time.Minute),
	})
	return err
}

func (s *stack) startBrowser(ctx context.Context) error {
	c, err := s.start(ctx, "browser", testcontainers.ContainerRequest{
		Image:        engine.Toolbox(),
		Cmd:          []string{"browser"},
		ExposedPorts: []string{"9223/tcp"},
		HostConfigModifier: func(c *container.HostConfig) {
			confined(c)
			c.ReadonlyRootfs = true
			init := true // Chromium leaves children behind that nobody waits for
			c.Init = &init
		},
		WaitingFor: wait.ForHTTP("/json/version").WithPort("9223/tcp").WithStartupTimeout(time.Minute),
	})
	if err != nil {
		return err
	}
	endpoint, err := c.PortEndpoint(ctx, "9223/tcp", "http")
	if err != nil {
		return err
	}
	// Not from ctx: that ends when everything is open, and the browser is for the tests.
	allocator, cancel := remote.NewAllocator(context.Background(), endpoint)
	s.cancel = append(s.cancel, cancel)
	chromium, cancel = chromedp.NewContext(allocator)
	s.cancel = append(s.cancel, cancel)
	if err := chromedp.Do(chromium); err != nil {
		return fmt.Errorf("connect to Chromium: %w", err)
	}
	return nil
}

// start starts one container, which the others find by its name.
func (s *stack) start(ctx context.Context, name string,
	request testcontainers.ContainerRequest,
) (testcontainers.Container, error) {
	request.Labels = engine.Labels()
	request.Networks = []string{s.network.Name}
	request.NetworkAliases = map[string][]string{s.network.Name: {name}}
	c, err := testcontainers.GenericContainer(ctx,
		testcontainers.GenericContainerRequest{Started: true, ContainerRequest: request})
	if c != nil {
		s.started <- c
	}
	if err != nil {
		if c != nil {
			err = fmt.Errorf("%w\n%s", err, logs(ctx, c))
		}
		return nil, fmt.Errorf("start %s (`make images toolbox` builds it): %w", request.Image, err)
	}
	return c, nil
}

// remove leaves nothing behind.
func (s *stack) remove() {
	for _, cancel := range s.cancel {
		cancel()
	}
	close(s.started)
	var together errgroup.Group
	for c := range s.started {
		together.Go(func() error { return testcontainers.TerminateContainer(c, testcontainers.StopTimeout(0)) })
	}
	err := together.Wait()
	if s.network != nil {
		err = errors.Join(err, s.network.Remove(context.Background()))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "browser:", err)
	}
}

func confined(c *container.HostConfig) {
	c.CapDrop = []string{"ALL"}
	c.SecurityOpt = []string{"no-new-privileges:true"}
	c.Tmpfs = map[string]string{"/tmp": "mode=1777,exec"}
}

func secret(name, value string) testcontainers.ContainerFile {
	return testcontainers.ContainerFile{Reader: strings.NewReader(value), ContainerFilePath: "/run/" + name,
		FileMode: 0o444}
}

func logs(ctx context.Context, c testcontainers.Container) string {
	r, err := c.Logs(ctx)
	if err != nil {
		return err.Error()
	}
	defer r.Close()
	out, _ := io.ReadAll(r)
	return string(out)
}

// fill makes an evening: a library, and guests who came one after the other.
func (s *stack) fill(ctx context.Context, server testcontainers.Container) error {
	host, err := server.Host(ctx)
	if err != nil {
		return err
	}
	port, err := server.MappedPort(ctx, "3306/tcp")
	if err != nil {
		return err
	}
	db, err := mysql.Open(mysql.Config{Host: host, Port: port.Int(), Name: "cafe", User: "cafe", Password: s.password},
		slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer db.Close()
	ids := map[string]uint64{}
	for _, g := range []cafe.Game{
		{Name: "Azul", Copies: 2, MinPlayers: 2, MaxPlayers: 4, Minutes: 45, Shelf: "A1"},
		{Name: "Carcassonne", Copies: 2, MinPlayers: 2, MaxPlayers: 5, Minutes: 45, Shelf: "A2, river tiles in the lid"},
		{Name: "Catan", Copies: 1, MinPlayers: 3, MaxPlayers: 4, Minutes: 90, Shelf: "A3"},
		{Name: "Codenames", Copies: 3, MinPlayers: 4, MaxPlayers: 8, Minutes: 15, Shelf: "Party"},
		{Name: "Hanabi", Copies: 1, MinPlayers: 2, MaxPlayers: 5, Minutes: 25, Shelf: "Small"},
		{Name: "Pandemic", Copies: 1, MinPlayers: 2, MaxPlayers: 4, Minutes: 45, Shelf: "B2, one blue cube is missing"},
		{Name: "Terraforming Mars", Copies: 1, MinPlayers: 1, MaxPlayers: 5, Minutes: 120, Shelf: "C1"},
		{Name: "Ticket to Ride", Copies: 1, MinPlayers: 2, MaxPlayers: 5, Minutes: 60, Shelf: "C2"},
	} {
		if err := db.CreateGame(ctx, &g); err != nil {
			return err
		}
		ids[g.Name] = g.ID
	}
	for _, r := range []struct {
		name           string
		table, minutes int
		game           string
	}{
		{"Anna", 4, 71, "Azul"}, {"Bilal", 2, 64, "Azul"}, {"Emeka", 5, 52, "Catan"}, {"Chloé", 7, 38, "Azul"},
		{"Grace", 3, 31, "Ticket to Ride"}, {"Dmitri", 1, 22, "Azul"}, {"Hiro", 6, 12, "Codenames"}, {"Farah", 9, 4, "Catan"},
	} {
		c := cafe.Customer{Name: r.name, Table: r.table, GameID: ids[r.game]}
		if err := db.CreateCustomer(ctx, &c, false); err != nil {
			return err
		}
		if _, err := db.Pool().ExecContext(ctx,
			"UPDATE customers SET reserved_at = reserved_at - INTERVAL ? MINUTE WHERE id = ?", r.minutes, c.ID); err != nil {
			return err
		}
	}
	return nil
}
