# Filling gaps: PostgreSQL answers with generate_series. The rows of a are one an hour or so, from 2020-09-13 12:26:40 on for five hours.
select time_bucket_gapfill('30 min', t) as b, count(*), min(id) from a where t >= '2020-09-13 11:00+00' and t < '2020-09-13 13:40+00' and k = 3 group by 1 order by 1
====
select z, case when c > 0 then c end, m from (select z, count(id) c, min(id) m from generate_series('2020-09-13 11:00+00'::timestamptz, '2020-09-13 13:30+00', '30 min') z left join a on date_bin('30 min', t, '2000-01-03 00:00+00') = z and t >= '2020-09-13 11:00+00' and t < '2020-09-13 13:40+00' and k = 3 group by 1) q order by 1
----
2020-09-13 11:00:00+00|NULL|NULL
2020-09-13 11:30:00+00|NULL|NULL
2020-09-13 12:00:00+00|1|58
2020-09-13 12:30:00+00|1|227
2020-09-13 13:00:00+00|1|71
2020-09-13 13:30:00+00|NULL|NULL

# Groups are filled each for itself; rows out of the bounds are kept.
select time_bucket_gapfill('1 day', d, '2019-04-20', '2019-04-27') as b, k, b as flag, sum(v) from a where k < 3 and d > '2019-04-15' group by 1, 2, 3 order by 2, 3, 1
====
with q as (select d x, k, b f, sum(v) s from a where k < 3 and d > '2019-04-15' group by 1, 2, 3) select * from q union all select g::date, k, f, null from (select distinct k, f from q) s cross join generate_series(date '2019-04-20', '2019-04-26', '1 day') g where not exists (select from q where q.x = g::date and q.k = s.k and q.f is not distinct from s.f) order by 2, 3, 1
----
2019-04-19|0|f|502
2019-04-20|0|f|NULL
2019-04-21|0|f|780
2019-04-22|0|f|NULL
2019-04-23|0|f|597
2019-04-24|0|f|NULL
2019-04-25|0|f|NULL
2019-04-26|0|f|NULL
2019-04-27|0|f|156
2019-04-28|0|f|563
2019-04-29|0|f|970
2019-05-01|0|f|251
2019-05-02|0|f|NULL
2019-05-07|0|f|624
2019-05-09|0|f|441
2019-05-11|0|f|719
2019-05-12|0|f|129
2019-04-20|0|t|NULL
2019-04-21|0|t|NULL
2019-04-22|0|t|NULL
2019-04-23|0|t|NULL
2019-04-24|0|t|NULL
2019-04-25|0|t|875
2019-04-26|0|t|285
2019-05-04|0|t|NULL
2019-05-05|0|t|346
2019-04-20|0|NULL|NULL
2019-04-21|0|NULL|NULL
2019-04-22|0|NULL|NULL
2019-04-23|0|NULL|NULL
2019-04-24|0|NULL|NULL
2019-04-25|0|NULL|NULL
2019-04-26|0|NULL|NULL
2019-05-08|0|NULL|34
2019-05-10|0|NULL|312
2019-04-16|1|f|24
2019-04-17|1|f|431
2019-04-18|1|f|838
2019-04-20|1|f|NULL
2019-04-21|1|f|NULL
2019-04-22|1|f|NULL
2019-04-23|1|f|NULL
2019-04-24|1|f|214
2019-04-25|1|f|NULL
2019-04-26|1|f|492
2019-04-28|1|f|309
2019-05-03|1|f|275
2019-05-07|1|f|370
2019-04-20|1|t|119
2019-04-21|1|t|NULL
2019-04-22|1|t|NULL
2019-04-23|1|t|NULL
2019-04-24|1|t|NULL
2019-04-25|1|t|NULL
2019-04-26|1|t|NULL
2019-04-30|1|t|587
2019-05-01|1|t|994
2019-05-09|1|t|648
2019-05-11|1|t|465
2019-04-20|1|NULL|NULL
2019-04-21|1|NULL|NULL
2019-04-22|1|NULL|NULL
2019-04-23|1|NULL|NULL
2019-04-24|1|NULL|NULL
2019-04-25|1|NULL|NULL
2019-04-26|1|NULL|NULL
2019-04-27|1|NULL|899
2019-04-29|1|NULL|180
2019-04-19|2|f|455
2019-04-20|2|f|862
2019-04-21|2|f|NULL
2019-04-22|2|f|143
2019-04-23|2|f|NULL
2019-04-24|2|f|NULL
2019-04-25|2|f|NULL
2019-04-26|2|f|NULL
2019-04-28|2|f|516
2019-04-30|2|f|333
2019-05-02|2|f|611
2019-05-03|2|f|21
2019-05-08|2|f|984
2019-05-09|2|f|NULL
2019-05-11|2|f|NULL
2019-05-12|2|f|82
2019-04-17|2|t|177
2019-04-20|2|t|NULL
2019-04-21|2|t|NULL
2019-04-22|2|t|NULL
2019-04-23|2|t|NULL
2019-04-24|2|t|NULL
2019-04-25|2|t|NULL
2019-04-26|2|t|238
2019-05-05|2|t|299
2019-05-06|2|t|706
2019-04-16|2|NULL|767
2019-04-18|2|NULL|48
2019-04-20|2|NULL|NULL
2019-04-21|2|NULL|NULL
2019-04-22|2|NULL|NULL
2019-04-23|2|NULL|NULL
2019-04-24|2|NULL|NULL
2019-04-25|2|NULL|NULL
2019-04-26|2|NULL|NULL

