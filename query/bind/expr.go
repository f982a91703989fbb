package bind

import (
	"strconv"
	"strings"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/plan"
)

// expr binds an expression. Literals whose type the context has yet to decide
// come back with type unknown.
func (b *binder) expr(e ast.Expr, s *scope) (expr.Expr, error) {
	if err := b.enter(); err != nil {
		return nil, err
	}
	defer b.leave()
	switch e := e.(type) {
	case *ast.Literal:
		return b.literal(e)
	case *ast.ColumnRef:
		return b.columnRef(e, s)
	case *ast.Param:
		return b.param(e)
	case *ast.Cast:
		return b.cast(e, s)
	case *ast.Unary:
		return b.unary(e, s)
	case *ast.Binary:
		return b.binary(e, s)
	case *ast.And:
		args, err := b.booleans(e.Args, s, "AND")
		return &expr.And{Args: args}, err
	case *ast.Or:
		args, err := b.booleans(e.Args, s, "OR")
		return &expr.Or{Args: args}, err
	case *ast.Not:
		args, err := b.booleans([]ast.Expr{e.Arg}, s, "NOT")
		if err != nil {
			return nil, err
		}
		return &expr.Not{Arg: args[0]}, nil
	case *ast.IsNull:
		return b.isNull(e, s)
	case *ast.BoolTest:
		return b.boolTest(e, s)
	case *ast.IsDistinct:
		return b.isDistinct(e, s)
	case *ast.IsNormalized:
		return b.isNormalized(e, s)
	case *ast.Between:
		return b.between(e, s)
	case *ast.Like:
		return b.like(e, s)
	case *ast.In:
		return b.in(e, s)
	case *ast.AnyAll:
		return b.anyAll(e, s)
	case *ast.Exists:
		return b.exists(e, s)
	case *ast.Subquery:
		return b.scalarSubquery(e.Query, s, e.Position())
	case *ast.ArrayQuery:
		return b.arraySubquery(e, s)
	case *ast.ArrayExpr:
		return b.arrayExpr(e, s, datum.Type{})
	case *ast.Row:
		return b.row(e, s)
	case *ast.Case:
		return b.caseExpr(e, s)
	case *ast.Coalesce:
		return b.coalesce(e, s)
	case *ast.NullIf:
		return b.nullIf(e, s)
	case *ast.Greatest:
		return b.greatest(e, s)
	case *ast.Grouping:
		return b.grouping(e, s)
	case *ast.FuncCall:
		return b.funcCall(e, s)
	case *ast.SQLValue:
		return b.sqlValue(e, s)
	case *ast.Collate:
		return b.collate(e, s)
	case *ast.FieldSelect:
		return b.fieldSelect(e, s)
	case *ast.Subscript:
		return b.subscript(e, s)
	case *ast.NamedArg:
		return nil, pgerr.New(pgerr.SyntaxError, "named arguments are not allowed here").At(e.Position())
	case *ast.Default:
		return nil, pgerr.New(pgerr.SyntaxError, "DEFAULT is not allowed in this context").At(e.Position())
	case *ast.GroupingSet:
		return nil, pgerr.New(pgerr.SyntaxError, "grouping sets are not allowed here").At(e.Position())
	case *ast.CurrentOf:
		return nil, pgerr.Unsupported("WHERE CURRENT OF is not supported").At(e.Position())
	case *ast.IsDocument:
		return nil, pgerr.Unsupported("unsupported XML feature").At(e.Position())
	}
	return nil, pgerr.Unsupported("this expression is not supported").At(e.Position())
}

func (b *binder) exprs(es []ast.Expr, s *scope) ([]expr.Expr, []int, error) {
	out, pos := make([]expr.Expr, len(es)), make([]int, len(es))
	for i, e := range es {
		x, err := b.expr(e, s)
		if err != nil {
			return nil, nil, err
		}
		out[i], pos[i] = x, position(e)
	}
	return out, pos, nil
}

// position is where PostgreSQL's exprLocation points: the leftmost part for
// operators.
func position(e ast.Expr) int {
	p := e.Position()
	left := func(l ast.Expr) {
		if l != nil {
			if q := position(l); q > 0 && (p == 0 || q < p) {
				p = q
			}
		}
	}
	switch e := e.(type) {
	case *ast.Binary:
		left(e.L)
	case *ast.Cast:
		if l, ok := e.Arg.(*ast.Literal); ok {
			return l.Position() // the cast becomes a constant, which stands there
		}
		if _, ok := e.Arg.(*ast.Row); ok {
			return e.Position() // the row becomes another one, which stands there
		}
		left(e.Arg)
	case *ast.FieldSelect:
		left(e.Arg)
	case *ast.IsNull:
		left(e.Arg)
	case *ast.In:
		left(e.Arg)
	case *ast.Between:
		left(e.Arg)
	case *ast.Like:
		left(e.Arg)
	case *ast.Subscript:
		left(e.Arg)
	case *ast.And:
		left(e.Args[0])
	case *ast.Or:
		left(e.Args[0])
	}
	return p
}

