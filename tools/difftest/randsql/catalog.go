package randsql

import (
	"fmt"
	"slices"
	"strings"
)

// A call is a function or an operator with the types that it takes and returns.
type call struct {
	format string // with a hole for each argument
	args   []string
	result string
}

// A Catalog holds the calls that both servers know, by the type of what they return.
type Catalog struct{ calls map[string][]call }

// Signatures are the queries whose rows Load takes: kind, name, result and argument types.
const (
	FunctionsQuery = `SELECT 'f', p.proname, r.typname, p.proargtypes::text FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_type r ON r.oid = p.prorettype
		WHERE p.prokind = 'f' AND NOT p.proretset AND p.pronamespace = 11 AND p.provolatile <> 'v' AND p.provariadic = 0`
	OperatorsQuery = `SELECT 'o', o.oprname, r.typname, o.oprleft::text || ' ' || o.oprright::text FROM pg_catalog.pg_operator o JOIN pg_catalog.pg_type r ON r.oid = o.oprresult
		WHERE o.oprnamespace = 11`
	TypesQuery = `SELECT oid::text, typname FROM pg_catalog.pg_type WHERE typnamespace = 11`
)

// polymorphic types and what they stand for in one call.
var polymorphic = []map[string]string{
	{"anyelement": "int4", "anyarray": "_int4", "anynonarray": "int4", "anycompatible": "int4", "anycompatiblearray": "_int4", "anycompatiblenonarray": "int4"},
	{"anyelement": "text", "anyarray": "_text", "anynonarray": "text", "anycompatible": "text", "anycompatiblearray": "_text", "anycompatiblenonarray": "text"},
}

// lacking says whether a function is one that we do not have all of: regular expressions of the basic
// kind, which options may ask for.
func lacking(name string, args []string) bool {
	if name == "regexp_replace" {
		args = args[1:] // the replacement
	}
	return strings.HasPrefix(name, "regexp_") && len(args) > 2 && slices.Contains(args[2:], "text")
}

// excluded are functions whose results depend on more than their arguments, take for ever, or make much of
// the last digit of a float, or compare with what memcmp returns.
func excluded(name string) bool {
	for _, prefix := range []string{"pg_", "has_", "to_reg", "txid", "current_", "session_", "inet_", "now", "transaction_t", "statement_t", "obj_desc", "col_desc", "shobj",
		"format_type", "getdatabase", "version", "row_security", "factorial", "set_", "json_build", "json_populate", "jsonb_populate", "json_to_record", "jsonb_to_record", "amvalid", "icu_", "brin", "gin", "gist", "hash", "bt", "fmgr", "ri_",
		"timeofday", "float4send", "like_escape", "database_to", "table_to", "schema_to", "query_to", "cursor_to", "ts_", "tsq", "lo_", "be_", "array_send", "float8_", "int8_avg",
		"int4_avg", "int2_avg", "_pg", "sin", "cos", "tan", "cot", "dsin", "dcos", "dtan", "dcot", "similar_", "byteacmp", "uuid_cmp", "jsonb_cmp", "make_interval", "array_fill", "interval_accum", "numeric_accum"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	for _, suffix := range []string{"_accum", "_combine", "_send", "send", "_sortsupport", "_transfn", "_finalfn", "_inv"} {
		if strings.HasSuffix(name, suffix) {
			return true
		}
	}
	return false
}

// Load makes a catalogue of the rows of FunctionsQuery and OperatorsQuery on PostgreSQL that are
// among those on ours, too; names are the rows of TypesQuery.
func Load(theirs, ours, names [][]string) *Catalog {
	typeOf := map[string]string{"0": ""}
	for _, r := range names {
		typeOf[r[0]] = r[1]
	}
	known := map[string]bool{}
	for _, r := range ours {
		known[strings.Join(r, "|")] = true
	}
	c := &Catalog{map[string][]call{}}
	slices.SortFunc(theirs, slices.Compare[[]string])
	for _, r := range theirs {
		if !known[strings.Join(r, "|")] || excluded(r[1]) {
			continue
		}
		var args []string
		for _, oid := range strings.Fields(r[3]) {
			args = append(args, typeOf[oid])
		}
		for i, m := range polymorphic {
			substituted, result, changed := substitute(args, r[2], m)
			if changed || i == 0 {
				c.add(r[0], r[1], result, substituted)
			}
		}
	}
	return c
}

func substitute(args []string, result string, m map[string]string) ([]string, string, bool) {
	out, changed := slices.Clone(args), false
	for i, a := range out {
		if t, ok := m[a]; ok {
			out[i], changed = t, true
		}
	}
	if t, ok := m[result]; ok {
		result, changed = t, true
	}
	return out, result, changed
}

// add takes a call whose types are all ours.
func (c *Catalog) add(kind, name, result string, args []string) {
	if kind == "f" && (lacking(name, args) || name == result && len(args) == 2 && args[1] == "int4" || name == "age") {
		return // the second argument is a type's modifier; age of one argument is from today, and of infinities in PostgreSQL 15 whatever is left
	}
	if !slices.Contains(types, result) {
		return
	}
	for i, a := range args {
		if !slices.Contains(types, a) && !(kind == "o" && i == 0 && a == "") {
			return
		}
	}
	f := call{args: args, result: result}
	switch {
	case kind == "f":
		f.format = fmt.Sprintf("%s(%s)", ident(name), strings.TrimSuffix(strings.Repeat(hole+", ", len(args)), ", "))
	case len(args) == 2 && args[0] == "":
		f.format, f.args = fmt.Sprintf("(%s (%s))", name, hole), args[1:]
	default:
		f.format = fmt.Sprintf("(%s %s %s)", hole, name, hole)
	}
	c.calls[result] = append(c.calls[result], f)
}

// ident is a name of a function, in its schema and quotes, since some are words of the grammar.
func ident(name string) string { return `pg_catalog."` + name + `"` }

// Size is how many calls there are.
func (c *Catalog) Size() int {
	n := 0
	for _, list := range c.calls {
		n += len(list)
	}
	return n
}
