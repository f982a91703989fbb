package codec

import (
	"math"
	"math/bits"
	"unsafe"
)

// Comparing with a range. A number is in lo..lo+span if its distance from lo is
// at most span as an unsigned number. The comparisons of 64 rows are 64 borrows
// of span - distance, which one add with carry each shifts into a word.

// withinPlain is within, portably.
func withinPlain(v []int64, lo int64, span uint64, out *Bits) {
	*out = Bits{}
	for w := range len(v) / 64 {
		p := (*[64]int64)(v[w*64:])
		var outside, c uint64
		for i := 0; i < len(p); i += 8 {
			q := (*[8]int64)(p[i:])
			_, c = bits.Sub64(span, uint64(q[0]-lo), 0)
			outside, _ = bits.Add64(outside, outside, c)
			_, c = bits.Sub64(span, uint64(q[1]-lo), 0)
			outside, _ = bits.Add64(outside, outside, c)
			_, c = bits.Sub64(span, uint64(q[2]-lo), 0)
			outside, _ = bits.Add64(outside, outside, c)
			_, c = bits.Sub64(span, uint64(q[3]-lo), 0)
			outside, _ = bits.Add64(outside, outside, c)
			_, c = bits.Sub64(span, uint64(q[4]-lo), 0)
			outside, _ = bits.Add64(outside, outside, c)
			_, c = bits.Sub64(span, uint64(q[5]-lo), 0)
			outside, _ = bits.Add64(outside, outside, c)
			_, c = bits.Sub64(span, uint64(q[6]-lo), 0)
			outside, _ = bits.Add64(outside, outside, c)
			_, c = bits.Sub64(span, uint64(q[7]-lo), 0)
			outside, _ = bits.Add64(outside, outside, c)
		}
		out[w] = ^bits.Reverse64(outside)
	}
	withinRest(v, lo, span, out)
}

// withinRest adds to out what within finds behind the last 64 rows that are whole.
func withinRest(v []int64, lo int64, span uint64, out *Bits) {
	for i := len(v) &^ 63; i < len(v); i++ {
		out[i>>6] |= b2u(uint64(v[i]-lo) <= span) << (i & 63)
	}
}

// sumsWithinPlain is sumsWithin, portably.
func sumsWithinPlain(v []int64, lo int64, span uint64, out *Bits) {
	*out = Bits{}
	sum := -uint64(lo)
	for w := range len(v) / 64 {
		p := (*[64]int64)(v[w*64:])
		var outside, c uint64
		for i := 0; i < len(p); i += 8 {
			q := (*[8]int64)(p[i:])
			sum += uint64(q[0])
			_, c = bits.Sub64(span, sum, 0)
			outside, _ = bits.Add64(outside, outside, c)
			sum += uint64(q[1])
			_, c = bits.Sub64(span, sum, 0)
			outside, _ = bits.Add64(outside, outside, c)
			sum += uint64(q[2])
			_, c = bits.Sub64(span, sum, 0)
			outside, _ = bits.Add64(outside, outside, c)
			sum += uint64(q[3])
			_, c = bits.Sub64(span, sum, 0)
			outside, _ = bits.Add64(outside, outside, c)
			sum += uint64(q[4])
			_, c = bits.Sub64(span, sum, 0)
			outside, _ = bits.Add64(outside, outside, c)
			sum += uint64(q[5])
			_, c = bits.Sub64(span, sum, 0)
			outside, _ = bits.Add64(outside, outside, c)
			sum += uint64(q[6])
			_, c = bits.Sub64(span, sum, 0)
			outside, _ = bits.Add64(outside, outside, c)
			sum += uint64(q[7])
			_, c = bits.Sub64(span, sum, 0)
			outside, _ = bits.Add64(outside, outside, c)
		}
		out[w] = ^bits.Reverse64(outside)
	}
	sumsWithinRest(v, sum, span, out)
}

// sumsWithinRest adds to out what sumsWithin finds behind the last 64 rows that
// are whole, whose sum less the lower bound is given.
func sumsWithinRest(v []int64, sum, span uint64, out *Bits) {
	for i := len(v) &^ 63; i < len(v); i++ {
		sum += uint64(v[i])
		out[i>>6] |= b2u(sum <= span) << (i & 63)
	}
}

