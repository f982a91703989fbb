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
