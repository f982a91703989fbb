package parse

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/ast"
)

type goldenCase struct{ sql, want string }

func golden(t testing.TB) []goldenCase {
	data, err := os.ReadFile("testdata/postgres.txt")
	if err != nil {
		t.Fatal(err)
	}
	var cases []goldenCase
	_, body, _ := strings.Cut(string(data), "\n\n")
	for part := range strings.SplitSeq(body, "\n\n") {
		if sql, want, ok := strings.Cut(part, "\n----\n"); ok {
			cases = append(cases, goldenCase{sql, strings.TrimRight(want, "\n")})
		}
	}
	if len(cases) < 600 {
		t.Fatalf("only %d cases in testdata/postgres.txt", len(cases))
	}
	return cases
}

func verdict(err error) string {
	var e *pgerr.Error
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &e):
		return fmt.Sprintf("%s %s @%d", e.Code, e.Message, e.Position)
	}
	return err.Error()
}

// TestPostgres checks acceptance, messages and positions against a recording
// of PostgreSQL.
func TestPostgres(t *testing.T) {
	for _, c := range golden(t) {
		_, err := Parse(c.sql)
		if got := verdict(err); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.sql, got, c.want)
		}
	}
}

// TestDifferences pins where we answer otherwise than PostgreSQL's parser: it
// refuses these too, but later.
func TestDifferences(t *testing.T) {
	for _, c := range []goldenCase{
		{"insert into t values (1) on conflict do update set a = 1",
			"42601 ON CONFLICT DO UPDATE requires inference specification or constraint name @26"},
		{"update t set a.* = 1", "42601 syntax error at or near \"=\" @18"},
		{"comment on column a is 'x'", "42601 column name must be qualified @19"},
		{"explain create table t (a int)", "42601 syntax error at end of input @31"},
		{"select xmlelement(name foo)", "0A000 XMLELEMENT is not supported @8"},
		{"select xmlparse(document 'x')", "0A000 XMLPARSE is not supported @8"},
		{"set x from current", "0A000 SET ... FROM CURRENT is not supported @7"},
		{"select 'a\x00b'", "22021 invalid byte sequence for encoding \"UTF8\": 0x00 @0"},
		{"select 'a\xffb'", "22021 invalid byte sequence for encoding \"UTF8\": 0xff @0"},
		{"select * from a asof join b on a.t >= b.t", "ok"},
		{"select * from a asof inner join b on a.t >= b.t", "ok"},
		{"select * from a asof left join b on a.t >= b.t", "ok"},
		{"select * from a as asof left join b on a.t >= b.t, c asof", "ok"},
	} {
		_, err := Parse(c.sql)
		if got := verdict(err); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.sql, got, c.want)
		}
	}
}

// TestRoundTrip writes every accepted query as SQL and reads it again.
func TestRoundTrip(t *testing.T) {
	rounds := 0
	for _, c := range golden(t) {
		stmts, err := Parse(c.sql)
		if err != nil {
			continue
		}
		for _, s := range stmts {
			switch s.Node.(type) {
			case *ast.Insert, *ast.Update, *ast.Delete: // are written as a part of a query
				var err error
				if s, err = parseOne("with x as (" + s.Text + ") select"); err != nil {
					t.Errorf("%s: %v", c.sql, err)
					continue
				}
			}
			if q, ok := s.Node.(*ast.Select); ok {
				rounds++
				roundTrip(t, q)
			}
		}
	}
	if rounds < 210 {
		t.Errorf("only %d queries made the round trip", rounds)
	}
}

func parseOne(sql string) (Stmt, error) {
	stmts, err := Parse(sql)
	if err != nil {
		return Stmt{}, err
	}
	return stmts[0], nil
}

