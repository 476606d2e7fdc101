package images_test

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/go-sql-driver/mysql"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/wait"

	"boardcafe/tests/engine"
)

// Characters that mean something to SQL or to a shell: a password may hold them.
const (
	cafePassword    = `it's "$HOME" \n; -- 100%`
	migratePassword = "zwölf\tBären`id`"
)

// secrets are files by name.
type secrets map[string]string

var passwords = secrets{"cafe": cafePassword, "migrate": migratePassword}

// database is a request for the db image, confined, as a user that no image knows.
func database(t *testing.T, data string, files secrets) testcontainers.ContainerRequest {
	t.Helper()
	return testcontainers.ContainerRequest{
		Image:        engine.Image("db"),
		User:         "12345:12345",
		ExposedPorts: []string{"3306/tcp"},
		Env: map[string]string{
			"CAFE_DB_PASSWORD_FILE":      "/secrets/cafe",
			"CAFE_MIGRATE_PASSWORD_FILE": "/secrets/migrate",
		},
		HostConfigModifier: func(c *container.HostConfig) {
			confine(c)
			c.Mounts = []mount.Mount{
				{Type: mount.TypeVolume, Source: data, Target: "/var/lib/mysql"},
				{Type: mount.TypeVolume, Source: volumeWith(t, files), Target: "/secrets", ReadOnly: true},
			}
		},
		WaitingFor: wait.ForHealthCheck().WithStartupTimeout(2 * time.Minute),
	}
}

// volumeWith makes a volume that holds the files. They go by way of a container that never starts:
// into a read-only one nothing can be copied.
func volumeWith(t *testing.T, files secrets) string {
	t.Helper()
	name := newVolume(t)
	request := testcontainers.ContainerRequest{
		Image:  engine.Image("db"),
		Labels: engine.Labels(),
		HostConfigModifier: func(c *container.HostConfig) {
			c.Mounts = []mount.Mount{{Type: mount.TypeVolume, Source: name, Target: "/secrets"}}
		},
	}
	for file, content := range files {
		request.Files = append(request.Files, testcontainers.ContainerFile{
			Reader: strings.NewReader(content), ContainerFilePath: "/secrets/" + file, FileMode: 0o444})
	}
	c, err := testcontainers.GenericContainer(t.Context(),
		testcontainers.GenericContainerRequest{ContainerRequest: request, Logger: quiet{}})
	testcontainers.CleanupContainer(t, c)
	if err != nil {
		t.Fatalf("fill a volume: %v", err)
	}
	return name
}

func connect(t *testing.T, c testcontainers.Container, user, password string) *sql.DB {
	t.Helper()
	config := mysql.NewConfig()
	config.Net, config.Addr = "tcp", address(t, c, "3306/tcp")
	config.User, config.Passwd, config.DBName = user, password, "cafe"
	config.Timeout = 5 * time.Second
	connector, err := mysql.NewConnector(config)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	t.Cleanup(func() { db.Close() })
	return db
}

