package bind

import (
	"slices"
	"strings"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/function"
	"github.com/phyllodb/phyllo/query/plan"
)

// maxArgs is PostgreSQL's FUNC_MAX_ARGS.
const maxArgs = 100

// funcCall binds a call of a function, aggregate, window function or of a type's
// name as a cast (ParseFuncOrColumn).
func (b *binder) funcCall(e *ast.FuncCall, s *scope) (expr.Expr, error) {
	if len(e.Args) > maxArgs {
		return nil, pgerr.New(pgerr.TooManyArguments, "cannot pass more than %d arguments to a function", maxArgs).At(e.Position())
	}
	inner := *s
	if b.mayAggregate(e) {
		inner.inAggregate = e.Over == nil
		inner.inWindow = e.Over != nil
	}
	used := s.frame.correlations()
	args, names, err := b.callArgs(e, &inner)
	if err != nil {
		return nil, err
	}
	resolve := args
	if e.WithinGroup {
		for _, k := range e.OrderBy {
			x, err := b.expr(k.Expr, &inner)
			if err != nil {
				return nil, err
			}
			resolve = append(resolve[:len(resolve):len(resolve)], x)
		}
	}
	c, err := b.findFunction(e.Name, resolve, names, e.Variadic, e.Position())
	if err != nil {
		return nil, err
	}
	if c.field != nil {
		return c.field, nil
	}
	if c.cast != nil {
		if e.Distinct || e.Filter != nil || e.Over != nil || e.Star {
			return nil, notAggregate(e, c)
		}
		return b.explicit(args[0], *c.cast, e.Position())
	}
	if len(names) > 0 {
		if args, err = b.reorder(c, args, e.Position()); err != nil {
			return nil, err
		}
		resolve = args
	}
	switch {
	case c.agg != nil:
		return b.aggregateCall(e, c, args, resolve, used, s)
	case c.window:
		return b.windowCall(e, c, args, s)
	}
	return b.plainCall(e, c, args, s)
}

// mayAggregate says whether a call will turn out to be an aggregate or a window function. Where
// there are functions of the name, too, arguments are looked at when it is known which one is meant.
func (b *binder) mayAggregate(e *ast.FuncCall) bool {
	name := e.Name[len(e.Name)-1]
	return e.Over != nil || len(b.reg.Aggregates(name)) > 0 && len(b.reg.Functions(name)) == 0
}

// callArgs binds the arguments of a call; names has an entry for each if any is named.
func (b *binder) callArgs(e *ast.FuncCall, s *scope) ([]expr.Expr, []string, error) {
	var names []string
	args := make([]expr.Expr, 0, len(e.Args))
	for i, a := range e.Args {
		if n, ok := a.(*ast.NamedArg); ok {
			for len(names) < i {
				names = append(names, "")
			}
			for _, other := range names {
				if other == n.Name {
					return nil, nil, pgerr.New(pgerr.SyntaxError, "argument name %q used more than once", n.Name).At(n.Position())
				}
			}
			names = append(names, n.Name)
			a = n.Arg
		} else if names != nil {
			return nil, nil, pgerr.New(pgerr.SyntaxError, "positional argument cannot follow named argument").At(a.Position())
		}
		x, err := b.expr(a, s)
		if err != nil {
			return nil, nil, err
		}
		if x, err = b.settleRow(x); err != nil {
			return nil, nil, err
		}
		args = append(args, x)
	}
	return args, names, nil
}

// A resolved call.
type resolved struct {
	candidate
	cast  *datum.Type // the name is a type's, the call a cast
	field expr.Expr   // the name is a field's of the only argument
}

