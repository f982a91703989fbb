package bind

import (
	"errors"
	"slices"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/plan"
)

// maxGroupingSets is PostgreSQL's limit.
const maxGroupingSets = 4096

// groupBy binds GROUP BY into keys and, if there are any, grouping sets.
func (p *selectPlan) groupBy(sel *ast.Select) error {
	if len(sel.GroupBy) == 0 {
		return nil
	}
	p.grouped = true
	sets := [][]int{nil}
	multi := slices.ContainsFunc(sel.GroupBy, func(e ast.Expr) bool { _, ok := e.(*ast.GroupingSet); return ok })
	if multi {
		p.keyOf = map[int]int{}
	}
	for _, g := range sel.GroupBy {
		alternatives, err := p.groupItem(g)
		if err != nil {
			return err
		}
		// The sets of several items are their cross product.
		var next [][]int
		for _, s := range sets {
			for _, a := range alternatives {
				u := append([]int(nil), s...)
				for _, k := range a {
					u = appendNew(u, k)
				}
				next = append(next, u)
			}
		}
		if len(next) > maxGroupingSets {
			return pgerr.New(pgerr.StatementTooComplex, "too many grouping sets present (maximum %d)", maxGroupingSets)
		}
		sets = next
	}
	if !multi {
		return nil
	}
	if sel.GroupDistinct {
		sets = distinctSets(sets)
	}
	p.sets = sets
	return nil
}

func distinctSets(sets [][]int) [][]int {
	var out [][]int
	for _, s := range sets {
		dup := false
		for _, o := range out {
			same := len(o) == len(s)
			for _, k := range s {
				same = same && contains(o, k)
			}
			dup = dup || same
		}
		if !dup {
			out = append(out, s)
		}
	}
	return out
}

// groupItem returns the sets of keys that an item stands for.
func (p *selectPlan) groupItem(e ast.Expr) ([][]int, error) {
	switch g := e.(type) {
	case *ast.Row:
		if g.Explicit {
			break
		}
		s, err := p.groupList(g.Fields)
		return [][]int{s}, err
	case *ast.GroupingSet:
		switch g.Kind {
		case ast.EmptySet:
			return [][]int{nil}, nil
		case ast.Rollup:
			parts, err := p.groupParts(g.Items)
			if err != nil {
				return nil, err
			}
			var out [][]int
			for n := len(parts); n >= 0; n-- {
				out = append(out, union(parts[:n]))
			}
			return out, nil
		case ast.Cube:
			return p.cube(g)
		}
		var out [][]int
		for _, it := range g.Items {
			s, err := p.groupItem(it)
			if err != nil {
				return nil, err
			}
			out = append(out, s...)
		}
		return out, nil
	}
	k, err := p.groupKey(e)
	return [][]int{{k}}, err
}

func (p *selectPlan) cube(g *ast.GroupingSet) ([][]int, error) {
	if len(g.Items) > 12 {
		return nil, pgerr.New(pgerr.TooManyColumns, "CUBE is limited to 12 elements").At(g.Position())
	}
	parts, err := p.groupParts(g.Items)
	if err != nil {
		return nil, err
	}
	var out [][]int
	for mask := 1<<len(parts) - 1; mask >= 0; mask-- {
		var picked [][]int
		for i := range parts {
			if mask&(1<<(len(parts)-1-i)) != 0 {
				picked = append(picked, parts[i])
			}
		}
		out = append(out, union(picked))
	}
	return out, nil
}

func (p *selectPlan) groupParts(items []ast.Expr) ([][]int, error) {
	parts := make([][]int, len(items))
	for i, it := range items {
		s, err := p.groupItem(it)
		if err != nil {
			return nil, err
		}
		parts[i] = s[0]
	}
	return parts, nil
}

func union(parts [][]int) []int {
	var out []int
	for _, p := range parts {
		for _, k := range p {
			out = appendNew(out, k)
		}
	}
	return out
}

func (p *selectPlan) groupList(es []ast.Expr) ([]int, error) {
	var out []int
	for _, e := range es {
		k, err := p.groupKey(e)
		if err != nil {
			return nil, err
		}
		out = appendNew(out, k)
	}
	return out, nil
}

