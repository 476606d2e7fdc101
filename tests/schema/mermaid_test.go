package schema_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"boardcafe/tests/dbtest"
	"boardcafe/tests/engine"
	"boardcafe/tests/schema"
)

var (
	server *dbtest.Server
	update = flag.Bool("update", false, "write the diagram into docs/er.md")
)

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(dbtest.Run(m, &server))
}

const begin, end = "```mermaid\n", "```\n"

func TestTheDiagramIsThatOfTheSchema(t *testing.T) {
	config := server.Config(t)
	got, err := schema.Mermaid(t.Context(), server.Raw(t, config))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(engine.Root(), "docs/er.md")
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, _ := strings.Cut(string(content), begin)
	want, after, ok := strings.Cut(rest, end)
	if !ok {
		t.Fatalf("%s has no Mermaid block", path)
	}
	if *update {
		if err := os.WriteFile(path, []byte(before+begin+got+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got != want {
		t.Errorf("docs/er.md is not the diagram of the schema; `make diagram` draws it anew. It is now:\n%s", got)
	}
}

func TestADiagramShowsKeysAndWhatMayBeMissing(t *testing.T) {
	config := server.Empty(t)
	db := server.Raw(t, config)
	for _, statement := range []string{
		"CREATE TABLE shelf (id INT UNSIGNED PRIMARY KEY, code CHAR(3) NOT NULL UNIQUE)",
		"CREATE TABLE box (a INT, b INT, shelf_id INT UNSIGNED NULL, PRIMARY KEY (a, b), " +
			"FOREIGN KEY (shelf_id) REFERENCES shelf (id))",
		"CREATE TABLE goose_db_version (id INT)",
	} {
		if _, err := db.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	got, err := schema.Mermaid(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	const want = `erDiagram
  shelf |o--o{ box : shelf_id
  box {
    int a PK
    int b PK
    int_unsigned shelf_id FK "or none"
  }
  shelf {
    int_unsigned id PK
    char(3) code UK
  }
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
