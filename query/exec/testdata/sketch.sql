# Sketches: what they say of few values is exact, and of many near what PostgreSQL computes.
select k, hll_count(hll_agg(v)), approx_count_distinct(s), hll_count(hll_agg(d)) from a group by k
====
select k, count(distinct v), count(distinct s), count(distinct d) from a group by k
----
0|20|15|20
1|19|15|19
2|19|15|19
3|18|15|18
4|19|15|19
5|19|15|19
6|18|15|19
7|18|15|19
8|19|15|18
9|19|15|19
10|19|15|19
11|19|15|19
12|19|15|19
NULL|27|17|27

select approx_count_distinct(k), hll_count(hll_agg(k)), hll_agg(k) is null from e
====
values (0, null::int8, true)
----
0|NULL|t

select abs(approx_count_distinct(ts) - 20000) < 600, abs(hll_count(hll_agg(x)) - (select count(distinct x) from c)) < 300, approx_count_distinct(g) from c -- in memory
====
values (true, true, 97)
----
t|t|97

# The same values give the same bytes, however they are divided and merged.
select (select hll_agg(v) from a) = (select rollup(z) from (select k, hll_agg(v) z from a group by k) q), (select percentile_agg(f) from a) = (select rollup(z) from (select k, percentile_agg(f) z from a group by k) q), (select count_min_agg(s, 0.01) from a) = (select rollup(z) from (select h % 7, count_min_agg(s, 0.01) z from a group by 1) q), (select top_k_agg(s, 20) from a) = (select rollup(z) from (select h % 7, top_k_agg(s, 20) z from a group by 1) q), (select bloom_agg(v, 10000) from a) = (select rollup(z) from (select k, bloom_agg(v, 10000) z from a group by k) q), (select minhash_agg(v) from a) = (select rollup(z) from (select k, minhash_agg(v) z from a group by k) q) -- in memory
====
values (true, true, true, true, true, true)
----
t|t|t|t|t|t

select k, every(abs(q - e) <= 0.0101 * abs(e)) from (select k, approx_percentile(0.3, percentile_agg(v)) q, percentile_disc(0.3) within group (order by v) e from a group by k having count(v) > 10 union all select k, approx_percentile(v, 1), max(v) from a group by k having count(v) > 10) x group by k -- unordered
====
select k, true from a group by k having count(v) > 10
----
11|t
8|t
NULL|t
4|t
0|t
3|t
10|t
9|t
7|t
1|t
5|t
2|t
6|t
12|t

select approx_percentile(0.5, percentile_agg(f)), approx_percentile(f, 0), approx_percentile(1, percentile_agg(f, 0.001)) from (values (1::float8), ('NaN'), ('infinity'), ('-infinity'), (null), (0), (-5)) x(f)
====
values (0::float8, '-infinity'::float8, 'NaN'::float8)
----
0|-Infinity|NaN

select approx_percentile_rank(20, percentile_agg(g)), approx_percentile_rank(0, percentile_agg(g)), approx_percentile_rank(1000, percentile_agg(g)) from generate_series(1, 100) g
====
values (0.2::float8, 0::float8, 1::float8)
----
0.2|0|1

select approx_percentile(0.5, percentile_agg(f)), approx_percentile(f, 0.5) from a where false
====
values (null::float8, null::float8)
----
NULL|NULL

select g, count_min_count((select count_min_agg(g) from c), g) = count(*) from c where g < 'g10' group by g -- in memory
====
select g, true from c where g < 'g10' group by g
----
g0|t
g1|t

select count_min_count(count_min_agg(s), 'no such'), count_min_count(count_min_agg(s), 's03') - count(*) filter (where s = 's03') from a
====
values (0::int8, 0::int8)
----
0|0

select t.* from (select top_k_agg(s, 5) t from a) x, top_k(x.t) t
====
select s, count(*), 0::int8 from a where s is not null group by 1 order by 2 desc, 1 limit 5
----
s05|17|0
s07|17|0
s08|17|0
s10|17|0
s00|16|0

select count(*) filter (where bloom_contains(bf, v)), count(*) filter (where bloom_contains(bf, -v - 1)) < 10 from (select bloom_agg(v, 300) bf from a) x, a
====
select count(v), true from a
----
272|t

select round(minhash_similarity(minhash_agg(x) filter (where x < 6000), minhash_agg(x) filter (where x >= 3000 and x < 9000))::numeric, 1), minhash_similarity(minhash_agg(x), minhash_agg(x)), minhash_similarity(minhash_agg(x), minhash_agg(-x - 1)) from c
====
values (0.3, 1::float8, 0::float8)
----
0.3|1|0

select sketch_merge(null, null) is null, hll_count(sketch_merge(hll_agg(id), null)), hll_count(sketch_merge(hll_agg(id) filter (where id < 10), hll_agg(id) filter (where id between 5 and 14))) from a
====
values (true, 300::int8, 15::int8)
----
t|300|15

# In windows, filtered, of duplicates.
select id, approx_count_distinct(k) over (partition by h order by id), hll_count(hll_agg(k) filter (where k > 3) over (order by id rows between 5 preceding and current row)) from a where id < 60 -- unordered
====
select id, (select count(distinct k) from a b where b.h is not distinct from a.h and b.id <= a.id), nullif((select count(distinct k) from a b where b.id between a.id - 5 and a.id and k > 3), 0) from a where id < 60 -- unordered
----
0|1|NULL
1|1|1
2|1|1
3|1|2
4|1|2
5|1|3
6|0|3
7|1|3
8|1|4
9|1|4
10|1|5
11|2|5
12|1|6
13|1|5
14|1|5
15|1|4
16|1|4
17|0|3
18|1|3
19|1|3
20|1|3
21|1|4
22|3|4
23|1|5
24|2|5
25|2|6
26|2|5
27|2|5
28|1|4
29|1|4
30|2|3
31|2|3
32|2|3
33|4|3
34|1|4
35|2|4
36|2|5
37|2|5
38|2|6
39|1|5
40|1|5
41|2|4
42|2|4
43|2|3
44|5|3
45|1|3
46|2|3
47|3|4
48|3|4
49|3|5
50|2|4
51|2|5
52|2|4
53|3|4
54|3|3
55|6|3
56|2|3
57|2|3
58|3|3
59|3|3

# What is refused.
select hll_count('\x1234')
====
----
ERROR 22023 these bytes are no sketch

select hll_count(percentile_agg(v)) from a
====
----
ERROR 22023 this is a percentile sketch, not a hll sketch

select rollup(h) from (select hll_agg(v) h from a union all select minhash_agg(v) from a) q
====
----
ERROR 22023 a hll sketch cannot be merged with a minhash sketch

select approx_percentile(1.5, percentile_agg(v)) from a
====
----
ERROR 22003 percentile value 1.5 is not between 0 and 1

select percentile_agg(v, f) from a
====
----
ERROR 22023 the parameters of a sketch must be constants

select percentile_agg(v, 3) from a
====
----
ERROR 22023 the accuracy of a percentile sketch must be from 0.0005 to 0.2

select bloom_agg(v, 1000000000000) from a
====
----
ERROR 22023 a bloom filter of 1198132297176 bytes is too large (at most 33554432)

select approx_percentile(count(*), 0.5) from a
====
----
ERROR 42803 aggregate function calls cannot be nested
