package ast

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
)

// Deparse returns an expression as SQL in the manner of PostgreSQL's
// pg_get_expr: every operator in parentheses, so that the text means the same
// wherever it is put. Parsing it gives an equal tree.
func Deparse(e Expr) string {
	var d deparser
	d.expr(e)
	return d.String()
}

// DeparseSelect returns a query as SQL, in one line.
func DeparseSelect(q *Select) string {
	var d deparser
	d.query(q)
	return d.String()
}

// String returns the type as SQL spells it: "character varying(10)[]".
func (t *TypeName) String() string {
	var d deparser
	d.typeName(t)
	return d.String()
}

type deparser struct{ strings.Builder }

func (d *deparser) s(parts ...string) {
	for _, p := range parts {
		d.WriteString(p)
	}
}

func (d *deparser) exprs(list []Expr) {
	for i, e := range list {
		if i > 0 {
			d.s(", ")
		}
		d.expr(e)
	}
}

func (d *deparser) idents(list []string) {
	for i, n := range list {
		if i > 0 {
			d.s(", ")
		}
		d.s(QuoteIdent(n))
	}
}

func (d *deparser) dotted(names []string) {
	for i, n := range names {
		if i > 0 {
			d.s(".")
		}
		d.s(QuoteIdent(n))
	}
}

func (d *deparser) op(o OpName) {
	if o.Schema == "" {
		d.s(o.Name)
		return
	}
	d.s("OPERATOR(", QuoteIdent(o.Schema), ".", o.Name, ")")
}

func not(n bool) string {
	if n {
		return "NOT "
	}
	return ""
}

func (d *deparser) expr(e Expr) {
	switch e := e.(type) {
	case *Literal:
		d.literal(e)
	case *ColumnRef:
		d.dotted(e.Names)
		if e.Star {
			if len(e.Names) > 0 {
				d.s(".")
			}
			d.s("*")
		}
	case *Param:
		d.s("$", strconv.Itoa(e.Index))
	case *Cast:
		d.cast(e)
	case *Unary:
		d.s("(")
		d.op(e.Op)
		d.s(" ")
		d.expr(e.Arg)
		d.s(")")
	case *Binary:
		d.s("(")
		d.expr(e.L)
		d.s(" ")
		d.op(e.Op)
		d.s(" ")
		d.expr(e.R)
		d.s(")")
	case *And:
		d.logical(" AND ", e.Args)
	case *Or:
		d.logical(" OR ", e.Args)
	case *Not:
		d.s("(NOT ")
		d.expr(e.Arg)
		d.s(")")
	case *Case:
		d.caseExpr(e)
	case *FuncCall:
		d.call(e)
	case *NamedArg:
		d.s(QuoteIdent(e.Name), " => ")
		d.expr(e.Arg)
	case *Subscript:
		d.subscript(e)
	case *FieldSelect:
		d.s("(")
		d.expr(e.Arg)
		d.s(").")
		if e.Star {
			d.s("*")
		} else {
			d.s(QuoteIdent(e.Field))
		}
	case *Collate:
		d.s("(")
		d.expr(e.Arg)
		d.s(" COLLATE ")
		d.dotted(e.Name)
		d.s(")")
	case *GroupingSet:
		d.groupingSet(e)
	default:
		if !d.test(e) {
			d.constructor(e)
		}
	}
}

func (d *deparser) logical(op string, args []Expr) {
	d.s("(")
	for i, a := range args {
		if i > 0 {
			d.s(op)
		}
		d.expr(a)
	}
	d.s(")")
}

func (d *deparser) literal(e *Literal) {
	switch e.Kind {
	case Null:
		d.s("NULL")
	case Boolean:
		d.s(e.Text)
	case String:
		d.s(QuoteLiteral(e.Text))
	case BitString:
		d.s("B'", e.Text, "'")
	case HexString:
		d.s("X'", e.Text, "'")
	case Number:
		if strings.HasPrefix(e.Text, "-") {
			// A minus sign would bind to the digits less tightly than :: does.
			d.s("'", e.Text, "'::", negativeType(e.Text))
			return
		}
		d.s(e.Text)
	}
}

