-- json and jsonb: taking apart, tests, edits, construction, aggregates.
'{"a": [1, 2, {"b": null}], "c": "x\ny", "a": 2}'::json -> 'a'
'{"a": [1, 2, {"b": null}], "c": "x\ny"}'::json -> 'c'
'{"a": [1, 2, {"b": null}], "c": "x\ny"}'::json ->> 'c'
'{"a": [1, 2, {"b": null}], "c": "x\ny", "a": 2}'::jsonb -> 'a'
' { "a" : [ 1 , 2 ] } '::json -> 'a'
' { "a" : [ 1 , 2 ] } '::json ->> 'a'
'{"a": null}'::jsonb -> 'a'
'{"a": null}'::jsonb ->> 'a'
'{"a": null}'::jsonb -> 'b'
'[1, "two", [3], null]'::jsonb -> 1
'[1, "two", [3], null]'::jsonb ->> 1
'[1, "two", [3], null]'::jsonb -> -2
'[1, "two", [3], null]'::jsonb -> -5
'[1, "two", [3], null]'::jsonb -> 4
'[1, "two", [3], null]'::jsonb ->> 3
'[ 1 ,  "two" ]'::json -> -1
'[1]'::jsonb -> 'a'
'{"0": 1}'::jsonb -> 0
'"x"'::jsonb -> 'a'
'"x"'::jsonb -> 0
'"x"'::jsonb ->> -1
'"x"'::jsonb -> 1
'"x"'::jsonb #> '{0}'
'"x"'::json -> 'a'
'1'::json -> 0
'{"a\"b": 1, "\u00e4": 2}'::json -> 'a"b'
'{"a\"b": 1, "\u00e4": 2}'::json -> 'ä'
'{"a": "\u0000"}'::json ->> 'a'
'{"\u0000": 1}'::json -> 'a'
'{"a": {"b": ["x", {"c": 1.50}]}}'::jsonb #> '{a,b,1,c}'
'{"a": {"b": ["x", {"c": 1.50}]}}'::jsonb #>> '{a,b,0}'
'{"a": {"b": ["x", {"c": 1.50}]}}'::jsonb #>> '{a,b,-1,c}'
'{"a": {"b": ["x", {"c": 1.50}]}}'::json #> '{a,b}'
'{"a": {"b": ["x", {"c": 1.50}]}}'::json #>> '{a,b,x}'
'{"a": {"b": ["x", {"c": 1.50}]}}'::jsonb #> '{a,b,1x}'
'{"a": 1}'::jsonb #> '{}'
'"x"'::jsonb #>> '{}'
'"x"'::jsonb #> '{a}'
'{"a": 1}'::jsonb #> '{a,b}'
'{"a": 1}'::jsonb #> array['a', null]
'{"a": 1}'::jsonb #> array[null, 'a']
json_extract_path('{"a": {"b": 5}}', 'a', 'b')
json_extract_path_text('{"a": {"b": "x"}}', 'a', 'b')
jsonb_extract_path('{"a": {"b": 5}}', 'a', 'b')
jsonb_extract_path_text('{"a": {"b": "x"}}', 'a', 'b')
jsonb_extract_path('{"a": {"b": 5}}', 'a')
jsonb_extract_path('{"a": 1}', null)
('{"a": [10, 20]}'::jsonb)['a'][1]
json_array_length('[1, [2, 3], {}]')
jsonb_array_length('[]')
json_array_length('{}')
jsonb_array_length('1')
json_array_length('"x"')
select v, json_typeof(v::json), jsonb_typeof(v::jsonb) from unnest(array['{}', '[]', '"x"', '1.5', 'true', 'null', ' [1] ']) v
select * from json_each('{"a": 1, "b": [1, 2], "a": null}')
select * from jsonb_each('{"b": 1, "a": "x", "b": null}')
select * from json_each_text('{"a": 1, "b": "x", "c": null}')
select * from jsonb_each_text('{"a": 1, "b": "x", "c": null, "d": {"e": 1}}')
select key, value from jsonb_each('{"b": 1}') as t
select * from jsonb_each('[1]')
select * from json_each('[1]')
select * from json_each('1')
select * from json_object_keys('{"a": 1, "b": 2, "a": 3}')
select * from jsonb_object_keys('{"bb": 1, "a": 2}')
select * from json_object_keys('[1]')
select * from jsonb_object_keys('1')
select * from json_array_elements('[1, "x", [2], null]')
select * from json_array_elements_text('[1, "x", [2], null]')
select * from jsonb_array_elements('[1, "x", [2], null, {"b": 1, "a": 2}]')
select * from jsonb_array_elements_text('[1, "x", [2], null]')
select * from json_array_elements('{}')
select * from json_array_elements('1')
select * from jsonb_array_elements('{}')
select * from jsonb_array_elements('1')
select * from jsonb_array_elements_text('{"a": 1}')
'{"a": 1, "b": {"c": [1, 2]}}'::jsonb @> '{"b": {"c": [2]}}'
'{"a": 1, "b": 2}'::jsonb @> '{"a": 1.00}'
'{"a": 1}'::jsonb @> '{"a": "1"}'
'[1, 2, [3, 4]]'::jsonb @> '[[3]]'
'[1, 2, [3, 4]]'::jsonb @> '[3]'
'["a", "b"]'::jsonb @> '"a"'
'"a"'::jsonb @> '["a"]'
'"a"'::jsonb @> '"a"'
'[1, 1]'::jsonb @> '[1, 1, 1]'
'{}'::jsonb @> '{}'
'[]'::jsonb @> '[]'
'{}'::jsonb @> '[]'
'[{"a": 1, "b": 2}]'::jsonb @> '[{"a": 1}]'
'{"a": 1}'::jsonb <@ '{"a": 1, "b": 2}'
'{"a": 1, "b": null}'::jsonb ? 'b'
'{"a": 1, "b": null}'::jsonb ? 'c'
'["a", 1, {"b": 1}]'::jsonb ? 'a'
'["a", 1, {"b": 1}]'::jsonb ? 'b'
'"a"'::jsonb ? 'a'
'1'::jsonb ? '1'
'{"a": 1, "b": 2}'::jsonb ?| array['x', 'b']
'{"a": 1, "b": 2}'::jsonb ?& array['a', 'b']
'{"a": 1, "b": 2}'::jsonb ?& array['a', 'c']
'{"a": 1}'::jsonb ?| array[]::text[]
'{"a": 1}'::jsonb ?& array[]::text[]
'{"a": 1}'::jsonb ?& array['a', null]
'{"a": 1, "b": 2}'::jsonb || '{"b": 3, "c": 4}'
'[1, 2]'::jsonb || '[3]'
'[1, 2]'::jsonb || '3'
'1'::jsonb || '2'
'{"a": 1}'::jsonb || '[2]'
'[2]'::jsonb || '{"a": 1}'
'{"a": 1}'::jsonb || '2'
'{}'::jsonb || '[]'
'{"a": 1}'::jsonb || null
'{"a": 1, "b": 2}'::jsonb - 'a'
'["a", "b", "a", 1]'::jsonb - 'a'
'{"a": 1, "b": 2, "c": 3}'::jsonb - array['a', 'c', null]
jsonb_delete('{"a": 1, "b": 2, "c": 3}', 'a', 'c')
'1'::jsonb - 'a'
'[1, 2, 3]'::jsonb - 1
'[1, 2, 3]'::jsonb - (-1)
'[1, 2, 3]'::jsonb - 7
'[1, 2, 3]'::jsonb - (-7)
'{"a": 1}'::jsonb - 1
'"a"'::jsonb - 1
'{"a": {"b": [1, 2, 3]}}'::jsonb #- '{a,b,1}'
'{"a": {"b": [1, 2, 3]}}'::jsonb #- '{a,b,-1}'
'{"a": {"b": [1, 2, 3]}}'::jsonb #- '{a,c}'
'{"a": {"b": [1, 2, 3]}}'::jsonb #- '{a,b,x}'
'{"a": {"b": [1, 2, 3]}}'::jsonb #- '{}'
'1'::jsonb #- '{a}'
'{"a": 1}'::jsonb #- array[null]
'[]'::jsonb #- '{0}'
jsonb_set('{"a": 1, "b": [1, 2]}', '{b,1}', '"x"')
jsonb_set('{"a": 1, "b": [1, 2]}', '{b,5}', '"x"')
jsonb_set('{"a": 1, "b": [1, 2]}', '{b,-5}', '"x"')
jsonb_set('{"a": 1, "b": [1, 2]}', '{b,5}', '"x"', false)
jsonb_set('{"a": 1}', '{c}', '{"d": 2}')
jsonb_set('{"a": 1}', '{c}', '{"d": 2}', false)
jsonb_set('{"a": 1}', '{c,d}', '2')
jsonb_set('{"a": 1}', '{a,d}', '2')
jsonb_set('{"a": [1]}', '{a,x}', '2')
jsonb_set('{"a": 1}', '{}', '2')
jsonb_set('{}', '{a}', '2')
jsonb_set('[]', '{0}', '2')
jsonb_set('[]', '{3}', '2')
jsonb_set('{}', '{a}', '2', false)
jsonb_set('1', '{a}', '2')
jsonb_set('{"a": 1}', array[null], '2')
jsonb_set('{"a": 1}', '{a}', null)
jsonb_set('{"a": 1}', path => '{a}', replacement => '5')
jsonb_set('{"a": {"b": {"c": 1}}}', '{a,b,c}', '[1, 2]')
jsonb_insert('{"a": [0, 1, 2]}', '{a,1}', '"new"')
jsonb_insert('{"a": [0, 1, 2]}', '{a,1}', '"new"', true)
jsonb_insert('{"a": [0, 1, 2]}', '{a,10}', '"new"')
jsonb_insert('{"a": [0, 1, 2]}', '{a,-10}', '"new"')
jsonb_insert('{"a": [0, 1, 2]}', '{a,-1}', '"new"', true)
jsonb_insert('{"a": 1}', '{a}', '2')
jsonb_insert('{"a": 1}', '{b}', '2')
jsonb_insert('1', '{b}', '2')
jsonb_set_lax('{"a": 1}', '{a}', null)
jsonb_set_lax('{"a": 1}', '{a}', null, true, 'delete_key')
jsonb_set_lax('{"a": 1}', '{a}', null, true, 'return_target')
jsonb_set_lax('{"a": 1}', '{a}', null, true, 'raise_exception')
jsonb_set_lax('{"a": 1}', '{a}', null, true, 'nothing')
jsonb_set_lax('{"a": 1}', '{a}', '2', true, null)
jsonb_set_lax('{"a": 1}', '{a}', '2')
jsonb_pretty('{"a": [1, {"b": null}], "c": {}, "d": []}')
jsonb_pretty('"x"')
jsonb_strip_nulls('{"a": null, "b": [null, {"c": null, "d": 1}], "e": {}}')
json_strip_nulls(' { "a" : null, "b" : [ null , {"c": null, "d": 1.50}], "e" : "\u00e4\n" } ')
json_strip_nulls('null')
-- Casts.
'true'::jsonb::bool
'1.5'::jsonb::numeric
'1.5'::jsonb::int4
'2.5'::jsonb::int8
'40000'::jsonb::int2
'1e100'::jsonb::float8
'1e400'::jsonb::float8
'1.1'::jsonb::float4
'"x"'::jsonb::int4
'null'::jsonb::int4
'[1]'::jsonb::numeric
'{}'::jsonb::bool
'true'::jsonb::int4
'{"a": 1}'::jsonb::json
'{"b": 1,  "a": 2}'::json::jsonb
'{"a": 1}'::jsonb::text
'{"b":1, "a":2}'::jsonb = '{"a": 2, "b": 1.0}'
'[1, 2]'::jsonb < '[1, 3]'
'{"a": 1}'::json = '{"a": 1}'::json
-- Construction.
to_json(1)
to_json(1.50)
to_json('x"y'::text)
to_json(true)
to_json(null::int)
to_json('NaN'::float8)
to_json('-Infinity'::float8)
to_json('NaN'::numeric)
to_json(1e20::float8)
to_json(date '2024-05-17')
to_json(timestamp '2024-05-17 13:45:56.789')
to_json(timestamp '0044-03-15 13:45 BC')
to_json(timestamp 'infinity')
to_json(time '13:45')
to_json(interval '1 day')
to_json(array[1, null, 3])
to_json(array['a', 'b"c'])
to_json(array[timestamp '2024-05-17 13:45'])
to_json('{"b": 1,  "a": 2}'::json)
to_json('{"b": 1,  "a": 2}'::jsonb)
to_json(row(1, 'x', null, array[1, 2]))
to_json('550e8400-e29b-41d4-a716-446655440000'::uuid)
to_json('\x0102'::bytea)
to_json(23::oid)
to_json('pg_class'::regclass)
to_jsonb(1.50)
to_jsonb('x'::text)
to_jsonb('NaN'::float8)
to_jsonb(1e20::float8)
to_jsonb(timestamp '2024-05-17 13:45:56.789')
to_jsonb(array[1, null, 3])
to_jsonb(row(1, 'x', row(2)))
to_jsonb('{"b": 1,  "a": 2}'::json)
to_jsonb(null::int)
set timezone = 'Asia/Kathmandu'
to_json(timestamptz '2024-05-17 13:45:56.789Z')
set timezone = 'America/New_York'
to_json(timestamptz '2024-05-17 13:45:56.789Z')
to_json(timestamptz '1880-05-17 13:45:56.789Z')
set datestyle = 'German, DMY'
to_json(timestamptz '2024-05-17 13:45:56Z')
to_json(date '2024-05-17')
set datestyle = 'ISO, MDY'
set timezone = 'UTC'
row_to_json(row(1, 'x', null))
row_to_json(row(1, row(2, 3)), true)
array_to_json(array[1, 2, 3])
array_to_json(array[1, 2, 3], true)
array_to_json('{}'::int[])
json_build_object('a', 1, 'b', null, 'c', array[1, 2], 5, 'x', true, date '2024-05-17')
json_build_object()
json_build_object('a')
json_build_object(null, 1)
json_build_object(array[1], 1)
json_build_object('{}'::json, 1)
json_build_object(row(1), 1)
json_build_array(1, 'x', null, array[1], row(1, 2), '{"a":1}'::json)
json_build_array()
jsonb_build_object('b', 1, 'a', 2.50, 'b', 3)
jsonb_build_object()
jsonb_build_object('a')
jsonb_build_object(null, 1)
jsonb_build_object(array[1], 1)
jsonb_build_array(1, 'x', null, array[1], '{"b": 1, "a": 2}'::json)
jsonb_build_array()
json_build_object(variadic array['a', '1', 'b', '2'])
json_object('{a, 1, b, "x y", c, null}')
json_object('{a, b}', '{1, null}')
json_object('{a}')
json_object('{a, b}', '{1}')
json_object(array[null, 'a'])
json_object('{}')
jsonb_object('{b, 1, a, 2, b, 3}')
jsonb_object('{b, a}', '{1, 2}')
jsonb_object(array[null, 'a'])
jsonb_object('{a}')
-- Aggregates.
select json_agg(x) from unnest(array[1, null, 3]) x
select jsonb_agg(x order by x desc) from unnest(array[1, null, 3]) x
select json_agg(x) from unnest(array['a', 'b']) x
select json_agg(row(x, 'y')) from unnest(array[1, 2]) x
select json_agg(array[x, 2]) from unnest(array[1, 2]) x
select json_agg(x) from unnest('{}'::int[]) x
select json_object_agg(k, v) from (values ('a', 1), ('b', null), ('a', 3)) t(k, v)
select jsonb_object_agg(k, v) from (values ('a', 1), ('b', null), ('a', 3)) t(k, v)
select json_object_agg(k, v) from (values (1, 'x'), (2, 'y')) t(k, v)
select json_object_agg(k, v) from (values (null, 'x')) t(k, v)
select jsonb_object_agg(k, v) from (values (null, 'x')) t(k, v)
select jsonb_object_agg(k, v) from (values (array[1], 'x')) t(k, v)
select row_to_json(t) from (values (1, 'x')) t(id, name)
select to_jsonb(t) from (values (1, 'x')) t(id, name)
select json_agg(t) from (values (1, 'x'), (2, 'y')) t(id, name)
select array_agg(t) from (values (1, 'x'), (2, 'y')) t(id, name)
select array_agg(row(x, row(x + 1, 'y'))) from unnest(array[1, 2]) x
select row_to_json(t) from (select 1 as a, array[1,2] as b, now() is null as c) t
select row_to_json(row(t.id, t.name)) from (values (1, 'x')) t(id, name)
select json_build_object('r', t) from (values (1, 'x')) t(id, name)
select json_agg(s) from (select x, (select row_to_json(t) from (values (x, 'n')) t(p, q)) as r from unnest(array[1,2]) x) s
-- Other aggregates.
select sum(v), avg(v), min(v), max(v) from unnest(array[interval '1 day', '2 mons', null, '03:00']) v
select sum(v), avg(v) from unnest('{}'::interval[]) v
select percentile_cont(0.5) within group (order by v) from unnest(array[interval '1 day', '2 mons', '03:00', '1 hour']) v
select percentile_cont(array[0, 0.25, null, 1]) within group (order by v) from unnest(array[interval '1 day', '2 mons', '03:00']) v
select percentile_cont(0.5) within group (order by v), percentile_disc(0.5) within group (order by v), mode() within group (order by v) from unnest(array[1, 2, 2, 10]) v
select string_agg(v, ', ' order by v desc), array_agg(v order by v) from unnest(array['b', 'a', 'c']) v
select min(v), max(v), count(distinct v) from unnest(array[timestamp '2024-01-01', '2023-01-01', 'infinity', null]) v
select min(v), max(v) from unnest(array[date '2024-01-01', '2023-01-01', null]) v
select min(v), max(v) from unnest(array[time '10:00', '09:00', null]) v
select min(v), max(v) from unnest(array[timetz '10:00+02', '09:00+00', null]) v
select bool_and(v), bool_or(v), every(v) from unnest(array[true, false, null]) v
