// Command broken takes the place of the café's server in releases that must fail. How it fails is
// linked in, as a release is: -X main.how=…
package main

import (
	"database/sql"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	_ "github.com/go-sql-driver/mysql"
)

var release, how string

func main() {
	command := "serve"
	if len(os.Args) > 1 {
		command = os.Args[1]
	}
	switch command {
	case "migrate":
		migrate()
	case "healthcheck":
		healthcheck()
	default:
		serve()
	}
}

func migrate() {
	switch how {
	case "migration":
		fmt.Fprintln(os.Stderr, "migration 9999: column tables_turned is in the way")
		os.Exit(1)
	case "after-migration":
		expandSchema()
	}
}

// expandSchema is a migration as it should be: the release before it goes on working.
func expandSchema() {
	password, err := os.ReadFile(os.Getenv("CAFE_DB_PASSWORD_FILE"))
	check(err)
	db, err := sql.Open("mysql", "cafe_migrate:"+strings.TrimSpace(string(password))+"@tcp(db:3306)/cafe")
	check(err)
	_, err = db.Exec("ALTER TABLE customers ADD COLUMN birthday DATE NULL")
	check(err)
	fmt.Fprintln(os.Stderr, "migration 9999: added customers.birthday")
}

func healthcheck() {
	if how == "unhealthy" {
		os.Exit(1)
	}
}

func serve() {
	for line := 1; line <= 3; line++ {
		fmt.Fprintf(os.Stderr, "broken (%s): line %d\n", how, line)
	}
	switch how {
	case "crash", "after-migration":
		time.Sleep(3 * time.Second)
		fmt.Fprintln(os.Stderr, "panic: out of dice")
		os.Exit(7)
	}
	check(http.ListenAndServe(":8080", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Release", release)
		status := http.StatusOK
		if how == "probe" && r.URL.Path == "/readyz" {
			fmt.Fprintln(os.Stderr, "broken (probe): 500 for", r.URL.Path)
			status = http.StatusInternalServerError
		}
		if r.Method == http.MethodPost {
			w.Header().Set("Location", "/")
			status = http.StatusSeeOther
		}
		w.WriteHeader(status)
	})))
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "broken:", err)
		os.Exit(1)
	}
}
