package engine

import (
	"bytes"
	"context"
	"io"
	"math"
	"slices"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/commitlog"
	"github.com/phyllodb/phyllo/internal/schema"
)

// A markMerge applies marks in a compaction. In keyed tables the newest version of a key
// is all that is left by the merge; if that is a mark it goes too, where no older version
// can lie elsewhere. In others a mark and a row that is equal to it go, and marks that
// find no row stay: it may be in chunks that are not merged.
type markMerge struct {
	in    *tableInfo
	mem   memory.Allocator
	limit int64
	// below is the version below which marks of a keyed table may go.
	below int64
	// carried are marks that found no row and whose key is the greatest one merged so
	// far, of which more rows may come; nil if there are none.
	carried arrow.RecordBatch
	pairs   int64     // rows that went, with a mark each
	deleted int       // place of schema.RowDeletedColumn
	past    *pastRows // gets what goes; nil if no history is kept
}

func newMarkMerge(in *tableInfo, mem memory.Allocator, limit int64) *markMerge {
	return &markMerge{in: in, mem: mem, limit: limit, below: math.MinInt64, deleted: in.layout.Index(schema.RowDeletedColumn)}
}

func (m *markMerge) isMark(b arrow.RecordBatch) *array.Boolean {
	return b.Column(m.deleted).(*array.Boolean)
}

// drop returns the rows of a keyed table without the marks that nobody needs.
func (m *markMerge) drop(rows arrow.RecordBatch) (arrow.RecordBatch, error) {
	marks, versions := m.isMark(rows), rows.Column(int(rows.NumCols())-1).(*array.Int64)
	kept, gone := make([]int32, 0, rows.NumRows()), []int32(nil)
	for i := range int(rows.NumRows()) {
		if !marks.Value(i) || versions.Value(i) >= m.below {
			kept = append(kept, int32(i))
		} else {
			gone = append(gone, int32(i))
		}
	}
	if err := m.past.take(rows, gone); err != nil {
		return nil, err
	}
	return m.in.take(m.mem, rows, kept)
}

// with adds the marks that were carried to runs.
func (m *markMerge) with(runs []arrow.RecordBatch) []arrow.RecordBatch {
	if m.carried == nil {
		return runs
	}
	return append(slices.Clip(runs), m.carried)
}

// subtract returns sorted rows, up to a key, less those that marks among them take away.
func (m *markMerge) subtract(rows arrow.RecordBatch, upTo []byte) (arrow.RecordBatch, error) {
	m.release()
	n := int(rows.NumRows())
	marks := m.isMark(rows)
	counts := map[string]int{}
	left := 0
	var image []byte
	for i := range n {
		if marks.Value(i) {
			image = m.image(image[:0], rows, i)
			counts[string(image)]++
			left++
		}
	}
	if left == 0 {
		rows.Retain()
		return rows, nil
	}
	gone := make([]bool, n)
	for i := range n {
		if left == 0 {
			break
		}
		if marks.Value(i) {
			continue
		}
		image = m.image(image[:0], rows, i)
		if k := counts[string(image)]; k > 0 {
			counts[string(image)], gone[i] = k-1, true
			left--
			m.pairs++
		}
	}
	kept := make([]int32, 0, n)
	var carried, past []int32
	for i := range n {
		if !marks.Value(i) {
			if !gone[i] {
				kept = append(kept, int32(i))
			} else {
				past = append(past, int32(i))
			}
			continue
		}
		image = m.image(image[:0], rows, i)
		k := counts[string(image)]
		if k == 0 {
			past = append(past, int32(i))
			continue // with its row
		}
		counts[string(image)] = k - 1
		if bytes.Equal(m.in.layout.AppendSortKey(image[:0], rows, i), upTo) {
			carried = append(carried, int32(i))
		} else {
			kept = append(kept, int32(i))
		}
	}
	if err := m.past.take(rows, past); err != nil {
		return nil, err
	}
	if len(carried) > 0 {
		c, err := m.in.take(m.mem, rows, carried)
		if err != nil {
			return nil, err
		}
		if chunk.BatchBytes(c) <= m.limit {
			m.carried = c
		} else { // they stay marks
			c.Release()
			kept = append(kept, carried...)
			slices.Sort(kept)
		}
	}
	return m.in.take(m.mem, rows, kept)
}

// image is equal for a mark and the rows that it may take away.
func (m *markMerge) image(dst []byte, b arrow.RecordBatch, row int) []byte {
	for i, c := range b.Columns() {
		if i != m.deleted && m.in.layout.Columns[i].ID != schema.RowVersionColumn {
			dst = chunk.AppendImage(dst, c, row)
		}
	}
	return dst
}

