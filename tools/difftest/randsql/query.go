package randsql

import (
	"fmt"
	"slices"
	"strings"
)

// A Statement is a random one.
type Statement struct {
	Tree *Node
	// Constant says that nothing is read from tables: the statement is evaluated once, so that an
	// error of one server must be one of the other.
	Constant bool
}

// Statement makes the next one.
func (g *Generator) Statement() Statement {
	g.aliases = 0
	if chance(g.rng, 3) {
		var items []*Node
		for range 1 + g.rng.IntN(3) {
			items = append(items, g.expr(pick(g.rng, types), 3, nil))
		}
		return Statement{node("", "SELECT §", list(items...)), true}
	}
	return Statement{g.query(), false}
}

// query is a whole statement.
func (g *Generator) query() *Node {
	switch g.rng.IntN(10) {
	case 0, 1:
		return g.grouped(2)
	case 2:
		return g.windowed(2)
	case 3:
		return g.setOperation(2)
	case 4:
		return g.with(2)
	case 5:
		return g.distinctOn(2)
	}
	return g.plain(2)
}

func (g *Generator) someTypes(from []string) []string {
	var out []string
	for range 1 + g.rng.IntN(3) {
		out = append(out, pick(g.rng, from))
	}
	return out
}

func (g *Generator) items(typs []string, depth int, s *scope) *Node {
	var out []*Node
	for _, t := range typs {
		out = append(out, g.expr(t, depth, s))
	}
	return list(out...)
}

// plain is SELECT without groups; with LIMIT it orders by all columns.
func (g *Generator) plain(depth int) *Node {
	from, s := g.from(depth, nil)
	if chance(g.rng, 3) {
		typs := g.someTypes(exact)
		format := "SELECT " + pick(g.rng, []string{"", "DISTINCT "}) + "§ FROM §§"
		return node("", format+"§", g.items(typs, depth, s), from, g.where(depth, s), g.order(len(typs), true))
	}
	typs := g.someTypes(types)
	return node("", "SELECT § FROM §§", g.items(typs, depth, s), from, g.where(depth, s))
}

// order is ORDER BY of all columns, perhaps with LIMIT.
func (g *Generator) order(columns int, limit bool) *Node {
	var keys []*Node
	for _, i := range g.rng.Perm(columns) {
		keys = append(keys, node("", fmt.Sprintf("%d%s%s", i+1, pick(g.rng, []string{"", " DESC"}), pick(g.rng, []string{"", "", " NULLS FIRST", " NULLS LAST"}))))
	}
	format := " ORDER BY "
	for range keys {
		format += hole + ", "
	}
	format = strings.TrimSuffix(format, ", ")
	if limit && chance(g.rng, 2) {
		format += fmt.Sprintf(" LIMIT %d", g.rng.IntN(15))
		if chance(g.rng, 3) {
			format += fmt.Sprintf(" OFFSET %d", g.rng.IntN(5))
		}
	}
	return maybe(format, keys...)
}

func (g *Generator) where(depth int, s *scope) *Node {
	if chance(g.rng, 3) {
		return nothing()
	}
	return maybe(" WHERE §", g.condition(depth, s))
}

// from is a list of tables with their joins, and what they make visible.
func (g *Generator) from(depth int, outer *scope) (*Node, *scope) {
	left, s := g.source(depth, &scope{outer: outer}, outer)
	for range g.rng.IntN(3) {
		if depth <= 0 {
			break
		}
		left, s = g.join(left, s, depth, outer)
	}
	return left, s
}

func (g *Generator) join(left *Node, s *scope, depth int, outer *scope) (*Node, *scope) {
	if chance(g.rng, 6) { // LATERAL sees what is left of it
		typs := g.someTypes(exact)
		alias := g.alias()
		sub := g.subquery(typs, depth-1, s, false)
		names := columnNames(typs)
		n := node("", "§ "+pick(g.rng, []string{"CROSS JOIN LATERAL (§) AS ", "LEFT JOIN LATERAL (§) AS "})+alias+"("+strings.Join(names, ", ")+")§", left, sub, nothing())
		if strings.Contains(n.text[1], "LEFT") {
			n.kids[2] = node("", " ON true")
		}
		return n, extended(s, alias, names, typs, outer)
	}
	right, rs := g.source(depth, &scope{outer: outer}, outer)
	both := &scope{columns: append(slices.Clone(s.columns), rs.columns...), outer: outer}
	switch g.rng.IntN(5) {
	case 0:
		return node("", "§ CROSS JOIN §", left, right), both
	case 1:
		return node("", "§ FULL JOIN § ON §", left, right, g.equality(s, rs)), both
	}
	on := g.equality(s, rs)
	if chance(g.rng, 3) {
		on = node("bool", "(§ AND §)", on, g.expr("bool", depth-1, both))
	} else if chance(g.rng, 4) {
		on = g.condition(depth-1, both)
	}
	return node("", "§ "+pick(g.rng, []string{"JOIN", "LEFT JOIN", "RIGHT JOIN"})+" § ON §", left, right, on), both
}

