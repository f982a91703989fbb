package bind

import (
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/function"
	"github.com/phyllodb/phyllo/query/plan"
)

// A cteScope is what a WITH clause defines, over the ones around it.
type cteScope struct {
	parent *cteScope
	defs   []*cteDef
	// later are names that the clause defines further on.
	later map[string]bool
}

// A cteDef is a WITH query.
type cteDef struct {
	name   string
	id     int
	fields []plan.Field
	def    plan.CTEDef
	// refused is the error of a reference that is not allowed (yet).
	refused error
	refs    int
	added   int // columns of SEARCH and CYCLE, which * does not stand for while the query is bound
	// step: it runs before the statement, which reads the rows that it left (chain.go).
	step bool
}

func (s *cteScope) find(name string) *cteDef {
	for ; s != nil; s = s.parent {
		for _, d := range s.defs {
			if d.name == name {
				return d
			}
		}
	}
	return nil
}

// forward says whether a name is defined, but further on.
func (s *cteScope) forward(name string) bool {
	for ; s != nil; s = s.parent {
		if s.later[name] {
			return true
		}
	}
	return false
}

// references counts the places where queries of WITH are read.
func (s *cteScope) references() int {
	n := 0
	for ; s != nil; s = s.parent {
		for _, d := range s.defs {
			n += d.refs
		}
	}
	return n
}

// wrap puts the queries of a WITH clause around a query.
func (s *cteScope) wrap(body plan.Node) plan.Node {
	n := &plan.CTE{Body: body}
	for _, d := range s.defs {
		if d.refs > 0 && !d.step {
			n.Defs = append(n.Defs, d.def)
		}
	}
	if len(n.Defs) == 0 {
		return body
	}
	return n
}

// with binds a WITH clause.
func (b *binder) with(w *ast.With, lv *level) (*cteScope, error) {
	if w == nil {
		return lv.ctes, nil
	}
	chained, err := b.chained(w, lv)
	if err != nil {
		return nil, err
	}
	s := &cteScope{parent: lv.ctes, later: map[string]bool{}}
	for _, c := range w.CTEs {
		if s.later[c.Name] {
			return nil, pgerr.New(pgerr.DuplicateAlias, "WITH query name %q specified more than once", c.Name).At(c.Position())
		}
		s.later[c.Name] = true
	}
	list := w.CTEs
	if w.Recursive {
		if list, err = dependencyOrder(list); err != nil {
			return nil, err
		}
	}
	for _, c := range list {
		if !w.Recursive {
			delete(s.later, c.Name)
		}
		bindDef := b.cte
		if chained {
			bindDef = b.step
		}
		d, err := bindDef(c, w.Recursive, s, lv)
		if err != nil {
			return nil, err
		}
		delete(s.later, c.Name)
		s.defs = append(s.defs, d)
	}
	return s, nil
}

func (b *binder) cte(c *ast.CTE, recursive bool, s *cteScope, lv *level) (*cteDef, error) {
	sel, ok := c.Stmt.(*ast.Select)
	if !ok {
		return nil, pgerr.New(pgerr.InternalError, "WITH query %q is bound as a query", c.Name)
	}
	b.nextCTE++
	d := &cteDef{name: c.Name, id: b.nextCTE}
	d.def = plan.CTEDef{ID: d.id, Name: c.Name, Materialized: c.Materialized}
	inner := &level{parent: lv.parent, corr: lv.corr, ctes: s}
	if !recursive && (c.Search != nil || c.Cycle != nil) {
		return nil, pgerr.New(pgerr.SyntaxError, "WITH query is not recursive").At(c.Position())
	}
	if recursive {
		done, err := b.recursiveCTE(c, sel, d, inner)
		if err != nil || done {
			return d, err
		}
	}
	n, err := b.selectStmt(sel, inner, nil)
	if err != nil {
		return nil, err
	}
	d.def.Init = n
	d.fields = n.Fields()
	return d, d.rename(c)
}

// rename gives a WITH query the column names of its alias.
func (d *cteDef) rename(c *ast.CTE) error {
	fields := append([]plan.Field(nil), d.fields...)
	if len(c.Columns) > len(fields) {
		return pgerr.New(pgerr.InvalidColumnReference, "WITH query %q has %d columns available but %d columns specified",
			c.Name, len(fields), len(c.Columns)).At(c.Position())
	}
	for i, n := range c.Columns {
		fields[i].Name = n
	}
	for i := range fields {
		fields[i].Table, fields[i].Column = 0, 0
	}
	d.fields = fields
	return nil
}

