package function

import (
	"math"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/cockroachdb/apd/v3"
	"github.com/phyllodb/phyllo/internal/datum"
)

func statisticsAggregates(m map[string]aggregateKernel) {
	for _, a := range []struct {
		names       []string
		sample, dev bool
	}{
		{[]string{"variance", "var_samp"}, true, false},
		{[]string{"stddev", "stddev_samp"}, true, true},
		{[]string{"var_pop"}, false, false},
		{[]string{"stddev_pop"}, false, true},
	} {
		for _, name := range a.names {
			for _, oid := range []string{"20", "21", "23", "1700"} {
				m[name+"("+oid+")"] = aggregateKernel{new: newNumericVariance(a.sample, a.dev)}
			}
			m[name+"(700)"] = aggregateKernel{new: newFloatVariance(a.sample, a.dev)}
			m[name+"(701)"] = m[name+"(700)"]
		}
	}
	for name, f := range map[string]func(s *regression) (float64, bool){
		"regr_sxx":   func(s *regression) (float64, bool) { return s.sxx, s.n > 0 },
		"regr_syy":   func(s *regression) (float64, bool) { return s.syy, s.n > 0 },
		"regr_sxy":   func(s *regression) (float64, bool) { return s.sxy, s.n > 0 },
		"regr_avgx":  func(s *regression) (float64, bool) { return s.sx / s.n, s.n > 0 },
		"regr_avgy":  func(s *regression) (float64, bool) { return s.sy / s.n, s.n > 0 },
		"covar_pop":  func(s *regression) (float64, bool) { return s.sxy / s.n, s.n > 0 },
		"covar_samp": func(s *regression) (float64, bool) { return s.sxy / (s.n - 1), s.n > 1 },
		"corr": func(s *regression) (float64, bool) {
			return s.sxy / math.Sqrt(s.sxx*s.syy), s.n > 0 && s.sxx != 0 && s.syy != 0
		},
		"regr_slope":     func(s *regression) (float64, bool) { return s.sxy / s.sxx, s.n > 0 && s.sxx != 0 },
		"regr_intercept": func(s *regression) (float64, bool) { return (s.sy - s.sx*s.sxy/s.sxx) / s.n, s.n > 0 && s.sxx != 0 },
		"regr_r2": func(s *regression) (float64, bool) {
			if s.syy == 0 {
				return 1, s.n > 0 && s.sxx != 0
			}
			return s.sxy * s.sxy / (s.sxx * s.syy), s.n > 0 && s.sxx != 0
		},
	} {
		m[name] = aggregateKernel{new: newRegression(func(s *regression) datum.Value {
			if v, ok := f(s); ok {
				return v
			}
			return nil
		})}
	}
	m["regr_count"] = aggregateKernel{new: newRegression(func(s *regression) datum.Value { return int64(s.n) })}
}

// A numericVariance is exact: the numbers' sum and the sum of their squares.
type numericVariance struct {
	sum, squares numericSum
}

func newNumericVariance(sample, dev bool) func([]datum.Type, datum.Type) Accumulator {
	return func(types []datum.Type, _ datum.Type) Accumulator {
		return &fold[numericVariance]{
			size: 160, strict: true,
			prepare: func(_ *Context, args []Vec) func(s *numericVariance, row int) error {
				read := decimalReader(args[0])
				return func(s *numericVariance, row int) error {
					d := read(row)
					s.sum.count++
					s.sum.add(&d)
					if d.Kind != datum.Finite {
						return nil
					}
					c := signed(&d)
					s.squares.addScaled(c.Mul(c, c), 2*d.Scale)
					return nil
				}
			},
			merge: func(_ *Context, dst, src *numericVariance) error {
				dst.sum.merge(&src.sum)
				dst.squares.merge(&src.squares)
				return nil
			},
			result: func(_ *Context, s *numericVariance, _ datum.Type) (datum.Value, error) { return s.result(sample, dev) },
		}
	}
}

// decimalReader reads an integer or numeric argument.
func decimalReader(v Vec) func(i int) datum.Decimal {
	switch v.DataType().ID() {
	case arrow.INT16:
		r := reader[int16](v)
		return func(i int) datum.Decimal { return datum.DecimalFromInt(int64(r(i))) }
	case arrow.INT32:
		r := reader[int32](v)
		return func(i int) datum.Decimal { return datum.DecimalFromInt(int64(r(i))) }
	case arrow.INT64:
		r := reader[int64](v)
		return func(i int) datum.Decimal { return datum.DecimalFromInt(r(i)) }
	}
	return reader[datum.Decimal](v)
}

// result is (N*sumX2 - sumX^2) / (N*(N-1) or N*N), or its root.
func (s *numericVariance) result(sample, dev bool) (datum.Value, error) {
	n := s.sum.count
	if n == 0 || sample && n == 1 {
		return nil, nil
	}
	if s.sum.nan+s.sum.plus+s.sum.minus > 0 {
		return decimalNaN, nil
	}
	sum, err := s.sum.sum()
	if err != nil {
		return nil, err
	}
	squares, err := s.squares.sum()
	if err != nil {
		return nil, err
	}
	scale := 2 * sum.Scale
	num := signedAt(&squares, scale)
	num.Mul(num, apd.NewBigInt(n))
	x := signed(&sum)
	num.Sub(num, x.Mul(x, x))
	if num.Sign() <= 0 {
		return decimalZero, nil
	}
	den := apd.NewBigInt(n)
	if sample {
		den.Mul(den, apd.NewBigInt(n-1))
	} else {
		den.Mul(den, apd.NewBigInt(n))
	}
	a, b := fromScaled(num, scale), datum.MakeDecimal(den, 0)
	rscale := divScale(&a, &b)
	variance, err := divScaled(&a, &b, rscale)
	if err != nil || !dev {
		return variance, err
	}
	return sqrtAt(&variance, rscale), nil
}