// findFunction resolves a function by name and arguments (func_get_detail).
func (b *binder) findFunction(name []string, args []expr.Expr, names []string, variadic bool, pos int) (*resolved, error) {
	fname := name[len(name)-1]
	ns := ""
	if len(name) > 1 {
		ns = name[len(name)-2]
	}
	if ns != "" && !b.namespaceExists(ns) {
		return nil, pgerr.New(pgerr.InvalidSchemaName, "schema %q does not exist", ns).At(pos)
	}
	in := typesOf(args)
	cands := b.functionCandidates(ns, fname, in, names, variadic)
	if c := exact(in, cands); c != nil {
		return &resolved{candidate: *c}, nil
	}
	if len(args) == 1 && names == nil && (ns == "" || ns == "pg_catalog") {
		if t, ok := b.castByName(fname, in[0], args[0]); ok {
			return &resolved{cast: &t}, nil
		}
	}
	kept := b.matching(in, cands)
	switch len(kept) {
	case 0:
		if len(args) == 1 && names == nil && ns == "" && len(cands) == 0 {
			if f := b.fieldNamed(args[0], fname); f != nil {
				return &resolved{field: f}, nil
			}
		}
		return nil, b.noFunction(name, args, names, pos, len(cands) > 0)
	case 1:
		return &resolved{candidate: kept[0]}, nil
	}
	if c := b.selectCandidate(in, kept); c != nil {
		return &resolved{candidate: *c}, nil
	}
	return nil, pgerr.New(pgerr.AmbiguousFunction, "function %s is not unique", b.callText(name, args, names)).
		WithHint("Could not choose a best candidate function. You might need to add explicit type casts.").At(pos)
}

// fieldNamed is the field of a row, which f(x) means if there is no such function; nil if there is none.
func (b *binder) fieldNamed(x expr.Expr, name string) expr.Expr {
	if !isRow(x.Type().OID) {
		return nil
	}
	fields, names, err := b.fieldsOf(x, name, 0)
	if i := slices.Index(names, name); err == nil && i >= 0 {
		return fields[i]
	}
	return nil
}

// castByName says whether f(x) is the cast of x to a type called f.
func (b *binder) castByName(fname string, source datum.OID, arg expr.Expr) (datum.Type, bool) {
	oid, ok := datum.LookupName(fname)
	if !ok {
		return datum.Type{}, false
	}
	if info, known := datum.Lookup(oid); !known || info.Name != fname || trueArray(oid) || info.Category == 'P' {
		return datum.Type{}, false
	}
	if source == datum.Unknown {
		_, isConst := arg.(*expr.Const)
		return datum.Of(oid), isConst
	}
	p, _ := b.pathTo(oid, source, function.ExplicitCast)
	switch p {
	case relabelPath:
		return datum.Of(oid), true
	case ioPath:
		// Conversions through text are not offered in this notation between
		// composite or string types, which it would be too easy to ask for.
		if (source == datum.Record || composite(source)) && category(oid) == 'S' {
			return datum.Type{}, false
		}
		return datum.Of(oid), true
	}
	return datum.Type{}, false
}

// functionCandidates lists what a call may mean, each with one declared type
// for each argument (FuncnameGetCandidates).
func (b *binder) functionCandidates(ns, name string, in []datum.OID, names []string, variadic bool) []candidate {
	var out []candidate
	add := func(c candidate, declared []datum.OID, isVariadic bool, defaults int) {
		n := len(in)
		if len(names) > 0 {
			order, ok := matchNames(c.fn, names, n)
			if !ok {
				return
			}
			c.order = order
			for _, j := range order {
				c.args = append(c.args, declared[j])
			}
			out = append(out, c)
			return
		}
		plain := declared
		if isVariadic && (variadic || len(declared) == n) {
			// Called with an array for the variadic argument, or listed once
			// both ways.
			if variadic && len(declared) == n {
				v := c
				v.args = append(v.args, declared[:n-1]...)
				v.args = append(v.args, variadicArray(declared[n-1]))
				out = append(out, v)
				return
			}
		}
		switch {
		case isVariadic && !variadic && n >= len(plain):
			c.args = append(c.args, plain[:len(plain)-1]...)
			for len(c.args) < n {
				c.args = append(c.args, plain[len(plain)-1])
			}
			c.variadic = n - len(plain) + 1
		case isVariadic || variadic:
			return
		case n == len(plain):
			c.args = plain
		case n < len(plain) && n >= len(plain)-defaults:
			c.args = plain[:n]
			c.defaults = len(plain) - n
		default:
			return
		}
		out = append(out, c)
	}
	visible := func(oid datum.OID) bool {
		return ns == "" || oid == 0 && ns == "pg_catalog" || oid != 0 && ns == b.namespaceName(oid)
	}
	for _, f := range b.reg.Functions(name) {
		if visible(f.Namespace) {
			add(candidate{fn: f}, f.Args, f.Variadic, f.Defaults)
		}
	}
	if len(names) == 0 {
		for _, a := range b.reg.Aggregates(name) {
			add(candidate{agg: a}, a.Args, a.Variadic, 0)
		}
		for _, f := range b.reg.WindowFunctions(name) {
			add(candidate{fn: f, window: true}, f.Args, f.Variadic, f.Defaults)
		}
	}
	return preferPlain(out)
}

