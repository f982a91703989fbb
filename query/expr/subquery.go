package expr

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/function"
)

// subquery has the runner compute a subquery's value for each row.
func (c *Context) subquery(e *Subquery, f *frame) (function.Vec, error) {
	outer, err := c.evalAll(e.Outer, f)
	if err != nil {
		return function.Vec{}, err
	}
	defer releaseVecs(outer)
	l, err := c.evalAll(e.L, f)
	if err != nil {
		return function.Vec{}, err
	}
	defer releaseVecs(l)
	if c.Subqueries == nil {
		panic("expr: bug: a subquery where none can run")
	}
	return c.Subqueries.RunSubquery(c, e, l, outer, f.n)
}

// A SubqueryRows function returns the first rows of a subquery's plan, at most
// limit (0: all), as one batch, which the caller releases. outer are the values
// of all outer parameters.
type SubqueryRows func(outer []datum.Value, limit int) (arrow.RecordBatch, error)

// SubqueryValues is for runners: it runs a subquery once, or once for each
// distinct combination of its outer values, and makes a value of each run's
// rows for n rows of the surrounding query. l and outer are the values of s.L
// and s.Outer.
func SubqueryValues(c *Context, s *Subquery, l, outer []function.Vec, n int, run SubqueryRows) (function.Vec, error) {
	n, isConst := rowsOf(n, append(append([]function.Vec(nil), outer...), l...)...)
	out := newPieces(n)
	defer out.release()
	for _, rows := range c.groupByOuter(outer, s.Outer, n) {
		v, err := c.runSubquery(s, outer, l, rows, run)
		if err != nil {
			return function.Vec{}, err
		}
		out.put(v, rows)
	}
	a, err := out.array(c, s.T)
	return function.Vec{Array: a, Const: isConst, T: s.T}, err
}

// groupByOuter groups the rows by equal outer values.
func (c *Context) groupByOuter(outer []function.Vec, exprs []Expr, n int) [][]int32 {
	if _, same := rowsOf(n, outer...); same {
		return [][]int32{allRows(n)}
	}
	var groups [][]int32
	byKey := map[string]int{}
	var key []byte
	for i := range n {
		key = key[:0]
		for j, v := range outer {
			// The exact form is compared: 0.0 and -0.0, 1.0 and 1.00 are equal
			// for an operator, but not for all that a query may do with them.
			if isNullAt(v.Array, v.At(i)) {
				key = append(key, 0)
				continue
			}
			t := exprs[j].Type()
			key = append(key, 1)
			key = datum.AppendValue(key, t, datum.ValueAt(t, v.Array, v.At(i)))
		}
		g, ok := byKey[string(key)]
		if !ok {
			g = len(groups)
			byKey[string(key)] = g
			groups = append(groups, nil)
		}
		groups[g] = append(groups[g], int32(i))
	}
	return groups
}

// runSubquery runs the plan for rows that share their outer values and returns
// a value for each of them.
func (c *Context) runSubquery(e *Subquery, outer, l []function.Vec, rows []int32, run SubqueryRows) (function.Vec, error) {
	values := c.Outer
	if len(outer) > 0 {
		values = make([]datum.Value, max(len(c.Outer), e.FirstParam+len(outer)))
		copy(values, c.Outer)
		for j, v := range outer {
			values[e.FirstParam+j] = valueAt(e.Outer[j].Type(), v, int(rows[0]))
		}
	}
	limit := 0
	switch e.Kind {
	case ScalarSubquery:
		limit = 2
	case ExistsSubquery:
		limit = 1
	}
	b, err := run(values, limit)
	if err != nil {
		return function.Vec{}, err
	}
	defer b.Release()
	switch e.Kind {
	case ExistsSubquery:
		return c.constant(boolType, b.NumRows() > 0), nil
	case ScalarSubquery:
		return c.scalarResult(e, b)
	case ArraySubquery:
		return c.arrayResult(e, b)
	}
	return c.compareRows(e, l, rows, b)
}

