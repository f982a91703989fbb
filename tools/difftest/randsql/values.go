package randsql

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// types are those of columns and expressions, by PostgreSQL's names for them.
var types = []string{"bool", "int2", "int4", "int8", "float4", "float8", "numeric", "text", "bytea", "date", "time", "timetz", "timestamp", "timestamptz",
	"interval", "uuid", "jsonb", "_int4", "_text"}

// exact are the types whose equal values look alike, so that it does not matter which of them a
// group or DISTINCT keeps.
var exact = []string{"bool", "int2", "int4", "int8", "text", "bytea", "date", "time", "timestamp", "timestamptz", "uuid", "_int4", "_text"}

// plainValues are what the shrinker tries in the place of an expression.
var plainValues = map[string]string{"bool": "true", "int2": "1::int2", "int4": "1", "int8": "1::int8", "float4": "1::float4", "float8": "1::float8", "numeric": "1.0",
	"text": "'a'::text", "bytea": `'\x01'::bytea`, "date": "'2026-03-01'::date", "time": "'01:00'::time", "timetz": "'01:00+00'::timetz", "timestamp": "'2026-03-01'::timestamp",
	"timestamptz": "'2026-03-01 00:00+00'::timestamptz", "interval": "'1 day'::interval", "uuid": "'00000000-0000-0000-0000-000000000001'::uuid", "jsonb": "'{}'::jsonb",
	"_int4": "'{1}'::int4[]", "_text": "'{a}'::text[]"}

// special are the values at which functions go wrong.
var special = map[string][]string{
	"bool":        {"t", "f"},
	"int2":        {"0", "-1", "1", "32767", "-32768"},
	"int4":        {"0", "-1", "1", "2147483647", "-2147483648"},
	"int8":        {"0", "-1", "1", "9223372036854775807", "-9223372036854775808", "2147483648"},
	"float4":      {"0", "NaN", "Infinity", "-Infinity", "1.5", "-0.25", "3e38", "1e-40"},
	"float8":      {"0", "NaN", "Infinity", "-Infinity", "1.5", "-0.25", "1e308", "5e-324", "0.1"},
	"numeric":     {"0.00", "NaN", "Infinity", "-Infinity", "0.50", "-0.50", "99999999.99", "-12345678901234567890.12"},
	"text":        {"", " ", "a", "A", "ab", "aB c", "%", "_", `\`, "é", "日本語", "0", "12", "-1.5", "true", "2026-03-01", "NULL", "  x  ", "a,b,c"},
	"bytea":       {"", `\x00`, `\xff`, `\x6162`, `\x00ff00`},
	"date":        {"infinity", "-infinity", "2026-02-28", "2024-02-29", "0044-03-15 BC", "1970-01-01", "2000-01-01", "5874897-12-31"},
	"time":        {"00:00:00", "24:00:00", "23:59:59.999999", "12:30:00", "00:00:00.000001"},
	"timetz":      {"00:00:00+00", "23:59:59.999999-08", "12:30:00+05:30", "24:00:00+00"},
	"timestamp":   {"infinity", "-infinity", "2026-03-01 00:00:00", "1999-12-31 23:59:59.999999", "0001-01-01 00:00:00 BC", "2024-02-29 12:00:00"},
	"timestamptz": {"infinity", "-infinity", "2026-03-01 00:00:00+00", "1999-12-31 23:59:59.999999+00", "2026-03-29 01:00:00+00", "2024-02-29 12:00:00-05"},
	"interval":    {"0", "1 day", "-1 mon", "1 year 2 mons 3 days 04:05:06.789", "-00:00:00.000001", "30 days", "1 mon -1 day 24:00:00"},
	"uuid":        {"00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"},
	"jsonb": {"null", "true", "0", "-1.5", `""`, `"a"`, "[]", "{}", "[1, 2, 3]", `{"a": 1}`, `{"a": {"b": [1, null, "x"]}, "c": null}`, `[{"a": 1}, {"a": 2}]`,
		`["a", "b"]`},
	"_int4": {"{}", "{1}", "{1,2,3}", "{NULL}", "{3,NULL,1}", "{2147483647,-1}"},
	"_text": {"{}", "{a}", "{a,b,c}", `{""}`, "{NULL,a}", `{"a b","c,d"}`},
}

// value is the text of a random value of a type, which is not NULL. Floats of tables are sums of
// quarters, so that sums over them do not depend on the order.
func value(rng *rand.Rand, typ string) string {
	if chance(rng, 3) {
		return pick(rng, special[typ])
	}
	n := rng.IntN(20)
	switch typ {
	case "bool":
		return pick(rng, []string{"t", "f"})
	case "int2", "int4", "int8":
		return fmt.Sprint(n - 5)
	case "float4", "float8":
		return fmt.Sprint(float64(n*n-40) / 4)
	case "numeric":
		return fmt.Sprintf("%d.%02d", n-5, rng.IntN(100))
	case "text":
		return strings.Repeat(pick(rng, []string{"a", "b", "ab", "x y", "é"}), rng.IntN(4)) + pick(rng, []string{"", "1", "z"})
	case "bytea":
		return fmt.Sprintf(`\x%02x%02x`, n, rng.IntN(256))
	case "date":
		return fmt.Sprintf("2026-%02d-%02d", 1+rng.IntN(12), 1+rng.IntN(28))
	case "time":
		return fmt.Sprintf("%02d:%02d:00", rng.IntN(24), 15*rng.IntN(4))
	case "timetz":
		return fmt.Sprintf("%02d:%02d:00%+03d", rng.IntN(24), 15*rng.IntN(4), rng.IntN(12)-6)
	case "timestamp":
		return fmt.Sprintf("2026-03-%02d %02d:30:00", 1+n, rng.IntN(24))
	case "timestamptz":
		return fmt.Sprintf("2026-03-%02d %02d:30:00+00", 1+n, rng.IntN(24))
	case "interval":
		return fmt.Sprintf("%d days %02d:00:00", n-5, rng.IntN(24))
	case "uuid":
		return fmt.Sprintf("00000000-0000-0000-0000-0000000000%02d", n)
	case "jsonb":
		return fmt.Sprintf(`{"a": %d, "b": "%c"}`, n, 'a'+rng.IntN(5))
	case "_int4":
		return fmt.Sprintf("{%d,%d}", n, rng.IntN(5))
	case "_text":
		return fmt.Sprintf("{%c,%c}", 'a'+rng.IntN(4), 'a'+rng.IntN(4))
	}
	panic(typ)
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// literal is a constant with its type, now and then NULL.
func literal(rng *rand.Rand, typ string) *Node {
	switch {
	case chance(rng, 10):
		return node(typ, "NULL::"+typ)
	case typ == "int4" && chance(rng, 2):
		return node(typ, fmt.Sprint(rng.IntN(10)))
	}
	return node(typ, quote(value(rng, typ))+"::"+typ)
}
