package difftest

import (
	"bytes"
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
)

// TestTemporary compares temporary tables and views with PostgreSQL.
func TestTemporary(t *testing.T) {
	open(t).run(t, "temporary.sql")
}

// TestCursors compares FETCH and MOVE in all directions with PostgreSQL.
func TestCursors(t *testing.T) {
	open(t).run(t, "cursors.sql")
}

// TestViewWrites compares what is written through views.
func TestViewWrites(t *testing.T) {
	open(t).run(t, "view_writes.sql")
}

// TestMaterializedViews compares CREATE MATERIALIZED VIEW and REFRESH.
func TestMaterializedViews(t *testing.T) {
	open(t).run(t, "matviews.sql")
}

// TestKeys compares primary keys that tables with rows get and lose.
func TestKeys(t *testing.T) {
	open(t).run(t, "keys.sql")
}

// TestLike compares tables that are made like others.
func TestLike(t *testing.T) {
	open(t).run(t, "like.sql")
}

// TestMadeOf compares tables that are made of what statements return, and copies of that.
func TestMadeOf(t *testing.T) {
	open(t).run(t, "made_of.sql")
}

// TestSearchCycle compares SEARCH and CYCLE of recursive queries.
func TestSearchCycle(t *testing.T) {
	open(t).run(t, "search_cycle.sql")
}

// TestViews compares what views mean later with PostgreSQL.
func TestViews(t *testing.T) {
	open(t).run(t, "views.sql")
}

// TestSessions compares what belongs to sessions and their transactions with PostgreSQL.
func TestSessions(t *testing.T) {
	open(t).run(t, "sessions.sql")
}

// TestCopyChanges compares COPY of statements that change rows with PostgreSQL.
func TestCopyChanges(t *testing.T) {
	p := open(t)
	p.both(t, "CREATE TABLE notes (id int PRIMARY KEY, body text)", "")
	copied := func(conn *pgx.Conn, sql string) string {
		var b bytes.Buffer
		tag, err := conn.PgConn().CopyTo(context.Background(), &b, sql)
		if err != nil {
			return err.Error()
		}
		return b.String() + tag.String()
	}
	for _, sql := range []string{
		"COPY (INSERT INTO notes VALUES (8, 'eight'), (9, NULL), (10, 'ten') RETURNING *) TO STDOUT",
		"COPY (UPDATE notes SET body = 'changed' WHERE id > 8 RETURNING id, body) TO STDOUT WITH (FORMAT csv, HEADER)",
		"COPY (DELETE FROM notes WHERE id > 9 RETURNING id) TO STDOUT",
		"COPY (WITH gone AS (DELETE FROM notes WHERE id = 9 RETURNING id) SELECT id + 1 FROM gone) TO STDOUT",
		"COPY (DELETE FROM notes) TO STDOUT",
		"COPY (SELECT 1 INTO another) TO STDOUT",
		"COPY (SELECT * FROM notes) TO STDOUT",
	} {
		if want, got := copied(p.pg, sql), copied(p.ours, sql); got != want {
			t.Errorf("%s\nwant %s\n got %s", sql, want, got)
		}
	}
}
