package pgtest

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

var (
	only = flag.String("only", "", "run the calls that match this regular expression")
	show = flag.Bool("show", false, "print what the calls answer")
)

// The files in testdata hold a call a line: an expression, or a statement that
// begins with select. Lines of their own beginning with "set" change settings
// for what follows in the file; "--" begins a comment. A call that ends in
// " -- differs: reason" is one whose answers are known to differ: both must then
// still do.
type call struct {
	file     string
	line     int
	settings string // the set statements before it
	text     string
	differs  string
}

func (c *call) sql() string {
	if strings.HasPrefix(c.text, "select ") {
		return c.text
	}
	return "select " + c.text
}

func readCalls(t *testing.T, path string) []call {
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var calls []call
	settings := ""
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		s := strings.TrimSpace(lines.Text())
		switch {
		case s == "" || strings.HasPrefix(s, "--"):
		case strings.HasPrefix(s, "set "):
			settings += s + ";"
		default:
			text, differs, _ := strings.Cut(s, " -- differs: ")
			calls = append(calls, call{filepath.Base(path), n, settings, text, differs})
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return calls
}

// An answer is the rows of a statement as text, their types before them, or the error.
type answer []string

func (a answer) String() string { return strings.Join(a, "\n       ") }

func TestCalls(t *testing.T) {
	files, err := filepath.Glob("testdata/*.sql")
	if err != nil || len(files) == 0 {
		t.Fatal("no testdata: ", err)
	}
	wanted, err := regexp.Compile(*only)
	if err != nil {
		t.Fatal(err)
	}
	pg := connect(t)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".sql"), func(t *testing.T) {
			mustExec(t, pg, "reset all")
			us := newSession(t)
			done := ""
			for _, c := range readCalls(t, file) {
				if !wanted.MatchString(c.text) {
					continue
				}
				if c.settings != done {
					fresh := strings.TrimPrefix(c.settings, done)
					mustExec(t, pg, fresh)
					us.set(t, fresh)
					done = c.settings
				}
				check(t, &c, theirs(t, pg, c.sql()), us.ask(c.sql()))
			}
		})
	}
}

func check(t *testing.T, c *call, want, got answer) {
	t.Helper()
	equal := slices.Equal(got, want)
	switch {
	case *show:
		t.Logf("%s\n got   %v\n want  %v", c.text, got, want)
	case equal && c.differs != "":
		t.Errorf("%s:%d: %s\n answers do not differ any more: %v", c.file, c.line, c.text, got)
	case !equal && c.differs == "":
		t.Errorf("%s:%d: %s\n got   %v\n want  %v", c.file, c.line, c.text, got, want)
	}
}

func connect(t *testing.T) *pgconn.PgConn {
	t.Helper()
	dsn := os.Getenv("PHYLLO_TEST_PG")
	if dsn == "" {
		t.Fatal("PHYLLO_TEST_PG is not set: it must hold the DSN of a PostgreSQL 15")
	}
	conn, err := pgconn.Connect(context.Background(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func mustExec(t *testing.T, conn *pgconn.PgConn, sql string) {
	t.Helper()
	if _, err := conn.Exec(context.Background(), sql).ReadAll(); err != nil {
		t.Fatal(sql, err)
	}
}

// theirs asks PostgreSQL.
func theirs(t *testing.T, conn *pgconn.PgConn, sql string) answer {
	t.Helper()
	var out answer
	results := conn.Exec(context.Background(), sql)
	for results.NextResult() {
		r := results.ResultReader()
		var types []string
		for _, f := range r.FieldDescriptions() {
			types = append(types, fmt.Sprintf("%s %d:%d", f.Name, f.DataTypeOID, f.TypeModifier))
		}
		out = append(out, strings.Join(types, ", "))
		for r.NextRow() {
			var cells []string
			for _, v := range r.Values() {
				if v == nil {
					cells = append(cells, "NULL")
					continue
				}
				cells = append(cells, fmt.Sprintf("%q", v))
			}
			out = append(out, strings.Join(cells, " | "))
		}
	}
	if err := results.Close(); err != nil {
		var pe *pgconn.PgError
		if !errors.As(err, &pe) {
			t.Fatalf("%s: %v", sql, err)
		}
		return errorAnswer(pe.Code, pe.Message, pe.Detail, pe.Hint)
	}
	return out
}

func errorAnswer(code, message, detail, hint string) answer {
	a := answer{"ERROR " + code + ": " + message}
	if detail != "" {
		a = append(a, "DETAIL "+detail)
	}
	if hint != "" {
		a = append(a, "HINT "+hint)
	}
	return a
}
