package exec

import (
	"errors"
	"fmt"

	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/plan"
)

// build makes the operators of a plan.
func (f *frame) build(n plan.Node) (Operator, error) {
	if p, err := f.buildPipeline(n); err != nil {
		return nil, err
	} else if p != nil {
		return &exchange{p: p}, nil // counts its rows by stage
	}
	op, err := f.buildOperator(n)
	if err != nil {
		return nil, err
	}
	if st := f.rt.Stats.node(n); st != nil {
		op = &measured{Operator: op, stats: st}
	}
	return op, nil
}

func (f *frame) buildOperator(n plan.Node) (Operator, error) {
	switch n := n.(type) {
	case *plan.Filter:
		return f.over(n.Input, f.filterStage(n, schemaOf(n.Fields()), nil, n.Cond))
	case *plan.Project:
		return f.over(n.Input, f.projectStage(n))
	case *plan.ProjectSet:
		return f.over(n.Input, f.projectSetStage(n))
	case *plan.Sample:
		return f.over(n.Input, f.sampleStage(n))
	case *plan.VirtualScan:
		return newVirtualScan(f, n), nil
	case *plan.Values:
		return newValues(f, n), nil
	case *plan.FunctionScan:
		return newFunctionScan(f, n), nil
	case *plan.Aggregate:
		return f.buildAggregate(n)
	case *plan.ScanAggregate:
		return newScanAggregate(f, n), nil
	case *plan.Sort:
		return f.buildSort(n)
	case *plan.Limit:
		return f.buildLimit(n)
	case *plan.LockRows:
		return f.buildLockRows(n)
	case *plan.Distinct:
		return f.buildDistinct(n)
	case *plan.Join:
		return f.buildJoin(n)
	case *plan.AsofJoin:
		return f.buildAsofJoin(n)
	case *plan.Apply:
		return f.buildApply(n)
	case *plan.Number:
		return f.over(n.Input, f.numberStage(n))
	case *plan.FirstOf:
		return f.over(n.Input, f.firstOfStage(n))
	case *plan.SetOp:
		return f.buildSetOp(n)
	case *plan.CTE:
		return f.buildCTE(n)
	case *plan.CTEScan:
		return f.buildCTEScan(n)
	case *plan.Gapfill:
		return f.buildGapfill(n)
	case *plan.Window:
		return f.buildWindow(n)
	}
	return nil, fmt.Errorf("exec: bug: unknown plan node %T", n)
}

// over builds a node's operator from its input and the stage that it is.
func (f *frame) over(input plan.Node, s stageSpec) (Operator, error) {
	in, err := f.build(input)
	if err != nil {
		return nil, err
	}
	s.stats = nil // measured as an operator
	if _, ok := s.shared.(*preparedSubqueries); ok {
		s.shared = nil // they can run when they are needed
	}
	p := &pipeline{fr: f, input: in, stages: []stageSpec{s}, schema: s.schema}
	return &exchange{p: p}, nil
}

// buildPipeline makes the pipeline of a scan and of what stands above it and may
// run in its workers; nil if n is something else.
func (f *frame) buildPipeline(n plan.Node) (*pipeline, error) {
	switch n := n.(type) {
	case *plan.Scan:
		return f.scanPipeline(n), nil
	case *plan.Filter:
		if !parallelSafe(n.Cond) {
			return nil, nil
		}
		p, err := f.buildPipeline(n.Input)
		if p == nil || err != nil {
			return nil, err
		}
		return p.then(f.filterStage(n, p.schema, nil, n.Cond)), nil
	case *plan.Project:
		if !parallelSafe(n.Exprs...) {
			return nil, nil
		}
		p, err := f.buildPipeline(n.Input)
		if p == nil || err != nil {
			return nil, err
		}
		return p.then(f.projectStage(n)), nil
	case *plan.Sample:
		p, err := f.buildPipeline(n.Input)
		if p == nil || err != nil {
			return nil, err
		}
		return p.then(f.sampleStage(n)), nil
	case *plan.Number:
		p, err := f.buildPipeline(n.Input)
		if p == nil || err != nil {
			return nil, err
		}
		return p.then(f.numberStage(n)), nil
	case *plan.Join:
		if !canHash(n) || !parallelSafe(n.EquiLeft...) || !parallelSafe(n.Cond) {
			return nil, nil
		}
		p, err := f.buildPipeline(n.Left)
		if p == nil || err != nil {
			return nil, err
		}
		s, err := f.hashJoinStage(n)
		if err != nil {
			return nil, errors.Join(err, p.close())
		}
		s.shared.(*hashJoin).pushTo(p.scan)
		return p.then(s), nil
	}
	return nil, nil
}

// scanPipeline reads a scan; its filter is the first stage. What of the filter is
// not safe in workers makes the whole scan a serial one.
func (f *frame) scanPipeline(n *plan.Scan) *pipeline {
	src := newScanSource(f, n)
	p := &pipeline{fr: f, scan: src, schema: src.schema}
	if len(n.Filter) > 0 {
		src.serial = !parallelSafe(n.Filter...)
		p = p.then(f.filterStage(n, p.schema, &src.returned, plan.And(n.Filter...)))
	}
	return p
}

// input makes a pipeline of any node, for operators that fold all their input.
func (f *frame) input(n plan.Node) (*pipeline, error) {
	p, err := f.buildPipeline(n)
	if p != nil || err != nil {
		return p, err
	}
	op, err := f.build(n)
	if err != nil {
		return nil, err
	}
	return &pipeline{fr: f, input: op, schema: op.Schema()}, nil
}

// subqueriesIn prepares the uncorrelated subqueries of a stage's expressions
// before its workers start.
func (f *frame) subqueriesIn(es ...expr.Expr) sharedStage {
	var found []*expr.Subquery
	for _, e := range es {
		if e == nil {
			continue
		}
		plan.Walk(e, func(x expr.Expr) bool {
			if s, ok := x.(*expr.Subquery); ok && len(s.Outer) == 0 {
				found = append(found, s)
			}
			return true
		})
	}
	if len(found) == 0 {
		return nil
	}
	return &preparedSubqueries{fr: f, list: found}
}
