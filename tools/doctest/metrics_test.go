package doctest

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/phyllodb/phyllo/tools/server"
	"github.com/phyllodb/phyllo/tools/testserver"
)

// servedMetrics returns our metrics and their types from /metrics of a server
// that has run a statement.
func servedMetrics(t *testing.T) map[string]string {
	t.Helper()
	p := testserver.Start(t, func(*server.Config) {})
	conn, err := pgx.Connect(context.Background(), p.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(context.Background(), "CREATE TABLE m AS SELECT 1 AS n"); err != nil {
		t.Fatal(err)
	}
	resp, err := http.Get(p.URL() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("/metrics: %s, %v", resp.Status, err)
	}
	types := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) == 4 && f[1] == "TYPE" && strings.HasPrefix(f[2], "phyllo_") {
			types[f[2]] = f[3]
		}
	}
	return types
}

// TestMetrics compares the table of metrics with what a server says.
func TestMetrics(t *testing.T) {
	served := servedMetrics(t)
	listed := map[string]bool{}
	for _, row := range tableRows(readPage(t, "docs/operations.md").section(t, "Metrics")) {
		name := strings.Join(codes(row[0]), "")
		listed[name] = true
		if served[name] == "" {
			t.Errorf("metric %q is listed and does not exist", name)
		} else if row[1] != served[name] {
			t.Errorf("metric %s: the page says it is a %s, it is a %s", name, row[1], served[name])
		}
	}
	for name, kind := range served {
		if !listed[name] {
			t.Errorf("metric %s (%s) is not listed", name, kind)
		}
	}
}
