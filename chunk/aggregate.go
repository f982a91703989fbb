package chunk

import (
	"bytes"
	"context"
	"math/bits"

	"github.com/phyllodb/phyllo/codec"
	"github.com/phyllodb/phyllo/internal/datum"
)

// canFold says whether Aggregate can fold a function over a column of type t
// by its values. Sums are of integers and floats; extremes of what is compared
// in its encoded form.
func canFold(f AggregateFunc, t datum.Type) bool {
	switch f {
	case AggCountStar, AggCount:
		return true
	case AggSum:
		switch t.OID {
		case datum.Int2, datum.Int4, datum.Int8, datum.Float4, datum.Float8:
			return true
		}
		return false
	}
	switch orderOf(t) {
	case orderInts, orderFloats, orderBytes:
		return true
	}
	return false
}

func (s *chunkSplit) Aggregate(ctx context.Context, room *Room, aggs []Aggregate, stats *ScanStats) ([]Partial, bool, error) {
	for _, a := range aggs {
		if a.Func == AggCountStar {
			continue
		}
		k := s.layout.Index(a.Column)
		if k < 0 || !canFold(a.Func, s.layout.Columns[k].Type) {
			return nil, false, nil
		}
	}
	out := make([]Partial, len(aggs))
	taken := room.take()
	defer room.give(taken)
	c, filters, err := s.begin(ctx, room.mem, taken, stats)
	if err != nil || c.empty {
		return out, err == nil, err
	}
	defer c.close()
	// What the entry answers needs no blob, as long as no filter is left.
	todo := make([]*fold, 0, len(aggs))
	for i, a := range aggs {
		if len(filters) == 0 && !s.spec.Pruning.Manifest && s.answer(a, &out[i]) {
			continue
		}
		out[i] = Partial{}
		todo = append(todo, &fold{Aggregate: a, out: &out[i]})
	}
	if len(todo) == 0 {
		stats.ChunksFromManifest++
		stats.RowsReturned += int64(s.entry.Rows)
		return out, true, nil
	}
	if err := c.open(ctx, filters); err != nil {
		return nil, true, err
	}
	for v := range c.vectors {
		if err := ctx.Err(); err != nil {
			return nil, true, err
		}
		n, err := c.vector(v)
		if err != nil {
			return nil, true, err
		}
		stats.RowsReturned += int64(n)
		if n == 0 {
			continue
		}
		if err := c.foldVector(ctx, todo, v, n); err != nil {
			return nil, true, err
		}
	}
	for _, f := range todo {
		f.finish()
	}
	return out, true, nil
}

// answer fills in what the entry knows of all rows of the chunk.
func (s *chunkSplit) answer(a Aggregate, p *Partial) bool {
	rows := int64(s.entry.Rows)
	if a.Func == AggCountStar {
		p.Count = rows
		return true
	}
	i := s.layout.place(s.entry, a.Column)
	if i < 0 {
		return false // a constant, or a path: folding it costs next to nothing
	}
	t := s.layout.Columns[s.layout.Index(a.Column)].Type
	c := &s.entry.Columns[i]
	if !readable(c.Type, t) {
		return false
	}
	p.Count = rows - int64(c.Nulls)
	switch a.Func {
	case AggSum:
		p.Hi, p.Lo, p.Float = c.SumHi, c.SumLo, c.SumFloat
	case AggMin:
		if p.Count > 0 && (c.Min == nil || c.MinCut) {
			return false
		}
		p.Value = widen(c.Min, c.Type, t)
	case AggMax:
		if p.Count > 0 && (c.Max == nil || c.MaxCut) {
			return false
		}
		p.Value = widen(c.Max, c.Type, t)
	}
	return true
}

// A fold is the state of one aggregate over the vectors of a chunk.
type fold struct {
	Aggregate
	out *Partial
	col *blobColumn
	typ datum.Type
	b   bounds
}

// foldVector adds the n selected rows of vector v to all aggregates.
func (c *chunkScan) foldVector(ctx context.Context, todo []*fold, v, n int) error {
	whole := n == codec.VectorLen(c.entry.Rows, v)
	for _, f := range todo {
		if f.Func == AggCountStar {
			f.out.Count += int64(n)
			continue
		}
		if f.col == nil {
			col, err := c.column(ctx, f.Column)
			if err != nil {
				return err
			}
			f.col, f.typ = col, c.layout.Columns[c.layout.Index(f.Column)].Type
		}
		if err := f.add(v, n, whole, &c.sel); err != nil {
			return c.wrap(err, f.Column)
		}
	}
	return nil
}

