package chunk

import (
	"math"

	"github.com/phyllodb/phyllo/codec"
)

// NULLs as a value: where they come as they please, a mask of them takes up to a bit
// a row, and so does what the values have in their slots. A value that no other row has in
// those slots tells both.

const (
	// markShare is the share of the values' bytes from which on a mask may be worth to
	// be left out, and what leaving it out has to save.
	markShare = 1. / 16
	// leastMask is the bytes of a mask below which nothing is looked for.
	leastMask = 64
)

// encodeMarked returns the mask and the values with NULLs as a value, if that takes less
// than they take apart; NULL slots are set to it then, or may be.
func (v *values) encodeMarked(e codec.Effort, mask, apart []byte) (newMask, encoded []byte, ok bool) {
	if e == codec.Quick || len(mask) < leastMask || float64(len(mask)) < markShare*float64(len(apart)) {
		return nil, nil, false
	}
	switch v.form {
	case formInts, formScaled:
		x, free := freeInt(v)
		if !free {
			return nil, nil, false
		}
		setNulls(v, v.ints, x)
		newMask = codec.AppendIntMarks(nil, x)
	case formFloat32:
		x := freeFloat(v, v.f32, 1<<22)
		if x == 0 {
			return nil, nil, false
		}
		setNulls(v, v.f32, x)
		newMask = codec.AppendFloatMarks(nil, x)
	case formFloat64:
		x := freeFloat(v, v.f64, 1<<50)
		if x == 0 {
			return nil, nil, false
		}
		setNulls(v, v.f64, x)
		newMask = codec.AppendFloatMarks(nil, x)
	default:
		return nil, nil, false
	}
	encoded = v.appendValues(nil, e)
	before, after := len(mask)+len(apart), len(newMask)+len(encoded)
	return newMask, encoded, float64(after) < float64(before)*(1-markShare)
}

func setNulls[T any](v *values, x []T, to T) {
	for i := range x {
		if v.isNull(i) {
			x[i] = to
		}
	}
}

// freeInt returns the first number below the values, or above, that is a multiple of what
// all of them are multiples of.
func freeInt(v *values) (x int64, ok bool) {
	lo, hi, unit := int64(math.MaxInt64), int64(math.MinInt64), uint64(0)
	for i, x := range v.ints {
		if !v.isNull(i) {
			lo, hi = min(lo, x), max(hi, x)
		}
	}
	for i, x := range v.ints {
		if unit == 1 {
			break
		}
		if !v.isNull(i) {
			for a, b := uint64(x)-uint64(lo), unit; ; a, b = b, a%b {
				if b == 0 {
					unit = a
					break
				}
			}
		}
	}
	unit = max(unit, 1)
	switch {
	case uint64(lo)-math.MaxInt64-1 >= unit:
		return lo - int64(unit), true
	case math.MaxInt64-uint64(hi) >= unit && hi >= 0 || hi < 0 && unit < 1<<62:
		return hi + int64(unit), true
	}
	return 0, false
}

// freeFloat returns a whole number below the finite values that a decimal is as good as any
// other, 0 if there is none above -limit.
func freeFloat[F codec.Float](v *values, x []F, limit float64) F {
	lo := math.Inf(1)
	for i, y := range x {
		if y := float64(y); !v.isNull(i) && y == y && !math.IsInf(y, 0) {
			lo = min(lo, y)
		}
	}
	at := math.Floor(lo) - 1
	if at == 0 {
		at = -1
	}
	if !(math.Abs(at) < limit) {
		return 0
	}
	return F(at)
}
