package bind

import (
	"slices"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/function"
	"github.com/phyllodb/phyllo/query/plan"
)

// gapfill puts a Gapfill on the aggregation n if time_bucket_gapfill is among its keys: the key is
// time_bucket of the same arguments, and targets read what locf and interpolate make.
func (p *selectPlan) gapfill(n *plan.Aggregate) error {
	key := -1
	for i, k := range n.Keys {
		if calls(k, function.GapfillName) == nil {
			continue
		}
		if key >= 0 {
			return pgerr.Unsupported("more than one time_bucket_gapfill in GROUP BY is not supported").At(p.b.pos[k])
		}
		key = i
	}
	if key < 0 {
		return nil
	}
	call := calls(n.Keys[key], function.GapfillName)
	if n.Sets != nil {
		return pgerr.Unsupported("time_bucket_gapfill is not supported with grouping sets").At(p.b.pos[call])
	}
	call = p.b.gapfillTimes(call)
	f := &plan.Gapfill{Time: key}
	if err := p.gapfillCall(f, call); err != nil {
		return err
	}
	n.Keys = slices.Clone(n.Keys)
	n.Keys[key] = p.b.timeBucket(call)
	var order []plan.SortKey
	for i := range n.Keys {
		if i != key {
			f.Groups = append(f.Groups, i)
			order = append(order, plan.SortKey{Expr: fieldColumn(n.Out, i)})
		}
	}
	f.Input = &plan.Sort{Input: p.node, Keys: append(order, plan.SortKey{Expr: fieldColumn(n.Out, key)})}
	f.Out = slices.Clone(n.Out)
	if err := p.fillCalls(f); err != nil {
		return err
	}
	p.node = f
	return nil
}

// calls returns e as a call of a function of that name, nil if it is none.
func calls(e expr.Expr, name string) *expr.Call {
	if c, ok := e.(*expr.Call); ok && c.Fn.Name == name && c.Fn.Namespace == 0 {
		return c
	}
	return nil
}

// bucketArgs is how many arguments time_bucket shares with time_bucket_gapfill: not its bounds.
func bucketArgs(c *expr.Call) int { return len(c.Fn.Args) - 2 }

// timeBucket is the call of time_bucket that a call of time_bucket_gapfill stands for.
func (b *binder) timeBucket(c *expr.Call) expr.Expr {
	k := bucketArgs(c)
	for _, f := range b.reg.Functions("time_bucket") {
		if len(f.Args)-f.Defaults == k && slices.Equal(f.Args[:k], c.Fn.Args[:k]) {
			return &expr.Call{Fn: f, Args: c.Args[:k:k], T: c.T}
		}
	}
	panic("bind: bug: time_bucket lacks a type of time_bucket_gapfill")
}

// gapfillTimes looks at a literal that overloading takes for a zone, because it prefers text: one that
// no zone is called and that reads as a time is the start, and what follows is the finish.
func (b *binder) gapfillTimes(c *expr.Call) *expr.Call {
	if bucketArgs(c) < 3 || len(c.Args) > 4 {
		return c
	}
	k, ok := c.Args[2].(*expr.Const)
	if !ok || k.Value == nil {
		return c
	}
	text := k.Value.(string)
	t := c.T
	start, err := datum.Parse(t, text, b.env.Session)
	if _, zone := datum.ParseZone(text); zone || err != nil {
		return c
	}
	for _, f := range b.reg.Functions(function.GapfillName) {
		if len(f.Args) == 4 && f.Args[1] == t.OID {
			args := slices.Clone(c.Args)
			args[2] = &expr.Const{Value: start, T: t}
			return &expr.Call{Fn: f, Args: args, T: t}
		}
	}
	return c
}

// gapfillCall takes the width, the zone and the bounds from a call, and bounds that it does not
// have from WHERE.
func (p *selectPlan) gapfillCall(f *plan.Gapfill, c *expr.Call) error {
	k := bucketArgs(c)
	f.Width = c.Args[0]
	if k > 2 {
		f.Zone = c.Args[2]
	}
	for i, a := range c.Args {
		if i != 1 && hasColumn(a) {
			return pgerr.New(pgerr.InvalidParameterValue, "invalid time_bucket_gapfill argument: %s must not contain variables", c.Fn.ArgNames[i]).
				At(p.b.pos[c])
		}
	}
	given := func(i int) []plan.FillBound {
		if len(c.Args) <= i {
			return nil
		}
		if k, ok := c.Args[i].(*expr.Const); ok && k.Value == nil {
			return nil
		}
		return []plan.FillBound{{At: c.Args[i]}}
	}
	f.Start, f.Finish = given(k), given(k+1)
	var start, finish []plan.FillBound
	for _, e := range plan.Conjuncts(p.where) {
		op, at := p.b.timeBound(e, c.Args[1])
		switch op {
		case ">=", ">":
			start = append(start, plan.FillBound{At: at, After: op == ">"})
		case "<", "<=":
			finish = append(finish, plan.FillBound{At: at, After: op == "<="})
		case "=":
			start, finish = append(start, plan.FillBound{At: at}), append(finish, plan.FillBound{At: at, After: true})
		}
	}
	if f.Start == nil {
		f.Start = start
	}
	if f.Finish == nil {
		f.Finish = finish
	}
	return nil
}

