package catalog

import (
	"fmt"
	"testing"
	"time"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

// TestContent has rows as PostgreSQL shows them for objects of the same shape.
func TestContent(t *testing.T) {
	for _, c := range []struct {
		relation, where, is string
		columns             []string
		want                string
	}{
		{"pg_catalog.pg_class", "relname", "bus",
			[]string{"oid", "relnamespace", "reltype", "relowner", "relam", "relkind", "relnatts", "relhasindex", "reltuples", "reloptions"},
			`[[16384 2200 1342210048 16401 2 r 7 t 1000 {partitions=4,time_column=ts,"slice=1 day",on_duplicate=replace}]]`},
		{"pg_catalog.pg_class", "relname", "bus_pkey", []string{"oid", "relkind", "relam", "relnatts"}, "[[16387 i 403 2]]"},
		{"pg_catalog.pg_class", "relname", "v", []string{"oid", "relkind", "relhasrules"}, "[[16395 v t]]"},
		{"pg_catalog.pg_class", "relname", "pg_class", []string{"oid", "reltype", "relkind", "relnatts"}, "[[1259 83 r 33]]"},
		{"pg_catalog.pg_attribute", "attrelid", "16384",
			[]string{"attnum", "attname", "atttypid", "atttypmod", "attlen", "attnotnull", "atthasdef", "attisdropped", "attndims", "attcollation"},
			"[[1 vehicle_id 25 -1 -1 t f f 0 100] [2 ts 1184 -1 8 t f f 0 0] [3 ........pg.dropped.3........ 0 -1 4 f f t 0 0] " +
				"[4 speed 700 -1 4 f t f 0 0] [5 Fare 1700 655366 -1 f f f 0 0] [6 tags 1009 -1 -1 f f f 1 100] [7 code 1043 14 -1 f f f 0 100]]"},
		{"pg_catalog.pg_attribute", "attrelid", "16387", []string{"attnum", "attname"}, "[[1 vehicle_id] [2 ts]]"},
		{"pg_catalog.pg_attrdef", "adrelid", "16384", []string{"adnum", "adbin"}, "[[4 0]]"},
		{"pg_catalog.pg_index", "indexrelid", "16387",
			[]string{"indrelid", "indnatts", "indisunique", "indisprimary", "indkey", "indcollation", "indclass", "indoption", "indpred"},
			"[[16384 2 t t 1 2 100 0 3126 3127 0 0 NULL]]"},
		{"pg_catalog.pg_constraint", "conrelid", "16384", []string{"oid", "conname", "contype", "conindid", "conkey"},
			"[[16388 bus_pkey p 16387 {1,2}]]"},
		{"pg_catalog.pg_type", "typname", "bus", []string{"oid", "typtype", "typrelid", "typarray"}, "[[1342210048 c 16384 1342210049]]"},
		{"pg_catalog.pg_type", "typname", "_bus", []string{"oid", "typtype", "typelem", "typcategory"}, "[[1342210049 b 1342210048 A]]"},
		{"pg_catalog.pg_type", "typname", "int4", []string{"oid", "typarray", "typinput", "typreceive"}, "[[23 1007 42 2406]]"},
		{"pg_catalog.pg_type", "oid", "1007", []string{"typname", "typelem", "typreceive", "typsubscript"}, "[[_int4 23 2400 6179]]"},
		{"pg_catalog.pg_proc", "oid", "2400", []string{"proname"}, "[[array_recv]]"},
		{"pg_catalog.pg_proc", "oid", "2803", []string{"proname", "prokind", "prorettype", "proargtypes"}, "[[count a 20 ]]"},
		{"pg_catalog.pg_description", "objoid", "16384", []string{"classoid", "objsubid", "description"}, "[[1259 0 buses] [1259 2 when]]"},
		{"pg_catalog.pg_namespace", "nspname", "public", []string{"oid", "nspowner"}, "[[2200 6171]]"},
		{"pg_catalog.pg_namespace", "nspname", "s", []string{"oid", "nspowner"}, "[[16400 16401]]"},
		{"pg_catalog.pg_database", "datname", "phyllo", []string{"oid", "encoding", "datallowconn"}, "[[5 6 t]]"},
		{"pg_catalog.pg_roles", "rolsuper", "t", []string{"rolname", "rolcanlogin"}, "[[phyllo t] [ann t] [bob t]]"},
		{"pg_catalog.pg_tables", "tablename", "bus", []string{"schemaname", "tableowner", "hasindexes"}, "[[public ann t]]"},
		{"pg_catalog.pg_views", "viewname", "v", []string{"schemaname", "definition"}, "[[public  SELECT 1 AS a;]]"},
		{"pg_catalog.pg_indexes", "tablename", "bus", []string{"indexdef"},
			"[[CREATE UNIQUE INDEX bus_pkey ON public.bus USING btree (vehicle_id, ts)]]"},
		{"pg_catalog.pg_stat_activity", "usename", "bob", []string{"pid", "state", "client_addr", "wait_event"}, "[[7 active 127.0.0.1 NULL]]"},
		{"pg_catalog.pg_stat_user_tables", "relname", "bus", []string{"schemaname", "n_live_tup"}, "[[public 1000]]"},
		{"pg_catalog.pg_timezone_names", "name", "America/Chicago", []string{"abbrev", "utc_offset", "is_dst"}, "[[CST -06:00:00 f]]"},
		{"pg_catalog.pg_settings", "name", "max_connections", []string{"vartype", "context"}, "[[integer postmaster]]"},
		{"information_schema.columns", "table_name", "bus",
			[]string{"column_name", "ordinal_position", "is_nullable", "data_type", "character_maximum_length", "numeric_precision", "numeric_scale", "datetime_precision", "udt_name"},
			"[[vehicle_id 1 NO text NULL NULL NULL NULL text] [ts 2 NO timestamp with time zone NULL NULL NULL 6 timestamptz] " +
				"[speed 4 YES real NULL 24 NULL NULL float4] [Fare 5 YES numeric NULL 10 2 NULL numeric] " +
				"[tags 6 YES ARRAY NULL NULL NULL NULL _text] [code 7 YES character varying 10 NULL NULL NULL varchar]]"},
		{"information_schema.tables", "table_schema", "public", []string{"table_name", "table_type"}, "[[bus BASE TABLE] [v VIEW]]"},
		{"information_schema.table_constraints", "table_name", "bus", []string{"constraint_name", "constraint_type"},
			"[[bus_pkey PRIMARY KEY] [2200_16384_1_not_null CHECK] [2200_16384_2_not_null CHECK]]"},
		{"information_schema.key_column_usage", "table_name", "bus", []string{"column_name", "ordinal_position"}, "[[vehicle_id 1] [ts 2]]"},
		{"information_schema.schemata", "schema_name", "public", []string{"schema_owner"}, "[[pg_database_owner]]"},
		{"phyllo_catalog.tables", "table_name", "bus",
			[]string{"primary_key", "partition_strategy", "partition_key", "partitions", "time_column", "slice", "on_duplicate"},
			"[[{vehicle_id,ts} hash {vehicle_id} 4 ts 1 day replace]]"},
		{"phyllo_catalog.partitions", "table_name", "bus", []string{"partition", "chunks", "rows", "buffered_rows", "bytes"}, "[[0 2 11 3 120]]"},
		{"phyllo_catalog.chunks", "table_name", "bus", []string{"slice_start", "rows", "min_time"},
			"[[1969-12-31 00:00:00+00 10 1969-12-31 23:59:59.999995+00] [NULL 1 NULL]]"},
	} {
		got := fmt.Sprint(select1(t, c.relation, c.where, c.is, c.columns...))
		if got != c.want {
			t.Errorf("%s %s = %s:\n got %s\nwant %s", c.relation, c.where, c.is, got, c.want)
		}
	}
}

// TestOIDs: an OID names one relation, one type and one role, and the same one
// each time.
func TestOIDs(t *testing.T) {
	for _, relation := range []string{"pg_class", "pg_type", "pg_proc", "pg_operator", "pg_cast", "pg_namespace", "pg_roles", "pg_attrdef"} {
		r := testSet().mustLookup("pg_catalog." + relation)
		rows, err := testSet().Rows(t.Context(), r, testEnv())
		if err != nil {
			t.Fatal(err)
		}
		oid := (&writer{rel: r}).column("oid")
		seen := map[datum.Value]bool{}
		for _, row := range rows {
			if seen[row[oid]] {
				t.Errorf("%s: two rows with OID %v", relation, row[oid])
			}
			seen[row[oid]] = true
		}
	}
	c := testEnv().Catalog
	for _, name := range []string{"ann", "bob", "phyllo", "pg_database_owner"} {
		if got, ok := RoleName(c, "bob", RoleOID(c, name)); !ok || got != name {
			t.Errorf("role %s: name of its OID is %q, %v", name, got, ok)
		}
	}
	if _, ok := RoleName(c, "bob", 999); ok {
		t.Error("a role with OID 999")
	}
}

func TestLookup(t *testing.T) {
	s := testSet()
	r, ok := s.Lookup("pg_catalog", "pg_class")
	if !ok || r.OID != 1259 || len(r.Fields()) != 33 || r.Fields()[1].Column != 2 || r.Fields()[1].Table != 1259 {
		t.Errorf("pg_class: %+v", r)
	}
	if ns, name, ok := s.RelationName(1259); !ok || ns != "pg_catalog" || name != "pg_class" {
		t.Errorf("relation 1259: %s.%s", ns, name)
	}
	if _, ok := s.Lookup("public", "pg_class"); ok {
		t.Error("public.pg_class exists")
	}
	if oid, ok := s.RelationOID("information_schema", "columns"); !ok || oid == 0 {
		t.Error("no information_schema.columns")
	}
}

func TestDurations(t *testing.T) {
	for d, want := range map[time.Duration]string{
		24 * time.Hour: "1 day", 30 * 24 * time.Hour: "30 days", time.Hour: "1 hour", 90 * time.Minute: "90 minutes",
		1500 * time.Millisecond: "1500000 microseconds", time.Second: "1 second",
	} {
		if got := durationText(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}

func TestDescribe(t *testing.T) {
	for _, c := range []struct {
		t    datum.Type
		want string
	}{
		{datum.Of(datum.Text), "text nil 1073741824"}, {datum.Type{OID: datum.BPChar, Mod: 7}, "character 3 12"},
		{datum.Of(datum.BPChar), "character nil 1073741824"}, {datum.Of(datum.Int8), "bigint nil nil"},
		{datum.Of(datum.Char), `"char" nil nil`},
	} {
		d := describe(c.t)
		text := func(v any) string {
			if v == nil {
				return "nil"
			}
			return fmt.Sprint(v)
		}
		if got := d.name + " " + text(d.chars) + " " + text(d.octets); got != c.want {
			t.Errorf("%v: %s, want %s", c.t, got, c.want)
		}
	}
	if d := describe(datum.Type{OID: datum.Timestamp, Mod: 3}); d.datetime != 3 {
		t.Errorf("timestamp(3): precision %v", d.datetime)
	}
}

// TestOnlyCatalog makes the rows of an empty database without any hooks.
func TestOnlyCatalog(t *testing.T) {
	env := &Env{Catalog: &schema.Catalog{Database: "phyllo", DatabaseOID: 5}}
	for _, r := range testSet().Relations() {
		if _, err := testSet().Rows(t.Context(), r, env); err != nil {
			t.Errorf("%s: %v", r.Name, err)
		}
	}
}

func BenchmarkDescribeTable(b *testing.B) {
	r := testSet().mustLookup("pg_catalog.pg_attribute")
	env := testEnv()
	for b.Loop() {
		if _, err := testSet().Rows(b.Context(), r, env); err != nil {
			b.Fatal(err)
		}
	}
}
