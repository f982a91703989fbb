package difftest

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// typedLiterals are values of each type, those at the edges among them.
var typedLiterals = map[string][]string{
	"bool":        {"true", "f"},
	"int2":        {"0", "-32768", "32767"},
	"int4":        {"0", "-2147483648", "2147483647"},
	"int8":        {"0", "-9223372036854775808", "9223372036854775807"},
	"oid":         {"0", "4294967295"},
	"float4":      {"0", "-0", "1.5", "3.4028235e38", "1e-45", "NaN", "Infinity", "-Infinity", "0.1"},
	"float8":      {"0", "-0", "1.5", "1.7976931348623157e308", "5e-324", "NaN", "Infinity", "-Infinity", "0.1"},
	"numeric":     {"0", "0.00", "1", "-1", "12345678901234567890.0123456789", "1e-10", "1e100", "NaN", "Infinity", "-Infinity", "0.0001", "10000", "99999999"},
	"text":        {"", "a", "é✓", "tab\there"},
	"varchar":     {"", "abc"},
	"varchar(3)":  {"abc"},
	"char(5)":     {"", "ab"},
	"name":        {"abc"},
	"bytea":       {"", `\x00ff10`},
	"date":        {"2000-01-01", "1999-12-31", "4713-01-01 BC", "5874897-12-31", "infinity", "-infinity"},
	"time":        {"00:00", "23:59:59.999999", "24:00"},
	"timestamp":   {"2000-01-01", "1969-12-31 23:59:59.999999", "infinity", "-infinity", "4713-01-01 BC", "294246-12-31 23:59:59.999999"},
	"timestamptz": {"2000-01-01 00:00+00", "2024-02-29 12:34:56.789+02", "infinity"},
	"interval":    {"0", "1 year 2 mons 3 days 04:05:06.789", "-1 mons +2 days -03:00", "1 microsecond"},
	"uuid":        {"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"},
	"json":        {`{"b": 1,  "a":[1,2]}`, "null"},
	"jsonb":       {`{"b": 1,  "a":[1,2]}`, "null", "1.50", `"x"`},
	"regtype":     {"int4", "-"},
	"regclass":    {"pg_class"},
	"int4[]":      {"{}", "{1,NULL,3}"},
	"text[]":      {"{}", `{a,"b c","d\"e",NULL,"NULL",""}`},
	"float8[]":    {"{1.5,-0,NaN}"},
	"bool[]":      {"{t,f,NULL}"},
	"numeric[]":   {"{1.50,NaN}"},
	"timestamp[]": {`{"2020-01-01 00:00:00",infinity}`},
	"date[]":      {"{2020-01-01}"},
	"uuid[]":      {"{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}"},
	"bytea[]":     {`{"\\x00ff"}`},
	"jsonb[]":     {`{"{\"a\": 1}"}`},
	"interval[]":  {`{"1 day","02:00:00"}`},
}

// TestValueFormats sends and fetches values of every type in both formats.
func TestValueFormats(t *testing.T) {
	p := open(t)
	for typ, literals := range typedLiterals {
		for _, literal := range literals {
			t.Run(typ+"/"+literal, func(t *testing.T) {
				quoted := "'" + strings.ReplaceAll(literal, "'", "''") + "'"
				out := script{parse("", fmt.Sprintf("SELECT %s::%s, NULL::%s", quoted, typ, typ)), describe('S', ""), binary(bind("", "")), execute("", 0), bind("", ""), execute("", 0), synced}
				want, got := talk(t, p.pgDSN, out), talk(t, p.oursDSN, out)
				if d := diffLines(want, got); d != "" {
					t.Fatal(d)
				}
				raw := binaryValue(t, p.pgDSN, fmt.Sprintf("SELECT %s::%s", quoted, typ))
				in := script{parse("", "SELECT $1::"+typ)}
				for _, format := range []int16{0, 1} {
					value := []byte(literal)
					if format == 1 {
						value = raw
					}
					in = append(in, bindFormats([][]byte{value}, []int16{format}, nil), execute("", 0))
				}
				want, got = talk(t, p.pgDSN, in), talk(t, p.oursDSN, in)
				if d := diffLines(want, got); d != "" {
					t.Fatalf("as a parameter: %s", d)
				}
			})
		}
	}
}

