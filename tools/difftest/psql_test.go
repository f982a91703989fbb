package difftest

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// psqlCommands print the same on an empty database, whoever owns it.
var psqlCommands = []string{
	`\d`, `\d+`, `\dt`, `\dt+`, `\dv`, `\dm`, `\ds`, `\di`, `\dE`, `\df`, `\da`, `\dT`, `\dTS int4`, `\dD`, `\dp`, `\z`, `\dO`, `\dd`, `\dc`, `\do`, `\dA`,
	`\det`, `\des`, `\dl`, `\dP`, `\dy`, `\dX`, `\ddp`, `\drds`, `\dRp`, `\dRs`, `\d nosuch`, `\sf length`, `\encoding`,
	`\dt nosuch*`, `\dn nosuch`, `\dfS nosuch`,
	`SELECT 1 AS a, 'x' AS b \gdesc`, `SELECT now(), 1.5::numeric(5,2), 'a'::varchar(7), ARRAY[1] \gdesc`, `SELECT 1 \gx`,
	`SELECT 'SELECT 1' UNION ALL SELECT 'SELECT 2' \gexec`, `SELECT 5 AS n \gset`,
	`SELECT a, b, a * b FROM generate_series(1, 2) a, generate_series(1, 2) b \crosstabview`,
	`\copy (SELECT 1, 'a') TO STDOUT`, `\copy (SELECT 1, 'a') TO STDOUT WITH (FORMAT csv, HEADER)`,
}

// TestPsql compares what psql prints.
func TestPsql(t *testing.T) {
	program := os.Getenv("PHYLLO_TEST_PSQL")
	if program == "" {
		t.Fatal("PHYLLO_TEST_PSQL is not set: run make test")
	}
	p := open(t)
	run := func(dsn string, args ...string) string {
		out, _ := exec.Command(program, append([]string{"-X", dsn}, args...)...).CombinedOutput()
		return string(out)
	}
	for _, c := range psqlCommands {
		t.Run(c, func(t *testing.T) {
			if want, got := run(p.pgDSN, "-c", c), run(p.oursDSN, "-c", c); got != want {
				t.Errorf("psql -c '%s'\n  want\n%s\n  got\n%s", c, want, got)
			}
		})
	}
	// A result larger than FETCH_COUNT is read through a cursor.
	fetch := []string{"-v", "FETCH_COUNT=100", "-At", "-c", "SELECT g, 'row ' || g FROM generate_series(1, 1050) g"}
	if want, got := run(p.pgDSN, fetch...), run(p.oursDSN, fetch...); got != want {
		t.Errorf("FETCH_COUNT: want %d bytes, got %d", len(want), len(got))
	}
	// Data of a COPY that is refused are not taken for statements.
	refused := exec.Command(program, "-X", p.oursDSN, "-q", "-At")
	refused.Stdin = strings.NewReader("CREATE VIEW two AS SELECT 2 n;\nCOPY two FROM STDIN;\nSELECT 3;\n\\.\nSELECT 4;\n")
	if out, _ := refused.CombinedOutput(); !strings.Contains(string(out), `cannot copy to view "two"`) || !strings.HasSuffix(string(out), "\n4\n") || strings.Contains(string(out), "3\n") {
		t.Errorf("COPY into a view: %s", out)
	}
	single := []string{"-1", "-v", "ON_ERROR_STOP=1", "-c", "SELECT 1", "-c", "SELECT 1/0", "-c", "SELECT 2"}
	if want, got := run(p.pgDSN, single...), run(p.oursDSN, single...); got != want {
		t.Errorf("single transaction:\n  want\n%s\n  got\n%s", want, got)
	}
}

// TestPsqlTables compares what psql prints of tables and views.
func TestPsqlTables(t *testing.T) {
	program := os.Getenv("PHYLLO_TEST_PSQL")
	if program == "" {
		t.Fatal("PHYLLO_TEST_PSQL is not set: run make test")
	}
	p := open(t)
	for _, sql := range []string{
		`CREATE TABLE places (id int PRIMARY KEY, name varchar(20) NOT NULL, height numeric(6, 2), tags text[], found timestamptz DEFAULT now())`,
		`CREATE TABLE visits (place int, at timestamptz, who text, PRIMARY KEY (place, at))`,
		`CREATE VIEW heights AS SELECT id, height FROM places`,
		`COMMENT ON TABLE places IS 'where it happens'`,
		`COMMENT ON COLUMN places.name IS 'what it is called'`,
		`CREATE SCHEMA other`,
		`CREATE TABLE other.places (a int)`,
	} {
		p.both(t, sql, "")
	}
	for _, c := range []string{`\d places`, `\d visits`, `\d heights`, `\d other.places`, `\dt other.*`, `\di visits_pkey`, `\d visits_pkey`, `\dd places`, `\dn other`, `\dp places`, `\dt plac*`, `\dv heights`} {
		t.Run(c, func(t *testing.T) {
			run := func(dsn string) string {
				out, _ := exec.Command(program, "-X", dsn, "-P", "format=unaligned", "-c", c).CombinedOutput()
				return strings.NewReplacer("|postgres", "|OWNER", "|tester", "|OWNER").Replace(string(out))
			}
			if want, got := run(p.pgDSN), run(p.oursDSN); got != want {
				t.Errorf("want\n%s\n  got\n%s", want, got)
			}
		})
	}
}
