// Command cafe-demo is the café to try: the same pages and the same storage over a database
// engine inside the process, with a dozen games. It needs no Docker and keeps nothing.
package main

import (
	"context"
	"crypto/rand"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	gms "github.com/dolthub/go-mysql-server"
	"github.com/dolthub/go-mysql-server/memory"
	gmsserver "github.com/dolthub/go-mysql-server/server"
	gmssql "github.com/dolthub/go-mysql-server/sql"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"

	"boardcafe/app/cafe"
	"boardcafe/app/mysql"
	"boardcafe/app/web"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "listen `address`")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx, *addr, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "cafe-demo:", err)
		os.Exit(1)
	}
}

// run serves until the context ends, and prints the address and the sign-in.
func run(ctx context.Context, addr string, stdout io.Writer) error {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("%w\nset another port: make run HTTP_PORT=8081", err)
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	engine, port, err := startEngine()
	if err != nil {
		return err
	}
	defer engine.Close()
	db, err := mysql.Open(mysql.Config{Host: "127.0.0.1", Port: port, Name: database, User: "root"}, log)
	if err != nil {
		return err
	}
	defer db.Close()
	if err := db.MigrateUnlocked(ctx); err != nil {
		return err
	}
	if err := fill(ctx, db); err != nil {
		return fmt.Errorf("sample data: %w", err)
	}
	password := strings.ToLower(rand.Text()[:12])
	line, err := web.HashPassword("staff", password)
	if err != nil {
		return err
	}
	staff, err := web.ParseStaff(strings.NewReader(line))
	if err != nil {
		return err
	}
	server, err := web.New(web.Config{Store: db, Staff: staff, SessionKey: []byte(rand.Text() + rand.Text()),
		Release: "demo", Log: log, Metrics: prometheus.NewRegistry(), Now: time.Now})
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "The café to try, on http://%s (nothing is kept)\n\n  name      staff\n  password  %s\n\n"+
		"Stop it with Ctrl-C.\n", listener.Addr(), password)
	return server.Serve(ctx, listener, 0)
}

const database = "cafe"

// startEngine serves an empty database in memory on a free port of this machine alone.
func startEngine() (*gmsserver.Server, int, error) {
	logrus.SetOutput(io.Discard) // the engine logs every connection
	empty := memory.NewDatabase(database)
	empty.EnablePrimaryKeyIndexes() // foreign keys need them
	provider := memory.NewDBProvider(empty)
	reserved, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, 0, err
	}
	port := reserved.Addr().(*net.TCPAddr).Port
	config := gmsserver.Config{Protocol: "tcp", Address: reserved.Addr().String(), Listener: reserved}
	engine, err := gmsserver.NewServer(config,
		gms.NewDefault(provider), gmssql.NewContext, memory.NewSessionBuilder(provider), nil)
	if err != nil {
		return nil, 0, fmt.Errorf("embedded database: %w", err)
	}
	go func() { _ = engine.Start() }() // ends with Close, and with the error that it was closed
	return engine, port, nil
}

// fill adds a dozen games and a few queues.
func fill(ctx context.Context, db *mysql.DB) error {
	games := []cafe.Game{
		{Name: "Azul", Copies: 2, MinPlayers: 2, MaxPlayers: 4, Minutes: 45, Shelf: "A1"},
		{Name: "Carcassonne", Copies: 2, MinPlayers: 2, MaxPlayers: 5, Minutes: 45, Shelf: "A2, river tiles in the lid"},
		{Name: "Catan", Copies: 1, MinPlayers: 3, MaxPlayers: 4, Minutes: 90, Shelf: "A3"},
		{Name: "Codenames", Copies: 3, MinPlayers: 4, MaxPlayers: 8, Minutes: 15, Shelf: "Party"},
		{Name: "Dixit", Copies: 1, MinPlayers: 3, MaxPlayers: 6, Minutes: 30, Shelf: "Party"},
		{Name: "Hanabi", Copies: 1, MinPlayers: 2, MaxPlayers: 5, Minutes: 25, Shelf: "Small"},
		{Name: "Kingdomino", Copies: 1, MinPlayers: 2, MaxPlayers: 4, Minutes: 20, Shelf: "B1"},
		{Name: "Pandemic", Copies: 1, MinPlayers: 2, MaxPlayers: 4, Minutes: 45, Shelf: "B2, one blue cube is missing"},
		{Name: "Patchwork", Copies: 1, MinPlayers: 2, MaxPlayers: 2, Minutes: 30, Shelf: "B3"},
		{Name: "Splendor", Copies: 1, MinPlayers: 2, MaxPlayers: 4, Minutes: 30, Shelf: "B4"},
		{Name: "Terraforming Mars", Copies: 1, MinPlayers: 1, MaxPlayers: 5, Minutes: 120, Shelf: "C1"},
		{Name: "Ticket to Ride", Copies: 1, MinPlayers: 2, MaxPlayers: 5, Minutes: 60, Shelf: "C2"},
	}
	ids := map[string]uint64{}
	for _, g := range games {
		if err := db.CreateGame(ctx, &g); err != nil {
			return err
		}
		ids[g.Name] = g.ID
	}
	for _, r := range []struct {
		name  string
		table int
		game  string
	}{
		{"Anna", 4, "Azul"}, {"Bilal", 2, "Azul"}, {"Chloé", 7, "Azul"}, {"Dmitri", 1, "Azul"},
		{"Emeka", 5, "Catan"}, {"Farah", 9, "Catan"}, {"Grace", 3, "Ticket to Ride"}, {"Hiro", 6, "Codenames"},
	} {
		customer := cafe.Customer{Name: r.name, Table: r.table, GameID: ids[r.game]}
		if err := db.CreateCustomer(ctx, &customer, false); err != nil {
			return err
		}
	}
	return nil
}
