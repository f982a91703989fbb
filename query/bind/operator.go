package bind

import (
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/function"
)

// binaryOp resolves and applies a binary operator.
func (b *binder) binaryOp(name ast.OpName, l, r expr.Expr, pos int) (expr.Expr, error) {
	op, err := b.findBinary(name, l.Type().OID, r.Type().OID, pos)
	if err != nil {
		return nil, err
	}
	return b.applyOp(op, []expr.Expr{l, r}, pos)
}

// applyOp coerces the arguments of an operator and calls its function.
func (b *binder) applyOp(op *function.Operator, args []expr.Expr, pos int) (expr.Expr, error) {
	declared := []datum.OID{op.Right}
	if len(args) == 2 {
		declared = []datum.OID{op.Left, op.Right}
	}
	return b.applyFunction(op.Fn, declared, args, op.Ret, pos)
}

// applyFunction coerces arguments to the declared types and makes the call.
func (b *binder) applyFunction(fn *function.Function, declared []datum.OID, args []expr.Expr, ret datum.OID, pos int) (expr.Expr, error) {
	out, t, err := b.coerceArgs(declared, args, ret, pos)
	if err != nil {
		return nil, err
	}
	return &expr.Call{Fn: fn, Args: out, T: t}, nil
}

// coerceArgs coerces arguments to the declared types, polymorphic ones resolved,
// and returns the result type.
func (b *binder) coerceArgs(declared []datum.OID, args []expr.Expr, ret datum.OID, pos int) ([]expr.Expr, datum.Type, error) {
	want, t, err := b.resolveGeneric(typesOf(args), declared, ret)
	if err != nil {
		return nil, datum.Type{}, at(err, pos)
	}
	if err := b.sameCollation(args); err != nil {
		return nil, datum.Type{}, err
	}
	out := make([]expr.Expr, len(args))
	for i, a := range args {
		if out[i], err = b.implicit(a, want[i], pos); err != nil {
			return nil, datum.Type{}, err
		}
		if want[i] == datum.Record {
			if out[i], err = b.settleRow(out[i]); err != nil {
				return nil, datum.Type{}, err
			}
		}
		b.keepCollation(a, out[i])
		if want[i] == datum.AnyOID {
			// "any" takes everything but leaves unknown literals as text.
			if out[i], err = b.resolveUnknown(out[i]); err != nil {
				return nil, datum.Type{}, err
			}
		}
	}
	return out, genericDomain(datum.Of(t), ret, args, declared), nil
}

func typesOf(es []expr.Expr) []datum.OID {
	types := make([]datum.OID, len(es))
	for i, e := range es {
		types[i] = e.Type().OID
	}
	return types
}

// findBinary resolves a binary operator (oper).
func (b *binder) findBinary(name ast.OpName, l, r datum.OID, pos int) (*function.Operator, error) {
	cands, err := b.operators(name, false)
	if err != nil {
		return nil, at(err, pos)
	}
	in := []datum.OID{l, r}
	if c := exactBinary(in, cands); c != nil {
		return c.op, nil
	}
	kept := b.matching(in, cands)
	switch len(kept) {
	case 0:
		return nil, b.noOperator(name, l, r, pos)
	case 1:
		return kept[0].op, nil
	}
	if c := b.selectCandidate(in, kept); c != nil {
		return c.op, nil
	}
	return nil, pgerr.New(pgerr.AmbiguousFunction, "operator is not unique: %s", b.operatorText(name, l, r)).
		WithHint("Could not choose a best candidate operator. You might need to add explicit type casts.").At(pos)
}

// exactBinary is binary_oper_exact: a literal is taken as the other side's type.
func exactBinary(in []datum.OID, cands []candidate) *candidate {
	l, r := in[0], in[1]
	switch {
	case l == datum.Unknown && r == datum.Unknown:
		return nil
	case l == datum.Unknown:
		l = r
	case r == datum.Unknown:
		r = l
	}
	return exact([]datum.OID{l, r}, cands)
}

