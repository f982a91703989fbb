package sketch

import (
	"encoding/binary"
	"maps"
	"math"
	"math/bits"
	"slices"
)

// An HLL estimates how many different values there are: exactly up to 1,024, and beyond by HyperLogLog
// with 2^14 registers, which errs by 0.8 % (one standard deviation), with Ertl's estimator (2017),
// which has no bias anywhere. The zero value is empty.
type HLL struct {
	exact     map[uint64]struct{}
	registers []uint8
}

const (
	maxExact     = 1024
	registerBits = 14
	registers    = 1 << registerBits
	maxRank      = 64 - registerBits + 1
)

func (s *HLL) kind() kind { return kindHLL }

// Add adds a value by its hash.
func (s *HLL) Add(h uint64) { s.add(nth(h, 1)) }

func (s *HLL) add(h uint64) {
	if s.registers != nil {
		s.register(h)
		return
	}
	if s.exact == nil {
		s.exact = map[uint64]struct{}{}
	}
	s.exact[h] = struct{}{}
	if len(s.exact) > maxExact {
		s.leaveExact()
	}
}

func (s *HLL) leaveExact() {
	s.registers = make([]uint8, registers)
	for h := range s.exact {
		s.register(h)
	}
	s.exact = nil
}

func (s *HLL) register(h uint64) {
	rank := uint8(bits.LeadingZeros64(h<<registerBits|1<<(registerBits-1)) + 1)
	r := &s.registers[h>>(64-registerBits)]
	*r = max(*r, rank)
}

// Merge implements Sketch.
func (s *HLL) Merge(other Sketch) error {
	o, err := same(s, other)
	if err != nil {
		return err
	}
	for h := range o.exact {
		s.add(h)
	}
	if o.registers == nil {
		return nil
	}
	if s.registers == nil {
		s.leaveExact()
	}
	for i, r := range o.registers {
		s.registers[i] = max(s.registers[i], r)
	}
	return nil
}

// Count is the estimate.
func (s *HLL) Count() int64 {
	if s.registers == nil {
		return int64(len(s.exact))
	}
	var of [maxRank + 1]float64
	for _, r := range s.registers {
		of[r]++
	}
	const m = float64(registers)
	z := m * tau(1-of[maxRank]/m)
	for k := maxRank - 1; k >= 1; k-- {
		z = 0.5 * (z + of[k])
	}
	z += m * sigma(of[0]/m)
	return int64(math.Round(m * m / (2 * math.Ln2 * z)))
}

func sigma(x float64) float64 {
	if x == 1 {
		return math.Inf(1)
	}
	for y, z := 1.0, x; ; y += y {
		x *= x
		before := z
		if z += x * y; z == before {
			return z
		}
	}
}

func tau(x float64) float64 {
	if x == 0 || x == 1 {
		return 0
	}
	for y, z := 1.0, 1-x; ; {
		x = math.Sqrt(x)
		before := z
		y *= 0.5
		if z -= (1 - x) * (1 - x) * y; z == before {
			return z / 3
		}
	}
}

// SizeBytes implements Sketch.
func (s *HLL) SizeBytes() int64 { return int64(len(s.exact))*16 + int64(len(s.registers)) }

// A body is 0 and the hashes, or 1 and the registers.
func (s *HLL) appendBody(dst []byte) []byte {
	if s.registers != nil {
		return append(append(dst, 1), s.registers...)
	}
	dst = binary.AppendUvarint(append(dst, 0), uint64(len(s.exact)))
	return appendHashes(dst, slices.Sorted(maps.Keys(s.exact)))
}

func readHLL(r *reader) Sketch {
	s := &HLL{}
	switch r.byte() {
	case 0:
		n := r.count(8)
		if r.check(n <= maxExact) {
			for _, h := range r.ascending(n) {
				s.add(h)
			}
		}
	case 1:
		s.registers = slices.Clone(r.bytes(registers))
		r.check(len(s.registers) == registers && slices.Max(s.registers) <= maxRank)
	default:
		r.fail()
	}
	return s
}