func TestDBHasTheAccountsOfTheCafeAndNoOthers(t *testing.T) {
	t.Parallel()
	db := start(t, database(t, newVolume(t), passwords))

	t.Run("the accounts", func(t *testing.T) {
		got := run(t, db, "mysql", "--silent", "--raw", "--skip-column-names",
			"--execute", "SELECT CONCAT(user, '@', host) FROM mysql.user WHERE NOT account_locked = 'Y' ORDER BY 1")
		if want := "cafe@%\ncafe_migrate@%\nroot@localhost"; got != want {
			t.Errorf("got %s\nwant %s", got, want)
		}
	})
	for user, want := range map[string]string{
		"cafe":         "SELECT, INSERT, UPDATE, DELETE",
		"cafe_migrate": "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, REFERENCES, INDEX, ALTER",
	} {
		t.Run("the privileges of "+user, func(t *testing.T) {
			got := run(t, db, "mysql", "--silent", "--raw", "--skip-column-names", "--execute", "SHOW GRANTS FOR "+user)
			want := fmt.Sprintf("GRANT USAGE ON *.* TO `%s`@`%%`\nGRANT %s ON `cafe`.* TO `%[1]s`@`%%`", user, want)
			if got != want {
				t.Errorf("got %s\nwant %s", got, want)
			}
		})
	}
	t.Run("the app writes rows and changes no table", func(t *testing.T) {
		migrate, cafe := connect(t, db, "cafe_migrate", migratePassword), connect(t, db, "cafe", cafePassword)
		must(t, migrate, "CREATE TABLE t (id INT PRIMARY KEY)")
		must(t, cafe, "INSERT INTO t VALUES (1)")
		if _, err := cafe.Exec("DROP TABLE t"); err == nil {
			t.Error("the app could drop a table")
		}
	})
	t.Run("root comes in from nowhere but inside", func(t *testing.T) {
		if err := connect(t, db, "root", "").Ping(); err == nil {
			t.Error("root signed in over the network")
		}
	})
	t.Run("the passwords are in no process list, environment or description", func(t *testing.T) {
		description, err := db.Inspect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		described, err := json.Marshal(description)
		if err != nil {
			t.Fatal(err)
		}
		processes := run(t, db, "bash", "-c", `cat /proc/[0-9]*/{cmdline,environ} | tr '\0' '\n'`)
		for _, password := range []string{cafePassword, migratePassword} {
			for place, text := range map[string]string{"log": logs(t, db), "description": string(described),
				"processes": processes} {
				if strings.Contains(text, password) {
					t.Errorf("a password is in the %s", place)
				}
			}
		}
	})
}

func TestDBKeepsItsDataAndTakesNewPasswords(t *testing.T) {
	t.Parallel()
	data := newVolume(t)
	first := start(t, database(t, data, secrets{"cafe": "the old one", "migrate": migratePassword}))
	migrate := connect(t, first, "cafe_migrate", migratePassword)
	must(t, migrate, "CREATE TABLE t (name VARCHAR(20))")
	must(t, migrate, "INSERT INTO t VALUES ('Café ☕ 🎲')")
	// What was acknowledged is there after a kill, not only after a stop.
	kill(t, first)

	second := start(t, database(t, data, passwords))
	var name string
	if err := connect(t, second, "cafe", cafePassword).QueryRow("SELECT name FROM t").Scan(&name); err != nil ||
		name != "Café ☕ 🎲" {
		t.Errorf("got %q, %v; want what was written before the kill", name, err)
	}
	if log := logs(t, second); strings.Contains(log, "initializing") {
		t.Errorf("the data was made anew:\n%s", log)
	}
	if err := connect(t, second, "cafe", "the old one").Ping(); err != nil {
		t.Errorf("an app that still runs with the old password is refused: %v", err)
	}
	kill(t, second)

	third := start(t, database(t, data, passwords))
	if err := connect(t, third, "cafe", "the old one").Ping(); err == nil {
		t.Error("the old password is good for ever")
	}
}

func TestDBBeginsAgainAfterAnInterruptedFirstStart(t *testing.T) {
	t.Parallel()
	data := newVolume(t)
	request := database(t, data, passwords)
	request.WaitingFor = wait.ForLog("initializing of server in progress")
	kill(t, start(t, request))

	start(t, database(t, data, passwords))
}

func TestDBNamesTheSecretThatIsMissing(t *testing.T) {
	t.Parallel()
	for name, files := range map[string]secrets{
		"no file":       {"cafe": cafePassword},
		"an empty file": {"cafe": cafePassword, "migrate": ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			request := database(t, newVolume(t), files)
			request.WaitingFor = wait.ForExit().WithExitTimeout(30 * time.Second)
			db := start(t, request)
			state, err := db.State(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if log := logs(t, db); state.ExitCode == 0 || !strings.Contains(log, "CAFE_MIGRATE_PASSWORD_FILE") {
				t.Errorf("exit %d, log %q; want a failure that names the variable", state.ExitCode, log)
			}
		})
	}
}

func must(t *testing.T, db *sql.DB, statement string) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}
