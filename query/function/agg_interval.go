package function

import (
	"github.com/phyllodb/phyllo/internal/datum"
)

// An intervalSum adds up intervals.
type intervalSum struct {
	sum   datum.IntervalValue
	count int64
}

func intervalAggregates(m map[string]aggregateKernel) {
	m["sum(1186)"] = aggregateKernel{new: newIntervalSum(func(s *intervalSum) (datum.Value, error) { return s.sum, nil })}
	m["avg(1186)"] = aggregateKernel{new: newIntervalSum(func(s *intervalSum) (datum.Value, error) {
		return divInterval(s.sum, float64(s.count))
	})}
}

func newIntervalSum(result func(s *intervalSum) (datum.Value, error)) func([]datum.Type, datum.Type) Accumulator {
	return func([]datum.Type, datum.Type) Accumulator {
		return &fold[intervalSum]{
			size: 24, strict: true,
			prepare: func(_ *Context, args []Vec) func(s *intervalSum, row int) error {
				values := reader[datum.IntervalValue](args[0])
				return func(s *intervalSum, row int) (err error) {
					s.sum, err = addIntervals(s.sum, values(row))
					s.count++
					return err
				}
			},
			merge: func(_ *Context, dst, src *intervalSum) (err error) {
				dst.sum, err = addIntervals(dst.sum, src.sum)
				dst.count += src.count
				return err
			},
			result: func(_ *Context, s *intervalSum, _ datum.Type) (datum.Value, error) {
				if s.count == 0 {
					return nil, nil
				}
				return result(s)
			},
		}
	}
}