select time_bucket_gapfill(10, time, 0, 50) as time, min(value) as value from (values (-10, 1), (10, 2), (11, 3), (12, 4), (22, 5), (30, 6), (66, 7)) v(time, value) group by 1 order by 1
====
values (-10, 1), (0, null), (10, 2), (20, 5), (30, 6), (40, null), (60, 7) order by 1
----
-10|1
0|NULL
10|2
20|5
30|6
40|NULL
60|7

select time_bucket_gapfill(10, time, 5, 40), count(*) from (values (11), (22)) v(time) group by 1
====
values (0, null), (10, 1), (20, 1), (30, null)
----
0|NULL
10|1
20|1
30|NULL

# Nothing to group: all is one group, or there is none.
select time_bucket_gapfill(1, time, 0, 5), min(time), coalesce(min(time), -1) from (values (1), (2)) v(time) where false group by 1
====
values (0, null::int, -1), (1, null, -1), (2, null, -1), (3, null, -1), (4, null, -1)
----
0|NULL|-1
1|NULL|-1
2|NULL|-1
3|NULL|-1
4|NULL|-1

select time_bucket_gapfill(1, time, 0, 5), x, min(time) from (values (1, 'a')) v(time, x) where false group by 1, 2
====
select 1, 'a', 1 where false
----

# locf: NULLs of the input stay, and are carried on, unless they are missing values.
select time_bucket_gapfill(1, t, 0, 9) b, min(v), locf(min(v)), locf(min(v), -7), locf(min(v), treat_null_as_missing => true), locf(min(v), -7, true), locf(min(v), 2 * 3) + 1
from (values (2, 10), (3, null), (5, 20), (7, null), (7, null)) x(t, v) group by 1 order by 1
====
values (0, null, null, -7, null, -7, 7), (1, null, null, -7, null, -7, 7), (2, 10, 10, 10, 10, 10, 11), (3, null, null, null, 10, 10, null), (4, null, null, null, 10, 10, null), (5, 20, 20, 20, 20, 20, 21), (6, null, 20, 20, 20, 20, 21), (7, null, null, null, 20, 20, null), (8, null, null, null, 20, 20, null) order by 1
----
0|NULL|NULL|-7|NULL|-7|7
1|NULL|NULL|-7|NULL|-7|7
2|10|10|10|10|10|11
3|NULL|NULL|NULL|10|10|NULL
4|NULL|NULL|NULL|10|10|NULL
5|20|20|20|20|20|21
6|NULL|20|20|20|20|21
7|NULL|NULL|NULL|20|20|NULL
8|NULL|NULL|NULL|20|20|NULL

