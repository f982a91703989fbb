package copytest

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// TestInspectCluster looks at a keyspace while a server uses it: from the tables down to a
// column, and as a drawing.
func TestInspectCluster(t *testing.T) {
	opts := newKeyspace(t, "")
	conn, stop := serve(t, t.TempDir(), &opts, io.Discard)
	defer stop()
	execute(t, conn, append(statements, "CHECKPOINT", "DELETE FROM keyed WHERE k = 'key 1' AND ts > '2024-02-01'", "CHECKPOINT", "INSERT INTO keyed VALUES ('waits', '2024-01-01', 1, NULL)")...)
	inspect := func(args ...string) string {
		t.Helper()
		out, err := phyllo(append([]string{"inspect", url(opts)}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("phyllo inspect %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	var all struct {
		Tables []struct {
			Table  string
			Chunks int
			Rows   int64
			Bytes  int64
			Waits  int64 `json:"waiting_rows"`
		}
	}
	if err := json.Unmarshal([]byte(inspect("--json")), &all); err != nil || len(all.Tables) != 2 {
		t.Fatalf("%v: %+v", err, all)
	}
	for _, got := range all.Tables {
		var bytes int64
		err := conn.QueryRow(t.Context(), "SELECT sum(bytes)::bigint FROM phyllo_catalog.partitions WHERE table_name = $1", got.Table[strings.IndexByte(got.Table, '.')+1:]).Scan(&bytes)
		if err != nil || bytes != got.Bytes || got.Rows < rows || got.Chunks == 0 || got.Waits != map[string]int64{"public.keyed": 1}[got.Table] {
			t.Errorf("%+v, the server says %d bytes: %v", got, bytes, err)
		}
	}
	// Bloom filters are made by compaction, shown, and used.
	execute(t, conn, `CREATE TABLE requests (service text, ts timestamptz, id uuid, PRIMARY KEY (service, ts)) WITH (slice = '1 day')`)
	for half := range 2 {
		execute(t, conn, fmt.Sprintf(`INSERT INTO requests SELECT 's' || i %% 5, timestamptz '2024-03-01' + i * interval '20 s', md5(i::text)::uuid FROM generate_series(0, 19999) i WHERE i %% 2 = %d`, half), "CHECKPOINT")
	}
	execute(t, conn, "VACUUM requests")
	if got := inspect("requests", "0", "0", "filter of id"); !strings.Contains(got, "false positives") {
		t.Errorf("a Bloom filter:\n%s", got)
	}
	lines, err := conn.Query(t.Context(), "EXPLAIN (ANALYZE) SELECT ts FROM requests WHERE id = md5('777')::uuid")
	if err != nil {
		t.Fatal(err)
	}
	plan, err := pgx.CollectRows(lines, pgx.RowTo[string])
	if all := strings.Join(plan, "\n"); err != nil || !strings.Contains(all, "Chunks Skipped By Bloom Filters: 4") || !strings.Contains(all, "Rows: 1 returned") {
		t.Errorf("%v\n%s", err, all)
	}
	file := filepath.Join(t.TempDir(), "chunks.svg")
	for want, args := range map[string][]string{
		"bucket 2 of 4":               {"keyed"},
		"LEAST KEY":                   {"keyed", "0"},
		"DISTINCT":                    {"keyed", "0", "0"},
		"costs least":                 {"keyed", "0", "0", "v", "--why"},
		"VECTOR":                      {"keyed", "0", "0", "ts"},
		"with deletes":                {"keyed", "--map", "--svg", file},
		"chunks of table other.event": {"other.events", "0", "--map"},
	} {
		if got := inspect(args...); !strings.Contains(got, want) {
			t.Errorf("%v: there is no %q in\n%s", args, want, got)
		}
	}
	svg, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for d := xml.NewDecoder(bytes.NewReader(svg)); !errors.Is(err, io.EOF); {
		if _, err = d.Token(); err != nil && !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
	}
	if got := inspect("--verify"); !strings.Contains(got, "all is as it was written") {
		t.Errorf("--verify:\n%s", got)
	}
}
