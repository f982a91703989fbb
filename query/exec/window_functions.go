package exec

import (
	"context"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/function"
	"github.com/phyllodb/phyllo/query/plan"
)

// function computes a window function that is no aggregate.
func (s *segment) function(ctx context.Context, c *plan.WindowCall, args []function.Vec) (arrow.Array, error) {
	switch c.Fn {
	case "row_number":
		return int64Result(s, func(i int) int64 { from, _ := s.bounds(i); return int64(i) - int64(from) + 1 }), nil
	case "rank":
		return int64Result(s, s.rank), nil
	case "dense_rank":
		return int64Result(s, func(i int) int64 {
			from, _ := s.bounds(i)
			return int64(s.peer[i]-s.peer[from]) + 1
		}), nil
	case "percent_rank":
		return float64Result(s, func(i int) float64 {
			from, to := s.bounds(i)
			if to-from <= 1 {
				return 0
			}
			return float64(s.rank(i)-1) / float64(to-from-1)
		}), nil
	case "cume_dist":
		return float64Result(s, func(i int) float64 {
			from, to := s.bounds(i)
			_, end := s.peersOf(i)
			return float64(end-from) / float64(to-from)
		}), nil
	case "ntile":
		return s.ntile(args[0])
	case "lag":
		return s.shift(args, -1)
	case "lead":
		return s.shift(args, 1)
	case function.SessionName:
		return s.session(args)
	case "first_value", "last_value", "nth_value":
		return s.valueInFrame(ctx, c, args)
	}
	return nil, pgerr.Unsupported("window function %s is not supported", c.Fn)
}

func (s *segment) rank(i int) int64 {
	from, _ := s.bounds(i)
	first, _ := s.peersOf(i)
	return int64(first-from) + 1
}

// ntile divides each partition into as many buckets as its first row says.
func (s *segment) ntile(v function.Vec) (arrow.Array, error) {
	b := array.NewInt32Builder(s.w.fr.mem())
	defer b.Release()
	b.Reserve(s.rows)
	for p := range len(s.parts) - 1 {
		from, to := int(s.parts[p]), int(s.parts[p+1])
		n, ok := intAt(v, from)
		if ok && n <= 0 {
			return nil, pgerr.New("22014", "argument of ntile must be greater than zero")
		}
		rows := int64(to - from)
		for i := range to - from {
			if !ok {
				b.AppendNull()
				continue
			}
			// The first rows%n buckets have one row more.
			size, more := rows/n, rows%n
			at := int64(i)
			if at < more*(size+1) {
				b.Append(int32(at/(size+1)) + 1)
			} else {
				b.Append(int32(more+(at-more*(size+1))/size) + 1)
			}
		}
	}
	return b.NewArray(), nil
}

// session numbers the sessions of each partition from 1 on: one begins where a time is farther from the
// last one than the gap. Rows without a time are of the session that they stand in.
func (s *segment) session(args []function.Vec) (arrow.Array, error) {
	b := array.NewInt64Builder(s.w.fr.mem())
	defer b.Release()
	b.Reserve(s.rows)
	time, gap := function.TimesAndGaps(args[0], args[1])
	for p := range len(s.parts) - 1 {
		number, last, any := int64(1), int64(0), false
		for i := int(s.parts[p]); i < int(s.parts[p+1]); i++ {
			g, ok := gap(i)
			if !ok || g < 0 {
				return nil, pgerr.New(pgerr.InvalidParameterValue, "the gap between sessions must not be negative or null")
			}
			if t, ok := time(i); ok {
				// The distance of two numbers of 64 bits may need all of them.
				if distance := uint64(max(t, last)) - uint64(min(t, last)); any && distance > uint64(g) {
					number++
				}
				last, any = t, true
			}
			b.UnsafeAppend(number)
		}
	}
	return b.NewArray(), nil
}

// intAt reads an integer argument; ok is false for NULL.
func intAt(v function.Vec, i int) (n int64, ok bool) {
	k := v.At(i)
	if v.DataType().ID() == arrow.NULL || v.IsNull(k) {
		return 0, false
	}
	switch a := v.Array.(type) {
	case *array.Int16:
		return int64(a.Value(k)), true
	case *array.Int32:
		return int64(a.Value(k)), true
	case *array.Int64:
		return a.Value(k), true
	}
	panic("exec: bug: a count of type " + v.DataType().String())
}

// shift is lag and lead: the value some rows away, or the default beyond the
// partition.
func (s *segment) shift(args []function.Vec, sign int64) (arrow.Array, error) {
	value := s.arrayOf(args[0])
	defer value.Release()
	both := value
	if len(args) > 2 {
		def := s.arrayOf(args[2])
		defer def.Release()
		joined, err := array.Concatenate([]arrow.Array{value, def}, s.w.fr.mem())
		if err != nil {
			return nil, err
		}
		defer joined.Release()
		both = joined
	}
	idx := make([]int32, s.rows)
	for i := range idx {
		off, ok := int64(1), true
		if len(args) > 1 {
			off, ok = intAt(args[1], i)
		}
		from, to := s.bounds(i)
		at := int64(i) + sign*off
		switch {
		case !ok:
			idx[i] = -1
		case at >= int64(from) && at < int64(to):
			idx[i] = int32(at)
		case len(args) > 2:
			idx[i] = int32(s.rows + i)
		default:
			idx[i] = -1
		}
	}
	return s.pick(both, idx), nil
}

// valueInFrame is first_value, last_value and nth_value.
func (s *segment) valueInFrame(ctx context.Context, c *plan.WindowCall, args []function.Vec) (arrow.Array, error) {
	frames, err := s.frames(ctx, &c.Frame)
	if err != nil {
		return nil, err
	}
	value := s.arrayOf(args[0])
	defer value.Release()
	idx := make([]int32, s.rows)
	for i := range idx {
		switch c.Fn {
		case "first_value":
			idx[i] = frames.nth(i, 1)
		case "last_value":
			idx[i] = frames.last(i)
		case "nth_value":
			n, ok := intAt(args[1], i)
			if ok && n <= 0 {
				return nil, pgerr.New("22016", "argument of nth_value must be greater than zero")
			}
			idx[i] = -1
			if ok {
				idx[i] = frames.nth(i, n)
			}
		}
	}
	return s.pick(value, idx), nil
}
