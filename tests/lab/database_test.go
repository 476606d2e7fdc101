package lab_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"boardcafe/tests/cluster/machine"
	"boardcafe/tests/engine"
	"boardcafe/tests/lab"
	"boardcafe/tests/visitor"
)

// What a night's backup has kept comes back by the runbook's playbook, and what was there before it too.
func TestABackupIsMadeAndRestored(t *testing.T) {
	l := aCafe(t)
	v := l.staff(t, l.Manager)
	on(t, l.Manager, "systemctl is-enabled cafe-backup.timer && systemctl is-active cafe-backup.timer")
	addGame(t, v, "Saved by the backup")
	saved := l.backup(t)
	for _, m := range []*machine.Machine{l.Manager, l.Jenkins} {
		if readable := on(t, m, "find /var/backups/cafe -perm /go+rwx"); readable != "" {
			t.Errorf("others may read %s on %s", readable, m.Name)
		}
	}
	on(t, l.Manager, `docker exec "$(docker ps -q -f label=com.docker.swarm.service.name=cafe_db)" mysql cafe -e "
		DELETE FROM board_games WHERE name = 'Saved by the backup'; CREATE TABLE of_a_newer_release (n INT)"`)
	addGame(t, v, "Entered since")

	t.Run("ErrWhich", func(t *testing.T) {
		for arguments, want := range map[string]string{
			"": "which one? -e backup=NAME; there are: " + saved,
			"backup=cafe-2001-01-01-000000-none.sql.gz": "there is no cafe-2001-01-01-000000-none.sql.gz; there are: " + saved,
			"backup=../cafe/" + saved:                   "there is no ../cafe/" + saved,
		} {
			_, err := l.Play(t.Context(), "restore.yml", "--extra-vars", arguments)
			if failed := (*lab.PlayError)(nil); !errors.As(err, &failed) || !strings.Contains(failed.Output, want) {
				t.Errorf("%q: got %v, want %q", arguments, err, want)
			}
		}
	})

	l.play(t, "restore.yml", "--extra-vars", "backup="+saved)

	wantGame(t, v, "Saved by the backup", true)
	wantGame(t, v, "Entered since", false)
	if left := on(t, l.Manager, `docker exec "$(docker ps -q -f label=com.docker.swarm.service.name=cafe_db)" mysql cafe -sNe "SHOW TABLES LIKE 'of_a_newer%'"`); left != "" {
		t.Errorf("%s is still there", left)
	}
	l.play(t, "restore.yml", "--extra-vars", "backup="+newest(t, l.Manager))
	wantGame(t, v, "Entered since", true)
}

// The key that brings the copies to the Jenkins machine gives whoever has the manager nothing else there.
func TestTheCopiesOfBackupsStay(t *testing.T) {
	l := aCafe(t)
	saved := l.backup(t)
	const knock = `ssh -F /etc/boardcafe/backup/ssh_config keeper "$1" 2>&1 <<< "$2" || true`
	for command, want := range map[string]string{
		"cat " + saved:              "not the name of a backup",
		"rm -f /var/backups/cafe/*": "not the name of a backup",
		"../../" + saved:            "not the name of a backup",
		saved:                       saved + " is here already",
		"cafe-1-none.sql.gz":        "not in gzip format",
		"":                          "not the name of a backup",
	} {
		if got := on(t, l.Manager, knock, command, "no backup"); !strings.Contains(got, want) {
			t.Errorf("%q: got %q, want %q", command, got, want)
		}
	}
	if files := on(t, l.Jenkins, "ls /var/backups/cafe"); !strings.Contains(files, saved) || strings.Contains(files, "none") || strings.Contains(files, "new.") {
		t.Errorf("the Jenkins machine has %s, want %s", files, saved)
	}

	// A copy that cannot be made is a failure that verify.yml tells of.
	on(t, l.Jenkins, "chmod 500 /var/backups/cafe")
	defer on(t, l.Jenkins, "chmod 700 /var/backups/cafe")
	if _, err := l.Manager.Run(t.Context(), "systemctl", "start", "cafe-backup"); err == nil {
		t.Error("a backup without a copy ended well")
	}
	_, err := l.Play(t.Context(), "verify.yml", "--limit", "manager")
	if failed := (*lab.PlayError)(nil); !errors.As(err, &failed) || !strings.Contains(failed.Output, "the last backup failed") {
		t.Errorf("verify.yml: got %v", err)
	}
	on(t, l.Jenkins, "chmod 700 /var/backups/cafe")
	l.backup(t)
}

// backup makes a backup and returns its name.
func (l *cafe) backup(t *testing.T) string {
	t.Helper()
	time.Sleep(time.Second) // the name has seconds
	on(t, l.Manager, "systemctl start cafe-backup")
	name := newest(t, l.Manager)
	if !strings.HasSuffix(name, "-"+engine.Release()+".sql.gz") {
		t.Errorf("%s is not named after the release", name)
	}
	return name
}

// newest is the name of a machine's newest backup.
func newest(t *testing.T, m *machine.Machine) string {
	t.Helper()
	return on(t, m, "cd /var/backups/cafe; ls -t cafe-*.sql.gz | head -n 1")
}

func addGame(t *testing.T, v *visitor.Visitor, name string) {
	t.Helper()
	game := url.Values{"name": {name}, "copies": {"1"}, "min_players": {"2"}, "max_players": {"4"}, "minutes": {"30"}}
	if err := v.Post("/games", game); err != nil {
		t.Fatal(err)
	}
	wantGame(t, v, name, true)
}

func wantGame(t *testing.T, v *visitor.Visitor, name string, want bool) {
	t.Helper()
	page, err := v.Get("/games?q=" + url.QueryEscape(name))
	if got := strings.Contains(page, "<bdi>"+name); err != nil || got != want {
		t.Errorf("%s: %v, %v, want %v", name, got, err, want)
	}
}
