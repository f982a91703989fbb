package function

import (
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/cockroachdb/apd/v3"
	"github.com/phyllodb/phyllo/internal/datum"
)

func numericAggregates(m map[string]aggregateKernel) {
	m["sum(1700)"] = aggregateKernel{new: newSumNumeric(func(s *numericSum) (datum.Value, error) { return s.sum() })}
	m["avg(1700)"] = aggregateKernel{new: newSumNumeric(func(s *numericSum) (datum.Value, error) {
		sum, err := s.sum()
		if err != nil || s.count == 0 {
			return nil, err
		}
		return divDecimal(sum, datum.DecimalFromInt(s.count))
	})}
}

// A numericSum adds up numerics: 128 bits for as long as the coefficients are
// small and of one scale, and exact decimals beyond. Special values are counted.
type numericSum struct {
	small            int128
	scale            int32 // of small and big: the greatest seen
	big              *apd.BigInt
	count            int64 // of all values
	nan, plus, minus int64
}

func (s *numericSum) addSmall(coeff int64, scale int32) bool {
	if scale != s.scale {
		if scale > s.scale && s.small == (int128{}) && s.big == nil {
			s.scale = scale
		} else {
			return false
		}
	}
	s.small.add(coeff)
	return true
}

func (s *numericSum) add(d *datum.Decimal) {
	switch {
	case d.Kind == datum.NaN:
		s.nan++
	case d.Kind == datum.Infinite && d.Neg:
		s.minus++
	case d.Kind == datum.Infinite:
		s.plus++
	default:
		s.addScaled(signed(d), d.Scale)
	}
}

func (s *numericSum) addScaled(c *apd.BigInt, scale int32) {
	s.spill(max(scale, s.scale))
	if scale < s.scale {
		c.Mul(c, pow10(int64(s.scale-scale)))
	}
	s.big.Add(s.big, c)
}

// spill moves the small sum into the big one, at a scale not below the present.
func (s *numericSum) spill(scale int32) {
	d := s.small.decimal()
	c := signed(&d)
	if s.big != nil {
		c.Add(c, s.big)
	}
	if scale > s.scale {
		c.Mul(c, pow10(int64(scale-s.scale)))
	}
	s.small, s.big, s.scale = int128{}, c, scale
}

func (s *numericSum) merge(o *numericSum) {
	s.count += o.count
	s.nan, s.plus, s.minus = s.nan+o.nan, s.plus+o.plus, s.minus+o.minus
	if o.big == nil && o.scale == s.scale {
		s.small.addWide(o.small)
		return
	}
	d := o.small.decimal()
	c := signed(&d)
	if o.big != nil {
		c.Add(c, o.big)
	}
	s.addScaled(c, o.scale)
}

func (s *numericSum) sum() (datum.Decimal, error) {
	switch {
	case s.nan > 0 || s.plus > 0 && s.minus > 0:
		return decimalNaN, nil
	case s.plus > 0:
		return decimalInf(false), nil
	case s.minus > 0:
		return decimalInf(true), nil
	}
	d := s.small.decimal()
	c := signed(&d)
	if s.big != nil {
		c.Add(c, s.big)
	}
	return bounded(datum.MakeDecimal(c, s.scale))
}

func newSumNumeric(result func(s *numericSum) (datum.Value, error)) func([]datum.Type, datum.Type) Accumulator {
	return func([]datum.Type, datum.Type) Accumulator {
		return &fold[numericSum]{
			size: 80, strict: true,
			prepare: func(_ *Context, args []Vec) func(s *numericSum, row int) error {
				a, m := args[0].Array.(*array.Binary), rowMask(args[0])
				return func(s *numericSum, row int) error {
					s.count++
					if v, scale, ok := datum.NumericInt(a.Value(row & m)); ok && s.addSmall(v, scale) {
						return nil
					}
					d := decimalAt(a, row&m)
					s.add(&d)
					return nil
				}
			},
			merge: func(_ *Context, dst, src *numericSum) error { dst.merge(src); return nil },
			result: func(_ *Context, s *numericSum, _ datum.Type) (datum.Value, error) {
				if s.count == 0 {
					return nil, nil
				}
				return result(s)
			},
		}
	}
}
