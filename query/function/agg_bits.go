package function

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/phyllodb/phyllo/internal/datum"
)

func bitAggregates(m map[string]aggregateKernel) {
	addBits[int16](m, "21")
	addBits[int32](m, "23")
	addBits[int64](m, "20")
}

func addBits[T integer](m map[string]aggregateKernel, oid string) {
	for name, f := range map[string]func(a, b T) T{
		"bit_and": func(a, b T) T { return a & b },
		"bit_or":  func(a, b T) T { return a | b },
		"bit_xor": func(a, b T) T { return a ^ b },
	} {
		m[name+"("+oid+")"] = aggregateKernel{new: func([]datum.Type, datum.Type) Accumulator {
			return &foldFixed[T]{combine: f}
		}}
	}
}

// foldFixed combines fixed-width values.
type foldFixed[T fixed] struct {
	values  []T
	seen    []bool
	combine func(a, b T) T
}

func (a *foldFixed[T]) Grow(n int) { a.values, a.seen = grown(a.values, n), grown(a.seen, n) }

func (a *foldFixed[T]) offer(g int32, v T) {
	if a.seen[g] {
		v = a.combine(a.values[g], v)
	}
	a.values[g], a.seen[g] = v, true
}

func (a *foldFixed[T]) Add(_ *Context, groups []int32, args []Vec, n int, sel []int32) error {
	v := args[0]
	if v.DataType().ID() == arrow.NULL {
		return nil
	}
	x := colOf[T](v)
	return eachRow(n, sel, func(i int) error {
		if j := v.At(i); !v.IsNull(j) {
			a.offer(groupOf(groups, i), x.v[j])
		}
		return nil
	})
}

func (a *foldFixed[T]) Merge(_ *Context, other Accumulator, src, dst []int32) error {
	o := other.(*foldFixed[T])
	for i := range src {
		if o.seen[src[i]] {
			a.offer(dst[i], o.values[src[i]])
		}
	}
	return nil
}

func (a *foldFixed[T]) Result(c *Context, from, to int, ret datum.Type) (arrow.Array, error) {
	return fixedResult(c, a.values, from, to, ret, func(g int) bool { return !a.seen[g] }), nil
}

func (a *foldFixed[T]) SizeBytes() int64 { return int64(cap(a.values))*8 + int64(cap(a.seen)) }
