-- make_*, age, casts, overlaps, zones, now.
make_date(2024, 2, 29)
make_date(2023, 2, 29)
make_date(0, 1, 1)
make_date(-1, 1, 1)
make_date(-44, 3, 15)
make_date(-4714, 11, 24)
make_date(-4714, 11, 23)
make_date(-4713, 2, 29)
make_date(5874897, 12, 31)
make_date(5874898, 1, 1)
make_date(2147483647, 1, 1)
make_date(-2147483648, 1, 1)
make_date(2024, 13, 1)
make_date(2024, 0, 1)
make_date(2024, 1, 32)
make_date(2024, 1, -5)
make_date(year => 2024, month => 7, day => 15)
make_time(8, 15, 23.5)
make_time(24, 0, 0)
make_time(24, 0, 1)
make_time(24, 0, 0.0000001)
make_time(23, 59, 60)
make_time(23, 59, 60.1)
make_time(23, 59, 59.9999999)
make_time(10, 55, 100.1)
make_time(-1, 0, 0)
make_time(0, 60, 0)
make_time(0, 0, -0.5)
make_time(0, 0, 'NaN')
make_time(0, 0, 'Infinity')
make_time(0, 0, 1e20)
make_timestamp(2024, 2, 29, 13, 45, 56.789)
make_timestamp(-44, 3, 15, 0, 0, 0)
make_timestamp(2024, 2, 30, 13, 45, 56.789)
make_timestamp(2024, 2, 29, 24, 0, 0)
make_timestamp(2024, 2, 29, 24, 0, 1)
make_timestamp(2024, 2, 29, 13, 60, 0)
make_timestamp(294247, 1, 1, 0, 0, 0)
make_timestamp(300000, 1, 1, 0, 0, 0.25)
make_timestamp(5874898, 1, 1, 0, 0, 0)
make_timestamp(-4714, 11, 24, 0, 0, 0)
make_timestamp(-4714, 11, 23, 23, 59, 59)
make_timestamp(-4715, 11, 23, 23, 59, 59)
make_timestamp(-4714, 10, 23, 23, 59, 59)
make_timestamp(5874898, 6, 1, 0, 0, 0)
make_timestamp(5874899, 1, 1, 0, 0, 0)
make_date(-4715, 1, 1)
make_date(-4715, 2, 30)
make_timestamp(-4715, 2, 30, 0, 0, 0)
set timezone = 'Europe/Berlin'
make_timestamptz(2024, 2, 29, 13, 45, 56.789)
make_timestamptz(2024, 3, 31, 2, 30, 0)
make_timestamptz(2024, 10, 27, 2, 30, 0)
make_timestamptz(2024, 2, 29, 13, 45, 56.789, 'America/New_York')
make_timestamptz(2024, 2, 29, 13, 45, 56.789, 'EDT')
make_timestamptz(2024, 2, 29, 13, 45, 56.789, 'msk')
make_timestamptz(2024, 2, 29, 13, 45, 56.789, '+05:30')
make_timestamptz(2024, 2, 29, 13, 45, 56.789, '-5')
make_timestamptz(2024, 2, 29, 13, 45, 56.789, '+0530')
make_timestamptz(2024, 2, 29, 13, 45, 56.789, '2')
make_timestamptz(2024, 2, 29, 13, 45, 56.789, '+16')
make_timestamptz(2024, 2, 29, 13, 45, 56.789, '+abc')
make_timestamptz(2024, 2, 29, 13, 45, 56.789, 'Nowhere/City')
make_timestamptz(2024, 2, 29, 13, 45, 56.789, '')
make_timestamptz(2024, 13, 29, 13, 45, 56.789, 'Nowhere/City')
make_timestamptz(294277, 1, 9, 0, 0, 0)
make_timestamptz(1, 2, 3, 4, 5, null)
make_interval(1, 2, 3, 4, 5, 6, 7.5)
make_interval()
make_interval(1)
make_interval(years => 3, days => 5)
make_interval(secs => -0.5, mins => 90)
make_interval(hours => 2147483647)
make_interval(secs => 'NaN')
make_interval(secs => 'Infinity')
make_interval(secs => 1e15) -- differs: PostgreSQL 15 wraps around
make_interval(secs => 1e14) -- differs: PostgreSQL 15 wraps around
make_interval(years => 2147483647) -- differs: PostgreSQL 15 wraps around
make_interval(weeks => 2147483647) -- differs: PostgreSQL 15 wraps around
-- age
age(timestamp '2024-05-17', timestamp '1969-07-20 20:17:40')
age(timestamp '1969-07-20 20:17:40', timestamp '2024-05-17')
age(timestamp '2024-03-31', timestamp '2024-02-29')
age(timestamp '2024-02-29', timestamp '2024-03-31')
age(timestamp '2024-03-01', timestamp '2024-01-31')
age(timestamp '2024-01-31', timestamp '2024-03-01')
age(timestamp '2024-03-01', timestamp '2024-01-31 00:00:00.000001')
age(timestamp '2024-12-25 15:30:20', timestamp '2024-12-25 13:31:18')
age(timestamp '2024-12-25', timestamp '2024-12-25')
age(timestamp '0044-03-15 BC', timestamp '0001-01-01')
age(timestamptz '2024-03-31 12:00', timestamptz '2024-03-30 12:00')
age(timestamptz '2024-10-27 02:10+01', timestamptz '2024-10-27 02:30+02')
age(timestamptz '2024-10-27 02:30+02', timestamptz '2024-10-27 02:10+01')
age(timestamp '294246-01-01', timestamp '4714-11-24 BC')
age(timestamp 'infinity', timestamp '2024-01-01') -- differs: PostgreSQL 15 counts from the year 294277
age(date '2024-05-17', date '2020-01-01')
age(current_date::timestamp)
age(current_timestamp) < interval '1 day'
age(current_date - interval '1 mon') >= interval '28 days'
-- OVERLAPS
(timestamp '2024-01-01', timestamp '2024-02-01') overlaps (timestamp '2024-01-31', timestamp '2024-03-01')
(timestamp '2024-01-01', timestamp '2024-02-01') overlaps (timestamp '2024-02-01', timestamp '2024-03-01')
(timestamp '2024-02-01', timestamp '2024-01-01') overlaps (timestamp '2024-03-01', timestamp '2024-01-31')
(timestamp '2024-01-01', timestamp '2024-01-01') overlaps (timestamp '2024-01-01', timestamp '2024-03-01')
(timestamp '2024-01-01', null) overlaps (timestamp '2024-01-01', timestamp '2024-03-01')
(timestamp '2024-02-01', null) overlaps (timestamp '2024-01-01', timestamp '2024-03-01')
(timestamp '2024-05-01', null) overlaps (timestamp '2024-01-01', timestamp '2024-03-01')
(null::timestamp, null::timestamp) overlaps (timestamp '2024-01-01', timestamp '2024-03-01')
(null::timestamp, timestamp '2024-02-01') overlaps (timestamp '2024-01-01', timestamp '2024-03-01')
(timestamp '2024-01-01', interval '1 month') overlaps (timestamp '2024-01-31', interval '1 day')
(timestamp '2024-01-01', timestamp '2024-02-01') overlaps (timestamp '2024-01-31', interval '1 day')
(timestamp '2024-01-01', interval '1 month') overlaps (timestamp '2024-01-31', timestamp '2024-03-01')
(timestamp '2024-01-01', null::interval) overlaps (timestamp '2024-01-31', timestamp '2024-03-01')
(timestamptz '2024-03-30 12:00', interval '1 day') overlaps (timestamptz '2024-03-31 11:30', interval '1 hour')
(timestamptz '2024-03-30 12:00', timestamptz '2024-03-31 12:00') overlaps (timestamptz '2024-03-31 11:30', interval '1 hour')
(timestamptz '2024-03-30 12:00', interval '1 day') overlaps (timestamptz '2024-03-31 11:30', timestamptz '2024-04-01')
(date '2024-01-01', date '2024-02-01') overlaps (date '2024-01-31', date '2024-03-01')
(time '10:00', time '12:00') overlaps (time '11:00', time '13:00')
(time '10:00', interval '2 hours') overlaps (time '12:00', time '13:00')
(time '10:00', interval '2 hours') overlaps (time '11:00', interval '30 minutes')
(time '10:00', time '12:00') overlaps (time '23:00', interval '12 hours')
(timetz '10:00+01', timetz '12:00+01') overlaps (timetz '10:30+00', timetz '13:00+00')
-- Casts.
timestamp '2024-05-17 13:45:56.789'::date
timestamp '1969-12-31 23:59:59'::date
timestamp 'infinity'::date
timestamptz '2024-05-17 23:45Z'::date
timestamptz '-infinity'::date
date '2024-05-17'::timestamp
date 'infinity'::timestamp
date '294247-01-01'::timestamp
date '-infinity'::timestamptz
date '294277-01-01'::timestamptz
timestamp '2024-03-31 02:30'::timestamptz
timestamp '2024-10-27 02:30'::timestamptz
timestamp 'infinity'::timestamptz
timestamptz '2024-03-31 01:30Z'::timestamp
timestamp '2024-05-17 13:45:56.789'::time
timestamptz '2024-05-17 13:45:56.789Z'::time
timestamptz '2024-05-17 13:45:56.789Z'::timetz
timestamptz '2024-12-17 13:45:56.789Z'::timetz
timestamp 'infinity'::time
timestamptz 'infinity'::time
timestamptz '-infinity'::timetz
timetz '13:45:56+05'::time
time '13:45:56'::interval
interval '1 day 25:30'::time
interval '-01:30'::time
interval '-24:00'::time
interval '36:00'::time
timestamp '2024-05-17 13:45:56.789499'::timestamp(3)
timestamp '2024-05-17 13:45:56.7895'::timestamp(3)
timestamp '1999-05-17 13:45:56.7895'::timestamp(3)
timestamp '1999-12-31 23:59:59.5'::timestamp(0)
timestamptz '2024-05-17 13:45:56.789499Z'::timestamptz(0)
timestamp 'infinity'::timestamp(0)
time '23:59:59.999999'::time(3)
timetz '23:59:59.5+02'::timetz(0)
interval '1 day 01:02:03.456789'::interval(2)
interval '1 day 01:02:03.456789'::interval day to hour
interval '14 months 5 days 01:02:03'::interval year
interval '14 months 5 days 01:02:03'::interval month
interval '14 months 5 days 01:02:03'::interval hour to second(1)
timestamp(8) '2024-05-17 13:45:56.7891'
'2024-05-17'::text::date
'noon'::time
'allballs'::timetz::time
current_date = now()::date
current_time::text = now()::timetz::text
localtime = now()::time
current_timestamp = now()
localtimestamp = now()::timestamp
current_timestamp(0) = now()::timestamptz(0)
now() = transaction_timestamp()
statement_timestamp() <= clock_timestamp()
pg_typeof(current_time(2))
length(timeofday()) > 30
to_timestamp(0)
to_timestamp(1715953556.789012)
to_timestamp(-1.5)
to_timestamp('Infinity'::float8)
to_timestamp('-Infinity'::float8)
to_timestamp('NaN'::float8)
to_timestamp(1e18)
to_timestamp(-1e18)
to_timestamp(-210866803200)
to_timestamp(-210866803200.1)
to_timestamp(9224318015999) -- differs: timestamps end earlier here
-- AT TIME ZONE
timestamp '2024-05-17 13:45' at time zone 'America/New_York'
timestamptz '2024-05-17 13:45Z' at time zone 'America/New_York'
timestamp '2024-03-10 02:30' at time zone 'America/New_York'
timestamp '2024-11-03 01:30' at time zone 'America/New_York'
timestamptz '2024-11-03 05:30Z' at time zone 'America/New_York'
timestamptz '2024-11-03 06:30Z' at time zone 'America/New_York'
timestamp '2024-05-17 13:45' at time zone 'EST'
timestamp '2024-05-17 13:45' at time zone 'edt'
timestamp '2024-05-17 13:45' at time zone 'MSK'
timestamp '2012-05-17 13:45' at time zone 'MSK'
timestamptz '2012-05-17 13:45Z' at time zone 'MSK'
timestamptz '2024-05-17 13:45Z' at time zone 'MSK'
timestamptz '2024-05-17 13:45Z' at time zone 'utc'
timestamptz '2024-05-17 13:45Z' at time zone 'UTC+3'
timestamptz '2024-05-17 13:45Z' at time zone 'EST5EDT'
timestamptz '2024-05-17 13:45Z' at time zone 'europe/paris'
timestamptz '2024-05-17 13:45Z' at time zone '+3'
timestamptz '2024-05-17 13:45Z' at time zone '-03:30'
timestamptz '2024-05-17 13:45Z' at time zone 'Nowhere/City'
timestamptz '2024-05-17 13:45Z' at time zone ''
timestamptz 'infinity' at time zone 'Nowhere/City'
timestamptz '2024-05-17 13:45Z' at time zone interval '-03:30'
timestamp '2024-05-17 13:45' at time zone interval '05:45'
timestamp '2024-05-17 13:45' at time zone interval '1 day'
timestamp '2024-05-17 13:45' at time zone interval '1 month -00:30'
timestamp 'infinity' at time zone interval '05:45'
timestamptz '294246-12-31 23:00Z' at time zone 'Asia/Tokyo'
timestamp '4714-11-24 00:30 BC' at time zone 'Asia/Tokyo'
timetz '13:45+02' at time zone interval '-03:30'
timetz '13:45+02' at time zone 'UTC'
timetz '13:45+02' at time zone 'EST'
time '13:45' at time zone 'UTC'
timezone('America/New_York', timestamptz '2024-05-17 13:45Z') + interval '1 hour'
timestamptz '2024-05-17 13:45Z' at time zone null
date '2024-05-17' at time zone 'America/New_York'
