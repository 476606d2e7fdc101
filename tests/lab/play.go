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

var (
	taskLine    = regexp.MustCompile(`^(?:TASK|RUNNING HANDLER) \[(.*?)\] \*`)
	changedLine = regexp.MustCompile(`^changed: \[([\w.-]+)`)
	recapLine   = regexp.MustCompile(`(?m)^([\w.-]+)\s+: ok=(\d+)\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)`)
)

// Play runs a playbook of this checkout with the lab's inventory. When a machine failed, the error
// has the code that ansible-playbook ended with and the last lines it printed.
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
		lines := strings.Split(strings.TrimSpace(recap.Output), "\n")
		return recap, fmt.Errorf("ansible-playbook %s ended with %d:\n%s", playbook, exit.Code,
			strings.Join(lines[max(0, len(lines)-40):], "\n"))
	}
	return recap, err
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
	// What a checkout has that the playbooks read; rollout is there once PrepareCafe has built it.
	for _, path := range []string{"ansible", "docker-stack.yml", "infra/images/db/my.cnf", "infra/images/proxy/nginx.conf", "build/rollout"} {
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
