package function

import (
	"github.com/phyllodb/phyllo/internal/datum"
)

func boolKernels(k kernels) {
	k.add(fn1(func(b bool) (int32, error) { return int32(bit(b)), nil }), "bool_int4")
	k.add(fn1(func(n int32) (bool, error) { return n != 0, nil }), "int4_bool")
	k.add(fn1(func(b bool) (string, error) {
		if b {
			return "true", nil
		}
		return "false", nil
	}), "booltext")
}

func boolAggregates(m map[string]aggregateKernel) {
	m["bool_and"] = aggregateKernel{new: newBoolFold(func(a, b bool) bool { return a && b })}
	m["every"] = m["bool_and"]
	m["bool_or"] = aggregateKernel{new: newBoolFold(func(a, b bool) bool { return a || b })}
}

// newBoolFold folds booleans; a state is 0 before the first value, else 1 for
// false and 2 for true.
func newBoolFold(combine func(a, b bool) bool) func([]datum.Type, datum.Type) Accumulator {
	offer := func(s *uint8, v bool) {
		if *s != 0 {
			v = combine(*s == 2, v)
		}
		*s = 1 + bit(v)
	}
	return func([]datum.Type, datum.Type) Accumulator {
		return &fold[uint8]{
			size: 1, strict: true,
			prepare: func(_ *Context, args []Vec) func(s *uint8, row int) error {
				read := reader[bool](args[0])
				return func(s *uint8, row int) error { offer(s, read(row)); return nil }
			},
			merge: func(_ *Context, dst, src *uint8) error {
				if *src != 0 {
					offer(dst, *src == 2)
				}
				return nil
			},
			result: func(_ *Context, s *uint8, _ datum.Type) (datum.Value, error) {
				if *s == 0 {
					return nil, nil
				}
				return *s == 2, nil
			},
		}
	}
}