// negativeType is the type that PostgreSQL gives to a number by its size.
func negativeType(text string) string {
	if n, ok := new(big.Int).SetString(text, 10); ok && n.IsInt64() {
		if i := n.Int64(); int64(int32(i)) == i {
			return "integer"
		}
		return "bigint"
	}
	return "numeric"
}

func (d *deparser) cast(e *Cast) {
	if lit, ok := e.Arg.(*Literal); ok && (lit.Kind == String || lit.Kind == Null) {
		d.expr(lit)
	} else {
		d.s("(")
		d.expr(e.Arg)
		d.s(")")
	}
	d.s("::")
	d.typeName(e.Type)
}

func (d *deparser) caseExpr(e *Case) {
	d.s("CASE")
	if e.Operand != nil {
		d.s(" ")
		d.expr(e.Operand)
	}
	for _, w := range e.Whens {
		d.s(" WHEN ")
		d.expr(w.Cond)
		d.s(" THEN ")
		d.expr(w.Then)
	}
	if e.Else != nil {
		d.s(" ELSE ")
		d.expr(e.Else)
	}
	d.s(" END")
}

func (d *deparser) subscript(e *Subscript) {
	switch e.Arg.(type) {
	case *ColumnRef, *Param:
		d.expr(e.Arg)
	default:
		d.s("(")
		d.expr(e.Arg)
		d.s(")")
	}
	for _, sub := range e.Subs {
		d.s("[")
		if sub.Lower != nil {
			d.expr(sub.Lower)
		}
		if sub.Slice {
			d.s(" : ") // spaces: a typed cast or a parameter may stand beside it
		}
		if sub.Upper != nil {
			d.expr(sub.Upper)
		}
		d.s("]")
	}
}

func (d *deparser) groupingSet(e *GroupingSet) {
	switch e.Kind {
	case Rollup:
		d.s("ROLLUP")
	case Cube:
		d.s("CUBE")
	case GroupingSets:
		d.s("GROUPING SETS")
	}
	d.s("(")
	d.exprs(e.Items)
	d.s(")")
}

// test writes the predicates that are not plain operators.
func (d *deparser) test(e Expr) bool {
	var arg Expr
	switch e := e.(type) {
	case *IsNull:
		arg = e.Arg
	case *BoolTest:
		arg = e.Arg
	case *IsDistinct:
		arg = e.L
	case *IsDocument:
		arg = e.Arg
	case *IsNormalized:
		arg = e.Arg
	case *Between:
		arg = e.Arg
	case *Like:
		arg = e.Arg
	case *In:
		arg = e.Arg
	case *AnyAll:
		arg = e.L
	default:
		return false
	}
	d.s("(")
	d.expr(arg)
	d.s(" ")
	d.testOf(e)
	d.s(")")
	return true
}

func (d *deparser) testOf(e Expr) {
	switch e := e.(type) {
	case *IsNull:
		d.s("IS ", not(e.Not), "NULL")
	case *BoolTest:
		d.s("IS ", not(e.Not), [...]string{"TRUE", "FALSE", "UNKNOWN"}[e.Test])
	case *IsDistinct:
		d.s("IS ", not(e.Not), "DISTINCT FROM ")
		d.expr(e.R)
	case *IsDocument:
		d.s("IS ", not(e.Not), "DOCUMENT")
	case *IsNormalized:
		d.s("IS ", not(e.Not))
		if e.Form != "" {
			d.s(e.Form, " ")
		}
		d.s("NORMALIZED")
	case *Between:
		d.s(not(e.Not), "BETWEEN ")
		if e.Symmetric {
			d.s("SYMMETRIC ")
		}
		d.expr(e.Low)
		d.s(" AND ")
		d.expr(e.High)
	case *Like:
		d.s(not(e.Not), [...]string{"LIKE", "ILIKE", "SIMILAR TO"}[e.Kind], " ")
		d.expr(e.Pattern)
		if e.Escape != nil {
			d.s(" ESCAPE ")
			d.expr(e.Escape)
		}
	case *In:
		d.s(not(e.Not), "IN (")
		if e.Query != nil {
			d.query(e.Query)
		} else {
			d.exprs(e.List)
		}
		d.s(")")
	case *AnyAll:
		d.op(e.Op)
		if e.All {
			d.s(" ALL (")
		} else {
			d.s(" ANY (")
		}
		if e.Query != nil {
			d.query(e.Query)
		} else {
			d.expr(e.R)
		}
		d.s(")")
	}
}

