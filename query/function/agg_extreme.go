package function

import (
	"cmp"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/phyllodb/phyllo/internal/datum"
)

// extremeAggregates are min and max.
func extremeAggregates(m map[string]aggregateKernel) {
	m["min"] = aggregateKernel{new: newExtreme(-1), scan: "min"}
	m["max"] = aggregateKernel{new: newExtreme(1), scan: "max"}
}

// newExtreme chooses the accumulator by the argument's type; sign is 1 for max.
func newExtreme(sign int) func([]datum.Type, datum.Type) Accumulator {
	return func(args []datum.Type, _ datum.Type) Accumulator {
		if t := args[0].OID; t.Class() == datum.EnumClass && !t.IsUserArray() {
			return newExtremeExact[int64](sign)
		}
		switch args[0].OID {
		case datum.Int2:
			return newExtremeExact[int16](sign)
		case datum.Int4, datum.Date:
			return newExtremeExact[int32](sign)
		case datum.Int8, datum.Time, datum.Timestamp, datum.TimestampTZ:
			return newExtremeExact[int64](sign)
		case datum.OIDType:
			return newExtremeExact[uint32](sign)
		case datum.Float4:
			return &extremeFixed[float32]{sign: sign, compare: cmpFloat[float32]}
		case datum.Float8:
			return &extremeFixed[float64]{sign: sign, compare: cmpFloat[float64]}
		case datum.Text, datum.Varchar, datum.Name:
			return &extremeText{sign: sign, compare: strings.Compare}
		case datum.BPChar:
			return &extremeText{sign: sign, compare: cmpBPChar}
		default:
			return newExtremeBoxed(args[0], sign)
		}
	}
}

// extremeFixed keeps the extreme of fixed-width values.
type extremeFixed[T fixed] struct {
	best    []T
	seen    []bool
	sign    int
	compare func(a, b T) int
}

func (a *extremeFixed[T]) Grow(n int) { a.best, a.seen = grown(a.best, n), grown(a.seen, n) }

func (a *extremeFixed[T]) offer(g int32, v T) {
	if !a.seen[g] || a.compare(v, a.best[g])*a.sign >= 0 { // of equals the last: -0.0 and 0.0
		a.best[g], a.seen[g] = v, true
	}
}

