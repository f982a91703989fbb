package function

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/phyllodb/phyllo/internal/datum"
)

func countAggregates(m map[string]aggregateKernel) {
	m["count"] = aggregateKernel{
		new:  func([]datum.Type, datum.Type) Accumulator { return &countRows{} },
		scan: "count",
	}
}

// countRows is count(*) and count(x), by whether there is an argument.
type countRows struct{ counts []int64 }

func (a *countRows) Grow(n int) { a.counts = grown(a.counts, n) }

func (a *countRows) Add(_ *Context, groups []int32, args []Vec, n int, sel []int32) error {
	if len(args) == 0 || !hasNulls(args[0]) {
		switch {
		case groups == nil && sel == nil:
			a.counts[0] += int64(n)
		case groups == nil:
			a.counts[0] += int64(len(sel))
		case sel == nil:
			for _, g := range groups[:n] {
				a.counts[g]++
			}
		default:
			for _, i := range sel {
				a.counts[groups[i]]++
			}
		}
		return nil
	}
	v := args[0]
	return eachRow(n, sel, func(i int) error {
		if !v.IsNull(v.At(i)) {
			a.counts[groupOf(groups, i)]++
		}
		return nil
	})
}

// AddCounted implements Counted.
func (a *countRows) AddCounted(_ *Context, v Vec, counts []int32) error {
	if v.DataType().ID() == arrow.NULL {
		return nil
	}
	for i, n := range counts {
		if !v.IsNull(v.At(i)) {
			a.counts[0] += int64(n)
		}
	}
	return nil
}

func hasNulls(v Vec) bool { return v.NullN() > 0 || v.DataType().ID() == arrow.NULL }

func (a *countRows) Merge(_ *Context, other Accumulator, src, dst []int32) error {
	o := other.(*countRows)
	for i := range src {
		a.counts[dst[i]] += o.counts[src[i]]
	}
	return nil
}

func (a *countRows) Result(c *Context, from, to int, ret datum.Type) (arrow.Array, error) {
	return fixedResult(c, a.counts, from, to, ret, func(int) bool { return false }), nil
}

func (a *countRows) SizeBytes() int64 { return int64(cap(a.counts)) * 8 }
