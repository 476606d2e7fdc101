// Command smoke tests a café that is live, at each of its machines: sign in, create, read, delete.
//
//	smoke --release 3f2a1b --name smoke --password-file FILE http://manager http://worker
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"boardcafe/tests/smoke"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, 4*time.Minute)
	defer cancel()
	if err := run(ctx, os.Stdout, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "smoke:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, stdout io.Writer, args []string) error {
	flags := flag.NewFlagSet("smoke", flag.ContinueOnError)
	release := flags.String("release", "", "the `release` that must answer; any if empty")
	name := flags.String("name", "smoke", "the `account` to sign in with")
	file := flags.String("password-file", "", "the `file` with its password")
	tlsName := flags.String("tls-name", "", "the `name` in the café's certificate, where addresses are given")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() == 0 {
		return errors.New("where is the café? Name the address of each machine, such as http://manager")
	}
	for _, base := range flags.Args() {
		if u, err := url.Parse(base); err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
			return fmt.Errorf("%q is no address: write http://HOST or https://HOST", base)
		}
	}
	if *file == "" {
		return errors.New("the password of " + *name + " is missing: name the file that has it with --password-file")
	}
	password, err := os.ReadFile(*file)
	if err != nil {
		return fmt.Errorf("the password of %s: %w", *name, err)
	}
	account := smoke.Account{Name: *name, Password: strings.TrimRight(string(password), "\r\n")}
	var failed []error
	for _, base := range flags.Args() {
		begin := time.Now()
		if err := smoke.Run(ctx, base, smoke.Options{Release: *release, TLSName: *tlsName}, account); err != nil {
			failed = append(failed, err)
			continue
		}
		fmt.Fprintf(stdout, "ok    %s  signed in, created, read, deleted in %d ms\n", base, time.Since(begin).Milliseconds())
	}
	return errors.Join(failed...)
}
