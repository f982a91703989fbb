package randsql

import (
	"fmt"
	"slices"
	"strings"
)

// aggregates by the type that they return; those of floats stand alone, since what is computed
// from their last digits may differ.
var aggregates = map[string][]call{
	"int8":        {{"count(§)", []string{""}, ""}, {"count(DISTINCT §)", []string{"exact"}, ""}, {"sum(§)", []string{"int4"}, ""}, {"sum(§)", []string{"int2"}, ""}, {"count(*)", nil, ""}, {"max(§)", []string{"int8"}, ""}},
	"numeric":     {{"sum(§)", []string{"int8"}, ""}, {"sum(§)", []string{"numeric"}, ""}, {"avg(§)", []string{"int4"}, ""}, {"avg(§)", []string{"numeric"}, ""}, {"variance(§)", []string{"int4"}, ""}, {"stddev_pop(§)", []string{"int2"}, ""}},
	"bool":        {{"bool_and(§)", []string{"bool"}, ""}, {"bool_or(§)", []string{"bool"}, ""}, {"every(§)", []string{"bool"}, ""}},
	"int4":        {{"min(§)", []string{"int4"}, ""}, {"max(§)", []string{"int4"}, ""}, {"bit_and(§)", []string{"int4"}, ""}, {"bit_or(§)", []string{"int4"}, ""}},
	"int2":        {{"min(§)", []string{"int2"}, ""}, {"max(§)", []string{"int2"}, ""}},
	"text":        {{"min(§)", []string{"text"}, ""}, {"max(§)", []string{"text"}, ""}, {"string_agg(§, ',' ORDER BY §)", []string{"text", "same"}, ""}},
	"date":        {{"min(§)", []string{"date"}, ""}, {"max(§)", []string{"date"}, ""}},
	"time":        {{"min(§)", []string{"time"}, ""}, {"max(§)", []string{"time"}, ""}},
	"timestamp":   {{"min(§)", []string{"timestamp"}, ""}, {"max(§)", []string{"timestamp"}, ""}},
	"timestamptz": {{"min(§)", []string{"timestamptz"}, ""}, {"max(§)", []string{"timestamptz"}, ""}},
	"_int4":       {{"array_agg(§ ORDER BY §)", []string{"int4", "same"}, ""}, {"array_agg(DISTINCT §)", []string{"int4"}, ""}, {"min(§)", []string{"_int4"}, ""}},
	"_text":       {{"array_agg(§ ORDER BY §)", []string{"text", "same"}, ""}},
	"jsonb":       {{"jsonb_agg(§ ORDER BY §)", []string{"int4", "same"}, ""}, {"jsonb_agg(§ ORDER BY §)", []string{"text", "same"}, ""}},
}

// floatAggregates stand only in the select list, alone.
var floatAggregates = []string{"sum(c_float8)", "avg(c_float8)", "sum(c_float4)", "min(c_float8)", "max(c_float4)", "stddev(c_float8)", "var_pop(c_int4::float8)",
	"corr(c_int4, c_int2)", "regr_slope(c_int4, c_int2)", "covar_pop(c_int4, c_int2)", "percentile_cont(0.5) WITHIN GROUP (ORDER BY c_float8)", "percentile_disc(0.3) WITHIN GROUP (ORDER BY c_int4)",
	"mode() WITHIN GROUP (ORDER BY c_int2)"}

// aggregate is one of a type, with FILTER now and then.
func (g *Generator) aggregate(typ string, depth int, s *scope) *Node {
	calls := aggregates[typ]
	if len(calls) == 0 { // of a type that has none: the value of a constant row
		return node(typ, "CASE WHEN count(*) > 3 THEN § END", literal(g.rng, typ))
	}
	c := pick(g.rng, calls)
	var kids []*Node
	for _, a := range c.args {
		switch a {
		case "":
			kids = append(kids, g.expr(pick(g.rng, types), depth-1, s))
		case "exact":
			kids = append(kids, g.expr(pick(g.rng, exact), depth-1, s))
		case "same":
			kids = append(kids, kids[0])
		default:
			kids = append(kids, g.expr(a, depth-1, s))
		}
	}
	n := node(typ, c.format, kids...)
	if chance(g.rng, 5) {
		return node(typ, "§§", n, maybe(" FILTER (WHERE §)", g.condition(depth-1, s)))
	}
	return n
}

