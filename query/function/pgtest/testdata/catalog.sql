-- Names, types, privileges and other functions of the catalogue.
pg_typeof(1)
pg_typeof(1.5)
pg_typeof('x') -- differs: untyped literals are text by then
pg_typeof('x'::text)
pg_typeof(null) -- differs: untyped literals are text by then
pg_typeof(now())
pg_typeof(array[1,2])
pg_typeof(row(1,2))
pg_typeof(interval '1 day')::text
format_type(23, null)
format_type(1043, 14)
format_type(1042, 5)
format_type(1042, -1)
format_type(1042, null)
format_type(1700, 655366)
format_type(1700, -1)
format_type(1184, 3)
format_type(1186, -1)
format_type(1560, -1)
format_type(1015, 14)
format_type(1007, null)
format_type(18, null)
format_type(0, null)
format_type(4711, null)
format_type(null, null)
format_type(2249, -1)
format_type(3802, -1)
'pg_class'::regclass
'pg_catalog.pg_class'::regclass
'information_schema.tables'::regclass
'PG_CLASS'::regclass
'"pg_class"'::regclass
'"PG_CLASS"'::regclass
'1259'::regclass
'99999999'::regclass
'-'::regclass
'nothing'::regclass
'no_schema.nothing'::regclass
'postgres.pg_catalog.pg_class'::regclass
'other.pg_catalog.pg_class'::regclass
'a.b.c.d'::regclass
''::regclass
'"'::regclass
'a b'::regclass
1259::regclass
0::regclass
1259::oid::regclass::text
'pg_class'::text::regclass
'pg_class'::regclass::oid
regclass('pg_class')
'int4'::regtype
'integer'::regtype
'varchar(10)'::regtype
'timestamp with time zone'::regtype
'int[]'::regtype
'_int4'::regtype
'pg_catalog.int8'::regtype
'"char"'::regtype
'char'::regtype
'numeric(10,2)'::regtype
'interval day to second'::regtype
'nothing'::regtype
'int4('::regtype
''::regtype
23::regtype
0::regtype
99999999::regtype
'text'::regtype::oid
'lower'::regproc -- differs: ranges have one too
'pg_catalog.version'::regproc
'version'::regproc
'nothing'::regproc
'version()'::regprocedure
'lower(text)'::regprocedure
'count(*)'::regprocedure
'count("any")'::regprocedure
'abs(int)'::regprocedure
'abs(text)'::regprocedure
'abs'::regprocedure
'abs(int'::regprocedure
'format(text, variadic "any")'::regprocedure
'concat("any")'::regprocedure
89::regproc
870::regprocedure
'='::regoper
'nothing'::regoper
'~~*'::regoper
'=(int,int)'::regoperator
'-(none,int)'::regoperator
'-(int)'::regoperator
'-(int,int,int)'::regoperator
'=(int,text)'::regoperator
96::regoper
96::regoperator
'pg_catalog'::regnamespace
'nothing'::regnamespace
'"default"'::regcollation
'"C"'::regcollation
'C'::regcollation
'nothing'::regcollation
array['pg_class','pg_type']::regclass[]
array[1259,1247]::regclass[]::text[]
to_regclass('pg_class')
to_regclass('nothing')
to_regclass('no_schema.nothing')
to_regclass('1259')
to_regtype('int')
to_regtype('nothing')
to_regproc('version')
to_regproc('nothing')
to_regproc('btrim')
to_regprocedure('abs(int)')
to_regprocedure('abs(text)')
to_regoper('nothing')
to_regoperator('=(int,int)')
to_regnamespace('public')
to_regnamespace('nothing')
to_regcollation('"C"')
pg_table_is_visible('pg_class'::regclass)
pg_table_is_visible('information_schema.tables'::regclass)
pg_table_is_visible(99999999)
pg_type_is_visible(23)
pg_type_is_visible(99999999)
pg_function_is_visible(89)
pg_function_is_visible(99999999)
pg_operator_is_visible(96)
pg_collation_is_visible(100)
pg_encoding_to_char(6)
pg_encoding_to_char(0)
pg_encoding_to_char(8)
pg_encoding_to_char(99)
pg_char_to_encoding('utf8')
pg_char_to_encoding('UTF-8')
pg_char_to_encoding('unicode')
pg_char_to_encoding('latin1')
pg_char_to_encoding('nothing')
pg_encoding_max_length(6)
pg_encoding_max_length(0)
getdatabaseencoding()
pg_client_encoding()
oidvectortypes('23 25 1007')
collation for ('x'::text)
collation for (1)
collation for ('x') -- differs: untyped literals are text by then
has_table_privilege('pg_class', 'select')
has_table_privilege('pg_class', 'SELECT, insert with grant option')
has_table_privilege('nothing', 'select')
has_table_privilege(99999999, 'select')
has_table_privilege('pg_class', 'fly')
has_table_privilege('postgres', 'pg_class', 'select')
has_table_privilege('nobody', 'pg_class', 'select')
has_schema_privilege('public', 'usage')
has_schema_privilege('nothing', 'usage')
has_schema_privilege(11, 'create,usage')
has_database_privilege('postgres', 'connect')
has_database_privilege('nothing', 'connect')
has_function_privilege('abs(int)', 'execute')
has_function_privilege('abs(text)', 'execute')
has_type_privilege('int4', 'usage')
has_language_privilege('sql', 'usage')
has_tablespace_privilege('pg_default', 'create')
has_server_privilege('nothing', 'usage')
has_any_column_privilege('pg_class', 'select')
has_column_privilege('pg_class', 1::int2, 'select')
has_table_privilege(null, 'select')
obj_description('pg_class'::regclass)
obj_description(23, 'pg_type')
obj_description(16, 'pg_type')
obj_description(11, 'pg_namespace')
obj_description(99999999, 'pg_class')
obj_description(2200, 'pg_namespace')
col_description('pg_class'::regclass, 1)
shobj_description(99999999, 'pg_database')
pg_get_userbyid(99999999)
pg_get_expr('x + 1'::text::pg_node_tree, 0) -- differs: there such a tree cannot be written
pg_get_constraintdef(99999999)
pg_get_indexdef(99999999)
pg_get_viewdef(99999999)
pg_get_ruledef(99999999)
pg_get_partkeydef('pg_class'::regclass)
pg_get_serial_sequence('nothing', 'x')
pg_get_function_arguments('lower(text)'::regprocedure)
pg_get_function_arguments('concat("any")'::regprocedure)
pg_get_function_result('lower(text)'::regprocedure)
pg_get_function_result('generate_series(int,int)'::regprocedure)
pg_get_function_identity_arguments('format(text,"any")'::regprocedure)
pg_get_function_sqlbody(89)
pg_get_functiondef('abs(int)'::regprocedure)
pg_get_functiondef(99999999)
pg_relation_is_publishable('pg_class')
pg_is_in_recovery()
pg_is_wal_replay_paused()
pg_my_temp_schema()
pg_is_other_temp_schema(11)
pg_trigger_depth()
current_schema
current_schema()
current_schemas(true)
current_schemas(false)
current_database()
current_catalog
current_setting('timezone')
current_setting('nothing')
current_setting('nothing', true)
current_setting(null)
set_config(null, 'x', false)
set_config('nothing', 'x', false) -- differs: the test's session has no settings
pg_size_pretty(0::int8)
select v, pg_size_pretty(v), pg_size_pretty(v::numeric), pg_size_pretty(-v) from unnest(array[1,10239,10240,20479,20480,10485247,10485248,10485759,10485760,1e9,1e10,1e12,1e15,9e18]::int8[]) v
pg_size_pretty(1e30::numeric)
pg_size_pretty(12345678.9)
pg_size_pretty(10240.5)
select v, pg_size_bytes(v) from unnest(array['1','1kB','1 MB','1.5GB','-2 tb',' 3 PB ','1024 bytes','1e3','1e3 kB','.5 MB','1.','+1','0.1 kB']) v
pg_size_bytes('1 XB')
pg_size_bytes('10 B')
pg_size_bytes('')
pg_size_bytes('kB')
pg_size_bytes('1e')
pg_size_bytes('1e kB')
pg_size_bytes('9000000 TB')
pg_size_bytes('--1')
pg_size_bytes('1 1')
pg_sleep(0)
pg_sleep_for('0 seconds')
setseed(2)
setseed('NaN')
random() between 0 and 1
length(gen_random_uuid()::text)
gen_random_uuid() <> gen_random_uuid()
version() like 'PostgreSQL 15%'
pg_backend_pid() > 0
current_user = session_user
user = current_user
greatest(1, 2.5, null)
least('b', 'a', null)
greatest(null, null)
greatest(1, 'x')
quote_ident('Foo')
quote_literal('it''s')
quote_nullable(null)
parse_ident('a."B".c')
('1 2 3'::int2vector)::int2[]
('23 25'::oidvector)::oid[]
('23 25'::oidvector)::regtype[]
('23 25'::oidvector)::regtype[]::text[]
('1 2 3'::int2vector)::text
'{23,25}'::oid[]::regtype[]
array[1259, null]::int4[]::oid[]
2147483647::int4::oid
(-1)::int4::oid
4294967295::oid::int4
1259::oid::regclass
'1259'::text::oid::regclass
select * from pg_options_to_table(array['a=b', 'c', 'd=e=f'])
select name, unit, vartype, min_val, max_val, enumvals, pending_restart from pg_show_all_settings() where name in ('work_mem', 'block_size', 'bytea_output')
