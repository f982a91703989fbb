package expr

import "fmt"

// A Composite is an expression node of another package that Children and
// the rewriting of plans can look into.
type Composite interface {
	Expr
	Children() []Expr
	WithChildren(c []Expr) Expr
}

// Children returns the direct parts of an expression. The plan of a Subquery is
// not one of them; its Outer and L are. A Case's are Base (if set), each When's
// Cond and Then, and Else (if set).
func Children(e Expr) []Expr {
	switch e := e.(type) {
	case *Const, *Column, *Param, *CaseBase:
		return nil
	case *Call:
		return e.Args
	case *And:
		return e.Args
	case *Or:
		return e.Args
	case *Not:
		return []Expr{e.Arg}
	case *IsNull:
		return []Expr{e.Arg}
	case *IsDistinct:
		return []Expr{e.L, e.R}
	case *Case:
		return caseChildren(e)
	case *Coalesce:
		return e.Args
	case *ArrayCtor:
		return e.Elems
	case *RowCtor:
		return e.Fields
	case *FieldSelect:
		return []Expr{e.Arg}
	case *AnyAll:
		return []Expr{e.L, e.R}
	case *IOCast:
		return []Expr{e.Arg}
	case *Relabel:
		return []Expr{e.Arg}
	case *ToDomain:
		return []Expr{e.Arg}
	case *ArrayCast:
		return []Expr{e.Arg, e.Elem}
	case *Subscript:
		return append([]Expr{e.Arg}, e.Index...)
	case *Slice:
		c := []Expr{e.Arg}
		for i := range e.Lower {
			for _, bound := range []Expr{e.Lower[i], e.Upper[i]} {
				if bound != nil {
					c = append(c, bound)
				}
			}
		}
		return c
	case *Subquery:
		return append(append([]Expr(nil), e.L...), e.Outer...)
	case Composite:
		return e.Children()
	}
	panic(fmt.Sprintf("expr: bug: unknown expression %T", e))
}

func caseChildren(e *Case) []Expr {
	c := make([]Expr, 0, 2*len(e.Whens)+2)
	if e.Base != nil {
		c = append(c, e.Base)
	}
	for _, w := range e.Whens {
		c = append(c, w.Cond, w.Then)
	}
	if e.Else != nil {
		c = append(c, e.Else)
	}
	return c
}
