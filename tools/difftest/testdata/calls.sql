-- Calls of functions: VARIADIC, sets in places where they may not be, names of objects.
CREATE TABLE lists (id int, words text[], numbers int[]);
INSERT INTO lists VALUES (1, '{a,b,c}', '{1,2}'), (2, '{}', NULL), (3, '{x,NULL,z}', '{7}'), (4, NULL, '{}');
SELECT id, concat(VARIADIC words), concat_ws('-', VARIADIC words), num_nulls(VARIADIC words) FROM lists ORDER BY id;
SELECT id, concat_ws(NULL, VARIADIC words), concat_ws(', ', VARIADIC numbers) FROM lists ORDER BY id;
SELECT format('%s and %s', VARIADIC words) FROM lists WHERE id = 1;
SELECT format('none', VARIADIC words) FROM lists ORDER BY id;
SELECT format('%2$s', VARIADIC NULL::text[]);
SELECT format(string_agg('%s', ','), VARIADIC array_agg(g)) FROM generate_series(1, 50) g;
SELECT id, json_build_array(VARIADIC words), jsonb_build_array(VARIADIC numbers) FROM lists ORDER BY id;
SELECT json_build_object(VARIADIC '{a,1,b,2}'::text[]), jsonb_build_object(VARIADIC NULL::text[]);
SELECT json_build_object(VARIADIC words) FROM lists WHERE id = 1;
SELECT jsonb_extract_path('{"a":{"b":5}}', VARIADIC '{a,b}'::text[]), jsonb_extract_path('{"a":1}', VARIADIC NULL);
SELECT concat(VARIADIC 10);
SELECT concat_ws(',', VARIADIC 10);
SELECT concat(VARIADIC words), count(*) FROM lists GROUP BY concat(VARIADIC words) ORDER BY 1;
SELECT count(*) FROM lists WHERE concat(VARIADIC words) = 'abc';
SELECT concat(VARIADIC (SELECT ARRAY['a', 'b']));

SELECT sum(generate_series(1, 3)) OVER ();
SELECT lag(generate_series(1, 3)) OVER () FROM lists;
SELECT * FROM generate_series(1, generate_series(1, 3));
SELECT * FROM abs(generate_series(1, 3));

SELECT 'abc' IS NORMALIZED, U&'a\0308' IS NORMALIZED, U&'a\0308' IS NFD NORMALIZED, U&'\00E4' IS NOT NFKD NORMALIZED, NULL IS NFC NORMALIZED;
SELECT 5 IS NORMALIZED;

SELECT '\101'::"char", '\000'::"char"::text, '\101'::text::"char", '\1'::"char", '\0'::"char";
SELECT regnamespace('a.b');
SELECT to_regnamespace('a.b');
SELECT regrole('a.b');
SELECT to_regrole('a.b');
SELECT regproc('nowhere.now');
SELECT regprocedure('nowhere.abs(numeric)');
SELECT regoper('nowhere.||/');
SELECT regoperator('nowhere.+(int, int)');
SELECT regcollation('nowhere."C"');
SELECT to_regproc('nowhere.now'), to_regoper('nowhere.+');

SELECT interval '-9223372036854775808 us', -interval '-9223372036854775807 us';
SELECT interval '-2562047788 hours -54.775808 secs';
SELECT interval '9223372036854775808 us';
SELECT 10::numeric ^ 131071 > 0, length((3::numeric ^ 200000)::text), (2::numeric ^ 100)::text;
SELECT (7 * 10::numeric ^ 131071) / 10::numeric ^ 131071;
SELECT 10::numeric ^ 131072;

SELECT hashtext(s), hashtextextended(s, 42), hashname(s::name), hashbpchar(s::char(20)) FROM unnest(ARRAY['', 'a', 'abcd', 'abcdefghijk', 'abcdefghijkl', 'abcdefghijklm', 'é']) s;
SELECT hashint2(v::int2), hashint4(v::int4), hashint8(v), hashint8extended(v, 7), hashoid(abs(v)::oid) FROM unnest(ARRAY[0, 1, -1, 255, -32768]::int8[]) v;
SELECT hashint8(9223372036854775807), hashint8(-9223372036854775808), hashint4extended(5, -3);
SELECT hashfloat8(v), hashfloat4(v::float4), hashfloat8extended(v, 9) FROM unnest(ARRAY[0, '-0', 1.5, 'NaN', '-Infinity']::float8[]) v;
SELECT uuid_hash('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'), time_hash('12:30'), timetz_hash('12:30+02'), timestamp_hash('2026-03-01'), timestamp_hash('infinity');
SELECT interval_hash('30 days') = interval_hash('1 month'), interval_hash('-1 year 2 days 03:04:05.6'), hashchar('x'), hashtext(NULL);
SELECT to_timestamp('20181102123456123456', 'YYYYMMDDHH24MISSFF' || i) FROM generate_series(1, 6) i;
