package bind

import (
	"slices"

	"github.com/phyllodb/phyllo/internal/locking"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/plan"
)

// Strength is how a clause locks rows.
func Strength(l ast.Locking) locking.Strength {
	return map[ast.LockStrength]locking.Strength{ast.ForUpdate: locking.UpdateRow, ast.ForNoKeyUpdate: locking.NoKeyUpdate,
		ast.ForShare: locking.ShareRow, ast.ForKeyShare: locking.KeyShare}[l.Strength]
}

func waitOf(l ast.Locking) locking.Wait {
	switch {
	case l.NoWait:
		return locking.NoWait
	case l.SkipLocked:
		return locking.SkipLocked
	}
	return locking.Block
}

// lockOf returns the clause that says how the rows of an item of FROM are locked, the
// strictest of what all clauses say; nil if none says that they are.
func (q *query) lockOf(alias string) *ast.Locking {
	var out *ast.Locking
	for _, l := range q.locking {
		if l.Of != nil && !slices.ContainsFunc(l.Of, func(n ast.Name) bool { return n.Name == alias }) {
			continue
		}
		if out == nil {
			first := l
			out, first.Of = &first, nil
			continue
		}
		if Strength(l) > Strength(*out) {
			out.Strength = l.Strength
		}
		out.NoWait, out.SkipLocked = out.NoWait || l.NoWait, out.SkipLocked || l.SkipLocked
	}
	return out
}

// aliasOf is what an item of FROM is called.
func aliasOf(a *ast.Alias, name string) string {
	if a != nil {
		return a.Name
	}
	return name
}

// locked is a query whose rows are locked as the query around it says, in all its tables.
func locked(sel *ast.Select, l *ast.Locking) *ast.Select {
	if l == nil {
		return sel
	}
	out := *sel
	out.Locking = append(slices.Clip(sel.Locking), *l)
	return &out
}

// checkLocking refuses queries whose rows are not rows of tables.
func checkLocking(sel *ast.Select, hasAggregates, hasWindows, hasSets bool) error {
	if len(sel.Locking) == 0 {
		return nil
	}
	clause := Strength(sel.Locking[0])
	what := ""
	switch {
	case sel.Values != nil:
		return pgerr.Unsupported("%s cannot be applied to VALUES", clause)
	case sel.SetOp != nil:
		what = "UNION/INTERSECT/EXCEPT"
	case sel.Distinct:
		what = "DISTINCT clause"
	case sel.GroupBy != nil:
		what = "GROUP BY clause"
	case sel.Having != nil:
		what = "HAVING clause"
	case hasAggregates:
		what = "aggregate functions"
	case hasWindows:
		what = "window functions"
	case hasSets:
		what = "set-returning functions in the target list"
	case sel.WithTies:
		return pgerr.Unsupported("%s is not supported with WITH TIES", clause)
	default:
		return nil
	}
	return pgerr.Unsupported("%s is not allowed with %s", clause, what)
}

// checkOf refuses names after OF that are no tables, views or subqueries of FROM.
func (q *query) checkOf() error {
	for _, l := range q.locking {
		for _, n := range l.Of {
			if n.Schema != "" {
				return pgerr.New(pgerr.SyntaxError, "%s must specify unqualified relation names", Strength(l)).At(n.Position())
			}
			i := slices.IndexFunc(q.frame.items, func(it *item) bool { return it.alias == n.Name })
			switch {
			case i < 0:
				return pgerr.New(pgerr.UndefinedTable, "relation %q in %s clause not found in FROM clause", n.Name, Strength(l)).At(n.Position())
			case q.frame.items[i].unlockable != "":
				return pgerr.Unsupported("%s cannot be applied to %s", Strength(l), q.frame.items[i].unlockable).At(n.Position())
			}
		}
	}
	return nil
}

// A rowLock is a table whose rows are locked, with the targets that are its primary key.
type rowLock struct {
	plan.RowLock
	keys []int
}

// lockTargets adds the primary keys of the tables whose rows are locked to the targets, where
// they are not seen.
func (p *selectPlan) lockTargets() error {
	for _, it := range p.q.frame.items {
		l := it.lock
		if l == nil {
			continue
		}
		if it.nullable {
			return pgerr.Unsupported("%s cannot be applied to the nullable side of an outer join", Strength(*l))
		}
		if it.table == nil {
			continue // a query, which locks its rows itself
		}
		if it.table.Materialized != nil {
			return pgerr.New(pgerr.WrongObjectType, "cannot lock rows in materialized view %q", it.table.Name)
		}
		lock := rowLock{RowLock: plan.RowLock{Table: it.table, Strength: Strength(*l), Wait: waitOf(*l)}}
		for _, id := range it.table.PrimaryKey {
			lock.keys = append(lock.keys, len(p.targets))
			p.targets = append(p.targets, target{name: "key", e: it.cols[liveIndex(it.table, id)].e, hidden: true})
		}
		p.locks = append(p.locks, lock)
	}
	return nil
}

// liveIndex is the place of a column among the live ones.
func liveIndex(t *schema.Table, id schema.ColumnID) int {
	return slices.IndexFunc(t.Live(), func(c schema.Column) bool { return c.ID == id })
}

// lockRows locks the rows, as far as the limit goes.
func (p *selectPlan) lockRows(fields []plan.Field) {
	if len(p.locks) == 0 {
		return
	}
	n := &plan.LockRows{Input: p.node, Count: p.limit, Offset: p.offset}
	for _, l := range p.locks {
		for _, i := range l.keys {
			l.Keys = append(l.Keys, fieldColumn(fields, i))
		}
		n.Locks = append(n.Locks, l.RowLock)
	}
	p.node = n
}
