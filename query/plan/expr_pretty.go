package plan

import "github.com/phyllodb/phyllo/query/expr"

// outer puts parentheses around an operation, which pretty text leaves to where it stands.
func (w exprWriter) outer(s string) string {
	if w.pretty {
		return s
	}
	return "(" + s + ")"
}

// in is the text of an expression inside another one: in pretty text in parentheses where
// PostgreSQL's rules want them.
func (w exprWriter) in(e, parent expr.Expr) string {
	s := w.text(e)
	if w.pretty && w.needsParens(e, parent) {
		return "(" + s + ")"
	}
	return s
}

// A nodeKind is what the rules for parentheses tell apart.
type nodeKind uint8

const (
	simpleNode nodeKind = iota
	castNode
	operatorNode
	testNode // IS NULL and its like
	booleanNode
)

func (w exprWriter) kind(e expr.Expr) nodeKind {
	switch x := e.(type) {
	case *expr.Call:
		if _, ok := w.ops[x.Fn]; ok && len(x.Args) <= 2 {
			return operatorNode
		}
		if len(x.Args) > 0 && isCast(x) {
			return castNode
		}
	case *expr.IOCast, *expr.Relabel, *expr.ArrayCast:
		return castNode
	case *expr.AnyAll:
		return operatorNode
	case *expr.IsNull, *expr.IsDistinct:
		return testNode
	case *expr.And, *expr.Or, *expr.Not:
		return booleanNode
	}
	return simpleNode
}

// needsParens follows isSimpleNode of PostgreSQL's ruleutils.
func (w exprWriter) needsParens(e, parent expr.Expr) bool {
	kind, above := w.kind(e), w.kind(parent)
	if kind == simpleNode || kind == castNode || above == simpleNode {
		return false
	}
	if above == booleanNode {
		return kind == booleanNode && !sameBoolean(e, parent)
	}
	return !(kind == operatorNode && above == operatorNode && w.bindsTighter(e, parent))
}

// sameBoolean says whether AND or OR may stand in another one as it is.
func sameBoolean(e, parent expr.Expr) bool {
	_, not := parent.(*expr.Not)
	switch e.(type) {
	case *expr.And:
		return !not
	case *expr.Or:
		_, or := parent.(*expr.Or)
		return or
	}
	return false
}

// bindsTighter says whether an arithmetic operation needs no parentheses in another one.
func (w exprWriter) bindsTighter(e, parent expr.Expr) bool {
	level := func(x expr.Expr) int {
		call, ok := x.(*expr.Call)
		if !ok || len(call.Args) != 2 {
			return 0
		}
		switch w.ops[call.Fn] {
		case "+", "-":
			return 1
		case "*", "/", "%":
			return 2
		}
		return 0
	}
	a, b := level(e), level(parent)
	if a == 0 || b == 0 {
		return false
	}
	return a > b || a == b && parent.(*expr.Call).Args[0] == e
}
