package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"syscall"
	"time"

	"boardcafe/app/web"
)

// What a health check costs is its start: a process through the engine, each time. So one waits by itself,
// at the start until the server is there, and later before the next one. docker-stack.yml has the sums.
const (
	// lookEvery is the time between two looks whether the server listens yet.
	lookEvery = 100 * time.Millisecond
	// listenPatience is how long a check looks: the server listens when the database has answered.
	listenPatience = 10 * time.Second
	// answerPatience is for the answer of one check; it takes many without one to end a container.
	answerPatience = 30 * time.Second
	// rest is how long a check stays after an answer, so that there is about one a minute.
	rest = time.Minute
)

// healthcheck returns nil when the server beside it has answered: at once the first time, later after a rest.
func healthcheck(ctx context.Context, getenv func(string) string) error {
	addr := getenv("CAFE_ADDR")
	if addr == "" {
		addr = defaultAddr
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("CAFE_ADDR: %w", err)
	}
	url := "http://" + net.JoinHostPort("127.0.0.1", port) + "/healthz"
	deadline := time.Now().Add(listenPatience)
	again, err := ask(ctx, url)
	for errors.Is(err, syscall.ECONNREFUSED) && time.Now().Before(deadline) {
		pause(ctx, lookEvery)
		again, err = ask(ctx, url)
	}
	if again {
		pause(ctx, rest)
	}
	return err
}

// ask asks the server, which says whether it has answered a check before.
func ask(ctx context.Context, url string) (again bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, answerPatience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false, err
	}
	request.Header.Set(web.CheckHeader, "1")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return false, fmt.Errorf("not healthy: %s", response.Status)
	}
	return response.Header.Get(web.CheckHeader) != "", nil
}

// pause returns after a while, or when the process is to end.
func pause(ctx context.Context, while time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(while):
	}
}
