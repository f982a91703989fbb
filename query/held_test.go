package query_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/phyllodb/phyllo/query"
)

// TestTempFileLimit: temporary files are bounded for a session and for the server, and what they took comes back.
func TestTempFileLimit(t *testing.T) {
	s := openFake(t, newFakeStore(), query.Options{TempDir: t.TempDir(), TempBytes: 2 << 20})
	const large = "SELECT max(g) FROM (SELECT g FROM generate_series(1, 400000) AS g ORDER BY -g OFFSET 1) AS t"
	const spills = "SELECT max(g) FROM (SELECT g FROM generate_series(1, 20000) AS g ORDER BY -g OFFSET 1) AS t"
	s.expect(t, "SET work_mem = '64kB'", "SET")
	s.expect(t, "SET temp_file_limit = '100kB'", "SET")
	s.expect(t, spills, "53400 temporary file size exceeds temp_file_limit (100kB)")
	s.expect(t, "SET temp_file_limit = 0", "SET")
	s.expect(t, spills, "53400 temporary file size exceeds temp_file_limit (0kB)")
	s.expect(t, "SET temp_file_limit = -1", "SET")
	for range 3 {
		s.expect(t, spills, "19999", "SELECT 1")
	}
	s.expect(t, large, "53400 temporary file size exceeds limits.temp_mib (2MiB)")
	s.expect(t, spills, "19999", "SELECT 1")
}

// TestSessionMemory: prepared statements and cursors are bounded in bytes, and what is closed makes room.
func TestSessionMemory(t *testing.T) {
	_, s := twoTables(t)
	const full = "53400 prepared statements and cursors exceed phyllo.session_memory (64kB)"
	s.expect(t, "SET phyllo.session_memory = '64kB'", "SET")
	comment := "/*" + strings.Repeat("x", 1000) + "*/"
	for i := range 3 {
		s.expect(t, fmt.Sprintf("PREPARE p%d AS SELECT 1 %s", i, comment), "PREPARE")
	}
	s.expect(t, "PREPARE p3 AS SELECT 1 "+comment, full)
	s.expect(t, "EXECUTE p0", "1", "SELECT 1")
	s.expect(t, "BEGIN", "BEGIN")
	s.expect(t, "DECLARE c CURSOR FOR SELECT 1 "+comment, full)
	s.expect(t, "ROLLBACK", "ROLLBACK")
	s.expect(t, "DEALLOCATE p1", "DEALLOCATE")
	s.expect(t, "BEGIN", "BEGIN")
	s.expect(t, "DECLARE c CURSOR FOR SELECT 1 "+comment, "DECLARE CURSOR")
	s.expect(t, "CLOSE c", "CLOSE CURSOR")
	s.expect(t, "COMMIT", "COMMIT")
	s.expect(t, "PREPARE p3 AS SELECT 1 "+comment, "PREPARE")
	s.expect(t, "DEALLOCATE ALL", "DEALLOCATE ALL")
}
