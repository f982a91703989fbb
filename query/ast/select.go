package ast

// A Select is a query in any of its forms: SetOp is set, or Values is, or
// neither (a plain SELECT, or TABLE t, which reads as SELECT * FROM t).
// Parentheses leave no trace but the structure.
type Select struct {
	stmtNode
	With *With

	Distinct      bool
	DistinctOn    []Expr // of DISTINCT ON, Distinct is set too
	Targets       []Target
	Into          *Into
	From          []TableExpr
	Where         Expr
	GroupBy       []Expr // GroupingSet among them
	GroupDistinct bool
	Having        Expr
	Windows       []*Window // with Name set

	Values [][]Expr
	SetOp  *SetOp

	OrderBy  []OrderItem
	Limit    Expr // nil: none; LIMIT ALL is a Null literal
	Offset   Expr
	WithTies bool
	Locking  []Locking
}

// A Target is an item of a select list or of RETURNING.
type Target struct {
	Pos
	Expr  Expr
	Alias string // empty if absent; see ColumnName
}

// SetOpKind is a set operation.
type SetOpKind uint8

const (
	Union SetOpKind = iota
	Intersect
	Except
)

// A SetOp combines two queries.
type SetOp struct {
	Pos
	Kind        SetOpKind
	All         bool
	Left, Right *Select
}

// A With is a WITH clause.
type With struct {
	Pos
	Recursive bool
	CTEs      []*CTE
}

// Changing returns the first query of the clause that changes rows, nil if there is none.
func (w *With) Changing() *CTE {
	if w == nil {
		return nil
	}
	for _, c := range w.CTEs {
		if _, reads := c.Stmt.(*Select); !reads {
			return c
		}
	}
	return nil
}

// A CTE is one query of WITH. Stmt is *Select, *Insert, *Update, *Delete.
type CTE struct {
	Pos
	Name         string
	Columns      []string
	Materialized *bool // nil if not said
	Stmt         Stmt
	Search       *CTESearch
	Cycle        *CTECycle
}

// A CTESearch is a SEARCH clause; a CTECycle is a CYCLE clause.
type CTESearch struct {
	Pos
	DepthFirst bool
	Columns    []string
	Sequence   string
}
type CTECycle struct {
	Pos
	Columns []string
	Mark    string
	To      Expr // nil: true
	Default Expr // nil: false
	Path    string
}

// Into is the target of SELECT INTO.
type Into struct {
	Pos
	Table    Name
	Temp     bool
	Unlogged bool
}

// An OrderItem is a sort key.
type OrderItem struct {
	Pos
	Expr  Expr
	Desc  bool
	Using *OpName // USING op, nil if absent
	Nulls NullsOrder
}

// NullsOrder is NULLS FIRST or LAST.
type NullsOrder uint8

const (
	NullsDefault NullsOrder = iota // last, or first if descending
	NullsFirst
	NullsLast
)

// A Window is an OVER clause or an item of WINDOW. OVER name is a Window with
// only Name; OVER (name ...) has Base.
type Window struct {
	Pos
	Name        string
	Base        string
	PartitionBy []Expr
	OrderBy     []OrderItem
	Frame       *Frame // nil: the default frame
}

// FrameMode is ROWS, RANGE or GROUPS.
type FrameMode uint8

const (
	RangeFrame FrameMode = iota
	RowsFrame
	GroupsFrame
)

// A Frame is a frame clause.
type Frame struct {
	Pos
	Mode       FrameMode
	Start, End FrameBound
	Exclude    FrameExclusion
}

// FrameBoundKind is the kind of a frame's end.
type FrameBoundKind uint8

const (
	UnboundedPreceding FrameBoundKind = iota
	OffsetPreceding
	CurrentRow
	OffsetFollowing
	UnboundedFollowing
)

// A FrameBound is one end of a frame; Offset is set for the Offset kinds.
type FrameBound struct {
	Kind   FrameBoundKind
	Offset Expr
}

// FrameExclusion is EXCLUDE's argument.
type FrameExclusion uint8

const (
	ExcludeNothing FrameExclusion = iota
	ExcludeCurrentRow
	ExcludeGroup
	ExcludeTies
)

// LockStrength is the strength of a row lock.
type LockStrength uint8

const (
	ForUpdate LockStrength = iota
	ForNoKeyUpdate
	ForShare
	ForKeyShare
)

// Locking is FOR UPDATE and its kind.
type Locking struct {
	Pos
	Strength   LockStrength
	Of         []Name
	NoWait     bool
	SkipLocked bool
}

// A TableRef is a table, view or CTE by name.
type TableRef struct {
	tableNode
	Name   Name
	Only   bool
	AsOf   Expr // of AS OF or FOR SYSTEM_TIME AS OF: a time or a position; nil: now
	Alias  *Alias
	Sample *TableSample
}

// A TableSample is TABLESAMPLE method (args) [REPEATABLE (seed)].
type TableSample struct {
	Pos
	Method []string
	Args   []Expr
	Seed   Expr
}

// A SubqueryRef is a subquery in FROM.
type SubqueryRef struct {
	tableNode
	Lateral bool
	Query   *Select
	Alias   *Alias // nil only if absent, which is an error that the parser raises
}

// A FunctionRef is one function in FROM, or several in ROWS FROM.
type FunctionRef struct {
	tableNode
	Lateral    bool
	RowsFrom   bool
	Funcs      []RowsFunc
	Ordinality bool
	Alias      *Alias
	ColumnDefs []*ColumnDef // AS t(a int, b text); Alias.Columns is empty then
}

// A RowsFunc is one function; Call is a FuncCall, or an SQLValue, Coalesce, ...
// where the grammar allows such in FROM.
type RowsFunc struct {
	Call       Expr
	ColumnDefs []*ColumnDef // inside ROWS FROM
}

// JoinKind is the kind of a join.
type JoinKind uint8

const (
	InnerJoin JoinKind = iota
	LeftJoin
	RightJoin
	FullJoin
	CrossJoin
	AsofJoin     // ASOF JOIN
	AsofLeftJoin // ASOF LEFT JOIN
)

// Asof says whether a join is ASOF [LEFT] JOIN.
func (k JoinKind) Asof() bool { return k == AsofJoin || k == AsofLeftJoin }

// A Join is a join. One of Natural, Using and On is set unless it is a cross join. The last
// column of Using is the time of an ASOF JOIN: the left one is not before the right one.
type Join struct {
	tableNode
	Kind        JoinKind
	Left, Right TableExpr
	Natural     bool
	Using       []string
	UsingAlias  string // USING (...) AS name
	On          Expr
	Alias       *Alias // (a JOIN b ...) AS name
}
