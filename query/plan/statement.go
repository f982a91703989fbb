package plan

import (
	"slices"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/locking"
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

// Rules are what a table asks of each row that goes in, beside NOT NULL.
type Rules struct {
	// Generated has for each live column that is generated its value, over the live columns
	// of the row, and nil for others; nil if none is.
	Generated []expr.Expr
	Checks    []Check // by name
	// Views are conditions of views, by the views' names, which must be true of rows that are
	// written through them: WITH CHECK OPTION.
	Views []Check
	// Domains make values of domains of the columns that COPY reads; what they yield is not
	// needed.
	Domains []expr.Expr
}

// A Check is a condition over the live columns: that of a CHECK constraint must not be false.
type Check struct {
	Name string
	Cond expr.Expr
}

// An Insert is INSERT. Source yields, for each row, the table's live columns in
// definition order, coerced and completed with defaults and generated columns; what it must still
// check is NOT NULL and Rules.
type Insert struct {
	Table  *schema.Table
	Rules  *Rules // nil: none
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
// columns, generated ones included, and the columns of RETURNING, once for each row to change.
// What it must still check is NOT NULL and Rules.
type Update struct {
	Table  *schema.Table
	Rules  *Rules // nil: none
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

// A Merge is MERGE: Source yields the old row's live columns (NULL for INSERT), the new row's
// live columns, the index of what is to be done in Actions, and a number of the old row by
// which it can be told whether it comes again.
type Merge struct {
	Table   *schema.Table
	Rules   *Rules // nil: none
	Source  Node
	Actions []ast.MergeAction
	Set     []int // the live columns that an update may change
}

// A Copy is COPY of a table or of a query.
type Copy struct {
	Table *schema.Table // nil for a query
	Rules *Rules        // for COPY FROM; nil: none
	// Columns are the columns that are read or written, as attnum - 1 indexes
	// into Table.Columns.
	Columns []int
	// Query is what COPY TO reads, over the columns in order.
	Query Node
	// Change is a statement whose returned rows COPY TO reads, instead of Query.
	Change Statement
	// Defaults, for COPY FROM, has one expression for each live column that is
	// not in Columns, by index into Table.Columns.
	Defaults map[int]expr.Expr
	// Where, for COPY FROM, is over the live columns.
	Where expr.Expr
	// Refused, for COPY FROM, is why nothing can be written to Table: the client hears of it once its
	// data are on their way, so that it does not take them for statements.
	Refused error
	Stmt    *ast.Copy
}

// A Chain is a statement whose WITH clause changes rows. All its parts read the same snapshot:
// none sees what another one changes, but for what that returns.
type Chain struct {
	Steps []Step // run in this order, before Last
	Last  Statement
}

// A Step is a query of a WITH clause that runs before its statement, which reads the rows that
// it returned by a CTEScan of its ID.
type Step struct {
	ID   int
	Name string
	Stmt Statement // Query, Insert, Update or Delete
	Out  []Field   // as readers see them
}

// A Write is a table that a statement writes to.
type Write struct {
	Table *schema.Table
	// Changes: it updates or deletes rows. Upserts: it is INSERT that may update rows.
	Changes, Upserts bool
	// Strength is how rows are locked that change.
	Strength locking.Strength
}

// strength is how the rows of an update are locked that may change some live columns.
func strength(t *schema.Table, set []int) locking.Strength {
	live := t.Live()
	for _, i := range set {
		if slices.Contains(t.PrimaryKey, live[i].ID) {
			return locking.UpdateRow
		}
	}
	return locking.NoKeyUpdate
}

// mergeStrength is how the rows of a MERGE are locked, in the strongest way that one of its
// actions needs.
func mergeStrength(m *Merge) locking.Strength {
	if slices.Contains(m.Actions, ast.MergeDelete) {
		return locking.UpdateRow
	}
	return strength(m.Table, m.Set)
}

// Written returns what a statement writes to, one for each of its parts.
func Written(st Statement) []Write {
	switch st := st.(type) {
	case *Insert:
		return []Write{{Table: st.Table, Upserts: st.OnConflict != nil}}
	case *Update:
		return []Write{{Table: st.Table, Changes: true, Strength: strength(st.Table, st.Set)}}
	case *Delete:
		return []Write{{Table: st.Table, Changes: true, Strength: locking.UpdateRow}}
	case *Merge:
		return []Write{{Table: st.Table, Changes: true, Strength: mergeStrength(st)}}
	case *Copy:
		if st.Stmt.From && st.Refused == nil {
			return []Write{{Table: st.Table}}
		}
	case *Chain:
		var out []Write
		for _, s := range st.Steps {
			out = append(out, Written(s.Stmt)...)
		}
		return append(out, Written(st.Last)...)
	}
	return nil
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
	Name        ast.Name
	Persistence ast.Persistence
	OnCommit    string
	Def         *schema.Table
	Rows        Statement
	IfNotExists bool
	NoData      bool
}

// Fields is never nil: rows without columns are rows, too.
func (s *Query) Fields() []Field { return append([]Field{}, s.Root.Fields()...) }

func (s *Insert) Fields() []Field        { return s.Out }
func (s *Update) Fields() []Field        { return s.Out }
func (s *Delete) Fields() []Field        { return s.Out }
func (s *Merge) Fields() []Field         { return nil }
func (s *Chain) Fields() []Field         { return s.Last.Fields() }
func (s *Copy) Fields() []Field          { return nil }
func (s *Explain) Fields() []Field       { return s.Out }
func (s *CreateTableAs) Fields() []Field { return nil }

func (*Query) statement()         {}
func (*Insert) statement()        {}
func (*Update) statement()        {}
func (*Delete) statement()        {}
func (*Merge) statement()         {}
func (*Chain) statement()         {}
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
