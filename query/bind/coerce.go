package bind

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/function"
)

// category and preferred are pg_type.typcategory and typispreferred.
func category(t datum.OID) byte {
	if info, ok := datum.Lookup(t); ok {
		return info.Category
	}
	switch {
	case t.IsUserArray():
		return 'A'
	case t.Class() == datum.EnumClass:
		return 'E'
	}
	return 'C'
}

func preferred(t datum.OID) bool {
	info, ok := datum.Lookup(t)
	return ok && info.Preferred
}

func elemOf(t datum.OID) datum.OID {
	if e, ok := datum.Of(t).Elem(); ok {
		return e.OID
	}
	return 0
}

func arrayOf(t datum.OID) datum.OID {
	if a, ok := datum.ArrayOf(datum.Of(t)); ok {
		return a.OID
	}
	return 0
}

// trueArray says whether a type is an array in PostgreSQL's sense, which leaves
// out int2vector and oidvector.
func trueArray(t datum.OID) bool {
	return elemOf(t) != 0 && t != datum.Int2Vector && t != datum.OIDVector
}

// A pathway is how a value of one type becomes another.
type pathway uint8

const (
	noPath pathway = iota
	relabelPath
	funcPath
	arrayPath
	ioPath
)

// pathTo finds the pathway of a coercion, as find_coercion_pathway does.
func (b *binder) pathTo(target, source datum.OID, ctx function.CastContext) (pathway, *function.Function) {
	if source == target {
		return relabelPath, nil
	}
	if c, ok := b.reg.Cast(source, target); ok {
		if !allowed(c.Context, ctx) {
			return noPath, nil
		}
		switch {
		case c.Fn != nil:
			return funcPath, c.Fn
		case c.Binary:
			return relabelPath, nil
		}
		return ioPath, nil
	}
	if target != datum.OIDVector && target != datum.Int2Vector {
		te, se := elemOf(target), elemOf(source) // those of vectors too
		if te != 0 && se != 0 {
			switch p, fn := b.pathTo(te, se, ctx); p {
			case noPath:
				return noPath, nil
			case relabelPath:
				return relabelPath, nil
			default:
				return arrayPath, fn
			}
		}
	}
	if ctx != function.ImplicitCast && isString(target) {
		return ioPath, nil
	}
	if ctx == function.ExplicitCast && isString(source) {
		return ioPath, nil
	}
	return noPath, nil
}

// isString says whether a type is of the string category.
func isString(t datum.OID) bool { return category(t) == 'S' }

func allowed(cast, ctx function.CastContext) bool {
	switch ctx {
	case function.ExplicitCast:
		return true
	case function.AssignmentCast:
		return cast != function.ExplicitCast
	}
	return cast == function.ImplicitCast
}

// canCoerce says whether all the types can become the targets, as can_coerce_type does.
func (b *binder) canCoerce(in, targets []datum.OID, ctx function.CastContext) bool {
	generic := false
	for i, source := range in {
		target := targets[i]
		switch {
		case source == target, target == datum.AnyOID:
			continue
		case polymorphic(target):
			generic = true
			continue
		case source == datum.Unknown:
			continue
		}
		if p, _ := b.pathTo(target, source, ctx); p != noPath {
			continue
		}
		if target == datum.Record && composite(source) || source == datum.Record && composite(target) {
			continue
		}
		if target == datum.RecordArray && composite(elemOf(source)) {
			continue
		}
		return false
	}
	return !generic || genericConsistent(in, targets, b)
}

// composite says whether a type is a row type.
func composite(t datum.OID) bool {
	if t == datum.Record || t.Class() == datum.CompositeClass && !t.IsUserArray() {
		return true
	}
	info, ok := datum.Lookup(t)
	return ok && info.Kind == 'c'
}