# The value before the first one, from a subquery for each group.
select time_bucket_gapfill(1, t, 3, 7) b, g, locf(min(v), (select v from (values ('a', 1, 100), ('a', 2, 200), ('b', 1, 300)) p(g, t, v) where p.g = x.g order by t desc limit 1))
from (values ('a', 5, 10), ('b', 4, 20), ('c', 6, 30)) x(g, t, v) group by 1, 2 order by 2, 1
====
values (3, 'a', 200), (4, 'a', 200), (5, 'a', 10), (6, 'a', 10), (3, 'b', 300), (4, 'b', 20), (5, 'b', 20), (6, 'b', 20), (3, 'c', null), (4, 'c', null), (5, 'c', null), (6, 'c', 30) order by 2, 1
----
3|a|200
4|a|200
5|a|10
6|a|10
3|b|300
4|b|20
5|b|20
6|b|20
3|c|NULL
4|c|NULL
5|c|NULL
6|c|30

# interpolate: between neighbours that have values.
select time_bucket_gapfill(1, t, 0, 10) b, interpolate(min(v)), interpolate(min(v)::float8), interpolate(min(v)::smallint), interpolate(min(v)::bigint), interpolate(min(v)::real), interpolate(avg(v))
from (values (1, 10), (4, 20), (6, null), (8, -3)) x(t, v) group by 1 order by 1
====
values (0, null, null, null, null, null, null), (1, 10, 10::float8, 10::int2, 10::int8, 10::real, 10.0000000000000000), (2, 13, 13.333333333333334, 13, 13, 13.333333, 13.3333333333333333), (3, 16, 16.666666666666664, 16, 16, 16.666666, 16.6666666666666667), (4, 20, 20, 20, 20, 20, 20.0000000000000000), (5, null, null, null, null, null, null), (6, null, null, null, null, null, null), (7, null, null, null, null, null, null), (8, -3, -3, -3, -3, -3, -3.0000000000000000), (9, null, null, null, null, null, null) order by 1
----
0|NULL|NULL|NULL|NULL|NULL|NULL
1|10|10|10|10|10|10.0000000000000000
2|13|13.333333333333334|13|13|13.333333|13.3333333333333333
3|16|16.666666666666664|16|16|16.666666|16.6666666666666667
4|20|20|20|20|20|20.0000000000000000
5|NULL|NULL|NULL|NULL|NULL|NULL
6|NULL|NULL|NULL|NULL|NULL|NULL
7|NULL|NULL|NULL|NULL|NULL|NULL
8|-3|-3|-3|-3|-3|-3.0000000000000000
9|NULL|NULL|NULL|NULL|NULL|NULL

select time_bucket_gapfill('1 day', ts, '2026-01-01', '2026-01-05') as day, interpolate(max(v)) from (values (timestamp '2026-01-01 03:00', 9223372036854775807), ('2026-01-04', -9223372036854775808)) x(ts, v) group by 1 order by 1
====
values (timestamp '2026-01-01', 9223372036854775807), ('2026-01-02', 3074457345618258602), ('2026-01-03', -3074457345618258603), ('2026-01-04', -9223372036854775808) order by 1
----
2026-01-01 00:00:00|9223372036854775807
2026-01-02 00:00:00|3074457345618258602
2026-01-03 00:00:00|-3074457345618258603
2026-01-04 00:00:00|-9223372036854775808

