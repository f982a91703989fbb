// Package plan holds query plans: trees of nodes that say what to compute. The
// binder makes them, the optimiser rewrites them, exec runs them.
package plan

import (
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/locking"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/function"
)

// A Field is one output column of a node.
type Field struct {
	Name string
	Type datum.Type
	// Table and Column say which column of which table this is, if it is one
	// unchanged: RowDescription shows them. Column is the attnum.
	Table  datum.OID
	Column int16
	// Record says what a column of records consists of, if that is known.
	Record *expr.RecordFields
}

// A Node is an operator of a plan. Nodes are immutable after optimisation.
type Node interface {
	Fields() []Field
	Inputs() []Node
}

// Scan reads a stored table. The expressions of Filter refer to Fields by index;
// the optimiser moves what chunk.Predicate can say from Filter into Spec.Filter.
type Scan struct {
	Table  *schema.Table
	Alias  string
	Spec   chunk.ScanSpec // Columns in the order of Out
	Filter []expr.Expr    // rest of the conjunction, nil if none
	// Dynamic are predicates whose values become known only when the scan
	// starts: exec evaluates them and adds them to Spec.Filter.
	Dynamic []DynamicPredicate
	// AsOf is the time (timestamptz), or the position (bigint), as of which the table is read;
	// nil: now. It is evaluated when the scan starts.
	AsOf expr.Expr
	Out  []Field
	// Limit, if positive, says that the parent needs only so many rows.
	Limit int64
}

// ColumnField returns the name and the type of a column that the scan may read, of the
// table or of a path; ok is false if there is none.
func (n *Scan) ColumnField(id schema.ColumnID) (f Field, ok bool) {
	if c := n.Table.Column(id); c != nil {
		return Field{Name: c.Name, Type: c.Type}, true
	}
	for i := range n.Spec.Paths {
		if p := &n.Spec.Paths[i]; p.ID == id {
			return Field{Name: p.Name, Type: p.Type()}, true
		}
	}
	return Field{}, false
}

// A DynamicPredicate is a chunk.Predicate over expressions without columns
// (parameters, stable functions), of the column's own type. A NULL among the
// Values passes no row (for OpIn it is left out); an array value of OpIn
// stands for its elements.
type DynamicPredicate struct {
	Column schema.ColumnID
	Op     chunk.PredicateOp
	Values []expr.Expr
}

// Sample is TABLESAMPLE: it hands on each row with a probability, whatever the others do, so that
// conditions may be asked before it or after it.
type Sample struct {
	Input   Node
	Method  string    // as it was asked for: both do the same
	Percent expr.Expr // real, without columns
	// Seed (double precision, without columns) is that of REPEATABLE, nil: none. With it, a row is handed on
	// or not by the values of Keys alone.
	Seed expr.Expr
	Keys []expr.Expr
	// Unique says that no two rows have the same Keys.
	Unique bool
}

// VirtualScan reads a catalogue table made by query/catalog.
type VirtualScan struct {
	Namespace, Name string
	Alias           string
	Columns         []int // of the relation
	Out             []Field
}

// Values yields constant rows: VALUES, or one empty row for SELECT without FROM.
type Values struct {
	Rows [][]expr.Expr
	Out  []Field
}

// FunctionScan calls set-returning functions in FROM, side by side (ROWS FROM).
type FunctionScan struct {
	Calls      []*SetCall
	Ordinality bool
	Out        []Field
}

// A SetCall is a call of a set-returning (or scalar) function.
type SetCall struct {
	Fn   *function.Function
	Args []expr.Expr
	T    datum.Type
	Cols []Field
	// Defined says that Cols are those of a column definition list.
	Defined bool
}

// Filter keeps the rows for which Cond is true.
type Filter struct {
	Input Node
	Cond  expr.Expr
}

// Project computes expressions.
type Project struct {
	Input Node
	Exprs []expr.Expr
	Out   []Field
}

// ProjectSet evaluates set-returning functions of a select list in lockstep.
// Exactly one of Exprs[i] and Sets[i] is set.
type ProjectSet struct {
	Input Node
	Exprs []expr.Expr
	Sets  []*SetCall
	Out   []Field
}