// binaryCoercible says whether values of a type can be used as another's
// without work, as IsBinaryCoercible does.
func (b *binder) binaryCoercible(source, target datum.OID) bool {
	if source == target || target == datum.AnyOID || target == datum.AnyElement || target == datum.AnyCompatible {
		return true
	}
	if (target == datum.AnyArray || target == datum.AnyCompatibleArray) && trueArray(source) {
		return true
	}
	if target == datum.AnyEnum && category(source) == 'E' {
		return true
	}
	if (target == datum.AnyNonArray || target == datum.AnyCompatibleNonArray) && !trueArray(source) {
		return true
	}
	if target == datum.Record && composite(source) {
		return true
	}
	c, ok := b.reg.Cast(source, target)
	return ok && c.Fn == nil && c.Binary && c.Context == function.ImplicitCast
}

// coerceType converts an expression to a type, ignoring modifiers; the caller has
// made sure that it can be. It is coerce_type.
func (b *binder) coerceType(e expr.Expr, target datum.OID, ctx function.CastContext, pos int) (expr.Expr, error) {
	source := e.Type().OID
	if source == target {
		return e, nil
	}
	switch target {
	case datum.AnyOID, datum.AnyElement, datum.AnyNonArray, datum.AnyEnum, datum.AnyCompatible, datum.AnyCompatibleNonArray:
		return e, nil
	case datum.AnyArray, datum.AnyCompatibleArray:
		if source != datum.Unknown {
			return e, nil
		}
	}
	if source == datum.Unknown {
		switch x := e.(type) {
		case *expr.Const:
			return b.coerceLiteral(x, target, pos)
		case *expr.Param:
			return b.coerceParam(x, target)
		}
		return &expr.IOCast{Arg: e, T: datum.Of(target)}, nil
	}
	p, fn := b.pathTo(target, source, ctx)
	switch p {
	case relabelPath:
		return relabel(e, datum.Of(target)), nil
	case funcPath:
		return b.callCast(fn, e, datum.Of(target), ctx), nil
	case ioPath:
		return &expr.IOCast{Arg: e, T: datum.Of(target)}, nil
	case arrayPath:
		return b.castArray(e, target, ctx, pos)
	}
	switch {
	case target == datum.Record && isRow(source):
		return b.toRecord(e)
	case target == datum.RecordArray && isRow(elemOf(source)):
		elem, err := b.toRecord(&expr.CaseBase{T: datum.Of(elemOf(source))})
		if err != nil {
			return nil, err
		}
		return &expr.ArrayCast{Arg: e, Elem: elem, T: datum.Of(target)}, nil
	case target == datum.Record && composite(source):
		return relabel(e, datum.Of(target)), nil
	case source == datum.Record && isRow(target):
		return b.toRow(e, target, ctx, pos)
	}
	return nil, pgerr.New(pgerr.CannotCoerce, "cannot cast type %s to %s", b.typeText(source), b.typeText(target)).At(pos)
}

// relabel makes e a value of another type with the same representation.
func relabel(e expr.Expr, t datum.Type) expr.Expr {
	switch x := e.(type) {
	case *expr.Relabel:
		e = x.Arg
		if e.Type() == t {
			return e
		}
	case *expr.Const:
		return &expr.Const{Value: relabeled(x.Value, t), T: t}
	}
	return &expr.Relabel{Arg: e, T: t}
}

// relabeled is a value as another type with the same bits has it.
func relabeled(v datum.Value, t datum.Type) datum.Value {
	unsigned := t.Arrow().ID() == arrow.UINT32
	switch v := v.(type) {
	case int32:
		if unsigned {
			return datum.OID(v)
		}
	case datum.OID:
		if !unsigned {
			return int32(v)
		}
	}
	return v
}

// callCast calls a cast function, which may also want a modifier and whether the
// cast is explicit.
func (b *binder) callCast(fn *function.Function, e expr.Expr, t datum.Type, ctx function.CastContext) expr.Expr {
	args := []expr.Expr{e}
	if len(fn.Args) > 0 && fn.Args[0] != e.Type().OID && !polymorphic(fn.Args[0]) {
		args[0] = relabel(e, datum.Of(fn.Args[0]))
	}
	if len(fn.Args) >= 2 {
		args = append(args, &expr.Const{Value: t.Mod, T: datum.Of(datum.Int4)})
	}
	if len(fn.Args) >= 3 {
		args = append(args, &expr.Const{Value: ctx == function.ExplicitCast, T: datum.Of(datum.Bool)})
	}
	return &expr.Call{Fn: fn, Args: args, T: t}
}

