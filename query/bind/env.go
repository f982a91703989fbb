package bind

import (
	"context"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/function"
	"github.com/phyllodb/phyllo/query/plan"
)

// An Env is what binding a statement may know. It belongs to one statement.
type Env struct {
	// Catalog is the transaction's view of the objects.
	Catalog *schema.Catalog
	// Virtual finds catalogue relations that are not stored; nil if there are none.
	Virtual VirtualRelations
	// Registry has the functions; nil means function.Builtins().
	Registry *function.Registry
	// SearchPath is the effective search path without the implicit pg_catalog
	// (which is searched first unless it is listed).
	SearchPath []string
	// TempSchema is the session's schema of temporary relations, searched before all others;
	// empty if it has none.
	TempSchema string
	// Session is what literals are read by: time zone, date order, now.
	Session *datum.Env
	// User is the session's user, owner of what a statement creates.
	User string
	// Params are the types of $1..; 0 or unknown is found out from the context.
	// Bind appends to it and fills it in.
	Params []datum.OID
	// FixedParams says that a $n beyond Params is an error (42P02), as outside
	// of prepared statements.
	FixedParams bool
	// Parse parses the query of a view.
	Parse func(sql string) (ast.Stmt, error)
	// Context is for evaluating literals of function calls while binding, and cancels it;
	// nil: nothing does.
	Context context.Context
}

// VirtualRelations finds relations that the catalogue computes.
type VirtualRelations interface {
	// Relation returns a relation of a namespace, or nil.
	Relation(namespace, name string) *VirtualRelation
}

// A VirtualRelation is a catalogue table or view.
type VirtualRelation struct {
	OID             datum.OID
	Namespace, Name string
	Columns         []plan.Field
}

// Statement binds a statement that reads or writes rows: SELECT, VALUES, INSERT,
// UPDATE, DELETE, COPY, EXPLAIN, CREATE TABLE AS. Others are the caller's business
// and an error here. env.Params is completed.
func Statement(env *Env, stmt ast.Stmt) (plan.Statement, error) {
	b := newBinder(env)
	s, err := b.statement(stmt)
	if err != nil {
		return nil, err
	}
	if err := b.finishParams(); err != nil {
		return nil, err
	}
	return s, nil
}

// Scalar binds an expression without columns, a parameter of EXECUTE, and coerces it to the type by assignment (0: as it is).
func Scalar(env *Env, e ast.Expr, t datum.Type) (expr.Expr, error) {
	b := newBinder(env)
	x, err := b.expr(e, &scope{frame: &frame{}, clause: clauseExecute})
	if err != nil {
		return nil, err
	}
	if t.OID == 0 {
		x, err = b.resolveUnknown(x)
	} else {
		x, err = b.assign(x, t, "", e.Position())
	}
	if err != nil {
		return nil, err
	}
	return x, b.finishParams()
}

// A binder binds one statement.
type binder struct {
	env *Env
	reg *function.Registry
	// params are the parameters seen so far; fixed ones cannot change.
	params []paramState
	// pos has the positions of literals and parameters, for errors found later.
	pos map[expr.Expr]int
	// collations are what COLLATE gave to expressions.
	collations map[expr.Expr]collation
	nextOuter  int // next number of an outer parameter
	nextTemp   int // numbers of outer parameters that are not final yet, falling
	nextCTE    int
	depth      int
	joined     int         // columns of all joins
	views      []datum.OID // being expanded, to find loops
	meanings   *meanings   // of names, noted for a view; else nil
	// steps are what the statement runs before (chain.go); allSteps: these are all queries
	// of its WITH clause.
	steps    []boundStep
	allSteps bool
	rows     rowFunctions
}

type paramState struct {
	t datum.OID
}

func newBinder(env *Env) *binder {
	b := &binder{env: env, reg: env.Registry, pos: map[expr.Expr]int{}}
	if b.reg == nil {
		b.reg = function.Builtins()
	}
	for _, t := range env.Params {
		if t == datum.Unknown {
			t = 0
		}
		b.params = append(b.params, paramState{t: t})
	}
	return b
}

// maxDepth bounds the nesting of expressions and queries.
const maxDepth = 1000

// enter is called for each expression and query inside of another; it fails if they nest
// too deep, or when the statement is cancelled.
func (b *binder) enter() error {
	if b.depth++; b.depth > maxDepth {
		return pgerr.New(pgerr.StatementTooComplex, "stack depth limit exceeded").
			WithHint("Simplify the statement: it is nested more than %d levels deep.", maxDepth)
	}
	return b.ended()
}

// ended is the error of a statement that is cancelled.
func (b *binder) ended() error {
	if b.env.Context == nil {
		return nil
	}
	return b.env.Context.Err()
}

func (b *binder) leave() { b.depth-- }

// maxParams is the most parameters that the protocol can send.
const maxParams = 65535

// param binds $n.
func (b *binder) param(p *ast.Param) (expr.Expr, error) {
	if p.Index < 1 || p.Index > maxParams || b.env.FixedParams && p.Index > len(b.params) {
		return nil, pgerr.New(pgerr.UndefinedParameter, "there is no parameter $%d", p.Index).At(p.Position())
	}
	for len(b.params) < p.Index {
		b.params = append(b.params, paramState{})
	}
	st := &b.params[p.Index-1]
	t := st.t
	if t == 0 {
		t = datum.Unknown
	}
	x := &expr.Param{Index: p.Index - 1, T: datum.Of(t)}
	b.pos[x] = p.Position()
	return x, nil
}

// coerceParam gives a parameter of unknown type the type that its context asks for.
func (b *binder) coerceParam(p *expr.Param, t datum.OID) (expr.Expr, error) {
	st := &b.params[p.Index]
	switch {
	case st.t == 0:
		st.t = t
	case st.t != t:
		return nil, pgerr.New(pgerr.AmbiguousParameter, "inconsistent types deduced for parameter $%d", p.Index+1).
			WithDetail("%s versus %s", b.typeText(st.t), b.typeText(t)).At(b.pos[p])
	}
	return &expr.Param{Index: p.Index, T: datum.Of(t)}, nil
}

// finishParams reports parameters without a type and publishes the others.
func (b *binder) finishParams() error {
	b.env.Params = b.env.Params[:0]
	for i := range b.params {
		st := &b.params[i]
		if st.t == 0 {
			return undeterminedParam(i)
		}
		b.env.Params = append(b.env.Params, st.t)
	}
	return nil
}

// undeterminedParam is the error of the parameter of an index whose type nothing says.
func undeterminedParam(index int) error {
	return pgerr.New(pgerr.IndeterminateType, "could not determine data type of parameter $%d", index+1)
}
