package bind

import (
	"strconv"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/plan"
)

// orderBy binds ORDER BY of a plain SELECT; what is not a target becomes a hidden one.
func (p *selectPlan) orderBy(items []ast.OrderItem) ([]orderKey, error) {
	var keys []orderKey
	for _, it := range items {
		i, err := p.targetOf(it.Expr, "ORDER BY", clauseOrderBy)
		if err != nil {
			return nil, err
		}
		dup := false
		for _, k := range keys {
			dup = dup || k.target == i
		}
		if dup {
			continue // the second key of one expression decides nothing
		}
		desc, err := sortDirection(it)
		if err != nil {
			return nil, err
		}
		t := p.targets[i].e.Type().OID
		if t == datum.Unknown {
			t = datum.Text
		}
		if err := p.b.needSortable(t, position(it.Expr)); err != nil {
			return nil, err
		}
		keys = append(keys, orderKey{target: i, desc: desc, nullsFirst: nullsFirst(it, desc)})
	}
	return keys, nil
}

// sortDirection says whether an item sorts downwards.
func sortDirection(it ast.OrderItem) (desc bool, err error) {
	if it.Using == nil {
		return it.Desc, nil
	}
	switch it.Using.Name {
	case "<", "~<~":
		return false, nil
	case ">", "~>~":
		return true, nil
	}
	return false, pgerr.New(pgerr.WrongObjectType, "operator %s is not a valid ordering operator", it.Using.Name).
		WithHint("Ordering operators must be \"<\" or \">\" members of btree operator families.").At(it.Position())
}

func nullsFirst(it ast.OrderItem, desc bool) bool {
	switch it.Nulls {
	case ast.NullsFirst:
		return true
	case ast.NullsLast:
		return false
	}
	return desc
}

// addSortKey appends the key of an ORDER BY whose expression is bound.
func (b *binder) addSortKey(keys []plan.SortKey, x expr.Expr, it ast.OrderItem) ([]plan.SortKey, error) {
	desc, err := sortDirection(it)
	if err != nil {
		return nil, err
	}
	if err := b.needSortable(x.Type().OID, position(it.Expr)); err != nil {
		return nil, err
	}
	return append(keys, plan.SortKey{Expr: x, Desc: desc, NullsFirst: nullsFirst(it, desc)}), nil
}

// targetOf finds the target that an item of ORDER BY or DISTINCT ON means: by
// number, by output name, or as an expression, which is added if it is new
// (findTargetlistEntrySQL92).
func (p *selectPlan) targetOf(e ast.Expr, construct string, c clause) (int, error) {
	if i, ok, err := p.targetByName(e, construct, c); ok || err != nil {
		return i, err
	}
	x, err := p.b.expr(e, p.scope.with(c))
	if err != nil {
		return 0, err
	}
	return p.targetEqual(x, position(e))
}

// targetEqual finds or adds the target that is the expression x.
func (p *selectPlan) targetEqual(x expr.Expr, pos int) (int, error) {
	for i := range p.targets {
		if plan.Equal(p.targets[i].e, x) {
			return i, nil
		}
	}
	x, err := p.b.resolveUnknown(x)
	if err != nil {
		return 0, err
	}
	p.targets = append(p.targets, target{name: "?column?", e: x, pos: pos, hidden: true})
	return len(p.targets) - 1, nil
}

// targetByName finds a target by its number or its output name.
func (p *selectPlan) targetByName(e ast.Expr, construct string, c clause) (int, bool, error) {
	switch e := e.(type) {
	case *ast.Literal:
		n, err := strconv.Atoi(e.Text)
		if e.Kind != ast.Number || err != nil {
			return 0, false, pgerr.New(pgerr.SyntaxError, "non-integer constant in %s", construct).At(e.Position())
		}
		return p.byNumber(n, construct, e.Position())
	case *ast.Unary:
		if l, ok := e.Arg.(*ast.Literal); ok && e.Op.Name == "-" && l.Kind == ast.Number {
			if n, err := strconv.Atoi(l.Text); err == nil {
				return p.byNumber(-n, construct, e.Position())
			}
		}
	case *ast.ColumnRef:
		if len(e.Names) != 1 || e.Star {
			return 0, false, nil
		}
		if c == clauseGroupBy {
			// SQL says that GROUP BY means input columns first.
			inner := &scope{frame: &frame{items: p.q.frame.items}, clause: c}
			hit, err := p.b.findColumn(inner, e.Names[0], e.Position())
			if err != nil {
				return 0, false, err
			}
			if hit != nil {
				return 0, false, nil
			}
		}
		found := -1
		for i := range p.targets {
			t := &p.targets[i]
			if t.hidden || t.name != e.Names[0] {
				continue
			}
			if found >= 0 && !plan.Equal(p.targets[found].e, t.e) {
				return 0, false, pgerr.New(pgerr.AmbiguousColumn, "%s %q is ambiguous", construct, e.Names[0]).At(e.Position())
			}
			if found < 0 {
				found = i
			}
		}
		return max(found, 0), found >= 0, nil
	}
	return 0, false, nil
}

func (p *selectPlan) byNumber(n int, construct string, pos int) (int, bool, error) {
	at := 0
	for i := range p.targets {
		if p.targets[i].hidden {
			continue
		}
		if at++; at == n {
			return i, true, nil
		}
	}
	return 0, false, pgerr.New(pgerr.InvalidColumnReference, "%s position %d is not in select list", construct, n).At(pos)
}
