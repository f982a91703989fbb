package bind

import (
	"strings"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/plan"
)

// keepUnknowns is passed to selectStmt to leave bare literals of unknown type.
var keepUnknowns = new(bool)

// setOperation binds UNION, INTERSECT and EXCEPT.
func (b *binder) setOperation(sel *ast.Select, lv *level, keepUnknown *bool) (plan.Node, error) {
	op := sel.SetOp
	// Chains of UNION lean to the left: bind the leaves in a loop.
	var spine []*ast.SetOp
	leaf := sel
	for leaf.SetOp != nil && (leaf == sel || bare(leaf)) {
		spine = append(spine, leaf.SetOp)
		leaf = leaf.SetOp.Left
	}
	acc, err := b.selectStmt(leaf, lv, keepUnknowns)
	if err != nil {
		return nil, err
	}
	for i := len(spine) - 1; i >= 0; i-- {
		r, err := b.selectStmt(spine[i].Right, lv, keepUnknowns)
		if err != nil {
			return nil, err
		}
		if acc, err = b.combineSets(spine[i], acc, r); err != nil {
			return nil, err
		}
	}
	_ = op
	return b.finishSet(sel, acc, lv, "UNION/INTERSECT/EXCEPT")
}

// bare says whether a query is only a set operation, without clauses of its own.
func bare(s *ast.Select) bool {
	return s.With == nil && s.OrderBy == nil && s.Limit == nil && s.Offset == nil && len(s.Locking) == 0
}

// combineSets makes a SetOp of two inputs, whose columns are converted to common types.
func (b *binder) combineSets(op *ast.SetOp, l, r plan.Node) (plan.Node, error) {
	name := map[ast.SetOpKind]string{ast.Union: "UNION", ast.Intersect: "INTERSECT", ast.Except: "EXCEPT"}[op.Kind]
	lf, rf := l.Fields(), r.Fields()
	pos := op.Right.Position()
	if len(op.Right.Targets) > 0 {
		pos = position(op.Right.Targets[0].Expr)
	}
	if len(lf) != len(rf) {
		return nil, pgerr.New(pgerr.SyntaxError, "each %s query must have the same number of columns", name).At(pos)
	}
	kinds := map[ast.SetOpKind][2]plan.SetOpKind{
		ast.Union: {plan.Union, plan.UnionAll}, ast.Intersect: {plan.Intersect, plan.IntersectAll}, ast.Except: {plan.Except, plan.ExceptAll},
	}
	n := &plan.SetOp{Kind: kinds[op.Kind][0]}
	if op.All {
		n.Kind = kinds[op.Kind][1]
	}
	types := make([]datum.Type, len(lf))
	for i := range lf {
		cols := []expr.Expr{fieldColumn(lf, i), fieldColumn(rf, i)}
		t, err := b.commonType(cols, name, []int{b.outputPos(l, i), b.outputPos(r, i)})
		if err != nil {
			return nil, err
		}
		types[i] = datum.Type{OID: t, Mod: commonMod(cols, t), Domain: commonDomain(cols)}
		if !op.All {
			if err := b.needEqual(t, pos); err != nil {
				return nil, err
			}
		}
		n.Out = append(n.Out, plan.Field{Name: lf[i].Name, Type: types[i]})
	}
	var err error
	if n.Left, err = b.convertOutput(l, types, name); err != nil {
		return nil, err
	}
	if n.Right, err = b.convertOutput(r, types, name); err != nil {
		return nil, err
	}
	return n, nil
}

// outputPos is the position of an output column's expression, if it is known.
func (b *binder) outputPos(n plan.Node, i int) int {
	if p, ok := n.(*plan.Project); ok && i < len(p.Exprs) {
		return b.pos[p.Exprs[i]]
	}
	return 0
}

// convertOutput converts the columns of a query to types, literals directly.
func (b *binder) convertOutput(n plan.Node, types []datum.Type, construct string) (plan.Node, error) {
	fields := n.Fields()
	same := true
	for i, t := range types {
		same = same && fields[i].Type.OID == t.OID
	}
	if same {
		return n, nil
	}
	if p, ok := n.(*plan.Project); ok {
		out := &plan.Project{Input: p.Input, Out: append([]plan.Field(nil), p.Out...), Exprs: append([]expr.Expr(nil), p.Exprs...)}
		for i, t := range types {
			x, err := b.toCommon(p.Exprs[i], t.OID, construct, b.pos[p.Exprs[i]])
			if err != nil {
				return nil, err
			}
			if x != p.Exprs[i] {
				out.Exprs[i], out.Out[i] = x, plan.Field{Name: p.Out[i].Name, Type: x.Type()}
			}
		}
		return out, nil
	}
	es := make([]expr.Expr, len(fields))
	for i, t := range types {
		x, err := b.toCommon(fieldColumn(fields, i), t.OID, construct, 0)
		if err != nil {
			return nil, err
		}
		es[i] = x
	}
	return projectAs(n, es), nil
}

// resolveOutput makes columns of unknown type text.
func (b *binder) resolveOutput(n plan.Node) (plan.Node, error) {
	fields := n.Fields()
	types := make([]datum.Type, len(fields))
	for i, f := range fields {
		if types[i] = f.Type; f.Type.OID == datum.Unknown {
			types[i] = datum.Of(datum.Text)
		}
	}
	return b.convertOutput(n, types, "SELECT")
}