func (a *extremeFixed[T]) Add(_ *Context, groups []int32, args []Vec, n int, sel []int32) error {
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

func (a *extremeFixed[T]) Merge(_ *Context, other Accumulator, src, dst []int32) error {
	o := other.(*extremeFixed[T])
	for i := range src {
		if o.seen[src[i]] {
			a.offer(dst[i], o.best[src[i]])
		}
	}
	return nil
}

func (a *extremeFixed[T]) Result(c *Context, from, to int, ret datum.Type) (arrow.Array, error) {
	return fixedResult(c, a.best, from, to, ret, func(g int) bool { return !a.seen[g] }), nil
}

func (a *extremeFixed[T]) SizeBytes() int64 { return int64(cap(a.best))*8 + int64(cap(a.seen)) }

// extremeExact is extremeFixed of types whose equal values are the same.
type extremeExact[T int16 | int32 | int64 | uint32] struct{ extremeFixed[T] }

func newExtremeExact[T int16 | int32 | int64 | uint32](sign int) Accumulator {
	return &extremeExact[T]{extremeFixed[T]{sign: sign, compare: cmp.Compare[T]}}
}

func (a *extremeExact[T]) Add(c *Context, groups []int32, args []Vec, n int, sel []int32) error {
	v := args[0]
	if groups != nil || sel != nil || v.Const || hasNulls(v) || n == 0 {
		return a.extremeFixed.Add(c, groups, args, n, sel)
	}
	x := colOf[T](v).v[:n]
	if a.sign > 0 {
		a.offer(0, greatest(x))
	} else {
		a.offer(0, least(x))
	}
	return nil
}

// greatest is slices.Max in four lanes, which do not wait for each other.
func greatest[T int16 | int32 | int64 | uint32](x []T) T {
	m0 := x[0]
	m1, m2, m3 := m0, m0, m0
	for ; len(x) >= 4; x = x[4:] {
		m0, m1, m2, m3 = max(m0, x[0]), max(m1, x[1]), max(m2, x[2]), max(m3, x[3])
	}
	for _, y := range x {
		m0 = max(m0, y)
	}
	return max(m0, m1, m2, m3)
}

// least is slices.Min, as greatest is slices.Max.
func least[T int16 | int32 | int64 | uint32](x []T) T {
	m0 := x[0]
	m1, m2, m3 := m0, m0, m0
	for ; len(x) >= 4; x = x[4:] {
		m0, m1, m2, m3 = min(m0, x[0]), min(m1, x[1]), min(m2, x[2]), min(m3, x[3])
	}
	for _, y := range x {
		m0 = min(m0, y)
	}
	return min(m0, m1, m2, m3)
}

// AddCounted implements Counted.
func (a *extremeExact[T]) AddCounted(c *Context, v Vec, counts []int32) error {
	return a.Add(c, nil, []Vec{v}, len(counts), nil)
}

func (a *extremeExact[T]) Merge(c *Context, other Accumulator, src, dst []int32) error {
	return a.extremeFixed.Merge(c, &other.(*extremeExact[T]).extremeFixed, src, dst)
}

// extremeText keeps the extreme of strings, copied.
type extremeText struct {
	best    []*string
	bytes   int64
	sign    int
	compare func(a, b string) int
}

func (a *extremeText) Grow(n int) { a.best = grown(a.best, n) }

func (a *extremeText) offer(g int32, s string) {
	best := a.best[g]
	if best != nil && a.compare(s, *best)*a.sign <= 0 {
		return
	}
	if best != nil {
		a.bytes -= int64(len(*best))
	}
	s = strings.Clone(s)
	a.best[g] = &s
	a.bytes += int64(len(s))
}

func (a *extremeText) Add(_ *Context, groups []int32, args []Vec, n int, sel []int32) error {
	v := args[0]
	x, ok := v.Array.(*array.String)
	if !ok {
		return nil // all NULL
	}
	return eachRow(n, sel, func(i int) error {
		if j := v.At(i); !x.IsNull(j) {
			a.offer(groupOf(groups, i), x.Value(j))
		}
		return nil
	})
}

// AddCounted implements Counted: values are in the order in which rows first have
// them, and of equals, which differ in blanks, the first stays.
func (a *extremeText) AddCounted(c *Context, v Vec, counts []int32) error {
	return a.Add(c, nil, []Vec{v}, len(counts), nil)
}

func (a *extremeText) Merge(_ *Context, other Accumulator, src, dst []int32) error {
	o := other.(*extremeText)
	for i := range src {
		if s := o.best[src[i]]; s != nil {
			a.offer(dst[i], *s)
		}
	}
	return nil
}

func (a *extremeText) Result(c *Context, from, to int, ret datum.Type) (arrow.Array, error) {
	w := newWriter[string](c, to-from, ret)
	defer w.Release()
	for _, s := range a.best[from:to] {
		if s == nil {
			w.AppendNull()
			continue
		}
		w.append(*s)
	}
	if err := w.full(c); err != nil {
		return nil, err
	}
	return w.NewArray(), nil
}

func (a *extremeText) SizeBytes() int64 { return int64(cap(a.best))*24 + a.bytes }

// newExtremeBoxed keeps the extreme of any other type.
func newExtremeBoxed(t datum.Type, sign int) Accumulator {
	offer := func(s *datum.Value, v datum.Value) {
		if *s == nil || datum.Compare(t, v, *s)*sign >= 0 {
			*s = v
		}
	}
	return &fold[datum.Value]{
		size:   16,
		strict: true,
		held:   valueBytes,
		prepare: func(_ *Context, args []Vec) func(s *datum.Value, row int) error {
			return func(s *datum.Value, row int) error {
				offer(s, datum.ValueAt(t, args[0].Array, args[0].At(row)))
				return nil
			}
		},
		merge: func(_ *Context, dst, src *datum.Value) error {
			if *src != nil {
				offer(dst, *src)
			}
			return nil
		},
		result: func(_ *Context, s *datum.Value, _ datum.Type) (datum.Value, error) { return *s, nil },
	}
}

// valueBytes estimates the memory that a boxed value points to.
func valueBytes(v *datum.Value) int64 {
	switch x := (*v).(type) {
	case nil:
		return 0
	case string:
		return int64(len(x)) + 16
	case []byte:
		return int64(len(x)) + 24
	case datum.Decimal:
		return 48
	case datum.Array:
		return valuesBytes(x.Values)
	case datum.Row:
		return valuesBytes(x.Values)
	default:
		return 16
	}
}

func valuesBytes(vs []datum.Value) int64 {
	n := int64(24)
	for i := range vs {
		n += 16 + valueBytes(&vs[i])
	}
	return n
}
