package chunk

import (
	"context"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/phyllodb/phyllo/codec"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
)

// A keyRun is a sorted run of rows as a merge reads it, in vectors of VectorRows
// rows; rows are numbered from 0.
type keyRun interface {
	// length is the number of rows.
	length() int
	// choose finds the rows of vector v that may come into the merge.
	choose(ctx context.Context, v int, sel *codec.Bits) (rows int, err error)
	// keys fills in the parts of the keys of w.rows, which lie in vector v.
	keys(ctx context.Context, v int, w *keyWindow) error
	// version returns the version of a row.
	version(ctx context.Context, row int32) (int64, error)
	// passing finds the rows of vector v that pass the filters on other columns
	// than those of the key; unfiltered says that there are no such filters.
	passing(ctx context.Context, v int, sel *codec.Bits) error
	unfiltered() bool
}

// A mergeSource is a run on its way through a merge.
type mergeSource struct {
	keyRun
	place   int // among runs: of equal versions that with the greater place wins
	window  *keyWindow
	next    int // vectors read
	vectors int
	merged  int64 // rows read

	filtered   bool // there are filters on other columns than the key's
	passVector int  // the vector that pass is of, plus one
	pass       codec.Bits
}

func newMergeSource(r keyRun, place int, w *keyWindow) *mergeSource {
	return &mergeSource{keyRun: r, place: place, window: w, vectors: codec.Vectors(r.length()), filtered: !r.unfiltered()}
}

// load reads the next window that has a row; it reports false after the last one.
func (s *mergeSource) load(ctx context.Context) (bool, error) {
	w := s.window
	w.keep()
	w.rows = w.rows[:0]
	var sel codec.Bits
	for s.next < s.vectors {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		v := s.next
		if w.order < 0 {
			v = s.vectors - 1 - v
		}
		s.next++
		n, err := s.choose(ctx, v, &sel)
		if err != nil {
			return false, err
		}
		if n == 0 {
			continue
		}
		w.setRows(&sel, v, n)
		s.merged += int64(n)
		if err := s.keys(ctx, v, w); err != nil {
			return false, err
		}
		return true, nil
	}
	return false, nil
}

// setRows makes the rows of vector v that are in sel those of the window.
func (w *keyWindow) setRows(sel *codec.Bits, v, n int) {
	base := int32(v * VectorRows)
	w.rows = sel.Rows(sized(w.rows, n)[:0])
	for i := range w.rows {
		w.rows[i] += base
	}
	if w.order < 0 {
		for i, j := 0, n-1; i < j; i, j = i+1, j-1 {
			w.rows[i], w.rows[j] = w.rows[j], w.rows[i]
		}
	}
}

// filter sets pass to the rows of vector v that pass the filters on columns
// outside of the key.
func (s *mergeSource) filter(ctx context.Context, v int) error {
	if s.passVector == v+1 {
		return nil
	}
	s.passVector = 0
	if err := s.passing(ctx, v, &s.pass); err != nil {
		return err
	}
	s.passVector = v + 1
	return nil
}

// splitFilter parts a conjunction into the predicates that all rows of a key
// answer alike and the others, which only the winner of a key is asked.
func splitFilter(l *Layout, preds []Predicate) (onKey, rest []Predicate) {
	for _, p := range preds {
		k := l.Index(p.Column)
		inKey := false
		for _, id := range l.SortKey {
			inKey = inKey || id == p.Column
		}
		// Trailing blanks of char(n) are no part of the key, but a prefix may ask
		// for them.
		if inKey && !(p.Op == OpPrefix && k >= 0 && orderOf(l.Columns[k].Type) == orderPadded) {
			onKey = append(onKey, p)
		} else {
			rest = append(rest, p)
		}
	}
	return onKey, rest
}

// A batchRun is a run in memory.
type batchRun struct {
	batch    arrow.RecordBatch
	scan     *batchScan // with the filters on the key; nil: none
	rest     []*filter
	columns  []int // of rest
	versions []int64
}

