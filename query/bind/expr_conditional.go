package bind

import (
	"strings"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/plan"
)

func (b *binder) coalesce(e *ast.Coalesce, s *scope) (expr.Expr, error) {
	args, pos, err := b.exprs(e.Args, s)
	if err != nil {
		return nil, err
	}
	if err := b.noSets(args, "COALESCE", e.Position()); err != nil {
		return nil, err
	}
	args, t, err := b.unify(args, "COALESCE", pos)
	if err != nil {
		return nil, err
	}
	return &expr.Coalesce{Args: args, T: t}, nil
}

func (b *binder) nullIf(e *ast.NullIf, s *scope) (expr.Expr, error) {
	es, _, err := b.exprs([]ast.Expr{e.L, e.R}, s)
	if err != nil {
		return nil, err
	}
	eq, err := b.binaryOp(ast.OpName{Name: "="}, es[0], es[1], e.Position())
	if err != nil {
		return nil, err
	}
	call := eq.(*expr.Call)
	if call.T.OID != datum.Bool {
		return nil, pgerr.New(pgerr.DatatypeMismatch, "NULLIF requires = operator to yield boolean").At(e.Position())
	}
	l := call.Args[0]
	if isRow(es[0].Type().OID) {
		l = es[0] // rows are compared as records
	}
	t := undomained(l.Type())
	base := &expr.CaseBase{T: t}
	compared := expr.Expr(base)
	if isRow(t.OID) {
		if compared, err = b.toRecord(base); err != nil {
			return nil, err
		}
	}
	return &expr.Case{
		Base: l,
		Whens: []expr.When{{
			Cond: &expr.Call{Fn: call.Fn, Args: []expr.Expr{compared, call.Args[1]}, T: call.T},
			Then: &expr.Const{T: t},
		}},
		Else: base,
		T:    t,
	}, nil
}

func (b *binder) caseExpr(e *ast.Case, s *scope) (expr.Expr, error) {
	out := &expr.Case{}
	var err error
	if e.Operand != nil {
		if out.Base, err = b.expr(e.Operand, s); err != nil {
			return nil, err
		}
		if out.Base, err = b.resolveUnknown(out.Base); err != nil {
			return nil, err
		}
	}
	var results []expr.Expr
	var pos []int
	for _, w := range e.Whens {
		cond, err := b.expr(w.Cond, s)
		if err != nil {
			return nil, err
		}
		if out.Base != nil {
			if cond, err = b.binaryOp(ast.OpName{Name: "="}, &expr.CaseBase{T: out.Base.Type()}, cond, w.Position()); err != nil {
				return nil, err
			}
		}
		if cond, err = b.boolean(cond, "CASE/WHEN", position(w.Cond)); err != nil {
			return nil, err
		}
		then, err := b.expr(w.Then, s)
		if err != nil {
			return nil, err
		}
		out.Whens = append(out.Whens, expr.When{Cond: cond})
		results, pos = append(results, then), append(pos, position(w.Then))
	}
	otherwise := expr.Expr(&expr.Const{T: datum.Of(datum.Unknown)})
	if e.Else != nil {
		if otherwise, err = b.expr(e.Else, s); err != nil {
			return nil, err
		}
	}
	// The common type is looked for with ELSE first, as PostgreSQL does.
	all := append([]expr.Expr{otherwise}, results...)
	allPos := append([]int{e.Position()}, pos...)
	if e.Else != nil {
		allPos[0] = position(e.Else)
	}
	if err := b.noSets(append(all[:len(all):len(all)], plan.Children(&expr.Case{Base: out.Base})...), "CASE", e.Position()); err != nil {
		return nil, err
	}
	all, t, err := b.unify(all, "CASE", allPos)
	if err != nil {
		return nil, err
	}
	for i := range out.Whens {
		out.Whens[i].Then = all[i+1]
	}
	if e.Else != nil {
		out.Else = all[0]
	}
	out.T = t
	return out, nil
}

func (b *binder) greatest(e *ast.Greatest, s *scope) (expr.Expr, error) {
	name := "GREATEST"
	if e.Least {
		name = "LEAST"
	}
	args, pos, err := b.exprs(e.Args, s)
	if err != nil {
		return nil, err
	}
	args, t, err := b.unify(args, name, pos)
	if err != nil {
		return nil, err
	}
	if err := b.needSortable(t.OID, e.Position()); err != nil {
		return nil, err
	}
	fns := b.reg.Functions(strings.ToLower(name))
	if len(fns) == 0 {
		return nil, pgerr.Unsupported("%s is not supported", name).At(e.Position())
	}
	return &expr.Call{Fn: fns[0], Args: args, T: t}, nil
}
