package function_test

import (
	"strings"
	"testing"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/catalog"
	"github.com/phyllodb/phyllo/query/function"
)

// catalogContext is a context with a table, a view and a schema of its own.
func catalogContext(t *testing.T) *function.Context {
	c := newContext(t)
	c.Catalog = schema.NewCatalog("phyllo")
	c.Catalog.Namespaces[17000] = &schema.Namespace{OID: 17000, Name: "Other", Owner: "alice"}
	c.Catalog.Roles["bob"] = &schema.Role{OID: 17001, Name: "bob"}
	c.Catalog.Tables[16384] = &schema.Table{
		OID: 16384, Namespace: schema.PublicOID, Name: "buses", Owner: "alice", Comment: "all of them",
		Columns: []schema.Column{
			{ID: 1, Name: "id", Type: datum.Of(datum.Text), NotNull: true},
			{ID: 2, Name: "At", Type: datum.Of(datum.TimestampTZ), NotNull: true, Comment: "when"},
		},
		PrimaryKey: []schema.ColumnID{1, 2}, PrimaryKeyName: "buses_pkey", PrimaryKeyOID: 16387, IndexOID: 16388,
		PartitionKind: schema.PartitionHash, PartitionColumns: []schema.ColumnID{1}, Partitions: 4,
	}
	c.Catalog.Tables[16390] = &schema.Table{OID: 16390, Namespace: 17000, Name: "Events",
		PartitionKind: schema.PartitionList, PartitionExprs: []string{"city", "date_trunc('month', ts)"}}
	c.Catalog.Views[16400] = &schema.View{OID: 16400, Namespace: schema.PublicOID, Name: "late", SQL: "SELECT 1 AS n;", Comment: "a view"}
	c.System = catalog.New(nil)
	return c
}

func TestCatalogFunctions(t *testing.T) {
	for _, c := range []struct{ call, args, want string }{
		{"to_regclass(text)", "buses", "buses"},
		{"to_regclass(text)", "public.buses", "buses"},
		{"to_regclass(text)", "phyllo.public.BUSES", "buses"},
		{"to_regclass(text)", `"Other"."Events"`, `"Other"."Events"`},
		{"to_regclass(text)", `Other.Events`, "NULL"},
		{"to_regclass(text)", `"Events"`, "NULL"},
		{"to_regclass(text)", "buses_pkey", "buses_pkey"},
		{"to_regclass(text)", "late", "late"},
		{"to_regclass(text)", "pg_class", "pg_class"},
		{"to_regclass(text)", "information_schema.tables", "information_schema.tables"},
		{"to_regtype(text)", "buses", "buses"},
		{"to_regtype(text)", "buses[]", "buses[]"},
		{"to_regtype(text)", `"Other"."Events"`, `"Other"."Events"`},
		{"to_regrole(text)", "bob", "bob"},
		{"to_regrole(text)", "alice", "alice"},
		{"to_regrole(text)", "nobody", "NULL"},
		{"to_regnamespace(text)", `"Other"`, `"Other"`},
		{"format_type(oid,int4)", "1342210048 | NULL", "buses"},
		{"format_type(oid,int4)", "1342210061 | -1", `"Other"."Events"[]`},
		{"pg_table_is_visible(oid)", "16384", "true"},
		{"pg_table_is_visible(oid)", "16390", "false"},
		{"pg_type_is_visible(oid)", "1342210060", "false"},
		{"pg_get_userbyid(oid)", "17001", "bob"},
		{"pg_get_userbyid(oid)", "4711", "unknown (OID=4711)"},
		{"obj_description(oid,name)", "16384 | pg_class", "all of them"},
		{"obj_description(oid,name)", "16384 | pg_type", "NULL"},
		{"obj_description(oid)", "16400", "a view"},
		{"obj_description(oid,name)", "16388 | pg_class", "NULL"},
		{"col_description(oid,int4)", "16384 | 2", "when"},
		{"col_description(oid,int4)", "16384 | 1", "NULL"},
		{"col_description(oid,int4)", "16384 | 9", "NULL"},
		{"pg_get_constraintdef(oid)", "16387", `PRIMARY KEY (id, "At")`},
		{"pg_get_indexdef(oid)", "16388", `CREATE UNIQUE INDEX buses_pkey ON public.buses USING btree (id, "At")`},
		{"pg_get_indexdef(oid,int4,bool)", "16388 | 2 | f", `"At"`},
		{"pg_get_indexdef(oid,int4,bool)", "16388 | 3 | f", ""},
		{"pg_get_indexdef(oid)", "16384", "NULL"},
		{"pg_get_viewdef(oid)", "16400", " SELECT 1 AS n;"},
		{"pg_get_viewdef(text)", "late", " SELECT 1 AS n;"},
		{"pg_get_viewdef(text)", "nothing", `ERROR 42P01: relation "nothing" does not exist`},
		{"pg_get_partkeydef(oid)", "16384", "HASH (id)"},
		{"pg_get_partkeydef(oid)", "16390", "LIST (city, date_trunc('month', ts))"},
		{"pg_get_serial_sequence(text,text)", "buses | id", "NULL"},
		{"pg_get_serial_sequence(text,text)", "buses | nothing", `ERROR 42703: column "nothing" of relation "buses" does not exist`},
		{"has_table_privilege(text,text)", "buses | select", "true"},
		{"has_table_privilege(oid,text)", "16390 | INSERT, UPDATE", "true"},
		{"has_column_privilege(text,text,text)", "buses | At | select", "true"},
		{"has_column_privilege(text,text,text)", "buses | at | select", `ERROR 42703: column "at" of relation "buses" does not exist`},
		{"has_sequence_privilege(text,text)", "buses | usage", `ERROR 42809: "buses" is not a sequence`},
		{"has_schema_privilege(name,text,text)", `bob | "Other" | usage`, "true"},
		{"pg_has_role(name,name,text)", "bob | alice | usage", "false"},
		{"pg_has_role(name,name,text)", "alice | bob | member", "true"},
		{"pg_has_role(name,text)", "bob | fly", `ERROR 22023: unrecognized privilege type: "fly"`},
		{"pg_relation_size(regclass)", "buses", "8192"},
		{"pg_relation_size(regclass)", "late", "0"},
		{"pg_relation_size(regclass)", "4711", "NULL"},
		{"pg_relation_size(regclass,text)", "buses | vm", "0"},
		{"pg_relation_size(regclass,text)", "buses | x", "ERROR 22023: invalid fork name"},
		{"pg_total_relation_size(regclass)", "buses", "8192"},
		{"pg_database_size(name)", "phyllo", "16384"},
		{"pg_relation_is_publishable(regclass)", "buses", "true"},
		{"pg_relation_is_updatable(regclass,bool)", "buses | f", "28"},
	} {
		got := parseCall(t, c.call).runIn(t, catalogContext(t), splitArgs(c.args))
		if got != c.want {
			t.Errorf("%s %s\n got  %s\n want %s", c.call, c.args, got, c.want)
		}
	}
}

