package bind

import (
	"strconv"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/function"
	"github.com/phyllodb/phyllo/query/plan"
)

func itoa(n int) string { return strconv.Itoa(n) }

// in binds x IN (list) and x IN (subquery).
func (b *binder) in(e *ast.In, s *scope) (expr.Expr, error) {
	if e.Query != nil {
		op := ast.OpName{Name: "="}
		x, err := b.quantified(op, e.Arg, e.Query, false, s, e.Position())
		if err != nil || !e.Not {
			return x, err
		}
		return &expr.Not{Arg: x}, nil
	}
	op := ast.OpName{Name: "="}
	if e.Not {
		op.Name = "<>"
	}
	l, err := b.expr(e.Arg, s)
	if err != nil {
		return nil, err
	}
	items, pos, err := b.exprs(e.List, s)
	if err != nil {
		return nil, err
	}
	if isRow(l.Type().OID) { // literals are rows as well, and ROW(...) is compared as a record
		for i, x := range items {
			if x.Type().OID == datum.Unknown {
				if items[i], err = b.implicit(x, l.Type().OID, posAt(pos, i)); err != nil {
					return nil, err
				}
			}
		}
	}
	var parts []expr.Expr
	plain, plainPos, rest, restPos := splitVars(items, pos)
	if _, isRow := l.(*expr.RowCtor); isRow {
		rest, restPos, plain = items, pos, nil
	}
	if len(plain) > 1 {
		x, ok, err := b.inArray(op, l, plain, plainPos, e.Not, e.Position())
		if err != nil {
			return nil, err
		}
		if ok {
			parts, plain = append(parts, x), nil
		}
	}
	if plain != nil {
		// In the order of the list, as PostgreSQL reports errors.
		rest, restPos = items, pos
	}
	for i, r := range rest {
		if err := b.ended(); err != nil {
			return nil, err
		}
		x, err := b.operate(op, l, r, e.Position())
		if err != nil {
			return nil, err
		}
		if x, err = b.boolean(x, "IN", posAt(restPos, i)); err != nil {
			return nil, err
		}
		parts = append(parts, x)
	}
	if len(parts) == 1 {
		return parts[0], nil
	}
	if e.Not {
		return &expr.And{Args: parts}, nil
	}
	return &expr.Or{Args: parts}, nil
}

// splitVars splits a list into what has no columns and what has.
func splitVars(items []expr.Expr, pos []int) (plain []expr.Expr, plainPos []int, rest []expr.Expr, restPos []int) {
	for i, x := range items {
		_, row := x.(*expr.RowCtor)
		if row || plan.Any(x, func(e expr.Expr) bool {
			switch e.(type) {
			case *expr.Column, *aggRef, *winRef, *setRef, *expr.Subquery:
				return true
			}
			return false
		}) {
			rest, restPos = append(rest, x), append(restPos, pos[i])
		} else {
			plain, plainPos = append(plain, x), append(plainPos, pos[i])
		}
	}
	return plain, plainPos, rest, restPos
}

// inArray makes x = ANY (ARRAY[...]) of a list, if its items have a common type
// with x that has arrays.
func (b *binder) inArray(op ast.OpName, l expr.Expr, items []expr.Expr, pos []int, all bool, at int) (expr.Expr, bool, error) {
	t, err := b.commonType(append([]expr.Expr{l}, items...), "", nil)
	if err != nil || t == 0 || composite(t) || arrayOf(t) == 0 {
		return nil, false, err
	}
	elems := make([]expr.Expr, len(items))
	for i, x := range items {
		if !b.canCoerce([]datum.OID{x.Type().OID}, []datum.OID{t}, function.ImplicitCast) {
			return nil, false, nil
		}
		if elems[i], err = b.toCommon(x, t, "IN", posAt(pos, i)); err != nil {
			return nil, false, err
		}
	}
	arr := arrayOfExprs(elems, datum.Of(arrayOf(t)))
	x, err := b.arrayOp(op, l, arr, all, at)
	return x, err == nil, err
}

