// Command cafe is the café's server, and what its container needs besides: migrations, a health
// check and accounts.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"boardcafe/app/mysql"
	"boardcafe/app/web"
)

// release is set by the linker: -X main.release=…
var release = "dev"

const usage = `cafe keeps a board-games café's games and reservations.

Usage:
  cafe [serve]               serve the pages (the default)
  cafe migrate               bring the database's schema up to date, once before a new release
  cafe healthcheck           exit 0 if the server on this machine answers, for a container's health check:
                             waits for it to start, and from the second time on rests a minute after the answer
  cafe hash-password NAME    read a password from standard input, print the account's line for CAFE_STAFF_FILE
  cafe version               print the release

Example:
  printf %s 'a long password' | cafe hash-password anna >> staff

Environment (each secret also as …_FILE, the path of a file that holds it):
  CAFE_ADDR             listen address                                   :8080
  CAFE_DB_HOST          MySQL: host                                      db
  CAFE_DB_PORT          port                                             3306
  CAFE_DB_NAME          database                                         cafe
  CAFE_DB_USER          user                                             cafe
  CAFE_DB_PASSWORD      its password                                     required
  CAFE_STAFF_FILE       accounts, one name:bcrypt a line                 required to serve
  CAFE_SESSION_KEY      at least 32 bytes, signs the session cookie      required to serve
  CAFE_HTTPS            true if browsers reach the café by https         false
  CAFE_DRAIN            how long to go on serving after SIGTERM          5s
  CAFE_TRUSTED_PROXIES  networks whose X-Forwarded-For is believed       none
  CAFE_LOG_LEVEL        debug, info, warn or error                       info
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Getenv, os.Stdin, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "cafe:", err)
		os.Exit(1)
	}
}

// run is the program: what it reads and writes comes in, so that a test can be the world.
func run(
	ctx context.Context, args []string, getenv func(string) string, stdin io.Reader, stdout, stderr io.Writer,
) error {
	command := "serve"
	if len(args) > 0 {
		command, args = args[0], args[1:]
	}
	if command != "hash-password" && len(args) > 0 {
		return fmt.Errorf("%s takes no arguments; see cafe help", command)
	}
	switch command {
	case "serve":
		return serve(ctx, getenv, stderr)
	case "migrate":
		return migrate(ctx, getenv, stderr)
	case "healthcheck":
		return healthcheck(ctx, getenv)
	case "hash-password":
		return hashPassword(args, stdin, stdout)
	case "version":
		_, err := fmt.Fprintln(stdout, release)
		return err
	case "help", "-h", "--help":
		_, err := io.WriteString(stdout, usage)
		return err
	default:
		return fmt.Errorf("there is no command %q; see cafe help", command)
	}
}

// start reads the environment and waits for the database; the caller closes it.
func start(
	ctx context.Context, getenv func(string) string, stderr io.Writer, serving bool,
) (c config, db *mysql.DB, log *slog.Logger, err error) {
	if c, err = readConfig(getenv, serving); err != nil {
		return c, nil, nil, err
	}
	log = slog.New(slog.NewJSONHandler(stderr, &slog.HandlerOptions{Level: c.logLevel})).With("release", release)
	if db, err = mysql.Open(c.database, log); err != nil {
		return c, nil, nil, err
	}
	if err = waitFor(ctx, db, log); err != nil {
		db.Close()
		return c, nil, nil, err
	}
	return c, db, log, nil
}

// serve refuses a schema that is too old, and only listens after that.
func serve(ctx context.Context, getenv func(string) string, stderr io.Writer) error {
	c, db, log, err := start(ctx, getenv, stderr, true)
	if err != nil {
		return err
	}
	defer db.Close()
	if err := db.CheckSchema(ctx); err != nil {
		return err
	}
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		collectors.NewDBStatsCollector(db.Pool(), c.database.Name))
	server, err := web.New(web.Config{Store: db, Staff: c.staff, SessionKey: c.sessionKey, HTTPS: c.https,
		TrustedProxies: c.trusted, Release: release, Log: log, Metrics: metrics, Now: time.Now})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", c.addr)
	if err != nil {
		return fmt.Errorf("CAFE_ADDR: %w", err)
	}
	log.Info("serving", "address", listener.Addr().String())
	return server.Serve(ctx, listener, c.drain)
}

func migrate(ctx context.Context, getenv func(string) string, stderr io.Writer) error {
	_, db, log, err := start(ctx, getenv, stderr, false)
	if err != nil {
		return err
	}
	defer db.Close()
	applied, err := db.Migrate(ctx)
	for _, name := range applied {
		log.Info("applied", "migration", name)
	}
	if err == nil {
		log.Info("schema is current", "applied", len(applied))
	}
	return err
}

// patience is how long a start waits for a database that does not answer: one that recovers from
// a crash takes a while, and one that is not there should be said so.
const patience = time.Minute

// waitFor returns when the database answers.
func waitFor(ctx context.Context, db *mysql.DB, log *slog.Logger) error {
	deadline := time.Now().Add(patience)
	for {
		err := db.Ping(ctx)
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the database has not answered for %s: %w", patience, err)
		}
		if errors.Is(err, mysql.ErrAccess) {
			return err // waiting does not mend a password
		}
		log.Warn("waiting for the database", "error", err)
		select {
		case <-ctx.Done():
			return errors.New("stopped while waiting for the database")
		case <-time.After(time.Second):
		}
	}
}

func hashPassword(args []string, stdin io.Reader, stdout io.Writer) error {
	if len(args) != 1 {
		return errors.New("hash-password takes a name, and the password on standard input")
	}
	password, err := bufio.NewReader(io.LimitReader(stdin, 1024)).ReadString('\n')
	if err != nil && err != io.EOF {
		return fmt.Errorf("read the password: %w", err)
	}
	line, err := web.HashPassword(args[0], strings.TrimRight(password, "\r\n"))
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(stdout, line)
	return err
}
