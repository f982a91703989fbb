package exec

import (
	"context"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/query/function"
	"github.com/phyllodb/phyllo/query/plan"
)

// growing is an aggregate of frames that begin with their partition and end with their row or its peers:
// it takes rows in as they go by.
type growing struct {
	call  *plan.WindowCall
	peers bool
	acc   function.Accumulator // of the partition
}

// newGrowing returns a summing for counts and sums that are exact in 64 bits, and else a growing aggregate.
func newGrowing(c *plan.WindowCall) streamCall {
	peers := c.Frame.Mode != plan.FrameRows
	if c.T.OID == datum.Int8 && len(c.Args) <= 1 {
		switch {
		case c.Agg.Name == "count":
			return &summing{call: c, peers: peers}
		case c.Agg.Name == "sum" && (c.Args[0].Type().OID == datum.Int2 || c.Args[0].Type().OID == datum.Int4):
			return &summing{call: c, peers: peers, values: true}
		}
	}
	return &growing{call: c, peers: peers}
}

func (g *growing) close() {}

func (g *growing) sizeBytes() int64 {
	if g.acc == nil {
		return 0
	}
	return g.acc.SizeBytes()
}

// steps calls f for the rows from to to, one by one or by groups of peers, which are whole.
func steps(marks []rowMark, from, to int, peers bool, f func(i, end int) error) error {
	for i := from; i < to; {
		end := i + 1
		for peers && end < to && marks[end] == samePeers {
			end++
		}
		if err := f(i, end); err != nil {
			return err
		}
		i = end
	}
	return nil
}

func (g *growing) next(ctx context.Context, s *segment, from, to int) (arrow.Array, error) {
	args, err := s.w.ev.evalAll(ctx, g.call.Args, s.b)
	if err != nil {
		return nil, err
	}
	defer releaseVecs(args)
	pass, err := s.filtered(ctx, g.call)
	if err != nil {
		return nil, err
	}
	fc := s.w.ev.context(ctx)
	out := array.NewBuilder(fc.Mem, g.call.T.Arrow())
	defer out.Release()
	groups, rows := make([]int32, s.rows), make([]int32, 0, s.rows)
	idx := make([]int32, 0, to-from)
	err = steps(s.marks, from, to, g.peers, func(i, end int) error {
		if s.marks[i] == newPartition {
			g.acc = g.call.Agg.New(exprTypes(g.call.Args), g.call.T)
			g.acc.Grow(1)
		}
		rows = rows[:0]
		for k := i; k < end; k++ {
			if pass == nil || pass[k] {
				rows = append(rows, int32(k))
			}
			idx = append(idx, int32(out.Len()))
		}
		if len(rows) > 0 {
			if err := g.acc.Add(fc, groups, args, s.rows, rows); err != nil {
				return err
			}
		}
		if i%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		return appendResult(fc, out, g.acc, g.call.T)
	})
	if err != nil {
		return nil, err
	}
	res := out.NewArray()
	if !g.peers {
		return res, nil
	}
	defer res.Release()
	return s.pick(res, idx), nil
}

// appendResult appends what an accumulator of one group has now.
func appendResult(fc *function.Context, out array.Builder, acc function.Accumulator, t datum.Type) error {
	res, err := acc.Result(fc, 0, 1, t)
	if err != nil {
		return err
	}
	defer res.Release()
	datum.Append(out, t, datum.ValueAt(t, res, 0))
	return nil
}

// summing is growing for counts, and sums of integers of 32 bits, of which fewer than 2^32 cannot overflow.
type summing struct {
	call   *plan.WindowCall
	peers  bool
	values bool // it is a sum
	n, sum int64
}

func (c *summing) close()           {}
func (c *summing) sizeBytes() int64 { return 0 }

func (c *summing) next(ctx context.Context, s *segment, from, to int) (arrow.Array, error) {
	args, err := s.w.ev.evalAll(ctx, c.call.Args, s.b)
	if err != nil {
		return nil, err
	}
	defer releaseVecs(args)
	pass, err := s.filtered(ctx, c.call)
	if err != nil {
		return nil, err
	}
	b := array.NewInt64Builder(s.w.fr.mem())
	defer b.Release()
	b.Reserve(to - from)
	err = steps(s.marks, from, to, c.peers, func(i, end int) error {
		if s.marks[i] == newPartition {
			c.n, c.sum = 0, 0
		}
		for k := i; k < end; k++ {
			if pass == nil || pass[k] {
				c.add(args, k)
			}
		}
		for range end - i {
			switch {
			case !c.values:
				b.UnsafeAppend(c.n)
			case c.n == 0:
				b.AppendNull()
			default:
				b.UnsafeAppend(c.sum)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return b.NewArray(), nil
}

// add takes a row in.
func (c *summing) add(args []function.Vec, row int) {
	switch {
	case len(args) == 0:
		c.n++
	case c.values:
		if v, ok := intAt(args[0], row); ok {
			c.n++
			c.sum += v
		}
	case args[0].DataType().ID() != arrow.NULL && args[0].IsValid(args[0].At(row)):
		c.n++
	}
}
