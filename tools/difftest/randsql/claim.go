package randsql

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// A Claim is about a condition: two queries that have the same rows whatever the condition is. Ternary
// logic partitioning says that the rows for which it is true, false and NULL are all rows, also when
// they are counted, made distinct, grouped or aggregated; and those that a filter lets through
// are as many as those for which the condition is computed to be true.
type Claim struct {
	Kind      string
	Condition *Node
	Sides     func(condition string) (one, other string)
}

// LargeTables are the steps that make the tables of Claims, of ours alone: tens of thousands of rows,
// of which some are replaced, changed and deleted, in chunks, in buffers and in several partitions.
// They are made of the rows of Tables, which come first.
func LargeTables(rng *rand.Rand) []string {
	var out []string
	for i, t := range largeTables {
		options := " PARTITION BY HASH (id) WITH (partitions = 3)"
		if i == 0 {
			options = ", PRIMARY KEY (id, at)) PARTITION BY HASH (id) WITH (partitions = 4, slice = '1 day')"
		} else {
			options = ")" + options
		}
		out = append(out, "CREATE TABLE "+t.name+" ("+definition(t)+options)
	}
	for round := range 3 {
		for i, t := range largeTables {
			suffix := ""
			if i == 0 {
				suffix = " ON CONFLICT (id, at) DO UPDATE SET " + replaced(t, 2)
			}
			out = append(out, fmt.Sprintf("INSERT INTO %s SELECT %s FROM keyed AS q, generate_series(%d, %d) AS g%s", t.name, grown(rng, t), 300*round, 300*round+350, suffix))
		}
		if round < 2 {
			out = append(out, "CHECKPOINT")
		}
		for _, t := range largeTables {
			out = append(out, fmt.Sprintf("DELETE FROM %s WHERE id %% 97 = %d", t.name, rng.IntN(97)),
				fmt.Sprintf("UPDATE %s SET c_text = c_text || 'u', c_int2 = NULL WHERE id %% 31 = %d", t.name, rng.IntN(31)))
		}
	}
	return out
}

var largeTables = []table{{"large_keyed", columnsOf()}, {"large_keyless", columnsOf()}}

// grown are the columns of a row that is made of one of another table: some with values of its own,
// some NULL, most as they are.
func grown(rng *rand.Rand, t table) string {
	out := []string{"q.id + 20 * g", "q.at + g * interval '10 minutes'"}
	for _, c := range t.columns[2:] {
		e := "q." + c.name
		switch c.typ {
		case "int4", "int8", "numeric":
			e = fmt.Sprintf("CASE WHEN g %% 3 = %d THEN g - 200 ELSE %s END", rng.IntN(3), e)
		case "text":
			e = fmt.Sprintf("CASE WHEN g %% 4 = %d THEN %s || g ELSE %s END", rng.IntN(4), e, e)
		case "timestamptz", "timestamp":
			e = fmt.Sprintf("CASE WHEN g %% 2 = 0 AND isfinite(%s) THEN %s + g * interval '1 second' ELSE %s END", e, e, e)
		}
		if chance(rng, 3) {
			e = fmt.Sprintf("CASE WHEN g %% 50 <> %d THEN %s END", rng.IntN(50), e)
		}
		out = append(out, e)
	}
	return strings.Join(out, ", ")
}

// Claim makes the next one.
func (g *Generator) Claim() Claim {
	g.aliases = 0
	from, s := g.large()
	condition := g.condition(2, s)
	parts := func(format, suffix, between string) func(string) string {
		return func(c string) string {
			var out []string
			for _, part := range []string{"(%s)", "NOT (%s)", "((%s) IS NULL)"} {
				out = append(out, format+" FROM "+from+" WHERE "+fmt.Sprintf(part, c)+suffix)
			}
			return strings.Join(out, " "+between+" ")
		}
	}
	switch g.rng.IntN(6) {
	case 0:
		items := "SELECT " + g.items(g.someTypes(exact), 1, s).String()
		union := parts(items, "", "UNION ALL")
		return Claim{"rows", condition, func(c string) (string, string) { return items + " FROM " + from, union(c) }}
	case 1:
		items := "SELECT DISTINCT " + g.items(g.someTypes(exact), 1, s).String()
		union := parts(items, "", "UNION")
		return Claim{"distinct", condition, func(c string) (string, string) { return items + " FROM " + from, union(c) }}
	case 2:
		return g.groupedClaim(from, condition, s, parts, "")
	case 3:
		return g.groupedClaim(from, condition, s, parts, g.leaf(pick(g.rng, exact), s).String())
	}
	return Claim{"filter", condition, func(c string) (string, string) {
		return "SELECT count(*) FROM " + from + " WHERE " + c,
			"SELECT count(*) FILTER (WHERE v) FROM (SELECT (" + c + ") AS v FROM " + from + " OFFSET 0) AS s"
	}}
}

// groupedClaim is about aggregates, by a key unless that is empty.
func (g *Generator) groupedClaim(from string, condition *Node, s *scope, parts func(format, suffix, between string) func(string) string, key string) Claim {
	least, most := g.leaf(pick(g.rng, []string{"int4", "text", "date", "timestamptz"}), s), g.leaf(pick(g.rng, []string{"int8", "text", "time", "timestamp"}), s)
	counted, summed := g.leaf(pick(g.rng, types), s), g.leaf("int4", s)
	columns := fmt.Sprintf("count(*) AS n, count(%s) AS c, sum(%s) AS t, min(%s) AS l, max(%s) AS m", counted, summed, least, most)
	again := "sum(n)::int8 AS n, sum(c)::int8 AS c, sum(t)::int8 AS t, min(l) AS l, max(m) AS m"
	if key == "" {
		union := parts("SELECT "+columns, "", "UNION ALL")
		return Claim{"aggregates", condition, func(c string) (string, string) {
			return "SELECT " + columns + " FROM " + from, "SELECT " + again + " FROM (" + union(c) + ") AS s"
		}}
	}
	union := parts("SELECT "+key+" AS k, "+columns, " GROUP BY 1", "UNION ALL")
	return Claim{"groups", condition, func(c string) (string, string) {
		return "SELECT " + key + " AS k, " + columns + " FROM " + from + " GROUP BY 1", "SELECT k, " + again + " FROM (" + union(c) + ") AS s GROUP BY 1"
	}}
}

// large is a large table, alone or joined with a small one.
func (g *Generator) large() (string, *scope) {
	item := func(t table, s *scope) (string, *scope) {
		alias := g.alias()
		var names, typs []string
		for _, c := range t.columns {
			names, typs = append(names, c.name), append(typs, c.typ)
		}
		return t.name + " AS " + alias, extended(s, alias, names, typs, nil)
	}
	from, s := item(pick(g.rng, largeTables), &scope{})
	if !chance(g.rng, 4) {
		return from, s
	}
	small, both := item(tables[2], s)
	on := g.equality(s, &scope{columns: both.columns[len(s.columns):]})
	return from + pick(g.rng, []string{" JOIN ", " LEFT JOIN ", " RIGHT JOIN "}) + small + " ON " + on.String(), both
}
