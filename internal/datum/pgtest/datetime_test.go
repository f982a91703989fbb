package pgtest

import (
	"testing"

	"github.com/phyllodb/phyllo/internal/datum"
)

func dateSetups(t *testing.T) []setup {
	return []setup{
		newSetup(t, "UTC", "ISO, MDY", "postgres", 1),
		newSetup(t, "America/New_York", "Postgres, MDY", "postgres_verbose", 1),
		newSetup(t, "Europe/Berlin", "German, DMY", "sql_standard", 1),
		newSetup(t, "Asia/Kolkata", "SQL, DMY", "iso_8601", 1),
		newSetup(t, "Australia/Lord_Howe", "SQL, MDY", "postgres", 1),
		newSetup(t, "America/Sao_Paulo", "Postgres, DMY", "postgres", 1),
		newSetup(t, "Asia/Tehran", "ISO, YMD", "postgres", 1),
	}
}

func TestDates(t *testing.T) {
	conn := connect(t)
	corpus := withMutations(t, lines(dates))
	for _, set := range dateSetups(t) {
		for _, oid := range []datum.OID{datum.Date, datum.Timestamp, datum.TimestampTZ, datum.Time, datum.TimeTZ} {
			compare(t, conn, set, datum.Of(oid), corpus)
		}
	}
	set := newSetup(t, "Europe/Paris", "ISO, MDY", "postgres", 1)
	for mod := range int32(7) {
		for _, oid := range []datum.OID{datum.Timestamp, datum.TimestampTZ, datum.Time, datum.TimeTZ} {
			compare(t, conn, set, datum.Type{OID: oid, Mod: mod}, lines(dates))
		}
	}
}

const dates = `
2024-02-29
2023-02-29
2024-02-30
2024-13-01
2024-00-10
2024-01-00
2024-1-2
24-1-2
70-01-01
69-12-31
0001-01-01
0000-01-01
0001-01-01 BC
0044-03-15 BC
4713-01-01 BC
4714-11-24 BC
4714-11-23 BC
4714-11-24 00:00:00 BC
5874897-12-31
5874898-01-01
294276-12-31 23:59:59.999999
294277-01-01
294247-01-10 04:00:54.775806+00
12345-06-07
2024-02-29 10:11:12
2024-02-29 10:11:12.123456
2024-02-29 10:11:12.1234567
2024-02-29 10:11:12.9999995
2024-02-29 10:11:12.5
1999-02-28 10:11:12.5
1999-12-31 23:59:59.999999
2024-02-29T10:11:12Z
2024-02-29T10:11:12.5+02
2024-02-29 10:11:12+02:30
2024-02-29 10:11:12-0330
2024-02-29 10:11:12+15:59:59
2024-02-29 10:11:12+16
2024-02-29 10:11 +2
2024-02-29 10
2024-02-29 10:11
2024-02-29 24:00:00
2024-02-29 24:00:01
2024-02-29 23:59:60
2024-02-29 23:59:61
2024-02-29 23:60:00
2024-02-29 25:00
2024-03-10 02:30:00
2024-03-10 02:30:00 America/New_York
2024-11-03 01:30:00
2024-11-03 01:30:00 EDT
2024-11-03 01:30:00 EST
2024-03-31 02:30:00
2024-10-27 02:30:00
2024-10-27 02:30:00 Europe/Berlin
1880-01-01 12:00:00
1900-01-01 00:00:00 America/New_York
2050-07-01 12:00:00
2500-07-01 12:00:00
2024-02-29 10:11:12 PST
2024-02-29 10:11:12 MET DST
2024-02-29 10:11:12 UTC
2024-02-29 10:11:12 MSK
2012-02-29 10:11:12 MSK
2024-02-29 10:11:12 ART
2024-02-29 10:11:12 Foo/Bar
2024-02-29 10:11:12 Foo
2024-02-29 10:11:12 EST5EDT
2024-02-29 10:11:12 asia/tokyo
2024-02-29 10:11:12 AM
2024-02-29 10:11:12 PM
2024-02-29 12:11:12 AM
2024-02-29 12:11:12 PM
2024-02-29 13:11:12 PM
2024-02-29 AD
2024.02.29
2024/02/29
2024.060
2024060
20240229
20240229T101112
20240229 101112
20240229101112
240229
2024-060
2024.366
2023.366
2024-Feb-29
29-Feb-2024
29-Feb-24
Feb-29-2024
Feb 29 2024
29 Feb 2024
29 February 24
24 Feb 29
February 29, 2024
Thu Feb 29 10:11:12 2024
Thu Feb 29 10:11:12 2024 PST
Thursday 29 February 2024 10:11 PM
1/2/2024
01/02/03
13/02/2024
02/13/2024
1.2.2024
1-2-2024
99-12-31
99/12/31
31/12/99
J2451187
J2451187.5
J2451187-08
julian 2451187
y2024m2d29h10mm11s12.5
2024-02-29 t 101112
2024-02-29 T1011
2024-02-29T10
T101112
epoch
infinity
-infinity
+infinity
infinit
allballs
2024-02-29 allballs
10:11:12
10:11
101112
1011
10:11:12.345678+03
10:11:12 PST
10:11:12 America/New_York
2024-07-01 10:11:12 America/New_York
10:11:12 Asia/Kolkata
10:11 PM
10 PM
04:05:06.789-8
040506.789+08
040506+0730
040506-08
24:00:00
24:00:00.000001
23:59:60.5
23:59:59.9999999
-10:00
12:00 +25
12:00:00 zulu
12:00z
2024-02-29 12:00:00 +00:00:01
1997-12-17 07:37:16-08
12/17/1997 07:37:16.00 PST
Wed Dec 17 07:37:16 1997 PST
17.12.1997 07:37:16.00 PST
2024-02-29,10:11:12
2024-02-29 @ 10:11:12
2024-02-29 at 10:11:12
on 2024-02-29
2024-02-29 2024-02-29
2024-02-29 10:11:12 10:11:12
2024-02-29 Mon
Mon
2024-02
2024
20
2
x
99999999999999
9999999999-01-01
2024-02-29 10:11:12é
2024--02-29
2024-02-29-
-2024-02-29
2024-02-29 +
2024-02-29 10:11:12 +-2
1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26
2024-02-29 10:11:12.
2024-02-29 10:11:12..5
2024-02-29 10::12
2024-02-29 :11
January 8, 99 BC
1999-Jan-08
08-Jan-99
Jan-08-99
99-08-Jan
Jan-99-08
19990108
990108
1999.008
J2451187
January 8, 99 BC
2001-02-16 20:38:40 BC
`

