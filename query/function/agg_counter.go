package function

import (
	"cmp"
	"math"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// A point is a value at a time.
type point struct {
	at    int64
	value float64
}

// counterAggregates are increase, rate and delta over times and values.
func counterAggregates() []*Aggregate {
	oid := datum.OID(9953)
	var out []*Aggregate
	for _, a := range []struct {
		name string
		f    func(ps []point) (float64, bool)
	}{{"increase", increase}, {"rate", rate}, {"delta", delta}} {
		for _, t := range []datum.OID{datum.TimestampTZ, datum.Timestamp} {
			out = append(out, &Aggregate{OID: oid, Name: a.name, Args: []datum.OID{t, datum.Float8}, Ret: datum.Float8, New: newCounter(a.f)})
			oid++
		}
	}
	return out
}

// newCounter makes an aggregate over the points of a group in the order of time; of equal times the
// smaller value comes first. Points without a finite time and a number do not count, and of less than
// two the result is NULL.
func newCounter(f func(ps []point) (float64, bool)) func([]datum.Type, datum.Type) Accumulator {
	return func([]datum.Type, datum.Type) Accumulator {
		return &fold[[]point]{
			size: 24, strict: true,
			held: func(s *[]point) int64 { return 16 * int64(cap(*s)) },
			prepare: func(_ *Context, args []Vec) func(s *[]point, row int) error {
				times, values := args[0].Array.(*array.Timestamp), reader[float64](args[1])
				return func(s *[]point, row int) error {
					at, v := times.Value(args[0].At(row)), values(row)
					if datum.Micros(at).Finite() && !math.IsNaN(v) {
						*s = append(*s, point{int64(at), v})
					}
					return nil
				}
			},
			merge: func(_ *Context, dst, src *[]point) error {
				*dst = append(*dst, *src...)
				return nil
			},
			result: func(_ *Context, s *[]point, _ datum.Type) (datum.Value, error) {
				ps := *s
				slices.SortFunc(ps, func(a, b point) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.value, b.value)) })
				if len(ps) < 2 {
					return nil, nil
				}
				if v, ok := f(ps); ok {
					return v, nil
				}
				return nil, nil
			},
		}
	}
}

// increase is how much a counter has grown: where it is smaller than before it was reset, and has grown from zero.
func increase(ps []point) (float64, bool) {
	sum := 0.0
	for i, p := range ps[1:] {
		if before := ps[i].value; p.value < before {
			sum += p.value
		} else if p.value != before { // infinity does not grow
			sum += p.value - before
		}
	}
	return sum, true
}

// rate is the increase in a second.
func rate(ps []point) (float64, bool) {
	span := float64(ps[len(ps)-1].at-ps[0].at) / microsPerSecond
	if span == 0 {
		return 0, false
	}
	sum, _ := increase(ps)
	return sum / span, true
}

// delta is by how much the last value is larger than the first one.
func delta(ps []point) (float64, bool) {
	return ps[len(ps)-1].value - ps[0].value, true
}

// A tally counts values by buckets of equal width.
type tally struct {
	low, high float64
	counts    []int64
}

// maxTally bounds the buckets of a histogram: each group has all of them.
const maxTally = 1000

