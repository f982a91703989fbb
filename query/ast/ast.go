// Package ast holds the syntax trees of SQL statements as PostgreSQL 15 writes
// them. The parser makes them, the binder reads them; nothing here knows what
// a name means.
//
// Names are folded, cut to 63 bytes and unquoted. Every node has the position
// of the token that PostgreSQL's errors would point at. Trees are not modified
// once parsed and may be shared between goroutines.
package ast

// A Node is any part of a tree.
type Node interface {
	// Position is a 1-based character offset in the string that was parsed, 0
	// if unknown.
	Position() int
}

// An Expr is an expression.
type Expr interface {
	Node
	expr()
}

// A Stmt is a statement.
type Stmt interface {
	Node
	stmt()
}

// A TableExpr is an item of FROM.
type TableExpr interface {
	Node
	tableExpr()
}

// Pos is embedded in every node.
type Pos int

// Position returns the position itself.
func (p Pos) Position() int { return int(p) }

type exprNode struct{ Pos }
type stmtNode struct{ Pos }
type tableNode struct{ Pos }

func (exprNode) expr()       {}
func (stmtNode) stmt()       {}
func (tableNode) tableExpr() {}

// SetPos sets the position of a node while it is being made.
func (p *Pos) SetPos(pos int) { *p = Pos(pos) }

// A Name is a possibly qualified name of an object: catalog.schema.name.
type Name struct {
	Pos
	Catalog string // usually empty
	Schema  string // empty: found by the search path
	Name    string
}

// An OpName is an operator's name, qualified if written OPERATOR(schema.op).
type OpName struct {
	Schema string
	Name   string
}

// A TypeName is a type as written. The SQL spellings are PostgreSQL's names in
// pg_catalog already: "double precision" is {"pg_catalog", "float8"}.
type TypeName struct {
	Pos
	Names []string
	// Mods are the modifiers, usually numbers. Those of interval are
	// PostgreSQL's: the mask of fields, then the precision if there is one.
	Mods []Expr
	// Dims has an element for each pair of brackets: its bound, or -1.
	Dims    []int
	SetOf   bool
	PctType bool // table.column%TYPE; the grammar has it only in function arguments
}

// Interval field masks as in TypeName.Mods of interval.
const (
	IntervalMonth     = 1 << 1
	IntervalYear      = 1 << 2
	IntervalDay       = 1 << 3
	IntervalHour      = 1 << 10
	IntervalMinute    = 1 << 11
	IntervalSecond    = 1 << 12
	IntervalFullRange = 0x7FFF
)

// Unsupported is a statement that is known but not offered: running it is
// an error with SQLSTATE 0A000.
type Unsupported struct {
	stmtNode
	Command string // such as "CREATE TRIGGER"
}

// An Alias names an item of FROM and perhaps its columns.
type Alias struct {
	Pos
	Name    string
	Columns []string
}

// An Option is a "name value" or "name = value" pair of a parenthesised list:
// WITH (...) of a table, EXPLAIN (...), COPY ... (...).
type Option struct {
	Pos
	Namespace string // toast.x
	Name      string // folded to lower case
	// Kind says how the value was written; Value is its text (strings
	// unquoted, numbers with their sign, words folded).
	Kind  OptionKind
	Value string
	List  []string // of OptionList
}

// OptionKind is the form of an option's value.
type OptionKind uint8

const (
	OptionNone   OptionKind = iota // name alone
	OptionWord                     // a word: true, on, csv
	OptionString                   // 'quoted'
	OptionNumber
	OptionStar // *
	OptionList // (a, b)
)
