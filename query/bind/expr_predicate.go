package bind

import (
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/function"
	"github.com/phyllodb/phyllo/query/plan"
)

func (b *binder) isNull(e *ast.IsNull, s *scope) (expr.Expr, error) {
	x, err := b.expr(e.Arg, s)
	if err != nil {
		return nil, err
	}
	if r, ok := unpacked(x).(*expr.RowCtor); ok {
		// A row is null if all its fields are, and not null if none is.
		parts := make([]expr.Expr, len(r.Fields))
		for i, f := range r.Fields {
			parts[i] = &expr.IsNull{Arg: f, Not: e.Not}
		}
		if len(parts) == 0 {
			return &expr.Const{Value: true, T: datum.Of(datum.Bool)}, nil
		}
		return plan.And(parts...), nil
	}
	if p, ok := x.(*expr.Param); ok && p.T.OID == datum.Unknown && !p.Outer {
		return nil, undeterminedParam(p.Index) // a test for NULL says nothing about the type
	}
	if x, err = b.resolveUnknown(x); err != nil {
		return nil, err
	}
	if composite(x.Type().OID) {
		fn := function.RowIsNull
		if e.Not {
			fn = function.RowIsNotNull
		}
		return &expr.Call{Fn: fn, Args: []expr.Expr{x}, T: datum.Of(datum.Bool)}, nil
	}
	return &expr.IsNull{Arg: x, Not: e.Not}, nil
}

func (b *binder) boolTest(e *ast.BoolTest, s *scope) (expr.Expr, error) {
	names := [...]string{ast.IsTrue: "TRUE", ast.IsFalse: "FALSE", ast.IsUnknown: "UNKNOWN"}
	not := ""
	if e.Not {
		not = "NOT "
	}
	x, err := b.condition(e.Arg, s, "IS "+not+names[e.Test])
	if err != nil {
		return nil, err
	}
	if e.Test == ast.IsUnknown {
		return &expr.IsNull{Arg: x, Not: e.Not}, nil
	}
	known := &expr.Coalesce{Args: []expr.Expr{x, boolConst(e.Test == ast.IsFalse)}, T: datum.Of(datum.Bool)}
	if (e.Test == ast.IsTrue) != e.Not {
		return known, nil
	}
	return &expr.Not{Arg: known}, nil
}

func (b *binder) isDistinct(e *ast.IsDistinct, s *scope) (expr.Expr, error) {
	l, err := b.expr(e.L, s)
	if err != nil {
		return nil, err
	}
	r, err := b.expr(e.R, s)
	if err != nil {
		return nil, err
	}
	lr, lok := l.(*expr.RowCtor)
	rr, rok := r.(*expr.RowCtor)
	if !lok || !rok {
		return b.distinct(l, r, e.Not, e.Position())
	}
	if len(lr.Fields) != len(rr.Fields) {
		return nil, pgerr.New(pgerr.SyntaxError, "unequal number of entries in row expressions").At(e.Position())
	}
	parts := make([]expr.Expr, len(lr.Fields))
	for i := range parts {
		if parts[i], err = b.distinct(lr.Fields[i], rr.Fields[i], e.Not, e.Position()); err != nil {
			return nil, err
		}
	}
	if e.Not {
		return plan.And(parts...), nil
	}
	return &expr.Or{Args: parts}, nil
}

func (b *binder) distinct(l, r expr.Expr, not bool, pos int) (expr.Expr, error) {
	if isNullConst(r) {
		x, err := b.resolveUnknown(l)
		return &expr.IsNull{Arg: x, Not: !not}, err
	}
	if isNullConst(l) {
		x, err := b.resolveUnknown(r)
		return &expr.IsNull{Arg: x, Not: !not}, err
	}
	eq, err := b.binaryOp(ast.OpName{Name: "="}, l, r, pos)
	if err != nil {
		return nil, err
	}
	call := eq.(*expr.Call)
	if call.T.OID != datum.Bool {
		return nil, pgerr.New(pgerr.DatatypeMismatch, "IS DISTINCT FROM requires = operator to yield boolean").At(pos)
	}
	return &expr.IsDistinct{Eq: call.Fn, L: call.Args[0], R: call.Args[1], Not: not}, nil
}

func isNullConst(e expr.Expr) bool {
	c, ok := e.(*expr.Const)
	return ok && c.Value == nil && c.T.OID == datum.Unknown
}

func (b *binder) between(e *ast.Between, s *scope) (expr.Expr, error) {
	es, _, err := b.exprs([]ast.Expr{e.Arg, e.Low, e.High}, s)
	if err != nil {
		return nil, err
	}
	within := func(x, lo, hi expr.Expr) (expr.Expr, error) {
		ge, err := b.operate(ast.OpName{Name: ">="}, x, lo, e.Position())
		if err != nil {
			return nil, err
		}
		le, err := b.operate(ast.OpName{Name: "<="}, x, hi, e.Position())
		if err != nil {
			return nil, err
		}
		return &expr.And{Args: []expr.Expr{ge, le}}, nil
	}
	without := func(x, lo, hi expr.Expr) (expr.Expr, error) {
		lt, err := b.operate(ast.OpName{Name: "<"}, x, lo, e.Position())
		if err != nil {
			return nil, err
		}
		gt, err := b.operate(ast.OpName{Name: ">"}, x, hi, e.Position())
		if err != nil {
			return nil, err
		}
		return &expr.Or{Args: []expr.Expr{lt, gt}}, nil
	}
	f := within
	if e.Not {
		f = without
	}
	one, err := f(es[0], es[1], es[2])
	if err != nil || !e.Symmetric {
		return one, err
	}
	two, err := f(es[0], es[2], es[1])
	if err != nil {
		return nil, err
	}
	if e.Not {
		return &expr.And{Args: []expr.Expr{one, two}}, nil
	}
	return &expr.Or{Args: []expr.Expr{one, two}}, nil
}

func (b *binder) like(e *ast.Like, s *scope) (expr.Expr, error) {
	x, err := b.expr(e.Arg, s)
	if err != nil {
		return nil, err
	}
	p, err := b.expr(e.Pattern, s)
	if err != nil {
		return nil, err
	}
	op := map[ast.LikeKind]string{ast.LikePattern: "~~", ast.ILikePattern: "~~*", ast.SimilarPattern: "~"}[e.Kind]
	if e.Not {
		op = "!" + op
	}
	if e.Kind == ast.SimilarPattern || e.Escape != nil {
		args := []expr.Expr{p}
		if e.Escape != nil {
			esc, err := b.expr(e.Escape, s)
			if err != nil {
				return nil, err
			}
			args = append(args, esc)
		}
		fn := "like_escape"
		if e.Kind == ast.SimilarPattern {
			fn = "similar_to_escape"
		}
		if p, err = b.callNamed(fn, args, e.Position()); err != nil {
			return nil, err
		}
	}
	return b.binaryOp(ast.OpName{Name: op}, x, p, e.Position())
}