func (f *fold) add(v, n int, whole bool, sel *codec.Bits) error {
	var valid codec.Bits
	some, err := f.col.nullBits(v, &valid)
	if err != nil {
		return err
	}
	if some {
		null := valid
		valid = *sel
		valid.AndNot(&null)
		n = valid.Count()
		sel, whole = &valid, n == codec.VectorLen(f.col.rows, v)
	}
	f.out.Count += int64(n)
	if f.Func == AggCount || n == 0 {
		return nil
	}
	f.col.touch(v)
	switch f.col.form {
	case formInts:
		x, err := f.col.ints.Shared(v)
		if err != nil {
			return err
		}
		if f.Func == AggSum {
			hi, lo := sumInts(x, sel, whole)
			f.out.Hi, f.out.Lo = add128(f.out.Hi, f.out.Lo, hi, lo)
			return nil
		}
		f.extremeInts(x, sel)
	case formFloat32:
		return foldEncoded(f, f.col.f32, v, sel)
	case formFloat64:
		return foldEncoded(f, f.col.f64, v, sel)
	case formBytes:
		return f.extremeBytes(v, sel)
	default:
		return corrupt("%v where %v is wanted", f.col.form, f.typ)
	}
	return nil
}

func (f *fold) extremeInts(x []int64, sel *codec.Bits) {
	lo, hi := f.b.minI, f.b.maxI
	if !f.b.any {
		f.b.any = true
		lo, hi = 1<<63-1, -1<<63
	}
	for w, word := range sel {
		for ; word != 0; word &= word - 1 {
			y := x[w<<6+bits.TrailingZeros64(word)]
			lo, hi = min(lo, y), max(hi, y)
		}
	}
	f.b.minI, f.b.maxI = lo, hi
}

// foldEncoded adds the selected floats of vector v.
func foldEncoded[F codec.Float](f *fold, r *codec.Floats[F], v int, sel *codec.Bits) error {
	if f.Func == AggSum {
		sum, err := r.Sum(v, sel)
		f.out.Float += sum
		return err
	}
	x, err := r.Shared(v)
	if err != nil {
		return err
	}
	foldFloats(f, x, sel)
	return nil
}

func foldFloats[F codec.Float](f *fold, x []F, sel *codec.Bits) {
	if f.Func == AggSum {
		f.out.Float += codec.SumFloats(x, sel)
		return
	}
	for w, word := range sel {
		for ; word != 0; word &= word - 1 {
			f.b.addFloat(float64(x[w<<6+bits.TrailingZeros64(word)]))
		}
	}
}

// extremeBytes looks at the entries of a dictionary by their codes, which are
// in byte order, and at the strings themselves otherwise.
func (f *fold) extremeBytes(v int, sel *codec.Bits) error {
	entries, codes, err := f.col.strs.Dictionary()
	if err != nil {
		return err
	}
	if entries != nil {
		if codes == nil {
			f.extreme(entries.At(0))
			return nil
		}
		k, err := codes.Codes(v, entries.Len())
		if err != nil {
			return err
		}
		last := int64(-1)
		for w, word := range sel {
			for ; word != 0; word &= word - 1 {
				if c := k[w<<6+bits.TrailingZeros64(word)]; c != last {
					f.extreme(entries.At(int(c)))
					last = c
				}
			}
		}
		return nil
	}
	s, err := f.col.strs.Vector(v)
	if err != nil {
		return err
	}
	for w, word := range sel {
		for ; word != 0; word &= word - 1 {
			f.extreme(s.At(w<<6 + bits.TrailingZeros64(word)))
		}
	}
	return nil
}

// extreme keeps a copy of the bytes if they are a new extreme of the wanted kind.
func (f *fold) extreme(s []byte) {
	switch {
	case !f.b.any:
	case f.Func == AggMin && bytes.Compare(s, f.b.minB) >= 0:
		return
	case f.Func == AggMax && bytes.Compare(s, f.b.maxB) <= 0:
		return
	}
	f.b.any = true
	f.b.minB = append(f.b.minB[:0], s...)
	f.b.maxB = f.b.minB
}

// finish turns the extremes into a value.
func (f *fold) finish() {
	if !f.b.any || f.Func != AggMin && f.Func != AggMax {
		return
	}
	isMin := f.Func == AggMin
	switch orderOf(f.typ) {
	case orderInts:
		x := f.b.maxI
		if isMin {
			x = f.b.minI
		}
		f.out.Value = intValue(f.typ, x)
	case orderFloats:
		x := f.b.maxF
		if isMin {
			x = f.b.minF
		}
		if f.typ.OID == datum.Float4 {
			f.out.Value = float32(x)
		} else {
			f.out.Value = x
		}
	case orderBytes:
		f.out.Value = bytesValue(f.typ, f.b.minB)
	}
}
