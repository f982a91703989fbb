package optimize

import (
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/function"
	"github.com/phyllodb/phyllo/query/plan"
)

// scanPredicates turns the conditions of scans into predicates that the storage
// prunes by and applies itself. A condition becomes exactly equal predicates, or
// weaker ones beside which it stays.
func (c *Context) scanPredicates(n plan.Node) plan.Node {
	return c.rewrite(n, func(m plan.Node) plan.Node {
		s, ok := m.(*plan.Scan)
		if !ok || len(s.Filter) == 0 {
			return m
		}
		out := *s
		out.Filter = nil
		out.Spec.Filter = append([]chunk.Predicate(nil), s.Spec.Filter...)
		out.Dynamic = append([]plan.DynamicPredicate(nil), s.Dynamic...)
		for _, e := range s.Filter {
			p := c.predicate(s, e)
			if p.never {
				return emptyOf(s)
			}
			out.Spec.Filter = append(out.Spec.Filter, p.preds...)
			out.Dynamic = append(out.Dynamic, p.dynamic...)
			if !p.exact {
				out.Filter = append(out.Filter, e)
			}
		}
		return &out
	})
}

// A pushed is what a condition means to a scan: all preds and dynamic hold for
// the rows that it passes, and if exact only for them. never: it passes none.
type pushed struct {
	preds   []chunk.Predicate
	dynamic []plan.DynamicPredicate
	exact   bool
	never   bool
}

func never() pushed { return pushed{never: true, exact: true} }

func exactly(preds ...chunk.Predicate) pushed { return pushed{preds: preds, exact: true} }

// predicate finds out what a scan can do of a condition.
func (c *Context) predicate(s *plan.Scan, e expr.Expr) pushed {
	if v, ok := constant(e); ok {
		if v == true {
			return pushed{exact: true}
		}
		return never()
	}
	switch x := e.(type) {
	case *expr.Column:
		return exactly(columnPredicate(s, x, chunk.OpEQ, true))
	case *expr.Not:
		if col, ok := x.Arg.(*expr.Column); ok {
			return exactly(columnPredicate(s, col, chunk.OpEQ, false))
		}
	case *expr.IsNull:
		if col := plainColumn(x.Arg); col != nil {
			op := chunk.OpIsNull
			if x.Not {
				op = chunk.OpIsNotNull
			}
			return exactly(chunk.Predicate{Column: s.Spec.Columns[col.Index], Op: op})
		}
	case *expr.Coalesce:
		// b IS TRUE is COALESCE(b, false).
		if len(x.Args) == 2 {
			if v, ok := constant(x.Args[1]); ok && v == false {
				return c.predicate(s, x.Args[0])
			}
		}
	case *expr.AnyAll:
		return c.listPredicate(s, x)
	case *expr.Or:
		return c.orPredicate(s, x)
	case *expr.Call:
		return c.callPredicate(s, x)
	}
	return pushed{}
}

// plainColumn is a column, perhaps seen as another type with the same order.
func plainColumn(e expr.Expr) *expr.Column {
	if r, ok := e.(*expr.Relabel); ok && isText(r.T.OID) && isText(r.Arg.Type().OID) {
		e = r.Arg
	}
	col, _ := e.(*expr.Column)
	return col
}

func columnPredicate(s *plan.Scan, col *expr.Column, op chunk.PredicateOp, v ...datum.Value) chunk.Predicate {
	return chunk.Predicate{Column: s.Spec.Columns[col.Index], Op: op, Values: v}
}

var predicateOps = map[string]chunk.PredicateOp{
	"=": chunk.OpEQ, "<>": chunk.OpNE, "<": chunk.OpLT, "<=": chunk.OpLE, ">": chunk.OpGT, ">=": chunk.OpGE,
}

