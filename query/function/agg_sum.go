package function

import (
	"math"
	"math/bits"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/cockroachdb/apd/v3"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

func sumAggregates(m map[string]aggregateKernel) {
	m["sum(21)"] = aggregateKernel{new: newSumInt[int16](false), scan: "sum"}
	m["sum(23)"] = aggregateKernel{new: newSumInt[int32](false), scan: "sum"}
	m["sum(20)"] = aggregateKernel{new: newSumInt[int64](false), scan: "sum"}
	m["avg(21)"] = aggregateKernel{new: newSumInt[int16](true)}
	m["avg(23)"] = aggregateKernel{new: newSumInt[int32](true)}
	m["avg(20)"] = aggregateKernel{new: newSumInt[int64](true)}
	m["sum(700)"] = aggregateKernel{new: newSumFloat[float32](false), scan: "sum"}
	m["sum(701)"] = aggregateKernel{new: newSumFloat[float64](false), scan: "sum"}
	m["avg(700)"] = aggregateKernel{new: newSumFloat[float32](true)}
	m["avg(701)"] = aggregateKernel{new: newSumFloat[float64](true)}
}

// An int128 is a sum of integers, two's complement.
type int128 struct {
	hi int64
	lo uint64
}

func (s *int128) add(v int64) {
	lo, carry := bits.Add64(s.lo, uint64(v), 0)
	s.lo, s.hi = lo, s.hi+v>>63+int64(carry)
}

// addTimes adds v n times.
func (s *int128) addTimes(v, n int64) {
	hi, lo := bits.Mul64(uint64(v), uint64(n))
	s.addWide(int128{hi: int64(hi) + v>>63*n, lo: lo})
}

func (s *int128) addWide(o int128) {
	lo, carry := bits.Add64(s.lo, o.lo, 0)
	s.lo, s.hi = lo, s.hi+o.hi+int64(carry)
}

// int64 returns the sum if it fits.
func (s *int128) int64() (int64, bool) { return int64(s.lo), s.hi == int64(s.lo)>>63 }

// decimal returns the sum as a numeric of scale 0.
func (s *int128) decimal() datum.Decimal {
	if v, ok := s.int64(); ok {
		return datum.DecimalFromInt(v)
	}
	hi, lo := uint64(s.hi), s.lo
	neg := s.hi < 0
	if neg {
		var borrow uint64
		lo, borrow = bits.Sub64(0, lo, 0)
		hi, _ = bits.Sub64(0, hi, borrow)
	}
	var coeff, low apd.BigInt
	coeff.SetUint64(hi)
	coeff.Lsh(&coeff, 64)
	coeff.Add(&coeff, low.SetUint64(lo))
	if neg {
		coeff.Neg(&coeff)
	}
	return datum.MakeDecimal(&coeff, 0)
}

// sumInt is the sum or the average of integers; neither can overflow inside.
type sumInt[T integer] struct {
	sums    []int128
	counts  []int64
	average bool
}

func newSumInt[T integer](average bool) func([]datum.Type, datum.Type) Accumulator {
	return func([]datum.Type, datum.Type) Accumulator { return &sumInt[T]{average: average} }
}

func (a *sumInt[T]) Grow(n int) {
	a.sums, a.counts = grown(a.sums, n), grown(a.counts, n)
}

func (a *sumInt[T]) Add(c *Context, groups []int32, args []Vec, n int, sel []int32) error {
	v := args[0]
	var z T
	if groups == nil && sel == nil && !v.Const && sizeOf(z) < 8 && v.DataType().ID() != arrow.NULL {
		sum, count := sumNarrow(colOf[T](v).v[:n], v.Array)
		a.sums[0].add(sum)
		a.counts[0] += count
		return nil
	}
	if !hasNulls(v) && sel == nil && !v.Const {
		x := colOf[T](v).v[:n]
		if groups == nil {
			s := a.sums[0]
			for _, x := range x {
				s.add(int64(x))
			}
			a.sums[0] = s
			a.counts[0] += int64(n)
			return nil
		}
		for i, g := range groups[:n] {
			a.sums[g].add(int64(x[i]))
			a.counts[g]++
		}
		return nil
	}
	if v.DataType().ID() == arrow.NULL {
		return nil
	}
	x := colOf[T](v)
	return eachRow(n, sel, func(i int) error {
		if j := v.At(i); !v.IsNull(j) {
			g := groupOf(groups, i)
			a.sums[g].add(int64(x.v[j]))
			a.counts[g]++
		}
		return nil
	})
}

// AddCounted implements Counted.
func (a *sumInt[T]) AddCounted(_ *Context, v Vec, counts []int32) error {
	if v.DataType().ID() == arrow.NULL {
		return nil
	}
	x := colOf[T](v)
	for i, n := range counts {
		if j := v.At(i); !v.IsNull(j) {
			a.sums[0].addTimes(int64(x.v[j]), int64(n))
			a.counts[0] += int64(n)
		}
	}
	return nil
}

// sumNarrow adds up the values of an array that are not NULL. They have at most 32
// bits, and a batch has too few for their sum to leave 64.
func sumNarrow[T integer](x []T, a arrow.Array) (sum, count int64) {
	if a.NullN() == 0 {
		for _, v := range x {
			sum += int64(v)
		}
		return sum, int64(len(x))
	}
	valid, at := a.NullBitmapBytes(), a.Data().Offset()
	for i, v := range x {
		bit := int64(valid[(at+i)>>3] >> ((at + i) & 7) & 1)
		sum += int64(v) & -bit
		count += bit
	}
	return sum, count
}

func (a *sumInt[T]) Merge(_ *Context, other Accumulator, src, dst []int32) error {
	o := other.(*sumInt[T])
	for i := range src {
		a.sums[dst[i]].addWide(o.sums[src[i]])
		a.counts[dst[i]] += o.counts[src[i]]
	}
	return nil
}

func (a *sumInt[T]) Result(c *Context, from, to int, ret datum.Type) (arrow.Array, error) {
	b := array.NewBuilder(c.Mem, ret.Arrow())
	defer b.Release()
	b.Reserve(to - from)
	for g := from; g < to; g++ {
		if a.counts[g] == 0 {
			b.AppendNull()
			continue
		}
		v, err := a.value(g, ret)
		if err != nil {
			return nil, err
		}
		datum.Append(b, ret, v)
	}
	return b.NewArray(), nil
}

func (a *sumInt[T]) value(g int, ret datum.Type) (datum.Value, error) {
	s := &a.sums[g]
	if a.average {
		return divDecimal(s.decimal(), datum.DecimalFromInt(a.counts[g]))
	}
	if ret.OID == datum.Int8 {
		v, ok := s.int64()
		if !ok {
			return nil, outOfRange[int64]()
		}
		return v, nil
	}
	return s.decimal(), nil
}

func (a *sumInt[T]) SizeBytes() int64 { return int64(cap(a.sums))*16 + int64(cap(a.counts))*8 }

// sumFloat is the sum or the average of floats, added up in the order of the
// rows: whoever merges partial sums does so in a fixed order, for the same
// answer on every run. Sums of real are kept in double precision.
type sumFloat[T float] struct {
	sums    []float64
	counts  []int64
	average bool
}

func newSumFloat[T float](average bool) func([]datum.Type, datum.Type) Accumulator {
	return func([]datum.Type, datum.Type) Accumulator { return &sumFloat[T]{average: average} }
}

func (a *sumFloat[T]) Grow(n int) {
	a.sums, a.counts = grown(a.sums, n), grown(a.counts, n)
}

func (a *sumFloat[T]) Add(c *Context, groups []int32, args []Vec, n int, sel []int32) error {
	v := args[0]
	if v.DataType().ID() == arrow.NULL {
		return nil
	}
	x := colOf[T](v)
	if groups == nil && sel == nil && !hasNulls(v) && !v.Const {
		before, sum := a.sums[0], a.sums[0]
		for _, f := range x.v[:n] {
			sum += float64(f)
		}
		if !isInf(sum) && sum == sum || isInf(before) || before != before {
			a.counts[0] += int64(n)
			a.sums[0] = sum
			return nil
		} // row by row it shows whether that is an overflow
	}
	return eachRow(n, sel, func(i int) error {
		j := v.At(i)
		if v.IsNull(j) {
			return nil
		}
		g := groupOf(groups, i)
		before, f := a.sums[g], float64(x.v[j])
		a.sums[g] = before + f
		a.counts[g]++
		if isInf(a.sums[g]) && !isInf(before) && !isInf(f) {
			return errOverflow
		}
		return nil
	})
}

func (a *sumFloat[T]) Merge(_ *Context, other Accumulator, src, dst []int32) error {
	o := other.(*sumFloat[T])
	for i := range src {
		x, y := a.sums[dst[i]], o.sums[src[i]]
		a.sums[dst[i]] = x + y
		a.counts[dst[i]] += o.counts[src[i]]
		if isInf(x+y) && !isInf(x) && !isInf(y) {
			return errOverflow
		}
	}
	return nil
}

func (a *sumFloat[T]) Result(c *Context, from, to int, ret datum.Type) (arrow.Array, error) {
	out := make([]float64, to-from)
	for i := range out {
		out[i] = a.sums[from+i]
		if a.average && a.counts[from+i] > 0 {
			out[i] /= float64(a.counts[from+i])
		}
	}
	absent := func(i int) bool { return a.counts[from+i] == 0 }
	if ret.OID != datum.Float4 {
		return fixedResult(c, out, 0, len(out), ret, absent), nil
	}
	narrow := make([]float32, len(out))
	for i, f := range out {
		if narrow[i] = float32(f); math.Abs(f) > math.MaxFloat32 && !math.IsInf(f, 0) && isInf(narrow[i]) {
			return nil, pgerr.New(pgerr.NumericOutOfRange, "value out of range: overflow")
		}
	}
	return fixedResult(c, narrow, 0, len(narrow), ret, absent), nil
}

func (a *sumFloat[T]) SizeBytes() int64 { return int64(cap(a.sums))*8 + int64(cap(a.counts))*8 }
