package hostiletest

import (
	"fmt"
	"strings"
)

// An attack is a statement that is meant to harm.
type attack struct {
	name string
	sql  string
	// want are the SQLSTATEs of which it may end with one, beside 57014, for it is cancelled if
	// it goes on for long.
	want []string
}

const (
	answers    = "00000"
	cancelled  = "57014"
	tooDeep    = "54001" // statement_too_complex
	tooMuch    = "54000" // program_limit_exceeded
	tooWide    = "54011" // too_many_columns
	noMemory   = "53200" // out_of_memory
	outOfRange = "22003" // numeric_value_out_of_range
	badRegex   = "2201B" // invalid_regular_expression
	// unsupported is what Phyllo does not have: here references in regular expressions, and
	// arrays of several dimensions.
	unsupported = "0A000"
)

// nested is a text around which another is put many times.
func nested(n int, open, inside, closed string) string {
	return strings.Repeat(open, n) + inside + strings.Repeat(closed, n)
}

// list joins n terms, made of their numbers.
func list(n int, sep, format string) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteString(sep)
		}
		if strings.Contains(format, "%") {
			fmt.Fprintf(&b, format, i)
		} else {
			b.WriteString(format)
		}
	}
	return b.String()
}

// doubled are n queries of WITH, each of which reads the one before twice.
func doubled(n int) string {
	var b strings.Builder
	b.WriteString("WITH c0 AS (SELECT 1 AS x)")
	for i := 1; i <= n; i++ {
		fmt.Fprintf(&b, ", c%d AS (SELECT a.x FROM c%d AS a, c%d AS b)", i, i-1, i-1)
	}
	fmt.Fprintf(&b, " SELECT count(*) FROM c%d", n)
	return b.String()
}

