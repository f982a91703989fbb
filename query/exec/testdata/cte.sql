with q as (select k, count(*) as c from a group by k) select * from q order by k
----
0|22
1|21
2|21
3|20
4|21
5|21
6|21
7|21
8|21
9|21
10|21
11|21
12|21
NULL|27

with q as (select * from a where id < 20) select q1.id, q2.id from q q1 join q q2 on q1.id = q2.id + 1 order by 1
----
1|0
2|1
3|2
4|3
5|4
6|5
7|6
8|7
9|8
10|9
11|10
12|11
13|12
14|13
15|14
16|15
17|16
18|17
19|18

with p as (select 1 as x), q as (select x + 1 as y from p) select * from p, q
----
1|2

with recursive t(n) as (select 1 union all select n + 1 from t where n < 10) select n from t order by n
----
1
2
3
4
5
6
7
8
9
10

with recursive t(n) as (values (1) union all select n + 1 from t) select n from t limit 5
----
1
2
3
4
5

with recursive t(n) as (select 1 union select (n * 3) % 7 from t) select n from t order by n
----
1
2
3
4
5
6

with recursive t(a, b) as (select 0, 1 union all select b, a + b from t where b < 1000) select a, b from t order by b, a
----
0|1
1|1
1|2
2|3
3|5
5|8
8|13
13|21
21|34
34|55
55|89
89|144
144|233
233|377
377|610
610|987
987|1597

with recursive t(n, m) as (select 1, 'x' union all select n + 1, m || 'y' from t where n < 4) select * from t order by n
----
1|x
2|xy
3|xyy
4|xyyy

with recursive t as (select id, k from a where id = 1 union select a.id, a.k from a join t on a.id = t.k + 1) select * from t order by id
----
1|7
5|9
6|NULL
8|4
10|5

with recursive t(n) as (select 1 union all select n + 1 from t where n < 20000) select count(*), sum(n) from t
----
20000|200010000

with q as materialized (select x, g from c) select count(*), (select count(*) from q where x < 100) from q where x > 100
----
18757|188

with q as (select id from a where id < 3) select id, (select count(*) from q q2 where q2.id <= q.id) from q order by id
----
0|1
1|2
2|3

select * from (with q as (select 1 as x) select x from q) z
----
1

with q as (select 1 / 0) select 1
----
1

with a as (select id from a where id < 2) select * from a order by id
----
0
1

with recursive t(n) as (select 1 union all select n + 1 from t where n < 5), u as (select n * 2 as m from t) select t.n, u.m from t join u on t.n = u.m order by 1
----
2|2
4|4

