package optimize

import (
	"slices"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/plan"
)

// foldPlan computes what is constant, and drops filters that are.
func (c *Context) foldPlan(n plan.Node) plan.Node {
	return c.rewrite(n, func(m plan.Node) plan.Node {
		m = plan.MapExprs(m, c.fold)
		f, ok := m.(*plan.Filter)
		if !ok {
			return m
		}
		if v, isConst := constant(f.Cond); isConst {
			if v == true {
				return f.Input
			}
			return emptyOf(f)
		}
		return m
	})
}

// constant returns the value of a constant.
func constant(e expr.Expr) (datum.Value, bool) {
	k, ok := e.(*expr.Const)
	if !ok {
		return nil, false
	}
	return k.Value, true
}

func truth(v bool) expr.Expr { return &expr.Const{Value: v, T: datum.Of(datum.Bool)} }

// fold simplifies an expression from the leaves up.
func (c *Context) fold(e expr.Expr) expr.Expr {
	c.poll()
	switch x := e.(type) {
	case *expr.Const, *expr.Column, *expr.CaseBase:
		return e
	case *expr.Case:
		return c.foldCase(x)
	case *expr.Coalesce:
		return c.foldCoalesce(x)
	case *expr.And:
		return c.foldLogic(x.Args, false)
	case *expr.Or:
		return c.foldLogic(x.Args, true)
	}
	was := e
	e = plan.MapChildren(e, c.fold)
	switch x := e.(type) {
	case *expr.Not:
		return c.foldNot(x)
	case *expr.Call:
		if x.Fn.Strict && !x.Fn.RetSet && slices.ContainsFunc(x.Args, isNull) && !c.fails(was.(*expr.Call), x) {
			return &expr.Const{T: x.T}
		}
	}
	return c.evaluate(e)
}

func isNull(e expr.Expr) bool {
	v, ok := constant(e)
	return ok && v == nil
}

// fails says whether an argument of a call has one value always and yet none was found when it was
// folded, as of 1/0: as in PostgreSQL, the error comes before a NULL beside it.
func (c *Context) fails(was, folded *expr.Call) bool {
	for i, a := range folded.Args {
		if _, ok := constant(a); !ok && c.Eval != nil && plan.IsImmutableConst(was.Args[i]) {
			return true
		}
	}
	return false
}

// evaluate replaces an expression of constants by its value. What fails stays:
// it may never be reached.
func (c *Context) evaluate(e expr.Expr) expr.Expr {
	switch x := e.(type) {
	case *expr.Const:
		return e
	case *expr.Param:
		if x.Outer {
			return e
		}
	}
	if c.Eval == nil || !plan.IsStableConst(e) || !c.paramsKnown(e) {
		return e
	}
	v, err := expr.Value(c.Eval, e)
	if err != nil {
		return e
	}
	return &expr.Const{Value: v, T: e.Type()}
}

// paramsKnown says whether an expression has only parameters whose values are given.
func (c *Context) paramsKnown(e expr.Expr) bool {
	return !plan.Any(e, func(x expr.Expr) bool {
		p, ok := x.(*expr.Param)
		return ok && (p.Outer || p.Index >= len(c.Eval.Params))
	})
}

// maxCompared is how many conditions are compared with each other: of more it would take
// long, and they are a program's, which has no reason to repeat itself.
const maxCompared = 64

// foldLogic simplifies AND (or false) and OR (or true): decisive is the value
// that decides it, the other one falls away.
func (c *Context) foldLogic(args []expr.Expr, decisive bool) expr.Expr {
	var out []expr.Expr
	for _, a := range args {
		a = c.fold(a)
		if v, ok := constant(a); ok && v != nil {
			if v == decisive {
				return truth(decisive)
			}
			continue
		}
		c.poll()
		if len(out) > maxCompared || plan.IsVolatile(a) || !slices.ContainsFunc(out, func(o expr.Expr) bool { return plan.Equal(o, a) }) {
			out = append(out, a)
		}
	}
	switch len(out) {
	case 0:
		return truth(!decisive)
	case 1:
		return out[0]
	}
	if decisive {
		return &expr.Or{Args: out}
	}
	return plan.And(out...)
}

