package ast

// A ColumnTarget is a column that INSERT or UPDATE sets; Indirection is not empty for
// col[1] or col.field, as a Subscript or FieldSelect over a ColumnRef.
type ColumnTarget struct {
	Pos
	Name        string
	Indirection Expr // nil for a whole column
}

// Overriding is OVERRIDING ... VALUE.
type Overriding uint8

const (
	OverridingNone Overriding = iota
	OverridingUser
	OverridingSystem
)

// Insert is INSERT. Query is nil for DEFAULT VALUES.
type Insert struct {
	stmtNode
	With       *With
	Table      Name
	Alias      *Alias
	Columns    []ColumnTarget // nil: all
	Overriding Overriding
	Query      *Select
	OnConflict *OnConflict
	Returning  []Target
}

// OnConflict is ON CONFLICT.
type OnConflict struct {
	Pos
	Target     []IndexElem // nil if none is given
	TargetPos  int
	Where      Expr   // of the target
	Constraint string // ON CONSTRAINT name
	DoUpdate   bool   // else DO NOTHING
	Set        []SetClause
	SetWhere   Expr
}

// A SetClause is col = value, or with Multi (a, b) = value.
type SetClause struct {
	Pos
	Columns []ColumnTarget
	Multi   bool
	Value   Expr // may be Default; with Multi a Row, a Subquery or another expression
}

// Update is UPDATE.
type Update struct {
	stmtNode
	With      *With
	Table     *TableRef
	Set       []SetClause
	From      []TableExpr
	Where     Expr
	Returning []Target
}

// Delete is DELETE.
type Delete struct {
	stmtNode
	With      *With
	Table     *TableRef
	Using     []TableExpr
	Where     Expr
	Returning []Target
}

// Merge is MERGE.
type Merge struct {
	stmtNode
	With   *With
	Table  *TableRef
	Source TableExpr
	On     Expr
	Whens  []MergeWhen
}

// MergeAction is what a WHEN clause does.
type MergeAction uint8

const (
	MergeNothing MergeAction = iota
	MergeUpdate
	MergeDelete
	MergeInsert
)

// A MergeWhen is WHEN [NOT] MATCHED.
type MergeWhen struct {
	Pos
	Matched    bool
	Cond       Expr
	Action     MergeAction
	Set        []SetClause
	Columns    []ColumnTarget
	Overriding Overriding
	Values     []Expr // nil: DEFAULT VALUES
}

// Copy is COPY. Options are the modern ones whichever way they were written.
type Copy struct {
	stmtNode
	Table   *Name // nil for a query
	Columns []string
	Query   Stmt // *Select, or *Insert, *Update, *Delete with RETURNING
	From    bool // COPY FROM, else TO
	// One of these: Stdio (STDIN or STDOUT), File, Program.
	Stdio   bool
	File    string
	Program string
	Options []Option
	Where   Expr
}

// Explain is EXPLAIN; EXPLAIN ANALYZE VERBOSE reads as the options of these names.
type Explain struct {
	stmtNode
	Options []Option
	Stmt    Stmt
}