func (d *deparser) constructor(e Expr) {
	switch e := e.(type) {
	case *Exists:
		d.sub("EXISTS (", e.Query)
	case *Subquery:
		d.sub("(", e.Query)
	case *ArrayQuery:
		d.sub("ARRAY(", e.Query)
	case *ArrayExpr:
		d.s("ARRAY[")
		d.exprs(e.Elems)
		d.s("]")
	case *Row:
		d.s("ROW(")
		d.exprs(e.Fields)
		d.s(")")
	case *Coalesce:
		d.named("COALESCE", e.Args...)
	case *NullIf:
		d.named("NULLIF", e.L, e.R)
	case *Greatest:
		if e.Least {
			d.named("LEAST", e.Args...)
		} else {
			d.named("GREATEST", e.Args...)
		}
	case *Grouping:
		d.named("GROUPING", e.Args...)
	case *SQLValue:
		d.s(strings.ToUpper(sqlValueNames[e.Kind]))
		if e.Precision >= 0 {
			d.s("(", strconv.Itoa(e.Precision), ")")
		}
	case *Default:
		d.s("DEFAULT")
	case *CurrentOf:
		d.s("CURRENT OF ", QuoteIdent(e.Cursor))
	default:
		panic(fmt.Sprintf("ast: bug: no deparse of %T", e))
	}
}

func (d *deparser) sub(open string, q *Select) {
	d.s(open)
	d.query(q)
	d.s(")")
}

func (d *deparser) named(name string, args ...Expr) {
	d.s(name, "(")
	d.exprs(args)
	d.s(")")
}

// call writes a function call, the commonest of SQL's own forms as such.
func (d *deparser) call(e *FuncCall) {
	if e.SQLSyntax && e.Over == nil && e.Filter == nil && d.sqlCall(e) {
		return
	}
	d.dotted(e.Name)
	d.s("(")
	if e.Distinct {
		d.s("DISTINCT ")
	}
	if e.Star {
		d.s("*")
	}
	for i, a := range e.Args {
		if i > 0 {
			d.s(", ")
		}
		if e.Variadic && i == len(e.Args)-1 {
			d.s("VARIADIC ")
		}
		d.expr(a)
	}
	if len(e.OrderBy) > 0 && !e.WithinGroup {
		d.s(" ORDER BY ")
		d.orderItems(e.OrderBy)
	}
	d.s(")")
	if e.WithinGroup {
		d.s(" WITHIN GROUP (ORDER BY ")
		d.orderItems(e.OrderBy)
		d.s(")")
	}
	if e.Filter != nil {
		d.s(" FILTER (WHERE ")
		d.expr(e.Filter)
		d.s(")")
	}
	if e.Over != nil {
		d.s(" OVER ")
		if e.Over.Name != "" {
			d.s(QuoteIdent(e.Over.Name))
		} else {
			d.window(e.Over)
		}
	}
}