// finishSet adds ORDER BY and LIMIT to a query that has only output columns.
func (b *binder) finishSet(sel *ast.Select, n plan.Node, lv *level, what string) (plan.Node, error) {
	p := &selectPlan{b: b, q: &query{frame: &frame{parent: lv.parent, corr: lv.corr}, ctes: lv.ctes}, node: n}
	fields := n.Fields()
	for i, f := range fields {
		p.targets = append(p.targets, target{name: f.Name, e: fieldColumn(fields, i)})
	}
	var keys []plan.SortKey
	for _, it := range sel.OrderBy {
		i, ok, err := p.targetByName(it.Expr, "ORDER BY", clauseOrderBy)
		if err != nil {
			return nil, err
		}
		if !ok {
			if c, isName := it.Expr.(*ast.ColumnRef); isName && len(c.Names) == 1 {
				return nil, pgerr.New(pgerr.UndefinedColumn, "column %q does not exist", c.Names[0]).At(c.Position())
			}
			return nil, pgerr.Unsupported("invalid %s ORDER BY clause", what).
				WithDetail("Only result column names can be used, not expressions or functions.").
				WithHint("Add the expression/function to every SELECT, or move the UNION into a FROM clause.").At(position(it.Expr))
		}
		if keys, err = b.addSortKey(keys, p.targets[i].e, it); err != nil {
			return nil, err
		}
	}
	if keys != nil {
		n = &plan.Sort{Input: n, Keys: keys}
	}
	return b.limitNode(sel, n, keys, p)
}

func (b *binder) limitNode(sel *ast.Select, n plan.Node, keys []plan.SortKey, p *selectPlan) (plan.Node, error) {
	limit, offset, err := b.limits(sel, &scope{frame: &frame{parent: p.q.frame.parent, corr: p.q.frame.corr}, ctes: p.q.ctes})
	if err != nil {
		return nil, err
	}
	if limit == nil && offset == nil {
		return n, nil
	}
	l := &plan.Limit{Input: n, Count: limit, Offset: offset}
	if sel.WithTies {
		l.WithTies = keys
	}
	return l, nil
}

// values binds VALUES as a query of its own.
func (b *binder) values(sel *ast.Select, lv *level, keepUnknown *bool) (plan.Node, error) {
	n, err := b.valuesNode(sel, lv, nil)
	if err != nil {
		return nil, err
	}
	if len(sel.OrderBy) == 0 && sel.Limit == nil && sel.Offset == nil {
		return n, nil
	}
	p := &selectPlan{b: b, node: n}
	it := itemOver("*VALUES*", n.Fields())
	p.q = &query{frame: &frame{items: []*item{it}, parent: lv.parent, corr: lv.corr}, ctes: lv.ctes}
	p.scope = &scope{frame: p.q.frame, q: p.q, ctes: lv.ctes}
	for i, f := range n.Fields() {
		p.targets = append(p.targets, target{name: f.Name, e: fieldColumn(n.Fields(), i)})
		_ = f
	}
	if p.order, err = p.orderBy(sel.OrderBy); err != nil {
		return nil, err
	}
	if err := p.limitOf(sel, p.scope); err != nil {
		return nil, err
	}
	return p.build(sel)
}

// valuesNode binds the rows of VALUES. With want set, its columns are coerced
// by want instead of to their common types; DEFAULT is then allowed.
func (b *binder) valuesNode(sel *ast.Select, lv *level, want func(row, col int, e ast.Expr, s *scope) (expr.Expr, error)) (*plan.Values, error) {
	s := valuesScope(lv)
	n := &plan.Values{}
	lists, err := b.valueLists(sel, s)
	if err != nil {
		return nil, err
	}
	width := len(lists[0])
	pos := make([][]int, width)
	for r, row := range lists {
		if len(row) != width {
			at := 0
			if len(row) > 0 {
				at = row[0].Position()
			}
			return nil, pgerr.New(pgerr.SyntaxError, "VALUES lists must all be the same length").At(at)
		}
		out := make([]expr.Expr, width)
		for c, e := range row {
			var x expr.Expr
			var err error
			if want != nil {
				x, err = want(r, c, e, s)
			} else {
				x, err = b.expr(e, s)
			}
			if err != nil {
				return nil, err
			}
			if x, err = b.settleRow(x); err != nil {
				return nil, err
			}
			out[c] = x
			pos[c] = append(pos[c], position(e))
		}
		n.Rows = append(n.Rows, out)
	}
	for c := 0; c < width; c++ {
		column := make([]expr.Expr, len(n.Rows))
		for r := range n.Rows {
			column[r] = n.Rows[r][c]
		}
		var t datum.Type
		if want != nil {
			t = column[0].Type()
		} else {
			var err error
			if column, t, err = b.unify(column, "VALUES", pos[c]); err != nil {
				return nil, err
			}
			for r := range n.Rows {
				n.Rows[r][c] = column[r]
			}
		}
		n.Out = append(n.Out, plan.Field{Name: "column" + itoa(c+1), Type: t})
	}
	return n, nil
}

// valuesScope is what expressions in VALUES see.
func valuesScope(lv *level) *scope {
	return &scope{frame: &frame{parent: lv.parent, corr: lv.corr}, clause: clauseValues, ctes: lv.ctes}
}

// valueLists are the lists of VALUES, with the fields of each (x).*.
func (b *binder) valueLists(sel *ast.Select, s *scope) (lists [][]ast.Expr, err error) {
	lists = make([][]ast.Expr, len(sel.Values))
	for r, row := range sel.Values {
		if lists[r], err = b.expandStars(row, s); err != nil {
			return nil, err
		}
	}
	return lists, nil
}

func lower(s string) string { return strings.ToLower(s) }