// foldNot pushes a negation down to operators, so that scans understand it.
func (c *Context) foldNot(n *expr.Not) expr.Expr {
	switch x := n.Arg.(type) {
	case *expr.Const:
		if x.Value == nil {
			return x
		}
		return truth(x.Value != true)
	case *expr.Not:
		return x.Arg
	case *expr.IsNull:
		return &expr.IsNull{Arg: x.Arg, Not: !x.Not}
	case *expr.IsDistinct:
		return &expr.IsDistinct{Eq: x.Eq, L: x.L, R: x.R, Not: !x.Not}
	case *expr.And:
		return c.foldLogic(negated(x.Args), true)
	case *expr.Or:
		return c.foldLogic(negated(x.Args), false)
	case *expr.AnyAll:
		if op := c.Registry.OperatorOf(x.Op); op != nil && op.Negator != "" {
			if neg := c.find(op.Negator, op.Left, op.Right); neg != nil {
				return &expr.AnyAll{Op: neg.Fn, L: x.L, R: x.R, All: !x.All}
			}
		}
	case *expr.Call:
		if op, call := c.operator(x); op != nil && op.Negator != "" {
			if neg := c.find(op.Negator, op.Left, op.Right); neg != nil {
				return c.evaluate(&expr.Call{Fn: neg.Fn, Args: call.Args, T: call.T})
			}
		}
	}
	return c.evaluate(n)
}

func negated(es []expr.Expr) []expr.Expr {
	out := make([]expr.Expr, len(es))
	for i, e := range es {
		out[i] = &expr.Not{Arg: e}
	}
	return out
}

// foldCoalesce drops NULLs and what stands after a constant.
func (c *Context) foldCoalesce(e *expr.Coalesce) expr.Expr {
	var out []expr.Expr
	for _, a := range e.Args {
		a = c.fold(a)
		v, ok := constant(a)
		if ok && v == nil {
			continue
		}
		out = append(out, a)
		if ok {
			break
		}
	}
	switch len(out) {
	case 0:
		return &expr.Const{T: e.T}
	case 1:
		if out[0].Type() == e.T {
			return out[0]
		}
	}
	return &expr.Coalesce{Args: out, T: e.T}
}

// foldCase drops branches that are never taken. Branches are folded, but what
// fails in them stays as it is.
func (c *Context) foldCase(e *expr.Case) expr.Expr {
	out := &expr.Case{T: e.T}
	if e.Base != nil {
		out.Base = c.fold(e.Base)
	}
	if e.Else != nil {
		out.Else = c.fold(e.Else)
	}
	for _, w := range e.Whens {
		cond := w.Cond
		if k, ok := out.Base.(*expr.Const); ok && out.Base != nil {
			cond = substituteBase(cond, k)
		}
		cond = c.fold(cond)
		if v, ok := constant(cond); ok && v != true {
			continue
		} else if ok {
			out.Else = c.fold(w.Then)
			break
		}
		out.Whens = append(out.Whens, expr.When{Cond: cond, Then: c.fold(w.Then)})
	}
	if len(out.Whens) > 0 {
		return out
	}
	if out.Else == nil {
		return &expr.Const{T: e.T}
	}
	if _, isBase := out.Else.(*expr.CaseBase); isBase && out.Base != nil {
		out.Else = out.Base
	}
	if hasBase(out.Else) || out.Else.Type() != e.T {
		return e
	}
	return out.Else
}

// substituteBase puts a constant in the place of CASE's operand; inner CASEs have
// operands of their own.
func substituteBase(e expr.Expr, k *expr.Const) expr.Expr {
	return plan.Replace(e, func(x expr.Expr) (expr.Expr, bool) {
		switch x.(type) {
		case *expr.CaseBase:
			return k, true
		case *expr.Case, *expr.ArrayCast:
			return x, true
		}
		return nil, false
	})
}

func hasBase(e expr.Expr) bool {
	found := false
	plan.Walk(e, func(x expr.Expr) bool {
		switch x.(type) {
		case *expr.CaseBase:
			found = true
		case *expr.Case, *expr.ArrayCast:
			return false
		}
		return !found
	})
	return found
}
