package query_test

import (
	"testing"

	"github.com/phyllodb/phyllo/query"
)

// TestAlterUnderViews changes tables that views read: what a view means stays, or the table does.
func TestAlterUnderViews(t *testing.T) {
	s := openFake(t, newFakeStore(), query.Options{})
	const refused = "2BP01 cannot alter table a because other objects depend on it"
	for _, c := range []struct{ sql, want string }{
		{"CREATE TABLE a (id int, x int DEFAULT 1)", "CREATE TABLE"},
		{"CREATE TABLE b (id int, y int)", "CREATE TABLE"},
		{"CREATE VIEW v AS SELECT a.id FROM a NATURAL JOIN b", "CREATE VIEW"},
		{"ALTER TABLE a ADD COLUMN y int", refused},
		{"ALTER TABLE a RENAME COLUMN x TO y", refused},
		{"ALTER TABLE a ALTER COLUMN x DROP DEFAULT", "ALTER TABLE"},
		{"CREATE OR REPLACE VIEW v AS SELECT a.id FROM a JOIN b USING (id)", "CREATE VIEW"},
		{"ALTER TABLE a ADD COLUMN y int", "ALTER TABLE"},
		{"CREATE OR REPLACE VIEW v AS SELECT id FROM b", "CREATE VIEW"},
		{"CREATE VIEW over AS SELECT v.id, x FROM v JOIN a ON v.id = a.id", "CREATE VIEW"},
		{"CREATE OR REPLACE VIEW v AS SELECT id, 1 AS z FROM a", "CREATE VIEW"},
		{"CREATE OR REPLACE VIEW v AS SELECT id, 1 AS z, 2 AS x FROM a", "2BP01 cannot replace view v because other objects depend on it"},
		{"CREATE VIEW by_names AS SELECT v.id FROM v NATURAL JOIN b", "CREATE VIEW"},
		{"CREATE OR REPLACE VIEW v AS SELECT id, 1 AS z, 3 AS y FROM a", "2BP01 cannot replace view v because other objects depend on it"},
		{"CREATE OR REPLACE VIEW v AS SELECT id, 2 AS z FROM a", "CREATE VIEW"},
	} {
		s.expect(t, c.sql, c.want)
	}
}

// TestViewCircle drops views that read each other.
func TestViewCircle(t *testing.T) {
	s := openFake(t, newFakeStore(), query.Options{})
	for _, sql := range []string{"DROP VIEW a CASCADE", "DROP SCHEMA x CASCADE"} {
		s.run("CREATE SCHEMA IF NOT EXISTS x; SET search_path = x")
		s.expect(t, "CREATE VIEW a AS SELECT 1 AS n", "CREATE VIEW")
		s.expect(t, "CREATE VIEW b AS SELECT n FROM a", "CREATE VIEW")
		s.expect(t, "CREATE OR REPLACE VIEW a AS SELECT n FROM b", "CREATE VIEW")
		s.expect(t, "SELECT * FROM a", `42P17 infinite recursion detected in rules for relation "a"`)
		if got := s.run(sql); got[0] != sql[:len(sql)-len(" x CASCADE")] {
			t.Errorf("%s: %q", sql, got)
		}
	}
}
