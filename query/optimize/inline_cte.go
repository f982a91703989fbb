package optimize

import (
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/plan"
)

// inlineCTEs puts WITH queries that are read once (or are NOT MATERIALIZED) in
// the place where they are read, as PostgreSQL does, so that conditions reach them.
func inlineCTEs(n plan.Node) plan.Node {
	return plan.RewriteDeep(n, func(m plan.Node) plan.Node {
		w, ok := m.(*plan.CTE)
		if !ok {
			return m
		}
		out := &plan.CTE{Body: w.Body, Defs: append([]plan.CTEDef(nil), w.Defs...)}
		for i := 0; i < len(out.Defs); i++ {
			d := out.Defs[i]
			if !inlinable(d, out) {
				continue
			}
			replace := func(x plan.Node) plan.Node {
				s, ok := x.(*plan.CTEScan)
				if !ok || s.ID != d.ID {
					return x
				}
				return renamed(d.Init, s.Out)
			}
			out.Defs = append(out.Defs[:i:i], out.Defs[i+1:]...)
			i--
			for j := range out.Defs {
				out.Defs[j].Init = plan.RewriteDeep(out.Defs[j].Init, replace)
				if out.Defs[j].Step != nil {
					out.Defs[j].Step = plan.RewriteDeep(out.Defs[j].Step, replace)
				}
			}
			out.Body = plan.RewriteDeep(out.Body, replace)
		}
		if len(out.Defs) == 0 {
			return out.Body
		}
		return out
	})
}

// inlinable says whether a WITH query may stand where it is read.
func inlinable(d plan.CTEDef, w *plan.CTE) bool {
	if d.Step != nil || d.Materialized != nil && *d.Materialized || volatileDeep(d.Init) || usesOuter(d.Init) {
		return false
	}
	refs, inStep := 0, false
	count := func(n plan.Node, step bool) {
		plan.WalkDeep(n, func(m plan.Node) {
			if s, ok := m.(*plan.CTEScan); ok && s.ID == d.ID {
				refs++
				inStep = inStep || step
			}
		})
	}
	count(w.Body, false)
	for _, o := range w.Defs {
		count(o.Init, false)
		if o.Step != nil {
			count(o.Step, true)
		}
	}
	if inStep {
		return false // it would run once a round
	}
	return refs == 1 || d.Materialized != nil && !*d.Materialized
}

func volatileDeep(n plan.Node) bool {
	found := false
	plan.WalkDeep(n, func(m plan.Node) {
		found = found || plan.Once(m)
		for _, e := range plan.Exprs(m) {
			found = found || plan.IsVolatile(e)
		}
	})
	return found
}

// usesOuter says whether a plan has parameters of outer rows (its own subqueries'
// parameters count too: then it is merely left as it is).
func usesOuter(n plan.Node) bool {
	found := false
	plan.WalkDeep(n, func(m plan.Node) {
		for _, e := range plan.Exprs(m) {
			found = found || plan.Any(e, func(x expr.Expr) bool {
				p, ok := x.(*expr.Param)
				return ok && p.Outer
			})
		}
	})
	return found
}

// renamed gives the columns of a node other names.
func renamed(n plan.Node, fields []plan.Field) plan.Node {
	in := n.Fields()
	es := make([]expr.Expr, len(in))
	for i := range in {
		es[i] = column(in, i)
	}
	return &plan.Project{Input: n, Exprs: es, Out: fields}
}

func column(fields []plan.Field, i int) *expr.Column {
	return &expr.Column{Index: i, Name: fields[i].Name, T: fields[i].Type}
}
