package difftest

import (
	"testing"
)

// TestDefinitions compares what belongs to definitions beside the columns.
func TestDefinitions(t *testing.T) {
	for _, file := range []string{"sequences.sql", "constraints.sql", "indexes.sql", "enums.sql", "domains.sql", "composites.sql"} {
		p := open(t)
		p.run(t, file)
	}
}

// TestConcurrentDefinitions runs scripts of sessions that change definitions which others are using.
func TestConcurrentDefinitions(t *testing.T) {
	p := open(t)
	setUp := []string{
		"DROP TABLE IF EXISTS made, rows, clock", "DROP DOMAIN IF EXISTS tall, big",
		"CREATE DOMAIN big AS int", "CREATE DOMAIN tall AS big",
		"CREATE TABLE rows (id int PRIMARY KEY, n int, b big, t tall)", "CREATE TABLE clock (a int)",
		"INSERT INTO rows VALUES (1, 10, 10, 10), (2, 20, 20, 20)",
	}
	const begin = "a BEGIN ISOLATION LEVEL REPEATABLE READ; a SELECT count(*) FROM clock; "
	for name, script := range map[string]string{
		"check":           begin + "b ALTER TABLE rows ADD CONSTRAINT low CHECK (n < 50); a INSERT INTO rows VALUES (3, 99, 1, 1); a ROLLBACK",
		"check, update":   begin + "b ALTER TABLE rows ADD CONSTRAINT low CHECK (n < 50); a UPDATE rows SET n = n + 35 WHERE id = 2; a ROLLBACK",
		"check, kept":     begin + "b ALTER TABLE rows ADD CONSTRAINT low CHECK (n < 50) NOT VALID; a INSERT INTO rows VALUES (3, 49, 1, 1); a COMMIT; a SELECT * FROM rows ORDER BY id",
		"not null":        begin + "b ALTER TABLE rows ALTER n SET NOT NULL; a INSERT INTO rows VALUES (3, NULL, 1, 1); a ROLLBACK",
		"domain":          begin + "b ALTER DOMAIN big ADD CONSTRAINT low CHECK (value < 50); a INSERT INTO rows VALUES (3, 1, 99, 1); a ROLLBACK",
		"domain, under":   begin + "b ALTER DOMAIN big ADD CONSTRAINT low CHECK (value < 50); a INSERT INTO rows VALUES (3, 1, 1, 99); a ROLLBACK",
		"domain, update":  begin + "b ALTER DOMAIN tall SET NOT NULL; a UPDATE rows SET t = NULL WHERE id = 1; a ROLLBACK",
		"domain, kept":    begin + "b ALTER DOMAIN big ADD CONSTRAINT low CHECK (value < 50); a INSERT INTO rows VALUES (3, 1, 49, 49); a COMMIT; a SELECT * FROM rows ORDER BY id",
		"domain, prepare": "a PREPARE put AS INSERT INTO rows VALUES (3, 1, $1, 1); " + begin + "b ALTER DOMAIN big ADD CONSTRAINT low CHECK (value < 50); a EXECUTE put(99); a ROLLBACK",
		"domain, waits":   "b BEGIN; b ALTER DOMAIN big ADD CONSTRAINT low CHECK (value < 50); a? INSERT INTO rows VALUES (3, 1, 99, 1); b COMMIT; a SELECT count(*) FROM rows",
		"same column":     "b BEGIN; b ALTER TABLE rows ADD c int; a? ALTER TABLE rows ADD d int; b COMMIT; a INSERT INTO rows VALUES (3) RETURNING *",
	} {
		t.Run(name, func(t *testing.T) {
			for _, sql := range setUp {
				p.both(t, sql, "")
			}
			p.playBoth(t, script)
		})
	}
}

// TestDropsBesideDefinitions drops what a transaction that is open is using: the drop waits for it
// and is refused then. PostgreSQL drops types all the same, and what is left is of none.
func TestDropsBesideDefinitions(t *testing.T) {
	p := open(t)
	for name, script := range map[string]string{
		"table":    "a BEGIN; a CREATE TABLE used (m mood); b? DROP TYPE mood; a COMMIT; b SELECT count(*) FROM used",
		"view":     "a BEGIN; a CREATE VIEW seen AS SELECT 'ok'::mood::text; b? DROP TYPE mood; a COMMIT; b SELECT * FROM seen",
		"default":  "a BEGIN; a CREATE TABLE used (t text DEFAULT 'ok'::mood::text); b? DROP TYPE mood; a COMMIT; b ALTER TYPE mood RENAME VALUE 'ok' TO 'fine'",
		"domain":   "a BEGIN; a CREATE DOMAIN over AS whole CHECK (value < 5); b? DROP DOMAIN whole; a COMMIT; b SELECT 3::over",
		"relation": "a BEGIN; a CREATE VIEW seen AS SELECT * FROM plain; b? DROP TABLE plain; a COMMIT; b SELECT * FROM seen",
	} {
		t.Run(name, func(t *testing.T) {
			for _, sql := range []string{"DROP VIEW IF EXISTS seen", "DROP TABLE IF EXISTS used, plain", "DROP TYPE IF EXISTS mood", "DROP DOMAIN IF EXISTS whole, over CASCADE", "DROP SEQUENCE IF EXISTS numbers",
				"CREATE TYPE mood AS ENUM ('sad', 'ok')",
				"CREATE DOMAIN whole AS int CHECK (value >= 0)", "CREATE TABLE plain (a int)", "CREATE SEQUENCE numbers"} {
				if _, err := p.ours.Exec(t.Context(), sql); err != nil {
					t.Fatal(err)
				}
			}
			steps := stepsOf(script)
			for i, r := range play(t, p.oursDSN, steps) {
				if steps[i].waits != (r.Code == "2BP01") {
					t.Errorf("step %d, %s: %s: %q %s", i+1, steps[i].session, steps[i].sql, r.Code, r.Message)
				}
			}
		})
	}
}
