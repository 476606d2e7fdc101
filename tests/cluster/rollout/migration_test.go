package rollout_test

import (
	"strings"
	"testing"
)

func TestAMigrationThatFails(t *testing.T) {
	s := aCafe(t)
	old := s.good(t)
	s.publishBroken(t, "migration", "migration")
	before := s.fingerprint(t)
	l := s.startLoad(t)
	r := s.rollout(t, call{release: "migration"}, "deploy")
	r.wants(t, 3, "job migrate", "exit code 1", "migration 9999: column tables_turned is in the way")
	l.dropsNothing(t)
	t.Logf("%s\n%s", r.took, r.all())
	if after := s.fingerprint(t); after != before {
		t.Errorf("services and tasks:\n%s\nwere:\n%s", after, before)
	}
	s.answers(t, old)
}

func TestAMigrationThenAReleaseThatFails(t *testing.T) {
	s := aCafe(t)
	old := s.good(t)
	s.publishBroken(t, "after-migration", "after-migration")
	l := s.startLoad(t)
	r := s.rollout(t, call{release: "after-migration"}, "deploy")
	t.Logf("%s\n%s", r.took, r.all())
	r.wants(t, 3, "exit code 7", "What a job did, a migration for example, stays done")
	s.answers(t, old)
	l.dropsNothing(t)
	columns, err := s.Workers[0].Run(t.Context(), "sh", "-c",
		`docker exec $(docker ps -q --filter name=cafe_db) mysql cafe -Ne "SHOW COLUMNS FROM customers LIKE 'birthday'"`)
	must(t, err)
	if !strings.Contains(columns, "birthday") {
		t.Errorf("columns: %q, want the new one", columns)
	}
}
