// Package plantest keeps plans as text: what EXPLAIN shows of queries over tables that have
// been flushed, with the rows that are expected of each node and the rows that there are.
package plantest

import (
	"context"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/phyllodb/phyllo/tools/server"
	"github.com/phyllodb/phyllo/tools/testserver"
)

var rewrite = flag.Bool("rewrite", false, "write the plans into testdata")

// TestPlans runs testdata/plans.sql, statements with a blank line between them, and compares
// the rows of those that have some with testdata/plans.txt.
func TestPlans(t *testing.T) {
	ctx := context.Background()
	srv := testserver.Start(t, func(*server.Config) {})
	conn, err := pgx.Connect(ctx, srv.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	script, err := os.ReadFile("testdata/plans.sql")
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for sql := range strings.SplitSeq(string(script), "\n\n") {
		results, err := conn.PgConn().Exec(ctx, sql).ReadAll()
		if err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		for _, r := range results {
			if len(r.Rows) == 0 {
				continue
			}
			got.WriteString(strings.TrimSpace(sql) + "\n")
			for _, row := range r.Rows {
				got.WriteString("    " + string(row[0]) + "\n")
			}
			got.WriteString("\n")
		}
	}
	if *rewrite {
		if err := os.WriteFile("testdata/plans.txt", []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/plans.txt")
	if err != nil {
		t.Fatal(err)
	}
	compare(t, string(want), got.String())
}

// compare reports the first statement whose plan differs.
func compare(t *testing.T, want, got string) {
	t.Helper()
	w, g := strings.Split(want, "\n\n"), strings.Split(got, "\n\n")
	for i := range max(len(w), len(g)) {
		switch {
		case i >= len(w):
			t.Fatalf("a plan more than in testdata/plans.txt:\n%s", g[i])
		case i >= len(g):
			t.Fatalf("no plan for\n%s", w[i])
		case w[i] != g[i]:
			t.Fatalf("the plan differs; it was\n%s\nand is\n%s", w[i], g[i])
		}
	}
}
