package codec

import "math/bits"

// A divisor divides by multiplying: values that have a unit are divided by it often, and
// always without a rest.
type divisor struct {
	inverse uint64 // of the odd part, modulo 2^64
	shift   int    // zeros at the end
	most    uint64 // what the greatest multiple below 2^64 is a multiple by
}

// newDivisor returns that by g, which is not 0.
func newDivisor(g uint64) divisor {
	d := divisor{shift: bits.TrailingZeros64(g), most: ^uint64(0) / g}
	odd := g >> d.shift
	d.inverse = odd // right in three bits; each step doubles these
	for range 5 {
		d.inverse *= 2 - odd*d.inverse
	}
	return d
}

// divides says whether x is a multiple.
func (d *divisor) divides(x uint64) bool {
	return bits.RotateLeft64(x*d.inverse, -d.shift) <= d.most
}

// exact divides a multiple.
func (d *divisor) exact(x uint64) uint64 { return x >> d.shift * d.inverse }
