package function

import (
	"math"
	"math/bits"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/phyllodb/phyllo/internal/datum"
)

// A sketch estimates how many different values there are: exactly up to
// maxExact, and beyond by HyperLogLog (Flajolet et al., AOFA 2007) with 2^14
// registers, which errs by 0.8 % (one standard deviation).
type sketch struct {
	exact     map[uint64]struct{}
	registers []uint8
}

const (
	maxExact   = 1024
	sketchBits = 14
)

func (s *sketch) add(h uint64) {
	if s.registers == nil {
		if s.exact == nil {
			s.exact = map[uint64]struct{}{}
		}
		s.exact[h] = struct{}{}
		if len(s.exact) <= maxExact {
			return
		}
		s.registers = make([]uint8, 1<<sketchBits)
		for x := range s.exact {
			s.register(x)
		}
		s.exact = nil
		return
	}
	s.register(h)
}

func (s *sketch) register(h uint64) {
	rank := uint8(bits.LeadingZeros64(h<<sketchBits|1<<(sketchBits-1)) + 1)
	r := &s.registers[h>>(64-sketchBits)]
	*r = max(*r, rank)
}

func (s *sketch) merge(o *sketch) {
	for h := range o.exact {
		s.add(h)
	}
	if o.registers == nil {
		return
	}
	if s.registers == nil {
		s.registers = make([]uint8, 1<<sketchBits)
		for h := range s.exact {
			s.register(h)
		}
		s.exact = nil
	}
	for i, r := range o.registers {
		s.registers[i] = max(s.registers[i], r)
	}
}

func (s *sketch) estimate() int64 {
	if s.registers == nil {
		return int64(len(s.exact))
	}
	const m = float64(1 << sketchBits)
	sum, zeros := 0.0, 0
	for _, r := range s.registers {
		sum += math.Ldexp(1, -int(r))
		if r == 0 {
			zeros++
		}
	}
	e := 0.7213 / (1 + 1.079/m) * m * m / sum
	if e <= 2.5*m && zeros > 0 {
		e = m * math.Log(m/float64(zeros))
	}
	return int64(math.Round(e))
}

func (s *sketch) bytes() int64 { return int64(len(s.exact))*16 + int64(len(s.registers)) }

func newApproxDistinct(args []datum.Type, _ datum.Type) Accumulator {
	return &fold[sketch]{
		size: 32,
		held: (*sketch).bytes,
		prepare: func(_ *Context, vs []Vec) func(s *sketch, row int) error {
			v := vs[0]
			isNull := v.DataType().ID() == arrow.NULL
			return func(s *sketch, row int) error {
				if j := v.At(row); !isNull && !v.IsNull(j) {
					s.add(datum.Hash(args[0], v.Array, j, 0))
				}
				return nil
			}
		},
		merge:  func(_ *Context, dst, src *sketch) error { dst.merge(src); return nil },
		result: func(_ *Context, s *sketch, _ datum.Type) (datum.Value, error) { return s.estimate(), nil },
	}
}
