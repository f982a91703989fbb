-- date_trunc in all units, of all types, at both ends of the calendar.
select u, date_trunc(u, timestamp '2024-05-17 13:45:56.789012') from unnest(array['microseconds','milliseconds','second','minute','hour','day','week','month','quarter','year','decade','century','millennium']) u
select u, date_trunc(u, timestamp '0044-03-15 13:45:56.789012 BC') from unnest(array['microseconds','milliseconds','second','minute','hour','day','week','month','quarter','year','decade','century','millennium']) u
select u, date_trunc(u, timestamp '2001-01-01') from unnest(array['week','month','quarter','year','decade','century','millennium']) u
select u, date_trunc(u, timestamp '2000-12-31 23:59:59.999999') from unnest(array['week','month','quarter','year','decade','century','millennium']) u
select u, date_trunc(u, timestamp '0001-12-31 BC') from unnest(array['week','month','quarter','year','decade','century','millennium']) u
select u, date_trunc(u, timestamp '1969-12-31 23:59:59.999999') from unnest(array['us','usec','microsecond','ms','msec','msecs','s','sec','secs','m','min','mins','h','hr','hrs','d','days','w','weeks','mon','mons','qtr','y','yr','yrs','dec','decs','c','cent','centuries','mil','mils','millennia']) u
select u, date_trunc(u, interval '-123 years 11 mons 27 days -13:45:56.789012') from unnest(array['microseconds','milliseconds','second','minute','hour','day','month','quarter','year','decade','century','millennium']) u
select u, date_trunc(u, interval '1234 years 5 mons 27 days 13:45:56.789012') from unnest(array['microseconds','milliseconds','second','minute','hour','day','month','quarter','year','decade','century','millennium']) u
date_trunc('week', interval '10 days')
date_trunc('epoch', interval '10 days')
date_trunc('nothing', interval '10 days')
date_trunc('dow', interval '10 days')
date_trunc('HOUR', timestamp '2024-05-17 13:45:56.789012')
date_trunc('Month', date '2024-05-17')
date_trunc('month', '2024-05-17')
date_trunc('day', time '12:34:56')
date_trunc('dow', timestamp '2024-05-17')
date_trunc('epoch', timestamp '2024-05-17')
date_trunc('timezone', timestamptz '2024-05-17 00:00Z')
date_trunc('julian', timestamp '2024-05-17')
date_trunc('', timestamp '2024-05-17')
date_trunc('fortnight', timestamptz '2024-05-17 00:00Z')
date_trunc('a_very_long_unit_that_is_longer_than_a_name_may_be_in_postgresql_x', timestamp '2024-05-17')
date_trunc('now', timestamp '2024-05-17')
date_trunc('month', timestamp 'infinity')
date_trunc('nothing', timestamp '-infinity')
date_trunc(null, timestamp 'infinity')
date_trunc('month', null::timestamp)
date_trunc('millennium', timestamp '4713-01-01 BC')
date_trunc('week', timestamp '4714-11-24 12:00 BC')
date_trunc('month', timestamp '4714-11-24 12:00 BC')
date_trunc('century', timestamp '294246-01-01')
set timezone = 'Europe/Berlin'
select u, date_trunc(u, timestamptz '2024-10-27 02:45:30+01') from unnest(array['second','minute','hour','day','week','month','quarter','year','decade','century','millennium']) u
select u, date_trunc(u, timestamptz '2024-10-27 02:45:30+02') from unnest(array['second','minute','hour','day','week','month','quarter','year','decade','century','millennium']) u
select u, date_trunc(u, timestamptz '2024-03-31 03:15:00+02') from unnest(array['second','minute','hour','day','week','month','quarter','year']) u
select u, date_trunc(u, timestamptz '1890-06-15 12:34:56') from unnest(array['second','minute','hour','day','month','century']) u
date_trunc('day', timestamptz 'infinity')
date_trunc('day', timestamptz '2024-05-17 13:00', 'America/New_York')
date_trunc('hour', timestamptz '2024-05-17 13:25', 'Asia/Kathmandu')
date_trunc('day', timestamptz '2024-05-17 13:00', 'EST')
date_trunc('day', timestamptz '2024-05-17 13:00', 'pdt')
date_trunc('day', timestamptz '2024-05-17 13:00', 'Nowhere/City')
date_trunc('day', timestamptz '2024-05-17 13:00', '')
date_trunc('day', timestamptz 'infinity', 'Nowhere/City')
date_trunc('day', timestamptz '2024-05-17 13:00', '+02')
date_trunc('nothing', timestamptz '2024-05-17 13:00', 'UTC')
date_trunc('day', timestamptz '2024-05-17 13:00', null)
set timezone = 'America/Sao_Paulo'
date_trunc('day', timestamptz '2018-11-04 05:00')
date_trunc('hour', timestamptz '2018-11-04 01:30')
set timezone = 'Asia/Kathmandu'
date_trunc('hour', timestamptz '2024-05-17 13:25')
date_trunc('hour', timestamptz '1985-12-31 23:59:59')
set timezone = 'UTC'
-- date_bin
date_bin('15 minutes', timestamp '2024-05-17 13:47', timestamp '2001-01-01')
date_bin('15 minutes', timestamp '2024-05-17 13:47', timestamp '2001-01-01 00:02:30')
date_bin('15 minutes', timestamp '1999-05-17 13:47', timestamp '2001-01-01')
date_bin('15 minutes', timestamp '1999-05-17 13:45', timestamp '2001-01-01')
date_bin('1 day 1 hour', timestamptz '2024-05-17 13:47Z', timestamptz '2001-01-01Z')
date_bin('1 month', timestamp '2024-05-17 13:47', timestamp '2001-01-01')
date_bin('0 days', timestamp '2024-05-17 13:47', timestamp '2001-01-01')
date_bin('-1 day', timestamp '2024-05-17 13:47', timestamp '2001-01-01')
date_bin('1 day', timestamp 'infinity', timestamp '2001-01-01')
date_bin('1 day', timestamp '2024-01-01', timestamp 'infinity')
date_bin('1 month', timestamp '-infinity', timestamp 'infinity')
date_bin('200000000 days', timestamp '2024-01-01', timestamp '2000-01-01')
date_bin('15 minutes', timestamp '294246-12-31', timestamp '4714-11-24 BC')
date_bin('365000 days', timestamp '4714-11-24 BC', timestamp '2000-01-01')
date_bin('5 minutes'::interval, '2024-01-01 00:07', '2000-01-01')
-- generate_series
select * from generate_series(timestamp '2024-01-31', timestamp '2024-06-30', interval '1 month') g
select * from generate_series(timestamp '2024-03-01', timestamp '2024-02-27', interval '-12 hours') g
select * from generate_series(timestamp '2024-03-01', timestamp '2024-03-02', interval '-12 hours') g
select * from generate_series(timestamp '2024-03-01', timestamp '2024-03-02', interval '0') g
select * from generate_series(timestamp '2024-03-01', timestamp '2024-04-02', interval '1 month -30 days') g
select * from generate_series(timestamp '2024-03-01', timestamp '2024-03-12', interval '1 month -25 days') g
select * from generate_series(timestamp '2024-03-01', null, interval '1 day') g
select * from generate_series(date '2024-03-01', date '2024-03-03', '1 day') g
select * from generate_series(timestamp '294246-12-31 23:00', timestamp 'infinity', '12 hours') g limit 1
set timezone = 'Europe/Berlin'
select * from generate_series(timestamptz '2024-03-30', timestamptz '2024-04-01', interval '12 hours') g
select * from generate_series(timestamptz '2024-03-30 02:30', timestamptz '2024-04-02', interval '1 day') g
select * from generate_series(timestamptz '2024-10-27 00:00', timestamptz '2024-10-27 05:00', interval '1 hour') g