// clientFunctions are the functions that drivers, ORMs and tools were seen to
// call, but for those that the parser has a syntax for.
const clientFunctions = `_pg_expandarray array_agg array_length array_lower array_remove array_to_string array_upper avg bool_and
	col_description concat count current_database current_schema current_schemas current_setting date_trunc extract floor format
	format_type generate_series generate_subscripts getdatabaseencoding has_any_column_privilege has_database_privilege
	has_function_privilege has_schema_privilege has_table_privilege json_build_object length lower max min now obj_description
	parse_ident percentile_cont pg_advisory_unlock_all pg_backend_pid pg_blocking_pids pg_char_to_encoding pg_collation_is_visible
	pg_column_is_updatable pg_database_size pg_encoding_to_char pg_function_is_visible pg_get_constraintdef pg_get_expr
	pg_get_function_arguments pg_get_function_result pg_get_function_sqlbody pg_get_functiondef pg_get_indexdef pg_get_keywords
	pg_get_partkeydef pg_get_ruledef pg_get_serial_sequence pg_get_statisticsobjdef_columns pg_get_userbyid pg_get_viewdef
	pg_is_in_recovery pg_is_wal_replay_paused pg_operator_is_visible pg_partition_ancestors pg_relation_is_publishable
	pg_relation_size pg_show_all_settings pg_size_pretty pg_sleep pg_stat_get_numscans pg_table_is_visible pg_table_size
	pg_tablespace_location pg_terminate_backend pg_total_relation_size pg_type_is_visible quote_ident quote_literal rank replace
	round row_number set_config shobj_description string_agg string_to_array substring sum timezone to_char to_regtype
	to_timestamp unnest upper version`

func TestClientFunctionsExist(t *testing.T) {
	r := function.Builtins()
	for name := range strings.FieldsSeq(clientFunctions) {
		if len(r.Functions(name))+len(r.Aggregates(name))+len(r.WindowFunctions(name)) == 0 {
			t.Errorf("no function %s", name)
		}
	}
}
