// Package function holds PostgreSQL's functions, operators, casts and
// aggregates: their signatures with PostgreSQL's OIDs, and their evaluation over
// Arrow arrays. pg_proc, pg_operator, pg_cast and pg_aggregate are made from it.
package function

import (
	"context"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

// Volatility is PostgreSQL's provolatile.
type Volatility byte

const (
	Immutable Volatility = 'i'
	Stable    Volatility = 's'
	Volatile  Volatility = 'v'
)

// A Vec is an argument: an array of the batch's length or, if Const, of length
// one that stands for every row. T is its actual type, which functions with
// polymorphic arguments need because Arrow types do not tell it (numeric and
// bytea are both Binary); elsewhere it may be the zero Type.
type Vec struct {
	arrow.Array
	Const bool
	T     datum.Type
}

// At returns the index in the array of row i.
func (v Vec) At(i int) int {
	if v.Const {
		return 0
	}
	return i
}

// A Context is what functions may know of their surroundings. It belongs to
// one statement.
type Context struct {
	context.Context
	Mem memory.Allocator
	// Env has the session's TimeZone, DateStyle and so on, and the times now()
	// and statement_timestamp() answer.
	Env *datum.Env
	// Session answers the functions that ask for the session (current_user,
	// current_setting, set_config, pg_backend_pid...).
	Session Session
	// Catalog is the statement's view of the objects, for pg_get_expr,
	// format_type, regclass and the like.
	Catalog *schema.Catalog
	// System knows the objects that Catalog does not hold: the relations of
	// pg_catalog and information_schema, and roles that own nothing. Nil: none.
	System System
}

// pollRows is how many rows of a function pass before it is asked whether the statement
// is cancelled.
const pollRows = 16

// poll is called with the number of each row that a function that may take long has done.
func (c *Context) poll(row int) error {
	if row%pollRows != pollRows-1 {
		return nil
	}
	return c.ended()
}

// ended is the error of a statement that is cancelled.
func (c *Context) ended() error {
	if c.Context == nil {
		return nil
	}
	return c.Err()
}

// largeValue is how many bytes a value has, on average, that takes as long as pollRows small ones.
const largeValue = 16 << 10

// poller returns poll for the rows of arguments: with values that are large it asks at each row.
func (c *Context) poller(args []Vec, n int) func(row int) error {
	bytes := 0
	for _, a := range args {
		bytes += variableBytes(a, n)
	}
	if bytes < n*largeValue {
		return c.poll
	}
	return func(int) error { return c.ended() }
}

// variableBytes is what the values of an argument of variable width take, a constant's for each row.
func variableBytes(v Vec, n int) int {
	a, ok := v.Array.(array.BinaryLike)
	if !ok {
		return 0
	}
	if v.Const {
		return n * len(a.ValueBytes())
	}
	return len(a.ValueBytes())
}

// System names the built-in relations and all roles; query/catalog's Set does.
type System interface {
	RelationName(oid datum.OID) (namespace, name string, ok bool)
	RelationOID(namespace, name string) (datum.OID, bool)
	// RoleName and RoleOID are for pg_roles of a statement's catalogue and the
	// session's user.
	RoleName(c *schema.Catalog, user string, oid datum.OID) (string, bool)
	RoleOID(c *schema.Catalog, name string) datum.OID
	// Description returns the comment on a built-in object of a catalogue (such
	// as pg_class), or of any if that is empty, or on one of its columns.
	Description(oid datum.OID, catalog string, column int32) (string, bool)
}

// Session is what functions ask of the session.
type Session interface {
	User() string
	Database() string
	BackendPID() int32
	// Setting returns a setting's value in SHOW's form; SetSetting sets it.
	Setting(name string) (string, bool)
	SetSetting(name, value string, local bool) error
	// SearchPath returns the effective search path, pg_catalog first if implicit.
	SearchPath(implicit bool) []string
	// Sleep is pg_sleep; Cancel and Terminate signal other backends.
	Cancel(pid int32, terminate bool) bool
	TransactionStart() time.Time
	TableSize(table datum.OID) int64
	// PauseCompaction pauses compaction in the background on this node, or lets it go
	// on; it returns whether that changed anything.
	PauseCompaction(pause bool) bool
	// Position is the row version of the newest transaction that the statement sees.
	Position() int64
	// ExprText writes an expression that the definition of a table or a domain (0: none) has, which is
	// kept as SQL, as PostgreSQL does; pretty without some parentheses.
	ExprText(sql string, table datum.OID, pretty bool) string
	// WritableColumns says which columns of a view can be written to; nil if no rows can be
	// inserted, updated or deleted through it.
	WritableColumns(view *schema.View) []bool
	// Sequences hands out values.
	Sequences() Sequences
	// Random is the session's generator, for random() and setseed().
	Random() *Random
	// Locks are advisory locks, Channels what LISTEN and NOTIFY are about.
	Locks() Locks
	Channels() Channels
}

// A Function is a scalar or set-returning function, the function of an operator or of a cast.
type Function struct {
	OID       datum.OID
	Namespace datum.OID // 0: pg_catalog
	Name      string
	Args      []datum.OID // declared, may be polymorphic
	Variadic  bool        // the last of Args is the element type, repeated
	Defaults  int         // trailing arguments that may be left out
	ArgNames  []string    // of functions of ours; an argument that is left out between others is NULL
	Ret       datum.OID   // declared, may be polymorphic
	// RetSet functions return several rows for one; they have EvalSet, not Eval.
	RetSet     bool
	OutNames   []string    // of RetSet functions with several columns (OUT arguments)
	OutTypes   []datum.OID // likewise
	Volatility Volatility
	// Source is the name of the C function that PostgreSQL calls (pg_proc.prosrc).
	Source string
	// Strict functions are called as if no argument were NULL: the result is
	// made NULL where an argument is, and Eval may compute anything there
	// but must not fail for it.
	Strict bool
	// Total functions fail for no argument, so that they may be called for rows
	// whose result is not needed.
	Total bool
	// Eval returns an array of n rows of type ret (which it allocates; the
	// caller releases). It must not keep or modify its arguments.
	Eval func(c *Context, args []Vec, n int, ret datum.Type) (arrow.Array, error)
	// EvalSet returns the rows for one call with scalar arguments.
	EvalSet func(c *Context, args []datum.Value, argTypes []datum.Type, ret datum.Type) (SetResult, error)
	// EvalRecord is EvalSet, or Eval, for a call with a column definition list, whose names and types
	// cols has. Only functions that return record have it; it is called for NULLs too.
	EvalRecord func(c *Context, args []datum.Value, cols datum.Row) (SetResult, error)
}

// A SetResult iterates over the rows of a set-returning function.
type SetResult interface {
	// Next returns the next row's values (one per column) or io.EOF.
	Next() ([]datum.Value, error)
}

// An Operator is a PostgreSQL operator; prefix operators have Left 0.
type Operator struct {
	OID         datum.OID
	Name        string
	Left, Right datum.OID
	Ret         datum.OID
	Fn          *Function
	Commutator  string
	Negator     string
	// CanMerge and CanHash are pg_operator.oprcanmerge and oprcanhash.
	CanMerge, CanHash bool
}

// CastContext is pg_cast.castcontext.
type CastContext byte

const (
	ImplicitCast   CastContext = 'i'
	AssignmentCast CastContext = 'a'
	ExplicitCast   CastContext = 'e'
)

// A Cast converts between types: by Fn, or without change if Fn is nil and
// Binary, or through text if Fn is nil and not Binary. (Binary is pg_cast's
// word: some such casts have an Fn here.)
type Cast struct {
	Source, Target datum.OID
	Context        CastContext
	Fn             *Function
	Binary         bool
}

// An Accumulator folds rows into groups. It is used by one goroutine.
type Accumulator interface {
	// Grow makes room for groups numbered below n.
	Grow(n int)
	// Add folds row i of args into group groups[i], for all i of sel (all rows
	// if sel is nil). Rows that the aggregate's strictness leaves out are the
	// accumulator's business.
	Add(c *Context, groups []int32, args []Vec, n int, sel []int32) error
	// Merge folds group src[i] of another accumulator of the same aggregate
	// into group i... of this one, given by dst; for parallel aggregation.
	Merge(c *Context, other Accumulator, src, dst []int32) error
	// Result returns the values of groups from to to (exclusive).
	Result(c *Context, from, to int, ret datum.Type) (arrow.Array, error)
	// SizeBytes is the memory held.
	SizeBytes() int64
}

// A Counted is an Accumulator to which the order of rows does not matter, nor which
// of equal values it is given: one value stands for all rows that have it.
type Counted interface {
	Accumulator
	// AddCounted folds value i of the argument into group 0 as often as counts[i]
	// says, which is at least once.
	AddCounted(c *Context, arg Vec, counts []int32) error
}

// An Aggregate is an aggregate function.
type Aggregate struct {
	OID      datum.OID
	Name     string
	Args     []datum.OID
	Variadic bool
	Ret      datum.OID
	// Ordered: the result depends on the order of the input, so it is not
	// merged from parallel parts (array_agg, string_agg) unless sorted.
	Ordered bool
	// OrderedSet aggregates are called WITHIN GROUP; Direct is how many of Args are direct.
	OrderedSet bool
	Direct     int
	// Hypothetical: as many direct arguments as WITHIN GROUP has columns are a row among those of the group.
	Hypothetical bool
	// New makes an accumulator for arguments of the given actual types.
	New func(args []datum.Type, ret datum.Type) Accumulator
	// Scan tells which scan aggregate computes this one, if any (count, sum,
	// min, max; avg is planned as sum and count).
	Scan string
}