// anyAll binds L op ANY|ALL (array or subquery).
func (b *binder) anyAll(e *ast.AnyAll, s *scope) (expr.Expr, error) {
	if e.Query != nil {
		return b.quantified(e.Op, e.L, e.Query, e.All, s, e.Position())
	}
	l, err := b.expr(e.L, s)
	if err != nil {
		return nil, err
	}
	r, err := b.expr(e.R, s)
	if err != nil {
		return nil, err
	}
	return b.arrayOp(e.Op, l, r, e.All, e.Position())
}

// arrayOp is make_scalar_array_op.
func (b *binder) arrayOp(name ast.OpName, l, r expr.Expr, all bool, pos int) (expr.Expr, error) {
	elem := datum.OID(datum.Unknown)
	if rt := r.Type().OID; rt != datum.Unknown {
		if elem = elemOf(rt); elem == 0 {
			return nil, pgerr.New(pgerr.WrongObjectType, "op ANY/ALL (array) requires array on right side").At(pos)
		}
	}
	op, err := b.findBinary(name, l.Type().OID, elem, pos)
	if err != nil {
		return nil, err
	}
	if op.Ret != datum.Bool {
		return nil, pgerr.New(pgerr.WrongObjectType, "op ANY/ALL (array) requires operator to yield boolean").At(pos)
	}
	want, _, err := b.resolveGeneric([]datum.OID{l.Type().OID, elem}, []datum.OID{op.Left, op.Right}, op.Ret)
	if err != nil {
		return nil, at(err, pos)
	}
	if l, err = b.implicit(l, want[0], pos); err != nil {
		return nil, err
	}
	arr := arrayOf(want[1])
	if arr == 0 {
		return nil, pgerr.New(pgerr.UndefinedObject, "could not find array type for data type %s", b.typeText(want[1])).At(pos)
	}
	if r, err = b.implicit(r, arr, pos); err != nil {
		return nil, err
	}
	return &expr.AnyAll{Op: op.Fn, L: l, R: r, All: all}, nil
}

// nested binds a subquery that stands in an expression; pos is for errors.
func (b *binder) nested(q *ast.Select, s *scope, pos int) (plan.Node, *correlation, error) {
	switch s.clause {
	case clauseCopyWhere:
		return nil, nil, pgerr.Unsupported("cannot use subquery in COPY FROM WHERE condition").At(pos)
	case clauseExecute:
		return nil, nil, pgerr.Unsupported("cannot use subquery in EXECUTE parameter").At(pos)
	}
	corr := &correlation{b: b, scope: s}
	n, err := b.selectStmt(q, &level{parent: s.frame, corr: corr, ctes: s.ctes}, nil)
	return n, corr, err
}

// subqueryOf makes the expression of a bound subquery.
func (b *binder) subqueryOf(kind expr.SubqueryKind, n plan.Node, corr *correlation, t datum.Type) *expr.Subquery {
	return &expr.Subquery{Kind: kind, Plan: n, Outer: corr.outer, FirstParam: corr.number(), T: t}
}

func (b *binder) exists(e *ast.Exists, s *scope) (expr.Expr, error) {
	n, corr, err := b.nested(e.Query, s, e.Position())
	if err != nil {
		return nil, err
	}
	return b.subqueryOf(expr.ExistsSubquery, n, corr, datum.Of(datum.Bool)), nil
}

func (b *binder) scalarSubquery(q *ast.Select, s *scope, pos int) (expr.Expr, error) {
	n, corr, err := b.nested(q, s, pos)
	if err != nil {
		return nil, err
	}
	if len(n.Fields()) != 1 {
		return nil, pgerr.New(pgerr.SyntaxError, "subquery must return only one column").At(pos)
	}
	return b.subqueryOf(expr.ScalarSubquery, n, corr, n.Fields()[0].Type), nil
}

func (b *binder) arraySubquery(e *ast.ArrayQuery, s *scope) (expr.Expr, error) {
	n, corr, err := b.nested(e.Query, s, e.Position())
	if err != nil {
		return nil, err
	}
	if len(n.Fields()) != 1 {
		return nil, pgerr.New(pgerr.SyntaxError, "subquery must return only one column").At(e.Position())
	}
	t := n.Fields()[0].Type
	arr, ok := datum.ArrayOf(t)
	if trueArray(t.OID) { // arrays make one of one dimension more
		arr, ok = t, true
	}
	if !ok {
		return nil, pgerr.New(pgerr.UndefinedObject, "could not find array type for data type %s", b.typeText(t.OID)).At(e.Position())
	}
	return b.subqueryOf(expr.ArraySubquery, n, corr, arr), nil
}

