package exec

import (
	"bytes"
	"context"
	"io"
	"math"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/plan"
)

// limit is LIMIT, OFFSET and FETCH FIRST .. WITH TIES.
type limit struct {
	node  *plan.Limit
	input Operator
	ev    *evaluator
	ties  *sortKeys // nil without WITH TIES
	skip  int64
	left  int64
	last  []byte // key of the last row within the limit, for ties
	begun bool
	done  bool
}

func (f *frame) buildLimit(n *plan.Limit) (Operator, error) {
	in, err := f.build(n.Input)
	if err != nil {
		return nil, err
	}
	l := &limit{node: n, input: in, ev: f.evaluator()}
	if len(n.WithTies) > 0 {
		l.ties = f.sortKeys(n.WithTies)
	}
	return l, nil
}

func (l *limit) Schema() *arrow.Schema { return l.input.Schema() }

// begin computes the bounds.
func (l *limit) begin(ctx context.Context) error {
	l.begun = true
	n, ok, err := l.ev.bound(ctx, l.node.Offset)
	if err != nil {
		return err
	}
	if ok && n < 0 {
		return pgerr.New(pgerr.InvalidRowCountOffset, "OFFSET must not be negative")
	}
	l.skip = n
	n, ok, err = l.ev.bound(ctx, l.node.Count)
	if err != nil {
		return err
	}
	if ok && n < 0 {
		return pgerr.New(pgerr.InvalidRowCountLimit, "LIMIT must not be negative")
	}
	l.left = math.MaxInt64
	if ok {
		l.left = n
	}
	l.done = l.left == 0
	return nil
}

func (l *limit) Next(ctx context.Context) (arrow.RecordBatch, error) {
	if !l.begun {
		if err := l.begin(ctx); err != nil {
			return nil, err
		}
	}
	for !l.done {
		b, err := l.input.Next(ctx)
		if err != nil {
			return nil, err
		}
		out, err := l.cut(ctx, b)
		b.Release()
		if err != nil {
			return nil, err
		}
		if out != nil {
			if l.done { // let go of the input's workers and memory at once
				if err := l.input.Close(); err != nil {
					out.Release()
					return nil, err
				}
			}
			return out, nil
		}
	}
	return nil, io.EOF
}

// cut returns the rows of b within the bounds, nil if there are none.
func (l *limit) cut(ctx context.Context, b arrow.RecordBatch) (arrow.RecordBatch, error) {
	n := b.NumRows()
	if l.skip >= n {
		l.skip -= n
		return nil, nil
	}
	from := l.skip
	l.skip = 0
	to := n
	if l.left < n-from {
		to = from + l.left
	}
	l.left -= to - from
	if l.left == 0 && l.ties == nil {
		l.done = true
	}
	if l.left == 0 && l.ties != nil {
		end, err := l.tied(ctx, b, to)
		if err != nil {
			return nil, err
		}
		l.done = end < n
		to = end
	}
	if from == to {
		return nil, nil
	}
	return b.NewSlice(from, to), nil
}

// tied returns the end of the rows from row to on whose key is that of the last
// row within the limit.
func (l *limit) tied(ctx context.Context, b arrow.RecordBatch, to int64) (int64, error) {
	vs, err := l.ties.eval(ctx, b)
	if err != nil {
		return 0, err
	}
	defer releaseVecs(vs)
	if l.last == nil {
		l.last = l.ties.append([]byte{}, vs, int(to-1))
	}
	var key []byte
	for ; to < b.NumRows(); to++ {
		key = l.ties.append(key[:0], vs, int(to))
		if !bytes.Equal(key, l.last) {
			break
		}
	}
	return to, nil
}

func (l *limit) Close() error {
	l.done = true
	return l.input.Close()
}