// newBatchRun returns a run of the rows of a batch with the layout's columns.
func newBatchRun(l *Layout, columns []keyColumn, b arrow.RecordBatch) (*batchRun, error) {
	if int(b.NumCols()) != len(l.Columns) {
		return nil, pgerr.New(pgerr.InternalError, "chunk: batch of %d columns for a layout of %d", b.NumCols(), len(l.Columns))
	}
	for i := range columns {
		if n := b.Column(columns[i].column).NullN(); n > 0 {
			return nil, pgerr.New(pgerr.InternalError, "chunk: %d NULLs in key column %d", n, l.SortKey[i])
		}
	}
	r := &batchRun{batch: b}
	var err error
	r.versions, err = batchVersions(l, b)
	return r, err
}

// batchVersions returns the versions of the rows of a batch, nil if the layout
// has none: then all are equal.
func batchVersions(l *Layout, b arrow.RecordBatch) ([]int64, error) {
	k := l.Index(schema.RowVersionColumn)
	if k < 0 {
		return nil, nil
	}
	a, ok := b.Column(k).(*array.Int64)
	if !ok || a.NullN() > 0 {
		return nil, pgerr.New(pgerr.InternalError, "chunk: row versions are %v with %d NULLs", b.Column(k).DataType(), b.Column(k).NullN())
	}
	return a.Int64Values(), nil
}

func (r *batchRun) length() int { return int(r.batch.NumRows()) }

func (r *batchRun) choose(_ context.Context, v int, sel *codec.Bits) (int, error) {
	if r.scan != nil {
		return r.scan.window(v, sel), nil
	}
	n := codec.VectorLen(r.length(), v)
	sel.Fill(n)
	return n, nil
}

func (r *batchRun) version(_ context.Context, row int32) (int64, error) {
	if r.versions == nil {
		return 0, nil
	}
	return r.versions[row], nil
}

func (r *batchRun) unfiltered() bool { return len(r.rest) == 0 }

func (r *batchRun) passing(_ context.Context, v int, sel *codec.Bits) error {
	n := codec.VectorLen(r.length(), v)
	sel.Fill(n)
	var out codec.Bits
	for i, f := range r.rest {
		if *sel == (codec.Bits{}) {
			break
		}
		f.evalArray(r.batch.Column(r.columns[i]), v*VectorRows, n, &out)
		sel.And(&out)
	}
	return nil
}

func (r *batchRun) keys(_ context.Context, v int, w *keyWindow) error {
	n, base := codec.VectorLen(r.length(), v), v*VectorRows
	for i := range w.columns {
		c := &w.columns[i]
		if err := w.setArray(c, r.batch.Column(c.column), base, n); err != nil {
			return err
		}
	}
	if !w.encode() {
		return pgerr.New(pgerr.InternalError, "chunk: rows %d to %d of a run are not in the order of the key", base, base+n-1)
	}
	return nil
}

// setArray fills in the parts of a key column by the n rows of an array from
// base on. Strings stay in the array's memory.
func (w *keyWindow) setArray(c *keyColumn, a arrow.Array, base, n int) error {
	switch c.kind {
	case keyInts:
		var x [VectorRows]int64
		copyInts(x[:n], a, base)
		w.setInts(c.part, x[:n], int32(base))
	case keyFloats:
		if f, ok := a.(*array.Float32); ok {
			setFloats(w, c.part, f.Float32Values(), 0)
		} else {
			setFloats(w, c.part, a.(*array.Float64).Float64Values(), 0)
		}
	case keyBits:
		b := a.(*array.Boolean)
		words := w.number(c.part)
		for i, r := range w.rows {
			words[i] = uint64(bit(b.Value(int(r)))) ^ w.flip
		}
	case keyPair:
		f := a.(*array.FixedSizeBinary)
		return w.setPairs(c.part, func(row int32) []byte { return f.Value(int(row)) })
	case keyText:
		text := w.strings(c.part)
		if s, ok := a.(*array.String); ok && c.order == orderBytes {
			for i, r := range w.rows {
				text[i] = s.Value(int(r))
			}
			break
		}
		for i, r := range w.rows {
			text[i] = stringOf(trimmed(c.order, bytesAt(a, int(r))))
		}
	default:
		w.setEncoded(c, a, 0)
	}
	return nil
}