// equality compares a column of each side, of one type if there is one.
func (g *Generator) equality(a, b *scope) *Node {
	for range 20 {
		x, y := pick(g.rng, a.columns), pick(g.rng, b.columns)
		if x.typ == y.typ && x.typ != "jsonb" {
			return node("bool", fmt.Sprintf("(%s = %s)", x.name, y.name))
		}
	}
	return node("bool", "(§ = §)", g.expr("int4", 1, a), g.expr("int4", 1, b))
}

// source is one item of FROM.
func (g *Generator) source(depth int, s, outer *scope) (*Node, *scope) {
	alias := g.alias()
	switch {
	case depth > 1 && chance(g.rng, 5):
		typs := g.someTypes(exact)
		names := columnNames(typs)
		n := node("", "(§) AS "+alias+"("+strings.Join(names, ", ")+")", g.subquery(typs, depth-1, nil, false))
		return n, extended(s, alias, names, typs, outer)
	case chance(g.rng, 12):
		n := node("", fmt.Sprintf("generate_series(%d, %d) AS %s(n)", g.rng.IntN(3), g.rng.IntN(12), alias))
		return n, extended(s, alias, []string{"n"}, []string{"int4"}, outer)
	case chance(g.rng, 12):
		typs := g.someTypes(types)
		names := columnNames(typs)
		n := node("", "(VALUES (§), (§)) AS "+alias+"("+strings.Join(names, ", ")+")", g.items(typs, 0, nil), g.items(typs, 0, nil))
		n.kids[0].list, n.kids[1].list = false, false
		return n, extended(s, alias, names, typs, outer)
	}
	t := pick(g.rng, []table{tables[0], tables[0], tables[1], tables[1], tables[2], tables[2], tables[3]})
	var names, typs []string
	for _, c := range t.columns {
		names, typs = append(names, c.name), append(typs, c.typ)
	}
	return node("", t.name+" AS "+alias), extended(s, alias, names, typs, outer)
}

func columnNames(typs []string) []string {
	var out []string
	for i := range typs {
		out = append(out, fmt.Sprintf("c%d", i+1))
	}
	return out
}

func extended(s *scope, alias string, names, typs []string, outer *scope) *scope {
	out := &scope{columns: slices.Clone(s.columns), outer: outer}
	for i, n := range names {
		out.columns = append(out.columns, column{alias + "." + n, typs[i]})
	}
	return out
}

// subquery has columns of these types; single makes it one row at most.
func (g *Generator) subquery(typs []string, depth int, outer *scope, single bool) *Node {
	from, s := g.from(min(depth, 1), outer)
	if single {
		return node("", "SELECT § FROM §§", g.aggregate(typs[0], depth, s), from, g.where(depth, s))
	}
	return node("", "SELECT § FROM §§", g.fixedItems(typs, depth, s), from, g.where(depth, s))
}

// fixedItems are items of which none can go.
func (g *Generator) fixedItems(typs []string, depth int, s *scope) *Node {
	n := g.items(typs, depth, s)
	n.list = false
	return n
}

// setOperation orders by all columns.
func (g *Generator) setOperation(depth int) *Node {
	typs := g.someTypes(exact)
	n := g.subquery(typs, depth-1, nil, false)
	for range 1 + g.rng.IntN(2) {
		op := pick(g.rng, []string{"UNION", "UNION ALL", "INTERSECT", "INTERSECT ALL", "EXCEPT", "EXCEPT ALL"})
		n = node("", "(§) "+op+" (§)", n, g.subquery(typs, depth-1, nil, false))
	}
	return node("", "§§", n, g.order(len(typs), true))
}

// with reads a common table expression once or twice.
func (g *Generator) with(depth int) *Node {
	typs := g.someTypes(exact)
	names := columnNames(typs)
	cte := "w(" + strings.Join(names, ", ") + ") AS " + pick(g.rng, []string{"", "MATERIALIZED ", "NOT MATERIALIZED "})
	s := extended(&scope{}, "w1", names, typs, nil)
	from := "w AS w1"
	if chance(g.rng, 2) {
		from += pick(g.rng, []string{" LEFT JOIN", " JOIN", " FULL JOIN"}) + " w AS w2 ON w1.c1 = w2.c1"
		s = extended(s, "w2", names, typs, nil)
	}
	out := g.someTypes(exact)
	return node("", "WITH "+cte+"(§) SELECT § FROM "+from+"§§", g.subquery(typs, depth-1, nil, false), g.items(out, depth-1, s), g.where(depth-1, s), g.order(len(out), true))
}

// distinctOn keeps the first row of each group in an order of all columns.
func (g *Generator) distinctOn(depth int) *Node {
	from, s := g.from(depth, nil)
	typs := append([]string{pick(g.rng, exact)}, g.someTypes(exact)...)
	order := g.order(len(typs), true)
	first := order.kids[slices.IndexFunc(order.kids, func(k *Node) bool { return strings.HasPrefix(k.String(), "1") })]
	order.kids = append([]*Node{first}, slices.DeleteFunc(order.kids, func(k *Node) bool { return k == first })...)
	order.optional = false
	return node("", "SELECT DISTINCT ON (1) § FROM §§§", g.fixedItems(typs, depth-1, s), from, g.where(depth-1, s), order)
}
