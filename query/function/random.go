package function

import (
	"crypto/rand"
	"encoding/binary"
	"math"
	"math/bits"
)

// Random is PostgreSQL's pseudo-random generator (xoroshiro128**), so that the
// numbers after setseed are the same. The zero value seeds itself. It is used
// by one goroutine.
type Random struct {
	s0, s1 uint64
	seeded bool
}

// Seed is setseed: -1 <= seed <= 1.
func (r *Random) Seed(seed float64) {
	u := uint64(int64(float64(1<<52-1) * seed))
	r.s0, u = splitMix(u)
	r.s1, _ = splitMix(u)
	if r.s0 == 0 && r.s1 == 0 {
		r.s0, r.s1 = 0x5851F42D4C957F2D, 0x14057B7EF767814F
	}
	r.seeded = true
}

// splitMix returns the next number of a SplitMix64 generator and its new state.
func splitMix(state uint64) (v, next uint64) {
	state += 0x9E3779B97F4A7C15
	v = state
	v = (v ^ (v >> 30)) * 0xBF58476D1CE4E5B9
	v = (v ^ (v >> 27)) * 0x94D049BB133111EB
	return v ^ (v >> 31), state
}

// Uint64 returns the next number.
func (r *Random) Uint64() uint64 {
	if !r.seeded {
		var b [16]byte
		if _, err := rand.Read(b[:]); err != nil {
			panic("function: no randomness: " + err.Error())
		}
		r.s0, r.s1 = binary.LittleEndian.Uint64(b[:]), binary.LittleEndian.Uint64(b[8:])|1
		r.seeded = true
	}
	s0, sx := r.s0, r.s1^r.s0
	v := bits.RotateLeft64(s0*5, 7) * 9
	r.s0 = bits.RotateLeft64(s0, 24) ^ sx ^ (sx << 16)
	r.s1 = bits.RotateLeft64(sx, 37)
	return v
}

// Float64 returns a number from 0 to before 1.
func (r *Random) Float64() float64 {
	return math.Ldexp(float64(r.Uint64()>>(64-52)), -52)
}