// An AggCall is one aggregate of an Aggregate node.
type AggCall struct {
	Agg      *function.Aggregate
	Args     []expr.Expr
	Distinct bool
	Filter   expr.Expr // nil: all rows
	OrderBy  []SortKey
	Direct   []expr.Expr // of ordered-set aggregates
	T        datum.Type
}

// Aggregate groups by Keys; its output is the keys, then the calls. Without
// keys it yields exactly one row. With Sets (grouping sets, indexes into Keys)
// a last int4 column tells the number of the set.
type Aggregate struct {
	Input Node
	Keys  []expr.Expr
	Sets  [][]int
	Calls []AggCall
	Out   []Field
}

// ScanAggregate is an Aggregate without keys over a Scan, folded inside the
// scan by chunk.Aggregates; Calls say how its results become values.
type ScanAggregate struct {
	Scan   *Scan
	Aggs   []chunk.Aggregate
	Finish []expr.Expr // over one row with the Aggs' results as columns
	Out    []Field
}

// Gapfill adds rows for the buckets of time that its input has no row of: of each group that it
// has rows of (or of all, if there are no Groups), from Start up to Finish. Its input is sorted by
// Groups, which are columns, and then by the column Time; in rows that are added, other columns are
// NULL. Its output is the input's columns, then the calls.
type Gapfill struct {
	Input  Node
	Groups []int
	Time   int
	Width  expr.Expr // of a bucket, as time_bucket takes it
	Zone   expr.Expr // nil: buckets are not by a zone's clocks
	// The latest one of Start and the earliest one of Finish count. None of them is an error when
	// the plan is run: the optimiser may find them in conditions that come from outside.
	Start, Finish []FillBound
	Calls         []FillCall
	Out           []Field
}

// A FillBound bounds the times of Gapfill; it has no columns. After says that what is meant is the
// next value of the type: that of > and <=.
type FillBound struct {
	At    expr.Expr
	After bool
}

// A FillCall is locf or interpolate: the value of Arg, and where there is none one that is made of those
// of other rows of the group.
type FillCall struct {
	Interpolate bool
	Arg         expr.Expr
	// Prev is the value before the first one of a group, over the columns of Groups; nil: NULL.
	// Of interpolate PrevAt is its time, and Next and NextAt are those of the one after the last.
	Prev, PrevAt, Next, NextAt expr.Expr
	// NullIsMissing says whether locf also replaces NULLs of rows that the input has; nil: not.
	NullIsMissing expr.Expr
	T             datum.Type
}

// A WindowCall is one window function or aggregate over a window.
type WindowCall struct {
	Fn     string              // row_number, rank, lag...; empty for an aggregate
	Agg    *function.Aggregate // aggregate over the frame
	Args   []expr.Expr
	Filter expr.Expr
	Frame  Frame
	T      datum.Type
}

// A Frame is a window frame.
type Frame struct {
	Mode       FrameMode
	Start, End Bound
	Exclude    uint8 // 0 none, 1 current row, 2 group, 3 ties
}
type FrameMode uint8

const (
	FrameRange FrameMode = iota
	FrameRows
	FrameGroups
)

// A Bound of a frame.
type Bound struct {
	Kind   BoundKind
	Offset expr.Expr
}
type BoundKind uint8

const (
	UnboundedPreceding BoundKind = iota
	Preceding
	CurrentRow
	Following
	UnboundedFollowing
)

// Window computes window functions that share PartitionBy and OrderBy; its
// output is the input's columns, then the calls.
type Window struct {
	Input       Node
	PartitionBy []expr.Expr
	OrderBy     []SortKey
	Calls       []WindowCall
	Out         []Field
}

// A SortKey orders by an expression.
type SortKey struct {
	Expr       expr.Expr
	Desc       bool
	NullsFirst bool
}

// Sort orders rows; with Limit non-nil only the first Offset+Limit are needed (top-k).
type Sort struct {
	Input Node
	Keys  []SortKey
	TopK  expr.Expr // nil: all; an int8 bound that the Limit above also applies
}

// Limit skips Offset rows and yields Count (nil: no bound).
type Limit struct {
	Input         Node
	Count, Offset expr.Expr
	WithTies      []SortKey // FETCH FIRST .. WITH TIES
}

