// Command knock tries every TCP port of some addresses from where it runs, and prints `ADDRESS PORT open`
// or `refused`: a port that is filtered does not answer at all.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"
)

func main() {
	out := bufio.NewWriter(os.Stdout)
	var mu sync.Mutex
	var all sync.WaitGroup
	slots := make(chan struct{}, 15000)
	for _, address := range os.Args[1:] {
		for port := 1; port <= 65535; port++ {
			slots <- struct{}{}
			all.Go(func() {
				defer func() { <-slots }()
				state := knock(net.JoinHostPort(address, strconv.Itoa(port)))
				if state != "" {
					mu.Lock()
					defer mu.Unlock()
					fmt.Fprintln(out, address, port, state)
				}
			})
		}
	}
	all.Wait()
	if err := out.Flush(); err != nil {
		os.Exit(1)
	}
}

// knock has time for one packet that is lost, as the kernel sends another after a second, and for a processor that
// others use.
func knock(address string) string {
	conn, err := net.DialTimeout("tcp", address, 3*time.Second)
	if err == nil {
		conn.Close()
		return "open"
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return "refused"
	}
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return ""
	}
	return err.Error() // it did not look, so it must not count as filtered
}
