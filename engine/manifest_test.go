package engine_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/prometheus/client_golang/prometheus"
)

// metricOf returns the value of a counter or a gauge.
func metricOf(t testing.TB, r *prometheus.Registry, name string) float64 {
	t.Helper()
	all, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		if m.GetName() == name {
			return m.Metric[0].GetCounter().GetValue() + m.Metric[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("there is no metric %s", name)
	return 0
}

// TestManifestPages opens a table of many more chunks than the memory for manifests
// holds: a query reads the pages of its slices, one of all rows gives all of them,
// look-ups and inserts find what is there, and the memory stays within its bound.
func TestManifestPages(t *testing.T) {
	for _, keyed := range []bool{false, true} {
		t.Run(fmt.Sprintf("keyed=%v", keyed), func(t *testing.T) {
			eachPlace(t, func(t *testing.T, p place) { testManifestPages(t, p, keyed) })
		})
	}
}

func testManifestPages(t *testing.T, p place, keyed bool) {
	const slices, budget = 700, 200_000 // a page takes about 70,000
	ctx := context.Background()
	db := p.open(t, quiet)
	table := createTable(t, db, "events", keyed, schema.DuplicateError)
	want := map[row]int{}
	for from := 0; from < slices; from += 100 {
		var rows []row
		for i := from; i < from+100; i++ {
			for _, k := range []string{"a", "b", "c", "d", "e", "f"} {
				rows = append(rows, row{k, int64(i)*hour + 7, int64(i)})
			}
		}
		insert(t, db, table, rows...)
		for _, r := range rows {
			want[r]++
		}
		checkpoint(t, db)
	}
	p.close(t)
	metrics := prometheus.NewRegistry()
	opt := quiet
	opt.ManifestBytes, opt.Registerer = budget, metrics
	db = p.open(t, opt)
	misses := func() float64 { return metricOf(t, metrics, "phyllo_manifest_page_misses_total") }
	if n := misses(); n != 0 {
		t.Errorf("%v pages were read before anything was asked for", n)
	}
	at := func(i int64) []chunk.Predicate {
		return []chunk.Predicate{{Column: 2, Op: chunk.OpGE, Values: []datum.Value{datum.Micros(i * hour)}},
			{Column: 2, Op: chunk.OpLT, Values: []datum.Value{datum.Micros((i + 1) * hour)}}}
	}
	sameRows(t, "one slice", mustRead(t, db, table, at(600)...), only(want, 600))
	if n := misses(); n == 0 || n > 8 { // of 4 partitions; a slice may lie in two pages
		t.Errorf("%v pages were read for one slice", n)
	}
	before := misses()
	sameRows(t, "the same slice", mustRead(t, db, table, at(600)...), only(want, 600))
	if n := misses() - before; n > 4 {
		t.Errorf("%v pages were read for it again", n)
	}
	sameRows(t, "all", mustRead(t, db, table), want)
	if n := misses(); n < 3*slices/128 {
		t.Errorf("%v pages were read for all", n)
	}
	if n := metricOf(t, metrics, "phyllo_manifest_page_bytes"); n > budget || n == 0 {
		t.Errorf("%v bytes of pages are in memory, the bound is %d", n, budget)
	}
	if keyed {
		tx := begin(t, db, engine.TxnOptions{})
		_, found, err := tx.Lookup(ctx, table, keyBatch(row{"a", 7, 0}, row{"a", 8, 0}, row{"f", 699*hour + 7, 0}))
		if err != nil || found[0] < 0 || found[1] >= 0 || found[2] < 0 {
			t.Errorf("found %v, %v", found, err)
		}
		tx.Rollback()
	}
	late := row{"a", 3*hour + 9, -1}
	insert(t, db, table, late)
	want[late]++
	checkpoint(t, db)
	sameRows(t, "all, and a late row", mustRead(t, db, table), want)
	tx := begin(t, db, engine.TxnOptions{ReadOnly: true})
	partitions, err := tx.Partitions(ctx, table)
	tx.Rollback()
	chunks := 0
	for _, part := range partitions {
		for _, err := range part.Entries(ctx) {
			if err != nil {
				t.Fatal(err)
			}
			chunks++
		}
		chunks -= part.Chunks
		if part.Time.Min > part.Time.Max || part.Time.Max != datum.Micros(699*hour+7) {
			t.Errorf("partition %x has times %v", part.ID.Key, part.Time)
		}
	}
	if err != nil || chunks != 0 {
		t.Errorf("%d chunks are listed more than counted: %v", chunks, err)
	}
	p.close(t)
}

// only returns the rows of one slice.
func only(rows map[row]int, slice int64) map[row]int {
	out := map[row]int{}
	for r, n := range rows {
		if r.ts/hour == slice {
			out[r] = n
		}
	}
	return out
}
