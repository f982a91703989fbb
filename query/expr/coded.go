package expr

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/query/function"
)

// An expression over one column that has few distinct values (chunk.Coded) is
// evaluated over these and its results are put in the places of the rows. What
// the values are, and their order, makes errors the same as over the rows.

// overValues evaluates e over the distinct values of the only column that it reads;
// done is false if it reads others, or if there are no fewer values than rows.
func (c *Context) overValues(e Expr, f *frame, b *chunk.CodedBatch) (v function.Vec, done bool, err error) {
	col, v, err := c.ofValues(e, f, b)
	if col == nil || err != nil || v.Const {
		return v, col != nil, err
	}
	defer v.Release()
	a, err := gather(c.Mem, v.Array, col.Codes())
	return function.Vec{Array: a, T: v.T}, true, err
}

// ofValues is overValues without putting results in the places of the rows: v is
// for the values of col, which lives as long as the frame. It is nil if e is not
// evaluated over values.
func (c *Context) ofValues(e Expr, f *frame, b *chunk.CodedBatch) (col *chunk.Coded, v function.Vec, err error) {
	i, ok := c.sole[e]
	if !ok {
		i = soleColumn(e)
		if c.sole == nil {
			c.sole = map[Expr]int{}
		}
		c.sole[e] = i
	}
	if i < 0 || b.Coded(i) == nil || 2*b.Coded(i).Values.Len() > f.n {
		return nil, v, nil
	}
	if col, err = f.codedColumn(b, i); err != nil {
		return nil, v, err
	}
	values := newFrame(oneColumn{i, col.Values}, col.Values.Len())
	defer values.release()
	v, err = c.eval(e, values)
	return col, v, err
}

// OfValues evaluates e over the distinct values of the only column of b that it
// reads, or is, for who needs to know only how many rows have each: v is for the
// values of col, which lives as long as b. It is nil if e is not evaluated so.
func OfValues(c *Context, e Expr, b *chunk.CodedBatch) (col *chunk.Coded, v function.Vec, err error) {
	if x, ok := e.(*Column); ok {
		if col = b.Coded(x.Index); col != nil {
			col.Values.Retain()
			v = function.Vec{Array: col.Values, T: x.T}
		}
		return col, v, nil
	}
	f := newFrame(b, int(b.NumRows()))
	defer f.release()
	return c.ofValues(e, f, b)
}

// codedColumn returns column i of the frame's rows, which lives as long as the frame.
func (f *frame) codedColumn(b *chunk.CodedBatch, i int) (*chunk.Coded, error) {
	col := b.Coded(i)
	if f.sel == nil {
		return col, nil
	}
	if some := f.coded[i]; some != nil {
		return some, nil
	}
	some, err := col.Select(f.sel)
	if err != nil {
		return nil, err
	}
	if f.coded == nil {
		f.coded = map[int]*chunk.Coded{}
	}
	f.coded[i] = some
	return some, nil
}

// oneColumn is a batch of which only one column is looked at.
type oneColumn struct {
	index int
	array arrow.Array
}

// Column implements columns.
func (o oneColumn) Column(i int) arrow.Array {
	if i != o.index {
		panic("expr: bug: another column than the expression was said to read")
	}
	return o.array
}

// soleColumn returns the column that an expression computes its value from, -1 if
// it is one itself, or reads none or several, or may have another value for rows
// with the same one.
func soleColumn(e Expr) int {
	if _, ok := e.(*Column); ok {
		return -1
	}
	col := -1
	if !reads(e, &col, false) {
		return -1
	}
	return col
}

// reads notes the column that e reads; it is false if there is another, or if e is
// more than a function of it. inCase says that the operand of a CASE is known.
func reads(e Expr, col *int, inCase bool) bool {
	switch e := e.(type) {
	case *Column:
		if *col >= 0 && *col != e.Index {
			return false
		}
		*col = e.Index
	case *Call:
		if e.Fn.Volatility == function.Volatile || e.Fn.RetSet {
			return false
		}
	case *AnyAll:
		if e.Op.Volatility == function.Volatile {
			return false
		}
	case *CaseBase:
		return inCase
	case *Case:
		if e.Base != nil {
			if !reads(e.Base, col, inCase) {
				return false
			}
			inCase = true
		}
	case *Subquery, Composite:
		return false
	}
	for _, x := range Children(e) {
		if !reads(x, col, inCase) {
			return false
		}
	}
	return true
}

// OverValues calls f for the columns of which a part of e, more than the column
// itself, is evaluated over distinct values where it can be.
func OverValues(e Expr, f func(column int)) {
	if e == nil {
		return
	}
	if i := soleColumn(e); i >= 0 {
		f(i)
		return
	}
	if _, ok := e.(*Subquery); ok {
		return // it runs for rows
	}
	for _, x := range Children(e) {
		OverValues(x, f)
	}
}
