package regress

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/phyllodb/phyllo/tools/server"
	"github.com/phyllodb/phyllo/tools/testenv"
	"github.com/phyllodb/phyllo/tools/testserver"
)

var (
	only        = flag.String("regress.file", "", "run these files, with commas between them")
	every       = flag.Bool("regress.all", false, "run all files, not only those marked in testdata/expected.txt")
	differences = flag.String("regress.differences", "", "write the differences into this file")
	limit       = flag.Int("regress.n", 1000, "write so many differences")
	update      = flag.Bool("regress.update", false, "raise the counts of testdata/expected.txt to what agrees now")
)

const expectedPath = "testdata/expected.txt"

// TestRegress counts on how many of PostgreSQL's own statements we agree, and fails when they are
// fewer than testdata/expected.txt says.
func TestRegress(t *testing.T) {
	admin := os.Getenv("PHYLLO_TEST_PG")
	if admin == "" {
		t.Fatal("PHYLLO_TEST_PG is not set: run make test, which starts a PostgreSQL")
	}
	dir, err := testenv.PostgresRegress(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := readExpected(t)
	var counts []Count
	h := newHarness(t, admin, dir)
	for _, name := range files(t, dir, h.rules, want) {
		t.Run(name, func(t *testing.T) {
			c := h.count(t, name)
			counts = append(counts, c)
			if c.Agreeing < want[name].agreeing {
				t.Errorf("%d of %d applicable statements agree, %d did: -regress.file %s -regress.differences FILE shows which do not", c.Agreeing, c.Applicable, want[name].agreeing, name)
			}
		})
	}
	t.Logf("PostgreSQL's statements\n%s", table(counts))
	if *differences != "" {
		f, err := os.Create(*differences)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := writeDifferences(f, counts, *limit); err != nil {
			t.Fatal(err)
		}
	}
	if *update {
		writeExpected(t, want, counts)
	}
}

// A harness makes databases with the tables of test_setup for one file each.
type harness struct {
	rules   *rules
	dir     string // PostgreSQL's tests
	admin   string // DSN of PostgreSQL
	name    string // of databases
	data    string // of ours with the tables
	tainted map[string]bool
}

func newHarness(t *testing.T, admin, dir string) *harness {
	rules, err := readRules(rulesText)
	if err != nil {
		t.Fatal(err)
	}
	h := &harness{rules: rules, dir: dir, admin: admin, name: fmt.Sprintf("regress_%d", time.Now().UnixNano()), data: t.TempDir()}
	h.sql(t, "CREATE DATABASE "+h.name)
	t.Cleanup(func() { h.sql(t, "DROP DATABASE "+h.name+" WITH (FORCE)") })
	t.Run("test_setup", func(t *testing.T) {
		r := h.runner(t, h.name, h.data)
		if _, err := r.file(t.Context(), "test_setup", true); err != nil {
			t.Fatal(err)
		}
		h.tainted = r.tainted
		if _, err := r.ours.conn.Exec(t.Context(), "CHECKPOINT"); err != nil {
			t.Fatal(err)
		}
	})
	return h
}

// count runs a file, after those that it needs, on databases of its own.
func (h *harness) count(t *testing.T, name string) Count {
	t.Helper()
	database := h.name + "_" + strings.ReplaceAll(name, ".", "_")
	h.sql(t, "CREATE DATABASE "+database+" TEMPLATE "+h.name)
	t.Cleanup(func() { h.sql(t, "DROP DATABASE "+database+" WITH (FORCE)") })
	data := filepath.Join(t.TempDir(), "data")
	if err := os.CopyFS(data, os.DirFS(h.data)); err != nil {
		t.Fatal(err)
	}
	r := h.runner(t, database, data)
	for _, before := range h.rules.needs[name] {
		if _, err := r.file(t.Context(), before, true); err != nil {
			t.Fatal(err)
		}
	}
	start := time.Now()
	c, err := r.file(t.Context(), name, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d of %d, %s", c.Agreeing, c.Applicable, time.Since(start).Round(time.Millisecond))
	return c
}

// runner has a PostgreSQL's database, and ours in a folder.
func (h *harness) runner(t *testing.T, database, data string) *runner {
	t.Helper()
	srv := testserver.Start(t, func(c *server.Config) { c.Data = data })
	r := &runner{dir: h.dir, rules: h.rules, tainted: h.tainted,
		pg:   &side{dsn: strings.Replace(h.admin, "/postgres?", "/"+database+"?", 1)},
		ours: &side{dsn: strings.Replace(srv.DSN(), "tester@", "postgres@", 1)}}
	t.Cleanup(func() {
		for _, s := range []*side{r.pg, r.ours} {
			s.close(context.Background())
		}
	})
	return r
}

func (h *harness) sql(t *testing.T, sql string) {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, h.admin)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// files are those to run, in the order of PostgreSQL's schedule.
func files(t *testing.T, dir string, r *rules, want map[string]expectation) []string {
	t.Helper()
	if *only != "" {
		return strings.Split(*only, ",")
	}
	schedule, err := os.ReadFile(filepath.Join(dir, "parallel_schedule"))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, line := range strings.Split(string(schedule), "\n") {
		group, ok := strings.CutPrefix(line, "test: ")
		if !ok {
			continue
		}
		for _, f := range strings.Fields(group) {
			if r.files[f] == "" && (*every || want[f].always) {
				out = append(out, f)
			}
		}
	}
	return out
}

// An expectation is a line of testdata/expected.txt.
type expectation struct {
	applicable, agreeing int
	always               bool // run by make test
}

func readExpected(t *testing.T) map[string]expectation {
	t.Helper()
	f, err := os.Open(expectedPath)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	out := map[string]expectation{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 || fields[0] == "#" {
			continue
		}
		var e expectation
		if _, err := fmt.Sscan(strings.Join(fields[1:], " "), &e.applicable, &e.agreeing); err != nil {
			t.Fatalf("%s: %s: %v", expectedPath, lines.Text(), err)
		}
		e.always = len(fields) > 3 && fields[3] == "always"
		out[fields[0]] = e
	}
	return out
}

func writeExpected(t *testing.T, want map[string]expectation, counts []Count) {
	t.Helper()
	for _, c := range counts {
		e := want[c.File]
		e.applicable, e.agreeing = c.Applicable, max(e.agreeing, c.Agreeing)
		want[c.File] = e
	}
	var lines []string
	for name, e := range want {
		line := fmt.Sprintf("%-24s %5d %5d", name, e.applicable, e.agreeing)
		if e.always {
			line += " always"
		}
		lines = append(lines, line)
	}
	slices.Sort(lines)
	head := "# file, applicable statements, how many agree at least, whether make test runs it (make soak runs all)\n"
	if err := os.WriteFile(expectedPath, []byte(head+strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}
