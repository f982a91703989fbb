package query_test

import "testing"

// TestCursorForgets declares no SCROLL: the cursor goes back over the rows that fit into work_mem, and
// then refuses to.
func TestCursorForgets(t *testing.T) {
	_, s := twoTables(t)
	s.expect(t, "SET work_mem = '64kB'", "SET")
	s.expect(t, "BEGIN", "BEGIN")
	s.expect(t, "DECLARE c CURSOR FOR SELECT g FROM generate_series(1, 400000) g", "DECLARE CURSOR")
	s.expect(t, "FETCH 2 FROM c", "1", "2", "FETCH 2")
	s.expect(t, "FETCH PRIOR FROM c", "1", "FETCH 1")
	s.expect(t, "MOVE 300000 IN c", "MOVE 300000")
	s.expect(t, "FETCH c", "300002", "FETCH 1")
	s.expect(t, "SAVEPOINT s", "SAVEPOINT")
	s.expect(t, "FETCH ABSOLUTE 5 FROM c", "55000 cursor can only scan forward")
	s.expect(t, "ROLLBACK", "ROLLBACK")
	s.expect(t, "BEGIN", "BEGIN")
	s.expect(t, "DECLARE c SCROLL CURSOR FOR SELECT g FROM generate_series(1, 400000) g", "DECLARE CURSOR")
	s.expect(t, "MOVE 300000 IN c", "MOVE 300000")
	s.expect(t, "FETCH ABSOLUTE 5 FROM c", "5", "FETCH 1")
	s.expect(t, "COMMIT", "COMMIT")
}

// TestCursorOfLargeValues: a query outlives the call that began it, also where it needs much memory for a row.
func TestCursorOfLargeValues(t *testing.T) {
	_, s := twoTables(t)
	s.expect(t, "BEGIN", "BEGIN")
	const three = "SELECT length(repeat('x', 3000000 + g)) FROM generate_series(1, 3) AS g"
	s.expect(t, "DECLARE c CURSOR FOR "+three+" UNION ALL "+three, "DECLARE CURSOR")
	for range 2 {
		s.expect(t, "FETCH 3 FROM c", "3000001", "3000002", "3000003", "FETCH 3")
	}
	s.expect(t, "COMMIT", "COMMIT")
	s.expect(t, "BEGIN", "BEGIN")
	s.expect(t, "DECLARE c SCROLL CURSOR FOR SELECT repeat('x', 3000000) FROM k", "DECLARE CURSOR")
	s.expect(t, "MOVE 2 IN c", "MOVE 2")
	s.expect(t, "MOVE 5 IN c", "MOVE 1")
	s.expect(t, "MOVE PRIOR IN c", "MOVE 1")
	s.expect(t, "COMMIT", "COMMIT")
}
