package bind

import (
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/plan"
)

// An aggRef stands for an aggregate until the Aggregate node is made. Its
// children are those of the call.
type aggRef struct {
	call plan.AggCall
	pos  int
}

func (a *aggRef) Type() datum.Type { return a.call.T }

func (a *aggRef) Children() []expr.Expr {
	c := append([]expr.Expr(nil), a.call.Args...)
	c = append(c, a.call.Direct...)
	for _, k := range a.call.OrderBy {
		c = append(c, k.Expr)
	}
	if a.call.Filter != nil {
		c = append(c, a.call.Filter)
	}
	return c
}

func (a *aggRef) WithChildren(c []expr.Expr) expr.Expr {
	n := *a
	n.call.Args, c = c[:len(a.call.Args):len(a.call.Args)], c[len(a.call.Args):]
	n.call.Direct, c = c[:len(a.call.Direct):len(a.call.Direct)], c[len(a.call.Direct):]
	n.call.OrderBy, c = sortKeysWith(a.call.OrderBy, c)
	if a.call.Filter != nil {
		n.call.Filter = c[0]
	}
	return &n
}

func sortKeysWith(keys []plan.SortKey, c []expr.Expr) ([]plan.SortKey, []expr.Expr) {
	out := make([]plan.SortKey, len(keys))
	for i, k := range keys {
		out[i] = plan.SortKey{Expr: c[i], Desc: k.Desc, NullsFirst: k.NullsFirst}
	}
	return out, c[len(keys):]
}

// sameCall says whether two aggregates compute the same.
func sameCall(a, b plan.AggCall) bool {
	if a.Agg != b.Agg || a.Distinct != b.Distinct || a.T != b.T ||
		!plan.EqualAll(a.Args, b.Args) || !plan.EqualAll(a.Direct, b.Direct) ||
		(a.Filter == nil) != (b.Filter == nil) || a.Filter != nil && !plan.Equal(a.Filter, b.Filter) {
		return false
	}
	return sameKeys(a.OrderBy, b.OrderBy)
}

func sameKeys(a, b []plan.SortKey) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Desc != b[i].Desc || a[i].NullsFirst != b[i].NullsFirst || !plan.Equal(a[i].Expr, b[i].Expr) {
			return false
		}
	}
	return true
}

// A winRef stands for a window function until its Window node is made.
type winRef struct {
	call      plan.WindowCall
	partition []expr.Expr
	order     []plan.SortKey
	pos       int
}

func (w *winRef) Type() datum.Type { return w.call.T }

func (w *winRef) Children() []expr.Expr {
	c := append([]expr.Expr(nil), w.call.Args...)
	c = append(c, w.partition...)
	for _, k := range w.order {
		c = append(c, k.Expr)
	}
	if w.call.Filter != nil {
		c = append(c, w.call.Filter)
	}
	for _, e := range []expr.Expr{w.call.Frame.Start.Offset, w.call.Frame.End.Offset} {
		if e != nil {
			c = append(c, e)
		}
	}
	return c
}

func (w *winRef) WithChildren(c []expr.Expr) expr.Expr {
	n := *w
	n.call.Args, c = c[:len(w.call.Args):len(w.call.Args)], c[len(w.call.Args):]
	n.partition, c = c[:len(w.partition):len(w.partition)], c[len(w.partition):]
	n.order, c = sortKeysWith(w.order, c)
	if w.call.Filter != nil {
		n.call.Filter, c = c[0], c[1:]
	}
	if w.call.Frame.Start.Offset != nil {
		n.call.Frame.Start.Offset, c = c[0], c[1:]
	}
	if w.call.Frame.End.Offset != nil {
		n.call.Frame.End.Offset = c[0]
	}
	return &n
}

// A setRef stands for a set-returning function of a select list.
type setRef struct {
	call plan.SetCall
	pos  int
}

func (s *setRef) Type() datum.Type      { return s.call.T }
func (s *setRef) Children() []expr.Expr { return s.call.Args }
func (s *setRef) WithChildren(c []expr.Expr) expr.Expr {
	n := *s
	n.call.Args = c
	return &n
}

// SameHead compares calls without their arguments.
func (s *setRef) SameHead(e expr.Expr) bool {
	o, ok := e.(*setRef)
	return ok && o.call.Fn == s.call.Fn
}

// A groupingRef is GROUPING(...) until the grouping sets are known.
type groupingRef struct {
	args []expr.Expr
	pos  int
}

func (g *groupingRef) Type() datum.Type      { return datum.Of(datum.Int4) }
func (g *groupingRef) Children() []expr.Expr { return g.args }
func (g *groupingRef) WithChildren(c []expr.Expr) expr.Expr {
	return &groupingRef{args: c, pos: g.pos}
}

func hasAggregate(e expr.Expr) bool {
	return plan.Any(e, func(x expr.Expr) bool { _, ok := x.(*aggRef); return ok })
}

func hasWindow(e expr.Expr) bool {
	return plan.Any(e, func(x expr.Expr) bool { _, ok := x.(*winRef); return ok })
}

func hasSet(e expr.Expr) bool {
	return plan.Any(e, func(x expr.Expr) bool { _, ok := x.(*setRef); return ok })
}