// quantified binds L op ANY|ALL (subquery), where L may be a row.
func (b *binder) quantified(name ast.OpName, left ast.Expr, q *ast.Select, all bool, s *scope, pos int) (expr.Expr, error) {
	x, err := b.expr(left, s)
	if err != nil {
		return nil, err
	}
	l := []expr.Expr{x}
	if r, ok := x.(*expr.RowCtor); ok {
		l = r.Fields
	}
	n, corr, err := b.nested(q, s, pos)
	if err != nil {
		return nil, err
	}
	fields := n.Fields()
	switch {
	case len(fields) < len(l):
		return nil, pgerr.New(pgerr.SyntaxError, "subquery has too few columns").At(pos)
	case len(fields) > len(l):
		return nil, pgerr.New(pgerr.SyntaxError, "subquery has too many columns").At(pos)
	case len(l) > 1 && name.Name != "=" && name.Name != "<>":
		return nil, pgerr.Unsupported("row comparison %s with a subquery is not supported", name.Name).At(pos)
	}
	sub := b.subqueryOf(expr.AnySubquery, n, corr, datum.Of(datum.Bool))
	if all {
		sub.Kind = expr.AllSubquery
	}
	// The operators are resolved as between L and the columns; casts of the
	// columns become a projection over the subquery.
	casts := make([]expr.Expr, len(fields))
	changed := false
	for i, f := range fields {
		col := &expr.Column{Index: i, Name: f.Name, T: f.Type}
		y, err := b.binaryOp(name, l[i], col, pos)
		if err != nil {
			return nil, err
		}
		call := y.(*expr.Call)
		if call.T.OID != datum.Bool {
			return nil, pgerr.New(pgerr.DatatypeMismatch, "row comparison operator must yield type boolean, not type %s", call.T).At(pos)
		}
		sub.L = append(sub.L, call.Args[0])
		sub.Ops = append(sub.Ops, call.Fn)
		casts[i] = call.Args[1]
		changed = changed || call.Args[1] != expr.Expr(col)
	}
	if changed {
		sub.Plan = projectAs(n, casts)
	}
	return sub, nil
}

// projectAs computes expressions over a node's columns, keeping their names.
func projectAs(n plan.Node, es []expr.Expr) plan.Node {
	fields := n.Fields()
	out := make([]plan.Field, len(es))
	for i, e := range es {
		out[i] = plan.Field{Name: fields[i].Name, Type: e.Type()}
		if _, same := e.(*expr.Column); same {
			out[i].Table, out[i].Column = fields[i].Table, fields[i].Column
		}
	}
	return &plan.Project{Input: n, Exprs: es, Out: out}
}

// rowSubquery is (a, b) op (subquery of one row): its columns become scalar subqueries.
func (b *binder) rowSubquery(e *ast.Binary, row *ast.Row, sub *ast.Subquery, s *scope) (expr.Expr, error) {
	l, _, err := b.exprs(row.Fields, s)
	if err != nil {
		return nil, err
	}
	r := make([]expr.Expr, len(l))
	for i := range l {
		n, corr, err := b.nested(sub.Query, s, sub.Position())
		if err != nil {
			return nil, err
		}
		f := n.Fields()
		switch {
		case len(f) < len(l):
			return nil, pgerr.New(pgerr.SyntaxError, "subquery has too few columns").At(e.Position())
		case len(f) > len(l):
			return nil, pgerr.New(pgerr.SyntaxError, "subquery has too many columns").At(e.Position())
		}
		one := &plan.Project{Input: n, Exprs: []expr.Expr{&expr.Column{Index: i, Name: f[i].Name, T: f[i].Type}}, Out: f[i : i+1]}
		r[i] = b.subqueryOf(expr.ScalarSubquery, one, corr, f[i].Type)
	}
	return b.rowCompare(e.Op, l, r, e.Position())
}
