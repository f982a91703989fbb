package chunk

import (
	"context"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/phyllodb/phyllo/codec"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

// A chunkRun is a run in a chunk. Columns are fetched when they are first
// needed, those of the key at once.
type chunkRun struct {
	scan *chunkScan // with the filters on the key
	rest *chunkScan // with the others, which share the columns
	// filters are those of rest until they are first needed: then their columns
	// are fetched.
	filters []*filter
	mute    bool // no row passes rest
	dicts   [][]string
}

// newChunkRun opens a chunk, whose filters are those on the key; nil if the entry
// excludes all of its rows.
func newChunkRun(ctx context.Context, s *chunkSplit, rest []Predicate, mem memory.Allocator, stats *ScanStats) (*chunkRun, error) {
	scan, filters, err := s.start(mem, newChunkRoom(), stats)
	if err != nil || scan.empty {
		return nil, err
	}
	if err := scan.open(ctx, filters); err != nil {
		return nil, err
	}
	r := &chunkRun{scan: scan, dicts: make([][]string, len(s.layout.SortKey))}
	r.rest = &chunkScan{chunkSplit: s, mem: mem, room: scan.room, stats: stats, columns: scan.columns, vectors: scan.vectors}
	others, err := compile(s.layout, rest)
	if err != nil {
		return nil, err
	}
	for _, f := range others {
		v := maybe
		if !s.spec.Pruning.Manifest {
			v = f.judgeEntry(s.entry, s.layout)
		}
		if v != all {
			r.filters = append(r.filters, f)
		}
		r.mute = r.mute || v == none
	}
	for _, id := range s.layout.SortKey {
		if _, err := scan.column(ctx, id); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func (r *chunkRun) length() int { return r.scan.entry.Rows }

func (r *chunkRun) choose(_ context.Context, v int, sel *codec.Bits) (int, error) {
	n, err := r.scan.vector(v)
	*sel = r.scan.sel
	return n, err
}

func (r *chunkRun) version(ctx context.Context, row int32) (int64, error) {
	e := r.scan.entry
	if e.VersionMin == e.VersionMax || r.scan.layout.Index(schema.RowVersionColumn) < 0 {
		return int64(e.VersionMin), nil
	}
	c, err := r.scan.column(ctx, schema.RowVersionColumn)
	if err != nil {
		return 0, err
	}
	if c.ints == nil || c.nulls > 0 {
		return 0, r.scan.wrap(corrupt("%d of %d row versions are NULL", c.nulls, c.rows), schema.RowVersionColumn)
	}
	v := int(row) / VectorRows
	c.touch(v)
	x, err := c.ints.Shared(v)
	if err != nil {
		return 0, r.scan.wrap(err, schema.RowVersionColumn)
	}
	return x[int(row)%VectorRows], nil
}

func (r *chunkRun) unfiltered() bool { return len(r.filters) == 0 }

func (r *chunkRun) passing(ctx context.Context, v int, sel *codec.Bits) error {
	*sel = codec.Bits{}
	if r.mute {
		return nil
	}
	if r.rest.filters == nil {
		if err := r.rest.open(ctx, r.filters); err != nil {
			return err
		}
	}
	verdict := r.rest.judge(v)
	if err := r.rest.evaluate(v, verdict); err != nil {
		return err
	}
	*sel = r.rest.sel
	return nil
}

func (r *chunkRun) keys(ctx context.Context, v int, w *keyWindow) error {
	for i := range w.columns {
		id := r.scan.layout.SortKey[i]
		c, err := r.scan.column(ctx, id)
		if err != nil {
			return err
		}
		if c.nulls > 0 {
			return r.scan.wrap(corrupt("%d NULLs in the key", c.nulls), id)
		}
		if err := r.keyColumn(c, i, v, w); err != nil {
			return r.scan.wrap(err, id)
		}
	}
	if !w.encode() {
		return r.scan.wrap(corrupt("rows of vector %d are not in the order of the key", v), r.scan.layout.SortKey[0])
	}
	return nil
}

// keyColumn fills in the parts of column number i of the key.
func (r *chunkRun) keyColumn(c *blobColumn, i, v int, w *keyWindow) error {
	k := &w.columns[i]
	base := int32(v * VectorRows)
	c.touch(v)
	switch {
	case k.kind == keyInts && c.form == formInts:
		x, err := c.ints.Shared(v)
		if err == nil {
			w.setInts(k.part, x, base)
		}
		return err
	case k.kind == keyPair && c.form == formBytes:
		s, err := c.strs.Vector(v)
		if err != nil {
			return err
		}
		return w.setPairs(k.part, func(row int32) []byte { return s.At(int(row - base)) })
	case k.kind == keyText && c.form == formBytes:
		return r.keyText(c, i, v, w)
	}
	// The numbers of rows in the array are those in the vector.
	a, err := c.array(r.scan.mem, k.typ, v)
	if err != nil {
		return err
	}
	defer a.Release()
	if err := checkValues(k.typ, a); err != nil {
		return err
	}
	for j := range w.rows {
		w.rows[j] -= base
	}
	err = w.setArray(k, a, 0, a.Len())
	for j := range w.rows {
		w.rows[j] += base
	}
	return err
}

// checkValues refuses values that no writer wrote, of the types whose comparison
// trusts that there are none.
func checkValues(t datum.Type, a arrow.Array) error {
	if l, ok := datum.ListsOf(a); ok {
		elem, _ := t.Elem()
		return checkValues(elem, l.Values())
	}
	if t.OID != datum.Numeric && t.OID != datum.JSONB && !t.IsRow() {
		return nil
	}
	for i := range a.Len() {
		if a.IsNull(i) {
			continue
		}
		var err error
		b := bytesAt(a, i)
		if t.IsRow() {
			err = datum.CheckRow(t, b)
		} else if t.OID == datum.JSONB {
			_, err = datum.ParseJSON(stringOf(b))
		} else if _, _, ok := datum.NumericInt(b); !ok {
			_, err = datum.DecodeNumeric(b)
		}
		if err != nil {
			return corrupt("row %d: %v", i, err)
		}
	}
	return nil
}

// keyText takes strings from a dictionary, which outlives the window, or copies
// them.
func (r *chunkRun) keyText(c *blobColumn, i, v int, w *keyWindow) error {
	k := &w.columns[i]
	p := &w.parts[k.part]
	base := int32(v * VectorRows)
	entries, codes, err := c.strs.Dictionary()
	if err != nil {
		return err
	}
	if entries != nil {
		if r.dicts[i] == nil {
			r.dicts[i] = make([]string, entries.Len())
			for e := range r.dicts[i] {
				r.dicts[i][e] = stringOf(trimmed(k.order, entries.At(e)))
			}
		}
		p.text = r.dicts[i]
		p.codes = sized(p.codes, len(w.rows))
		if codes == nil {
			clear(p.codes)
			return nil
		}
		x, err := codes.Codes(v, entries.Len())
		if err != nil {
			return err
		}
		for j, row := range w.rows {
			p.codes[j] = int32(x[row-base])
		}
		return nil
	}
	s, err := c.strs.Vector(v)
	if err != nil {
		return err
	}
	p.buf = append(p.buf[:0], s.Data...)
	text := w.strings(k.part)
	for j, row := range w.rows {
		text[j] = stringOf(trimmed(k.order, p.buf[s.Offsets[row-base]:s.Offsets[row-base+1]]))
	}
	return nil
}

// close adds up what was decoded and lets go of the columns.
func (r *chunkRun) close() {
	r.scan.close()
	clear(r.scan.columns)
	r.scan.filters, r.rest.filters, r.dicts = nil, nil, nil
}

// open fetches every column that the scan may want, for PruningOff.Late.
func (r *chunkRun) open(ctx context.Context, ids []schema.ColumnID) error {
	for _, id := range ids {
		if _, err := r.scan.column(ctx, id); err != nil {
			return err
		}
	}
	return r.rest.open(ctx, r.filters)
}
