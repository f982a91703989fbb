package randsql

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// A Generator makes statements. It is for one goroutine.
type Generator struct {
	rng     *rand.Rand
	catalog *Catalog
	aliases int
}

// New returns a generator of statements over Tables.
func New(rng *rand.Rand, c *Catalog) *Generator { return &Generator{rng: rng, catalog: c} }

// A scope is what an expression can name.
type scope struct {
	columns []column
	outer   *scope // of the query around it
}

// expr is an expression of a type, so deep at most.
func (g *Generator) expr(typ string, depth int, s *scope) *Node {
	if depth <= 0 || chance(g.rng, 6) {
		return g.leaf(typ, s)
	}
	switch g.rng.IntN(12) {
	case 0:
		return g.conditional(typ, depth-1, s)
	case 1:
		if s != nil && len(s.columns) > 0 {
			return g.subqueryValue(typ, depth-1, s)
		}
	case 2, 3, 4:
		if typ == "bool" {
			return g.condition(depth, s)
		}
	case 5:
		if strings.HasPrefix(typ, "_") {
			return g.array(typ, depth-1, s)
		}
	}
	calls := g.catalog.calls[typ]
	if len(calls) == 0 {
		return g.leaf(typ, s)
	}
	c := pick(g.rng, calls)
	kids := make([]*Node, len(c.args))
	for i, a := range c.args {
		kids[i] = g.expr(a, depth-1, s)
	}
	return node(typ, c.format, kids...)
}

// leaf is a column or a constant.
func (g *Generator) leaf(typ string, s *scope) *Node {
	for at := s; at != nil; at = at.outer {
		if at != s && !chance(g.rng, 3) {
			break
		}
		var fit []column
		for _, c := range at.columns {
			if c.typ == typ {
				fit = append(fit, c)
			}
		}
		if len(fit) > 0 && !chance(g.rng, 4) {
			return node(typ, pick(g.rng, fit).name)
		}
	}
	return literal(g.rng, typ)
}

func (g *Generator) conditional(typ string, depth int, s *scope) *Node {
	e := func() *Node { return g.expr(typ, depth, s) }
	switch g.rng.IntN(6) {
	case 0:
		return node(typ, "COALESCE(§, §)", e(), e())
	case 1:
		if slices.Contains(exact, typ) {
			return node(typ, "NULLIF(§, §)", e(), e())
		}
	case 2:
		if slices.Contains(exact, typ) {
			return node(typ, pick(g.rng, []string{"GREATEST", "LEAST"})+"(§, §)", e(), e())
		}
	case 3:
		if typ != "jsonb" {
			return node(typ, "CASE § WHEN § THEN § ELSE § END", g.expr("int4", depth, s), literal(g.rng, "int4"), e(), e())
		}
	}
	return node(typ, "CASE WHEN § THEN § ELSE § END", g.expr("bool", depth, s), e(), e())
}

func (g *Generator) array(typ string, depth int, s *scope) *Node {
	element := typ[1:]
	return node(typ, "ARRAY[§, §]::"+element+"[]", g.expr(element, depth, s), g.expr(element, depth, s))
}

// comparable are the types that have an order.
var comparable = slices.DeleteFunc(slices.Clone(types), func(t string) bool { return t == "jsonb" })

func (g *Generator) condition(depth int, s *scope) *Node {
	typ := pick(g.rng, comparable)
	e := func() *Node { return g.expr(typ, depth-1, s) }
	b := func() *Node { return g.expr("bool", depth-1, s) }
	switch g.rng.IntN(16) {
	case 0:
		return node("bool", "(§ AND §)", b(), b())
	case 1:
		return node("bool", "(§ OR §)", b(), b())
	case 2:
		return node("bool", "(NOT §)", b())
	case 3:
		return node("bool", "(§ IS"+pick(g.rng, []string{"", " NOT"})+" NULL)", e())
	case 4:
		return node("bool", "(§ IS"+pick(g.rng, []string{"", " NOT"})+" DISTINCT FROM §)", e(), e())
	case 5:
		return node("bool", "(§"+pick(g.rng, []string{" ", " NOT "})+"BETWEEN"+pick(g.rng, []string{"", " SYMMETRIC"})+" § AND §)", e(), e(), e())
	case 6:
		return node("bool", "(§"+pick(g.rng, []string{" ", " NOT "})+"IN (§))", e(), list(e(), e(), e()))
	case 7:
		return node("bool", "(§"+pick(g.rng, []string{" ", " NOT "})+pick(g.rng, []string{"LIKE", "ILIKE"})+" §)", g.expr("text", depth-1, s), g.pattern())
	case 8:
		array := pick(g.rng, []string{"_int4", "_text"})
		return node("bool", "(§ "+g.comparison()+pick(g.rng, []string{" ANY ", " ALL "})+"(§))", g.expr(array[1:], depth-1, s), g.expr(array, depth-1, s))
	case 9:
		return node("bool", "((§, §) "+g.comparison()+" (§, §))", e(), g.expr("int4", depth-1, s), e(), g.expr("int4", depth-1, s))
	case 10:
		return node("bool", "(§ IS"+pick(g.rng, []string{"", " NOT"})+pick(g.rng, []string{" TRUE", " FALSE", " UNKNOWN"})+")", b())
	case 11:
		if s != nil && len(s.columns) > 0 {
			return node("bool", "(§"+pick(g.rng, []string{" ", " NOT "})+"IN (§))", e(), g.subquery([]string{typ}, depth-1, s, false))
		}
	case 12:
		if s != nil && len(s.columns) > 0 {
			return node("bool", pick(g.rng, []string{"", "NOT "})+"EXISTS (§)", g.subquery([]string{typ}, depth-1, s, false))
		}
	}
	return node("bool", "(§ "+g.comparison()+" §)", e(), e())
}

func (g *Generator) comparison() string {
	return pick(g.rng, []string{"=", "<>", "<", "<=", ">", ">="})
}

func (g *Generator) pattern() *Node {
	return node("text", quote(pick(g.rng, []string{"%", "a%", "%b", "%a%", "_", "__%", "a_", "", `\%%`, "é%", "A%", "x y%"})))
}

// subqueryValue is a subquery of one value: an aggregate, or a row that cannot be two.
func (g *Generator) subqueryValue(typ string, depth int, s *scope) *Node {
	return node(typ, "(§)", g.subquery([]string{typ}, depth, s, true))
}

func (g *Generator) alias() string {
	g.aliases++
	return fmt.Sprintf("q%d", g.aliases)
}