// LockRows locks the rows of tables that its rows come of, for FOR UPDATE and its kin, and leaves
// out those that are to be skipped. It locks no more than the Limit above it, which Count
// and Offset are of, wants.
type LockRows struct {
	Input         Node
	Locks         []RowLock
	Count, Offset expr.Expr
}

// A RowLock is a table whose rows are locked.
type RowLock struct {
	Table    *schema.Table
	Keys     []expr.Expr // the columns of the primary key, in key order; none if it has no key
	Strength locking.Strength
	Wait     locking.Wait
}

// Distinct removes duplicate rows. With On, it keeps the first row of each
// group of equal On values; the input is sorted by them first.
type Distinct struct {
	Input Node
	On    []expr.Expr
}

// JoinKind is the kind of a join.
type JoinKind uint8

const (
	InnerJoin JoinKind = iota
	LeftJoin
	RightJoin
	FullJoin
	SemiJoin // left rows with a match
	AntiJoin // left rows without a match
	// NullAntiJoin is NOT IN: no row at all if the right side has a NULL key.
	NullAntiJoin
)

// Join joins two inputs. EquiLeft[i] = EquiRight[i] (over the left and right
// input's columns) by Eq[i]; Cond, over the left then the right columns, must
// hold as well. Without equi keys it is a nested loop. Output: left columns,
// then right columns (semi and anti: left only).
type Join struct {
	Kind                JoinKind
	Left, Right         Node
	EquiLeft, EquiRight []expr.Expr
	Cond                expr.Expr
	Out                 []Field
}

// Apply is a lateral join: Right is run for each left row with the outer
// Params FirstParam.. set to Outer. Kind is Inner or Left.
type Apply struct {
	Kind        JoinKind
	Left, Right Node
	Outer       []expr.Expr
	FirstParam  int
	Cond        expr.Expr
	Out         []Field
}

// AsofJoin joins each left row with one right row at most: of those whose keys are equal
// (EquiLeft[i] = EquiRight[i], over the left and the right input's columns) the one whose
// time is nearest to the left row's on the side that Op says. Where several right rows have
// that time, it is the one that ORDER BY all of the right input's columns would put last. A
// NULL among the keys and times matches nothing. The two have nothing to do with each other
// if Cond, over the left then the right columns, does not hold of them. The times of a pair,
// and its keys, are of one type with an order. Kind is Inner or Left; output as Join's.
type AsofJoin struct {
	Kind                JoinKind
	Left, Right         Node
	EquiLeft, EquiRight []expr.Expr
	TimeLeft, TimeRight expr.Expr
	Op                  AsofOp // of TimeLeft with TimeRight
	Cond                expr.Expr
	Out                 []Field
}

// An AsofOp is how a left row's time compares with those that it may be joined with.
type AsofOp string

const (
	AsofGE AsofOp = ">=" // the last right row up to the left row's time
	AsofGT AsofOp = ">"  // the last right row before
	AsofLE AsofOp = "<=" // the first right row from the left row's time on
	AsofLT AsofOp = "<"  // the first right row after
)

// Strict says whether equal times do not match, Forward whether the right row is the later one.
func (op AsofOp) Strict() bool  { return op == AsofGT || op == AsofLT }
func (op AsofOp) Forward() bool { return op == AsofLE || op == AsofLT }

// Number adds an int8 column that is different for each row of its input, from 0 on
// without many gaps. FirstOf finds rows by it that a join has made several of.
type Number struct {
	Input Node
	Out   []Field
}

// FirstOf keeps one of the rows that share a number, which Number put into Column:
// the first that comes.
type FirstOf struct {
	Input  Node
	Column int
}

// SetOpKind is a set operation.
type SetOpKind uint8

const (
	UnionAll SetOpKind = iota
	Union
	IntersectAll
	Intersect
	ExceptAll
	Except
)

// SetOp combines inputs of equal column types.
type SetOp struct {
	Kind        SetOpKind
	Left, Right Node
	Out         []Field
}

// CTE runs Plans once each, in order, and makes them readable by CTEScan with
// the same ID; Body is the query.
type CTE struct {
	Defs []CTEDef
	Body Node
}

