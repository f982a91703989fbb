package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/phyllodb/phyllo/tools/arrowfile"
)

// TestExportOutputs writes rows to files and to standard output.
func TestExportOutputs(t *testing.T) {
	p, conn := startServer(t)
	execute(t, conn, `CREATE TABLE events (id bigint, "Note" text)`, `INSERT INTO events SELECT g, 'note ' || g FROM generate_series(1, 30000) AS g`, "CREATE TABLE nothing (id int)")
	run := func(query, format string, args ...string) (string, int64, error) {
		var out bytes.Buffer
		c := exportCommand{Args: args, Query: query, Format: format, Quiet: true, Group: 1, sessionFlags: sessionFlags{Database: p.DSN()}, stdout: &out}
		n, err := c.export(t.Context())
		return out.String(), n, err
	}
	dir := t.TempDir()
	csv := filepath.Join(dir, "events.csv")
	if _, n, err := run("", "", "public.events", csv); err != nil || n != 30000 {
		t.Fatalf("%d rows, %v", n, err)
	}
	text, err := os.ReadFile(csv)
	if err != nil || bytes.Count(text, []byte("\n")) != 30001 || !bytes.HasPrefix(text, []byte("id,Note\n")) {
		t.Errorf("%d bytes, %.100q, %v", len(text), text, err)
	}
	for _, f := range formats {
		out, n, err := run(`SELECT * FROM events ORDER BY id;`, f, "-")
		if err != nil || n != 30000 {
			t.Fatalf("%s: %d rows, %v", f, n, err)
		}
		path := filepath.Join(dir, "piped."+f)
		if err := os.WriteFile(path, []byte(out), 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := arrowfile.Open(path, arrowfile.Format(f))
		if err != nil || r.Rows() != 30000 || r.Schema().Field(1).Name != "Note" {
			t.Fatalf("%s: %v", f, err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		// A file without rows has columns all the same.
		empty := filepath.Join(dir, "empty."+f)
		if _, _, err := run("", "", "nothing", empty); err != nil {
			t.Fatal(err)
		}
		if n, err := importFrom(t, p, "nothing_"+f, empty, func(c *importCommand) { c.Create = true }); n != 0 || err != nil {
			t.Errorf("%s: %d rows, %v", f, n, err)
		}
	}
}

// TestExportErrors checks that an export that fails leaves the file alone that is
// there, and nothing beside it.
func TestExportErrors(t *testing.T) {
	p, _ := startServer(t)
	dir := t.TempDir()
	for i, c := range []struct{ query, want string }{
		{"SELECT nonsense", "nonsense"},
		{"SELECT 1 / (20000 - g) AS n FROM generate_series(1, 20000) AS g", "division by zero"},
		{"SELECT 1 AS a, 2 AS a", `column "a" is there more than once`},
		{"SELECT row(1, 2) AS r", `column "r": a record cannot be a column of a file`},
		{"SELECT 'NaN'::numeric(4, 2) AS n", `row 1, column "n": NaN cannot be written as decimal(4, 2)`},
		{"CREATE TABLE made (a int)", "read-only transaction"},
		{"SELECT FROM generate_series(1, 3)", "without columns"},
	} {
		for _, f := range append([]string{"csv"}, formats...) {
			if f == "csv" && (i >= 2) {
				continue // text has no such limits
			}
			path := filepath.Join(dir, fmt.Sprintf("%d.%s", i, f))
			if err := os.WriteFile(path, []byte("before"), 0o600); err != nil {
				t.Fatal(err)
			}
			e := exportCommand{Args: []string{path}, Query: c.query, Quiet: true, Group: 1, sessionFlags: sessionFlags{Database: p.DSN()}}
			if _, err := e.export(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s as %s: %v, want %s", c.query, f, err, c.want)
			}
			if text, err := os.ReadFile(path); err != nil || string(text) != "before" {
				t.Errorf("%s as %s: the file holds %d bytes, %v", c.query, f, len(text), err)
			}
			if _, err := os.Stat(path + ".partial"); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s as %s: a part was left: %v", c.query, f, err)
			}
		}
	}
}