// A floatVariance follows Youngs and Cramer, as PostgreSQL does.
type floatVariance struct{ n, sx, sxx float64 }

func (s *floatVariance) add(x float64) error {
	old := s.sx
	s.n++
	s.sx += x
	if s.n == 1 {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			s.sxx = math.NaN()
		}
		return nil
	}
	d := x*s.n - s.sx
	s.sxx += d * d / (s.n * (s.n - 1))
	if math.IsInf(s.sx, 0) || math.IsInf(s.sxx, 0) {
		if !math.IsInf(old, 0) && !math.IsInf(x, 0) {
			return errOverflow
		}
		s.sxx = math.NaN()
	}
	return nil
}

func (s *floatVariance) merge(o *floatVariance) error {
	switch {
	case o.n == 0:
		return nil
	case s.n == 0:
		*s = *o
		return nil
	}
	d := s.sx/s.n - o.sx/o.n
	n := s.n + o.n
	sx := s.sx + o.sx
	if math.IsInf(sx, 0) && !math.IsInf(s.sx, 0) && !math.IsInf(o.sx, 0) {
		return errOverflow
	}
	sxx := s.sxx + o.sxx + s.n*o.n*d*d/n
	if math.IsInf(sxx, 0) && !math.IsInf(s.sxx, 0) && !math.IsInf(o.sxx, 0) {
		return errOverflow
	}
	*s = floatVariance{n, sx, sxx}
	return nil
}

func newFloatVariance(sample, dev bool) func([]datum.Type, datum.Type) Accumulator {
	return func([]datum.Type, datum.Type) Accumulator {
		return &fold[floatVariance]{
			size: 24, strict: true,
			prepare: func(_ *Context, args []Vec) func(s *floatVariance, row int) error {
				read := floatReader(args[0])
				return func(s *floatVariance, row int) error { return s.add(read(row)) }
			},
			merge: func(_ *Context, dst, src *floatVariance) error { return dst.merge(src) },
			result: func(_ *Context, s *floatVariance, _ datum.Type) (datum.Value, error) {
				n := s.n
				if sample {
					n--
				}
				if n <= 0 {
					return nil, nil
				}
				if dev {
					return math.Sqrt(s.sxx / n), nil
				}
				return s.sxx / n, nil
			},
		}
	}
}

func floatReader(v Vec) func(i int) float64 {
	if v.DataType().ID() == arrow.FLOAT32 {
		r := reader[float32](v)
		return func(i int) float64 { return float64(r(i)) }
	}
	return reader[float64](v)
}

// A regression is the state of the two-argument statistics over (y, x).
type regression struct{ n, sx, sxx, sy, syy, sxy float64 }

func (s *regression) add(y, x float64) error {
	old := *s
	s.n++
	s.sx += x
	s.sy += y
	if s.n == 1 {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			s.sxx, s.sxy = math.NaN(), math.NaN()
		}
		if math.IsNaN(y) || math.IsInf(y, 0) {
			s.syy, s.sxy = math.NaN(), math.NaN()
		}
		return nil
	}
	dx, dy := x*s.n-s.sx, y*s.n-s.sy
	scale := 1 / (s.n * (s.n - 1))
	s.sxx += dx * dx * scale
	s.syy += dy * dy * scale
	s.sxy += dx * dy * scale
	return s.check(&old, x, y)
}

// check refuses an overflow and makes the sums NaN that infinite input spoils.
func (s *regression) check(old *regression, x, y float64) error {
	if !isInf(s.sx) && !isInf(s.sxx) && !isInf(s.sy) && !isInf(s.syy) && !isInf(s.sxy) {
		return nil
	}
	badX, badY := isInf(old.sx) || isInf(x), isInf(old.sy) || isInf(y)
	if (isInf(s.sx) || isInf(s.sxx)) && !badX || (isInf(s.sy) || isInf(s.syy)) && !badY || isInf(s.sxy) && !badX && !badY {
		return errOverflow
	}
	if isInf(s.sxx) {
		s.sxx = math.NaN()
	}
	if isInf(s.syy) {
		s.syy = math.NaN()
	}
	if isInf(s.sxy) {
		s.sxy = math.NaN()
	}
	return nil
}

func (s *regression) merge(o *regression) {
	switch {
	case o.n == 0:
		return
	case s.n == 0:
		*s = *o
		return
	}
	n := s.n + o.n
	dx, dy := s.sx/s.n-o.sx/o.n, s.sy/s.n-o.sy/o.n
	w := s.n * o.n / n
	*s = regression{n, s.sx + o.sx, s.sxx + o.sxx + w*dx*dx, s.sy + o.sy, s.syy + o.syy + w*dy*dy, s.sxy + o.sxy + w*dx*dy}
}

func newRegression(result func(s *regression) datum.Value) func([]datum.Type, datum.Type) Accumulator {
	return func([]datum.Type, datum.Type) Accumulator {
		return &fold[regression]{
			size: 48, strict: true,
			prepare: func(_ *Context, args []Vec) func(s *regression, row int) error {
				y, x := reader[float64](args[0]), reader[float64](args[1])
				return func(s *regression, row int) error { return s.add(y(row), x(row)) }
			},
			merge:  func(_ *Context, dst, src *regression) error { dst.merge(src); return nil },
			result: func(_ *Context, s *regression, _ datum.Type) (datum.Value, error) { return result(s), nil },
		}
	}
}
