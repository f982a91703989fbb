package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// arrowFile writes a stream with one batch, from JSON.
func arrowFile(t testing.TB, rows string, fields ...arrow.Field) string {
	t.Helper()
	schema := arrow.NewSchema(fields, nil)
	batch, _, err := array.RecordFromJSON(memory.DefaultAllocator, schema, strings.NewReader(rows))
	if err != nil {
		t.Fatal(err)
	}
	defer batch.Release()
	var out bytes.Buffer
	w := ipc.NewWriter(&out, ipc.WithSchema(schema))
	if err := w.Write(batch); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "file.arrows")
	if err := os.WriteFile(path, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func field(name string, t arrow.DataType) arrow.Field {
	return arrow.Field{Name: name, Type: t, Nullable: true}
}

// TestImportForeignTypes imports types that an export never writes.
func TestImportForeignTypes(t *testing.T) {
	p, conn := startServer(t)
	for _, c := range []struct {
		name, rows, typ, want string
		t                     arrow.DataType
	}{
		{"int8", `[{"a": -128}, {"a": null}]`, "smallint", `["-128"] [""]`, arrow.PrimitiveTypes.Int8},
		{"uint8", `[{"a": 255}]`, "smallint", `["255"]`, arrow.PrimitiveTypes.Uint8},
		{"uint16", `[{"a": 65535}]`, "integer", `["65535"]`, arrow.PrimitiveTypes.Uint16},
		{"uint32", `[{"a": 4294967295}]`, "bigint", `["4294967295"]`, arrow.PrimitiveTypes.Uint32},
		{"uint64", `[{"a": 18446744073709551615}]`, "numeric(20,0)", `["18446744073709551615"]`, arrow.PrimitiveTypes.Uint64},
		{"float16", `[{"a": 1.5}]`, "real", `["1.5"]`, arrow.FixedWidthTypes.Float16},
		{"decimal32", `[{"a": "-1.25"}]`, "numeric(9,2)", `["-1.25"]`, &arrow.Decimal32Type{Precision: 9, Scale: 2}},
		{"decimal256", `[{"a": "12345678901234567890123456789012345678901234567890.5"}]`, "numeric(76,1)", `["12345678901234567890123456789012345678901234567890.5"]`, &arrow.Decimal256Type{Precision: 76, Scale: 1}},
		{"largestring", `[{"a": "x"}]`, "text", `["x"]`, arrow.BinaryTypes.LargeString},
		{"stringview", `[{"a": "longer than twelve bytes"}]`, "text", `["longer than twelve bytes"]`, arrow.BinaryTypes.StringView},
		{"fixedbinary", `[{"a": "AAEC"}]`, "bytea", `["\\x000102"]`, &arrow.FixedSizeBinaryType{ByteWidth: 3}},
		{"date64", `[{"a": "2026-11-29"}]`, "date", `["2026-11-29"]`, arrow.FixedWidthTypes.Date64},
		{"time32s", `[{"a": "12:34:56"}]`, "time without time zone", `["12:34:56"]`, arrow.FixedWidthTypes.Time32s},
		{"time64ns", `[{"a": "12:34:56.000001"}]`, "time without time zone", `["12:34:56.000001"]`, arrow.FixedWidthTypes.Time64ns},
		{"timestamps", `[{"a": "2026-11-29 12:00:00"}]`, "timestamp without time zone", `["2026-11-29 12:00:00"]`, &arrow.TimestampType{Unit: arrow.Second}},
		{"timestampms", `[{"a": "1969-12-31 23:59:59.999Z"}]`, "timestamp with time zone", `["1969-12-31 23:59:59.999+00"]`, &arrow.TimestampType{Unit: arrow.Millisecond, TimeZone: "UTC"}},
		{"timestampns", `[{"a": "1969-12-31 23:59:59.999999Z"}]`, "timestamp with time zone", `["1969-12-31 23:59:59.999999+00"]`, &arrow.TimestampType{Unit: arrow.Nanosecond, TimeZone: "UTC"}},
		{"duration", `[{"a": 1500}]`, "interval", `["00:00:01.5"]`, &arrow.DurationType{Unit: arrow.Millisecond}},
		{"months", `[{"a": {"months": 14}}]`, "interval", `["1 year 2 mons"]`, arrow.FixedWidthTypes.MonthInterval},
		{"dictionary", `[{"a": "x"}, {"a": null}, {"a": "x"}]`, "text", `["x"] [""] ["x"]`, &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int8, ValueType: arrow.BinaryTypes.String}},
		{"nulls", `[{"a": null}]`, "text", `[""]`, arrow.Null},
		{"largelist", `[{"a": [1, null]}]`, "smallint[]", `["{1,NULL}"]`, arrow.LargeListOf(arrow.PrimitiveTypes.Int8)},
		{"fixedlist", `[{"a": [1, 2]}, {"a": null}, {"a": [3, 4]}]`, "integer[]", `["{1,2}"] [""] ["{3,4}"]`, arrow.FixedSizeListOf(2, arrow.PrimitiveTypes.Int32)},
		{"struct", `[{"a": {"y": 1, "x": "b"}}]`, "jsonb", `["{\"x\": \"b\", \"y\": 1}"]`, arrow.StructOf(field("y", arrow.PrimitiveTypes.Int64), field("x", arrow.BinaryTypes.String))},
		{"lists", `[{"a": [[1], []]}]`, "jsonb", `["[[1], []]"]`, arrow.ListOf(arrow.ListOf(arrow.PrimitiveTypes.Int64))},
	} {
		path := arrowFile(t, c.rows, field("a", c.t))
		if _, err := importFrom(t, p, "t_"+c.name, path, func(c *importCommand) { c.Create = true }); err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := strings.TrimSpace(textOf(t, conn, "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 't_"+c.name+"'::regclass AND attnum = 1")); got != `["`+c.typ+`"]` {
			t.Errorf("%s: %s, want %s", c.name, got, c.typ)
		}
		if got := strings.ReplaceAll(strings.TrimSpace(textOf(t, conn, "SELECT a FROM t_"+c.name)), "\n", " "); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// TestImportErrors checks that errors say what is wrong and where.
func TestImportErrors(t *testing.T) {
	p, conn := startServer(t)
	execute(t, conn, "CREATE TABLE t (a int NOT NULL, b text)", `CREATE TABLE wide (a numeric(4, 2), b real, c timestamptz, d uuid)`,
		"CREATE TABLE keys (id int PRIMARY KEY)", "CREATE TABLE recent (at timestamptz) WITH (retention = '1 day')")
	b := field("b", arrow.BinaryTypes.String)
	ns := &arrow.TimestampType{Unit: arrow.Nanosecond, TimeZone: "UTC"}
	for _, c := range []struct {
		name, path, table, want string
		change                  func(*importCommand)
	}{
		{"no table", arrowFile(t, `[{"b": "x"}]`, b), "nothing", `relation "public.nothing" does not exist`, nil},
		{"missing", arrowFile(t, `[{"a": 1}]`, field("a", arrow.PrimitiveTypes.Int32)), "t", `column "b" of the table is missing from the file`, nil},
		{"extra", arrowFile(t, `[{"a": 1}]`, field("a", arrow.PrimitiveTypes.Int32), b, field("z", arrow.Null)), "t", `column "z" of the file does not exist in relation "public.t", whose columns are a, b`, nil},
		{"range", arrowFile(t, `[{"a": 1}, {"a": 4000000000}]`, field("a", arrow.PrimitiveTypes.Int64), b), "t", `record batch 1, row 2, column "a", value "4000000000": value "4000000000" is out of range for type integer`, nil},
		{"null", arrowFile(t, `[{"a": 1}, {"a": null}]`, field("a", arrow.PrimitiveTypes.Int64), b), "t", `record batch 1, row 2, column "a": NULL in a column that says NOT NULL`, nil},
		{"bytes", arrowFile(t, `[{"a": "AQ=="}]`, field("a", arrow.BinaryTypes.Binary), b), "t", `column "a": the file has binary, which a column of type integer cannot hold`, nil},
		{"text", arrowFile(t, `[{"a": "x"}]`, field("a", arrow.BinaryTypes.String), b), "t", `value "x": invalid input syntax for type integer: "x"`, nil},
		{"nul", arrowFile(t, `[{"a": 1, "b": "x\u0000"}]`, field("a", arrow.PrimitiveTypes.Int32), b), "t", `row 1, column "b"`, nil},
		{"scale", arrowFile(t, `[{"a": "1.234"}]`, field("a", &arrow.Decimal128Type{Precision: 10, Scale: 3})), "wide", `1.234 has more than the 2 digits after the point that numeric(4,2) keeps`, partial},
		{"float", arrowFile(t, `[{"b": 16777217}]`, field("b", arrow.PrimitiveTypes.Int32)), "wide", `16777217 would become 16777216 as a float`, partial},
		{"nanoseconds", arrowFile(t, `[{"c": "2026-01-01 00:00:00.000000001Z"}]`, field("c", ns)), "wide", `is finer than a microsecond, which is all that a column keeps` + "\nhint: --round-times", partial},
		{"far", arrowFile(t, `[{"c": 9223372036854775}]`, field("c", &arrow.TimestampType{Unit: arrow.Second, TimeZone: "UTC"})), "wide", `out of range: 9223372036854775 s`, partial},
		{"uuid", arrowFile(t, `[{"d": "AAEC"}]`, field("d", arrow.BinaryTypes.Binary)), "wide", `a uuid has 16 bytes, not 3`, partial},
		{"clause", arrowFile(t, `[{"b": "x"}]`, b), "made", `SQLSTATE 42601)`, func(c *importCommand) { c.Create, c.PartitionBy = true, "CHANCE" }},
		{"key", arrowFile(t, `[{"a": 1}]`, field("a", arrow.PrimitiveTypes.Int32), b), "made", `--primary-key: the file has no column "z"; its columns are a, b`, func(c *importCommand) { c.Create, c.PrimaryKey = true, []string{"z"} }},
		{"duplicate", arrowFile(t, `[{"id": 1}, {"id": 2}, {"id": 1}]`, field("id", arrow.PrimitiveTypes.Int32)), "keys", `duplicate key value violates unique constraint "keys_pkey" (SQLSTATE 23505)` + "\ndetail: Key (id)=(1) already exists.", nil},
		{"old", arrowFile(t, `[{"at": "2126-01-01T00:00:00Z"}, {"at": "1999-01-01T00:00:00Z"}]`, field("at", ns)), "recent", `row 2`, nil},
		{"exists", arrowFile(t, `[{"a": 1}]`, field("a", arrow.PrimitiveTypes.Int32), b), "t", `relation "public.t" already exists`, func(c *importCommand) { c.Create = true }},
	} {
		n, err := importFrom(t, p, c.table, c.path, c.change)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %d rows, %v; want %s", c.name, n, err, c.want)
		}
	}
	if got := textOf(t, conn, "SELECT count(*) FROM t"); got != "[\"0\"]\n" {
		t.Errorf("rows of files that were refused are there: %s", got)
	}
	path := arrowFile(t, `[{"c": "2026-01-01 00:00:00.000000501Z"}, {"c": "1969-12-31 23:59:59.999999499Z"}]`, field("c", ns))
	if _, err := importFrom(t, p, "wide", path, func(c *importCommand) { c.Partial, c.RoundTimes = true, true }); err != nil {
		t.Fatal(err)
	}
	if got := textOf(t, conn, "SELECT c FROM wide ORDER BY 1"); got != "[\"1969-12-31 23:59:59.999999+00\"]\n[\"2026-01-01 00:00:00.000001+00\"]\n" {
		t.Error(got)
	}
}

func partial(c *importCommand) { c.Partial = true }

// TestImportMended makes a table from a file with a bad row, and mends the file.
func TestImportMended(t *testing.T) {
	p, conn := startServer(t)
	ns := field("at", &arrow.TimestampType{Unit: arrow.Nanosecond})
	path := arrowFile(t, `[{"at": "2026-01-01 00:00:00.000000001"}]`, ns)
	create := func(c *importCommand) { c.Create = true }
	if _, err := importFrom(t, p, "events", path, create); err == nil {
		t.Fatal("a bad row was taken")
	}
	mended, err := os.ReadFile(arrowFile(t, `[{"at": "2026-01-01 00:00:00"}]`, ns))
	if err == nil {
		err = os.WriteFile(path, mended, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if n, err := importFrom(t, p, "events", path, create); n != 1 || err != nil {
		t.Fatalf("%d rows, %v", n, err)
	}
	if got := textOf(t, conn, "SELECT at FROM events"); got != "[\"2026-01-01 00:00:00\"]\n" {
		t.Error(got)
	}
}
