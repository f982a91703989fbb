package chunk

import (
	"bytes"
	"math"
	"slices"

	"github.com/phyllodb/phyllo/codec"
	"github.com/phyllodb/phyllo/internal/datum"
)

// verdict is what bounds say about the rows of a vector or chunk.
type verdict uint8

const (
	maybe verdict = iota
	none          // no row passes
	all           // every non-NULL row passes
)

func (v verdict) not() verdict {
	switch v {
	case none:
		return all
	case all:
		return none
	}
	return maybe
}

// decide judges bounds of non-NULL values; scale is that of a formScaled column.
func (f *filter) decide(b *bounds, scale int32) verdict {
	switch {
	case f.pred.Op == OpIsNull:
		return none
	case f.pred.Op == OpIsNotNull:
		return all
	case !b.any:
		return none
	case b.minV != nil || b.maxV != nil:
		return f.decideValues(b)
	case b.unknown:
		return maybe
	}
	switch f.order {
	case orderInts, orderBits:
		return decideInts(&f.ints, b.minI, b.maxI)
	case orderNumeric:
		return decideInts(f.atScale(scale), b.minI, b.maxI)
	case orderFloats:
		return decideFloats(&f.floats, b.minF, b.maxF)
	case orderBytes, orderPadded:
		return f.decideBytes(b)
	}
	return maybe
}

func decideInts(f *codec.IntFilter, lo, hi int64) (v verdict) {
	switch {
	case f.Set != nil:
		i, in := slices.BinarySearch(f.Set, lo)
		switch {
		case i == len(f.Set) || f.Set[i] > hi:
			v = none
		case in && lo == hi:
			v = all
		}
	case f.Hi < f.Lo || hi < f.Lo || lo > f.Hi:
		v = none
	case f.Lo <= lo && hi <= f.Hi:
		v = all
	}
	if f.Not {
		return v.not()
	}
	return v
}

func decideFloats(f *codec.FloatFilter, lo, hi float64) (v verdict) {
	someNaN, allNaN := hi != hi, lo != lo
	if someNaN {
		hi = math.Inf(1)
	}
	inside := maybe // what the values say that are not NaN
	switch {
	case f.Set != nil:
		i, in := slices.BinarySearch(f.Set, lo)
		switch {
		case i == len(f.Set) || f.Set[i] > hi:
			inside = none
		case in && lo == hi:
			inside = all
		}
	case hi < f.Lo || lo > f.Hi:
		inside = none
	case f.Lo <= lo && hi <= f.Hi:
		inside = all
	}
	nans := none
	if f.NaN {
		nans = all
	}
	switch {
	case allNaN:
		v = nans
	case !someNaN || nans == inside:
		v = inside
	}
	if f.Not {
		return v.not()
	}
	return v
}

func (f *filter) decideBytes(b *bounds) verdict {
	if f.pred.Op == OpPrefix {
		p := f.bytes[0]
		if f.order == orderPadded {
			return maybe
		}
		switch {
		case b.maxB != nil && bytes.Compare(b.maxB, p) < 0:
			return none
		case bytes.Compare(b.minB, p) > 0 && !bytes.HasPrefix(b.minB, p):
			return none
		case bytes.HasPrefix(b.minB, p) && !b.maxCut && bytes.HasPrefix(b.maxB, p):
			return all
		}
		return maybe
	}
	if f.pred.Op == OpIn {
		v := none
		for _, x := range f.bytes {
			switch judge(OpEQ, bytes.Compare(b.minB, x), maxCompare(b, x), b.minCut || b.maxCut) {
			case all:
				return all
			case maybe:
				v = maybe
			}
		}
		return v
	}
	x := f.bytes[0]
	return judge(f.pred.Op, bytes.Compare(b.minB, x), maxCompare(b, x), b.minCut || b.maxCut)
}

// maxCompare compares the maximum with x; an unbounded one is greater.
func maxCompare(b *bounds, x []byte) int {
	if b.maxCut && b.maxB == nil {
		return 1
	}
	return bytes.Compare(b.maxB, x)
}

func (f *filter) decideValues(b *bounds) verdict {
	compare := func(bound, x datum.Value, open int) int {
		if bound == nil {
			return open
		}
		return datum.Compare(f.typ, bound, x)
	}
	v := none
	for _, x := range f.pred.Values {
		op := f.pred.Op
		if op == OpIn {
			op = OpEQ
		}
		w := judge(op, compare(b.minV, x, -1), compare(b.maxV, x, 1), b.minCut || b.maxCut)
		if f.pred.Op != OpIn || w == all {
			return w
		}
		if w == maybe {
			v = maybe
		}
	}
	return v
}