// preferPlain drops candidates that others with the same types make needless: plain
// ones go before variadic ones, and those with fewer defaults before others.
func preferPlain(cands []candidate) []candidate {
	var out []candidate
	for i, c := range cands {
		dropped := false
		for j, d := range cands {
			if i == j || !sameTypes(c.args, d.args) {
				continue
			}
			if c.variadic > 0 && d.variadic == 0 || c.defaults > d.defaults {
				dropped = true
			}
		}
		if !dropped {
			out = append(out, c)
		}
	}
	return out
}

func sameTypes(a, b []datum.OID) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func variadicArray(elem datum.OID) datum.OID {
	switch elem {
	case datum.AnyOID:
		return datum.AnyOID
	case datum.AnyElement:
		return datum.AnyArray
	case datum.AnyCompatible:
		return datum.AnyCompatibleArray
	}
	return arrayOf(elem)
}

func (b *binder) noFunction(name []string, args []expr.Expr, names []string, pos int, others bool) error {
	fname := name[len(name)-1]
	if !others && b.reg.Absent(fname) {
		return pgerr.Unsupported("function %s is not supported", b.callText(name, args, names)).At(pos)
	}
	return pgerr.New(pgerr.UndefinedFunction, "function %s does not exist", b.callText(name, args, names)).
		WithHint("No function matches the given name and argument types. You might need to add explicit type casts.").At(pos)
}

func (b *binder) callText(name []string, args []expr.Expr, names []string) string {
	var sb strings.Builder
	for i, n := range name {
		if i > 0 {
			sb.WriteByte('.')
		}
		sb.WriteString(n)
	}
	sb.WriteByte('(')
	for i, a := range args {
		if i > 0 {
			sb.WriteString(", ")
		}
		if i < len(names) && names[i] != "" {
			sb.WriteString(names[i] + " => ")
		}
		sb.WriteString(b.typeText(a.Type().OID))
	}
	sb.WriteByte(')')
	return sb.String()
}

// notAggregate is the error for aggregate syntax on another kind of function.
func notAggregate(e *ast.FuncCall, c *resolved) error {
	name := e.Name[len(e.Name)-1]
	what := ""
	switch {
	case e.Star:
		return pgerr.New(pgerr.WrongObjectType, "%s(*) specified, but %s is not an aggregate function", name, name).At(e.Position())
	case e.Distinct:
		what = "DISTINCT"
	case e.WithinGroup:
		what = "WITHIN GROUP"
	case len(e.OrderBy) > 0:
		what = "ORDER BY"
	case e.Filter != nil:
		what = "FILTER"
	default:
		return pgerr.New(pgerr.WrongObjectType, "OVER specified, but %s is not a window function nor an aggregate function", name).At(e.Position())
	}
	return pgerr.New(pgerr.WrongObjectType, "%s specified, but %s is not an aggregate function", what, name).At(e.Position())
}

// plainCall binds a call of a scalar or set-returning function.
func (b *binder) plainCall(e *ast.FuncCall, c *resolved, args []expr.Expr, s *scope) (expr.Expr, error) {
	if e.Star || e.Distinct || len(e.OrderBy) > 0 || e.Filter != nil || e.Over != nil {
		return nil, notAggregate(e, c)
	}
	pos := e.Position()
	args, ret, err := b.coerceArgs(c.args, args, c.fn.Ret, pos)
	if err != nil {
		return nil, err
	}
	fn := c.fn
	if e.Variadic {
		if fn, args, err = spreadVariadic(fn, args, e.Args[len(e.Args)-1].Position()); err != nil {
			return nil, err
		}
	}
	if !fn.RetSet {
		return &expr.Call{Fn: fn, Args: args, T: ret}, nil
	}
	if err := setsAllowed(s, pos); err != nil {
		return nil, err
	}
	if s.q != nil {
		s.q.hasSets = true
	}
	return &setRef{call: plan.SetCall{Fn: c.fn, Args: args, T: ret, Cols: b.setColumns(c.fn, args, ret)}, pos: pos}, nil
}