var flippedOps = map[string]string{"=": "=", "<>": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<="}

// callPredicate handles comparisons and pattern matches.
func (c *Context) callPredicate(s *plan.Scan, call *expr.Call) pushed {
	if p, ok := c.prefixPredicate(s, call); ok {
		return p
	}
	if isGeo(call, function.BoxName) {
		return c.boxPredicate(s, call)
	}
	op, _ := c.operator(call)
	if op == nil {
		return pushed{}
	}
	name := op.Name
	if _, ok := predicateOps[name]; !ok {
		return pushed{}
	}
	l, r := call.Args[0], call.Args[1]
	if !hasColumn(l) {
		l, r, name = r, l, flippedOps[name]
	}
	if !hasColumn(l) || hasColumn(r) {
		return pushed{}
	}
	k, isConst := r.(*expr.Const)
	if isConst && k.Value == nil {
		return never()
	}
	if col := plainColumn(l); col != nil {
		if isConst {
			return c.compareColumn(s, col, name, k)
		}
		return c.dynamicPredicate(s, col, name, r)
	}
	if !isConst {
		return pushed{}
	}
	return c.compareFunction(s, l, name, k)
}

func hasColumn(e expr.Expr) bool {
	return plan.Any(e, func(x expr.Expr) bool { _, ok := x.(*expr.Column); return ok })
}

// compareColumn compares a column with a constant, perhaps of another type.
func (c *Context) compareColumn(s *plan.Scan, col *expr.Column, op string, k *expr.Const) pushed {
	id := s.Spec.Columns[col.Index]
	ct, kt := col.T.OID, k.T.OID
	switch {
	case !prunable(ct):
		return pushed{}
	case ct == kt, isText(ct) && isText(kt):
		return exactly(chunk.Predicate{Column: id, Op: predicateOps[op], Values: []datum.Value{k.Value}})
	case isInt(ct) && isInt(kt):
		return compareInt(id, ct, op, intValue(k.Value))
	case isFloat(ct) && isFloat(kt):
		return compareFloat(id, ct, op, floatValue(k.Value))
	case isTime(ct) && isTime(kt):
		return c.compareTime(id, col.T, op, k)
	}
	return pushed{}
}

// prunable says whether a type's operators agree with datum.Compare, which the
// storage compares by.
func prunable(t datum.OID) bool {
	switch t {
	case datum.Bool, datum.Int2, datum.Int4, datum.Int8, datum.Float4, datum.Float8, datum.Numeric, datum.Text, datum.Varchar,
		datum.BPChar, datum.Bytea, datum.Date, datum.Time, datum.Timestamp, datum.TimestampTZ, datum.Interval, datum.UUID, datum.OIDType, datum.Name:
		return true
	}
	return false
}

func isTime(t datum.OID) bool {
	return t == datum.Date || t == datum.Timestamp || t == datum.TimestampTZ
}

// dynamicPredicate compares a column with what is known when the scan starts.
func (c *Context) dynamicPredicate(s *plan.Scan, col *expr.Column, op string, r expr.Expr) pushed {
	if !prunable(col.T.OID) || !startValue(r) {
		return pushed{}
	}
	rt := r.Type().OID
	switch {
	case rt == col.T.OID, isText(rt) && isText(col.T.OID):
	case isInt(rt) && isInt(col.T.OID) && intBits[rt] < intBits[col.T.OID],
		rt == datum.Float4 && col.T.OID == datum.Float8,
		isTime(rt) && isTime(col.T.OID) && col.T.OID != datum.Date:
		cast, ok := c.Registry.Cast(rt, col.T.OID)
		if !ok || cast.Fn == nil || len(cast.Fn.Args) != 1 {
			return pushed{}
		}
		r = &expr.Call{Fn: cast.Fn, Args: []expr.Expr{r}, T: datum.Of(col.T.OID)}
	default:
		return pushed{}
	}
	d := plan.DynamicPredicate{Column: s.Spec.Columns[col.Index], Op: predicateOps[op], Values: []expr.Expr{r}}
	return pushed{dynamic: []plan.DynamicPredicate{d}, exact: true}
}

var intBits = map[datum.OID]int{datum.Int2: 16, datum.Int4: 32, datum.Int8: 64}

// startValue says whether an expression has a value that is known when a scan
// starts and that does not fail where no row would have asked for it.
func startValue(e expr.Expr) bool {
	switch x := e.(type) {
	case *expr.Param:
		return true
	case *expr.Call:
		if !plan.IsStableConst(e) {
			return false
		}
		for _, a := range x.Args {
			if !startValue(a) {
				return false
			}
		}
		return true
	case *expr.Const:
		return true
	case *expr.Relabel:
		return startValue(x.Arg)
	case *expr.Subquery:
		return x.Kind == expr.ScalarSubquery && len(x.Outer) == 0
	}
	return false
}

// listPredicate is column = ANY (constants) and column <> ALL (constants).
func (c *Context) listPredicate(s *plan.Scan, e *expr.AnyAll) pushed {
	op := c.Registry.OperatorOf(e.Op)
	k, ok := e.R.(*expr.Const)
	if op == nil || !ok {
		return c.dynamicList(s, e)
	}
	arr, isArray := k.Value.(datum.Array)
	if !isArray {
		return never() // NULL array
	}
	l := e.L
	if !hasColumn(l) {
		return pushed{}
	}
	switch {
	case op.Name == "=" && !e.All:
		var values []datum.Value
		var id schema.ColumnID
		for _, v := range arr.Values {
			if v == nil {
				continue
			}
			p := c.equals(s, l, &expr.Const{Value: v, T: arr.Elem})
			switch {
			case p.never:
			case !p.exact || len(p.preds) != 1 || p.preds[0].Op != chunk.OpEQ:
				return pushed{}
			default:
				id = p.preds[0].Column
				values = append(values, p.preds[0].Values[0])
			}
		}
		if len(values) == 0 {
			return never()
		}
		return exactly(chunk.Predicate{Column: id, Op: chunk.OpIn, Values: values})
	case op.Name == "<>" && e.All:
		return c.noneOf(s, l, arr)
	}
	return pushed{}
}

// maxNotEqual bounds how many values of NOT IN become predicates.
const maxNotEqual = 16

func (c *Context) noneOf(s *plan.Scan, l expr.Expr, arr datum.Array) pushed {
	col := plainColumn(l)
	if col == nil || len(arr.Values) == 0 || len(arr.Values) > maxNotEqual {
		return pushed{}
	}
	out := pushed{exact: true}
	for _, v := range arr.Values {
		if v == nil {
			return never()
		}
		p := c.compareColumn(s, col, "<>", &expr.Const{Value: v, T: arr.Elem})
		if !p.exact || p.never {
			return pushed{}
		}
		out.preds = append(out.preds, p.preds...)
	}
	return out
}

func (c *Context) equals(s *plan.Scan, l expr.Expr, k *expr.Const) pushed {
	if col := plainColumn(l); col != nil {
		return c.compareColumn(s, col, "=", k)
	}
	return c.compareFunction(s, l, "=", k)
}

// dynamicList is column = ANY (array known at the start).
func (c *Context) dynamicList(s *plan.Scan, e *expr.AnyAll) pushed {
	op, col := c.Registry.OperatorOf(e.Op), plainColumn(e.L)
	if op == nil || op.Name != "=" || e.All || col == nil || !prunable(col.T.OID) || hasColumn(e.R) || !startValue(e.R) {
		return pushed{}
	}
	elem, ok := e.R.Type().Elem()
	if !ok || elem.OID != col.T.OID && !(isText(elem.OID) && isText(col.T.OID)) {
		return pushed{}
	}
	d := plan.DynamicPredicate{Column: s.Spec.Columns[col.Index], Op: chunk.OpIn, Values: []expr.Expr{e.R}}
	return pushed{dynamic: []plan.DynamicPredicate{d}, exact: true}
}

// orPredicate makes an IN of equalities with one column.
func (c *Context) orPredicate(s *plan.Scan, e *expr.Or) pushed {
	var id schema.ColumnID
	var values []datum.Value
	for _, a := range e.Args {
		p := c.predicate(s, a)
		if p.never {
			continue
		}
		if !p.exact || len(p.dynamic) > 0 || len(p.preds) != 1 || p.preds[0].Op != chunk.OpEQ && p.preds[0].Op != chunk.OpIn {
			return pushed{}
		}
		if len(values) > 0 && p.preds[0].Column != id {
			return pushed{}
		}
		id = p.preds[0].Column
		values = append(values, p.preds[0].Values...)
	}
	if len(values) == 0 {
		return never()
	}
	return exactly(chunk.Predicate{Column: id, Op: chunk.OpIn, Values: values})
}

// prefixPredicate is LIKE with a constant pattern, and starts_with.
func (c *Context) prefixPredicate(s *plan.Scan, call *expr.Call) (pushed, bool) {
	if len(call.Args) != 2 {
		return pushed{}, false
	}
	col := plainColumn(call.Args[0])
	v, ok := constant(call.Args[1])
	pattern, isString := v.(string)
	if col == nil || !isText(col.T.OID) || !ok || !isString {
		return pushed{}, false
	}
	op := c.Registry.OperatorOf(call.Fn)
	starts := call.Fn.Name == "starts_with" || op != nil && op.Name == "^@"
	if starts {
		return exactly(columnPredicate(s, col, chunk.OpPrefix, pattern)), true
	}
	if op == nil || op.Name != "~~" {
		return pushed{}, false
	}
	prefix, rest := likePrefix(pattern)
	switch {
	case rest == "":
		return exactly(columnPredicate(s, col, chunk.OpEQ, prefix)), true
	case prefix == "":
		return pushed{}, true
	}
	p := pushed{preds: []chunk.Predicate{columnPredicate(s, col, chunk.OpPrefix, prefix)}}
	p.exact = rest == "%"
	return p, true
}

// likePrefix splits a pattern at its first wildcard.
func likePrefix(pattern string) (prefix, rest string) {
	var b []byte
	for i := 0; i < len(pattern); i++ {
		switch pattern[i] {
		case '%', '_':
			return string(b), pattern[i:]
		case '\\':
			if i+1 == len(pattern) {
				return string(b), pattern[i:] // an error when it runs
			}
			i++
		}
		b = append(b, pattern[i])
	}
	return string(b), ""
}
