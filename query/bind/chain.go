package bind

import (
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/plan"
)

// A boundStep is a query of a WITH clause that runs as a statement of its own.
type boundStep struct {
	plan.Step
	def *cteDef
}

// chain binds a statement with what its WITH clause changes.
func (b *binder) chain(stmt ast.Stmt) (plan.Statement, error) {
	last, err := b.rowStatement(stmt, &level{top: true})
	if err != nil || len(b.steps) == 0 {
		return last, err
	}
	out := &plan.Chain{Last: last}
	for _, s := range b.steps {
		if _, reads := s.Stmt.(*plan.Query); !reads || s.def.refs > 0 {
			out.Steps = append(out.Steps, s.Step)
		}
	}
	return out, checkChain(out)
}

// chained says whether the queries of a WITH clause run before its statement: if one of
// them changes rows, all do, so that what several of them read is computed once.
func (b *binder) chained(w *ast.With, lv *level) (bool, error) {
	c := w.Changing()
	if c != nil && !lv.top {
		return false, pgerr.Unsupported("WITH clause containing a data-modifying statement must be at the top level").At(c.Position())
	}
	return c != nil || b.allSteps && lv.top, nil
}

// step binds a query of a WITH clause that runs before the statement.
func (b *binder) step(c *ast.CTE, recursive bool, s *cteScope, lv *level) (*cteDef, error) {
	d, stmt, err := b.stepStatement(c, recursive, s, lv)
	if err != nil {
		return nil, err
	}
	d.step = true
	b.steps = append(b.steps, boundStep{plan.Step{ID: d.id, Name: c.Name, Stmt: stmt, Out: d.fields}, d})
	return d, nil
}

func (b *binder) stepStatement(c *ast.CTE, recursive bool, s *cteScope, lv *level) (*cteDef, plan.Statement, error) {
	if _, ok := c.Stmt.(*ast.Select); ok {
		d, err := b.cte(c, recursive, s, lv)
		if err != nil {
			return nil, nil, err
		}
		scan := &plan.CTEScan{ID: d.id, Name: d.name, Out: d.fields}
		return d, &plan.Query{Root: &plan.CTE{Defs: []plan.CTEDef{d.def}, Body: scan}}, nil
	}
	if _, ok := c.Stmt.(*ast.Merge); ok {
		return nil, nil, pgerr.Unsupported("MERGE not supported in WITH query").At(c.Position())
	}
	b.nextCTE++
	d := &cteDef{name: c.Name, id: b.nextCTE}
	if recursive && s.later[c.Name] {
		d.refused = pgerr.New(pgerr.InvalidRecursion, "recursive query %q must not contain data-modifying statements", c.Name).At(c.Position())
	}
	self := &cteScope{parent: s, defs: []*cteDef{d}}
	if !recursive {
		self = s
	}
	stmt, err := b.rowStatement(c.Stmt, &level{ctes: self})
	if err != nil {
		return nil, nil, err
	}
	if d.fields = stmt.Fields(); d.fields == nil {
		d.refused = pgerr.Unsupported("WITH query %q does not have a RETURNING clause", c.Name)
		return d, stmt, nil
	}
	d.refused = nil
	return d, stmt, d.rename(c)
}

// checkChain refuses statements of which two could change the same row: PostgreSQL does
// one of the two changes and does not say which.
func checkChain(c *plan.Chain) error {
	type use struct {
		changes, inserts int
		upserts          bool
	}
	uses := map[datum.OID]*use{}
	for _, w := range plan.Written(c) {
		u := uses[w.Table.OID]
		if u == nil {
			u = &use{}
			uses[w.Table.OID] = u
		}
		if w.Changes || w.Upserts {
			u.changes++
		} else {
			u.inserts++
		}
		u.upserts = u.upserts || w.Upserts
		replaces := w.Table.Keyed() && w.Table.OnDuplicate == schema.DuplicateReplace
		if u.changes > 1 || u.changes > 0 && u.inserts > 0 && (u.upserts || replaces) {
			return pgerr.Unsupported("changing rows of table %q twice in one statement is not supported", w.Table.Name).
				WithHint("Write a statement for each change, between BEGIN and COMMIT.")
		}
	}
	return nil
}