// judge decides an operator from how the least and the greatest value compare
// with the operand; with cut bounds these are not values themselves.
func judge(op PredicateOp, lo, hi int, cut bool) verdict {
	switch op {
	case OpEQ, OpNE:
		v := maybe
		switch {
		case lo > 0 || hi < 0:
			v = none
		case lo == 0 && hi == 0 && !cut:
			v = all
		}
		if op == OpNE {
			return v.not()
		}
		return v
	case OpLT:
		return between(hi < 0, lo >= 0)
	case OpLE:
		return between(hi <= 0, lo > 0)
	case OpGT:
		return between(lo > 0, hi <= 0)
	case OpGE:
		return between(lo >= 0, hi < 0)
	}
	return maybe
}

func between(every, no bool) verdict {
	switch {
	case every:
		return all
	case no:
		return none
	}
	return maybe
}

// entryBounds turns the bounds of an entry, widened to type t, into bounds.
func entryBounds(e *ColumnEntry, rows int, t datum.Type) bounds {
	b := bounds{any: e.Nulls < rows, minCut: e.MinCut, maxCut: e.MaxCut}
	lo, hi := widen(e.Min, e.Type, t), widen(e.Max, e.Type, t)
	if !b.any {
		return b
	}
	switch orderOf(t) {
	case orderInts:
		var ok1, ok2 bool
		b.minI, ok1 = intOf(lo)
		b.maxI, ok2 = intOf(hi)
		b.unknown = !ok1 || !ok2
	case orderBits:
		x, ok1 := lo.(bool)
		y, ok2 := hi.(bool)
		b.minI, b.maxI, b.unknown = bit(x), bit(y), !ok1 || !ok2
	case orderFloats:
		var ok1, ok2 bool
		b.minF, ok1 = floatOf(lo)
		b.maxF, ok2 = floatOf(hi)
		b.unknown = !ok1 || !ok2
	case orderBytes, orderPadded:
		var ok1, ok2 bool
		b.minB, ok1 = bytesOf(lo)
		b.maxB, ok2 = bytesOf(hi)
		b.unknown = !ok1 || !ok2 && !b.maxCut
	default:
		b.minV, b.maxV, b.unknown = lo, hi, lo == nil && hi == nil
	}
	return b
}

func bit(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// judgeEntry decides a filter by the entry: all means every row, NULLs included.
func (f *filter) judgeEntry(e *Entry, l *Layout) verdict {
	k := l.Index(f.pred.Column)
	if i := l.place(e, f.pred.Column); i >= 0 {
		c := &e.Columns[i]
		if !readable(c.Type, f.typ) {
			return maybe // reading will say so
		}
		b := entryBounds(c, e.Rows, f.typ)
		return f.withNulls(f.judgeBounds(&b), c.Nulls, e.Rows)
	}
	if k >= 0 && l.Columns[k].Path != nil && entryColumn(e, l.Columns[k].Path.column) >= 0 {
		return maybe
	}
	c, err := l.absent(k, e)
	if err != nil {
		return maybe // reading will say so
	}
	missing := c.Missing
	switch {
	case missing == nil:
		return f.withNulls(none, 1, 1)
	case f.pred.Op == OpIsNull:
		return none
	case f.pred.Op == OpIsNotNull:
		return all
	case f.pred.Op == OpPrefix:
		return maybe
	case f.keepsValue(missing):
		return all
	}
	return none
}

// judgeBounds decides by an entry's bounds, whose numerics are values.
func (f *filter) judgeBounds(b *bounds) verdict { return f.decide(b, 0) }

// withNulls extends a verdict on the non-NULL rows to all rows.
func (f *filter) withNulls(v verdict, nulls, rows int) verdict {
	switch f.pred.Op {
	case OpIsNull, OpIsNotNull:
		v = maybe
		if nulls == 0 {
			v = none
		} else if nulls == rows {
			v = all
		}
		if f.pred.Op == OpIsNotNull {
			v = v.not()
		}
		return v
	}
	if nulls == rows {
		return none
	}
	if v == all && nulls > 0 {
		return maybe
	}
	return v
}

// MayMatch says whether the chunk can hold a row that passes the filter, by its
// entry alone.
func (l *Layout) MayMatch(e *Entry, preds []Predicate) (bool, error) {
	filters, err := compile(l, preds)
	if err != nil {
		return false, err
	}
	for _, f := range filters {
		if f.judgeEntry(e, l) == none {
			return false, nil
		}
	}
	return true, nil
}