var attacks = []attack{
	// What nests.
	{"parentheses", "SELECT " + nested(100_000, "(", "1", ")"), []string{tooDeep}},
	{"subqueries", "SELECT * FROM " + nested(20_000, "(SELECT * FROM ", "(SELECT 1) AS t", ") AS t"), []string{tooDeep}},
	{"scalar subqueries", "SELECT " + nested(20_000, "(SELECT ", "1", ")"), []string{tooDeep}},
	{"CASE", "SELECT " + nested(20_000, "CASE WHEN true THEN ", "1", " END"), []string{tooDeep}},
	{"arrays", "SELECT " + nested(20_000, "ARRAY[", "1", "]"), []string{tooDeep}},
	{"array literal", "SELECT '" + nested(100_000, "{", "1", "}") + "'::int[]", []string{tooMuch, unsupported, "22P02"}},
	{"rows", "SELECT " + nested(20_000, "ROW(", "1", ")"), []string{tooDeep}},
	{"functions", "SELECT " + nested(20_000, "abs(", "1", ")"), []string{tooDeep}},
	{"NOT", "SELECT " + strings.Repeat("NOT ", 100_000) + "true", []string{tooDeep}},
	{"signs", "SELECT " + strings.Repeat("- ", 100_000) + "1", []string{tooDeep}},
	{"casts", "SELECT 1" + strings.Repeat("::int", 30_000), []string{tooDeep}},
	{"joins in parentheses", "SELECT count(*) FROM " + nested(20_000, "(", "(SELECT 1) AS a CROSS JOIN (SELECT 2) AS b", " CROSS JOIN (SELECT 3) AS c)"), []string{tooDeep}},
	{"unions in parentheses", nested(20_000, "(", "SELECT 1", " UNION ALL SELECT 1)"), []string{tooDeep}},
	{"queries of WITH", nested(20_000, "WITH t AS (", "SELECT 1", ") SELECT * FROM t"), []string{tooDeep}},
	{"jsonb", "SELECT '" + nested(100_000, "[", "1", "]") + "'::jsonb", []string{tooDeep}},
	{"jsonb objects", "SELECT ('" + nested(100_000, `{"a":`, "1", "}") + "'::json)->'a'", []string{tooDeep}},
	{"jsonb made", "SELECT (repeat('[', 10000000) || repeat(']', 10000000))::jsonb", []string{tooDeep}},
	{"jsonpath", "SELECT '" + nested(100_000, "(", "1", ")") + "'::jsonpath", []string{tooDeep}},
	{"regular expression of parentheses", "SELECT 'x' ~ repeat('(', 100000)", []string{tooDeep, badRegex}},
	{"regular expression of parentheses, closed", "SELECT 'x' ~ (repeat('(', 100000) || 'x' || repeat(')', 100000))", []string{tooDeep, badRegex}},
	{"comments", "SELECT 1 " + nested(1_000_000, "/*", "", "*/"), []string{answers}},

	// What is long.
	{"30,000 terms", "SELECT " + list(30_000, " + ", "1"), []string{answers, tooDeep}},
	{"30,000 conditions", "SELECT count(*) FROM short WHERE " + list(30_000, " OR ", "id = %d"), []string{answers, tooDeep}},
	{"30,000 conditions with AND", "SELECT count(*) FROM short WHERE " + list(30_000, " AND ", "id <> %d"), []string{answers, tooDeep}},
	{"30,000 texts", "SELECT length(" + list(30_000, " || ", "'x'") + ")", []string{answers, tooDeep}},
	{"30,000 branches", list(30_000, " UNION ALL ", "SELECT %d"), []string{answers, tooDeep}},
	{"30,000 alternatives", "SELECT CASE id " + list(30_000, " ", "WHEN %d THEN 1") + " END FROM short", []string{answers, tooDeep}},
	{"1,000,000 statements", strings.Repeat("SELECT;", 1_000_000), []string{answers}},
	{"10,000 columns", "CREATE TABLE wide (" + list(10_000, ", ", "c%d int") + ")", []string{tooWide}},
	{"10,000 results", "SELECT " + list(10_000, ", ", "1"), []string{tooWide}},
	{"10,000 columns of a subquery", "SELECT count(*) FROM (SELECT " + list(10_000, ", ", "1 AS c%d") + ") AS t", []string{tooWide}},
	{"10,000 columns of a join", "SELECT count(*) FROM " + list(7, ", ", "(SELECT "+list(1600, ", ", "1")+") AS t%d"), []string{answers, tooWide}},
	{"10,000 arguments", "SELECT concat(" + list(10_000, ", ", "1") + ")", []string{"54023"}},
	{"10,000 tables", "SELECT count(*) FROM " + list(10_000, ", ", "(SELECT 1) AS t%d"), []string{answers, tooDeep}},
	{"a list of IN", "SELECT count(*) FROM short WHERE id IN (" + list(500_000, ", ", "%d") + ")", []string{answers}},
	{"a list of NOT IN", "SELECT count(*) FROM short WHERE id NOT IN (" + list(500_000, ", ", "%d") + ")", []string{answers}},
	{"a list of IN of expressions", "SELECT count(*) FROM short WHERE id IN (" + list(50_000, ", ", "id + %d") + ")", []string{answers, tooDeep}},
	{"rows of VALUES", "SELECT count(*) FROM (VALUES " + list(300_000, ", ", "(%d)") + ") AS v", []string{answers}},
	{"a literal", "SELECT length('" + strings.Repeat("x", 20<<20) + "')", []string{answers}},
	{"a number", "SELECT " + strings.Repeat("9", 10_000_000), []string{outOfRange}},
	{"a number as text", "SELECT repeat('9', 20000000)::numeric", []string{outOfRange, "22P02"}},
	{"a number with an exponent", "SELECT 1e1000000000", []string{outOfRange}},
	{"an identifier", "SELECT 1 AS " + strings.Repeat("x", 20<<20), []string{answers}},
	{"grouping sets", "SELECT count(*) FROM short GROUP BY " + list(8, ", ", "CUBE (id, id, id, id)"), []string{tooDeep}},
	{"queries that double", doubled(40), []string{answers, tooDeep, tooMuch, noMemory}},

	// What grows.
	{"repeat", "SELECT repeat('x', 1000000000)", []string{tooMuch, noMemory}},
	{"repeat of repeat", "SELECT length(repeat(repeat('x', 10000), 100000))", []string{tooMuch, noMemory}},
	{"repeat, per row", "SELECT sum(length(repeat('x', 1000000 + g))) FROM generate_series(1, 100000) AS g", []string{answers, tooMuch, noMemory}},
	{"format", "SELECT format('%1000000000s', 'x')", []string{tooMuch, noMemory}},
	{"lpad", "SELECT lpad('x', 1000000000)", []string{tooMuch, noMemory}},
	{"rpad", "SELECT length(rpad('x', 1000000000, 'abc'))", []string{tooMuch, noMemory}},
	{"replace", "SELECT length(replace(repeat('x', 10000000), 'x', repeat('y', 1000)))", []string{tooMuch, noMemory}},
	{"regexp_replace", "SELECT length(regexp_replace(repeat('x', 10000000), 'x', repeat('y', 1000), 'g'))", []string{tooMuch, noMemory}},
	{"concatenation", "WITH RECURSIVE t AS (SELECT 'x' AS s, 1 AS n UNION ALL SELECT s || s, n + 1 FROM t WHERE n < 60) SELECT max(length(s)) FROM t", []string{tooMuch, noMemory}},
	{"string_agg", "SELECT length(string_agg(repeat('x', 1000000), ',')) FROM generate_series(1, 10000)", []string{tooMuch, noMemory}},
	{"string_agg, ordered", "SELECT length(string_agg(repeat('x', 1000000), ',' ORDER BY g)) FROM generate_series(1, 10000) AS g", []string{tooMuch, noMemory}},
	{"array_agg", "SELECT cardinality(array_agg(g)) FROM generate_series(1, 1000000000) AS g", []string{tooMuch, noMemory}},
	{"array_agg of texts", "SELECT cardinality(array_agg(repeat('x', 100000))) FROM generate_series(1, 1000000) AS g", []string{tooMuch, noMemory}},
	{"jsonb_agg", "SELECT length(jsonb_agg(repeat('x', 100000))::text) FROM generate_series(1, 1000000) AS g", []string{tooMuch, noMemory}},
	{"json_object_agg", "SELECT length(json_object_agg(g, repeat('x', 100000))::text) FROM generate_series(1, 1000000) AS g", []string{tooMuch, noMemory}},
	{"count of distinct texts", "SELECT count(DISTINCT repeat('x', 100000) || g) FROM generate_series(1, 1000000) AS g", []string{answers, noMemory}},
	{"array_fill", "SELECT cardinality(array_fill(1, ARRAY[1000000000]))", []string{tooMuch, noMemory}},
	{"array_fill of dimensions", "SELECT cardinality(array_fill(1, ARRAY[1000, 1000, 1000]))", []string{tooMuch, noMemory, unsupported}},
	{"string_to_array", "SELECT cardinality(string_to_array(repeat(',', 50000000), ','))", []string{answers, tooMuch, noMemory}},
	{"array concatenation", "WITH RECURSIVE t AS (SELECT ARRAY[1] AS a, 1 AS n UNION ALL SELECT a || a, n + 1 FROM t WHERE n < 60) SELECT max(cardinality(a)) FROM t", []string{tooMuch, noMemory}},
	{"power", "SELECT 10::numeric ^ 131071", []string{answers}},
	{"power beyond", "SELECT 10::numeric ^ 1000000", []string{outOfRange}},
	{"power of a fraction", "SELECT 1.0000001::numeric ^ 1000000000000", []string{answers, outOfRange}},
	{"power of a long number", "SELECT (repeat('9', 100000)::numeric) ^ 1.3", []string{answers, outOfRange}},
	{"factorial", "SELECT factorial(1000000)", []string{outOfRange}},
	{"factorial of the largest", "SELECT length(factorial(32177)::text)", []string{answers}},
	{"exp", "SELECT exp(1000000::numeric)", []string{outOfRange}},
	{"ln", "SELECT ln(repeat('9', 131000)::numeric)", []string{answers}},
	{"sqrt", "SELECT sqrt(repeat('9', 131000)::numeric)", []string{answers}},
	{"product", "SELECT length((repeat('9', 65000)::numeric * repeat('9', 65000)::numeric)::text)", []string{answers}},
	{"quotient", "SELECT length(div(repeat('9', 131000)::numeric, repeat('7', 65000)::numeric)::text)", []string{answers}},
	{"gcd", "SELECT length(gcd(repeat('9', 131000)::numeric, repeat('7', 130000)::numeric)::text)", []string{answers}},
	{"many long products", "SELECT sum(repeat('9', 60000)::numeric * (repeat('9', 60000)::numeric + g)) FROM generate_series(1, 100000) AS g", []string{answers}},
	{"to_char", "SELECT length(to_char(1, repeat('9', 10000000)))", []string{answers, tooMuch, "22P02", "22023", "42601"}},

	// What runs.
	{"cross join", "SELECT count(*) FROM generate_series(1, 100000) AS a, generate_series(1, 100000) AS b", nil},
	{"cross join with a condition", "SELECT count(*) FROM generate_series(1, 100000) AS a, generate_series(1, 100000) AS b WHERE a # b = -1", nil},
	{"cross join, sorted", "SELECT a FROM generate_series(1, 100000) AS a, generate_series(1, 100000) AS b ORDER BY a # b LIMIT 1", nil},
	{"cross join, sent", "SELECT a, b FROM generate_series(1, 100000) AS a, generate_series(1, 100000) AS b", nil},
	{"cross join, grouped", "SELECT count(*) FROM (SELECT a # b AS x FROM generate_series(1, 100000) AS a, generate_series(1, 100000) AS b GROUP BY 1) AS t", nil},
	{"join of equals", "SELECT count(*) FROM generate_series(1, 1000000) AS a JOIN generate_series(1, 1000000) AS b ON a % 2 = b % 2", nil},
	{"asof", "SELECT count(*) FROM generate_series(1, 100000) AS a, generate_series(1, 100000) AS b, generate_series(1, 100000) AS c", nil},
	{"correlated subquery", "SELECT sum((SELECT count(*) FROM generate_series(1, 1000000) AS b WHERE b < a)) FROM generate_series(1, 1000000) AS a", nil},
	{"lateral", "SELECT count(*) FROM generate_series(1, 1000000) AS a, LATERAL generate_series(1, a) AS b", nil},
	{"series", "SELECT count(*) FROM generate_series(1, 1000000000000)", nil},
	{"series, sent", "SELECT * FROM generate_series(1, 1000000000000)", nil},
	{"series in a list", "SELECT generate_series(1, 1000000000000)", nil},
	{"series of times", "SELECT count(*) FROM generate_series('2000-01-01'::timestamptz, '290000-01-01', '1 microsecond')", nil},
	{"series of numerics", "SELECT count(*) FROM generate_series(1::numeric, 1e12)", nil},
	{"series, sorted", "SELECT * FROM generate_series(1, 1000000000000) AS g ORDER BY -g", nil},
	{"recursion", "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t) SELECT count(*) FROM t", []string{"22003"}},
	{"recursion, stuck", "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n FROM t) SELECT count(*) FROM t", nil},
	{"recursion that doubles", "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n FROM t, (VALUES (1), (2)) AS v) SELECT count(*) FROM t", []string{noMemory}},
	{"recursion of distinct rows", "WITH RECURSIVE t AS (SELECT 1::bigint AS n UNION SELECT n + 1 FROM t) SELECT count(*) FROM t", nil},
	{"exploding regular expression", "SELECT repeat('a', 5000) || 'b' ~ '^(((((a*)*)*)*)*)*$'", []string{answers, badRegex}},
	{"exploding regular expression with references", `SELECT repeat('a', 100) ~ '^(a*)*(a*)*(a*)*(a*)*\1\2\3\4b$'`, []string{answers, badRegex, unsupported}},
	{"exploding bounds", "SELECT repeat('a', 1000) ~ '((a{1,255}){1,255}){1,255}b'", []string{answers, badRegex}},
	{"exploding alternatives", "SELECT repeat('a', 1000000) ~ '(a|aa|aaa)*b'", []string{answers, badRegex}},
	{"many matches", "SELECT count(*) FROM regexp_matches(repeat('a', 3000000), 'a', 'g')", []string{answers, noMemory, tooMuch}},
	{"a long match", "SELECT length(regexp_replace(repeat('ab', 10000000), 'a(.*)b', '\\1', 'g'))", []string{answers, noMemory}},
	{"regexp_split", "SELECT count(*) FROM regexp_split_to_table(repeat('a,', 3000000), ',')", []string{answers, noMemory, tooMuch}},
	{"LIKE", "SELECT repeat('a', 1000000) LIKE '%a%a%a%a%a%a%a%a%a%a%b'", []string{answers}},
	{"LIKE with underscores", "SELECT repeat('a', 200000) LIKE '%' || repeat('_a%', 2000) || 'b'", []string{answers}},
	{"SIMILAR TO", "SELECT repeat('a', 100000) SIMILAR TO '(a|aa)*b'", []string{answers, badRegex}},
	{"position", "SELECT position(repeat('a', 5000000) || 'b' IN repeat('a', 10000000))", []string{answers}},
	{"jsonpath over all", "SELECT count(*) FROM jsonb_path_query((SELECT jsonb_agg(g) FROM generate_series(1, 3000) AS g), '$[*] ? (exists ($[*] ? (@ == 0)))')", nil},
	{"jsonb_path_query of ranges", "SELECT count(*) FROM jsonb_path_query('[[[1]]]', '$[0 to 2000000000]')", []string{answers}},
	{"window frames", "SELECT sum(s) FROM (SELECT sum(g::numeric) OVER (ORDER BY g ROWS BETWEEN 100000 PRECEDING AND 100000 FOLLOWING EXCLUDE CURRENT ROW) AS s FROM generate_series(1, 400000) AS g) AS t", []string{answers, noMemory}},
	{"window frames of texts", "SELECT max(s) FROM (SELECT max(g::text) OVER (ORDER BY g ROWS BETWEEN 100000 PRECEDING AND 100000 FOLLOWING) AS s FROM generate_series(1, 400000) AS g) AS t", []string{answers, noMemory}},
	{"window over all", "SELECT max(n) FROM (SELECT row_number() OVER (ORDER BY -g) AS n FROM generate_series(1, 1000000000) AS g) AS t", []string{noMemory}},
	{"catalogue", "SELECT count(*) FROM pg_class AS a, pg_class AS b, pg_attribute AS c, pg_attribute AS d, pg_proc AS e, pg_proc AS f WHERE a.relname > f.proname", nil},
	{"sleep", "SELECT pg_sleep(1000)", nil},
	{"many sleeps", "SELECT count(pg_sleep(0.001)) FROM generate_series(1, 1000000)", nil},
	{"md5", "SELECT count(md5(repeat('x', 1000000) || g)) FROM generate_series(1, 1000000) AS g", nil},
	{"insert", "INSERT INTO sink SELECT g, repeat('x', 1000) FROM generate_series(1, 1000000000) AS g", []string{noMemory, tooMuch}},
	{"create table as", "CREATE TABLE IF NOT EXISTS sink2 AS SELECT g, repeat('x', 1000) AS t FROM generate_series(1, 1000000000) AS g", []string{noMemory, tooMuch}},
	{"fifty joins", "SELECT count(*) FROM " + list(50, " NATURAL JOIN ", "short AS s%d"), []string{answers}},
	{"two hundred joins", "SELECT count(*) FROM " + list(200, " NATURAL JOIN ", "short AS s%d"), []string{answers}},
	{"two hundred cross joins", "SELECT count(*) FROM " + list(200, ", ", "short AS s%d"), nil},
}
