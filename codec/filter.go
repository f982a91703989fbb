package codec

import (
	"bytes"
	"math"
	"slices"
)

// An IntFilter keeps the integers in Lo..Hi, or those in Set if that is not
// nil; Not complements. A decoder remembers what it made of the last filter by
// its address, so a filter may not change once used.
type IntFilter struct {
	Lo, Hi int64
	Set    []int64 // rising
	Not    bool
}

func (f *IntFilter) keeps(x int64) bool {
	var in bool
	if f.Set != nil {
		_, in = slices.BinarySearch(f.Set, x)
	} else {
		in = f.Lo <= x && x <= f.Hi
	}
	return in != f.Not
}

// FilterInts sets out to the values that f keeps; v holds up to VectorRows values.
func FilterInts(v []int64, f *IntFilter, out *Bits) {
	switch {
	case f.Set != nil:
		*out = Bits{}
		for i, x := range v {
			out[i>>6] |= b2u(f.keeps(x)) << (i & 63)
		}
		return
	case f.Hi < f.Lo:
		out.fill(len(v), false)
	default:
		within(v, f.Lo, uint64(f.Hi)-uint64(f.Lo), out)
	}
	if f.Not {
		out.invert(len(v))
	}
}

// Float is a floating-point type of a column.
type Float interface{ float32 | float64 }

// A FloatFilter keeps the floats in Lo..Hi (neither is NaN; -0.0 equals 0.0), and
// NaNs if NaN is set, or those in Set if that is not nil; Not complements.
type FloatFilter struct {
	Lo, Hi float64
	NaN    bool
	Set    []float64 // rising, without NaN
	Not    bool
}

func (f *FloatFilter) keeps(x float64) bool {
	var in bool
	switch {
	case x != x:
		in = f.NaN
	case f.Set != nil:
		_, in = slices.BinarySearch(f.Set, x)
	default:
		in = f.Lo <= x && x <= f.Hi
	}
	return in != f.Not
}

// FilterFloats sets out to the values that f keeps; v holds up to VectorRows values.
func FilterFloats[F Float](v []F, f *FloatFilter, out *Bits) {
	*out = Bits{}
	if f.Set != nil {
		for i, x := range v {
			out[i>>6] |= b2u(f.keeps(float64(x))) << (i & 63)
		}
		return
	}
	lo, hi := floatBounds[F](f)
	nan := f.NaN && lo <= hi && math.IsInf(float64(hi), 1)
	if lo <= hi {
		floatsWithin(v, lo, hi, nan, out)
	}
	if f.NaN && !nan {
		for i, x := range v {
			out[i>>6] |= b2u(x != x) << (i & 63)
		}
	}
	if f.Not {
		out.invert(len(v))
	}
}

// floatBounds narrows the bounds to F, inwards, so that comparing in F decides
// what comparing in float64 would.
func floatBounds[F Float](f *FloatFilter) (lo, hi F) {
	lo, hi = F(f.Lo), F(f.Hi)
	if float64(lo) < f.Lo {
		lo = F(math.Nextafter32(float32(lo), float32(math.Inf(1))))
	}
	if float64(hi) > f.Hi {
		hi = F(math.Nextafter32(float32(hi), float32(math.Inf(-1))))
	}
	return lo, hi
}

// A TableFilter keeps dictionary codes by a table. Like an IntFilter it may not
// change once used.
type TableFilter struct {
	keep []uint8
	// run is the codes kept if these follow each other: what a range of values or
	// one value makes of a dictionary in order. It is the faster way.
	run *IntFilter
}

// NewTableFilter returns a filter that keeps the codes c with keep[c] = 1; the
// others are 0.
func NewTableFilter(keep []uint8) *TableFilter {
	f := &TableFilter{keep: keep, run: &IntFilter{Lo: 1, Hi: 0}}
	first := bytes.IndexByte(keep, 1)
	if first < 0 {
		return f
	}
	n := bytes.IndexByte(keep[first:], 0)
	if n < 0 {
		n = len(keep) - first
	}
	if bytes.IndexByte(keep[first+n:], 1) >= 0 {
		f.run = nil
		return f
	}
	f.run.Lo, f.run.Hi = int64(first), int64(first+n-1)
	return f
}

// filterTable sets out to the codes c with keep[c] = 1. It reports false if a
// code lies outside of the table.
func filterTable(codes []int64, keep []uint8, out *Bits) bool {
	*out = Bits{}
	if len(keep) <= 256 {
		return filterSmallTable(codes, keep, out)
	}
	for i, c := range codes {
		if uint64(c) >= uint64(len(keep)) {
			return false
		}
		out[i>>6] |= uint64(keep[c]) << (i & 63)
	}
	return true
}

// filterSmallTable needs no bounds checks: a byte cannot miss a table of 256,
// in which codes without an entry are marked.
func filterSmallTable(codes []int64, keep []uint8, out *Bits) bool {
	const outside = 2
	var table [256]uint8
	for i := len(keep); i < len(table); i++ {
		table[i] = outside
	}
	copy(table[:], keep)
	var seen int64
	var marks uint64
	i := 0
	for ; i+8 <= len(codes); i += 8 {
		p := (*[8]int64)(codes[i:])
		seen |= p[0] | p[1] | p[2] | p[3] | p[4] | p[5] | p[6] | p[7]
		t0, t1, t2, t3 := uint64(table[uint8(p[0])]), uint64(table[uint8(p[1])]), uint64(table[uint8(p[2])]), uint64(table[uint8(p[3])])
		t4, t5, t6, t7 := uint64(table[uint8(p[4])]), uint64(table[uint8(p[5])]), uint64(table[uint8(p[6])]), uint64(table[uint8(p[7])])
		marks |= t0 | t1 | t2 | t3 | t4 | t5 | t6 | t7
		out[i>>6] |= (t0 | t1<<1 | t2<<2 | t3<<3 | t4<<4 | t5<<5 | t6<<6 | t7<<7) << (i & 63)
	}
	for ; i < len(codes); i++ {
		seen |= codes[i]
		t := uint64(table[uint8(codes[i])])
		marks |= t
		out[i>>6] |= t << (i & 63)
	}
	return seen>>8 == 0 && marks < outside
}
