package exec

import (
	"context"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/plan"
)

// project is a stage that computes expressions.
type project struct {
	ev     *evaluator
	exprs  []expr.Expr
	schema *arrow.Schema
	// byRow: rows are computed one after the other, for what one expression does another one sees.
	byRow bool
}

func (f *frame) projectStage(n *plan.Project) stageSpec {
	s := schemaOf(n.Out)
	return stageSpec{
		node: n, schema: s,
		make: func() stage {
			return &project{ev: f.evaluator(), exprs: n.Exprs, schema: s, byRow: plan.TakeTurns(n.Exprs)}
		},
		shared: f.subqueriesIn(n.Exprs...),
		exprs:  n.Exprs,
	}
}

func (p *project) apply(ctx context.Context, in arrow.RecordBatch, emit emitFunc) error {
	if !p.byRow || in.NumRows() <= 1 {
		return p.compute(ctx, in, emit)
	}
	for i := range in.NumRows() {
		row := in.NewSlice(i, i+1)
		err := p.compute(ctx, row, emit)
		row.Release()
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *project) compute(ctx context.Context, in arrow.RecordBatch, emit emitFunc) error {
	cols, err := p.ev.columns(ctx, p.exprs, in)
	if err != nil {
		return err
	}
	out, err := newBatch(p.schema, cols, int(in.NumRows()))
	if err != nil {
		return err
	}
	return emit(out)
}