# Neighbours outside: records of a time and a value, for each group.
select time_bucket_gapfill(1, t, 2, 8) b, g, interpolate(min(v), (select (t, v) from (values ('a', 0, 0), ('b', 1, 7)) p(g, t, v) where p.g = x.g), (select (t, v) from (values ('a', 10, 100), ('c', 9, 0)) p(g, t, v) where p.g = x.g)), interpolate(min(v)::float8, next => (select (9, 1)))
from (values ('a', 4, 40), ('a', 6, 60), ('b', 4, 10), ('c', 5, 20)) x(g, t, v) group by 1, 2 order by 2, 1
====
values (2, 'a', 20, null), (3, 'a', 30, null), (4, 'a', 40, 40), (5, 'a', 50, 50), (6, 'a', 60, 60), (7, 'a', 70, 40.33333333333334::float8), (2, 'b', 8, null), (3, 'b', 9, null), (4, 'b', 10, 10), (5, 'b', null, 8.2), (6, 'b', null, 6.4), (7, 'b', null, 4.6), (2, 'c', null, null), (3, 'c', null, null), (4, 'c', null, null), (5, 'c', 20, 20), (6, 'c', 15, 15.25), (7, 'c', 10, 10.5) order by 2, 1
----
2|a|20|NULL
3|a|30|NULL
4|a|40|40
5|a|50|50
6|a|60|60
7|a|70|40.33333333333334
2|b|8|NULL
3|b|9|NULL
4|b|10|10
5|b|NULL|8.2
6|b|NULL|6.4
7|b|NULL|4.6
2|c|NULL|NULL
3|c|NULL|NULL
4|c|NULL|NULL
5|c|20|20
6|c|15|15.25
7|c|10|10.5

select time_bucket_gapfill(1, t, 2, 8) b, interpolate(min(t), (select (1, 2, 3))) from (values (1)) x(t) group by 1
====
----
ERROR 22023 interpolate RECORD arguments must have 2 elements

select time_bucket_gapfill(1, t, 2, 8) b, interpolate(min(t), (select (date '2026-01-01', 2))) from (values (1)) x(t) group by 1
====
----
ERROR 22023 interpolate RECORD arguments must be of a time of type integer and a value of type integer, not of type date

# Months, and the clocks of a zone that are put forward and back.
select time_bucket_gapfill('1 month', ts, '2026-01-15', '2026-05-01'), sum(v) from (values (timestamptz '2026-02-11 03:00+00', 1), ('2026-02-28 23:00+00', 2)) x(ts, v) group by 1 order by 1
====
values (timestamptz '2026-01-01 00:00+00', null), ('2026-02-01 00:00+00', 3), ('2026-03-01 00:00+00', null), ('2026-04-01 00:00+00', null)
----
2026-01-01 00:00:00+00|NULL
2026-02-01 00:00:00+00|3
2026-03-01 00:00:00+00|NULL
2026-04-01 00:00:00+00|NULL

select time_bucket_gapfill('1 day', ts, 'Europe/Berlin'), sum(v) from (values (timestamptz '2026-03-28 12:00+00', 1), ('2026-03-31 12:00+00', 2)) x(ts, v) where ts between '2026-03-28 00:00+01' and '2026-03-31 23:00+02' group by 1 order by 1
====
values (timestamptz '2026-03-28 00:00+01', 1), ('2026-03-29 00:00+01', null), ('2026-03-30 00:00+02', null), ('2026-03-31 00:00+02', 2)
----
2026-03-27 23:00:00+00|1
2026-03-28 23:00:00+00|NULL
2026-03-29 22:00:00+00|NULL
2026-03-30 22:00:00+00|2

