package chunk

import (
	"context"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/phyllodb/phyllo/codec"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

// mergeBatchBytes is how many bytes the strings and lists of a merged batch may
// take, unless it has one row: the rows of many chunks meet in it, each of which
// may hold up to maxChunkBytes.
const mergeBatchBytes = 16 << 20

// maxSlotBytes bounds a length that nothing has checked yet, so that sums of
// them do not wrap.
const maxSlotBytes = 1 << 40

// numberBytes is about what a numeric or an integer takes as text.
const numberBytes = 24

// lengths returns how many bytes the values of vector v take in an array, those
// of NULL slots included; nil for types of fixed width. The result is overwritten
// by the next call.
func (c *blobColumn) lengths(v int) ([]int64, error) {
	if c.nulls == c.rows || c.form != formBytes && c.form != formScaled && c.form != formList {
		return nil, nil
	}
	if c.sizesOf == v+1 {
		return c.sizes, nil
	}
	c.sizesOf = 0
	c.sizes = sized(c.sizes, codec.VectorLen(c.rows, v))
	err := c.measure(v)
	if err != nil {
		return nil, err
	}
	c.sizesOf = v + 1
	return c.sizes, nil
}

func (c *blobColumn) measure(v int) error {
	for i := range c.sizes {
		c.sizes[i] = numberBytes
	}
	switch c.form {
	case formList:
		return c.measureLists(v)
	case formScaled:
		return nil
	}
	entries, codes, err := c.strs.Dictionary()
	if err != nil {
		return err
	}
	if entries != nil {
		if codes == nil {
			for i := range c.sizes {
				c.sizes[i] = entries.Offsets[1]
			}
			return nil
		}
		k, err := codes.Codes(v, entries.Len())
		if err != nil {
			return err
		}
		for i, x := range k {
			c.sizes[i] = entries.Offsets[x+1] - entries.Offsets[x]
		}
		return nil
	}
	l, err := c.strs.Lengths(v)
	if err != nil {
		return err
	}
	for i, x := range l {
		c.sizes[i] = min(max(x, 0), maxSlotBytes)
	}
	return nil
}

// measureLists adds up the elements of lists.
func (c *blobColumn) measureLists(v int) error {
	if err := c.loadStarts(); err != nil {
		return err
	}
	l, err := c.ints.Shared(v)
	if err != nil {
		return err
	}
	elem, _ := c.typ.Elem()
	width := int64(1)
	if f, ok := elem.Arrow().(arrow.FixedWidthDataType); ok {
		width = max(1, int64(f.BitWidth()/8))
	}
	at, shape := c.starts[v], int64(0)
	if c.shapes != nil {
		shape = numberBytes
	}
	for i, n := range l {
		c.sizes[i] = n*width + shape
		for end := at + n; at < end; {
			x, err := c.child.lengths(int(at / VectorRows))
			if err != nil {
				return err
			}
			if x == nil {
				at = end
				break
			}
			for ; at < end; at++ {
				c.sizes[i] += x[at%VectorRows]
				if (at+1)%VectorRows == 0 {
					at++
					break
				}
			}
		}
	}
	return nil
}

// arraySizes adds how many bytes the values of rows of an array take to w; arrays
// of fixed width are left out.
func arraySizes(a arrow.Array, rows []int32, w []int64) {
	if a.Len() == 0 {
		return
	}
	switch a := a.(type) {
	case *array.String, *array.Binary:
		x := offsetsOf(a)
		for i, r := range rows {
			w[i] += int64(x[r+1] - x[r])
		}
	case *array.Struct:
		l, _ := datum.ListsOf(a)
		arraySizes(l.Shapes, rows, w)
		x := offsetsOf(l.Elements)
		child := l.Values()
		for i, r := range rows {
			from, to := int64(x[r]), int64(x[r+1])
			w[i] += to - from
			switch child := child.(type) {
			case *array.String, *array.Binary:
				if y := offsetsOf(child); from < to {
					w[i] += int64(y[to] - y[from])
				}
			default:
				if f, ok := child.DataType().(arrow.FixedWidthDataType); ok {
					w[i] += (to - from) * int64(f.BitWidth()/8)
				}
			}
		}
	}
}

// fitting returns how many rows of the plan, at least one, make a batch of not
// many more than mergeBatchBytes.
func (r *mergeReader) fitting(ctx context.Context, p *mergePlan) (int, error) {
	if ok, err := r.surelyFits(ctx, p); ok || err != nil {
		return p.rows, err
	}
	var sizes []int64
	for _, id := range r.spec.Columns {
		k := r.layout.Index(id)
		switch r.layout.Columns[k].Type.Arrow().ID() {
		case arrow.STRING, arrow.BINARY, arrow.STRUCT:
		default:
			continue
		}
		if sizes == nil {
			sizes = make([]int64, p.rows)
		}
		for i := range p.parts {
			if err := r.weigh(ctx, &p.parts[i], id, k, sizes); err != nil {
				return 0, err
			}
		}
	}
	total := int64(0)
	for _, x := range sizes {
		total += x
	}
	if total <= mergeBatchBytes {
		return p.rows, nil
	}
	n, total := 0, int64(0)
	for i := range p.pieces {
		at := p.starts[i]
		for _, x := range sizes[at : at+int(p.pieces[i].n)] {
			if total += x; total > mergeBatchBytes && n > 0 {
				return n, nil
			}
			n++
		}
	}
	return n, nil
}

// surelyFits says whether all rows would fit even if each had the longest string of
// the dictionaries: then no row needs to be looked at.
func (r *mergeReader) surelyFits(ctx context.Context, p *mergePlan) (bool, error) {
	used := make([]bool, len(r.runs))
	for i := range p.parts {
		used[p.parts[i].src] = true
	}
	total := int64(0)
	for _, id := range r.spec.Columns {
		switch r.layout.Columns[r.layout.Index(id)].Type.Arrow().ID() {
		case arrow.STRING, arrow.BINARY:
		case arrow.STRUCT:
			return false, nil
		default:
			continue
		}
		longest := int64(0)
		for src, run := range r.runs {
			if !used[src] {
				continue
			}
			if run.batch != nil {
				return false, nil
			}
			c, err := run.chunk.scan.column(ctx, id)
			if err != nil {
				return false, err
			}
			n, err := c.longest()
			if err != nil || n < 0 {
				return false, run.chunk.scan.wrap(err, id)
			}
			longest = max(longest, n)
		}
		total += longest * int64(p.rows)
	}
	return total <= mergeBatchBytes, nil
}

// longest returns the bytes of the longest entry of a column's dictionary, -1 if it
// has none.
func (c *blobColumn) longest() (int64, error) {
	if c.longestPlus > 0 {
		return c.longestPlus - 1, nil
	}
	n := int64(0)
	ok, err := c.codable()
	if err != nil || !ok {
		return -1, err
	}
	if c.nulls < c.rows {
		entries, _, err := c.strs.Dictionary()
		if err != nil {
			return -1, err
		}
		for i := range entries.Len() {
			n = max(n, entries.Offsets[i+1]-entries.Offsets[i])
		}
	}
	c.longestPlus = n + 1
	return n, nil
}

// weigh adds the bytes of a column's values in a part.
func (r *mergeReader) weigh(ctx context.Context, part *mergePart, id schema.ColumnID, k int, sizes []int64) error {
	sizes = sizes[part.at : part.at+part.n]
	run := r.runs[part.src]
	if run.batch != nil {
		arraySizes(run.batch.Column(k), part.rows, sizes)
		return nil
	}
	c, err := run.chunk.scan.column(ctx, id)
	if err != nil {
		return err
	}
	x, err := c.lengths(part.vector)
	if err != nil || x == nil {
		return run.chunk.scan.wrap(err, id)
	}
	for i, row := range part.rows {
		sizes[i] += x[row]
	}
	return nil
}