// groupKey binds one expression of GROUP BY and returns its number among the keys.
func (p *selectPlan) groupKey(e ast.Expr) (int, error) {
	i, ok, err := p.targetByName(e, "GROUP BY", clauseGroupBy)
	if err != nil {
		return 0, err
	}
	var x expr.Expr
	if ok {
		t := &p.targets[i]
		if t.e, err = p.b.resolveUnknown(t.e); err != nil {
			return 0, err
		}
		x = t.e
		if hasAggregate(x) {
			return 0, pgerr.New(pgerr.GroupingError, "aggregate functions are not allowed in GROUP BY").At(t.pos)
		}
		if hasWindow(x) {
			return 0, pgerr.New(pgerr.WindowingError, "window functions are not allowed in GROUP BY").At(t.pos)
		}
	} else {
		if x, err = p.b.expr(e, p.scope.with(clauseGroupBy)); err != nil {
			return 0, err
		}
		if x, err = p.b.resolveUnknown(x); err != nil {
			return 0, err
		}
	}
	if err := p.b.needEqual(x.Type().OID, position(e)); err != nil {
		return 0, err
	}
	if !ok {
		i = slices.IndexFunc(p.targets, func(t target) bool { return plan.Equal(t.e, x) })
	}
	if p.keyOf != nil && i >= 0 {
		// Targets are keys of their own, also if they are equal: they are NULL in other sets.
		if k, known := p.keyOf[i]; known {
			return k, nil
		}
		p.keyOf[i] = len(p.keys)
	} else if k := slices.IndexFunc(p.keys, func(y expr.Expr) bool { return plan.Equal(x, y) }); k >= 0 {
		return k, nil
	}
	p.keys = append(p.keys, x)
	return len(p.keys) - 1, nil
}

// aggregate adds the Aggregate node and makes targets and HAVING refer to it.
func (p *selectPlan) aggregate() error {
	g := &grouper{p: p, in: p.node.Fields(), keys: p.keys}
	g.addDependent()
	for i := range p.targets {
		t := &p.targets[i]
		if k, ok := p.keyOf[i]; ok {
			t.e = g.key(k)
		} else {
			t.e = g.rewrite(t.e)
		}
		if _, same := t.e.(*expr.Column); !same {
			t.table, t.attnum = 0, 0
		}
	}
	having := g.rewrite(p.having)
	if g.err != nil {
		return g.err
	}
	keys := slices.Clone(g.keys)
	p.expandSets(setsIn(keys...), keys)
	n := &plan.Aggregate{Input: p.node, Keys: keys, Sets: p.sets, Calls: g.calls}
	for i, k := range g.keys {
		n.Out = append(n.Out, plan.Field{Name: g.keyName(i), Type: k.Type()})
	}
	for _, c := range g.calls {
		n.Out = append(n.Out, plan.Field{Name: c.Agg.Name, Type: c.T})
	}
	if p.sets != nil {
		n.Out = append(n.Out, plan.Field{Name: "grouping_set", Type: datum.Of(datum.Int4)})
	}
	// The numbers of aggregates and of the set are known now that all keys are.
	fix := func(e expr.Expr) expr.Expr { return g.finish(e) }
	for i := range p.targets {
		p.targets[i].e = fix(p.targets[i].e)
	}
	p.node = n
	if having != nil {
		p.node = &plan.Filter{Input: n, Cond: fix(having)}
	}
	return p.gapfill(n)
}

// A grouper rewrites expressions over the input of an Aggregate to ones over its output.
type grouper struct {
	p     *selectPlan
	in    []plan.Field
	keys  []expr.Expr
	calls []plan.AggCall
	err   error
}

// A slot is a column of an Aggregate's output after its keys.
type slot struct {
	index int // of the call; -1 is the number of the grouping set
	t     datum.Type
}

