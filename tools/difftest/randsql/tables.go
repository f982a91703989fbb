package randsql

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// A column has the name and the type of one, as it is written in expressions.
type column struct{ name, typ string }

// A table is one that statements read.
type table struct {
	name    string
	columns []column
}

// A Step makes or changes tables. Suffix is for ours alone.
type Step struct{ SQL, Suffix string }

// CHECKPOINT is a step of ours alone: rows go from buffers to chunks.
var checkpoint = Step{"", "CHECKPOINT"}

// columnsOf are a key and a column of each type, named after it.
func columnsOf() []column {
	out := []column{{"id", "int4"}, {"at", "timestamptz"}}
	for _, t := range types {
		out = append(out, column{"c_" + strings.TrimPrefix(t, "_"), t})
	}
	out[len(out)-2].name, out[len(out)-1].name = "c_ints", "c_texts"
	return out
}

var tables = []table{{"keyed", columnsOf()}, {"keyless", columnsOf()}, {"small", columnsOf()[:12]}, {"nothing", columnsOf()[:9]}}

// Tables are the steps that make the tables: rows come late and twice, replace others and are
// deleted, and lie in chunks, in buffers and in several partitions at once.
func Tables(rng *rand.Rand) []Step {
	steps := []Step{
		{"CREATE TABLE keyed (" + definition(tables[0]) + ", PRIMARY KEY (id, at))", " PARTITION BY HASH (id) WITH (partitions = 3, slice = '6 hours')"},
		{"CREATE TABLE keyless (" + definition(tables[1]) + ")", " PARTITION BY HASH (id) WITH (partitions = 2)"},
		{"CREATE TABLE small (" + definition(tables[2]) + ", PRIMARY KEY (id))", ""},
		{"CREATE TABLE nothing (" + definition(tables[3]) + ")", ""},
	}
	for round := range 4 {
		steps = append(steps, insert(rng, tables[0], 9, " ON CONFLICT (id, at) DO UPDATE SET "+replaced(tables[0], 2)), insert(rng, tables[1], 7, ""))
		if round%3 == 0 {
			steps = append(steps, insert(rng, tables[2], 6, " ON CONFLICT DO NOTHING"))
		}
		if round == 1 || round == 3 {
			steps = append(steps, checkpoint)
		}
		if round%2 == 1 {
			steps = append(steps, Step{SQL: fmt.Sprintf("DELETE FROM keyed WHERE id = %d", rng.IntN(20))},
				Step{SQL: fmt.Sprintf("DELETE FROM keyless WHERE id = %d", rng.IntN(20))},
				Step{SQL: fmt.Sprintf("UPDATE keyed SET c_int4 = c_int4 + 1, c_text = c_text || 'u' WHERE id %% 5 = %d AND c_int4 < 100", rng.IntN(5))},
				Step{SQL: fmt.Sprintf("UPDATE keyless SET c_bool = NOT c_bool, c_ints = NULL WHERE id %% 7 = %d", rng.IntN(7))})
		}
	}
	return steps
}

func definition(t table) string {
	var out []string
	for _, c := range t.columns {
		out = append(out, c.name+" "+c.typ)
	}
	return strings.Join(out, ", ")
}

func replaced(t table, from int) string {
	var out []string
	for _, c := range t.columns[from:] {
		out = append(out, fmt.Sprintf("%s = excluded.%s", c.name, c.name))
	}
	return strings.Join(out, ", ")
}

// insert is of rows with different keys.
func insert(rng *rand.Rand, t table, rows int, suffix string) Step {
	var out []string
	ids := rng.Perm(20)
	for i := range rows {
		cells := []string{fmt.Sprint(ids[i]), fmt.Sprintf("'2026-03-%02d %02d:00+00'", 1+rng.IntN(3), 6*rng.IntN(4))}
		for _, c := range t.columns[2:] {
			if chance(rng, 6) {
				cells = append(cells, "NULL")
				continue
			}
			cells = append(cells, quote(stored(rng, c.typ)))
		}
		out = append(out, "("+strings.Join(cells, ", ")+")")
	}
	return Step{SQL: "INSERT INTO " + t.name + " VALUES " + strings.Join(out, ", ") + suffix}
}

// stored is a value for a table, of which sums do not depend on the order.
func stored(rng *rand.Rand, typ string) string {
	for {
		v := value(rng, typ)
		if !slices.Contains([]string{"3e38", "1e-40", "1e308", "5e-324", "0.1"}, v) || typ == "text" {
			return v
		}
	}
}
