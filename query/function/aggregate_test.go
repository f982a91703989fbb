package function_test

import (
	"fmt"
	"strings"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/query/function"
)

// aggregate folds the rows in one group, in one of several groups, and, unless
// the aggregate is ordered, in two halves that are merged.
func (c call) aggregate(ctx *function.Context, rows []string) (string, error) {
	agg, types, ret, err := c.resolveAggregate()
	if err != nil {
		return "", err
	}
	cols := make([]function.Vec, len(types))
	for j := range types {
		b := array.NewBuilder(ctx.Mem, types[j].Arrow())
		for _, r := range rows {
			v, err := parseValue(ctx, types[j], strings.Split(r, ";")[j])
			if err != nil {
				b.Release()
				return "", err
			}
			datum.Append(b, types[j], v)
		}
		a := b.NewArray()
		b.Release()
		defer a.Release()
		cols[j] = function.Vec{Array: a, T: types[j]}
	}
	plain, err := c.fold(ctx, agg, types, ret, cols, len(rows), 1, false)
	for _, groups := range []int{1, 3} {
		for _, merge := range []bool{false, true} {
			if merge && agg.Ordered {
				continue
			}
			got, err2 := c.fold(ctx, agg, types, ret, cols, len(rows), groups, merge)
			if fmt.Sprint(err) != fmt.Sprint(err2) || got != plain {
				return fmt.Sprintf("plainly %s %v, in %d groups, merge %v: %s %v", plain, err, groups, merge, got, err2), nil
			}
		}
	}
	if len(cols) == 1 && err == nil {
		return plain, c.counted(ctx, agg, types, ret, cols[0])
	}
	return plain, err
}

// counted folds the rows as values that many rows have, if the accumulator can, and
// compares that with so many rows.
func (c call) counted(ctx *function.Context, agg *function.Aggregate, types []datum.Type, ret datum.Type, v function.Vec) error {
	byCount, ok := agg.New(types, ret).(function.Counted)
	if !ok {
		return nil
	}
	byRow := agg.New(types, ret)
	byCount.Grow(1)
	byRow.Grow(1)
	counts := make([]int32, v.Len())
	for i := range counts {
		counts[i] = int32(i%3*500 + 1)
		one := array.NewSlice(v.Array, int64(i), int64(i)+1)
		defer one.Release()
		for range counts[i] {
			if err := byRow.Add(ctx, nil, []function.Vec{{Array: one, T: v.T}}, 1, nil); err != nil {
				return err
			}
		}
	}
	if err := byCount.AddCounted(ctx, v, counts); err != nil {
		return err
	}
	var texts [2]string
	for i, acc := range []function.Accumulator{byRow, byCount} {
		res, err := acc.Result(ctx, 0, 1, ret)
		if err != nil {
			return err
		}
		defer res.Release()
		texts[i] = textAt(ctx, ret, res, 0)
	}
	if texts[0] != texts[1] {
		return fmt.Errorf("%s of rows is %s, of counted values %s", c.name, texts[0], texts[1])
	}
	return nil
}

func (c call) resolveAggregate() (*function.Aggregate, []datum.Type, datum.Type, error) {
	r := function.Builtins()
	for _, a := range r.Aggregates(c.name) {
		if len(a.Args) != len(c.args) {
			continue
		}
		args, ret, err := r.ResolvePolymorphic(a.Args, a.Ret, c.args)
		if err != nil {
			continue
		}
		same := true
		for i := range args {
			same = same && args[i].OID == c.args[i].OID
		}
		if same {
			return a, args, ret, nil
		}
	}
	return nil, nil, datum.Type{}, fmt.Errorf("no aggregate %s%v", c.name, c.args)
}

// fold puts the rows into the last of groups groups; the others get other rows,
// or none.
func (c call) fold(ctx *function.Context, agg *function.Aggregate, types []datum.Type, ret datum.Type, cols []function.Vec, n, groups int, merge bool) (string, error) {
	acc := agg.New(types, ret)
	acc.Grow(groups)
	var ids []int32
	if groups > 1 {
		ids = make([]int32, n)
		for i := range ids {
			ids[i] = int32(groups - 1)
		}
	}
	parts := []int{n}
	if merge {
		parts = []int{n / 2, n - n/2}
	}
	from := 0
	for p, size := range parts {
		into := acc
		if p > 0 {
			into = agg.New(types, ret)
			into.Grow(1)
		}
		args := make([]function.Vec, len(cols))
		for j, v := range cols {
			s := array.NewSlice(v.Array, int64(from), int64(from+size))
			defer s.Release()
			args[j] = function.Vec{Array: s, T: v.T}
		}
		var g []int32
		if ids != nil && p == 0 {
			g = ids[:size]
		}
		if err := into.Add(ctx, g, args, size, nil); err != nil {
			return "", err
		}
		if p > 0 {
			if err := acc.Merge(ctx, into, []int32{0}, []int32{int32(groups - 1)}); err != nil {
				return "", err
			}
		}
		from += size
	}
	res, err := acc.Result(ctx, groups-1, groups, ret)
	if err != nil {
		return "", err
	}
	defer res.Release()
	return textAt(ctx, ret, res, 0), nil
}
