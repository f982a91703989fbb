package plan

import (
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/expr"
)

// A Statement is a bound statement that reads or writes rows. Statements are
// immutable and may be run many times with different parameters, as long as the
// catalogue they were bound against has not changed.
type Statement interface {
	// Fields are the columns of the rows that the statement returns, nil if it
	// returns none.
	Fields() []Field
	statement()
}

// A Query is SELECT, VALUES or TABLE.
type Query struct {
	Root Node
	// Into is set for SELECT INTO, which runs as CREATE TABLE AS.
	Into *ast.Into
}

// An Insert is INSERT. Source yields, for each row, the table's live columns in
// definition order, coerced and completed with defaults; what it must still
// check is NOT NULL.
type Insert struct {
	Table  *schema.Table
	Source Node
	// Mode is what a row whose key exists does, if OnConflict is nil.
	Mode       chunk.InsertMode
	OnConflict *OnConflict
	// Returning is computed over the row as inserted (or as updated).
	Returning []expr.Expr
	Out       []Field
}

// An OnConflict is ON CONFLICT (primary key) DO UPDATE. Set and Where are
// over the existing row's live columns followed by those of the row that was
// proposed (EXCLUDED). ON CONFLICT DO NOTHING is Insert.Mode InsertIgnore.
type OnConflict struct {
	Set   []Assignment
	Where expr.Expr // nil: always
}

// An Assignment sets live column Column (an index into the live columns).
type Assignment struct {
	Column int
	Value  expr.Expr
}

// An Update is UPDATE: Source yields the old row's live columns, the new row's live
// columns, and the columns of RETURNING, once for each row to change. What it must still
// check is NOT NULL.
type Update struct {
	Table  *schema.Table
	Source Node
	Set    []int   // the live columns that may be changed
	Out    []Field // of RETURNING, nil if there is none
}

// A Delete is DELETE: Source yields the live columns of the rows to delete, and the
// columns of RETURNING.
type Delete struct {
	Table  *schema.Table
	Source Node
	Out    []Field
}

// A Copy is COPY of a table or of a query.
type Copy struct {
	Table *schema.Table // nil for a query
	// Columns are the columns that are read or written, as attnum - 1 indexes
	// into Table.Columns.
	Columns []int
	// Query is what COPY TO reads, over the columns in order.
	Query Node
	// Defaults, for COPY FROM, has one expression for each live column that is
	// not in Columns, by index into Table.Columns.
	Defaults map[int]expr.Expr
	// Where, for COPY FROM, is over the live columns.
	Where expr.Expr
	Stmt  *ast.Copy
}

// An Explain is EXPLAIN of a statement.
type Explain struct {
	Options ExplainOptions
	Stmt    Statement
	Out     []Field
}

// A CreateTableAs is CREATE TABLE AS and SELECT INTO: Def is the new table
// without OIDs.
type CreateTableAs struct {
	Def         *schema.Table
	Source      Node
	IfNotExists bool
	NoData      bool
}

func (s *Query) Fields() []Field         { return s.Root.Fields() }
func (s *Insert) Fields() []Field        { return s.Out }
func (s *Update) Fields() []Field        { return s.Out }
func (s *Delete) Fields() []Field        { return s.Out }
func (s *Copy) Fields() []Field          { return nil }
func (s *Explain) Fields() []Field       { return s.Out }
func (s *CreateTableAs) Fields() []Field { return nil }

func (*Query) statement()         {}
func (*Insert) statement()        {}
func (*Update) statement()        {}
func (*Delete) statement()        {}
func (*Copy) statement()          {}
func (*Explain) statement()       {}
func (*CreateTableAs) statement() {}

// ExplainOptions are the options of EXPLAIN.
type ExplainOptions struct {
	Analyze, Verbose, Costs, Buffers, Settings, WAL, Timing, Summary bool
	Format                                                           ExplainFormat
}

// ExplainFormat is the format of a plan that is shown.
type ExplainFormat uint8

const (
	ExplainText ExplainFormat = iota
	ExplainJSON
)

// ExplainType is the type of EXPLAIN's one column.
func (f ExplainFormat) Type() datum.Type {
	if f == ExplainJSON {
		return datum.Of(datum.JSON)
	}
	return datum.Of(datum.Text)
}
