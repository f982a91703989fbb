package bind

import (
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/plan"
)

// asofFlip is how a comparison reads from the other side.
var asofFlip = map[string]plan.AsofOp{">=": plan.AsofLE, ">": plan.AsofLT, "<=": plan.AsofGE, "<": plan.AsofGT}

// An asofCondition takes the condition of an ASOF JOIN apart.
type asofCondition struct {
	b     *binder
	join  *plan.AsofJoin
	width int          // of the left side
	times [2]expr.Expr // as they are compared, before they are of one type, over the columns of both
	right []expr.Expr
	pair  []expr.Expr // over the columns of both
	left  []expr.Expr
}

// asofJoin makes an ASOF JOIN of a join and its condition: equalities between the two sides,
// one comparison of their times, bounds of how far these may lie apart, and what concerns
// one side only. What concerns the right side is about what may be found, and so comes first.
func (b *binder) asofJoin(n *plan.Join, pos int) (plan.Node, error) {
	c := &asofCondition{b: b, width: len(n.Left.Fields()), join: &plan.AsofJoin{Kind: n.Kind, Left: n.Left, Right: n.Right, Out: n.Out}}
	for _, e := range plan.Conjuncts(n.Cond) {
		if err := c.add(e, pos); err != nil {
			return nil, err
		}
	}
	j := c.join
	if j.Op == "" {
		return nil, pgerr.New(pgerr.SyntaxError, "ASOF JOIN needs a comparison of the times of its sides").
			WithHint("For example, ON a.key = b.key AND a.ts >= b.ts.").At(pos)
	}
	for _, e := range c.pair {
		if !c.tolerance(e) {
			return nil, pgerr.Unsupported("ASOF JOIN cannot check this condition on both of its sides").
				WithHint("Equalities, one comparison of times such as a.ts >= b.ts, and a tolerance such as a.ts - b.ts <= interval '5 min' can be checked; put the rest into WHERE.").
				At(c.position(e, pos))
		}
	}
	j.Cond = plan.And(append(c.left, c.pair...)...)
	if cond := plan.And(c.right...); cond != nil {
		j.Right = &plan.Filter{Input: j.Right, Cond: cond}
	}
	return j, nil
}

func (c *asofCondition) position(e expr.Expr, pos int) int {
	if p, ok := c.b.pos[e]; ok {
		return p
	}
	return pos
}

// sides says which sides the columns of an expression are of.
func (c *asofCondition) sides(e expr.Expr) (left, right bool) {
	used := map[int]bool{}
	plan.Columns(e, used)
	for col := range used {
		left, right = left || col < c.width, right || col >= c.width
	}
	return left, right
}

func (c *asofCondition) add(e expr.Expr, pos int) error {
	l, r := c.sides(e)
	switch {
	case !r:
		c.left = append(c.left, e)
		return nil
	case !l:
		c.right = append(c.right, plan.Shift(e, -c.width))
		return nil
	}
	op, left, right := c.comparison(e)
	if left == nil {
		c.pair = append(c.pair, e)
		return nil
	}
	es, t, err := c.b.unify([]expr.Expr{left, plan.Shift(right, -c.width)}, "ASOF JOIN", []int{pos, pos})
	if err != nil {
		return err
	}
	if err := c.b.needSortable(t.OID, c.position(e, pos)); err != nil {
		return err
	}
	j := c.join
	switch {
	case op == "=":
		j.EquiLeft, j.EquiRight = append(j.EquiLeft, es[0]), append(j.EquiRight, es[1])
	case j.Op != "":
		return pgerr.New(pgerr.SyntaxError, "ASOF JOIN has more than one comparison of the times of its sides").
			WithHint("Write how far they may lie apart as a difference, such as a.ts - b.ts <= interval '5 min'.").At(c.position(e, pos))
	default:
		j.TimeLeft, j.TimeRight, j.Op = es[0], es[1], op
		c.times = [2]expr.Expr{left, right}
	}
	return nil
}

// comparison returns the sides of an equality or an order between the two sides, the left
// one first; left is nil if e is something else.
func (c *asofCondition) comparison(e expr.Expr) (op plan.AsofOp, left, right expr.Expr) {
	name, args := c.operator(e)
	if name != "=" && asofFlip[name] == "" {
		return "", nil, nil
	}
	ll, lr := c.sides(args[0])
	rl, rr := c.sides(args[1])
	switch {
	case ll && !lr && rr && !rl:
		return plan.AsofOp(name), args[0], args[1]
	case lr && !ll && rl && !rr:
		if name != "=" {
			name = string(asofFlip[name])
		}
		return plan.AsofOp(name), args[1], args[0]
	}
	return "", nil, nil
}

// operator returns the name and the operands of a call of a binary operator.
func (c *asofCondition) operator(e expr.Expr) (string, []expr.Expr) {
	call, ok := e.(*expr.Call)
	if !ok || len(call.Args) != 2 {
		return "", nil
	}
	return c.b.reg.OperatorName(call.Fn), call.Args
}

// tolerance says whether e bounds the distance of the two times from above: if it does not
// hold of the nearest row, it holds of none, so that looking at that one is enough.
func (c *asofCondition) tolerance(e expr.Expr) bool {
	name, args := c.operator(e)
	switch name {
	case ">", ">=": // bound > difference
		return c.difference(args[1], args[0])
	case "<", "<=":
		return c.difference(args[0], args[1])
	}
	return false
}

// difference says whether d is the later time minus the earlier one, and bound of the left side alone.
func (c *asofCondition) difference(d, bound expr.Expr) bool {
	if _, r := c.sides(bound); r {
		return false
	}
	name, args := c.operator(d)
	later, earlier := 0, 1
	if c.join.Op.Forward() {
		later, earlier = 1, 0
	}
	return name == "-" && c.isTime(args[0], later) && c.isTime(args[1], earlier)
}

// isTime says whether e is the time of the left (0) or the right side (1).
func (c *asofCondition) isTime(e expr.Expr, side int) bool {
	converted := c.join.TimeLeft
	if side == 1 {
		converted = plan.Shift(c.join.TimeRight, c.width)
	}
	return plan.Equal(e, c.times[side]) || plan.Equal(e, converted)
}