func TestIntervals(t *testing.T) {
	conn := connect(t)
	corpus := withMutations(t, lines(intervals))
	for _, style := range []string{"postgres", "postgres_verbose", "sql_standard", "iso_8601"} {
		set := newSetup(t, "UTC", "ISO, MDY", style, 1)
		compare(t, conn, set, datum.Of(datum.Interval), corpus)
	}
	set := newSetup(t, "UTC", "ISO, MDY", "postgres", 1)
	for _, fields := range []string{"", " year", " month", " day", " hour", " minute", " second", " year to month", " day to hour",
		" day to minute", " day to second", " hour to minute", " hour to second", " minute to second"} {
		for _, precision := range []int32{-1, 0, 3, 6} {
			if mod, ok := datum.IntervalMod(fields, precision); ok && mod >= 0 {
				compare(t, conn, set, datum.Type{OID: datum.Interval, Mod: mod}, lines(intervals))
			}
		}
	}
}

const intervals = `
1 year 2 mons 3 days 04:05:06.789
1 year
-1 year
1-2
-1-2
1-2 3 4:05:06
-1-2 +3 -4:05:06
1-12
1 2:03
1 2:03:04
-1 2:03:04
1 +2:03:04
1 -2:03:04
- 1 2:03
4:05
4:05:06
-4:05:06.5
05:06.789
1.5 days
-1.5 days
1.5 months
1.5 years
1.05 years
0.1 month
1.5 weeks
2 weeks
1 decade
1.5 centuries
1 millennium
3 hours 20 mins
3.5 hours
1.1234567 sec
0.0000005 sec
0.0000015 seconds
1 sec 5 ms 3 us
1.5 sec 5 ms
100 msec
1e3 sec
@ 1 minute
@ 1 day ago
1 day ago 2 hours
1 day 2 hours ago
ago
1 ago
1
1.5
0
-0
P1Y2M3DT4H5M6.7S
P1Y
PT36H
P2W
P-1Y-2M3DT-4H
P0001-02-03T04:05:06
P1-2-3T4:5:6
P00010203T040506
P00010203
P1.5Y
P1.5M
P1.5W
P1.5D
PT1.5H
P
PT
P1
P1T1
PT1
PT1:2
P1S
P1Y1
P1e3D
p1y
1 day 1 day
1 mon 1 month
1 year 1-2
1 quarter
1 foo
foo
2147483647 months
2147483648 months
178956970 years 7 mons
178956970 years 8 mons
-178956970 years 8 mons
2147483647 days
2147483648 days
9223372036854775807 us
9223372036854775808 us
2562047788:00:54.775807
2562047788:00:54.775808
-2562047788:00:54.775808
9999999999 hours
10000000000 hours
1 day -00:00:01
-1 days +02:03:00
1 mon -1 day
-1 mon +1 day
1 year -1 mon
00:60
00:59:60
00:59:61
24:00:00
100:00
1 d 2 h 3 m 4 s
1y2mon3d
1 c 2 mil
3 dec
1:2:3:4
1,2
1 day, 2 hours
infinity
now
15 5:06:07
1 year 2 months 3 days 4 hours 5 minutes 6 seconds 7 milliseconds 8 microseconds
-00:00:00.000001
0.5 us
1.4999999 us
+1 year
+1-2
6 years 5 months 4 days 3:02:01 ago
`