// castArray converts the elements of an array.
func (b *binder) castArray(e expr.Expr, target datum.OID, ctx function.CastContext, pos int) (expr.Expr, error) {
	te, se := elemOf(target), elemOf(e.Type().OID)
	if a, ok := e.(*expr.ArrayCtor); ok {
		out := &expr.ArrayCtor{T: datum.Of(target), Elems: make([]expr.Expr, len(a.Elems))}
		if a.Nested() {
			te = target
		}
		for i, el := range a.Elems {
			x, err := b.coerceType(el, te, ctx, pos)
			if err != nil {
				return nil, err
			}
			out.Elems[i] = x
		}
		return out, nil
	}
	elem, err := b.coerceType(&expr.CaseBase{T: datum.Of(se)}, te, ctx, pos)
	if err != nil {
		return nil, err
	}
	return &expr.ArrayCast{Arg: e, Elem: elem, T: datum.Of(target)}, nil
}

// coerceLiteral reads a literal of unknown type as a value of a type.
func (b *binder) coerceLiteral(c *expr.Const, target datum.OID, pos int) (expr.Expr, error) {
	return b.literalOf(c, datum.Of(target), pos)
}

// literalOf reads a literal as a type; of interval types the modifier counts for
// reading already.
func (b *binder) literalOf(c *expr.Const, t datum.Type, pos int) (expr.Expr, error) {
	if p, ok := b.pos[c]; ok {
		pos = p
	}
	if t.OID == datum.Unknown {
		return c, nil
	}
	if t.OID != datum.Interval {
		t.Mod = -1
	}
	out := &expr.Const{T: t}
	if c.Value != nil {
		s, _ := c.Value.(string)
		v, err := b.input(t, s)
		if err != nil {
			return nil, at(err, pos)
		}
		out.Value = v
	}
	b.pos[out] = pos
	return out, nil
}

// input is a type's input function; those of the reg types look into the catalogue.
func (b *binder) input(t datum.Type, s string) (datum.Value, error) {
	if v, ok, err := b.regInput(t, s); ok {
		return v, err
	}
	if category(t.OID) == 'P' && !pseudoWithInput(t.OID) {
		return nil, pgerr.Unsupported("cannot accept a value of type %s", t)
	}
	if t.OID == datum.JSONPath {
		return function.ParseJSONPath(s)
	}
	return datum.Parse(t, s, b.env.Session)
}

// pseudoWithInput says whether a pseudo-type has an input function of its own, if only to refuse.
func pseudoWithInput(t datum.OID) bool {
	return t == datum.Void || t == datum.CString || t == datum.Record
}

// at gives an error a position if it has a SQLSTATE and no position yet.
func at(err error, pos int) error {
	if e, ok := err.(*pgerr.Error); ok {
		return e.At(pos)
	}
	return err
}

// coerceTo converts an expression to a type with modifier; nil, nil says that
// there is no cast. It is coerce_to_target_type.
func (b *binder) coerceTo(e expr.Expr, t datum.Type, ctx function.CastContext, pos int) (expr.Expr, error) {
	if e.Type() == t {
		return e, nil
	}
	base := undomained(t)
	x, err := b.coerceToBase(e, base, ctx, pos)
	switch {
	case x == nil || err != nil || x.Type().Domain == t.Domain && t.Domain == 0:
		return x, err
	case t.Domain == 0:
		return relabel(x, base), nil
	}
	return b.toDomain(x, t)
}

