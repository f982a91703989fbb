package engine

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

// findIn looks for a group's keys in chunks and deltas; what is at least as new
// as what was found before replaces it.
func (t *Txn) findIn(ctx context.Context, in *tableInfo, f *finding, g *keyGroup, encoded [][]byte, chunks []*chunk.Entry, deltas ...*delta) error {
	entries := slices.Clone(chunks)
	for _, d := range deltas {
		if d == nil {
			continue
		}
		for _, e := range d.staged {
			if e.Slice == g.slice {
				entries = append(entries, e)
			}
		}
	}
	if err := t.findInChunks(ctx, in, f, g, encoded, entries); err != nil {
		return err
	}
	for _, d := range deltas {
		if d == nil {
			continue
		}
		for _, run := range d.slice(g.slice).Runs() {
			t.findInRun(in, f, g, run)
		}
	}
	return nil
}

func (t *Txn) findInRun(in *tableInfo, f *finding, g *keyGroup, run arrow.RecordBatch) {
	versions := run.Column(int(run.NumCols()) - 1).(*array.Int64)
	marks := run.Column(in.layout.Index(schema.RowDeletedColumn)).(*array.Boolean)
	found := false
	for i, row := range chunk.LookupRun(in.layout, run, g.keys) {
		if row >= 0 {
			found = true
			f.take(g.rows[i], foundRow{len(f.sources), row, versions.Value(int(row)), marks.Value(int(row))})
		}
	}
	if found && f.whole {
		run.Retain()
		f.sources = append(f.sources, run)
	}
}

// take notes a row for a key, unless a newer one is known.
func (f *finding) take(key int32, r foundRow) {
	if r.version >= f.at[key].version {
		f.at[key] = r
	}
}

// findInChunks reads the chunks that may hold one of the keys.
func (t *Txn) findInChunks(ctx context.Context, in *tableInfo, f *finding, g *keyGroup, encoded [][]byte, entries []*chunk.Entry) error {
	sorted := slices.Clone(g.rows)
	slices.SortFunc(sorted, func(a, b int32) int { return bytes.Compare(encoded[a], encoded[b]) })
	from := func(k []byte) int { // the first key that is not below k
		at, _ := slices.BinarySearchFunc(sorted, k, func(row int32, k []byte) int { return bytes.Compare(encoded[row], k) })
		return at
	}
	var inputs []chunk.MergeInput
	for _, e := range entries {
		if at := from(e.KeyMin); at < len(sorted) && bytes.Compare(encoded[sorted[at]], e.KeyMax) <= 0 {
			inputs = append(inputs, chunk.MergeInput{Entry: e, Fetch: t.db.fetch(g.id, in, e), Rank: len(inputs)})
		}
	}
	if len(inputs) == 0 {
		return nil
	}
	columns, keyAt := in.def.PrimaryKey, places(len(in.key))
	if f.whole {
		columns, keyAt = in.live, in.key
	}
	spec := chunk.ScanSpec{Columns: append(slices.Clone(columns), schema.RowDeletedColumn, schema.RowVersionColumn), Filter: in.keyPredicates(g.keys)}
	var stats chunk.ScanStats
	r, err := chunk.NewMergeSplit(inputs, in.layout, spec).Scan(ctx, chunk.NewRoom(t.db.mem), &stats)
	if err != nil {
		return err
	}
	defer r.Close()
	for {
		b, err := r.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		cols := make([]arrow.Array, len(keyAt))
		for i, at := range keyAt {
			cols[i] = b.Column(at)
		}
		marks := b.Column(len(columns)).(*array.Boolean)
		versions := b.Column(len(columns) + 1).(*array.Int64)
		var rows []int32 // of b that have one of the keys
		for i, k := range in.encodeKeys(cols, int(b.NumRows())) {
			before := len(rows)
			for at := from(k); at < len(sorted) && bytes.Equal(encoded[sorted[at]], k); at++ {
				if len(rows) == before {
					rows = append(rows, int32(i))
				}
				f.take(sorted[at], foundRow{len(f.sources), int32(before), versions.Value(i), marks.Value(i)})
			}
		}
		err = t.keep(in, f, b, rows)
		b.Release()
		if err != nil {
			return err
		}
	}
}

// keep makes a source of the rows of a batch that were found in it: the filter
// lets others pass too, which would take memory.
func (t *Txn) keep(in *tableInfo, f *finding, b arrow.RecordBatch, rows []int32) error {
	if !f.whole || len(rows) == 0 {
		return nil
	}
	kept, err := in.take(t.db.mem, b, rows)
	if err == nil {
		f.sources = append(f.sources, kept)
	}
	return err
}

func places(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// maxKeyValues bounds the values of a predicate that narrows a look-up.
const maxKeyValues = 1 << 14

// keyPredicates narrows a scan to rows that may have one of the keys.
func (in *tableInfo) keyPredicates(keys arrow.RecordBatch) []chunk.Predicate {
	var out []chunk.Predicate
	for i, at := range in.key {
		c := in.layout.Columns[at]
		if !chunk.CanFilter(c.Type, chunk.OpIn) {
			continue
		}
		p := chunk.Predicate{Column: c.ID, Op: chunk.OpIn}
		distinct := map[string]struct{}{}
		a := keys.Column(i)
		for row := range a.Len() {
			k := datum.AppendKey(nil, c.Type, a, row, datum.KeyOrder{})
			if _, ok := distinct[string(k)]; ok {
				continue
			}
			distinct[string(k)] = struct{}{}
			p.Values = append(p.Values, datum.ValueAt(c.Type, a, row))
		}
		if len(p.Values) <= maxKeyValues {
			out = append(out, p)
		}
	}
	return out
}