func roundTrip(t *testing.T, q *ast.Select) {
	t.Helper()
	once := ast.DeparseSelect(q)
	again, err := ParseSelect(once)
	if pgerr.Code(err) == pgerr.StatementTooComplex {
		return // the parentheses that deparsing adds nest deeper
	}
	if err != nil {
		t.Errorf("%s\nparse again: %v", once, err)
		return
	}
	if twice := ast.DeparseSelect(again); twice != once {
		t.Errorf("deparse changed:\n%s\n%s", once, twice)
	}
}

func TestDeparse(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"1+2*3", "(1 + (2 * 3))"},
		{"a - b - c", "((a - b) - c)"},
		{"2 ^ 3 ^ 2", "((2 ^ 3) ^ 2)"},
		{"-2 ^ 2", "('-2'::integer ^ 2)"},
		{"- x ^ 2", "((- x) ^ 2)"},
		{"-9223372036854775808", "'-9223372036854775808'::bigint"},
		{"-1.5", "'-1.5'::numeric"},
		{"-1::text", "(- (1)::text)"},
		{"@ a + b", "(@ (a + b))"},
		{"a || b || c + 1", "((a || b) || (c + 1))"},
		{"not a = b and c or d", "(((NOT (a = b)) AND c) OR d)"},
		{"a and b and c", "(a AND b AND c)"},
		{"a < b is null", "((a < b) IS NULL)"},
		{"a is null = b", "((a IS NULL) = b)"},
		{"a between 1 and 2 + 3 and c", "((a BETWEEN 1 AND (2 + 3)) AND c)"},
		{"a like b || 'x' escape 'y'", "(a LIKE (b || 'x') ESCAPE 'y')"},
		{"a not in (1, 2)", "(a NOT IN (1, 2))"},
		{"a = any (array[1,2])", "(a = ANY (ARRAY[1, 2]))"},
		{"a not like all (b)", "(a !~~ ALL (b))"},
		{"a at time zone 'UTC' at time zone b", "((a AT TIME ZONE 'UTC') AT TIME ZONE b)"},
		{"a collate \"C\" || b", "((a COLLATE \"C\") || b)"},
		{"extract(year from a)", "EXTRACT('year' FROM a)"},
		{"trim(leading 'x' from a)", "TRIM(LEADING 'x' FROM a)"},
		{"position('a' in b)", "POSITION('a' IN b)"},
		{"substring(a for 2)", "pg_catalog.\"substring\"(a, 1, (2)::integer)"},
		{"a::timestamp(3) with time zone", "(a)::timestamp(3) with time zone"},
		{"'1'::interval hour to second(3)", "'1'::interval hour to second(3)"},
		{"interval '1' day", "'1'::interval day"},
		{"char 'abc'", "'abc'::pg_catalog.bpchar"},
		{"a::char", "(a)::character(1)"},
		{"a::varchar(10)[][3]", "(a)::character varying(10)[][3]"},
		{"E'a\\nb\\\\'", "E'a\nb\\\\'"},
		{"a[1:2][3]", "a[1 : 2][3]"},
		{"(f(x)).y[1]", "((f(x)).y)[1]"},
		{"count(distinct a) filter (where b) over (partition by c order by d desc rows 5 preceding)",
			"count(DISTINCT a) FILTER (WHERE b) OVER (PARTITION BY c ORDER BY d DESC ROWS BETWEEN 5 PRECEDING AND CURRENT ROW)"},
		{"percentile_cont(0.5) within group (order by x)", "percentile_cont(0.5) WITHIN GROUP (ORDER BY x)"},
		{"case a when 1 then 2 else 3 end", "CASE a WHEN 1 THEN 2 ELSE 3 END"},
		{"(select 1 union select 2 order by 1 limit 3)", "(SELECT 1 UNION SELECT 2 ORDER BY 1 LIMIT 3)"},
		{"exists (select from a left join b using (x) where c)", "EXISTS (SELECT FROM (a LEFT JOIN b USING (x)) WHERE c)"},
		{"\"A b\".\"select\"", "\"A b\".\"select\""},
		{"U&'\\00e9' || U&\"\\0061\"", "('é' || a)"},
	} {
		e, err := ParseExpr(c.in)
		if err != nil {
			t.Errorf("%s: %v", c.in, err)
			continue
		}
		if got := ast.Deparse(e); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.in, got, c.want)
		}
	}
}