// TestRowFormats sends and fetches rows of a composite type in both formats. What they are made of is
// told by OIDs of PostgreSQL's own types, which are the same on both sides.
func TestRowFormats(t *testing.T) {
	p := open(t)
	setup := script{simple("CREATE TYPE fix AS (a int, b text, c numeric[])")}
	if d := diffLines(talk(t, p.pgDSN, setup), talk(t, p.oursDSN, setup)); d != "" {
		t.Fatal(d)
	}
	for _, literal := range []string{`(1,"a b","{1.50,NULL}")`, "(,,)", `(-7,"",{})`} {
		query := "SELECT '" + literal + "'::fix"
		raw, ours := binaryValue(t, p.pgDSN, query), binaryValue(t, p.oursDSN, query)
		if !bytes.Equal(raw, ours) {
			t.Errorf("%s: want %x, got %x", literal, raw, ours)
		}
		other := append([]byte(nil), raw...)
		other[7] = 25 // the type of the first field
		short := append([]byte{0, 0, 0, 2}, raw[4:]...)
		for _, value := range [][]byte{raw, raw[:len(raw)-1], append(append([]byte(nil), raw...), 0), raw[:3], raw[:6], other, short} {
			s := script{parse("", "SELECT ($1::fix)::text, ($1).b"), bindFormats([][]byte{value}, []int16{1}, nil), execute("", 0)}
			if d := diffLines(codesOnly(talk(t, p.pgDSN, s)), codesOnly(talk(t, p.oursDSN, s))); d != "" {
				t.Errorf("%s, as %x: %s", literal, value, d)
			}
		}
	}
}

// TestBrokenBinary sends values that are no values.
func TestBrokenBinary(t *testing.T) {
	p := open(t)
	for typ, literals := range typedLiterals {
		t.Run(typ, func(t *testing.T) {
			raw := binaryValue(t, p.pgDSN, fmt.Sprintf("SELECT '%s'::%s", strings.ReplaceAll(literals[len(literals)-1], "'", "''"), typ))
			for _, value := range [][]byte{{}, raw[:max(0, len(raw)-1)], append(append([]byte(nil), raw...), 0), {0xff}, []byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")} {
				s := script{parse("", "SELECT $1::"+typ), bindFormats([][]byte{value}, []int16{1}, nil), execute("", 0)}
				want, got := talk(t, p.pgDSN, s), talk(t, p.oursDSN, s)
				if d := diffLines(codesOnly(want), codesOnly(got)); d != "" {
					t.Errorf("%x: %s", value, d)
				}
			}
		})
	}
}

// codesOnly leaves out the messages of errors.
func codesOnly(lines []string) []string {
	out := make([]string, len(lines))
	for i, l := range lines {
		if strings.HasPrefix(l, "ErrorResponse") {
			l, _, _ = strings.Cut(l, " position")
		}
		out[i] = l
	}
	return out
}

// binaryValue returns the one value of a query in binary.
func binaryValue(t *testing.T, dsn, sql string) []byte {
	t.Helper()
	conn := connect(t, dsn)
	defer conn.Close(t.Context())
	r := conn.PgConn().ExecParams(t.Context(), sql, nil, nil, nil, []int16{pgproto3.BinaryFormat})
	var v []byte
	for r.NextRow() {
		v = append([]byte{}, r.Values()[0]...)
	}
	if _, err := r.Close(); err != nil {
		t.Fatal(err)
	}
	return v
}