// coerceToBase is coerceTo a type that is no domain.
func (b *binder) coerceToBase(e expr.Expr, t datum.Type, ctx function.CastContext, pos int) (expr.Expr, error) {
	if !b.canCoerce([]datum.OID{e.Type().OID}, []datum.OID{t.OID}, ctx) {
		return nil, nil
	}
	if c, ok := e.(*expr.Const); ok && c.T.OID == datum.Unknown {
		x, err := b.literalOf(c, t, pos)
		if err != nil {
			return nil, err
		}
		return b.applyMod(x, t, ctx, pos)
	}
	x, err := b.coerceType(e, t.OID, ctx, pos)
	if err != nil {
		return nil, err
	}
	return b.applyMod(x, t, ctx, pos)
}

// applyMod applies the modifier of t to a value of its type.
func (b *binder) applyMod(e expr.Expr, t datum.Type, ctx function.CastContext, pos int) (expr.Expr, error) {
	if have := e.Type(); t.Mod < 0 || have.OID == t.OID && have.Mod == t.Mod {
		return e, nil
	}
	if c, ok := e.(*expr.Const); ok {
		if c.Value == nil {
			return &expr.Const{T: t}, nil
		}
		v, err := datum.Coerce(t, c.Value, ctx == function.ExplicitCast)
		if err != nil {
			return nil, err
		}
		out := &expr.Const{Value: v, T: t}
		b.pos[out] = pos
		return out, nil
	}
	if elem, ok := t.Elem(); ok {
		base, err := b.applyMod(&expr.CaseBase{T: datum.Of(elem.OID)}, elem, ctx, pos)
		if err != nil {
			return nil, err
		}
		return &expr.ArrayCast{Arg: e, Elem: base, T: t}, nil
	}
	cast, ok := b.reg.Cast(t.OID, t.OID)
	if !ok || cast.Fn == nil {
		return relabel(e, t), nil
	}
	return b.callCast(cast.Fn, e, t, ctx), nil
}

// explicit is CAST(e AS t).
func (b *binder) explicit(e expr.Expr, t datum.Type, pos int) (expr.Expr, error) {
	source := e.Type()
	x, err := b.coerceTo(e, t, function.ExplicitCast, pos)
	if x == nil && err == nil {
		err = pgerr.New(pgerr.CannotCoerce, "cannot cast type %s to %s", b.typeText(source.Declared()), b.typeText(t.Declared())).At(pos)
	}
	return x, err
}

// assign converts a value for a column, by assignment; column is for the message.
func (b *binder) assign(e expr.Expr, t datum.Type, column string, pos int) (expr.Expr, error) {
	source := e.Type()
	x, err := b.coerceTo(e, t, function.AssignmentCast, pos)
	if x == nil && err == nil {
		what := "value"
		if column != "" {
			what = "column " + quoted(column)
		}
		err = pgerr.New(pgerr.DatatypeMismatch, "%s is of type %s but expression is of type %s", what,
			b.typeText(t.Declared()), b.typeText(source.Declared())).WithHint("You will need to rewrite or cast the expression.").At(pos)
	}
	return x, err
}

// implicit converts an argument to the type that a function declares.
func (b *binder) implicit(e expr.Expr, t datum.OID, pos int) (expr.Expr, error) {
	return b.coerceType(e, t, function.ImplicitCast, pos)
}

// boolean coerces the condition of a clause.
func (b *binder) boolean(e expr.Expr, clause string, pos int) (expr.Expr, error) {
	return b.specific(e, datum.Bool, clause, pos)
}

// specific coerces the argument of a construct that wants one type.
func (b *binder) specific(e expr.Expr, t datum.OID, construct string, pos int) (expr.Expr, error) {
	if e.Type().OID == t {
		return e, nil
	}
	source := e.Type()
	x, err := b.coerceTo(e, datum.Of(t), function.AssignmentCast, pos)
	if x == nil && err == nil {
		err = pgerr.New(pgerr.DatatypeMismatch, "argument of %s must be type %s, not type %s",
			construct, b.typeText(t), b.typeText(source.OID)).At(pos)
	}
	return x, err
}

// resolveUnknown makes what is still of unknown type text.
func (b *binder) resolveUnknown(e expr.Expr) (expr.Expr, error) {
	if e.Type().OID != datum.Unknown {
		return e, nil
	}
	return b.coerceType(e, datum.Text, function.ImplicitCast, b.pos[e])
}