// TestColumnNames has PostgreSQL's names for columns without an alias.
func TestColumnNames(t *testing.T) {
	for in, want := range map[string]string{
		"a.b": "b", "a": "a", "1": "?column?", "a + 1": "?column?", "1::int": "int4", "a::int": "a", "true": "?column?",
		"interval '1 day'": "interval", "f(x)": "f", "s.f(x)": "f", "count(*)": "count", "a[1]": "a", "(a).b": "b",
		"case when a then b end": "case", "case when a then b else c end": "c", "extract(year from a)": "extract",
		"trim(a)": "btrim", "a at time zone 'x'": "timezone", "coalesce(a, b)": "coalesce", "nullif(a, b)": "nullif",
		"greatest(a)": "greatest", "least(a)": "least", "array[1]": "array", "array(select 1)": "array",
		"exists (select 1)": "exists", "(select a from t)": "a", "(select max(a) from t)": "max", "(select 1)": "?column?",
		"(select 1 as x)": "x", "row(1)": "row", "(1, 2)": "row", "current_date": "current_date", "user": "user",
		"a is null": "?column?", "not a": "?column?", "a in (1)": "?column?", "a collate \"C\"": "a", "grouping(a)": "grouping",
		"'x'": "?column?", "null": "?column?", "$1": "?column?", "-a": "?column?", "f(x)::text": "f", "substring(a, 1)": "substring",
		"a is normalized": "is_normalized", "current_timestamp(3)": "current_timestamp", "'x'::varchar(3)": "varchar",
	} {
		e, err := ParseExpr(in)
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		if got := ast.ColumnName(e); got != want {
			t.Errorf("%s: name %q, want %q", in, got, want)
		}
	}
}

func TestStatements(t *testing.T) {
	stmts, err := Parse("  select 'é' ; ;\n insert into t values (1) -- end\n; ")
	if err != nil || len(stmts) != 2 {
		t.Fatalf("got %v, %v", stmts, err)
	}
	if s := stmts[0]; s.Text != "select 'é'" || s.Offset != 2 || s.Node.Position() != 3 {
		t.Errorf("first: %q at %d, position %d", s.Text, s.Offset, s.Node.Position())
	}
	if s := stmts[1]; s.Text != "insert into t values (1)" || s.Node.Position() != 19 {
		t.Errorf("second: %q, position %d", s.Text, s.Node.Position())
	}
	for _, sql := range []string{"", ";", " ; -- x", "/* x */"} {
		if stmts, err := Parse(sql); err != nil || len(stmts) != 0 {
			t.Errorf("%q: %v, %v", sql, stmts, err)
		}
	}
}