func (s *slot) Type() datum.Type                     { return s.t }
func (s *slot) Children() []expr.Expr                { return nil }
func (s *slot) WithChildren(c []expr.Expr) expr.Expr { return s }
func (g *grouper) fail(err error)                    { g.err = firstError(g.err, err) }
func (g *grouper) rewrite(e expr.Expr) expr.Expr {
	if _, ok := e.(*expr.Const); ok && g.p.sets != nil {
		for i, k := range g.keys {
			if k == e { // a key itself, which is NULL in sets without it; other constants are what they are
				return &expr.Column{Index: i, T: k.Type()}
			}
		}
	}
	return plan.Replace(e, g.replace)
}
func (g *grouper) finish(e expr.Expr) expr.Expr { return plan.Replace(e, g.place) }
func firstError(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

func (g *grouper) place(x expr.Expr) (expr.Expr, bool) {
	s, ok := x.(*slot)
	if !ok {
		return nil, false
	}
	if s.index < 0 {
		return &expr.Column{Index: len(g.keys) + len(g.calls), Name: "grouping_set", T: s.t}, true
	}
	return &expr.Column{Index: len(g.keys) + s.index, Name: g.calls[s.index].Agg.Name, T: s.t}, true
}

func (g *grouper) keyName(i int) string {
	if c, ok := g.keys[i].(*expr.Column); ok {
		return c.Name
	}
	for _, t := range g.p.targets {
		if c, ok := t.e.(*expr.Column); ok && c.Index == i && !t.hidden {
			return t.name
		}
	}
	return "?column?"
}

func (g *grouper) replace(x expr.Expr) (expr.Expr, bool) {
	switch e := x.(type) {
	case *aggRef:
		for i := range g.calls {
			if sameCall(g.calls[i], e.call) && !volatileCall(e.call) {
				return &slot{index: i, t: e.call.T}, true
			}
		}
		g.checkDirect(e.call.Direct, e.pos)
		g.calls = append(g.calls, e.call)
		return &slot{index: len(g.calls) - 1, t: e.call.T}, true
	case *groupingRef:
		return g.groupingValue(e), true
	case *expr.Const:
		return x, true
	}
	for i, k := range g.keys {
		if plan.Equal(k, x) {
			return g.key(i), true
		}
	}
	if c, ok := x.(*expr.Column); ok {
		g.fail(g.ungrouped(c))
		return x, true
	}
	return nil, false
}

// checkDirect refuses direct arguments of an ordered-set aggregate that are not the same for a whole group.
func (g *grouper) checkDirect(args []expr.Expr, pos int) {
	probe := &grouper{p: g.p, in: g.in, keys: g.keys}
	for _, a := range args {
		probe.rewrite(a)
		if g.inSomeSets(a) {
			g.fail(pgerr.Unsupported("direct arguments of ordered-set aggregates that not all grouping sets have are not supported").At(pos))
		}
	}
	var e *pgerr.Error
	if errors.As(probe.err, &e) && e.Code == pgerr.GroupingError {
		g.fail(e.WithDetail("Direct arguments of an ordered-set aggregate must use only grouped columns."))
	}
}

// inSomeSets says whether an expression uses a key that not all grouping sets have.
func (g *grouper) inSomeSets(e expr.Expr) (some bool) {
	plan.Walk(e, func(x expr.Expr) bool {
		if _, ok := x.(*expr.Const); ok {
			return true
		}
		i := slices.IndexFunc(g.keys, func(k expr.Expr) bool { return plan.Equal(k, x) })
		some = some || i >= 0 && slices.ContainsFunc(g.p.sets, func(s []int) bool { return !contains(s, i) })
		return i < 0
	})
	return some
}

// key returns the column that a key is in.
func (g *grouper) key(i int) *expr.Column {
	name := ""
	if c, ok := g.keys[i].(*expr.Column); ok {
		name = c.Name
	}
	return &expr.Column{Index: i, Name: name, T: g.keys[i].Type()}
}

func volatileCall(c plan.AggCall) bool {
	for _, a := range c.Args {
		if plan.IsVolatile(a) {
			return true
		}
	}
	return c.Filter != nil && plan.IsVolatile(c.Filter)
}

// columnTitle names a column of FROM as error messages do.
func (q *query) columnTitle(index int, name string) string {
	for _, it := range q.frame.items {
		if it.alias == "" {
			continue
		}
		for i := range it.cols {
			if c, ok := it.cols[i].e.(*expr.Column); ok && c.Index == index {
				return it.alias + "." + it.cols[i].name
			}
		}
	}
	return name
}

func (g *grouper) ungrouped(c *expr.Column) *pgerr.Error {
	return pgerr.New(pgerr.GroupingError, "column %q must appear in the GROUP BY clause or be used in an aggregate function",
		g.p.q.columnTitle(c.Index, c.Name)).At(g.p.b.pos[c])
}

// groupingValue is GROUPING(...): a number of bits for each grouping set.
func (g *grouper) groupingValue(e *groupingRef) expr.Expr {
	if len(g.p.keys) == 0 {
		g.fail(pgerr.New(pgerr.GroupingError, "arguments to GROUPING must be grouping expressions of the associated query level").At(e.pos))
		return boolConst(false)
	}
	sets := g.p.sets
	if sets == nil {
		all := make([]int, len(g.p.keys))
		for i := range all {
			all[i] = i
		}
		sets = [][]int{all}
	}
	keys := make([]int, len(e.args))
	for i, a := range e.args {
		keys[i] = slices.IndexFunc(g.p.keys, func(k expr.Expr) bool { return plan.Equal(a, k) })
		if keys[i] < 0 {
			g.fail(pgerr.New(pgerr.GroupingError, "arguments to GROUPING must be grouping expressions of the associated query level").At(e.pos))
		}
	}
	values := make([]datum.Value, len(sets))
	for i, s := range sets {
		bits := int32(0)
		for _, k := range keys {
			bits <<= 1
			if !contains(s, k) {
				bits |= 1
			}
		}
		values[i] = bits
	}
	int4 := datum.Of(datum.Int4)
	if len(sets) == 1 && g.p.sets == nil {
		return &expr.Const{Value: values[0], T: int4}
	}
	number, err := g.p.b.binaryOp(ast.OpName{Name: "+"}, &slot{index: -1, t: int4}, &expr.Const{Value: int32(1), T: int4}, e.pos)
	if err != nil {
		g.fail(err)
		return boolConst(false)
	}
	arr := &expr.Const{Value: datum.Array{Elem: int4, Values: values}, T: datum.Of(datum.Int4Array)}
	return &expr.Subscript{Arg: arr, Index: []expr.Expr{number}, T: int4}
}

// addDependent adds the columns of tables whose whole primary key is grouped by, in all
// grouping sets: they have one value in each group.
func (g *grouper) addDependent() {
	grouped := map[int]bool{}
	for i, k := range g.keys {
		left := slices.ContainsFunc(g.p.sets, func(s []int) bool { return !contains(s, i) })
		if c, ok := k.(*expr.Column); ok && !left {
			grouped[c.Index] = true
		}
	}
	if len(grouped) == 0 {
		return
	}
	used := map[int]bool{}
	for _, t := range g.p.targets {
		g.needed(t.e, used)
	}
	g.needed(g.p.having, used)
	for _, it := range g.p.q.frame.items {
		if it.table == nil || !it.table.Keyed() || !it.keyGrouped(grouped) {
			continue
		}
		for i := range it.cols {
			c, ok := it.cols[i].e.(*expr.Column)
			if ok && used[c.Index] && !grouped[c.Index] {
				grouped[c.Index] = true
				for i, s := range g.p.sets {
					g.p.sets[i] = append(s[:len(s):len(s)], len(g.keys))
				}
				g.keys = append(g.keys, c)
			}
		}
	}
}

// needed collects the columns that stand outside of aggregates.
func (g *grouper) needed(e expr.Expr, used map[int]bool) {
	plan.Walk(e, func(x expr.Expr) bool {
		switch c := x.(type) {
		case *aggRef:
			for _, d := range c.call.Direct {
				g.needed(d, used)
			}
			return false
		case *expr.Column:
			used[c.Index] = true
		}
		return true
	})
}

// keyGrouped says whether all primary key columns of the item are grouped by.
func (it *item) keyGrouped(grouped map[int]bool) bool {
	for _, id := range it.table.PrimaryKey {
		ok := false
		for i := range it.table.Columns {
			if it.table.Columns[i].ID != id {
				continue
			}
			for j := range it.cols {
				if c, is := it.cols[j].e.(*expr.Column); is && it.cols[j].attnum == int16(i+1) && grouped[c.Index] {
					ok = true
				}
			}
		}
		if !ok {
			return false
		}
	}
	return true
}