select time_bucket_gapfill('1 hour', ts, 'Europe/Berlin', '2026-03-28 23:00+00', '2026-03-29 04:00+00') b, count(*) from (values (timestamptz '2026-03-29 01:30+00', 1)) x(ts, v) group by 1 order by 1
====
values (timestamptz '2026-03-28 23:00+00', null), ('2026-03-29 00:00+00', null), ('2026-03-29 01:00+00', 1), ('2026-03-29 02:00+00', null), ('2026-03-29 03:00+00', null)
----
2026-03-28 23:00:00+00|NULL
2026-03-29 00:00:00+00|NULL
2026-03-29 01:00:00+00|1
2026-03-29 02:00:00+00|NULL
2026-03-29 03:00:00+00|NULL

select time_bucket_gapfill('1 hour', ts, 'Europe/Berlin', '2026-10-24 23:00+00', '2026-10-25 04:00+00') b, locf(sum(v)) from (values (timestamptz '2026-10-25 00:30+00', 1), ('2026-10-25 01:30+00', 2)) x(ts, v) group by 1 order by 1
====
values (timestamptz '2026-10-24 23:00+00', null), ('2026-10-25 01:00+00', 3), ('2026-10-25 02:00+00', 3), ('2026-10-25 03:00+00', 3)
----
2026-10-24 23:00:00+00|NULL
2026-10-25 01:00:00+00|3
2026-10-25 02:00:00+00|3
2026-10-25 03:00:00+00|3

# Bounds from WHERE: > and <= mean the next value; several; of another type; by a subquery; as arguments and in WHERE.
select time_bucket_gapfill(1, t), count(*) from (values (3), (5)) x(t) where t > 1 and t <= 6 and t < 100 and 0 <= t group by 1 order by 1
====
values (2, null), (3, 1), (4, null), (5, 1), (6, null) order by 1
----
2|NULL
3|1
4|NULL
5|1
6|NULL

select time_bucket_gapfill(1, t), count(*) from (values (3), (5)) x(t) where t >= (select min(k) from a) and t < 6.0::int8 group by 1 order by 1
====
values (0, null), (1, null), (2, null), (3, 1), (4, null), (5, 1) order by 1
----
0|NULL
1|NULL
2|NULL
3|1
4|NULL
5|1

select time_bucket_gapfill(1, t, finish => 5), count(*) from (values (3), (5)) x(t) where t > 1 and t <= 6 group by 1 order by 1
====
values (2, null), (3, 1), (4, null), (5, 1) order by 1
----
2|NULL
3|1
4|NULL
5|1

select time_bucket_gapfill(1, t), count(*) from (values (3), (5)) x(t) where t = 5 group by 1
====
values (5, 1)
----
5|1

# From outside: a subquery and WITH take bounds from the conditions on their buckets.
select * from (select time_bucket_gapfill(1, t) b, g, count(*) n, locf(sum(v)) from (values (3, 'x', 7), (5, 'x', 8), (1, 'y', 9), (99, 'z', 1)) x(t, g, v) group by 1, 2) q where b >= 2 and b < 6 and g <> 'w' order by 2, 1 -- not as bound
====
values (2, 'x', null, null), (3, 'x', 1, 7), (4, 'x', null, 7), (5, 'x', 1, 8) order by 2, 1
----
2|x|NULL|NULL
3|x|1|7
4|x|NULL|7
5|x|1|8

with q as (select time_bucket_gapfill('1 hour', ts) b, sum(x) s from c where x < 100 group by 1) select count(*), count(s), min(b), max(b), sum(s) from q where b between '2023-11-14 20:00+00' and '2023-11-15 20:00+00' -- not as bound
====
select count(*), count(s), min(b), max(b), sum(s) from generate_series('2023-11-14 20:00+00'::timestamptz, '2023-11-15 20:00+00', '1 hour') b left join (select date_trunc('hour', ts) b, sum(x) s from c where x < 100 group by 1) q using (b)
----
25|6|2023-11-14 20:00:00+00|2023-11-15 20:00:00+00|9270

