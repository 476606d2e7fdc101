// Command peers is a service that shows whether an overlay network works: it answers with the name
// of its machine, and at /peers with those of all replicas, each asked over the network.
package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"time"
)

func main() {
	http.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, os.Getenv("MACHINE"))
	})
	http.HandleFunc("/peers", func(w http.ResponseWriter, _ *http.Request) {
		addresses, err := net.LookupHost("tasks.peers")
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		client := http.Client{Timeout: 2 * time.Second}
		for _, address := range addresses {
			answer, err := client.Get("http://" + net.JoinHostPort(address, "8080"))
			if err != nil {
				fmt.Fprintln(w, err)
				continue
			}
			io.Copy(w, answer.Body)
			answer.Body.Close()
		}
	})
	log.Fatal(http.ListenAndServe(":8080", nil))
}
