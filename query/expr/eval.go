package expr

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/query/function"
)

// EvalContext is another name of Context.
type EvalContext = Context

// Eval evaluates e over the rows of in. The caller releases the result, which
// is Const if it is the same for all rows and known to be.
func Eval(c *Context, e Expr, in arrow.RecordBatch) (function.Vec, error) {
	f := newFrame(in, int(in.NumRows()))
	defer f.release()
	return c.eval(e, f)
}

// EvalArray evaluates e to an array of in's length, which the caller releases.
func EvalArray(c *Context, e Expr, in arrow.RecordBatch) (arrow.Array, error) {
	n := int(in.NumRows())
	v, err := Eval(c, e, in)
	if err != nil {
		return nil, err
	}
	return Expand(c, v, n)
}

// Expand makes an array of n rows of a Vec, whose reference it takes over.
func Expand(c *Context, v function.Vec, n int) (arrow.Array, error) {
	if !v.Const {
		return v.Array, nil
	}
	defer v.Release()
	return gather(c.Mem, v.Array, make([]int32, n))
}

// Value evaluates an expression without columns to one value.
func Value(c *Context, e Expr) (datum.Value, error) {
	if k, ok := e.(*Const); ok {
		return k.Value, nil
	}
	f := &frame{n: 1}
	defer f.release()
	v, err := c.eval(e, f)
	if err != nil {
		return nil, err
	}
	defer v.Release()
	return datum.ValueAt(e.Type(), v.Array, 0), nil
}

// Filter returns the numbers of the rows for which e is true, rising; they must not
// be modified. The parts of a conjunction are evaluated in turn, over the rows that
// are left.
func Filter(c *Context, e Expr, in arrow.RecordBatch) ([]int32, error) {
	f := newFrame(in, int(in.NumRows()))
	defer f.release()
	return c.filter(e, f)
}

// filter returns the rows of the frame for which e is true.
func (c *Context) filter(e Expr, f *frame) ([]int32, error) {
	if and, ok := e.(*And); ok {
		return c.filterAnd(and.Args, f)
	}
	v, err := c.eval(e, f)
	if err != nil {
		return nil, err
	}
	defer v.Release()
	b, ok := v.Array.(*array.Boolean)
	switch {
	case !ok:
		return []int32{}, nil // NULL
	case v.Const:
		if b.IsValid(0) && b.Value(0) {
			return allRows(f.n), nil
		}
		return []int32{}, nil
	}
	nullable := b.NullN() > 0
	if !nullable && allTrue(b) {
		return allRows(f.n), nil
	}
	sel := make([]int32, 0, f.n)
	for i := range f.n {
		if b.Value(i) && (!nullable || b.IsValid(i)) {
			sel = append(sel, int32(i))
		}
	}
	return sel, nil
}

// allTrue says whether all values are, none of which is NULL.
func allTrue(b *array.Boolean) bool {
	d := b.Data()
	if d.Len() == 0 {
		return true
	}
	return bitutil.CountSetBits(d.Buffers()[1].Bytes(), d.Offset(), d.Len()) == d.Len()
}

func (c *Context) filterAnd(args []Expr, f *frame) ([]int32, error) {
	sel, err := c.filter(args[0], f)
	if err != nil {
		return nil, err
	}
	for _, a := range args[1:] {
		if len(sel) == 0 {
			return sel, nil
		}
		if len(sel) == f.n {
			if sel, err = c.filter(a, f); err != nil {
				return nil, err
			}
			continue
		}
		sub := f.sub(sel)
		kept, err := c.filter(a, sub)
		sub.release()
		if err != nil {
			return nil, err
		}
		sel = compose(sel, kept)
	}
	return sel, nil
}

// constant makes a Const Vec of a value.
func (c *Context) constant(t datum.Type, v datum.Value) function.Vec {
	return function.Vec{Array: datum.NewArray(c.Mem, t, v, 1), Const: true, T: t}
}

