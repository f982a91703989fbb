package expr

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/query/function"
)

// truth is a value of three-valued logic.
type truth = uint8

const (
	isFalse truth = iota
	isTrue
	isUnknown
)

var boolType = datum.Of(datum.Bool)

// truthAt returns the truth of row i of a boolean Vec.
func truthAt(v function.Vec, i int) truth {
	j := v.At(i)
	b, ok := v.Array.(*array.Boolean)
	switch {
	case !ok || b.IsNull(j):
		return isUnknown
	case b.Value(j):
		return isTrue
	}
	return isFalse
}

// boolVec makes a boolean Vec of truths.
func (c *Context) boolVec(ts []truth) function.Vec {
	values := zeroBitmap(c.Mem, len(ts))
	var valid *memory.Buffer
	bits, nulls := values.Bytes(), 0
	for i, t := range ts {
		bits[i>>3] |= (t & 1) << (i & 7)
		nulls += int(t >> 1)
	}
	if nulls > 0 {
		valid = zeroBitmap(c.Mem, len(ts))
		for i, t := range ts {
			if t != isUnknown {
				bitutil.SetBit(valid.Bytes(), i)
			}
		}
	}
	return function.Vec{Array: makeArray(arrow.FixedWidthTypes.Boolean, len(ts), nulls, valid, nil, values), T: boolType}
}

// junction evaluates AND (deciding is false) or OR (deciding is true). A later
// operand is evaluated only for the rows that no earlier one has decided.
func (c *Context) junction(args []Expr, f *frame, deciding truth) (function.Vec, error) {
	first, err := c.eval(args[0], f)
	if err != nil {
		return function.Vec{}, err
	}
	if first.Const {
		t := truthAt(first, 0)
		if len(args) == 1 || t == deciding {
			return first, nil
		}
		if t != isUnknown { // the neutral element
			first.Release()
			return c.junction(args[1:], f, deciding)
		}
	}
	if len(args) == 1 {
		return first, nil
	}
	state := make([]truth, f.n)
	open := make([]int32, 0, f.n)
	for i := range state {
		if state[i] = truthAt(first, i); state[i] != deciding {
			open = append(open, int32(i))
		}
	}
	first.Release()
	for _, a := range args[1:] {
		if len(open) == 0 {
			break
		}
		if open, err = c.decide(a, f, deciding, state, open); err != nil {
			return function.Vec{}, err
		}
	}
	return c.boolVec(state), nil
}

// decide combines the truth of one more operand into the rows that are open and
// returns those that still are.
func (c *Context) decide(e Expr, f *frame, deciding truth, state []truth, open []int32) ([]int32, error) {
	sub := f
	all := len(open) == f.n || 2*len(open) > f.n && total(e)
	if !all {
		sub = f.sub(open)
		defer sub.release()
	}
	v, err := c.eval(e, sub)
	if err != nil {
		return nil, err
	}
	defer v.Release()
	left := open[:0]
	for k, i := range open {
		if all {
			k = int(i)
		}
		switch t := truthAt(v, k); t {
		case deciding:
			state[i] = deciding
			continue
		case isUnknown:
			state[i] = isUnknown
		}
		left = append(left, i)
	}
	return left, nil
}

// total says that evaluating e cannot fail, so that it may be done for more rows
// than needed, which is cheaper than picking out the rows first.
func total(e Expr) bool {
	switch e := e.(type) {
	case *Const, *Column, *CaseBase, *Param:
		return true
	case *Call:
		return e.Fn.Total && allTotal(e.Args)
	case *Not:
		return total(e.Arg)
	case *IsNull:
		return total(e.Arg)
	case *And:
		return allTotal(e.Args)
	case *Or:
		return allTotal(e.Args)
	case *Relabel:
		return total(e.Arg)
	}
	return false
}

func allTotal(es []Expr) bool {
	for _, e := range es {
		if !total(e) {
			return false
		}
	}
	return true
}

func (c *Context) not(e *Not, f *frame) (function.Vec, error) {
	v, err := c.eval(e.Arg, f)
	if err != nil {
		return v, err
	}
	defer v.Release()
	ts := make([]truth, v.Len())
	for i := range ts {
		if ts[i] = truthAt(function.Vec{Array: v.Array}, i); ts[i] != isUnknown {
			ts[i] ^= 1
		}
	}
	r := c.boolVec(ts)
	r.Const = v.Const
	return r, nil
}

// isNull evaluates IS NULL of a value that is no row, or of one as a value.
func (c *Context) isNull(e *IsNull, f *frame) (function.Vec, error) {
	v, err := c.eval(e.Arg, f)
	if err != nil {
		return v, err
	}
	defer v.Release()
	ts := make([]truth, v.Len())
	for i := range ts {
		ts[i] = truthOf(isNullAt(v.Array, i) != e.Not)
	}
	r := c.boolVec(ts)
	r.Const = v.Const
	return r, nil
}

// isNullAt is IsNull, also of arrays of the Null type.
func isNullAt(a arrow.Array, i int) bool {
	return a.DataType().ID() == arrow.NULL || a.IsNull(i)
}

func truthOf(b bool) truth {
	if b {
		return isTrue
	}
	return isFalse
}

func (c *Context) isDistinct(e *IsDistinct, f *frame) (function.Vec, error) {
	args, err := c.evalAll([]Expr{e.L, e.R}, f)
	if err != nil {
		return function.Vec{}, err
	}
	defer releaseVecs(args)
	isConst, n := args[0].Const && args[1].Const, f.n
	if isConst {
		n = 1
	}
	eq, err := e.Eq.Eval(c.Context, args, n, boolType)
	if err != nil {
		return function.Vec{}, err
	}
	defer eq.Release()
	ts := make([]truth, n)
	for i := range ts {
		ln, rn := isNullAt(args[0].Array, args[0].At(i)), isNullAt(args[1].Array, args[1].At(i))
		distinct := ln != rn
		if !ln && !rn {
			distinct = truthAt(function.Vec{Array: eq}, i) != isTrue
		}
		ts[i] = truthOf(distinct != e.Not)
	}
	r := c.boolVec(ts)
	r.Const = isConst
	return r, nil
}