select b, n, sum(n) over (order by b), lag(m) over (order by b) from (select time_bucket_gapfill(2, t) b, coalesce(count(*), 0) n, max(t) m from (values (3), (5), (9)) x(t) where t between 0 and 9 group by 1 having max(t) <> 5) q order by 1
====
values (0, 0, 0, null), (2, 1, 1, null), (4, 0, 1, 3), (6, 0, 1, null), (8, 1, 2, null) order by 1
----
0|0|0|NULL
2|1|1|NULL
4|0|1|3
6|0|1|NULL
8|1|2|NULL

select time_bucket_gapfill(2, t) b, lag(max(t)) over (order by time_bucket_gapfill(2, t)) from (values (3), (5), (9)) x(t) where t between 0 and 9 group by b order by b desc limit 3
====
values (8, null), (6, 5), (4, 3) order by 1 desc
----
8|NULL
6|5
4|3

# Larger ones, with an outer join to each other.
select count(*), count(n), sum(n), count(l), sum(l) from (select g, time_bucket_gapfill('10 min', ts, '2023-11-14 22:00+00', '2023-11-15 06:00+00') b, count(*) n, locf(max(x)) l from c where x < 300 group by 1, 2) q
====
select count(*), count(n), sum(n), count(l), sum(l) from (select g.g, s.b, n, (select m from (select g, date_bin('10 min', ts, '2000-01-03 00:00+00') b, max(x) m from c where x < 300 group by 1, 2) p where p.g = g.g and p.b <= s.b order by p.b desc limit 1) l from (select distinct g from c where x < 300) g cross join generate_series('2023-11-14 22:00+00'::timestamptz, '2023-11-15 05:50+00', '10 min') s(b) left join (select g, date_bin('10 min', ts, '2000-01-03 00:00+00') b, count(*) n from c where x < 300 group by 1, 2) q on q.g = g.g and q.b = s.b) q
----
4656|566|566|4251|697400

select count(*), sum(b) from (select time_bucket_gapfill(1, t, 0, 100000) b, count(*) from (values (3), (50000)) x(t) group by 1) q
====
select count(*), sum(b) from generate_series(0, 99999) b
----
100000|4999950000

# What is refused.
select time_bucket_gapfill('1 hour', t), count(*) from a group by 1
====
----
ERROR 22023 missing time_bucket_gapfill argument: could not infer start from WHERE clause

select time_bucket_gapfill('1 hour', t), count(*) from a where t > '2020-01-01' group by 1
====
----
ERROR 22023 missing time_bucket_gapfill argument: could not infer finish from WHERE clause

select time_bucket_gapfill('1 hour', t, '2020-01-01', 'infinity'), count(*) from a group by 1
====
----
ERROR 22023 invalid time_bucket_gapfill argument: finish cannot be infinite

select time_bucket_gapfill('1 us', t, '2020-01-01', '2021-01-01'), count(*) from a group by 1
====
----
ERROR 54000 time_bucket_gapfill would make about 31622400000000 buckets of each group

select time_bucket_gapfill('0 s', t, '2020-01-01', '2021-01-01'), count(*) from a group by 1
====
----
ERROR 22023 period must be greater than 0

select time_bucket_gapfill('1 day', t, t, '2021-01-01'), count(*) from a group by 1
====
----
ERROR 22023 invalid time_bucket_gapfill argument: start must not contain variables

select time_bucket_gapfill('1 day', t, '2020-01-01', '2021-01-01') from a
====
----
ERROR 0A000 time_bucket_gapfill must be an item of GROUP BY by itself

select 1 + time_bucket_gapfill(1, id, 0, 3) from a group by 1
====
----
ERROR 0A000 time_bucket_gapfill must be an item of GROUP BY by itself

select locf(id) from a
====
----
ERROR 0A000 locf can be used only in the select list and ORDER BY of a query that groups by time_bucket_gapfill

select time_bucket_gapfill(1, id, 0, 3), interpolate(count(*)) from a group by rollup (1)
====
----
ERROR 0A000 time_bucket_gapfill is not supported with grouping sets
