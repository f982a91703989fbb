-- Sums and differences of dates, times and intervals.
timestamp '2024-01-31 10:00' + interval '1 month'
timestamp '2024-03-31 10:00' - interval '1 month'
timestamp '2023-03-31 10:00' - interval '1 month 1 day 25:00'
timestamp '2024-02-29 00:00' + interval '1 year'
timestamp '2024-02-29 00:00' - interval '4 years'
timestamp '0001-01-01' - interval '1 day'
timestamp '0001-01-01' - interval '5 years'
timestamp '4713-01-01 BC' - interval '1 month'
timestamp '4713-01-01 BC' - interval '3 months'
timestamp '4714-11-24 BC' - interval '1 microsecond'
timestamp '4714-11-24 BC' + interval '0'
timestamp '294246-12-31 23:59:59' + interval '1 second'
timestamp '200000-01-01' + interval '178000000 years'
timestamp '2024-01-01' + interval '178000000 years'
timestamp 'infinity' + interval '1 day'
timestamp '-infinity' - interval '1 day'
interval '1 day' + timestamp '2024-01-01'
interval '1 day' + timestamptz '2024-01-01 00:00Z'
interval '1 day' + date '2024-01-01'
interval '1 day' + time '12:00'
interval '1 day 13 hours' + time '12:00'
interval '1 day 13 hours' + timetz '12:00+02'
time '12:00' - interval '13 hours'
time '12:00' - interval '1 mon -13 hours'
time '24:00' + interval '0'
timetz '12:00+02' - interval '13 hours'
timetz '12:00+02' + interval '36:00'
time '12:00' - time '13:30:30.5'
timestamp '2024-01-01' - timestamp '2023-12-01 12:00'
timestamp '2023-12-01 12:00' - timestamp '2024-01-01'
timestamptz '2024-01-01 00:00Z' - timestamptz '2023-12-01 12:00+05'
timestamp '294246-01-01' - timestamp '4700-01-01 BC' -- differs: PostgreSQL 15 wraps around
timestamp 'infinity' - timestamp '2024-01-01'
timestamp '2024-01-01' - timestamp '-infinity'
date '2024-03-01' - date '2024-02-01'
date 'infinity' - date '2024-01-01'
date '2024-02-28' + 2
2 + date '2024-02-28'
date '2024-02-28' - 60
date 'infinity' + 1
date '-infinity' - 1
date '5874897-12-31' + 1
date '4714-11-24 BC' - 1
date '2024-01-01' + 2147483647
date '2024-01-01' - (-2147483648)
date '2024-01-31' + interval '1 month'
date '2024-03-31' - interval '1 month'
date 'infinity' + interval '1 month'
date '5874897-12-31' + interval '1 day'
date '2024-03-30' + time '10:00'
time '10:00' + date '2024-03-30'
date '2024-03-30' + timetz '10:00+02'
timetz '10:00-03:30' + date '2024-03-30'
date 'infinity' + time '10:00'
date '5874897-12-31' + time '10:00'
-- Zones: gaps and overlaps.
set timezone = 'Europe/Berlin'
timestamptz '2024-03-30 02:30' + interval '1 day'
timestamptz '2024-03-30 02:30' + interval '24 hours'
timestamptz '2024-03-31 01:59:59' + interval '1 second'
timestamptz '2024-10-26 02:30' + interval '1 day'
timestamptz '2024-10-27 02:30' - interval '1 day'
timestamptz '2024-10-27 02:30+02' + interval '1 hour'
timestamptz '2024-10-27 02:30+01' - interval '1 month'
timestamptz '2024-03-31 02:30'
timestamptz '2024-04-30 02:30' - interval '1 month'
timestamptz '2024-04-01 00:00' - timestamptz '2024-03-31 00:00'
timestamptz '1891-01-01 00:00' + interval '1 day'
timestamptz '1893-04-01 00:00' - interval '1 minute'
timestamptz '2100-07-01 00:00' + interval '6 months'
timestamptz 'infinity' - interval '1 month'
timestamptz '294246-12-31 23:00' + interval '2 hours'
timestamptz '294246-12-31 23:00' + interval '1 day'
date '2024-03-31' + timetz '02:30+01'
date '2024-03-31'::timestamptz
date '2024-10-27'::timestamptz + interval '1 day'
set timezone = 'America/New_York'
timestamptz '2024-11-02 01:30' + interval '1 day'
timestamptz '2024-11-03 01:30 EDT' + interval '1 hour'
timestamptz '2024-03-10 02:30'
timestamptz '2024-03-09 02:30' + interval '1 day'
timestamptz '1883-11-18 12:03:57'
timestamptz '1883-11-18 12:03:58' + interval '1 second'
set timezone = 'Australia/Lord_Howe'
timestamptz '2024-04-06 01:45' + interval '1 day'
timestamptz '2024-10-05 02:15' + interval '1 day'
set timezone = 'Pacific/Apia'
timestamptz '2011-12-29 12:00' + interval '1 day'
timestamptz '2011-12-29 12:00' + interval '24 hours'
set timezone = 'UTC'
-- Intervals among themselves.
interval '1 month 2 days 03:04:05' + interval '-1 day 20:00'
interval '1 month' - interval '1 day'
interval '0' - interval '178956970 years 7 months'
interval '178956970 years 7 months' + interval '1 month'
interval '-178956970 years -8 months' - interval '1 month'
- interval '1 year 2 days -3 hours'
- interval '-178956970 years -8 months'
- interval '-2147483648 days'
interval '2147483647 days' + interval '1 day'
interval '-2147483648 days' - interval '1 day'
interval '2562047788 hours' + interval '2562047788 hours'
interval '1 mon' * 1.5
interval '1 mon 1 day' * 0.25
interval '1 year' * 0.3
interval '3 days' * 2.5
2.5 * interval '3 days 12:00'
interval '1 day' * -0.3
interval '1 mon -1 day' * 0.5
interval '7 days 00:00:01' * 1e-7
interval '1 year' * 1e9
interval '1 day' * 1e10
interval '1 hour' * 1e10
interval '1 day' * 'NaN'::float8
interval '1 day' * 'Infinity'::float8
interval '1 mon' / 3
interval '1 mon' / 7
interval '10 days' / 3
interval '1 day' / 7
interval '1 year 1 mon 1 day' / 2.5
interval '1 day' / 0
interval '1 day' / -4
interval '1 day' / 'NaN'::float8
interval '1 day' / 'Infinity'::float8
justify_hours(interval '27 hours')
justify_hours(interval '-1 day 27 hours')
justify_hours(interval '1 day -25 hours')
justify_hours(interval '2147483647 days 24 hours')
justify_days(interval '35 days')
justify_days(interval '1 mon -35 days')
justify_days(interval '-1 mon 35 days')
justify_days(interval '178956970 years 7 months 31 days')
justify_interval(interval '1 mon -1 hour')
justify_interval(interval '-1 mon 1 hour')
justify_interval(interval '1 year 40 days 27 hours')
justify_interval(interval '-2147483648 days')
justify_interval(interval '2147483647 days 24 hours')
justify_interval(interval '30 days -1 hour')
justify_interval(interval '-30 days 1 hour')
-- Comparisons.
interval '1 month' = interval '30 days'
interval '1 day' = interval '24 hours'
interval '1 month' < interval '31 days'
interval '-1 day' < interval '0'
date '2024-01-01' = timestamp '2024-01-01'
date '2024-01-01' < timestamp '2024-01-01 00:00:01'
date 'infinity' > timestamp '294246-01-01'
date 'infinity' = timestamp 'infinity'
date '-infinity' = timestamp '-infinity'
date '5874897-12-31' > timestamp '294246-01-01'
date '5874897-12-31' < timestamp 'infinity'
timestamp '2024-01-01' >= date '2024-01-01'
timestamp '2024-01-01' <> date '2024-01-02'
date '2024-01-01' = timestamptz '2024-01-01 00:00Z'
timestamp '2024-01-01' = timestamptz '2024-01-01 00:00Z'
timestamptz '2024-01-01 00:00Z' > timestamp '2024-01-01 00:00:00.000001'
timestamptz '2024-01-01 00:00Z' <= date '2024-01-01'
timetz '12:00+01' < timetz '12:00+00'
timetz '12:00+01' = timetz '11:00+00'
time '24:00' > time '23:59:59.999999'
greatest(timestamp '2024-01-01', date '2025-01-01')
least(interval '1 month', interval '29 days')
date '2024-01-01' between timestamp '2023-12-31 23:59' and timestamptz '2024-01-01 00:00Z'
set timezone = 'America/New_York'
date '2024-01-01' = timestamptz '2024-01-01 00:00Z'
timestamp '2024-01-01' < timestamptz '2024-01-01 00:00Z'
timestamptz '2024-01-01 05:00Z' = date '2024-01-01'
date '2024-03-10' < timestamptz '2024-03-10 05:00:01Z'
timestamp '2024-03-10 02:30' = timestamptz '2024-03-10 07:30Z'
timestamp '2024-11-03 01:30' = timestamptz '2024-11-03 06:30Z'
