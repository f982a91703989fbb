-- Hypothetical-set aggregates, and ordered-set aggregates over more types.
SELECT rank(3) WITHIN GROUP (ORDER BY g), dense_rank(3) WITHIN GROUP (ORDER BY g), percent_rank(3) WITHIN GROUP (ORDER BY g), cume_dist(3) WITHIN GROUP (ORDER BY g) FROM (VALUES (1), (1), (2), (2), (3), (3), (4)) AS t(g);
SELECT rank(5) WITHIN GROUP (ORDER BY g), dense_rank(5) WITHIN GROUP (ORDER BY g), percent_rank(5) WITHIN GROUP (ORDER BY g), cume_dist(5) WITHIN GROUP (ORDER BY g) FROM (VALUES (1), (1), (NULL), (2), (3), (9)) AS t(g);
SELECT rank(NULL) WITHIN GROUP (ORDER BY g), rank(NULL) WITHIN GROUP (ORDER BY g NULLS FIRST), rank(2) WITHIN GROUP (ORDER BY g DESC), rank(2) WITHIN GROUP (ORDER BY g DESC NULLS LAST), cume_dist(NULL) WITHIN GROUP (ORDER BY g) FROM (VALUES (1), (NULL), (NULL), (2), (3)) AS t(g);
SELECT rank(1) WITHIN GROUP (ORDER BY g), dense_rank(1) WITHIN GROUP (ORDER BY g), percent_rank(1) WITHIN GROUP (ORDER BY g), cume_dist(1) WITHIN GROUP (ORDER BY g) FROM (SELECT 1 AS g WHERE false) t;
SELECT k, rank(2, 'b') WITHIN GROUP (ORDER BY g, s DESC), dense_rank(2, 'b') WITHIN GROUP (ORDER BY g, s DESC), cume_dist(2, 'b') WITHIN GROUP (ORDER BY g, s) FROM (VALUES (1, 1, 'a'), (1, 2, 'a'), (1, 2, 'c'), (2, 2, 'b'), (2, 2, 'b'), (2, 1, 'z')) AS t(k, g, s) GROUP BY k ORDER BY k;
SELECT rank(2.5) WITHIN GROUP (ORDER BY g), rank('3') WITHIN GROUP (ORDER BY g), rank(g % 2) WITHIN GROUP (ORDER BY x) FROM (SELECT 4 AS g, x FROM generate_series(0, 3) x) t GROUP BY g;
SELECT rank(2) FILTER (WHERE g > 1) WITHIN GROUP (ORDER BY g) FROM generate_series(1, 3) g;
SELECT rank(2) WITHIN GROUP (ORDER BY g) FILTER (WHERE g > 1) FROM generate_series(1, 3) g;
SELECT rank(interval '1 day') WITHIN GROUP (ORDER BY i), dense_rank(date '2020-01-03') WITHIN GROUP (ORDER BY d) FROM (VALUES (interval '1 hour', date '2020-01-01'), ('24 hours', '2020-01-02'), ('2 days', '2020-01-03')) AS t(i, d);
SELECT rank(ARRAY[1,2]) WITHIN GROUP (ORDER BY a), rank('b'::varchar) WITHIN GROUP (ORDER BY s) FROM (VALUES ('{1}'::int[], 'a'), ('{1,2}', 'b'), ('[0:1]={1,2}', 'c')) AS t(a, s);
SELECT rank(1, 2) WITHIN GROUP (ORDER BY g) FROM generate_series(1, 3) g;
SELECT rank(1) WITHIN GROUP (ORDER BY g, g) FROM generate_series(1, 3) g;
SELECT rank('x') WITHIN GROUP (ORDER BY g) FROM generate_series(1, 3) g;
SELECT rank('x'::text) WITHIN GROUP (ORDER BY g) FROM generate_series(1, 3) g;
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY i), percentile_cont('{0.25,0.75}'::float8[]) WITHIN GROUP (ORDER BY i), percentile_disc(0.5) WITHIN GROUP (ORDER BY i), mode() WITHIN GROUP (ORDER BY i) FROM (VALUES (interval '1 hour'), ('2 hours'), ('1 day'), ('1 mon'), ('1 day')) AS t(i);
SELECT percentile_disc('{{0.1,0.5},{0.9,NULL}}'::float8[]) WITHIN GROUP (ORDER BY s), percentile_disc(ARRAY[0, 1]) WITHIN GROUP (ORDER BY s DESC), mode() WITHIN GROUP (ORDER BY s) FROM (VALUES ('a'), ('b'), ('b'), (NULL)) AS t(s);
SELECT array_agg(p) FROM (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY g) AS p FROM generate_series(1, 4) g GROUP BY g % 2 ORDER BY 1) t;
CREATE TABLE hypo (k int PRIMARY KEY, v int);
INSERT INTO hypo SELECT g, g % 7 FROM generate_series(1, 1000) g;
SELECT rank(3) WITHIN GROUP (ORDER BY v), dense_rank(3) WITHIN GROUP (ORDER BY v), percent_rank(3) WITHIN GROUP (ORDER BY v), cume_dist(3) WITHIN GROUP (ORDER BY v DESC) FROM hypo;
CREATE VIEW hypoview AS SELECT k % 2 AS m, rank(3) WITHIN GROUP (ORDER BY v) AS r FROM hypo GROUP BY k % 2;
SELECT * FROM hypoview ORDER BY m;
DROP VIEW hypoview;
DROP TABLE hypo;

