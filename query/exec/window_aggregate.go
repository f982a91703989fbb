package exec

import (
	"context"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/query/function"
	"github.com/phyllodb/phyllo/query/plan"
)

// aggregate computes an aggregate over the frame of each row: once per partition
// where all frames are the partition, by taking in rows one after the other where
// frames only grow, else for each frame by itself.
func (s *segment) aggregate(ctx context.Context, c *plan.WindowCall, args []function.Vec) (arrow.Array, error) {
	fr, err := s.frames(ctx, &c.Frame)
	if err != nil {
		return nil, err
	}
	pass, err := s.filtered(ctx, c)
	if err != nil {
		return nil, err
	}
	if fr.whole {
		return s.perPartition(ctx, c, args, pass)
	}
	if a, ok := s.running(c, fr, args, pass); ok {
		return a, nil
	}
	if fr.growing {
		return s.perStep(ctx, c, fr, args, pass)
	}
	return s.perFrame(ctx, c, fr, args, pass)
}

// filtered evaluates a call's FILTER; nil means that all rows pass.
func (s *segment) filtered(ctx context.Context, c *plan.WindowCall) ([]bool, error) {
	if c.Filter == nil {
		return nil, nil
	}
	rows, all, err := s.w.ev.keep(ctx, c.Filter, s.b)
	if err != nil || all {
		return nil, err
	}
	pass := make([]bool, s.rows)
	for _, i := range rows {
		pass[i] = true
	}
	return pass, nil
}

func (s *segment) perPartition(ctx context.Context, c *plan.WindowCall, args []function.Vec, pass []bool) (arrow.Array, error) {
	acc := c.Agg.New(exprTypes(c.Args), c.T)
	acc.Grow(len(s.parts) - 1)
	var rows []int32
	if pass != nil {
		rows = make([]int32, 0, s.rows)
		for i, p := range pass {
			if p {
				rows = append(rows, int32(i))
			}
		}
	}
	fc := s.w.ev.context(ctx)
	if err := acc.Add(fc, s.part, args, s.rows, rows); err != nil {
		return nil, err
	}
	res, err := acc.Result(fc, 0, len(s.parts)-1, c.T)
	if err != nil {
		return nil, err
	}
	defer res.Release()
	return s.pick(res, s.part), nil
}

// perStep takes the rows of a partition in one after the other; frames that end
// at the same row share their result.
func (s *segment) perStep(ctx context.Context, c *plan.WindowCall, fr *frames, args []function.Vec, pass []bool) (arrow.Array, error) {
	fc := s.w.ev.context(ctx)
	out := array.NewBuilder(fc.Mem, c.T.Arrow())
	defer out.Release()
	idx := make([]int32, s.rows) // result of each row
	groups := make([]int32, s.rows)
	rows := make([]int32, 0, s.rows)
	for p := range len(s.parts) - 1 {
		acc := c.Agg.New(exprTypes(c.Args), c.T)
		acc.Grow(1)
		at := s.parts[p]
		for i := s.parts[p]; i < s.parts[p+1]; i++ {
			if i > s.parts[p] && fr.to[i] == fr.to[i-1] {
				idx[i] = idx[i-1]
				continue
			}
			rows = rows[:0]
			for ; at < fr.to[i]; at++ {
				if pass == nil || pass[at] {
					rows = append(rows, at)
				}
			}
			if len(rows) > 0 {
				if err := acc.Add(fc, groups, args, s.rows, rows); err != nil {
					return nil, err
				}
			}
			idx[i] = int32(out.Len())
			if err := appendResult(fc, out, acc, c.T); err != nil {
				return nil, err
			}
			if i%1024 == 0 {
				if err := ctx.Err(); err != nil {
					return nil, err
				}
			}
		}
	}
	res := out.NewArray()
	defer res.Release()
	return s.pick(res, idx), nil
}

// framePairs is how many rows of frames are taken in at once.
const framePairs = 64 << 10

// perFrame computes each frame by itself: rows are gathered frame by frame, with
// the number of the frame as their group.
func (s *segment) perFrame(ctx context.Context, c *plan.WindowCall, fr *frames, args []function.Vec, pass []bool) (arrow.Array, error) {
	fc := s.w.ev.context(ctx)
	acc := c.Agg.New(exprTypes(c.Args), c.T)
	acc.Grow(s.rows)
	var rows, groups []int32
	flush := func() error {
		if err := ctx.Err(); err != nil || len(rows) == 0 {
			return err
		}
		vs := make([]function.Vec, len(args))
		for j, v := range args {
			vs[j] = v
			if v.Const {
				v.Retain()
			} else {
				vs[j].Array = s.pick(v.Array, rows)
			}
		}
		defer releaseVecs(vs)
		err := acc.Add(fc, groups, vs, len(rows), nil)
		rows, groups = rows[:0], groups[:0]
		return err
	}
	for i := range s.rows {
		for k := fr.from[i]; k < fr.to[i]; k++ {
			if pass != nil && !pass[k] || fr.excluded(i, k) {
				continue
			}
			rows, groups = append(rows, k), append(groups, int32(i))
			if len(rows) == framePairs {
				if err := flush(); err != nil {
					return nil, err
				}
			}
		}
	}
	if err := flush(); err != nil {
		return nil, err
	}
	return acc.Result(fc, 0, s.rows, c.T)
}

// running computes counts and sums of integers of frames without exclusions from
// sums over all rows before: exact, and the same effort for every frame. ok is
// false for other aggregates.
func (s *segment) running(c *plan.WindowCall, fr *frames, args []function.Vec, pass []bool) (arrow.Array, bool) {
	if fr.exclude != excludeNone || c.T.OID != datum.Int8 || len(args) > 1 {
		return nil, false
	}
	switch c.Agg.Name {
	case "count":
		n := s.prefixSums(func(i int) int64 {
			if len(args) == 1 && (args[0].DataType().ID() == arrow.NULL || args[0].IsNull(args[0].At(i))) {
				return 0
			}
			return 1
		}, pass)
		return int64Result(s, func(i int) int64 { return n[fr.to[i]] - n[fr.from[i]] }), true
	case "sum":
		// Only of types whose sums cannot overflow: fewer than 2^31 rows of 32 bits.
		switch args[0].Array.(type) {
		case *array.Int16, *array.Int32:
		default:
			return nil, false
		}
		count := s.prefixSums(func(i int) int64 {
			if args[0].IsNull(args[0].At(i)) {
				return 0
			}
			return 1
		}, pass)
		sum := s.prefixSums(func(i int) int64 { v, _ := intAt(args[0], i); return v }, pass)
		b := array.NewInt64Builder(s.w.fr.mem())
		defer b.Release()
		b.Reserve(s.rows)
		for i := range s.rows {
			if count[fr.to[i]] == count[fr.from[i]] {
				b.AppendNull()
			} else {
				b.Append(sum[fr.to[i]] - sum[fr.from[i]])
			}
		}
		return b.NewArray(), true
	}
	return nil, false
}

// prefixSums returns, for each row and the end, the sum of f over the rows before.
func (s *segment) prefixSums(f func(i int) int64, pass []bool) []int64 {
	out := make([]int64, s.rows+1)
	for i := range s.rows {
		out[i+1] = out[i]
		if pass == nil || pass[i] {
			out[i+1] += f(i)
		}
	}
	return out
}
