package pgtest

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/phyllodb/phyllo/internal/datum"
)

var (
	seed = flag.Uint64("seed", 1, "seed of the random values")
	many = flag.Int("values", 150, "random values per expression")
)

// Expressions over random values: t and u are timestamptz, v is an interval, n a number.
var randomExpressions = strings.Split(strings.TrimSpace(`
t::timestamp
t::timestamp::timestamptz
t::date
t::date::timestamptz
t::time, t::timetz
t::timestamp(2), t::timestamptz(0)
date_trunc('week', t), date_trunc('month', t), date_trunc('day', t), date_trunc('hour', t), date_trunc('century', t)
date_trunc('quarter', t, 'America/New_York'), date_trunc('decade', t::timestamp)
extract(epoch from t), extract(isoyear from t), extract(week from t), extract(millennium from t), extract(doy from t), extract(timezone from t)
extract(julian from t::timestamp), date_part('epoch', t), date_part('second', t), date_part('julian', t), extract(second from t)
extract(epoch from v), date_part('epoch', v), extract(month from v), extract(hour from v), extract(milliseconds from v)
t at time zone 'America/St_Johns', t::timestamp at time zone 'Australia/Lord_Howe', t at time zone interval '-03:15'
t + v, t - v, t::timestamp + v, t::date + v, t::time - v
t - u, t::timestamp - u::timestamp, t::date - u::date, age(t, u), age(t::timestamp, u::timestamp)
t < u, t::date = u::timestamp, t::timestamp > u, t::date < u
greatest(t, u), least(t::timestamp, u::date)
(t, v) overlaps (u, v), (t, u) overlaps (u, t)
-v, v + v, v * n, v / n, justify_hours(v), justify_days(v), justify_interval(v)
date_trunc('month', v), date_trunc('hour', v), v::time, v::interval(1)
to_char(t, 'YYYY-MM-DD HH24:MI:SS.US TZ OF BC'), to_char(t, 'FMDay FMMonth DDth Y,YYY CC Q WW IW IYYY ID J SSSS AM')
to_char(v, 'YYYY MM DD HH24:MI:SS.US'), to_char(v, 'FMHH12 DDD RM Y,YYY')
to_timestamp(to_char(t, 'YYYY-MM-DD HH24:MI:SS.US TZH:TZM BC'), 'YYYY-MM-DD HH24:MI:SS.US TZH:TZM BC')
to_date(to_char(t, 'IYYY-IW-ID'), 'IYYY-IW-ID'), to_date(to_char(t, 'YYYY DDD'), 'YYYY DDD')
to_char(n, 'FM999,999,990.0099'), to_char(n, 'S0999.99'), to_char(n, '9.9999EEEE'), to_char(n::numeric, '999999PR'), to_char(n::float4, '9999.99MI')
to_timestamp(n * 1e5), make_interval(secs => n * 1e3), make_interval(days => n::int % 1000, hours => 5)
date_bin(interval '17 minutes 3 seconds', t, u), date_bin(interval '1 day', t::timestamp, u::timestamp)
to_json(t), to_jsonb(t::timestamp), to_json(v), to_jsonb(n)
t::text::timestamptz = t, v::text::interval = v
`), "\n")

func TestRandom(t *testing.T) {
	t.Logf("seed %d", *seed)
	r := rand.New(rand.NewPCG(*seed, 0))
	pg, us := connect(t), newSession(t)
	for _, zone := range []string{"UTC", "Europe/Berlin", "America/New_York", "America/St_Johns", "Asia/Kathmandu", "Pacific/Apia", "America/Sao_Paulo"} {
		settings := "set timezone = '" + zone + "';"
		mustExec(t, pg, settings)
		us.set(t, settings)
		values := randomRows(r, *many)
		for _, e := range randomExpressions {
			if !strings.Contains(strings.ToLower(e), strings.ToLower(*only)) {
				continue
			}
			sql := "select t, u, v, n, " + e + " from (values " + values + ") x(t, u, v, n)"
			want, got := theirs(t, pg, sql), us.ask(sql)
			if slices.Equal(got, want) {
				continue
			}
			t.Errorf("%s (%s)", e, zone)
			for i := range min(len(got), len(want)) {
				if got[i] != want[i] {
					t.Errorf(" got  %s\n want %s", got[i], want[i])
					break
				}
			}
		}
	}
}

// randomRows are times in the centuries that zones have changed in, mostly, and
// intervals and numbers of all sizes.
func randomRows(r *rand.Rand, rows int) string {
	var out []string
	at := func() string {
		m := r.Int64N(12e15) - 6e15 // 1779 to 2160
		switch r.IntN(10) {
		case 0:
			m = r.Int64N(1e18) - 3e17 // years -7537 to 24153, cut below
		case 1, 2, 3:
			m -= m % 1e6
		case 4:
			m -= m % 3600e6
		}
		m = max(m, int64(datum.MinMicros)+1e12)
		return "'" + string(datum.AppendText(nil, datum.Of(datum.TimestampTZ), datum.Micros(m), nil)) + "'::timestamptz"
	}
	for range rows {
		v := datum.IntervalValue{}
		if r.IntN(2) == 0 {
			v.Months = r.Int32N(600) - 300
		}
		if r.IntN(2) == 0 {
			v.Days = r.Int32N(1000) - 500
		}
		if r.IntN(3) > 0 {
			v.Micros = r.Int64N(1e12) - 5e11
		}
		n := (r.Float64() - 0.5) * 2e5
		if r.IntN(3) == 0 {
			n = float64(r.IntN(20) + 1)
		}
		out = append(out, fmt.Sprintf("(%s, %s, '%s'::interval, %v::float8)", at(), at(),
			datum.AppendText(nil, datum.Of(datum.Interval), v, nil), n))
	}
	return strings.Join(out, ", ")
}