func valueAt(t datum.Type, v function.Vec, i int) datum.Value {
	if isNullAt(v.Array, v.At(i)) {
		return nil
	}
	return datum.ValueAt(t, v.Array, v.At(i))
}

func (c *Context) scalarResult(e *Subquery, b arrow.RecordBatch) (function.Vec, error) {
	switch b.NumRows() {
	case 0:
		return c.constant(e.T, nil), nil
	case 1:
		a := b.Column(0)
		a.Retain()
		return function.Vec{Array: a, Const: true, T: e.T}, nil
	}
	return function.Vec{}, pgerr.New(pgerr.CardinalityViolation, "more than one row returned by a subquery used as an expression")
}

func (c *Context) arrayResult(e *Subquery, b arrow.RecordBatch) (function.Vec, error) {
	elem, _ := e.T.Elem()
	col, t := b.Column(0), elem
	_, nested := datum.ElementsOf(col.DataType())
	if _, vectors := elem.Elem(); vectors {
		nested = false
	}
	if nested {
		t = e.T
	}
	values := make([]datum.Value, col.Len())
	for i := range values {
		values[i] = valueAt(t, function.Vec{Array: col}, i)
	}
	if !nested || len(values) == 0 {
		return c.constant(e.T, datum.Array{Elem: elem, Values: values}), nil
	}
	stacked, err := function.StackArrays(elem, values)
	if err != nil {
		return function.Vec{}, err
	}
	return c.constant(e.T, stacked), nil
}

// compareRows evaluates L op ANY or ALL (rows) for each of the outer rows.
func (c *Context) compareRows(e *Subquery, l []function.Vec, rows []int32, b arrow.RecordBatch) (function.Vec, error) {
	ts := make([]truth, len(rows))
	for k, i := range rows {
		t, err := c.compareRow(e, l, int(i), b)
		if err != nil {
			return function.Vec{}, err
		}
		ts[k] = t
	}
	return c.boolVec(ts), nil
}

func (c *Context) compareRow(e *Subquery, l []function.Vec, i int, b arrow.RecordBatch) (truth, error) {
	n := int(b.NumRows())
	all := e.Kind == AllSubquery
	if n == 0 {
		return truthOf(all), nil
	}
	// Rows are equal if all columns are, and unequal if one is.
	columns := isFalse
	if len(e.Ops) > 1 && function.Builtins().IsInequality(e.Ops[0]) {
		columns = isTrue
	}
	var state []truth
	for j, op := range e.Ops {
		at := l[j].At(i)
		cell := array.NewSlice(l[j].Array, int64(at), int64(at+1))
		args := []function.Vec{
			{Array: cell, Const: true, T: e.L[j].Type()},
			{Array: b.Column(j), T: rightType(op, e.L[j].Type())},
		}
		res, err := op.Eval(c.Context, args, n, boolType)
		cell.Release()
		if err != nil {
			return 0, err
		}
		state = combine(state, function.Vec{Array: res}, n, columns)
		res.Release()
	}
	deciding, result := truthOf(!all), truthOf(all)
	for _, t := range state {
		switch t {
		case deciding:
			return deciding, nil
		case isUnknown:
			result = isUnknown
		}
	}
	return result, nil
}

// combine folds the truths of one column's comparison into those of the rows.
func combine(state []truth, v function.Vec, n int, deciding truth) []truth {
	first := state == nil
	if first {
		state = make([]truth, n)
	}
	for k := range state {
		t := truthAt(v, k)
		switch {
		case first || t == deciding:
			state[k] = t
		case t == isUnknown && state[k] != deciding:
			state[k] = isUnknown
		}
	}
	return state
}

// rightType is the actual type of an operator's right operand.
func rightType(op *function.Function, left datum.Type) datum.Type {
	if t := op.Args[len(op.Args)-1]; !function.IsPolymorphic(t) {
		return datum.Of(t)
	}
	return left
}