// TestCopyOut compares COPY (query) TO STDOUT.
func TestCopyOut(t *testing.T) {
	const rows = `(SELECT g, CASE g WHEN 1 THEN 'plain' WHEN 2 THEN NULL WHEN 3 THEN '' WHEN 4 THEN E'tab\t nl\n cr\r back\\ ' ELSE 'q"uo,te;''' END AS s,
		g * 1.5 AS n, g % 2 = 0 AS b FROM generate_series(1, 5) g ORDER BY g)`
	scripts := map[string]script{}
	for name, options := range map[string]string{
		"text": "", "text options": "(DELIMITER '|', NULL 'none')", "text header": "(HEADER)", "old style": "DELIMITER ';' NULL AS 'x'",
		"csv": "(FORMAT csv)", "csv header": "(FORMAT csv, HEADER true)", "csv options": "(FORMAT csv, DELIMITER ';', QUOTE '''', ESCAPE '\\', NULL '-')",
		"csv force": "(FORMAT csv, FORCE_QUOTE (s, n))", "csv force all": "(FORMAT csv, FORCE_QUOTE *)", "csv old style": "CSV HEADER", "csv tab": `(FORMAT csv, DELIMITER E'\t')`,
		"binary": "(FORMAT binary)", "binary old": "BINARY", "encoding": "(ENCODING 'UTF8')",
		"bad format": "(FORMAT xml)", "bad delimiter": "(DELIMITER 'ab')", "delimiter newline": `(DELIMITER E'\n')`, "delimiter letter": "(DELIMITER 'a')", "quote in text": "(QUOTE '\"')",
		"escape in text": "(ESCAPE 'x')", "force in text": "(FORCE_QUOTE *)", "force unknown": "(FORMAT csv, FORCE_QUOTE (nope))", "null with delimiter": "(NULL 'a,b', FORMAT csv)", "header binary": "(FORMAT binary, HEADER)",
		"delimiter binary": "(FORMAT binary, DELIMITER ',')", "null binary": "(FORMAT binary, NULL 'x')", "twice": "(NULL 'a', NULL 'b')", "unknown option": "(NONSENSE 1)", "header match": "(HEADER match)", "header wrong": "(HEADER maybe)",
		"force not null": "(FORMAT csv, FORCE_NOT_NULL (s))", "force null": "(FORMAT csv, FORCE_NULL (s))", "same quote": "(FORMAT csv, QUOTE ',')", "quote in null": `(FORMAT csv, NULL '"')`, "newline in null": `(NULL E'a\nb')`, "freeze": "(FREEZE)",
		"bad encoding": "(ENCODING 'klingon')", "empty delimiter": "(DELIMITER '')", "long quote": "(FORMAT csv, QUOTE 'ab')",
	} {
		scripts[name] = script{simple("COPY " + rows + " TO STDOUT " + options)}
		scripts[name+", extended"] = run("COPY " + rows + " TO STDOUT " + options)
	}
	scripts["no rows"] = script{simple("COPY (SELECT 1 AS x WHERE false) TO STDOUT (FORMAT csv, HEADER)"), simple("COPY (SELECT 1 WHERE false) TO STDOUT (FORMAT binary)")}
	scripts["no columns"] = script{simple("COPY (SELECT FROM generate_series(1, 2)) TO STDOUT")}
	scripts["every type"] = script{simple(`COPY (SELECT true, 1::int2, 'x'::bytea, date '2020-01-01', time '10:00', timestamp '2020-01-01', timestamptz '2020-01-01 00:00Z',
		interval '1 day', '{1,NULL}'::int[], '{"a": 1}'::jsonb, 'pg_class'::regclass, 1.5::float8) TO STDOUT`)}
	scripts["several"] = script{simple("COPY (SELECT 1) TO STDOUT; SELECT 2; COPY (SELECT 3) TO STDOUT")}
	scripts["error"] = script{simple("COPY (SELECT nope) TO STDOUT"), simple("COPY nosuch TO STDOUT"), simple("COPY (SELECT 1) FROM STDIN"), simple("COPY nosuch FROM STDIN"), simple("COPY (SELECT 1) TO STDOUT WHERE true")}
	scripts["catalogue"] = script{simple("COPY pg_catalog.pg_namespace (nspname) TO STDOUT WITH (FORMAT nonsense)"), simple("COPY pg_catalog.pg_namespace (nope) TO STDOUT")}
	scripts["copy data unasked"] = script{copyData("1\n"), copyDone, simple("SELECT 1"), copyFail, simple("SELECT 2")}
	compareScripts(t, open(t), scripts)
}
