package plan

import (
	"fmt"
	"slices"
	"strconv"
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

// DefinitionText writes an expression of a definition; relation names those that are
// constants in it. Pretty leaves out parentheses that PostgreSQL's pretty text leaves out.
func DefinitionText(e expr.Expr, columns []string, env *datum.Env, relation func(datum.OID) string, pretty bool) string {
	w := exprWriter{columns: columns, env: env, ops: operatorNames(), relation: relation, pretty: pretty}
	return w.text(e)
}

// DomainText is DefinitionText for an expression of a domain, whose column is VALUE.
func DomainText(e expr.Expr, env *datum.Env, relation func(datum.OID) string, pretty bool) string {
	w := exprWriter{domain: true, env: env, ops: operatorNames(), relation: relation, pretty: pretty}
	return w.text(e)
}

type exprWriter struct {
	relation func(datum.OID) string // of text of definitions; nil: as numbers
	pretty   bool
	domain   bool // it is a domain's
	columns  []string
	env      *datum.Env
	ops      map[*function.Function]string
}

func (w exprWriter) list(es []expr.Expr) string {
	out := make([]string, len(es))
	for i, e := range es {
		out[i] = w.text(e)
	}
	return strings.Join(out, ", ")
}

func (w exprWriter) join(parent expr.Expr, es []expr.Expr, word string) string {
	out := make([]string, len(es))
	for i, e := range es {
		out[i] = w.in(e, parent)
	}
	return w.outer(strings.Join(out, word))
}

func (w exprWriter) text(e expr.Expr) string {
	switch x := e.(type) {
	case nil:
		return ""
	case *expr.Const:
		return w.constant(x)
	case *expr.Column:
		if w.domain {
			return "VALUE"
		}
		name := x.Name
		if x.Index < len(w.columns) && w.columns[x.Index] != "" {
			name = w.columns[x.Index]
		}
		if strings.HasPrefix(name, "(") && strings.HasSuffix(name, ")") {
			return name // of what a scan computes
		}
		return ast.QuoteIdent(name)
	case *expr.Param:
		if x.Outer {
			return fmt.Sprintf("$outer%d", x.Index)
		}
		return fmt.Sprintf("$%d", x.Index+1)
	case *expr.Call:
		return w.call(x)
	case *expr.And:
		return w.join(x, x.Args, " AND ")
	case *expr.Or:
		return w.join(x, x.Args, " OR ")
	case *expr.Not:
		return w.outer("NOT " + w.in(x.Arg, x))
	case *expr.IsNull:
		if x.Not {
			return w.outer(w.in(x.Arg, x) + " IS NOT NULL")
		}
		return w.outer(w.in(x.Arg, x) + " IS NULL")
	case *expr.IsDistinct:
		not := ""
		if x.Not {
			not = "NOT "
		}
		return w.outer(w.in(x.L, x) + " IS " + not + "DISTINCT FROM " + w.in(x.R, x))
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
		return "(" + w.text(x.Arg) + ")." + w.fieldName(x)
	case *expr.AnyAll:
		word := " ANY ("
		if x.All {
			word = " ALL ("
		}
		return w.outer(w.in(x.L, x) + " " + w.opName(x.Op) + word + w.array(x.R) + ")")
	case *expr.IOCast:
		return w.castText(x, x.Arg, x.T)
	case *expr.ToDomain:
		return w.outer(w.in(x.Arg, x)) + "::" + x.Name
	case *expr.Relabel:
		return w.castText(x, x.Arg, x.T)
	case *expr.ArrayCast:
		return w.castText(x, x.Arg, x.T)
	case *expr.Subscript:
		s := "(" + w.text(x.Arg) + ")"
		for _, i := range x.Index {
			s += "[" + w.text(i) + "]"
		}
		return s
	case *expr.Slice:
		s := "(" + w.text(x.Arg) + ")"
		for i := range x.Lower {
			s += "[" + w.text(x.Lower[i]) + ":" + w.text(x.Upper[i]) + "]"
		}
		return s
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
		return "NULL::" + w.env.TypeText(datum.Of(x.T.OID))
	}
	s := string(datum.AppendText(nil, x.T, x.Value, w.env))
	if x.T.OID == datum.RegClass && w.relation != nil {
		s = w.relation(x.Value.(datum.OID))
	}
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
	return ast.QuoteLiteral(s) + "::" + w.env.TypeText(datum.Of(x.T.OID))
}

// call writes operators as operators and casts as casts.
func (w exprWriter) call(x *expr.Call) string {
	if w.relation != nil {
		x = withoutDomains(x)
	}
	if op, ok := w.ops[x.Fn]; ok {
		switch len(x.Args) {
		case 2:
			return w.outer(w.in(x.Args[0], x) + " " + op + " " + w.in(x.Args[1], x))
		case 1:
			return w.outer(op + " " + w.in(x.Args[0], x))
		}
	}
	switch {
	case x.Fn == function.RowIsNull:
		return w.outer(w.in(x.Args[0], x) + " IS NULL")
	case x.Fn == function.RowIsNotNull:
		return w.outer(w.in(x.Args[0], x) + " IS NOT NULL")
	case function.IsPacked(x.Fn):
		return w.castText(x, x.Args[0], x.T)
	}
	if len(x.Args) > 0 && isCast(x) {
		return w.castText(x, x.Args[0], x.T)
	}
	return x.Fn.Name + "(" + w.list(x.Args) + ")"
}

// withoutDomains is a call whose arguments are cast to the types below their domains, as PostgreSQL
// has it where it asks for a type.
func withoutDomains(x *expr.Call) *expr.Call {
	out := *x
	for i, a := range x.Args {
		t := a.Type()
		if t.Domain == 0 || i >= len(x.Fn.Args) || function.IsPolymorphic(x.Fn.Args[i]) {
			continue
		}
		if out.Args[i] == x.Args[i] {
			out.Args = slices.Clone(out.Args)
		}
		out.Args[i] = &expr.Relabel{Arg: a, T: datum.Type{OID: t.OID, Mod: t.Mod}}
	}
	return &out
}

// fieldName is what a field is called: those of composite types have names.
func (w exprWriter) fieldName(x *expr.FieldSelect) string {
	if t := x.Arg.Type(); t.IsRow() && w.env != nil && w.env.Types != nil {
		if attrs, err := w.env.Types.Attributes(t.OID); err == nil && x.Index < len(attrs) {
			return ast.QuoteIdent(attrs[x.Index].Name)
		}
	}
	return "f" + strconv.Itoa(x.Index+1)
}

func (w exprWriter) castText(cast, arg expr.Expr, t datum.Type) string {
	return w.outer(w.in(arg, cast)) + "::" + w.env.TypeText(t)
}

// array is the right side of = ANY: in definitions, a list of constants as it was written.
func (w exprWriter) array(e expr.Expr) string {
	k, ok := e.(*expr.Const)
	if !ok || w.relation == nil {
		return w.text(e)
	}
	list, ok := k.Value.(datum.Array)
	if !ok {
		return w.text(e)
	}
	out := make([]string, len(list.Values))
	for i, v := range list.Values {
		out[i] = w.constant(&expr.Const{T: list.Elem, Value: v})
	}
	return "ARRAY[" + strings.Join(out, ", ") + "]"
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