// histogramAggregate is histogram(value, min, max, buckets): how many values are below min, in each of the
// buckets, and from max on.
func histogramAggregate(oid datum.OID) *Aggregate {
	f8 := datum.Float8
	return &Aggregate{OID: oid, Name: "histogram", Args: []datum.OID{f8, f8, f8, datum.Int4}, Ret: datum.Int8Array, New: func([]datum.Type, datum.Type) Accumulator {
		return &fold[tally]{
			size: 40, strict: true,
			held: func(s *tally) int64 { return 8 * int64(cap(s.counts)) },
			prepare: func(_ *Context, args []Vec) func(s *tally, row int) error {
				value, low, high, n := reader[float64](args[0]), reader[float64](args[1]), reader[float64](args[2]), reader[int32](args[3])
				return func(s *tally, row int) error {
					if err := s.begin(low(row), high(row), int(n(row))); err != nil {
						return err
					}
					s.counts[s.bucket(value(row))]++
					return nil
				}
			},
			merge: func(_ *Context, dst, src *tally) error {
				if src.counts == nil {
					return nil
				}
				if err := dst.begin(src.low, src.high, len(src.counts)-2); err != nil {
					return err
				}
				for i, c := range src.counts {
					dst.counts[i] += c
				}
				return nil
			},
			result: func(_ *Context, s *tally, _ datum.Type) (datum.Value, error) {
				if s.counts == nil {
					return nil, nil
				}
				values := make([]datum.Value, len(s.counts))
				for i, c := range s.counts {
					values[i] = c
				}
				return datum.Array{Elem: datum.Of(datum.Int8), Values: values}, nil
			},
		}
	}}
}

// begin checks the bounds, which must be the same in all rows of a group.
func (s *tally) begin(low, high float64, n int) error {
	if s.counts != nil {
		if low != s.low || high != s.high || n != len(s.counts)-2 {
			return pgerr.New(pgerr.InvalidParameterValue, "the bounds and the number of buckets of a histogram must not change between rows")
		}
		return nil
	}
	switch {
	case n < 1 || n > maxTally:
		return pgerr.New(pgerr.InvalidParameterValue, "the number of buckets of a histogram must be from 1 to %d", maxTally)
	case !(low < high) || math.IsInf(low, 0) || math.IsInf(high, 0) || math.IsInf(high-low, 0):
		return pgerr.New(pgerr.InvalidParameterValue, "the lower bound of a histogram must be less than the upper bound, and both finite")
	}
	s.low, s.high, s.counts = low, high, make([]int64, n+2)
	return nil
}

// bucket is that of width_bucket; NaN is larger than all numbers.
func (s *tally) bucket(v float64) int {
	n := len(s.counts) - 2
	switch {
	case v < s.low:
		return 0
	case !(v < s.high):
		return n + 1
	}
	return min(int((v-s.low)/(s.high-s.low)*float64(n)), n-1) + 1
}

// SessionName is the window function that numbers sessions.
const SessionName = "session"

// sessionFunctions are the signatures of session(time, gap), a window function.
func sessionFunctions() []*Function {
	var out []*Function
	for i, t := range []datum.OID{datum.TimestampTZ, datum.Timestamp, datum.Int8} {
		gap := datum.Interval
		if t == datum.Int8 {
			gap = datum.Int8
		}
		out = append(out, &Function{OID: 9840 + datum.OID(i), Name: SessionName, Args: []datum.OID{t, gap}, Ret: datum.Int8, Volatility: Immutable})
	}
	return out
}

// TimesAndGaps reads the arguments of session as numbers: times, and gaps counted as differences of times are
// (days have 24 hours, months 30 days).
func TimesAndGaps(times, gaps Vec) (time func(i int) (int64, bool), gap func(i int) (int64, bool)) {
	read := func(v Vec) func(i int) (int64, bool) {
		return func(i int) (int64, bool) {
			if i = v.At(i); v.DataType().ID() == arrow.NULL || v.IsNull(i) {
				return 0, false
			}
			switch a := v.Array.(type) {
			case *array.Timestamp:
				return int64(a.Value(i)), true
			case *array.Int64:
				return a.Value(i), true
			}
			iv := datum.DecodeInterval(v.Array.(*array.FixedSizeBinary).Value(i))
			return clampedMicros(iv), true
		}
	}
	return read(times), read(gaps)
}

func clampedMicros(iv datum.IntervalValue) int64 {
	m := (float64(iv.Months)*30+float64(iv.Days))*float64(microsPerDay) + float64(iv.Micros)
	switch {
	case m >= math.MaxInt64:
		return math.MaxInt64
	case m <= math.MinInt64:
		return math.MinInt64
	}
	return (int64(iv.Months)*30+int64(iv.Days))*microsPerDay + iv.Micros
}
