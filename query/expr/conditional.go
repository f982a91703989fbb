package expr

import (
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/query/function"
)

// caseWhen evaluates each condition for the rows that no earlier one took, and
// each result for the rows that its condition took.
func (c *Context) caseWhen(e *Case, f *frame) (function.Vec, error) {
	if e.Base != nil {
		base, err := c.eval(e.Base, f)
		if err != nil {
			return function.Vec{}, err
		}
		defer base.Release()
		f = f.withBase(base)
		defer f.release()
	}
	out := newPieces(f.n)
	defer out.release()
	left := allRows(f.n)
	for _, w := range e.Whens {
		if len(left) == 0 {
			break
		}
		taken, rest, err := c.split(w.Cond, f, left)
		if err != nil {
			return function.Vec{}, err
		}
		if len(taken) > 0 {
			if len(taken) == f.n {
				return c.eval(w.Then, f) // one branch for all rows
			}
			if err := c.evalInto(out, w.Then, f, taken); err != nil {
				return function.Vec{}, err
			}
		}
		left = rest
	}
	if len(left) == f.n {
		if e.Else == nil {
			return c.constant(e.T, nil), nil
		}
		return c.eval(e.Else, f)
	}
	if e.Else != nil && len(left) > 0 {
		if err := c.evalInto(out, e.Else, f, left); err != nil {
			return function.Vec{}, err
		}
	}
	a, err := out.array(c, e.T)
	return function.Vec{Array: a, T: e.T}, err
}

// allRows returns the numbers below n, which nobody may modify.
func allRows(n int) []int32 {
	if n <= len(firstRows) {
		return firstRows[:n:n]
	}
	return numbers(n)
}

// firstRows are the numbers of the rows of a batch.
var firstRows = numbers(chunk.MaxBatchRows)

func numbers(n int) []int32 {
	rows := make([]int32, n)
	for i := range rows {
		rows[i] = int32(i)
	}
	return rows
}

// split divides rows by whether cond is true.
func (c *Context) split(cond Expr, f *frame, rows []int32) (taken, rest []int32, err error) {
	sub := f
	if len(rows) < f.n {
		sub = f.sub(rows)
		defer sub.release()
	}
	sel, err := c.filter(cond, sub)
	if err != nil {
		return nil, nil, err
	}
	taken, rest = make([]int32, 0, len(sel)), make([]int32, 0, len(rows)-len(sel))
	for k, i := range rows {
		if len(sel) > 0 && int(sel[0]) == k {
			taken, sel = append(taken, i), sel[1:]
			continue
		}
		rest = append(rest, i)
	}
	return taken, rest, nil
}

// evalInto evaluates e for some rows and puts the results in their places.
func (c *Context) evalInto(out *pieces, e Expr, f *frame, rows []int32) error {
	sub := f.sub(rows)
	defer sub.release()
	v, err := c.eval(e, sub)
	if err != nil {
		return err
	}
	out.put(v, rows)
	return nil
}

// coalesce evaluates each argument for the rows for which all before are NULL.
func (c *Context) coalesce(e *Coalesce, f *frame) (function.Vec, error) {
	out := newPieces(f.n)
	defer out.release()
	left := allRows(f.n)
	for k, a := range e.Args {
		if len(left) == 0 {
			break
		}
		sub := f
		if len(left) < f.n {
			sub = f.sub(left)
		}
		v, err := c.eval(a, sub)
		if sub != f {
			sub.release()
		}
		if err != nil {
			return function.Vec{}, err
		}
		if k == 0 && (v.Const && !isNullAt(v.Array, 0) || !v.Const && v.NullN() == 0) {
			return v, nil
		}
		var rest, got, at []int32
		for j, i := range left {
			if isNullAt(v.Array, v.At(j)) {
				rest = append(rest, i)
			} else {
				got, at = append(got, i), append(at, int32(v.At(j)))
			}
		}
		out.putAt(v, got, at)
		left = rest
	}
	a, err := out.array(c, e.T)
	return function.Vec{Array: a, T: e.T}, err
}

// putAt sets each of rows to the element of v at the same place of at. It takes
// over v's reference.
func (p *pieces) putAt(v function.Vec, rows, at []int32) {
	if len(rows) == 0 {
		v.Release()
		return
	}
	start := p.total
	p.arrays = append(p.arrays, v.Array)
	p.total += int32(v.Len())
	for k, i := range rows {
		p.at[i] = start + at[k]
	}
}