// spreadVariadic turns VARIADIC ARRAY[a, b] into the arguments a, b, which is how variadic functions
// are called here. For other arrays they are called once a row.
func spreadVariadic(fn *function.Function, args []expr.Expr, pos int) (*function.Function, []expr.Expr, error) {
	if !fn.Variadic {
		return fn, args, nil
	}
	last := args[len(args)-1]
	head := args[: len(args)-1 : len(args)-1]
	if _, ok := last.Type().Elem(); !ok {
		return nil, nil, pgerr.New(pgerr.DatatypeMismatch, "VARIADIC argument must be an array").At(pos)
	}
	if a, ok := last.(*expr.ArrayCtor); ok && !a.Nested() {
		return fn, append(head, a.Elems...), nil
	}
	if fn.RetSet {
		return nil, nil, pgerr.Unsupported("VARIADIC with an array that is not a constructor is not supported for function %s", fn.Name).At(pos)
	}
	return function.Spread(fn), args, nil
}

// setColumns are the columns that a set-returning function yields.
func (b *binder) setColumns(fn *function.Function, args []expr.Expr, t datum.Type) []plan.Field {
	if len(fn.OutNames) > 0 {
		cols := make([]plan.Field, len(fn.OutNames))
		for i, n := range fn.OutNames {
			ct := datum.Of(fn.OutTypes[i])
			if len(fn.OutNames) == 1 {
				ct = t
			} else if polymorphic(ct.OID) {
				if _, oid, err := b.resolveGeneric(typesOf(args), fn.Args, ct.OID); err == nil {
					ct = datum.Of(oid)
				}
			}
			cols[i] = plan.Field{Name: n, Type: ct}
		}
		return cols
	}
	return []plan.Field{{Name: fn.Name, Type: t}}
}

// setsAllowed says whether a set-returning function may stand here (check_srf_call_placement).
func setsAllowed(s *scope, pos int) error {
	switch s.clause {
	case clauseTarget, clauseGroupBy, clauseOrderBy, clauseDistinctOn, clauseFromFunction, clauseWindowPartition, clauseWindowOrder, clauseInsertedRow:
		if s.inAggregate {
			return pgerr.Unsupported("aggregate function calls cannot contain set-returning function calls").
				WithHint("You might be able to move the set-returning function into a LATERAL FROM item.").At(pos)
		}
		if s.inWindow {
			return pgerr.Unsupported("window function calls cannot contain set-returning function calls").
				WithHint("You might be able to move the set-returning function into a LATERAL FROM item.").At(pos)
		}
		return nil
	}
	name := clauseNames[s.clause]
	switch {
	case s.clause == clauseWindowFrame:
		name = "window definitions"
	case name == "":
		name = "this context"
	}
	return pgerr.Unsupported("set-returning functions are not allowed in %s", name).At(pos)
}

// aggregateCall binds a call of an aggregate, over groups or over a window. Before its arguments
// were bound, the correlations of the scope were as used says.
func (b *binder) aggregateCall(e *ast.FuncCall, c *resolved, args, all []expr.Expr, used correlations, s *scope) (expr.Expr, error) {
	pos := e.Position()
	name := e.Name[len(e.Name)-1]
	switch {
	case c.agg.OrderedSet && !e.WithinGroup:
		return nil, pgerr.New(pgerr.WrongObjectType, "WITHIN GROUP is required for ordered-set aggregate %s", name).At(pos)
	case !c.agg.OrderedSet && e.WithinGroup:
		return nil, pgerr.New(pgerr.WrongObjectType, "%s is not an ordered-set aggregate, so it cannot have WITHIN GROUP", name).At(pos)
	case len(c.agg.Args) == 0 && !e.Star:
		return nil, pgerr.New(pgerr.WrongObjectType, "%s(*) must be used to call a parameterless aggregate function", name).At(pos)
	case c.agg.OrderedSet && e.Over != nil:
		return nil, pgerr.Unsupported("OVER is not supported for ordered-set aggregate %s", name).At(pos)
	}
	call := plan.AggCall{Agg: c.agg, Distinct: e.Distinct}
	var err error
	if call.Filter, err = b.filterOf(e, s); err != nil {
		return nil, err
	}
	if !c.agg.OrderedSet {
		if call.OrderBy, err = b.aggOrder(e, s); err != nil {
			return nil, err
		}
	}
	if e.Over == nil {
		if up := outerAggregate(all, call, s); up != nil {
			if up.scope == nil {
				return nil, pgerr.New(pgerr.GroupingError, "aggregate functions are not allowed in FROM clause of their own query level").At(pos)
			}
			used.restore(s.frame) // the values of a row, of which there will be none
			x, err := b.expr(e, up.scope)
			if err != nil {
				return nil, err
			}
			return lift(s.frame, up.scope.frame, x), nil
		}
		if err := aggregatesAllowed(s, pos); err != nil {
			return nil, err
		}
	}
	coerced, ret := all, datum.Of(c.agg.Ret)
	if c.agg.Hypothetical {
		coerced, err = b.hypotheticalArgs(e, name, all)
	} else {
		coerced, ret, err = b.coerceArgs(c.args, all, c.agg.Ret, pos)
	}
	if err != nil {
		return nil, err
	}
	call.Args, call.T = coerced, ret
	if err := b.noNesting(coerced, call.Filter, pos, e.Over != nil); err != nil {
		return nil, err
	}
	if c.agg.OrderedSet {
		n := len(args)
		call.Direct, call.Args = coerced[:n:n], coerced[n:]
		for i, k := range e.OrderBy {
			if call.OrderBy, err = b.addSortKey(call.OrderBy, coerced[n+i], k); err != nil {
				return nil, err
			}
		}
	}
	if c.agg.Hypothetical {
		hypotheticalKeys(&call)
	}
	if e.Over != nil {
		return b.windowAggregate(e, call, s)
	}
	if e.Distinct {
		if err := b.checkDistinct(&call, e); err != nil {
			return nil, err
		}
	}
	s.q.aggregated = true
	return &aggRef{call: call, pos: pos}, nil
}

