package optimize

import (
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/plan"
)

// scanAggregates folds aggregates without keys over a plain scan inside the scan,
// which can answer them from manifests and encoded data.
func (c *Context) scanAggregates(n plan.Node) plan.Node {
	return c.rewrite(n, func(m plan.Node) plan.Node {
		a, ok := m.(*plan.Aggregate)
		if !ok || len(a.Keys) > 0 || a.Sets != nil || len(a.Calls) == 0 {
			return m
		}
		if s := c.scanAggregate(a); s != nil {
			return s
		}
		return m
	})
}

// scanOf returns the scan below projections of plain columns, and which of its
// columns each column is.
func scanOf(n plan.Node) (*plan.Scan, []int) {
	switch m := n.(type) {
	case *plan.Scan:
		return m, numbers(len(m.Out))
	case *plan.Project:
		s, at := scanOf(m.Input)
		if s == nil {
			return nil, nil
		}
		out := make([]int, len(m.Exprs))
		for i, e := range m.Exprs {
			out[i] = -1
			if col, ok := e.(*expr.Column); ok {
				out[i] = at[col.Index]
			}
		}
		return s, out
	}
	return nil, nil
}

func (c *Context) scanAggregate(a *plan.Aggregate) plan.Node {
	s, at := scanOf(a.Input)
	if s == nil || len(s.Filter) > 0 || s.Limit > 0 {
		return nil
	}
	b := &scanAggregateBuilder{c: c, scan: s, at: at, out: &plan.ScanAggregate{Out: a.Out}}
	for _, call := range a.Calls {
		e := b.call(call)
		if e == nil {
			return nil
		}
		b.out.Finish = append(b.out.Finish, e)
	}
	scan := *s
	scan.Out, scan.Spec.Columns = nil, nil
	b.out.Scan = &scan
	return b.out
}

type scanAggregateBuilder struct {
	c    *Context
	scan *plan.Scan
	at   []int
	out  *plan.ScanAggregate
}

// call returns the expression over the scan's aggregates that a call becomes, nil
// if there is none.
func (b *scanAggregateBuilder) call(a plan.AggCall) expr.Expr {
	if a.Distinct || a.Filter != nil || len(a.OrderBy) > 0 || len(a.Direct) > 0 {
		return nil
	}
	int8 := datum.Of(datum.Int8)
	if len(a.Args) == 0 {
		if a.Agg.Scan != "count" {
			return nil
		}
		return b.aggregate(chunk.Aggregate{Func: chunk.AggCountStar}, int8)
	}
	if len(a.Args) != 1 {
		return nil
	}
	if a.Agg.Scan == "count" {
		if v, ok := constant(a.Args[0]); ok && v != nil {
			return b.aggregate(chunk.Aggregate{Func: chunk.AggCountStar}, int8)
		}
	}
	arg := a.Args[0]
	for {
		r, ok := arg.(*expr.Relabel)
		if !ok {
			break
		}
		arg = r.Arg
	}
	col, ok := arg.(*expr.Column)
	if !ok || b.at[col.Index] < 0 {
		return nil
	}
	field := b.scan.Out[b.at[col.Index]]
	agg := chunk.Aggregate{Column: b.scan.Spec.Columns[b.at[col.Index]]}
	switch a.Agg.Scan {
	case "count":
		agg.Func = chunk.AggCount
		return b.aggregate(agg, int8)
	case "min", "max":
		if trueText(field.Type.OID) != trueText(a.T.OID) && field.Type.OID != a.T.OID {
			return nil
		}
		agg.Func = chunk.AggMin
		if a.Agg.Scan == "max" {
			agg.Func = chunk.AggMax
		}
		e := b.aggregate(agg, field.Type)
		if field.Type != a.T {
			e = &expr.Relabel{Arg: e, T: a.T}
		}
		return e
	case "sum":
		return b.sum(agg, field.Type.OID, a.T)
	}
	if a.Agg.Name == "avg" {
		return b.avg(agg, field.Type.OID, a.T)
	}
	return nil
}

func trueText(t datum.OID) bool { return t == datum.Text || t == datum.Varchar }

// aggregate adds a scan aggregate, or finds it, and returns its column.
func (b *scanAggregateBuilder) aggregate(a chunk.Aggregate, t datum.Type) expr.Expr {
	for i, o := range b.out.Aggs {
		if o == a && b.typeAt(i) == t {
			return &expr.Column{Index: i, T: t}
		}
	}
	b.out.Aggs = append(b.out.Aggs, a)
	return &expr.Column{Index: len(b.out.Aggs) - 1, T: t}
}

// typeAt is the type that the expressions so far give to an aggregate.
func (b *scanAggregateBuilder) typeAt(i int) datum.Type {
	var t datum.Type
	for _, e := range b.out.Finish {
		plan.Walk(e, func(x expr.Expr) bool {
			if c, ok := x.(*expr.Column); ok && c.Index == i {
				t = c.T
			}
			return true
		})
	}
	return t
}

func (b *scanAggregateBuilder) sum(agg chunk.Aggregate, column datum.OID, result datum.Type) expr.Expr {
	agg.Func = chunk.AggSum
	switch column {
	case datum.Int2, datum.Int4, datum.Int8, datum.Float4, datum.Float8:
		return b.aggregate(agg, result)
	}
	return nil
}

// avg is the sum divided by the count, NULL if nothing counted.
func (b *scanAggregateBuilder) avg(agg chunk.Aggregate, column datum.OID, result datum.Type) expr.Expr {
	t := datum.Of(datum.Float8)
	switch column {
	case datum.Int2, datum.Int4, datum.Int8:
		t = datum.Of(datum.Numeric)
	case datum.Float4, datum.Float8:
	default:
		return nil
	}
	if result.OID != t.OID {
		return nil
	}
	div := b.c.find("/", t.OID, t.OID)
	cast, ok := b.c.Registry.Cast(datum.Int8, t.OID)
	if div == nil || !ok || cast.Fn == nil {
		return nil
	}
	agg.Func = chunk.AggSum
	sum := b.aggregate(agg, t)
	agg.Func = chunk.AggCount
	count := b.aggregate(agg, datum.Of(datum.Int8))
	n := &expr.Call{Fn: cast.Fn, Args: []expr.Expr{count}, T: t}
	return &expr.Case{
		Whens: []expr.When{{Cond: &expr.IsNull{Arg: sum, Not: true}, Then: &expr.Call{Fn: div.Fn, Args: []expr.Expr{sum, n}, T: t}}},
		T:     t,
	}
}
