package function

import (
	"math"
	"strconv"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// Ordered-set aggregates get their direct arguments before the aggregated one,
// and the rows in the order of WITHIN GROUP. They leave out NULLs.
func orderedSetAggregates(m map[string]aggregateKernel) {
	m["percentile_cont(701,701)"] = aggregateKernel{new: newPercentile(percentileCont, false), ordered: true}
	m["percentile_cont(1022,701)"] = aggregateKernel{new: newPercentile(percentileCont, true), ordered: true}
	m["percentile_cont(701,1186)"] = aggregateKernel{new: newPercentile(percentileInterval, false), ordered: true}
	m["percentile_cont(1022,1186)"] = aggregateKernel{new: newPercentile(percentileInterval, true), ordered: true}
	m["percentile_disc(701,2283)"] = aggregateKernel{new: newPercentile(percentileDisc, false), ordered: true}
	m["percentile_disc(1022,2283)"] = aggregateKernel{new: newPercentile(percentileDisc, true), ordered: true}
	m["mode(2283)"] = aggregateKernel{new: newMode, ordered: true}
}

// A percentile is the values of a group and the fractions asked for.
type percentile struct {
	collected
	fraction datum.Value
	seen     bool
}

func newPercentile(f func(vals []datum.Value, p float64) (datum.Value, error), many bool) func([]datum.Type, datum.Type) Accumulator {
	return func(args []datum.Type, ret datum.Type) Accumulator {
		return &fold[percentile]{
			size: 64, merge: mergeOrdered[percentile],
			held: func(s *percentile) int64 { return s.bytes },
			prepare: func(_ *Context, vs []Vec) func(s *percentile, row int) error {
				return func(s *percentile, row int) error {
					if !s.seen {
						s.fraction, s.seen = valueAt(args[0], vs[0], row), true
						if err := checkFractions(s.fraction); err != nil {
							return err
						}
					}
					if v := valueAt(args[1], vs[1], row); v != nil {
						return s.add(v)
					}
					return nil
				}
			},
			result: func(_ *Context, s *percentile, ret datum.Type) (datum.Value, error) {
				if len(s.vals) == 0 || s.fraction == nil {
					return nil, nil
				}
				if !many {
					return f(s.vals, s.fraction.(float64))
				}
				fractions := s.fraction.(datum.Array)
				out := fractions.With(elemTypeOf(ret), nil)
				for _, p := range fractions.Values {
					if p == nil {
						out.Values = append(out.Values, nil)
						continue
					}
					v, err := f(s.vals, p.(float64))
					if err != nil {
						return nil, err
					}
					out.Values = append(out.Values, v)
				}
				return out, nil
			},
		}
	}
}

func checkFractions(v datum.Value) error {
	switch v := v.(type) {
	case float64:
		if !(v >= 0 && v <= 1) {
			return pgerr.New(pgerr.NumericOutOfRange, "percentile value %s is not between 0 and 1", strconv.FormatFloat(v, 'g', 6, 64))
		}
	case datum.Array:
		for _, p := range v.Values {
			if err := checkFractions(p); err != nil {
				return err
			}
		}
	}
	return nil
}

// between returns the values that a fraction of the way falls between, and how
// far from the first to the second.
func between(vals []datum.Value, p float64) (a, b datum.Value, part float64) {
	at := p * float64(len(vals)-1)
	low := math.Floor(at)
	return vals[int(low)], vals[int(math.Ceil(at))], at - low
}

func percentileCont(vals []datum.Value, p float64) (datum.Value, error) {
	a, b, part := between(vals, p)
	if part == 0 {
		return a, nil
	}
	return a.(float64) + part*(b.(float64)-a.(float64)), nil
}

func percentileInterval(vals []datum.Value, p float64) (datum.Value, error) {
	a, b, part := between(vals, p)
	if part == 0 {
		return a, nil
	}
	diff, err := subtractIntervals(b.(datum.IntervalValue), a.(datum.IntervalValue))
	if err != nil {
		return nil, err
	}
	if diff, err = mulInterval(diff, part); err != nil {
		return nil, err
	}
	return addIntervals(a.(datum.IntervalValue), diff)
}

func percentileDisc(vals []datum.Value, p float64) (datum.Value, error) {
	return vals[max(int(math.Ceil(p*float64(len(vals)))), 1)-1], nil
}

func newMode(args []datum.Type, _ datum.Type) Accumulator {
	return &fold[collected]{
		size: 32, held: collectedBytes, merge: mergeOrdered[collected], strict: true,
		prepare: func(_ *Context, vs []Vec) func(s *collected, row int) error {
			return func(s *collected, row int) error { return s.add(valueAt(args[0], vs[0], row)) }
		},
		result: func(_ *Context, s *collected, _ datum.Type) (datum.Value, error) {
			var best datum.Value
			most := 0
			for i := 0; i < len(s.vals); {
				j := i
				for j < len(s.vals) && datum.Compare(args[0], s.vals[i], s.vals[j]) == 0 {
					j++
				}
				if j-i > most {
					best, most = s.vals[i], j-i
				}
				i = j
			}
			return best, nil
		},
	}
}