// hypotheticalArgs gives the direct arguments, a row, and the others, columns that rows are ordered by, the same types.
func (b *binder) hypotheticalArgs(e *ast.FuncCall, name string, args []expr.Expr) ([]expr.Expr, error) {
	n := len(e.Args)
	if columns := len(args) - n; columns != n {
		return nil, pgerr.New(pgerr.UndefinedFunction, "function %s does not exist", b.callText([]string{name}, args, nil)).
			WithHint("To use the hypothetical-set aggregate %s, the number of hypothetical direct arguments (here %d) must match the number of ordering columns (here %d).",
				name, n, columns).At(e.Position())
	}
	out := make([]expr.Expr, len(args))
	for i := range n {
		at := []int{position(e.OrderBy[i].Expr), position(e.Args[i])}
		pair, _, err := b.unify([]expr.Expr{args[n+i], args[i]}, "WITHIN GROUP", at)
		if err != nil {
			return nil, err
		}
		out[i], out[n+i] = pair[1], pair[0]
	}
	return out, nil
}

// hypotheticalKeys makes the arguments of a hypothetical-set aggregate, which are sorting keys of the rows that were given.
func hypotheticalKeys(call *plan.AggCall) {
	types, orders := typesOf(call.Direct), make([]datum.KeyOrder, len(call.OrderBy))
	full := make([]datum.Type, len(types))
	for i, k := range call.OrderBy {
		full[i] = datum.Of(types[i])
		orders[i] = datum.KeyOrder{Desc: k.Desc, NullsFirst: k.NullsFirst, Passing: true}
	}
	key := func(args []expr.Expr) expr.Expr {
		return &expr.Call{Fn: function.HypotheticalKey(full, orders), Args: args, T: datum.Of(datum.Bytea)}
	}
	call.Direct, call.Args = []expr.Expr{key(call.Direct)}, []expr.Expr{key(call.Args)}
	call.OrderBy = nil
	if call.Agg.Ordered {
		call.OrderBy = []plan.SortKey{{Expr: call.Args[0]}}
	}
}

func (b *binder) filterOf(e *ast.FuncCall, s *scope) (expr.Expr, error) {
	if e.Filter == nil {
		return nil, nil
	}
	inner := *s
	inner.clause = clauseFilter
	return b.condition(e.Filter, &inner, "FILTER")
}

// noNesting refuses aggregates and window functions inside of an aggregate.
func (b *binder) noNesting(args []expr.Expr, filter expr.Expr, pos int, window bool) error {
	for _, a := range append(args[:len(args):len(args)], filter) {
		if a == nil {
			continue
		}
		if !window && hasAggregate(a) {
			return pgerr.New(pgerr.GroupingError, "aggregate function calls cannot be nested").At(pos)
		}
		if hasWindow(a) {
			if window {
				return pgerr.New(pgerr.WindowingError, "window function calls cannot be nested").At(pos)
			}
			return pgerr.New(pgerr.GroupingError, "aggregate function calls cannot contain window function calls").
				WithHint("You might be able to move the window function into a subquery.").At(pos)
		}
	}
	return nil
}

