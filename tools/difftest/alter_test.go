package difftest

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// TestAlter compares ALTER TABLE with PostgreSQL, while rows lie in buffers and, the
// second time, in chunks of each definition.
func TestAlter(t *testing.T) {
	for name, after := range map[string]func(p *pair){"in buffers": func(*pair) {}, "in chunks": func(p *pair) { p.checkpoint(t) }} {
		t.Run(name, func(t *testing.T) {
			p := open(t)
			p.changedTables(t)
			p.runWith(t, "alter.sql", after)
		})
	}
}

// TestAlterCopy copies into tables of which columns were dropped.
func TestAlterCopy(t *testing.T) {
	p := open(t)
	p.both(t, "CREATE TABLE d (a int, b int DEFAULT 5, c int DEFAULT 7, d int)", "")
	load := func(sql, rows string) {
		t.Helper()
		for _, conn := range []*pgx.Conn{p.pg, p.ours} {
			if _, err := conn.PgConn().CopyFrom(context.Background(), strings.NewReader(rows), sql); err != nil {
				t.Fatal(err)
			}
		}
		p.compare(t, "SELECT * FROM d ORDER BY 1, 2")
	}
	p.both(t, "ALTER TABLE d DROP COLUMN a", "")
	load("COPY d (b) FROM STDIN", "1\n2\n")
	load("COPY d FROM STDIN", "3\t4\t5\n")
	load("COPY d (d, b) FROM STDIN", "6\t7\n")
	p.both(t, "ALTER TABLE d DROP COLUMN c, ADD COLUMN e text DEFAULT 'e'", "")
	load("COPY d FROM STDIN", "8\t9\tx\n")
	load("COPY d (e) FROM STDIN", "y\n")
	p.compare(t, "INSERT INTO d (b) VALUES (10) RETURNING *")
}