func (b *binder) literal(e *ast.Literal) (expr.Expr, error) {
	c := &expr.Const{T: datum.Of(datum.Unknown)}
	b.pos[c] = e.Position()
	switch e.Kind {
	case ast.Null:
	case ast.Boolean:
		c.Value, c.T = e.Text == "true", datum.Of(datum.Bool)
	case ast.String:
		c.Value = e.Text
	case ast.Number:
		return b.number(c, e)
	default:
		return nil, pgerr.Unsupported("bit string literals are not supported").At(e.Position())
	}
	return c, nil
}

// number gives a number the first of integer, bigint and numeric that holds it.
func (b *binder) number(c *expr.Const, e *ast.Literal) (expr.Expr, error) {
	if n, err := strconv.ParseInt(e.Text, 10, 64); err == nil {
		if n == int64(int32(n)) {
			c.Value, c.T = int32(n), datum.Of(datum.Int4)
		} else {
			c.Value, c.T = n, datum.Of(datum.Int8)
		}
		return c, nil
	}
	c.T = datum.Of(datum.Numeric)
	v, err := datum.Parse(c.T, e.Text, b.env.Session)
	if err != nil {
		return nil, at(err, e.Position())
	}
	c.Value = v
	return c, nil
}

func (b *binder) booleans(es []ast.Expr, s *scope, construct string) ([]expr.Expr, error) {
	out := make([]expr.Expr, len(es))
	for i, e := range es {
		x, err := b.expr(e, s)
		if err != nil {
			return nil, err
		}
		if out[i], err = b.boolean(x, construct, position(e)); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// condition binds the condition of a clause.
func (b *binder) condition(e ast.Expr, s *scope, construct string) (expr.Expr, error) {
	x, err := b.expr(e, s)
	if err != nil {
		return nil, err
	}
	return b.boolean(x, construct, position(e))
}

func (b *binder) cast(e *ast.Cast, s *scope) (expr.Expr, error) {
	t, err := b.typeName(e.Type)
	if err != nil {
		return nil, err
	}
	if a, ok := e.Arg.(*ast.ArrayExpr); ok {
		if elem, isArray := t.Elem(); isArray {
			x, err := b.arrayExpr(a, s, elem)
			if err != nil {
				return nil, err
			}
			return b.explicit(x, t, e.Position())
		}
	}
	x, err := b.expr(e.Arg, s)
	if err != nil {
		return nil, err
	}
	return b.explicit(x, t, e.Position())
}

func (b *binder) unary(e *ast.Unary, s *scope) (expr.Expr, error) {
	if l, ok := e.Arg.(*ast.Literal); ok && l.Kind == ast.Number && e.Op.Name == "-" && e.Op.Schema == "" {
		// The grammar folds the sign into the number: -2147483648 is an integer.
		c := &expr.Const{}
		b.pos[c] = e.Position()
		text := "-" + l.Text
		if strings.HasPrefix(l.Text, "-") {
			text = l.Text[1:]
		}
		neg := &ast.Literal{Kind: ast.Number, Text: text}
		neg.SetPos(e.Position())
		return b.number(c, neg)
	}
	x, err := b.expr(e.Arg, s)
	if err != nil {
		return nil, err
	}
	op, err := b.findPrefix(e.Op, x.Type().OID, e.Position())
	if err != nil {
		return nil, err
	}
	return b.applyOp(op, []expr.Expr{x}, e.Position())
}

var comparisons = map[string]bool{"=": true, "<>": true, "<": true, "<=": true, ">": true, ">=": true}

func (b *binder) binary(e *ast.Binary, s *scope) (expr.Expr, error) {
	lrow, lok := e.L.(*ast.Row)
	rrow, rok := e.R.(*ast.Row)
	if lok && rok {
		l, _, err := b.exprs(lrow.Fields, s)
		if err != nil {
			return nil, err
		}
		r, _, err := b.exprs(rrow.Fields, s)
		if err != nil {
			return nil, err
		}
		return b.rowCompare(e.Op, l, r, e.Position())
	}
	if sub, ok := e.R.(*ast.Subquery); ok && lok {
		return b.rowSubquery(e, lrow, sub, s)
	}
	// Long chains of one operator lean to the left: bind them without recursion.
	var chain []*ast.Binary
	left := ast.Expr(e)
	for {
		x, ok := left.(*ast.Binary)
		if !ok {
			break
		}
		if _, isRow := x.L.(*ast.Row); isRow && x != e {
			break // two rows may be compared there
		}
		chain = append(chain, x)
		left = x.L
	}
	acc, err := b.expr(left, s)
	if err != nil {
		return nil, err
	}
	for i := len(chain) - 1; i >= 0; i-- {
		x := chain[i]
		r, err := b.expr(x.R, s)
		if err != nil {
			return nil, err
		}
		if acc, err = b.operate(x.Op, acc, r, x.Position()); err != nil {
			return nil, err
		}
	}
	return acc, nil
}

// operate applies a binary operator to bound operands. Rows of tables, and rows in rows, compare as
// values: their NULLs are equal.
func (b *binder) operate(op ast.OpName, l, r expr.Expr, pos int) (expr.Expr, error) {
	lr, lok := l.(*expr.RowCtor)
	rr, rok := r.(*expr.RowCtor)
	if lok && rok && lr.Names == nil && rr.Names == nil && comparisons[op.Name] {
		return b.rowCompare(op, lr.Fields, rr.Fields, pos)
	}
	return b.binaryOp(op, l, r, pos)
}

// rowCompare expands the comparison of two rows (documentation, section 9.24.5):
// a, b < c, d is a < c OR (a = c AND b < d).
func (b *binder) rowCompare(op ast.OpName, l, r []expr.Expr, pos int) (expr.Expr, error) {
	if len(l) != len(r) {
		return nil, pgerr.New(pgerr.SyntaxError, "unequal number of entries in row expressions").At(pos)
	}
	if len(l) == 0 {
		return nil, pgerr.Unsupported("cannot compare rows of zero length").At(pos)
	}
	if !comparisons[op.Name] {
		if len(l) == 1 {
			return b.binaryOp(op, l[0], r[0], pos)
		}
		return nil, pgerr.Unsupported("could not determine interpretation of row comparison operator %s", op.Name).
			WithHint("Row comparison operators must be associated with btree operator families.").At(pos)
	}
	pair := func(name string, i int) (expr.Expr, error) {
		return b.binaryOp(ast.OpName{Name: name}, l[i], r[i], pos)
	}
	switch op.Name {
	case "=", "<>":
		parts := make([]expr.Expr, len(l))
		for i := range l {
			x, err := pair(op.Name, i)
			if err != nil {
				return nil, err
			}
			parts[i] = x
		}
		if len(parts) == 1 {
			return parts[0], nil
		}
		if op.Name == "=" {
			return &expr.And{Args: parts}, nil
		}
		return &expr.Or{Args: parts}, nil
	}
	strict := op.Name[:1]
	acc, err := pair(op.Name, len(l)-1)
	for i := len(l) - 2; i >= 0 && err == nil; i-- {
		var less, same expr.Expr
		if less, err = pair(strict, i); err != nil {
			break
		}
		if same, err = pair("=", i); err != nil {
			break
		}
		acc = &expr.Or{Args: []expr.Expr{less, &expr.And{Args: []expr.Expr{same, acc}}}}
	}
	return acc, err
}

func boolConst(v bool) *expr.Const { return &expr.Const{Value: v, T: datum.Of(datum.Bool)} }

// callNamed calls a built-in function by name, with PostgreSQL's resolution.
func (b *binder) callNamed(name string, args []expr.Expr, pos int) (expr.Expr, error) {
	c, err := b.findFunction([]string{"pg_catalog", name}, args, nil, false, pos)
	if err != nil {
		return nil, err
	}
	if c.fn == nil {
		return nil, pgerr.New(pgerr.InternalError, "function %s is not a plain one", name)
	}
	return b.applyFunction(c.fn, c.args, args, c.fn.Ret, pos)
}

// noSets refuses set-returning functions where a value may not be wanted.
func (b *binder) noSets(args []expr.Expr, construct string, pos int) error {
	for _, a := range args {
		if hasSet(a) {
			return pgerr.Unsupported("set-returning functions are not allowed in %s", construct).
				WithHint("You might be able to move the set-returning function into a LATERAL FROM item.").At(pos)
		}
	}
	return nil
}

func (b *binder) row(e *ast.Row, s *scope) (expr.Expr, error) {
	var fields []expr.Expr
	list, err := b.expandStars(e.Fields, s)
	if err != nil {
		return nil, err
	}
	for _, f := range list {
		if ref, ok := f.(*ast.ColumnRef); ok && ref.Star {
			cols, err := b.star(ref, s)
			if err != nil {
				return nil, err
			}
			for _, c := range cols {
				fields = append(fields, c.e)
			}
			continue
		}
		x, err := b.expr(f, s)
		if err != nil {
			return nil, err
		}
		fields = append(fields, x)
	}
	return &expr.RowCtor{Fields: fields, T: datum.Of(datum.Record)}, nil
}

// settleRow gives the unknown literals of a row that is used as a value type text.
func (b *binder) settleRow(e expr.Expr) (expr.Expr, error) {
	r, ok := e.(*expr.RowCtor)
	if !ok {
		return e, nil
	}
	out := &expr.RowCtor{T: r.T, Names: r.Names, Fields: make([]expr.Expr, len(r.Fields))}
	for i, f := range r.Fields {
		x, err := b.resolveUnknown(f)
		if err != nil {
			return nil, err
		}
		if out.Fields[i], err = b.settleRow(x); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (b *binder) collate(e *ast.Collate, s *scope) (expr.Expr, error) {
	x, err := b.expr(e.Arg, s)
	if err != nil {
		return nil, err
	}
	name := e.Name[len(e.Name)-1]
	if len(e.Name) > 1 && e.Name[len(e.Name)-2] != "pg_catalog" {
		return nil, pgerr.New(pgerr.UndefinedObject, "collation %q for encoding \"UTF8\" does not exist", strings.Join(e.Name, ".")).At(e.Position())
	}
	switch name {
	case "C", "default", "POSIX", "ucs_basic":
	default:
		return nil, pgerr.New(pgerr.UndefinedObject, "collation %q for encoding \"UTF8\" does not exist", name).At(e.Position())
	}
	t := x.Type().OID
	if t != datum.Unknown && category(t) != 'S' && t != datum.Name && category(elemOf(t)) != 'S' {
		return nil, pgerr.New(pgerr.DatatypeMismatch, "collations are not supported by type %s", b.typeText(t)).At(e.Position())
	}
	return b.withCollation(x, collation{name, e.Position()}), nil
}

func (b *binder) sqlValue(e *ast.SQLValue, s *scope) (expr.Expr, error) {
	now := func(t datum.OID) (expr.Expr, error) {
		x, err := b.callNamed("now", nil, e.Position())
		if err != nil {
			return nil, err
		}
		typ := datum.Of(t)
		if e.Precision >= 0 {
			typ.Mod = int32(min(e.Precision, 6))
		}
		return b.explicit(x, typ, e.Position())
	}
	switch e.Kind {
	case ast.CurrentDate:
		return now(datum.Date)
	case ast.CurrentTime:
		return now(datum.TimeTZ)
	case ast.CurrentTimestamp:
		return now(datum.TimestampTZ)
	case ast.LocalTime:
		return now(datum.Time)
	case ast.LocalTimestamp:
		return now(datum.Timestamp)
	case ast.SessionUser:
		return b.callNamed("session_user", nil, e.Position())
	case ast.CurrentCatalog:
		x, err := b.callNamed("current_database", nil, e.Position())
		return x, err
	case ast.CurrentSchema:
		return b.callNamed("current_schema", nil, e.Position())
	}
	return b.callNamed("current_user", nil, e.Position())
}

func (b *binder) grouping(e *ast.Grouping, s *scope) (expr.Expr, error) {
	if s.q == nil || s.inAggregate {
		return nil, pgerr.New(pgerr.GroupingError, "grouping operations are not allowed here").At(e.Position())
	}
	switch s.clause {
	case clauseTarget, clauseHaving, clauseOrderBy, clauseWindowOrder, clauseWindowPartition, clauseDistinctOn:
	default:
		return nil, pgerr.New(pgerr.GroupingError, "grouping operations are not allowed in %s", clauseNames[s.clause]).At(e.Position())
	}
	if len(e.Args) > 31 {
		return nil, pgerr.New(pgerr.TooManyArguments, "GROUPING must have fewer than 32 arguments").At(e.Position())
	}
	used := s.frame.correlations()
	args, pos, err := b.exprs(e.Args, s)
	if err != nil {
		return nil, err
	}
	if up := outerAggregate(args, plan.AggCall{}, s); up != nil && up.scope != nil {
		used.restore(s.frame) // the values of a row, of which there will be none
		x, err := b.grouping(e, up.scope)
		if err != nil {
			return nil, err
		}
		return lift(s.frame, up.scope.frame, x), nil
	}
	s.q.aggregated = true
	return &groupingRef{args: args, pos: posAt(pos, 0)}, nil
}