-- Direct arguments are the same for a whole group.
CREATE TABLE direct (a int PRIMARY KEY, n numeric, b text);
INSERT INTO direct VALUES (1, 1.5, 'x'), (2, 2, 'x'), (3, 4, 'y');
SELECT percentile_cont(a) WITHIN GROUP (ORDER BY n) FROM direct;
SELECT rank(a) WITHIN GROUP (ORDER BY n) FROM direct;
SELECT b, rank(a + 1) WITHIN GROUP (ORDER BY n) FROM direct GROUP BY b;
SELECT b, percentile_disc(length(b)::float8 / 2) WITHIN GROUP (ORDER BY n) FROM direct GROUP BY b ORDER BY 1;
SELECT a, percentile_disc(a::float8 / 10) WITHIN GROUP (ORDER BY n) FROM direct GROUP BY a ORDER BY 1;
SELECT percentile_disc(n::float8 / 10) WITHIN GROUP (ORDER BY n) FROM direct GROUP BY a ORDER BY 1;
SELECT (SELECT rank(d.a) WITHIN GROUP (ORDER BY x) FROM generate_series(1, 3) x) FROM direct d ORDER BY 1;
DROP TABLE direct;

-- Direct arguments have one value in a group; DISTINCT and ORDER BY of what is made text for the function.
SELECT rank(x) WITHIN GROUP (ORDER BY x) FROM generate_series(1, 5) x;
SELECT x, rank(x) WITHIN GROUP (ORDER BY y) FROM (VALUES (1, 1), (1, 4), (3, 1), (3, 2)) v(x, y) GROUP BY x ORDER BY x;
SELECT x + 1, rank(x + 1) WITHIN GROUP (ORDER BY y) FROM (VALUES (1, 1), (1, 4), (3, 1), (3, 2)) v(x, y) GROUP BY x + 1 ORDER BY 1;
SELECT percentile_disc(p) WITHIN GROUP (ORDER BY y) FROM (VALUES (0.1, 1), (0.1, 4), (0.9, 1)) v(p, y);
SELECT percentile_disc(p) WITHIN GROUP (ORDER BY y) FROM (VALUES (0.1, 1), (0.1, 4), (0.9, 1)) v(p, y) GROUP BY p ORDER BY 1;
SELECT p, percentile_disc(p) WITHIN GROUP (ORDER BY y) FROM (VALUES (0.1, 1), (0.1, 4), (0.9, 1)) v(p, y) GROUP BY GROUPING SETS ((p), (p, y)) ORDER BY 1, 2;
SELECT percentile_disc(0.1 + p / 2) WITHIN GROUP (ORDER BY y) FROM (VALUES (0.1, 1), (0.1, 4), (0.9, 1)) v(p, y) GROUP BY p ORDER BY 1;
SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY y), count(*) FROM (VALUES (0.1, 1), (0.1, 4), (0.9, 1)) v(p, y) GROUP BY ROLLUP (p) ORDER BY 1, 2;
SELECT (SELECT rank(g) WITHIN GROUP (ORDER BY x) FROM generate_series(1, 5) x) FROM generate_series(1, 3) g;
CREATE TABLE dk (id int PRIMARY KEY, p float8, y int);
SELECT percentile_disc(p) WITHIN GROUP (ORDER BY y) FROM dk GROUP BY id;
CREATE TABLE dv (f varchar(5), g varchar(5));
INSERT INTO dv VALUES ('b', 'x'), ('a', 'y'), ('b', 'z'), (NULL, 'x'), ('c', 'x');
SELECT string_agg(DISTINCT f, ',' ORDER BY f), string_agg(DISTINCT f, ',' ORDER BY f DESC NULLS LAST), string_agg(DISTINCT f::text, ',' ORDER BY f::text) FROM dv;
SELECT string_agg(DISTINCT f, ',' ORDER BY g) FROM dv;