// eval evaluates e over the rows of a frame; the caller releases the result.
func (c *Context) eval(e Expr, f *frame) (function.Vec, error) {
	if b, ok := f.in.(*chunk.CodedBatch); ok {
		if v, done, err := c.overValues(e, f, b); done || err != nil {
			return v, err
		}
	}
	switch e := e.(type) {
	case *Const:
		return c.constant(e.T, e.Value), nil
	case *Column:
		a, err := f.column(c, e.Index)
		return function.Vec{Array: a, T: e.T}, err
	case *Param:
		return c.param(e)
	case *CaseBase:
		v, err := f.caseBase(c)
		v.T = e.T // the base's may be a domain over it
		return v, err
	case *Call:
		return c.call(e, f)
	case *And:
		return c.junction(e.Args, f, isFalse)
	case *Or:
		return c.junction(e.Args, f, isTrue)
	case *Not:
		return c.not(e, f)
	case *IsNull:
		return c.isNull(e, f)
	case *IsDistinct:
		return c.isDistinct(e, f)
	case *Case:
		return c.caseWhen(e, f)
	case *Coalesce:
		return c.coalesce(e, f)
	case *ArrayCtor:
		return c.arrayCtor(e, f)
	case *RowCtor:
		return c.rowCtor(e, f)
	case *FieldSelect:
		return c.fieldSelect(e, f)
	case *AnyAll:
		return c.anyAll(e, f)
	case *IOCast:
		return c.ioCast(e, f)
	case *ToDomain:
		return c.toDomain(e, f)
	case *Relabel:
		return c.relabel(e, f)
	case *ArrayCast:
		return c.arrayCast(e, f)
	case *Subscript:
		return c.subscript(e, f)
	case *Slice:
		return c.slice(e, f)
	case *Subquery:
		return c.subquery(e, f)
	}
	panic(fmt.Sprintf("expr: bug: cannot evaluate %T", e))
}

// evalAll evaluates several expressions; on error it releases what it has.
func (c *Context) evalAll(es []Expr, f *frame) ([]function.Vec, error) {
	vs := make([]function.Vec, len(es))
	for i, e := range es {
		v, err := c.eval(e, f)
		if err != nil {
			releaseVecs(vs[:i])
			return nil, err
		}
		vs[i] = v
	}
	return vs, nil
}

func releaseVecs(vs []function.Vec) {
	for _, v := range vs {
		v.Release()
	}
}

func (c *Context) param(p *Param) (function.Vec, error) {
	values := c.Params
	if p.Outer {
		values = c.Outer
	}
	if p.Index >= len(values) {
		return function.Vec{}, errNoParam(p.Index)
	}
	return c.constant(p.T, values[p.Index]), nil
}

// call evaluates a function. With constant arguments it is called once, unless
// it is volatile.
func (c *Context) call(e *Call, f *frame) (function.Vec, error) {
	if e.Fn.Eval == nil {
		panic("expr: bug: set-returning function " + e.Fn.Name + " in a scalar expression")
	}
	args, err := c.evalAll(e.Args, f)
	if err != nil {
		return function.Vec{}, err
	}
	defer releaseVecs(args)
	return c.callVecs(e.Fn, args, f.n, e.T)
}

func (c *Context) callVecs(fn *function.Function, args []function.Vec, n int, t datum.Type) (function.Vec, error) {
	isConst := fn.Volatility != function.Volatile
	for _, a := range args {
		isConst = isConst && a.Const
	}
	if fn.Strict {
		for _, a := range args {
			if a.Const && a.IsNull(0) {
				return c.constant(t, nil), nil
			}
		}
	}
	if isConst {
		n = 1
	}
	a, err := fn.Eval(c.Context, args, n, t)
	if err != nil {
		return function.Vec{}, err
	}
	return function.Vec{Array: a, Const: isConst, T: t}, nil
}
