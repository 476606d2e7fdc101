// Command standin stands in for Jenkins's controller in the lab, where the real image cannot be had. It
// is no Jenkins: it listens where Jenkins would, and says what it was given.
package main

import (
	"encoding/json"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// Given is what a container was given.
type Given struct {
	UID, GID int
	Groups   []int
	Env      map[string]string
	Secrets  []Secret
	Mounts   []Mount
	Writable []string // of the folders that Jenkins writes to
}

// Secret is a file of /run/secrets. Its content is not told; how it ends is.
type Secret struct {
	Name    string
	Mode    string
	UID     uint32
	Size    int
	LineEnd bool
}

// Mount is a folder from outside.
type Mount struct {
	Path     string
	ReadOnly bool
}

func main() {
	http.HandleFunc("GET /login", func(w http.ResponseWriter, _ *http.Request) {
		w.Write([]byte("This is no Jenkins: it stands in for one.\n"))
	})
	http.HandleFunc("GET /given", func(w http.ResponseWriter, _ *http.Request) {
		given, err := look()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		json.NewEncoder(w).Encode(given)
	})
	http.HandleFunc("POST /github-webhook/", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Hub-Signature-256") == "" {
			w.WriteHeader(http.StatusBadRequest)
		}
	})
	// As the real one is told to, by JENKINS_OPTS in its image.
	log.Fatal(http.ListenAndServe("127.0.0.1:8080", nil))
}

func look() (given Given, err error) {
	given = Given{UID: os.Getuid(), GID: os.Getgid(), Env: map[string]string{}}
	if given.Groups, err = os.Getgroups(); err != nil {
		return given, err
	}
	for _, variable := range os.Environ() {
		name, value, _ := strings.Cut(variable, "=")
		given.Env[name] = value
	}
	files, err := filepath.Glob("/run/secrets/*")
	if err != nil {
		return given, err
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return given, err
		}
		info, err := os.Stat(file)
		if err != nil {
			return given, err
		}
		given.Secrets = append(given.Secrets, Secret{
			Name: filepath.Base(file), Mode: info.Mode().String(), UID: info.Sys().(*syscall.Stat_t).Uid,
			Size: len(content), LineEnd: strings.HasSuffix(string(content), "\n"),
		})
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return given, err
	}
	for line := range strings.Lines(string(mounts)) {
		fields := strings.Fields(line)
		given.Mounts = append(given.Mounts, Mount{Path: fields[4], ReadOnly: slices.Contains(strings.Split(fields[5], ","), "ro")})
	}
	for _, dir := range []string{"/var/jenkins_home"} {
		if file, err := os.CreateTemp(dir, "try"); err == nil {
			file.Close()
			os.Remove(file.Name())
			given.Writable = append(given.Writable, dir)
		}
	}
	return given, nil
}
