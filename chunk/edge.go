package chunk

import (
	"bytes"
	"context"
	"math/bits"

	"github.com/phyllodb/phyllo/codec"
	"github.com/phyllodb/phyllo/internal/schema"
)

// An Edge asks for one row of each run: of neighbouring rows that pass the filter
// and have equal values in the first Columns columns of the sort key only the
// last is wanted, or the first. It is a hint for "the last value of each key":
// splits may return more rows, but never leave out an edge. The zero value asks
// for all rows.
type Edge struct {
	Columns int
	First   bool // else the last row
}

// edge thins out c.sel, the rows of vector v that passed, and returns their
// number. The runs that a vector begins and ends with are taken as runs of their
// own.
func (c *chunkScan) edge(ctx context.Context, v, n int) (int, error) {
	if c.spec.Pruning.Late || n < 2 {
		return n, nil
	}
	rows := codec.VectorLen(c.entry.Rows, v)
	var same codec.Bits // row i and the next one are in one run
	same.Fill(rows - 1)
	for _, id := range c.edgeColumns() {
		col, err := c.column(ctx, id)
		if err != nil {
			return 0, err
		}
		var eq codec.Bits
		ok, err := col.sameAsNext(v, rows, &eq)
		if err != nil {
			return 0, c.wrap(err, id)
		}
		if !ok {
			return n, nil
		}
		same.And(&eq)
	}
	c.sel = runEdges(&c.sel, &same, rows, c.spec.Edge.First)
	k := c.sel.Count()
	c.stats.RowsNotEdges += int64(n - k)
	return k, nil
}

// runEdges keeps of each run the first or last selected row.
func runEdges(sel, same *codec.Bits, rows int, first bool) (out codec.Bits) {
	for from := 0; from < rows; {
		to := nextZero(same, from) // the last row of the run
		if first {
			if i := nextOne(sel, from); i <= to {
				out.Set(i)
			}
		} else if i := lastOne(sel, to); i >= from {
			out.Set(i)
		}
		from = to + 1
	}
	return out
}

// nextZero returns the first unset bit from i on.
func nextZero(b *codec.Bits, i int) int {
	for w := i >> 6; w < len(b); w++ {
		word := ^b[w]
		if w == i>>6 {
			word &= ^uint64(0) << (i & 63)
		}
		if word != 0 {
			return w<<6 + bits.TrailingZeros64(word)
		}
	}
	return len(b) << 6
}

// nextOne returns the first set bit from i on, or the number of bits.
func nextOne(b *codec.Bits, i int) int {
	for w := i >> 6; w < len(b); w++ {
		word := b[w]
		if w == i>>6 {
			word &= ^uint64(0) << (i & 63)
		}
		if word != 0 {
			return w<<6 + bits.TrailingZeros64(word)
		}
	}
	return len(b) << 6
}

// lastOne returns the last set bit up to i, or -1.
func lastOne(b *codec.Bits, i int) int {
	for w := i >> 6; w >= 0; w-- {
		word := b[w]
		if w == i>>6 {
			word &= ^uint64(0) >> (63 - i&63)
		}
		if word != 0 {
			return w<<6 + 63 - bits.LeadingZeros64(word)
		}
	}
	return -1
}

// sameAsNext sets the bits of the rows of vector v whose value is that of the
// next row; ok is false if it cannot tell.
func (c *blobColumn) sameAsNext(v, rows int, out *codec.Bits) (ok bool, err error) {
	if c.nulls > 0 {
		return false, nil
	}
	switch c.form {
	case formInts:
		c.touch(v)
		x, err := c.ints.Shared(v)
		if err != nil {
			return false, err
		}
		sameInts(x[:rows], out)
		return true, nil
	case formBytes:
		c.touch(v)
		return true, c.sameBytes(v, rows, out)
	}
	return false, nil
}

func (c *blobColumn) sameBytes(v, rows int, out *codec.Bits) error {
	entries, codes, err := c.strs.Dictionary()
	switch {
	case err != nil:
		return err
	case entries != nil && codes == nil:
		out.Fill(rows - 1)
		return nil
	case entries != nil:
		k, err := codes.Codes(v, entries.Len())
		if err == nil {
			sameInts(k[:rows], out)
		}
		return err
	}
	s, err := c.strs.Vector(v)
	if err != nil {
		return err
	}
	for i := range rows - 1 {
		if bytes.Equal(s.At(i), s.At(i+1)) {
			out.Set(i)
		}
	}
	return nil
}

func sameInts(x []int64, out *codec.Bits) {
	for i := range len(x) - 1 {
		var b uint64
		if x[i] == x[i+1] {
			b = 1
		}
		out[i>>6] |= b << (i & 63)
	}
}

// edgeColumns returns the columns that Edge looks at.
func (s *chunkSplit) edgeColumns() []schema.ColumnID {
	return s.layout.SortKey[:min(s.spec.Edge.Columns, len(s.layout.SortKey))]
}