// recursiveCTE binds a query of WITH RECURSIVE that is a UNION. done is false
// if it does not refer to itself after all.
func (b *binder) recursiveCTE(c *ast.CTE, sel *ast.Select, d *cteDef, lv *level) (done bool, err error) {
	form := pgerr.New(pgerr.InvalidRecursion,
		"recursive query %q does not have the form non-recursive-term UNION [ALL] recursive-term", c.Name).At(c.Position())
	self := &cteScope{parent: lv.ctes, defs: []*cteDef{d}}
	inner := &level{parent: lv.parent, corr: lv.corr, ctes: self}
	if sel.SetOp == nil || sel.SetOp.Kind != ast.Union {
		if c.Search != nil || c.Cycle != nil {
			return false, pgerr.New(pgerr.SyntaxError, "WITH query is not recursive").At(c.Position())
		}
		d.refused = form
		_, err := b.selectStmt(sel, inner, nil)
		d.refused = nil
		return false, err
	}
	if inner.ctes, err = b.with(sel.With, inner); err != nil {
		return false, err
	}
	d.refused = pgerr.New(pgerr.InvalidRecursion, "recursive reference to query %q must not appear within its non-recursive term", c.Name)
	if sel, d.added, err = b.rewritten(c, sel, inner); err != nil {
		return false, err
	}
	init, err := b.selectStmt(sel.SetOp.Left, inner, keepUnknowns)
	if err != nil {
		return false, err
	}
	d.refused = nil
	if init, err = b.resolveOutput(init); err != nil {
		return false, err
	}
	d.fields = init.Fields()
	if err := d.rename(c); err != nil {
		return false, err
	}
	if err := checkRecursion(c.Name, sel); err != nil {
		return false, err
	}
	step, err := b.selectStmt(sel.SetOp.Right, inner, keepUnknowns)
	if err != nil {
		return false, err
	}
	if d.refs == 0 {
		d.fields = nil
		return false, nil
	}
	d.refs, d.added = 0, 0
	if aggregatesOver(step, d.id) {
		return false, pgerr.New(pgerr.InvalidRecursion, "aggregate functions are not allowed in a recursive query's recursive term").At(sel.SetOp.Right.Position())
	}
	if step, err = b.recursiveStep(c, sel, init, step); err != nil {
		return false, err
	}
	d.def.Init, d.def.Step, d.def.UnionAll = init, step, sel.SetOp.All
	if sel.With != nil {
		d.def.Init, d.def.Step = inner.ctes.wrap(init), inner.ctes.wrap(step)
	}
	return true, nil
}

// aggregatesOver says whether a plan aggregates rows of a WITH query.
func aggregatesOver(n plan.Node, id int) bool {
	if a, ok := n.(*plan.Aggregate); ok && reads(a.Input, id) {
		return true
	}
	for _, in := range n.Inputs() {
		if aggregatesOver(in, id) {
			return true
		}
	}
	return false
}

func reads(n plan.Node, id int) bool {
	if s, ok := n.(*plan.CTEScan); ok && s.ID == id {
		return true
	}
	for _, in := range n.Inputs() {
		if reads(in, id) {
			return true
		}
	}
	return false
}

// recursiveStep converts the columns of the recursive term, which must not
// change the types that the first term has.
func (b *binder) recursiveStep(c *ast.CTE, sel *ast.Select, init, step plan.Node) (plan.Node, error) {
	lf, rf := init.Fields(), step.Fields()
	if len(lf) != len(rf) {
		return nil, pgerr.New(pgerr.SyntaxError, "each UNION query must have the same number of columns").At(sel.SetOp.Right.Position())
	}
	types := make([]datum.Type, len(lf))
	for i := range lf {
		t, err := b.commonTypeOf([]datum.OID{lf[i].Type.OID, rf[i].Type.OID}, "UNION", nil)
		if err != nil {
			return nil, err
		}
		if t != lf[i].Type.OID || lf[i].Type.Domain != rf[i].Type.Domain {
			return nil, pgerr.New(pgerr.DatatypeMismatch,
				"recursive query %q column %d has type %s in non-recursive term but type %s overall",
				c.Name, i+1, b.typeText(lf[i].Type.Declared()), b.typeText(t)).
				WithHint("Cast the output of the non-recursive term to the correct type.").At(b.outputPos(init, i))
		}
		if mod := lf[i].Type.Mod; mod >= 0 && mod != rf[i].Type.Mod {
			return nil, pgerr.New(pgerr.DatatypeMismatch,
				"recursive query %q column %d has type %s in non-recursive term but type %s overall",
				c.Name, i+1, function.TypeText(b.functionContext(), lf[i].Type), b.typeText(t)).
				WithHint("Cast the output of the non-recursive term to the correct type.").At(b.outputPos(init, i))
		}
		types[i] = lf[i].Type
		if !sel.SetOp.All {
			if err := b.needEqual(t, 0); err != nil {
				return nil, err
			}
		}
	}
	return b.convertOutput(step, types, "UNION")
}

// cteRef reads a WITH query.
func (b *binder) cteRef(c *cteDef, t *ast.TableRef, pos int) (*source, error) {
	if c.refused != nil {
		return nil, at(c.refused, pos)
	}
	c.refs++
	n := &plan.CTEScan{ID: c.id, Name: c.name, Out: c.fields}
	alias := t.Name.Name
	it := itemOver(alias, n.Out)
	it.unlockable = "a WITH query"
	for i := range c.added {
		it.cols[len(it.cols)-1-i].added = true
	}
	return &source{node: n, items: []*item{it}}, aliasColumns(it, t.Alias, pos)
}
