package clustertest

import (
	"fmt"
	"testing"
	"time"
)

// firstQueryLimit is how soon a node must answer that has nothing but the cluster.
const firstQueryLimit = 5 * time.Second

// TestEmptyDisk starts a node with an empty disk on a table of many chunks, after the
// only other one was lost.
func TestEmptyDisk(t *testing.T) {
	manyChunks := 3_000
	if *long {
		manyChunks = 10_000
	}
	s := &scene{t: t}
	n := newNode(t, 0, "a", newKeyspace(t, theServer.get(t)))
	s.nodes = []*node{n}
	if err := n.start(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	s.exec(`CREATE TABLE IF NOT EXISTS hours (ts timestamptz PRIMARY KEY) WITH (slice = '1 hour')`,
		fmt.Sprintf(`INSERT INTO hours SELECT '2020-01-01Z'::timestamptz + g * interval '1 hour' FROM generate_series(1, %d) AS g`, manyChunks), `CHECKPOINT`)
	t.Logf("%d chunks were made in %.1f s", manyChunks, time.Since(start).Seconds())
	if err := n.killWithDisk(); err != nil {
		t.Fatal(err)
	}
	start = time.Now()
	if err := n.start(t.Context(), "b"); err != nil {
		t.Fatal(err)
	}
	ready := time.Since(start)
	conn, err := n.connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var hours int
	ask := func(sql string, want int) {
		t.Helper()
		if err := conn.QueryRow(t.Context(), sql).Scan(&hours); err != nil || hours != want {
			t.Fatalf("%s: %d, error %v; want %d", sql, hours, err, want)
		}
	}
	ask(`SELECT count(*) FROM hours WHERE ts >= '2020-02-01' AND ts < '2020-02-02'`, 24)
	first := time.Since(start)
	ask(`SELECT count(*) FROM hours`, manyChunks)
	t.Logf("ready after %.2f s, the first query answered after %.2f s, all rows counted after %.2f s", ready.Seconds(), first.Seconds(), time.Since(start).Seconds())
	if first > firstQueryLimit {
		t.Errorf("the first query was answered after %v, the bound is %v", first, firstQueryLimit)
	}
	var chunks int
	if err := conn.QueryRow(t.Context(), `SELECT sum(chunks)::int FROM phyllo_catalog.partitions WHERE table_name = 'hours'`).Scan(&chunks); err != nil || chunks < manyChunks {
		t.Errorf("the table has %d chunks, error %v; want %d", chunks, err, manyChunks)
	}
}