func (d *deparser) sqlCall(e *FuncCall) bool {
	name, args := e.Name[len(e.Name)-1], e.Args
	switch {
	case name == "extract" && len(args) == 2:
		field, ok := args[0].(*Literal)
		if !ok || field.Kind != String {
			return false
		}
		d.s("EXTRACT(", QuoteLiteral(field.Text), " FROM ")
		d.expr(args[1])
		d.s(")")
	case name == "timezone" && len(args) == 2:
		d.s("(")
		d.expr(args[1])
		d.s(" AT TIME ZONE ")
		d.expr(args[0])
		d.s(")")
	case name == "position" && len(args) == 2:
		d.s("POSITION(")
		d.expr(args[1]) // compound ones are in parentheses, as the grammar wants here
		d.s(" IN ")
		d.expr(args[0])
		d.s(")")
	case (name == "btrim" || name == "ltrim" || name == "rtrim") && len(args) >= 1 && len(args) <= 2:
		d.s("TRIM(", map[string]string{"btrim": "BOTH", "ltrim": "LEADING", "rtrim": "TRAILING"}[name])
		if len(args) == 2 {
			d.s(" ")
			d.expr(args[1])
		}
		d.s(" FROM ")
		d.expr(args[0])
		d.s(")")
	default:
		return false
	}
	return true
}

func (d *deparser) typeName(t *TypeName) {
	if t.SetOf {
		d.s("SETOF ")
	}
	name := ""
	if len(t.Names) == 2 && t.Names[0] == "pg_catalog" {
		name = t.Names[1]
	}
	switch sql, ok := sqlTypeNames[name]; {
	case !ok || (name == "bpchar" || name == "bit") && len(t.Mods) == 0:
		d.dotted(t.Names)
		d.mods(t.Mods)
	case name == "interval":
		d.s("interval")
		d.intervalMods(t.Mods)
	case name == "timestamptz" || name == "timetz":
		base, zone, _ := strings.Cut(sql, " ")
		d.s(base)
		d.mods(t.Mods)
		d.s(" ", zone)
	default:
		d.s(sql)
		d.mods(t.Mods)
	}
	for _, n := range t.Dims {
		d.s("[")
		if n >= 0 {
			d.s(strconv.Itoa(n))
		}
		d.s("]")
	}
}

func (d *deparser) mods(mods []Expr) {
	if len(mods) > 0 {
		d.s("(")
		d.exprs(mods)
		d.s(")")
	}
}

func (d *deparser) intervalMods(mods []Expr) {
	if len(mods) == 0 {
		return
	}
	mask := -1
	if lit, ok := mods[0].(*Literal); ok {
		mask, _ = strconv.Atoi(lit.Text)
	}
	fields := intervalFields[mask]
	if fields != "" {
		d.s(" ", fields)
	}
	if len(mods) > 1 {
		d.mods(mods[1:])
	}
}

// intervalFields spells the masks that the grammar can make.
var intervalFields = map[int]string{
	IntervalYear:                 "year",
	IntervalMonth:                "month",
	IntervalDay:                  "day",
	IntervalHour:                 "hour",
	IntervalMinute:               "minute",
	IntervalSecond:               "second",
	IntervalYear | IntervalMonth: "year to month",
	IntervalDay | IntervalHour:   "day to hour",
	IntervalDay | IntervalHour | IntervalMinute:                  "day to minute",
	IntervalHour | IntervalMinute:                                "hour to minute",
	IntervalMinute | IntervalSecond:                              "minute to second",
	IntervalHour | IntervalMinute | IntervalSecond:               "hour to second",
	IntervalDay | IntervalHour | IntervalMinute | IntervalSecond: "day to second",
}

// sqlTypeNames are the types whose SQL spelling differs from the catalogue's,
// or which are keywords.
var sqlTypeNames = map[string]string{
	"bool": "boolean", "int2": "smallint", "int4": "integer", "int8": "bigint",
	"float4": "real", "float8": "double precision", "numeric": "numeric",
	"varchar": "character varying", "bpchar": "character",
	"time": "time", "timetz": "time with time zone",
	"timestamp": "timestamp", "timestamptz": "timestamp with time zone",
	"interval": "interval", "bit": "bit", "varbit": "bit varying",
}
