// Package expr holds bound expressions and evaluates them a batch at a time.
// Names are resolved, types are known and casts are explicit: what an
// expression means no longer depends on the catalogue.
package expr

import (
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/query/function"
)

// An Expr is a bound expression. Expressions are immutable and shared.
type Expr interface {
	Type() datum.Type
}

// A Const is a literal or a folded expression; Value nil is NULL.
type Const struct {
	Value datum.Value
	T     datum.Type
}

// A Column is the value of one column of the input batch.
type Column struct {
	Index int
	Name  string // for people
	T     datum.Type
	// Record says what a record consists of, if that is known; the binder alone
	// looks at it.
	Record *RecordFields
}

// RecordFields are the fields of records of a known shape.
type RecordFields struct {
	Names []string
	Types []datum.Type
}

// A Param is a value set outside of the batch: $1.. of a prepared statement
// (Outer false) or a column of an outer query's row (Outer true), which the
// operator that runs the subquery sets before each run.
type Param struct {
	Index int
	Outer bool
	T     datum.Type
}

// A Call applies a function, operator or cast function to arguments. Args are
// already of the function's argument types.
type Call struct {
	Fn   *function.Function
	Args []Expr
	T    datum.Type
}

// And and Or follow three-valued logic and stop early as PostgreSQL may.
type And struct{ Args []Expr }
type Or struct{ Args []Expr }
type Not struct{ Arg Expr }

// IsNull is arg IS [NOT] NULL.
type IsNull struct {
	Arg Expr
	Not bool
}

// IsDistinct is IS [NOT] DISTINCT FROM; Eq is the = of the operand type.
type IsDistinct struct {
	Eq   *function.Function
	L, R Expr
	Not  bool
}

// A Case is a searched CASE (the binder rewrites the simple form; its operand
// is evaluated once through Base and CaseBase). Branches run only for the rows
// that reach them.
type Case struct {
	Base  Expr // nil in the searched form
	Whens []When
	Else  Expr // nil: NULL
	T     datum.Type
}
type When struct{ Cond, Then Expr }

// CaseBase is the value of the enclosing Case's Base.
type CaseBase struct{ T datum.Type }

// Coalesce evaluates each argument only for the rows that reach it.
// Greatest and least are functions.
type Coalesce struct {
	Args []Expr
	T    datum.Type
}

// An ArrayCtor is ARRAY[...]; a RowCtor is ROW(...).
type ArrayCtor struct {
	Elems []Expr
	T     datum.Type
}
type RowCtor struct {
	Fields []Expr
	Names  []string // of the fields of a table's row; nil: f1, f2 and so on
	T      datum.Type
}

// FieldSelect is (record).field.
type FieldSelect struct {
	Arg   Expr
	Index int
	T     datum.Type
}

// AnyAll is L op ANY|ALL (array). Also x IN (a, b, ...) over constants.
type AnyAll struct {
	Op   *function.Function
	L, R Expr // R is an array
	All  bool
}

// A Cast by input/output conversion (text to anything and back); all other
// casts are Calls of cast functions. Field coercions (varchar(n), numeric(p,s))
// are Calls of the length-coercion functions.
type IOCast struct {
	Arg Expr
	T   datum.Type
}

// SubqueryKind is how a subquery's rows become a value.
type SubqueryKind uint8

const (
	ScalarSubquery SubqueryKind = iota // one column, at most one row (else 21000)
	ExistsSubquery
	AnySubquery   // L op ANY (subquery), also IN
	AllSubquery   // L op ALL (subquery), also NOT IN
	ArraySubquery // ARRAY(subquery)
)

// A Subquery runs Plan once, or, if Outer is not empty, once for each row of
// the input with distinct values of Outer, which become the plan's outer Params
// numbered from FirstParam on. Plan is a plan.Node (kept as any because plan imports expr).
type Subquery struct {
	Kind       SubqueryKind
	Plan       any
	Outer      []Expr
	FirstParam int
	// Ops compare L's columns with the subquery's, for Any and All.
	L   []Expr
	Ops []*function.Function
	T   datum.Type
}

func (e *Const) Type() datum.Type      { return e.T }
func (e *Column) Type() datum.Type     { return e.T }
func (e *Param) Type() datum.Type      { return e.T }
func (e *Call) Type() datum.Type       { return e.T }
func (e *And) Type() datum.Type        { return datum.Of(datum.Bool) }
func (e *Or) Type() datum.Type         { return datum.Of(datum.Bool) }
func (e *Not) Type() datum.Type        { return datum.Of(datum.Bool) }
func (e *IsNull) Type() datum.Type     { return datum.Of(datum.Bool) }
func (e *IsDistinct) Type() datum.Type { return datum.Of(datum.Bool) }
func (e *Case) Type() datum.Type       { return e.T }
func (e *CaseBase) Type() datum.Type   { return e.T }
func (e *Coalesce) Type() datum.Type   { return e.T }

// Nested says whether the elements are arrays, which make an array of one dimension more.
func (e *ArrayCtor) Nested() bool {
	if len(e.Elems) == 0 {
		return false
	}
	t := e.Elems[0].Type()
	_, nested := t.Elem()
	return nested && t.OID == e.T.OID
}

func (e *ArrayCtor) Type() datum.Type   { return e.T }
func (e *RowCtor) Type() datum.Type     { return e.T }
func (e *FieldSelect) Type() datum.Type { return e.T }
func (e *AnyAll) Type() datum.Type      { return datum.Of(datum.Bool) }
func (e *IOCast) Type() datum.Type      { return e.T }
func (e *Subquery) Type() datum.Type    { return e.T }
