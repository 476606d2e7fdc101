package lab_test

import (
	"net/url"
	"strings"
	"testing"
)

// What a night's backup has kept comes back by the command of the runbook.
func TestABackupIsMadeAndRestored(t *testing.T) {
	provisioned(t)
	on(t, l.Manager, "systemctl is-enabled cafe-backup.timer && systemctl is-active cafe-backup.timer")
	v := staff(t, l.Manager)
	const name = "Saved by the backup"
	if err := v.Post("/games", url.Values{"name": {name}, "copies": {"1"}, "min_players": {"2"}, "max_players": {"4"}, "minutes": {"30"}}); err != nil {
		t.Fatal(err)
	}
	if page, err := v.Get("/games?q=Saved"); err != nil || !strings.Contains(page, name) { // and the message that it was saved
		t.Fatalf("the game is not there, %v", err)
	}
	on(t, l.Manager, "systemctl start cafe-backup.service")
	if readable := on(t, l.Manager, "find /var/backups/cafe -perm /go+rwx"); readable != "" {
		t.Errorf("others may read %s", readable)
	}
	const sql = `docker exec -i "$(docker ps -q -f label=com.docker.swarm.service.name=cafe_db)" mysql cafe`
	on(t, l.Manager, sql+` -e "DELETE FROM board_games WHERE name = '$1'"`, name)
	if page, err := v.Get("/games?q=Saved"); err != nil || strings.Contains(page, name) {
		t.Errorf("the game is still there, %v", err)
	}

	on(t, l.Manager, `zcat "$(ls -t /var/backups/cafe/cafe-*.sql.gz | head -n 1)" | `+sql)

	if page, err := v.Get("/games?q=Saved"); err != nil || !strings.Contains(page, name) {
		t.Errorf("the game did not come back, %v", err)
	}
}