func TestNames(t *testing.T) {
	long := strings.Repeat("é", 40)
	e, err := ParseExpr(`Abc."Abc"."x""y".` + long)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"abc", "Abc", `x"y`, strings.Repeat("é", 31)}
	got := e.(*ast.ColumnRef).Names
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestLimits: long chains are no nesting; deep nesting ends with an error.
func TestLimits(t *testing.T) {
	const terms = 30000
	for _, c := range []struct{ name, sql, want string }{
		{"sum", "select " + strings.Repeat("1+", terms) + "1", "ok"},
		{"or", "select " + strings.Repeat("a = 1 or ", terms) + "b", "ok"},
		{"in", "select a in (" + strings.Repeat("1,", terms) + "1)", "ok"},
		{"union", strings.Repeat("select 1 union all ", terms) + "select 1", "ok"},
		{"cast", "select 1" + strings.Repeat("::int", terms), "ok"},
		{"join", "select * from a" + strings.Repeat(" join a on true", terms), "ok"},
		{"subscript", "select a" + strings.Repeat("[1]", terms), "ok"},
		{"parens", "select " + strings.Repeat("(", 1000) + "1" + strings.Repeat(")", 1000), "ok"},
		{"deep parens", "select " + strings.Repeat("(", 1<<20), "54001"},
		{"deep not", "select " + strings.Repeat("not ", 1<<20), "54001"},
		{"deep minus", "select " + strings.Repeat("- ", 1<<20), "54001"},
		{"deep select", strings.Repeat("(", 1<<20) + "select", "54001"},
		{"deep from", "select * from " + strings.Repeat("(", 1<<20) + "a", "54001"},
		{"deep with", strings.Repeat("with a as (", 1<<18) + "select", "54001"},
		{"deep array", "select array" + strings.Repeat("[", 1<<20), "54001"},
		{"deep case", "select " + strings.Repeat("case when ", 1<<18), "54001"},
		{"deep grouping", "select 1 group by " + strings.Repeat("grouping sets (", 1<<18), "54001"},
		{"deep joins", "select * from " + strings.Repeat("a join ", 1<<18), "54001"},
		{"deep explain", strings.Repeat("explain ", 1<<18), "42601"},
		{"deep prepare", strings.Repeat("prepare a as ", 1<<18), "42601"},
	} {
		start := time.Now()
		_, err := Parse(c.sql)
		got := "ok"
		if err != nil {
			got = pgerr.Code(err)
		}
		if got != c.want {
			t.Errorf("%s: %s (%v), want %s", c.name, got, err, c.want)
		}
		if d := time.Since(start); d > 5*time.Second {
			t.Errorf("%s took %v", c.name, d)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, c := range golden(f) {
		f.Add(c.sql)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		stmts, err := Parse(sql)
		if err != nil {
			var e *pgerr.Error
			if !errors.As(err, &e) || e.Code == "" || e.Position < 0 || e.Position > len(sql)+1 {
				t.Fatalf("%q: error %#v", sql, err)
			}
			return
		}
		for _, s := range stmts {
			if q, ok := s.Node.(*ast.Select); ok {
				roundTrip(t, q)
			}
		}
	})
}

const dashboard = `SELECT date_trunc('hour', ts) AS "time", route_id, avg(speed) AS "avg", max(speed), count(*) FILTER (WHERE speed > 50)
FROM bus_positions p JOIN routes r USING (route_id)
WHERE ts BETWEEN '2024-01-01T00:00:00Z' AND '2024-01-02T00:00:00Z' AND p.vehicle_id IN ('a', 'b', 'c') AND r.city = 'Austin'
  AND (speed IS NOT NULL OR latitude::numeric(10,2) > 30.25)
GROUP BY 1, 2 HAVING count(*) > 10 ORDER BY 1, 2 DESC NULLS LAST LIMIT 1000`

func BenchmarkDashboard(b *testing.B) {
	b.ReportAllocs()
	b.SetBytes(int64(len(dashboard)))
	for b.Loop() {
		if _, err := Parse(dashboard); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkInsert(b *testing.B) {
	row := "('bus_1234', '2024-01-02 03:04:05+00', 12.5, 'route 7', 30.267153, -97.743061)"
	sql := "INSERT INTO bus_positions VALUES " + strings.Repeat(row+",", 9999) + row
	b.ReportAllocs()
	b.SetBytes(int64(len(sql)))
	for b.Loop() {
		if _, err := Parse(sql); err != nil {
			b.Fatal(err)
		}
	}
}

// TestContext: parsing ends with its context, wherever it is.
func TestContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, sql := range []string{strings.Repeat("SELECT;", 1000), "SELECT " + strings.Repeat("1 + ", 1000) + "1"} {
		if _, err := ParseContext(ctx, sql); !errors.Is(err, context.Canceled) {
			t.Errorf("%.20s: %v", sql, err)
		}
	}
}