// A CTEDef is one WITH query. A recursive one runs Init, then Step over the
// rows of the last round (a CTEScan of the ID) until none come; All is UNION ALL.
type CTEDef struct {
	ID       int
	Name     string
	Init     Node
	Step     Node // nil: not recursive
	UnionAll bool
	// Materialized is [NOT] MATERIALIZED, nil if not said.
	Materialized *bool
}

// CTEScan reads a CTE's rows.
type CTEScan struct {
	ID   int
	Name string
	Out  []Field
}

func (n *Scan) Fields() []Field          { return n.Out }
func (n *Sample) Fields() []Field        { return n.Input.Fields() }
func (n *VirtualScan) Fields() []Field   { return n.Out }
func (n *Values) Fields() []Field        { return n.Out }
func (n *FunctionScan) Fields() []Field  { return n.Out }
func (n *Filter) Fields() []Field        { return n.Input.Fields() }
func (n *Project) Fields() []Field       { return n.Out }
func (n *ProjectSet) Fields() []Field    { return n.Out }
func (n *Aggregate) Fields() []Field     { return n.Out }
func (n *ScanAggregate) Fields() []Field { return n.Out }
func (n *Gapfill) Fields() []Field       { return n.Out }
func (n *Window) Fields() []Field        { return n.Out }
func (n *Sort) Fields() []Field          { return n.Input.Fields() }
func (n *Limit) Fields() []Field         { return n.Input.Fields() }
func (n *LockRows) Fields() []Field      { return n.Input.Fields() }
func (n *Distinct) Fields() []Field      { return n.Input.Fields() }
func (n *Join) Fields() []Field          { return n.Out }
func (n *AsofJoin) Fields() []Field      { return n.Out }
func (n *Apply) Fields() []Field         { return n.Out }
func (n *Number) Fields() []Field        { return n.Out }
func (n *FirstOf) Fields() []Field       { return n.Input.Fields() }
func (n *SetOp) Fields() []Field         { return n.Out }
func (n *CTE) Fields() []Field           { return n.Body.Fields() }
func (n *CTEScan) Fields() []Field       { return n.Out }

func (n *Scan) Inputs() []Node          { return nil }
func (n *Sample) Inputs() []Node        { return []Node{n.Input} }
func (n *VirtualScan) Inputs() []Node   { return nil }
func (n *Values) Inputs() []Node        { return nil }
func (n *FunctionScan) Inputs() []Node  { return nil }
func (n *Filter) Inputs() []Node        { return []Node{n.Input} }
func (n *Project) Inputs() []Node       { return []Node{n.Input} }
func (n *ProjectSet) Inputs() []Node    { return []Node{n.Input} }
func (n *Aggregate) Inputs() []Node     { return []Node{n.Input} }
func (n *ScanAggregate) Inputs() []Node { return []Node{n.Scan} }
func (n *Gapfill) Inputs() []Node       { return []Node{n.Input} }
func (n *Window) Inputs() []Node        { return []Node{n.Input} }
func (n *Sort) Inputs() []Node          { return []Node{n.Input} }
func (n *Limit) Inputs() []Node         { return []Node{n.Input} }
func (n *LockRows) Inputs() []Node      { return []Node{n.Input} }
func (n *Distinct) Inputs() []Node      { return []Node{n.Input} }
func (n *Join) Inputs() []Node          { return []Node{n.Left, n.Right} }
func (n *AsofJoin) Inputs() []Node      { return []Node{n.Left, n.Right} }
func (n *Apply) Inputs() []Node         { return []Node{n.Left, n.Right} }
func (n *Number) Inputs() []Node        { return []Node{n.Input} }
func (n *FirstOf) Inputs() []Node       { return []Node{n.Input} }
func (n *SetOp) Inputs() []Node         { return []Node{n.Left, n.Right} }
func (n *CTEScan) Inputs() []Node       { return nil }

func (n *CTE) Inputs() []Node {
	in := []Node{n.Body}
	for _, d := range n.Defs {
		in = append(in, d.Init)
		if d.Step != nil {
			in = append(in, d.Step)
		}
	}
	return in
}