func hasColumn(e expr.Expr) bool {
	return plan.Any(e, func(x expr.Expr) bool { _, ok := x.(*expr.Column); return ok })
}

// timeBound returns the comparison of ts with something without columns that e is; op is "" if it is
// something else.
func (b *binder) timeBound(e, ts expr.Expr) (op string, at expr.Expr) {
	c, ok := e.(*expr.Call)
	if !ok || len(c.Args) != 2 {
		return "", nil
	}
	op, l, r := b.reg.OperatorName(c.Fn), c.Args[0], c.Args[1]
	if !b.sameTime(l, ts) {
		l, r = r, l
		if op != "=" {
			op = string(asofFlip[op])
		}
	}
	if !b.sameTime(l, ts) || hasColumn(r) || plan.IsVolatile(r) || op != "=" && asofFlip[op] == "" {
		return "", nil
	}
	at, err := b.coerceTo(r, datum.Of(ts.Type().OID), function.AssignmentCast, 0)
	if err != nil || at == nil {
		return "", nil
	}
	return op, at
}

// sameTime says whether e is ts, or ts converted in order to be compared.
func (b *binder) sameTime(e, ts expr.Expr) bool {
	if c, ok := e.(*expr.Call); ok && len(c.Args) == 1 {
		if cast, ok := b.reg.Cast(ts.Type().OID, c.T.OID); ok && cast.Fn == c.Fn && cast.Context == function.ImplicitCast {
			e = c.Args[0]
		}
	}
	return plan.Equal(e, ts)
}

// fillCalls makes locf and interpolate in the targets columns of f.
func (p *selectPlan) fillCalls(f *plan.Gapfill) error {
	var err error
	replace := func(x expr.Expr) (expr.Expr, bool) {
		locf, line := calls(x, function.LocfName), calls(x, function.InterpolateName)
		if locf == nil && line == nil {
			return nil, false
		}
		c := plan.FillCall{Interpolate: line != nil, T: undomained(x.Type())}
		args := x.(*expr.Call).Args
		c.Arg = args[0]
		switch {
		case c.Interpolate:
			err = firstError(err, p.b.neighbours(&c, f.Out[f.Time].Type, args[1:]))
		case len(args) > 1:
			c.Prev = args[1]
		}
		if len(args) > 2 && !c.Interpolate {
			c.NullIsMissing = args[2]
			if hasColumn(args[2]) {
				err = firstError(err, pgerr.New(pgerr.InvalidParameterValue, "invalid locf argument: treat_null_as_missing must not contain variables"))
			}
		}
		f.Calls = append(f.Calls, c)
		f.Out = append(f.Out, plan.Field{Name: x.(*expr.Call).Fn.Name, Type: c.T})
		return fieldColumn(f.Out, len(f.Out)-1), true
	}
	for i := range p.targets {
		p.targets[i].e = plan.Replace(p.targets[i].e, replace)
	}
	return err
}

// neighbours takes the arguments prev and next of interpolate, records of a time and a value, apart.
func (b *binder) neighbours(c *plan.FillCall, time datum.Type, args []expr.Expr) error {
	for i, a := range args {
		if k, ok := a.(*expr.Const); ok && k.Value == nil {
			continue
		}
		fields, err := b.pairOf(a)
		if err != nil {
			return err
		}
		if len(fields) != 2 {
			return pgerr.New(pgerr.InvalidParameterValue, "interpolate RECORD arguments must have 2 elements").At(b.pos[a])
		}
		for j, t := range []datum.Type{time, c.T} {
			x, err := b.coerceTo(fields[j], t, function.AssignmentCast, b.pos[a])
			if err != nil {
				return err
			}
			if x == nil {
				return pgerr.New(pgerr.InvalidParameterValue, "interpolate RECORD arguments must be of a time of type %s and a value of type %s, not of type %s", time, c.T, fields[j].Type()).At(b.pos[a])
			}
			fields[j] = x
		}
		if i == 0 {
			c.PrevAt, c.Prev = fields[0], fields[1]
		} else {
			c.NextAt, c.Next = fields[0], fields[1]
		}
	}
	return nil
}

// pairOf takes a record apart, also that of a subquery, into which fields are not looked elsewhere.
func (b *binder) pairOf(a expr.Expr) ([]expr.Expr, error) {
	if q, ok := a.(*expr.Subquery); ok {
		if shape := q.Plan.(plan.Node).Fields()[0].Record; shape != nil {
			return selectFields(a, shape), nil
		}
	}
	fields, _, err := b.fieldsOf(a, "*", b.pos[a])
	return slices.Clone(fields), err
}