// rest returns the marks that are left when all rows are merged, then io.EOF.
func (m *markMerge) rest() (arrow.RecordBatch, error) {
	if m == nil || m.carried == nil {
		return nil, io.EOF
	}
	out := m.carried
	m.carried = nil
	return out, nil
}

func (m *markMerge) release() {
	if m != nil && m.carried != nil {
		m.carried.Release()
		m.carried = nil
	}
}

// marksBelow returns the version below which marks in chunks of a keyed table, which are
// merged, may go: no row that is not merged, of a key among theirs, is older.
//
// A row that is not known to this node yet is newer than every mark that is: who
// deletes has the claim of the table, so that who commits to it afterwards has seen
// the mark, and what was committed before is seen here after a round.
func (db *DB) marksBelow(ctx context.Context, part *partition, slice int64, inputs []*chunk.Entry) (int64, error) {
	if db.cluster != nil {
		if err := db.cluster.follower.wait(ctx, time.Now()); err != nil {
			return math.MinInt64, err
		}
	}
	st := db.current.Load().storages[part.id.Table]
	if st == nil || st.part(part.id.Key) == nil {
		return math.MinInt64, errGone
	}
	p := st.part(part.id.Key)
	_, m, err := db.compactable(ctx, part)
	if err != nil {
		return math.MinInt64, err
	}
	below := int64(math.MaxInt64)
	in := keysOf(inputs)
	in.Slice = slice
	for e, err := range m.ChunksIn(ctx, in) {
		if err != nil {
			return math.MinInt64, st.info.unread(err)
		}
		if !e.History() && !slices.ContainsFunc(inputs, func(i *chunk.Entry) bool { return i.ID == e.ID }) {
			below = min(below, int64(e.VersionMin))
		}
	}
	for _, d := range p.deltas() {
		below = min(below, d.oldest(slice))
	}
	if st.info.count() == 1 {
		return below, nil
	}
	return st.belowElsewhere(ctx, part.id.Key, in, below)
}

// belowElsewhere is marksBelow for rows in partitions of other generations than that of
// key, in which all rows that there are of the keys in r lie in slices that overlap its.
func (st *storageState) belowElsewhere(ctx context.Context, key string, r commitlog.ChunkRange, below int64) (int64, error) {
	times := st.info.of(key).timesOf(r.Slice)
	for _, q := range st.parts {
		other := q.part.id.Key
		if other == key || !st.info.mayShare(key, other) {
			continue
		}
		for _, slice := range q.slices() {
			at := st.info.of(other).timesOf(slice)
			if at.Min > times.Max || times.Min > at.Max {
				continue
			}
			r.Slice = slice
			for e, err := range q.manifest.ChunksIn(ctx, r) {
				if err != nil {
					return math.MinInt64, st.info.unread(err)
				}
				if !e.History() {
					below = min(below, int64(e.VersionMin))
				}
			}
			for _, d := range q.deltas() {
				below = min(below, d.oldest(slice))
			}
		}
	}
	return below, nil
}

// slices returns the numbers of the slices in which a partition has rows.
func (p *partState) slices() []int64 {
	var out []int64
	for info := range p.manifest.Slices() {
		out = append(out, info.Slice)
	}
	for _, d := range p.deltas() {
		for _, s := range d.slices {
			out = append(out, s.slice)
		}
		for _, e := range d.staged {
			out = append(out, e.Slice)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// keysOf returns the range of the keys of chunks.
func keysOf(chunks []*chunk.Entry) (r commitlog.ChunkRange) {
	r.KeyMin, r.KeyMax = chunks[0].KeyMin, chunks[0].KeyMax
	for _, e := range chunks[1:] {
		if bytes.Compare(e.KeyMin, r.KeyMin) < 0 {
			r.KeyMin = e.KeyMin
		}
		if bytes.Compare(e.KeyMax, r.KeyMax) > 0 {
			r.KeyMax = e.KeyMax
		}
	}
	return r
}

// oldest returns the least version of the rows of a keyed table in a slice.
func (d *delta) oldest(slice int64) int64 {
	least := int64(math.MaxInt64)
	for _, e := range d.staged {
		if e.Slice == slice {
			least = min(least, int64(e.VersionMin))
		}
	}
	for _, run := range d.slice(slice).Runs() {
		for _, v := range run.Column(int(run.NumCols()) - 1).(*array.Int64).Int64Values() {
			least = min(least, v)
		}
	}
	return least
}
