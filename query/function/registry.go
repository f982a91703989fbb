package function

import (
	"sync"

	"github.com/phyllodb/phyllo/internal/datum"
)

// A Registry holds the built-in functions, operators, casts and aggregates. It
// is immutable and safe for concurrent use; what it returns must not be changed.
type Registry struct {
	functions  []*Function
	byName     map[string][]*Function
	byOID      map[datum.OID]*Function
	operators  []*Operator
	opsByName  map[string][]*Operator
	opsByOID   map[datum.OID]*Operator
	aggregates []*Aggregate
	aggsByName map[string][]*Aggregate
	aggsByOID  map[datum.OID]*Aggregate
	windows    []*Function
	casts      []*Cast
	castsByKey map[castKey]*Cast
	// absent holds the names of PostgreSQL's functions that are not built in.
	absent map[string]bool
	// opsByFn maps functions to their operators; "like" and such have several, of which the
	// first by OID is the common one.
	opsByFn map[datum.OID]*Operator
}

type castKey struct{ source, target datum.OID }

// builtins is filled when first asked for. (A variable with newRegistry as its
// initialiser would be a cycle: some functions look functions up.)
var builtins struct {
	once     sync.Once
	registry *Registry
}

// Builtins returns the built-in functions.
func Builtins() *Registry {
	builtins.once.Do(func() { builtins.registry = newRegistry() })
	return builtins.registry
}

// Functions returns the scalar and set-returning functions of a name, by OID.
func (r *Registry) Functions(name string) []*Function { return r.byName[name] }

// FunctionByOID returns a scalar, set-returning or window function, or nil.
func (r *Registry) FunctionByOID(oid datum.OID) *Function { return r.byOID[oid] }

// Aggregates returns the aggregates of a name, by OID.
func (r *Registry) Aggregates(name string) []*Aggregate { return r.aggsByName[name] }

// AggregateByOID returns an aggregate or nil.
func (r *Registry) AggregateByOID(oid datum.OID) *Aggregate { return r.aggsByOID[oid] }

// Operators returns the operators of a name, prefix ones included, by OID.
func (r *Registry) Operators(name string) []*Operator { return r.opsByName[name] }

// OperatorByOID returns an operator or nil.
func (r *Registry) OperatorByOID(oid datum.OID) *Operator { return r.opsByOID[oid] }

// Cast returns pg_cast's entry for a pair of types. A pair of equal types is
// the length coercion of that type, whose function takes the value, the
// modifier and (but for numeric, time and interval types) whether the cast is
// explicit.
func (r *Registry) Cast(source, target datum.OID) (*Cast, bool) {
	c, ok := r.castsByKey[castKey{source, target}]
	return c, ok
}

// Casts returns all casts, by source and target.
func (r *Registry) Casts() []*Cast { return r.casts }

// AllFunctions returns the scalar and set-returning functions by OID.
func (r *Registry) AllFunctions() []*Function { return r.functions }

// AllOperators returns the operators by OID.
func (r *Registry) AllOperators() []*Operator { return r.operators }

// AllAggregates returns the aggregates by OID.
func (r *Registry) AllAggregates() []*Aggregate { return r.aggregates }

// WindowFunctions returns the signatures of the window functions of a name;
// they have no Eval, the executor computes them.
func (r *Registry) WindowFunctions(name string) []*Function {
	var fns []*Function
	for _, f := range r.windows {
		if f.Name == name {
			fns = append(fns, f)
		}
	}
	return fns
}

// AllWindowFunctions returns the window functions by OID.
func (r *Registry) AllWindowFunctions() []*Function { return r.windows }

// IsEquality and IsInequality say whether a function is that of an operator =
// or <>.
func (r *Registry) IsEquality(f *Function) bool   { return r.OperatorName(f) == "=" }
func (r *Registry) IsInequality(f *Function) bool { return r.OperatorName(f) == "<>" }

// OperatorName returns the name of the operator that a function is of, or "".
func (r *Registry) OperatorName(f *Function) string {
	if op := r.OperatorOf(f); op != nil {
		return op.Name
	}
	return ""
}

// OperatorOf returns the operator that a function is of, or nil.
func (r *Registry) OperatorOf(f *Function) *Operator {
	if f == nil {
		return nil
	}
	return r.opsByFn[f.OID]
}

// Absent says whether PostgreSQL has a function of this name that is not built
// in here: a call is then "not supported" rather than "does not exist".
func (r *Registry) Absent(name string) bool {
	return r.absent[name] && len(r.byName[name]) == 0 && len(r.aggsByName[name]) == 0
}

func newRegistry() *Registry {
	r := &Registry{
		byName:     map[string][]*Function{},
		byOID:      map[datum.OID]*Function{},
		opsByName:  map[string][]*Operator{},
		opsByOID:   map[datum.OID]*Operator{},
		aggsByName: map[string][]*Aggregate{},
		aggsByOID:  map[datum.OID]*Aggregate{},
		castsByKey: map[castKey]*Cast{},
		absent:     map[string]bool{},
		opsByFn:    map[datum.OID]*Operator{},
	}
	r.loadFunctions(builtinKernels())
	for _, f := range ownFunctions() {
		r.addFunction(f)
	}
	for _, f := range sessionFunctions() {
		r.windows = append(r.windows, f)
		r.byOID[f.OID] = f
	}
	r.loadOperators()
	r.loadCasts()
	r.loadAggregates(builtinAggregates())
	for _, a := range ownAggregates() {
		r.addAggregate(a)
	}
	return r
}

func (r *Registry) addFunction(f *Function) {
	if r.byOID[f.OID] != nil {
		panic("function: bug: two functions with one OID: " + f.Name)
	}
	r.functions = append(r.functions, f)
	r.byName[f.Name] = append(r.byName[f.Name], f)
	r.byOID[f.OID] = f
}

func (r *Registry) addAggregate(a *Aggregate) {
	if r.aggsByOID[a.OID] != nil {
		panic("function: bug: two aggregates with one OID: " + a.Name)
	}
	r.aggregates = append(r.aggregates, a)
	r.aggsByName[a.Name] = append(r.aggsByName[a.Name], a)
	r.aggsByOID[a.OID] = a
}