// aggOrder binds the ORDER BY of an aggregate's arguments.
func (b *binder) aggOrder(e *ast.FuncCall, s *scope) ([]plan.SortKey, error) {
	var keys []plan.SortKey
	inner := *s
	inner.inAggregate = true
	for _, k := range e.OrderBy {
		x, err := b.expr(k.Expr, &inner)
		if err != nil {
			return nil, err
		}
		if x, err = b.resolveUnknown(x); err != nil {
			return nil, err
		}
		if keys, err = b.addSortKey(keys, x, k); err != nil {
			return nil, err
		}
	}
	return keys, nil
}

func (b *binder) checkDistinct(call *plan.AggCall, e *ast.FuncCall) error {
	if len(call.Args) == 0 {
		return pgerr.New(pgerr.InvalidColumnReference, "DISTINCT specified for an aggregate without arguments").At(e.Position())
	}
	for _, a := range call.Args {
		if err := b.needEqual(a.Type().OID, e.Position()); err != nil {
			return err
		}
	}
	for i, k := range call.OrderBy {
		listed := false
		for _, a := range call.Args {
			listed = listed || plan.Equal(a, k.Expr) || plan.Equal(unlabeled(a), k.Expr)
		}
		if !listed {
			return pgerr.New(pgerr.InvalidColumnReference,
				"in an aggregate with DISTINCT, ORDER BY expressions must appear in argument list").At(position(e.OrderBy[i].Expr))
		}
	}
	return nil
}

// unlabeled is what an argument was before it was made to have the type that the function wants.
func unlabeled(e expr.Expr) expr.Expr {
	if r, ok := e.(*expr.Relabel); ok {
		return r.Arg
	}
	return e
}

// aggregatesAllowed is check_agglevels_and_constraints.
func aggregatesAllowed(s *scope, pos int) error {
	fail := func(format string, args ...any) error {
		return pgerr.New(pgerr.GroupingError, format, args...).At(pos)
	}
	if s.inAggregate {
		return fail("aggregate function calls cannot be nested")
	}
	switch s.clause {
	case clauseTarget, clauseHaving, clauseOrderBy, clauseDistinctOn, clauseWindowPartition, clauseWindowOrder, clauseWindowFrame:
		if s.q != nil {
			return nil
		}
	case clauseFilter:
		return fail("aggregate functions are not allowed in FILTER")
	}
	if name := clauseNames[s.clause]; name != "" {
		return fail("aggregate functions are not allowed in %s", name)
	}
	return fail("aggregate functions are not allowed here")
}

// outerAggregate finds the query that an aggregate belongs to: the innermost one
// that its arguments, filter and order have columns of. It returns nil if that is the present one,
// and one without a scope if that is the query in whose FROM the present one stands.
func outerAggregate(args []expr.Expr, call plan.AggCall, s *scope) *correlation {
	corr := s.frame.corr
	if corr == nil {
		return nil
	}
	all := slices.Clone(args)
	if call.Filter != nil {
		all = append(all, call.Filter)
	}
	for _, k := range call.OrderBy {
		all = append(all, k.Expr)
	}
	local, outer := false, false
	for _, a := range all {
		plan.Walk(a, func(x expr.Expr) bool {
			switch x := x.(type) {
			case *expr.Column:
				local = true
			case *expr.Param:
				for _, p := range corr.params {
					outer = outer || p == x
				}
			}
			return true
		})
	}
	if local || !outer {
		return nil
	}
	return corr
}

// isNormalized is IS NORMALIZED, which is a function's call.
func (b *binder) isNormalized(e *ast.IsNormalized, s *scope) (expr.Expr, error) {
	call := &ast.FuncCall{Name: []string{"pg_catalog", "is_normalized"}, Args: []ast.Expr{e.Arg}}
	call.SetPos(e.Position())
	if e.Form != "" {
		form := &ast.Literal{Kind: ast.String, Text: e.Form}
		form.SetPos(e.Position())
		call.Args = append(call.Args, form)
	}
	x, err := b.funcCall(call, s)
	if err != nil || !e.Not {
		return x, err
	}
	return &expr.Not{Arg: x}, nil
}
