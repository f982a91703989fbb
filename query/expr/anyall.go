package expr

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/query/function"
)

// anyAll evaluates L op ANY (array) and L op ALL (array).
func (c *Context) anyAll(e *AnyAll, f *frame) (function.Vec, error) {
	vs, err := c.evalAll([]Expr{e.L, e.R}, f)
	if err != nil {
		return function.Vec{}, err
	}
	defer releaseVecs(vs)
	l, r := vs[0], vs[1]
	list, ok := datum.ListsOf(r.Array)
	if !ok || r.Const && list.IsNull(0) {
		return c.constant(boolType, nil), nil
	}
	n, isConst := rowsOf(f.n, l, r)
	if set := c.constantSet(e, l, r, list); set != nil {
		out := c.boolVec(set.member(l, n, e.All))
		out.Const = isConst
		return out, nil
	}
	out, err := c.eachElement(e, l, r, list, n)
	out.Const = isConst
	return out, err
}

// eachElement calls the operator once for all pairs of a row and an element of
// its array and folds the answers of each row.
func (c *Context) eachElement(e *AnyAll, l, r function.Vec, list datum.Lists, n int) (function.Vec, error) {
	elem, _ := elemType(e.R.Type())
	ts := make([]truth, n)
	// The pairs are made for some rows at a time, to bound what they take.
	const maxPairs = 1 << 16
	var left, right []int32
	var rows []int32
	flush := func() error {
		if len(left) == 0 {
			return nil
		}
		err := c.foldPairs(e, l, list, elem, left, right, rows, ts)
		left, right, rows = left[:0], right[:0], rows[:0]
		return err
	}
	for i := range n {
		row := r.At(i)
		ts[i] = truthOf(e.All)
		if list.IsNull(row) {
			ts[i] = isUnknown
			continue
		}
		from, to := list.Range(row)
		for j := from; j < to; j++ {
			left, right, rows = append(left, int32(l.At(i))), append(right, int32(j)), append(rows, int32(i))
		}
		if len(left) >= maxPairs {
			if err := flush(); err != nil {
				return function.Vec{}, err
			}
		}
	}
	if err := flush(); err != nil {
		return function.Vec{}, err
	}
	return c.boolVec(ts), nil
}

func (c *Context) foldPairs(e *AnyAll, l function.Vec, list datum.Lists, elem datum.Type, left, right, rows []int32, ts []truth) error {
	a, err := gather(c.Mem, l.Array, left)
	if err != nil {
		return err
	}
	defer a.Release()
	b, err := gather(c.Mem, list.Values(), right)
	if err != nil {
		return err
	}
	defer b.Release()
	args := []function.Vec{{Array: a, T: e.L.Type()}, {Array: b, T: elem}}
	res, err := e.Op.Eval(c.Context, args, len(left), boolType)
	if err != nil {
		return err
	}
	defer res.Release()
	deciding := truthOf(!e.All)
	v := function.Vec{Array: res}
	for k, i := range rows {
		if ts[i] == deciding {
			continue
		}
		switch t := truthAt(v, k); t {
		case deciding, isUnknown:
			ts[i] = t
		}
	}
	return nil
}

// A valueSet is the elements of a constant array, for = ANY and <> ALL.
type valueSet struct {
	t       datum.Type
	keys    map[string]struct{}
	hasNull bool
}

// minSet is the number of elements from which looking up beats comparing.
const minSet = 6

// constantSet returns the set of a constant array if the operator is = ANY or <>
// ALL over one type, else nil.
func (c *Context) constantSet(e *AnyAll, l, r function.Vec, list datum.Lists) *valueSet {
	if !r.Const {
		return nil
	}
	if s, ok := c.sets[e]; ok {
		return s
	}
	from, to := list.Range(0)
	elem, _ := elemType(e.R.Type())
	reg := function.Builtins()
	fits := !e.All && reg.IsEquality(e.Op) || e.All && reg.IsInequality(e.Op)
	if !fits || to-from < minSet || elem.OID != e.L.Type().OID || elem.OID == datum.Record {
		return nil
	}
	s := &valueSet{t: datum.Of(elem.OID), keys: make(map[string]struct{}, to-from)}
	values := list.Values()
	var key []byte
	for j := from; j < to; j++ {
		if values.IsNull(j) {
			s.hasNull = true
			continue
		}
		key = datum.AppendKey(key[:0], s.t, values, j, datum.KeyOrder{})
		s.keys[string(key)] = struct{}{}
	}
	if _, isConst := e.R.(*Const); isConst { // a parameter differs from run to run
		if c.sets == nil {
			c.sets = map[*AnyAll]*valueSet{}
		}
		c.sets[e] = s
	}
	return s
}

// member evaluates = ANY or, with all, <> ALL for n rows.
func (s *valueSet) member(l function.Vec, n int, all bool) []truth {
	ts := make([]truth, n)
	var key []byte
	for i := range ts {
		j := l.At(i)
		if l.DataType().ID() == arrow.NULL || l.IsNull(j) {
			ts[i] = isUnknown
			continue
		}
		key = datum.AppendKey(key[:0], s.t, l.Array, j, datum.KeyOrder{})
		_, found := s.keys[string(key)]
		switch {
		case found:
			ts[i] = truthOf(!all)
		case s.hasNull:
			ts[i] = isUnknown
		default:
			ts[i] = truthOf(all)
		}
	}
	return ts
}