// rank turns the bits of a float64, or of a float32 in the upper half, into an
// integer of the same order: -0.0 comes before 0.0, negative NaNs before and
// positive ones after everything else.
func rank(b uint64) int64 { return int64(b ^ uint64(int64(b)>>63)>>1) }

func rankOf[F Float](x F) int64 {
	if width[F]() == 4 {
		return rank(bitsOf(&x) << 32)
	}
	return rank(bitsOf(&x))
}

// floatsWithin sets out to the values in lo..hi, where lo is not above hi. With
// nan, hi is infinite and NaNs are in as well: their ranks follow that of
// infinity, beyond the greatest integer from the least one on, as if going round.
func floatsWithin[F Float](v []F, lo, hi F, nan bool, out *Bits) {
	if lo == 0 {
		lo = F(math.Copysign(0, -1))
	}
	if hi == 0 {
		hi = 0 // not -0.0
	}
	least, last := rankOf(lo), rankOf(hi)
	if nan {
		last = rankOf(F(math.Inf(-1))) - 1
	}
	span := uint64(last) - uint64(least)
	*out = Bits{}
	if len(v) == 0 {
		return
	}
	if width[F]() == 4 {
		ranksWithin32(unsafe.Slice((*uint32)(unsafe.Pointer(&v[0])), len(v)), least, span, out)
	} else {
		ranksWithin64(unsafe.Slice((*uint64)(unsafe.Pointer(&v[0])), len(v)), least, span, out)
	}
}

// ranksWithin64 adds the float64s to out whose ranks are in lo..lo+span.
func ranksWithin64(v []uint64, lo int64, span uint64, out *Bits) {
	for w := range len(v) / 64 {
		p := (*[64]uint64)(v[w*64:])
		var outside, c uint64
		for i := 0; i < len(p); i += 4 {
			q := (*[4]uint64)(p[i:])
			_, c = bits.Sub64(span, uint64(rank(q[0])-lo), 0)
			outside, _ = bits.Add64(outside, outside, c)
			_, c = bits.Sub64(span, uint64(rank(q[1])-lo), 0)
			outside, _ = bits.Add64(outside, outside, c)
			_, c = bits.Sub64(span, uint64(rank(q[2])-lo), 0)
			outside, _ = bits.Add64(outside, outside, c)
			_, c = bits.Sub64(span, uint64(rank(q[3])-lo), 0)
			outside, _ = bits.Add64(outside, outside, c)
		}
		out[w] = ^bits.Reverse64(outside)
	}
	for i := len(v) &^ 63; i < len(v); i++ {
		out[i>>6] |= b2u(uint64(rank(v[i])-lo) <= span) << (i & 63)
	}
}

// ranksWithin32 is ranksWithin64 of float32s.
func ranksWithin32(v []uint32, lo int64, span uint64, out *Bits) {
	for w := range len(v) / 64 {
		p := (*[64]uint32)(v[w*64:])
		var outside, c uint64
		for i := 0; i < len(p); i += 4 {
			q := (*[4]uint32)(p[i:])
			_, c = bits.Sub64(span, uint64(rank(uint64(q[0])<<32)-lo), 0)
			outside, _ = bits.Add64(outside, outside, c)
			_, c = bits.Sub64(span, uint64(rank(uint64(q[1])<<32)-lo), 0)
			outside, _ = bits.Add64(outside, outside, c)
			_, c = bits.Sub64(span, uint64(rank(uint64(q[2])<<32)-lo), 0)
			outside, _ = bits.Add64(outside, outside, c)
			_, c = bits.Sub64(span, uint64(rank(uint64(q[3])<<32)-lo), 0)
			outside, _ = bits.Add64(outside, outside, c)
		}
		out[w] = ^bits.Reverse64(outside)
	}
	for i := len(v) &^ 63; i < len(v); i++ {
		out[i>>6] |= b2u(uint64(rank(uint64(v[i])<<32)-lo) <= span) << (i & 63)
	}
}
