package exec

import (
	"context"
	"sync/atomic"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/plan"
)

// filter is a stage that keeps the rows for which a condition is true.
type filter struct {
	ev   *evaluator
	cond expr.Expr
	// passed, if not nil, counts the rows for the limit of the scan below.
	passed *atomic.Int64
}

func (f *frame) filterStage(n plan.Node, s *arrow.Schema, passed *atomic.Int64, cond expr.Expr) stageSpec {
	return stageSpec{
		node: n, schema: s,
		make:   func() stage { return &filter{ev: f.evaluator(), cond: cond, passed: passed} },
		shared: f.subqueriesIn(cond),
		exprs:  []expr.Expr{cond}, passes: true,
	}
}

func (f *filter) apply(ctx context.Context, in arrow.RecordBatch, emit emitFunc) error {
	rows, all, err := f.ev.keep(ctx, f.cond, in)
	if err != nil || len(rows) == 0 {
		return err
	}
	if f.passed != nil {
		f.passed.Add(int64(len(rows)))
	}
	if all {
		in.Retain()
		return emit(in)
	}
	out, err := selectRows(f.ev.fr.mem(), in, rows)
	if err != nil {
		return err
	}
	return emit(out)
}
