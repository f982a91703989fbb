package plan

import (
	"fmt"
	"strings"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/function"
)

// ExprText writes a bound expression for people, much as PostgreSQL's EXPLAIN
// does. columns names the columns of the row it is over.
func ExprText(e expr.Expr, columns []string, env *datum.Env) string {
	w := exprWriter{columns: columns, env: env, ops: operatorNames()}
	return w.text(e)
}

type exprWriter struct {
	columns []string
	env     *datum.Env
	ops     map[*function.Function]string
}

func (w exprWriter) list(es []expr.Expr) string {
	out := make([]string, len(es))
	for i, e := range es {
		out[i] = w.text(e)
	}
	return strings.Join(out, ", ")
}

func (w exprWriter) join(es []expr.Expr, word string) string {
	out := make([]string, len(es))
	for i, e := range es {
		out[i] = w.text(e)
	}
	return "(" + strings.Join(out, word) + ")"
}

func (w exprWriter) text(e expr.Expr) string {
	switch x := e.(type) {
	case nil:
		return ""
	case *expr.Const:
		return w.constant(x)
	case *expr.Column:
		if x.Index < len(w.columns) && w.columns[x.Index] != "" {
			return ast.QuoteIdent(w.columns[x.Index])
		}
		return ast.QuoteIdent(x.Name)
	case *expr.Param:
		if x.Outer {
			return fmt.Sprintf("$outer%d", x.Index)
		}
		return fmt.Sprintf("$%d", x.Index+1)
	case *expr.Call:
		return w.call(x)
	case *expr.And:
		return w.join(x.Args, " AND ")
	case *expr.Or:
		return w.join(x.Args, " OR ")
	case *expr.Not:
		return "(NOT " + w.text(x.Arg) + ")"
	case *expr.IsNull:
		if x.Not {
			return "(" + w.text(x.Arg) + " IS NOT NULL)"
		}
		return "(" + w.text(x.Arg) + " IS NULL)"
	case *expr.IsDistinct:
		not := ""
		if x.Not {
			not = "NOT "
		}
		return "(" + w.text(x.L) + " IS " + not + "DISTINCT FROM " + w.text(x.R) + ")"
	case *expr.Case:
		return w.caseText(x)
	case *expr.CaseBase:
		return "CASE_TEST_EXPR"
	case *expr.Coalesce:
		return "COALESCE(" + w.list(x.Args) + ")"
	case *expr.ArrayCtor:
		return "ARRAY[" + w.list(x.Elems) + "]"
	case *expr.RowCtor:
		return "ROW(" + w.list(x.Fields) + ")"
	case *expr.FieldSelect:
		return fmt.Sprintf("(%s).f%d", w.text(x.Arg), x.Index+1)
	case *expr.AnyAll:
		word := " ANY ("
		if x.All {
			word = " ALL ("
		}
		return "(" + w.text(x.L) + " " + w.opName(x.Op) + word + w.text(x.R) + "))"
	case *expr.IOCast:
		return "(" + w.text(x.Arg) + ")::" + x.T.String()
	case *expr.Relabel:
		return "(" + w.text(x.Arg) + ")::" + x.T.String()
	case *expr.ArrayCast:
		return "(" + w.text(x.Arg) + ")::" + x.T.String()
	case *expr.Subscript:
		return "(" + w.text(x.Arg) + ")[" + w.text(x.Index) + "]"
	case *expr.Slice:
		return "(" + w.text(x.Arg) + ")[" + w.text(x.Lower) + ":" + w.text(x.Upper) + "]"
	case *expr.Subquery:
		return w.subquery(x)
	}
	return fmt.Sprintf("%T", e)
}

func (w exprWriter) subquery(x *expr.Subquery) string {
	name := "SubPlan"
	if len(x.Outer) == 0 {
		name = "InitPlan"
	}
	switch x.Kind {
	case expr.ExistsSubquery:
		return "EXISTS(" + name + ")"
	case expr.ArraySubquery:
		return "ARRAY(" + name + ")"
	case expr.AnySubquery:
		return "(" + w.list(x.L) + " " + w.opName(x.Ops[0]) + " ANY (" + name + "))"
	case expr.AllSubquery:
		return "(" + w.list(x.L) + " " + w.opName(x.Ops[0]) + " ALL (" + name + "))"
	}
	return "(" + name + ")"
}

func (w exprWriter) caseText(x *expr.Case) string {
	var sb strings.Builder
	sb.WriteString("CASE")
	if x.Base != nil {
		sb.WriteString(" " + w.text(x.Base))
	}
	for _, b := range x.Whens {
		sb.WriteString(" WHEN " + w.text(b.Cond) + " THEN " + w.text(b.Then))
	}
	if x.Else != nil {
		sb.WriteString(" ELSE " + w.text(x.Else))
	}
	sb.WriteString(" END")
	return sb.String()
}

func (w exprWriter) constant(x *expr.Const) string {
	if x.Value == nil {
		return "NULL::" + datum.Of(x.T.OID).String()
	}
	s := string(datum.AppendText(nil, x.T, x.Value, w.env))
	switch x.T.OID {
	case datum.Int4, datum.Bool:
		if x.T.OID == datum.Bool {
			if x.Value == true {
				return "true"
			}
			return "false"
		}
		if !strings.HasPrefix(s, "-") {
			return s
		}
	case datum.Numeric:
		if !strings.HasPrefix(s, "-") && strings.Contains(s, ".") && !strings.ContainsAny(s, "NI") {
			return s
		}
	}
	return ast.QuoteLiteral(s) + "::" + datum.Of(x.T.OID).String()
}

// call writes operators as operators and casts as casts.
func (w exprWriter) call(x *expr.Call) string {
	if op, ok := w.ops[x.Fn]; ok {
		switch len(x.Args) {
		case 2:
			return "(" + w.text(x.Args[0]) + " " + op + " " + w.text(x.Args[1]) + ")"
		case 1:
			return "(" + op + " " + w.text(x.Args[0]) + ")"
		}
	}
	if len(x.Args) > 0 && isCast(x) {
		return "(" + w.text(x.Args[0]) + ")::" + x.T.String()
	}
	return x.Fn.Name + "(" + w.list(x.Args) + ")"
}

func isCast(x *expr.Call) bool {
	c, ok := function.Builtins().Cast(x.Args[0].Type().OID, x.T.OID)
	return ok && c.Fn == x.Fn
}

func (w exprWriter) opName(f *function.Function) string {
	if op, ok := w.ops[f]; ok {
		return op
	}
	return f.Name
}