// grouped is SELECT with GROUP BY, by columns or expressions, with sets of them now and then.
func (g *Generator) grouped(depth int) *Node {
	from, s := g.from(depth, nil)
	typs := g.someTypes(exact)
	var keys []string
	var items []*Node
	for i, t := range typs {
		items = append(items, g.keyOf(t, depth, s))
		keys = append(keys, fmt.Sprint(i+1))
	}
	columns := len(items)
	for range 1 + g.rng.IntN(2) {
		items = append(items, g.aggregate(pick(g.rng, exact), depth, s))
		columns++
	}
	if chance(g.rng, 3) {
		items = append(items, g.floatAggregate(s))
	}
	groupBy := " GROUP BY " + strings.Join(keys, ", ")
	if chance(g.rng, 3) && allColumns(items[:len(typs)], s) {
		var names []string
		for _, k := range items[:len(typs)] {
			names = append(names, k.String())
		}
		groupBy = " GROUP BY " + pick(g.rng, []string{"ROLLUP (" + strings.Join(names, ", ") + ")", "CUBE (" + strings.Join(names, ", ") + ")",
			"GROUPING SETS ((), (" + strings.Join(names, ", ") + "), (" + names[0] + "))"})
	}
	having := nothing()
	if chance(g.rng, 4) {
		having = maybe(" HAVING §", node("bool", "(§ "+g.comparison()+" §)", g.aggregate("int8", depth-1, s), literal(g.rng, "int8")))
	}
	fixed := list(items...)
	fixed.list = false
	return node("", "SELECT § FROM §§"+groupBy+"§§", fixed, from, g.where(depth, s), having, g.order(columns, false))
}

// keyOf is what rows are grouped by: a column, or an expression over some. A constant would be one
// that GROUP BY takes for a position.
func (g *Generator) keyOf(typ string, depth int, s *scope) *Node {
	for range 30 {
		if c := pick(g.rng, s.columns); c.typ == typ {
			return node(typ, c.name)
		}
	}
	return g.expr(typ, depth, s)
}

func allColumns(items []*Node, s *scope) bool {
	for _, k := range items {
		if !slices.ContainsFunc(s.columns, func(c column) bool { return c.name == k.String() }) {
			return false
		}
	}
	return true
}

// floatAggregate is one over a table of FROM that has its columns.
func (g *Generator) floatAggregate(s *scope) *Node {
	for range 20 {
		alias, name, _ := strings.Cut(pick(g.rng, s.columns).name, ".")
		if name == "c_float8" {
			return node("", strings.ReplaceAll(pick(g.rng, floatAggregates), "c_", alias+".c_"))
		}
	}
	return node("", "count(*)")
}

// windowed has window functions whose results do not depend on the order of equal rows.
func (g *Generator) windowed(depth int) *Node {
	alias := g.alias()
	t := pick(g.rng, tables[:3])
	s := &scope{}
	for _, c := range t.columns {
		s.columns = append(s.columns, column{alias + "." + c.name, c.typ})
	}
	typs := g.someTypes(types)
	items := g.items(typs, depth-1, s).kids
	for range 1 + g.rng.IntN(2) {
		items = append(items, g.window(alias, depth-1, s))
	}
	return node("", "SELECT § FROM "+t.name+" AS "+alias+"§", list(items...), g.where(depth, s))
}

// window is a call over peers: rows that its order takes for equal get the same result.
func (g *Generator) window(alias string, depth int, s *scope) *Node {
	functions := []string{"rank()", "dense_rank()", "percent_rank()", "cume_dist()"}
	frame := ""
	var f *Node
	if chance(g.rng, 3) {
		f = node("", pick(g.rng, functions))
	} else {
		f = g.aggregateOver(depth, s)
		frame = pick(g.rng, []string{"", "", " RANGE BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING", " RANGE BETWEEN 2 PRECEDING AND 1 FOLLOWING",
			" RANGE BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING", " GROUPS BETWEEN 1 PRECEDING AND CURRENT ROW", " GROUPS BETWEEN 2 PRECEDING AND 1 PRECEDING",
			" RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW EXCLUDE GROUP", " GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING EXCLUDE CURRENT ROW"})
		if strings.Contains(frame, "CURRENT ROW") && strings.Contains(frame, "EXCLUDE CURRENT") {
			frame = strings.Replace(frame, "CURRENT ROW", "TIES", 1)
		}
	}
	partition := maybe(" PARTITION BY §", g.expr(pick(g.rng, exact), depth, s))
	if chance(g.rng, 2) {
		partition = nothing()
	}
	order := alias + ".id"
	if chance(g.rng, 2) && !strings.Contains(frame, "2 PRECEDING") {
		order = alias + "." + pick(g.rng, []string{"c_int2", "at"})
	}
	direction := pick(g.rng, []string{"", " DESC", " NULLS FIRST"})
	return node("", "§ OVER (§ ORDER BY "+order+direction+frame+")", f, partition)
}

// aggregateOver is one that does not mind the order of rows.
func (g *Generator) aggregateOver(depth int, s *scope) *Node {
	for {
		n := g.aggregate(pick(g.rng, []string{"int8", "numeric", "bool", "int4", "text", "date", "timestamptz"}), depth, s)
		if text := n.text; !slices.ContainsFunc(text, func(t string) bool { return strings.Contains(t, "DISTINCT") || strings.Contains(t, "ORDER BY") }) && len(n.kids) <= 1 && n.text[0] != "CASE WHEN count(*) > 3 THEN " {
			return n
		}
	}
}
