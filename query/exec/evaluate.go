package exec

import (
	"context"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/function"
	"github.com/phyllodb/phyllo/query/plan"
)

// An evaluator computes expressions in a frame. It is used by one goroutine.
type evaluator struct {
	fr *frame
	c  *expr.Context
}

func (f *frame) evaluator() *evaluator {
	fc := *f.rt.Function
	ev := &evaluator{fr: f}
	ev.c = &expr.Context{Context: &fc, Params: f.rt.Params, Outer: f.outer, Subqueries: f}
	return ev
}

// eval computes e for every row of b; the caller releases the Vec's array.
func (ev *evaluator) eval(ctx context.Context, e expr.Expr, b arrow.RecordBatch) (function.Vec, error) {
	if c, ok := e.(*expr.Column); ok {
		a := b.Column(c.Index)
		a.Retain()
		return function.Vec{Array: a, T: c.T}, nil
	}
	ev.c.Context.Context = ctx
	v, err := expr.Eval(ev.c, e, b)
	if err != nil {
		return function.Vec{}, err
	}
	if n := int(b.NumRows()); !v.Const && v.Len() != n || v.Const && v.Len() != 1 {
		v.Release()
		return function.Vec{}, fmt.Errorf("exec: bug: %T has %d values for %d rows", e, v.Len(), n)
	}
	v.T = e.Type()
	return v, nil
}

// evalValues computes e for the distinct values of a column of b; col is nil if it
// cannot be. The caller releases the Vec's array.
func (ev *evaluator) evalValues(ctx context.Context, e expr.Expr, b *chunk.CodedBatch) (col *chunk.Coded, v function.Vec, err error) {
	ev.c.Context.Context = ctx
	col, v, err = expr.OfValues(ev.c, e, b)
	v.T = e.Type()
	return col, v, err
}

// evalAll computes several expressions; the caller releases them by releaseVecs.
func (ev *evaluator) evalAll(ctx context.Context, es []expr.Expr, b arrow.RecordBatch) ([]function.Vec, error) {
	vs := make([]function.Vec, 0, len(es))
	for _, e := range es {
		v, err := ev.eval(ctx, e, b)
		if err != nil {
			releaseVecs(vs)
			return nil, err
		}
		vs = append(vs, v)
	}
	return vs, nil
}

func releaseVecs(vs []function.Vec) {
	for _, v := range vs {
		if v.Array != nil {
			v.Release()
		}
	}
}

// columns computes expressions as arrays of the batch's length.
func (ev *evaluator) columns(ctx context.Context, es []expr.Expr, b arrow.RecordBatch) ([]arrow.Array, error) {
	vs, err := ev.evalAll(ctx, es, b)
	if err != nil {
		return nil, err
	}
	out := make([]arrow.Array, len(vs))
	for i, v := range vs {
		out[i] = expand(ev.fr.mem(), v, int(b.NumRows()))
	}
	return out, nil
}

// expand makes an array of n rows of a Vec, whose reference it takes over.
func expand(mem memory.Allocator, v function.Vec, n int) arrow.Array {
	if !v.Const {
		return v.Array
	}
	if n == 1 {
		return v.Array
	}
	defer v.Release()
	return gather(mem, v.Array, make([]int32, n))
}

// keep returns the rows of b for which cond is true; all says that these are all
// rows.
func (ev *evaluator) keep(ctx context.Context, cond expr.Expr, b arrow.RecordBatch) (rows []int32, all bool, err error) {
	ev.c.Context.Context = ctx
	rows, err = expr.Filter(ev.c, cond, b)
	return rows, err == nil && len(rows) == int(b.NumRows()), err
}

// oneRow is a batch of one row without columns, over which constants are computed.
func oneRow() arrow.RecordBatch {
	return batchOf(noColumns, nil, 1)
}

var noColumns = arrow.NewSchema(nil, nil)

// scalar computes an expression without columns.
func (ev *evaluator) scalar(ctx context.Context, e expr.Expr) (datum.Value, error) {
	switch e := e.(type) {
	case nil:
		return nil, nil
	case *expr.Const:
		return e.Value, nil
	}
	b := oneRow()
	defer b.Release()
	v, err := ev.eval(ctx, e, b)
	if err != nil {
		return nil, err
	}
	defer v.Release()
	return datum.ValueAt(e.Type(), v.Array, 0), nil
}

// parallelSafe says that an expression may be computed by several workers, in any
// order: it has nothing volatile in it and no subquery that depends on the row.
func parallelSafe(es ...expr.Expr) bool {
	for _, e := range es {
		if e != nil && plan.Any(e, serialOnly) {
			return false
		}
	}
	return true
}

func serialOnly(e expr.Expr) bool {
	switch e := e.(type) {
	case *expr.Call:
		return e.Fn.Volatility == function.Volatile
	case *expr.Subquery:
		return len(e.Outer) > 0
	}
	return false
}

// hasSubquery says that an expression runs a subquery.
func hasSubquery(e expr.Expr) bool {
	return e != nil && plan.Any(e, func(x expr.Expr) bool {
		_, ok := x.(*expr.Subquery)
		return ok
	})
}
