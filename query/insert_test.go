package query_test

import "testing"

// TestInsertSubqueries has subqueries where INSERT computes outside of its plan.
func TestInsertSubqueries(t *testing.T) {
	_, s := twoTables(t)
	s.expect(t, "INSERT INTO k VALUES (7, 1), (8, 20) RETURNING id, (SELECT count(*) FROM k), (SELECT max(e.id) FROM e WHERE e.n = k.n)",
		"7|3|NULL", "8|3|2", "INSERT 0 2")
	s.expect(t, "INSERT INTO k VALUES (7), (9) ON CONFLICT (id) DO UPDATE SET n = (SELECT sum(n) FROM e WHERE e.id = 1) WHERE k.n IN (SELECT 1) RETURNING id, n",
		"7|20", "9|NULL", "INSERT 0 2")
	s.expect(t, "WITH w AS (SELECT 1) INSERT INTO k VALUES (10) RETURNING (SELECT * FROM w)",
		"1", "INSERT 0 1")
	s.expect(t, "COPY k FROM STDIN WHERE id IN (SELECT id FROM e)", "0A000 cannot use subquery in COPY FROM WHERE condition")
	s.expect(t, "PREPARE p (int) AS DELETE FROM k WHERE id = $1", "PREPARE")
	s.expect(t, "EXECUTE p ((SELECT 1))", "0A000 cannot use subquery in EXECUTE parameter")
	s.expect(t, "EXECUTE p (6 + 1)", "DELETE 1")
}

// TestUpsertMemory writes more keys than may be remembered.
func TestUpsertMemory(t *testing.T) {
	_, s := twoTables(t)
	s.expect(t, "SET work_mem = '64kB'", "SET")
	s.expect(t, "INSERT INTO k SELECT g FROM generate_series(100, 1000) g ON CONFLICT (id) DO UPDATE SET n = 1", "INSERT 0 901")
	if got := s.run("INSERT INTO k SELECT g FROM generate_series(100, 5000) g ON CONFLICT (id) DO UPDATE SET n = 1"); got[0][:5] != "53200" {
		t.Errorf("%q", got)
	}
	s.expect(t, "SELECT count(*) FROM k", "904", "SELECT 1")
}
