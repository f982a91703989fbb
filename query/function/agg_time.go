package function

import (
	"github.com/phyllodb/phyllo/internal/datum"
)

// A timed is the value at the earliest or latest time of a group.
type timed struct {
	value, time datum.Value
}

// newTimed makes first(value, time) and last(value, time): the value, which may
// be NULL, of the row with the least or greatest time. Rows without a time do
// not count; of several with the same time the first one met does.
func newTimed(sign int) func([]datum.Type, datum.Type) Accumulator {
	return func(args []datum.Type, _ datum.Type) Accumulator {
		at := args[1]
		return &fold[timed]{
			size: 32,
			held: func(s *timed) int64 { return valueBytes(&s.value) + valueBytes(&s.time) },
			prepare: func(_ *Context, vs []Vec) func(s *timed, row int) error {
				return func(s *timed, row int) error {
					t := valueAt(at, vs[1], row)
					if t != nil && (s.time == nil || datum.Compare(at, t, s.time)*sign > 0) {
						s.value, s.time = valueAt(args[0], vs[0], row), t
					}
					return nil
				}
			},
			merge: func(_ *Context, dst, src *timed) error {
				if src.time != nil && (dst.time == nil || datum.Compare(at, src.time, dst.time)*sign > 0) {
					*dst = *src
				}
				return nil
			},
			result: func(_ *Context, s *timed, _ datum.Type) (datum.Value, error) { return s.value, nil },
		}
	}
}