// findPrefix resolves a prefix operator (left_oper).
func (b *binder) findPrefix(name ast.OpName, t datum.OID, pos int) (*function.Operator, error) {
	cands, err := b.operators(name, true)
	if err != nil {
		return nil, at(err, pos)
	}
	in := []datum.OID{t}
	if c := exact(in, cands); c != nil {
		return c.op, nil
	}
	kept := b.matching(in, cands)
	switch len(kept) {
	case 0:
		return nil, b.noOperator(name, 0, t, pos)
	case 1:
		return kept[0].op, nil
	}
	if c := b.selectCandidate(in, kept); c != nil {
		return c.op, nil
	}
	return nil, pgerr.New(pgerr.AmbiguousFunction, "operator is not unique: %s", b.operatorText(name, 0, t)).
		WithHint("Could not choose a best candidate operator. You might need to add explicit type casts.").At(pos)
}

func (b *binder) operators(name ast.OpName, prefix bool) ([]candidate, error) {
	if name.Schema != "" && name.Schema != "pg_catalog" {
		if !b.namespaceExists(name.Schema) {
			return nil, pgerr.New(pgerr.InvalidSchemaName, "schema %q does not exist", name.Schema)
		}
		return nil, nil
	}
	var cands []candidate
	for _, op := range b.reg.Operators(name.Name) {
		if prefix && op.Left == 0 {
			cands = append(cands, candidate{op: op, args: []datum.OID{op.Right}})
		} else if !prefix && op.Left != 0 {
			cands = append(cands, candidate{op: op, args: []datum.OID{op.Left, op.Right}})
		}
	}
	return cands, nil
}

func (b *binder) operatorText(name ast.OpName, l, r datum.OID) string {
	op := name.Name
	if name.Schema != "" {
		op = name.Schema + "." + op
	}
	if l == 0 {
		return op + " " + b.typeText(r)
	}
	return b.typeText(l) + " " + op + " " + b.typeText(r)
}

func (b *binder) noOperator(name ast.OpName, l, r datum.OID, pos int) error {
	hint := "No operator matches the given name and argument types. You might need to add explicit type casts."
	if l == 0 {
		hint = "No operator matches the given name and argument type. You might need to add an explicit type cast."
	}
	return pgerr.New(pgerr.UndefinedFunction, "operator does not exist: %s", b.operatorText(name, l, r)).WithHint("%s", hint).At(pos)
}

// equality returns the function of a type's default =, which types that hash or
// sort have; ok is false for the others (json, point).
func (b *binder) equality(t datum.OID) (*function.Operator, bool) {
	return b.defaultOp("=", t)
}

// defaultOp returns a comparison operator between two values of a type as its
// default btree class has it.
func (b *binder) defaultOp(name string, t datum.OID) (*function.Operator, bool) {
	op, err := b.findBinary(ast.OpName{Name: name}, t, t, 0)
	if err != nil {
		return nil, false
	}
	return op, true
}

// sortable says whether a type has an order; every type that has one here also
// has equality.
func (b *binder) sortable(t datum.OID) bool {
	if t == datum.Unknown || t == datum.Void {
		return false
	}
	if e := elemOf(t); e != 0 && trueArray(t) {
		return b.sortable(e)
	}
	_, ok := b.defaultOp("<", t)
	return ok
}

// needSortable reports types without an order.
func (b *binder) needSortable(t datum.OID, pos int) error {
	if b.sortable(t) {
		return nil
	}
	return pgerr.New(pgerr.UndefinedFunction, "could not identify an ordering operator for type %s", b.typeText(t)).
		WithHint("Use an explicit ordering operator or modify the query.").At(pos)
}

// needEqual reports types without equality.
func (b *binder) needEqual(t datum.OID, pos int) error {
	if e := elemOf(t); e != 0 && trueArray(t) {
		return b.needEqual(e, pos)
	}
	if _, ok := b.equality(t); ok {
		return nil
	}
	return pgerr.New(pgerr.UndefinedFunction, "could not identify an equality operator for type %s", b.typeText(t)).At(pos)
}
