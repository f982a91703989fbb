package chunk

import (
	"bytes"
	"math"
	"math/big"
	"slices"

	"github.com/phyllodb/phyllo/codec"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// A filter is a Predicate compiled for its column. Which field counts depends
// on the column's order; boxed comparison is the path of all other types. A
// filter is immutable but for scaled, and used by one goroutine.
type filter struct {
	pred   Predicate
	typ    datum.Type // of the predicate's values: the column's type now
	order  order
	ints   codec.IntFilter
	floats codec.FloatFilter
	bytes  [][]byte // orderBytes, orderPadded: the values, rising for OpIn

	scaled map[int32]*codec.IntFilter // numeric, by scale
}

// compile makes the filters of a conjunction.
func compile(l *Layout, preds []Predicate) ([]*filter, error) {
	out := make([]*filter, 0, len(preds))
	for _, p := range preds {
		k := l.Index(p.Column)
		if k < 0 {
			return nil, pgerr.New(pgerr.InternalError, "chunk: predicate on unknown column %d", p.Column)
		}
		f, err := compileOne(l.Columns[k].Type, p)
		if err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	return out, nil
}

func compileOne(t datum.Type, p Predicate) (*filter, error) {
	f := &filter{pred: p, typ: t, order: orderOf(t)}
	if p.Op == OpIsNull || p.Op == OpIsNotNull {
		return f, nil
	}
	if len(p.Values) == 0 && p.Op != OpIn || len(p.Values) != 1 && p.Op < OpIn {
		return nil, pgerr.New(pgerr.InternalError, "chunk: predicate %d with %d values", p.Op, len(p.Values))
	}
	bad := func(v datum.Value) error {
		return pgerr.New(pgerr.InternalError, "chunk: predicate on %v with a value of Go type %T", t, v)
	}
	if p.Op == OpPrefix {
		s, ok := p.Values[0].(string)
		if !ok || f.order != orderBytes && f.order != orderPadded {
			return nil, bad(p.Values[0])
		}
		f.bytes = [][]byte{[]byte(s)}
		return f, nil
	}
	switch f.order {
	case orderInts, orderBits:
		values := make([]int64, len(p.Values))
		for i, v := range p.Values {
			x, ok := intOf(v)
			if b, isBool := v.(bool); isBool && f.order == orderBits {
				x, ok = 0, true
				if b {
					x = 1
				}
			}
			if !ok {
				return nil, bad(v)
			}
			values[i] = x
		}
		f.ints = intFilter(p.Op, values)
	case orderFloats:
		values := make([]float64, len(p.Values))
		for i, v := range p.Values {
			x, ok := floatOf(v)
			if !ok {
				return nil, bad(v)
			}
			values[i] = x
		}
		f.floats = floatFilter(p.Op, values)
	case orderBytes, orderPadded:
		for _, v := range p.Values {
			b, ok := bytesOf(v)
			if !ok {
				return nil, bad(v)
			}
			f.bytes = append(f.bytes, trimmed(f.order, b))
		}
		if p.Op == OpIn {
			slices.SortFunc(f.bytes, bytes.Compare)
		}
	case orderNone:
		return nil, pgerr.Unsupported("comparisons of type %v are not pushed into scans", t)
	default:
		for _, v := range p.Values {
			if v == nil {
				return nil, bad(v)
			}
		}
	}
	return f, nil
}

// CanFilter says whether scans evaluate a predicate with op on columns of type t.
func CanFilter(t datum.Type, op PredicateOp) bool {
	o := orderOf(t)
	switch op {
	case OpIsNull, OpIsNotNull:
		return true
	case OpPrefix:
		return o == orderBytes && t.Arrow().ID() == datum.Of(datum.Text).Arrow().ID()
	}
	return o != orderNone
}

func intFilter(op PredicateOp, v []int64) codec.IntFilter {
	f := codec.IntFilter{Lo: math.MinInt64, Hi: math.MaxInt64}
	nothing := codec.IntFilter{Lo: 1, Hi: 0}
	switch op {
	case OpEQ:
		f.Lo, f.Hi = v[0], v[0]
	case OpNE:
		f.Lo, f.Hi, f.Not = v[0], v[0], true
	case OpLT:
		if v[0] == math.MinInt64 {
			return nothing
		}
		f.Hi = v[0] - 1
	case OpLE:
		f.Hi = v[0]
	case OpGT:
		if v[0] == math.MaxInt64 {
			return nothing
		}
		f.Lo = v[0] + 1
	case OpGE:
		f.Lo = v[0]
	case OpIn:
		set := slices.Clone(v)
		slices.Sort(set)
		set = slices.Compact(set)
		switch {
		case len(set) == 0:
			return nothing
		case uint64(set[len(set)-1])-uint64(set[0]) == uint64(len(set)-1):
			f.Lo, f.Hi = set[0], set[len(set)-1]
		default:
			f.Set = set
		}
	}
	return f
}

func floatFilter(op PredicateOp, v []float64) codec.FloatFilter {
	inf := math.Inf(1)
	nothing := codec.FloatFilter{Lo: inf, Hi: -inf}
	f := codec.FloatFilter{Lo: -inf, Hi: inf}
	if op == OpIn {
		f = nothing
		f.Set = []float64{}
		for _, x := range v {
			if x != x {
				f.NaN = true
			} else {
				f.Set = append(f.Set, x)
			}
		}
		slices.Sort(f.Set)
		return f
	}
	x := v[0]
	isNaN := x != x
	switch op {
	case OpEQ, OpNE:
		f.Lo, f.Hi = x, x
		if isNaN {
			f = nothing
			f.NaN = true
		}
		f.Not = op == OpNE
	case OpLT: // below NaN lies everything else
		if x == -inf {
			return nothing
		}
		if !isNaN {
			f.Hi = math.Nextafter(x, -inf)
		}
	case OpLE:
		f.NaN = isNaN
		if !isNaN {
			f.Hi = x
		}
	case OpGT:
		if isNaN {
			return nothing
		}
		f.NaN = true
		if x == inf {
			f.Lo, f.Hi = inf, -inf
		} else {
			f.Lo = math.Nextafter(x, inf)
		}
	case OpGE:
		f.NaN = true
		if isNaN {
			f.Lo, f.Hi = inf, -inf
		} else {
			f.Lo = x
		}
	}
	return f
}

// atScale returns the filter of a numeric column that is integers of a scale.
func (f *filter) atScale(scale int32) *codec.IntFilter {
	if s := f.scaled[scale]; s != nil {
		return s
	}
	var set []int64
	out := codec.IntFilter{Lo: math.MinInt64, Hi: math.MaxInt64}
	nothing := codec.IntFilter{Lo: 1, Hi: 0}
	floor, exact, over := int64(0), false, 0
	for _, v := range f.pred.Values {
		floor, exact, over = scaledFloor(v.(datum.Decimal), scale)
		if exact {
			set = append(set, floor)
		}
	}
	switch f.pred.Op {
	case OpEQ, OpNE, OpIn:
		out = intFilter(OpIn, set)
		out.Not = f.pred.Op == OpNE
	case OpLT, OpGE: // below: up to the integer before
		hi := floor
		if exact {
			hi--
		}
		switch {
		case over > 0:
		case over < 0 || exact && floor == math.MinInt64:
			out = nothing
		default:
			out.Hi = hi
		}
		out.Not = f.pred.Op == OpGE
	case OpLE, OpGT:
		switch {
		case over > 0:
		case over < 0:
			out = nothing
		default:
			out.Hi = floor
		}
		out.Not = f.pred.Op == OpGT
	}
	if f.scaled == nil {
		f.scaled = make(map[int32]*codec.IntFilter)
	}
	f.scaled[scale] = &out
	return &out
}

// scaledFloor returns floor(d * 10^scale), whether that is exact, and on which
// side of all int64 it lies (then floor is not set). NaN is above everything.
func scaledFloor(d datum.Decimal, scale int32) (floor int64, exact bool, over int) {
	sign := 1
	if d.Neg {
		sign = -1
	}
	switch d.Kind {
	case datum.NaN:
		return 0, false, 1
	case datum.Infinite:
		return 0, false, sign
	}
	x := new(big.Int).Set(d.Coeff.MathBigInt())
	if d.Neg && x.Sign() > 0 {
		x.Neg(x)
	}
	rest := new(big.Int)
	if shift := int64(scale) - int64(d.Scale); shift >= 0 {
		x.Mul(x, new(big.Int).Exp(big.NewInt(10), big.NewInt(shift), nil))
	} else {
		x.DivMod(x, new(big.Int).Exp(big.NewInt(10), big.NewInt(-shift), nil), rest)
	}
	if !x.IsInt64() {
		return 0, false, x.Sign()
	}
	return x.Int64(), rest.Sign() == 0, 0
}

// keepsBytes evaluates the filter on the bytes of one value.
func (f *filter) keepsBytes(b []byte) bool {
	if f.pred.Op == OpPrefix {
		return bytes.HasPrefix(b, f.bytes[0])
	}
	b = trimmed(f.order, b)
	if f.pred.Op == OpIn {
		_, in := slices.BinarySearchFunc(f.bytes, b, bytes.Compare)
		return in
	}
	if f.pred.Op == OpEQ {
		return bytes.Equal(b, f.bytes[0])
	}
	return opHolds(f.pred.Op, bytes.Compare(b, f.bytes[0]))
}

// keepsValue evaluates the filter on one boxed value.
func (f *filter) keepsValue(v datum.Value) bool {
	if f.pred.Op == OpIn {
		for _, x := range f.pred.Values {
			if datum.Compare(f.typ, v, x) == 0 {
				return true
			}
		}
		return false
	}
	return opHolds(f.pred.Op, datum.Compare(f.typ, v, f.pred.Values[0]))
}

func opHolds(op PredicateOp, c int) bool {
	switch op {
	case OpEQ:
		return c == 0
	case OpNE:
		return c != 0
	case OpLT:
		return c < 0
	case OpLE:
		return c <= 0
	case OpGT:
		return c > 0
	case OpGE:
		return c >= 0
	}
	return false
}

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
	for i := range e.Columns {
		c := &e.Columns[i]
		if c.ID != f.pred.Column {
			continue
		}
		if !readable(c.Type, f.typ) {
			return maybe // reading will say so
		}
		b := entryBounds(c, e.Rows, f.typ)
		return f.withNulls(f.judgeBounds(&b), c.Nulls, e.Rows)
	}
	k := l.Index(f.pred.Column)
	missing := l.Columns[k].Missing
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
