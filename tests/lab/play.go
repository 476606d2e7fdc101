package lab

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"boardcafe/tests/cluster/machine"
	"boardcafe/tests/engine"
)

// Recap is how a playbook run ended.
type Recap struct {
	// Output is all that Ansible printed.
	Output string
	// Hosts has Ansible's own count for each machine.
	Hosts map[string]Count
}

// Count is a line of Ansible's PLAY RECAP.
type Count struct{ OK, Changed, Unreachable, Failed int }

// Changed is the number of changed tasks on all machines.
func (r Recap) Changed() (n int) {
	for _, count := range r.Hosts {
		n += count.Changed
	}
	return n
}

// ChangedTasks are the names of the tasks that changed something, as "host: task".
func (r Recap) ChangedTasks() []string {
	var changed []string
	var task string
	for line := range strings.Lines(r.Output) {
		if match := taskLine.FindStringSubmatch(line); match != nil {
			task = match[1]
		}
		if match := changedLine.FindStringSubmatch(line); match != nil {
			changed = append(changed, match[1]+": "+task)
		}
	}
	return changed
}

// Roles is how long each role took, as Ansible's profile_roles says it.
func (r Recap) Roles() string {
	_, roles, _ := strings.Cut(r.Output, "\n=====")
	_, roles, _ = strings.Cut(roles, "\n")
	return roles
}

var (
	taskLine    = regexp.MustCompile(`^(?:TASK|RUNNING HANDLER) \[(.*?)\] \*`)
	changedLine = regexp.MustCompile(`^changed: \[([\w.-]+)`)
	failedLine  = regexp.MustCompile(`^(?:fatal|failed): \[`)
	recapLine   = regexp.MustCompile(`(?m)^([\w.-]+)\s+: ok=(\d+)\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)`)
)

// Play runs a playbook of this checkout with the lab's inventory. When something failed, the error is a
// [PlayError].
func (l *Lab) Play(ctx context.Context, playbook string, arguments ...string) (Recap, error) {
	if err := l.bring(ctx); err != nil {
		return Recap{}, err
	}
	const script = `cd "$1/ansible" && shift && HOME=/root ANSIBLE_CALLBACKS_ENABLED=ansible.posix.profile_roles exec ansible-playbook -i "$1" "${@:2}"`
	command := append([]string{"bash", "-euc", script, "bash", checkout, private + "/inventory.json", playbook}, arguments...)

	var output bytes.Buffer
	both := io.MultiWriter(&output, l.output)
	err := l.control.Stream(ctx, nil, both, both, command...)
	recap := Recap{Output: output.String(), Hosts: map[string]Count{}}
	for _, match := range recapLine.FindAllStringSubmatch(recap.Output, -1) {
		number := func(i int) int { n, _ := strconv.Atoi(match[i]); return n }
		recap.Hosts[match[1]] = Count{OK: number(2), Changed: number(3), Unreachable: number(4), Failed: number(5)}
	}
	if exit := (*machine.ExitError)(nil); errors.As(err, &exit) {
		return recap, &PlayError{Playbook: playbook, Code: exit.Code, Output: recap.Output}
	}
	return recap, err
}

// PlayError is the end of a playbook run in which something failed.
type PlayError struct {
	Playbook string
	Code     int
	Output   string // all that Ansible printed
}

func (e *PlayError) Error() string {
	var fatal []string
	for line := range strings.Lines(e.Output) {
		if task := taskLine.FindString(line); task != "" && (len(fatal) == 0 || !taskLine.MatchString(fatal[len(fatal)-1])) {
			fatal = append(fatal, strings.TrimSpace(line))
		} else if task != "" {
			fatal[len(fatal)-1] = strings.TrimSpace(line)
		} else if failedLine.MatchString(line) {
			fatal = append(fatal, strings.TrimSpace(line))
		}
	}
	if len(fatal) == 0 { // a syntax error, say
		fatal = strings.Split(strings.TrimSpace(e.Output), "\n")
	}
	return fmt.Sprintf("ansible-playbook %s ended with %d:\n%s", e.Playbook, e.Code, strings.Join(fatal[max(0, len(fatal)-40):], "\n"))
}

// bring copies what Ansible needs into the control container: this works also where the tests run
// in a container themselves and the engine cannot mount their folders.
func (l *Lab) bring(ctx context.Context) error {
	inventory, err := l.Inventory.encode()
	if err != nil {
		return err
	}
	var archive bytes.Buffer
	tw := tar.NewWriter(&archive)
	add := func(name string, content []byte, mode int64) error {
		if err := tw.WriteHeader(&tar.Header{Name: name, Mode: mode, Size: int64(len(content))}); err != nil {
			return err
		}
		_, err := tw.Write(content)
		return err
	}
	if err := add(strings.TrimPrefix(private, "/")+"/inventory.json", inventory, 0o600); err != nil {
		return err
	}
	for _, name := range []string{"id_ed25519", "known_hosts"} {
		content, err := os.ReadFile(filepath.Join(l.Dir(), name))
		if err != nil {
			return err
		}
		if err := add(strings.TrimPrefix(private, "/")+"/"+name, content, 0o600); err != nil {
			return err
		}
	}
	if err := addCheckout(add); err != nil {
		return err
	}
	if err := tw.Close(); err != nil {
		return err
	}
	// rollout's ssh has no options of its own: it finds key and known_hosts where root's are.
	const script = `
		rm -rf "$1"; tar -x -C / -f -
		mkdir -p /root/.ssh; cp "$2/id_ed25519" "$2/known_hosts" /root/.ssh/`
	_, err = l.control.Pipe(ctx, &archive, "sh", "-euc", script, "sh", checkout, private)
	return err
}

// addCheckout adds what a checkout has that the playbooks read; rollout is there once PrepareCafe has built it.
func addCheckout(add func(name string, content []byte, mode int64) error) error {
	for _, path := range []string{"ansible", "docker-stack.yml", "docker-stack.tls.yml", "infra/images/db/my.cnf",
		"infra/images/proxy/nginx.conf", "infra/images/proxy/tls.conf", "build/rollout"} {
		err := filepath.WalkDir(filepath.Join(engine.Root(), path), func(file string, entry fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) && path == "build/rollout" {
				return nil
			}
			if err != nil || entry.IsDir() {
				return err
			}
			content, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			info, err := entry.Info()
			if err != nil {
				return err
			}
			name, err := filepath.Rel(engine.Root(), file)
			if err != nil {
				return err
			}
			return add(strings.TrimPrefix(checkout, "/")+"/"+filepath.ToSlash(name), content, int64(info.Mode().Perm()))
		})
		if err != nil {
			return err
		}
	}
	return nil
}
