package function_test

import (
	"testing"
)

// PostgreSQL has no time_bucket: the results follow TimescaleDB's documentation.
func TestTimeBucket(t *testing.T) {
	for _, c := range []struct{ call, args, want string }{
		// From Monday 2000-01-03 on.
		{"time_bucket(interval,timestamp)", "15 minutes | 2024-05-17 13:47:59", "2024-05-17 13:45:00"},
		{"time_bucket(interval,timestamp)", "7 days | 2024-05-17 13:47", "2024-05-13 00:00:00"},
		{"time_bucket(interval,timestamp)", "7 days | 2024-05-13 00:00", "2024-05-13 00:00:00"},
		{"time_bucket(interval,timestamp)", "7 days | 1999-12-31 23:59", "1999-12-27 00:00:00"},
		{"time_bucket(interval,timestamp)", "2 days | 2024-05-17 13:47", "2024-05-16 00:00:00"},
		{"time_bucket(interval,timestamp)", "1 day 12:00 | 2000-01-04 13:00", "2000-01-04 12:00:00"},
		{"time_bucket(interval,timestamp)", "1 hour | 1969-12-31 23:59:59.999999", "1969-12-31 23:00:00"},
		// Months count from 2000-01.
		{"time_bucket(interval,timestamp)", "1 month | 2024-05-17 13:47", "2024-05-01 00:00:00"},
		{"time_bucket(interval,timestamp)", "5 months | 2024-05-17 13:47", "2024-03-01 00:00:00"},
		{"time_bucket(interval,timestamp)", "5 months | 1999-12-31 23:59", "1999-08-01 00:00:00"},
		{"time_bucket(interval,timestamp)", "1 year | 0044-03-15 BC", "0044-01-01 00:00:00 BC"},
		{"time_bucket(interval,timestamp)", "100 years | 1999-12-31", "1900-01-01 00:00:00"},
		// UTC, unless a zone is given.
		{"time_bucket(interval,timestamptz)", "1 day | 2024-05-17 01:47+05", "2024-05-16 00:00:00+00"},
		{"time_bucket(interval,timestamptz)", "1 month | 2024-05-01 00:30+02", "2024-04-01 00:00:00+00"},
		{"time_bucket(interval,timestamptz,text)", "1 day | 2024-05-17 13:47+00 | America/New_York", "2024-05-17 04:00:00+00"},
		{"time_bucket(interval,timestamptz,text)", "1 day | 2024-03-31 12:00+00 | Europe/Berlin", "2024-03-30 23:00:00+00"},
		{"time_bucket(interval,timestamptz,text)", "1 day | 2024-04-01 12:00+00 | Europe/Berlin", "2024-03-31 22:00:00+00"},
		{"time_bucket(interval,timestamptz,text)", "1 month | 2024-04-30 23:00+00 | Europe/Berlin", "2024-04-30 22:00:00+00"},
		{"time_bucket(interval,timestamptz,text)", "1 day | infinity | Europe/Berlin", "infinity"},
		{"time_bucket(interval,timestamptz,text)", "1 day | 2024-05-17 13:47+00 | Nowhere", "ERROR 22023: time zone \"Nowhere\" not recognized"},
		{"time_bucket(interval,timestamptz,text)", "1 day | 2024-05-17 13:47+00 | NULL", "NULL"},
		{"time_bucket(interval,timestamptz,text,timestamptz)", "2 days | 2024-05-17 13:47+00 | UTC | 2024-01-02 00:00+00", "2024-05-17 00:00:00+00"},
		{"time_bucket(interval,timestamptz,text,timestamptz,interval)", "1 day | 2024-05-17 13:47+00 | UTC | NULL | 06:00", "2024-05-17 06:00:00+00"},
		{"time_bucket(interval,timestamptz,text,timestamptz,interval)", "1 day | 2024-05-17 05:47+00 | UTC | NULL | 06:00", "2024-05-16 06:00:00+00"},
		// Origins and offsets.
		{"time_bucket(interval,timestamp,timestamp)", "5 minutes | 2024-05-17 13:47 | 2024-05-17 00:02", "2024-05-17 13:47:00"},
		{"time_bucket(interval,timestamp,timestamp)", "7 days | 2024-05-17 | 2000-01-02", "2024-05-12 00:00:00"},
		{"time_bucket(interval,timestamp,timestamp)", "3 months | 2024-05-17 | 2024-02-15", "2024-05-01 00:00:00"},
		{"time_bucket(interval,timestamp,timestamp)", "1 day | 2024-05-17 | infinity", "ERROR 22023: origin must be finite"},
		{"time_bucket(interval,timestamp,interval)", "5 minutes | 2024-05-17 13:47 | 00:02", "2024-05-17 13:47:00"},
		{"time_bucket(interval,timestamp,interval)", "5 minutes | 2024-05-17 13:46:59 | 00:02", "2024-05-17 13:42:00"},
		{"time_bucket(interval,timestamp,interval)", "1 month | 2024-05-17 | 20 days", "2024-04-21 00:00:00"},
		{"time_bucket(interval,timestamptz,interval)", "1 day | 2024-05-17 01:00+00 | -02:00", "2024-05-16 22:00:00+00"},
		// Dates.
		{"time_bucket(interval,date)", "7 days | 2024-05-17", "2024-05-13"},
		{"time_bucket(interval,date)", "1 month | 2024-05-17", "2024-05-01"},
		{"time_bucket(interval,date)", "48:00 | 2024-05-17", "2024-05-16"},
		{"time_bucket(interval,date)", "36:00 | 2024-05-17", "ERROR 0A000: interval must not have sub-day precision"},
		{"time_bucket(interval,date)", "7 days | -infinity", "-infinity"},
		{"time_bucket(interval,date,date)", "7 days | 2024-05-17 | 2000-01-01", "2024-05-11"},
		{"time_bucket(interval,date,interval)", "7 days | 2024-05-17 | 1 day", "2024-05-14"},
		// Integers.
		{"time_bucket(int4,int4)", "10 | 27", "20"},
		{"time_bucket(int4,int4)", "10 | -27", "-30"},
		{"time_bucket(int4,int4,int4)", "10 | 27 | 5", "25"},
		{"time_bucket(int4,int4,int4)", "10 | 24 | -5", "15"},
		{"time_bucket(int2,int2)", "10 | -32768", "ERROR 22008: timestamp out of range"},
		{"time_bucket(int8,int8)", "9223372036854775807 | -9223372036854775808", "ERROR 22008: timestamp out of range"},
		{"time_bucket(int8,int8,int8)", "9223372036854775807 | 5 | 9223372036854775806", "-1"},
		{"time_bucket(int8,int8)", "0 | 5", "ERROR 22023: period must be greater than 0"},
		// Widths that are none.
		{"time_bucket(interval,timestamp)", "0 days | 2024-05-17", "ERROR 22023: period must be greater than 0"},
		{"time_bucket(interval,timestamp)", "-1 month | 2024-05-17", "ERROR 22023: period must be greater than 0"},
		{"time_bucket(interval,timestamp)", "1 month 1 day | 2024-05-17", "ERROR 22023: month intervals cannot have day or time component"},
		{"time_bucket(interval,timestamp)", "200000000 days | 2024-05-17", "ERROR 22008: interval out of range"},
		{"time_bucket(interval,timestamp)", "10000000 days | 2024-05-17", "2000-01-03 00:00:00"},
		{"time_bucket(interval,timestamp)", "10000000 days | 1999-05-17", "ERROR 22008: timestamp out of range"},
		{"time_bucket(interval,timestamp)", "1 day | infinity", "infinity"},
		{"time_bucket(interval,timestamp)", "NULL | 2024-05-17", "NULL"},
	} {
		got := parseCall(t, c.call).run(t, splitArgs(c.args))
		if got != c.want {
			t.Errorf("%s %s\n got  %s\n want %s", c.call, c.args, got, c.want)
		}
	}
}
