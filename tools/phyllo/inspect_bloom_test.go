package main

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/phyllodb/phyllo/tools/server"
	"github.com/phyllodb/phyllo/tools/testserver"
)

// A lookup is what EXPLAIN (ANALYZE) says of a query.
type lookup struct{ rows, chunks, skipped, byBloom, bytesRead int }

var planNumbers = map[string]*regexp.Regexp{
	"rows":    regexp.MustCompile(`Rows: (\d+) returned`),
	"chunks":  regexp.MustCompile(`Chunks: \d+ of (\d+) skipped`),
	"skipped": regexp.MustCompile(`Chunks: (\d+) of \d+ skipped`),
	"bloom":   regexp.MustCompile(`Chunks Skipped By Bloom Filters: (\d+)`),
	"bytes":   regexp.MustCompile(`Bytes: (\d+)B read`),
	"kbytes":  regexp.MustCompile(`Bytes: (\d+)kB read`),
}

func explain(t *testing.T, conn *pgx.Conn, sql string) lookup {
	t.Helper()
	rows, err := conn.Query(context.Background(), "EXPLAIN (ANALYZE) "+sql)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	plan := strings.Join(lines, "\n")
	number := func(name string) int {
		if m := planNumbers[name].FindStringSubmatch(plan); m != nil {
			n, _ := strconv.Atoi(m[1])
			return n
		}
		return 0
	}
	return lookup{number("rows"), number("chunks"), number("skipped"), number("bloom"), number("bytes") + 1024*number("kbytes")}
}

// TestBloomLookups looks up rows by columns that neither bounds nor the order of rows tell
// anything of, before compaction and after, in tables with a key and without.
func TestBloomLookups(t *testing.T) {
	const days, perDay = 6, 5000
	ctx := context.Background()
	p := testserver.Start(t, func(c *server.Config) { c.Seal.Age, c.Compaction.Paused = time.Hour, true })
	conn := connect(t, p)
	exec := func(sql string, args ...any) {
		t.Helper()
		if _, err := conn.Exec(ctx, sql, args...); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	columns := "(device text, ts timestamptz, event uuid, hash text, big bigint, note text"
	exec("CREATE TABLE keyed " + columns + ", PRIMARY KEY (device, ts)) WITH (slice = '1 day')")
	exec("CREATE TABLE plain " + columns + ") WITH (slice = '1 day')")
	for _, table := range []string{"keyed", "plain"} {
		for half := range 2 { // two chunks a day, which are merged
			exec(fmt.Sprintf(`INSERT INTO %s SELECT 'd' || i %% 7, timestamptz '2024-03-01' + i * interval '17 s', md5(i::text)::uuid, md5('h' || i),
				(translate(md5('b' || i), 'abcdef', '012345')::numeric %% 9223372036854775783)::bigint, CASE WHEN i %% 3 = 0 THEN 'note' END FROM generate_series(0, %d) i WHERE i / 100 %% 2 = %d`, table, days*perDay-1, half))
			exec("CHECKPOINT")
		}
		by := func(column string, i int) string {
			value := fmt.Sprintf("md5('%d')::uuid", i)
			switch column {
			case "hash":
				value = fmt.Sprintf("md5('h%d')", i)
			case "big":
				value = fmt.Sprintf("(translate(md5('b%d'), 'abcdef', '012345')::numeric %% 9223372036854775783)::bigint", i)
			}
			return fmt.Sprintf("SELECT ts, note FROM %s WHERE %s = %s", table, column, value)
		}
		fresh := explain(t, conn, by("event", 77))
		if fresh.byBloom != 0 || fresh.rows != 1 {
			t.Errorf("%s: filters of chunks that flushes wrote: %+v", table, fresh)
		}
		exec("VACUUM " + table)
		for _, column := range []string{"event", "hash", "big"} {
			there, none := explain(t, conn, by(column, 77)), explain(t, conn, by(column, -77))
			t.Logf("%s by %s: there %+v, not there %+v; fresh %+v", table, column, there, none, fresh)
			if there.rows != 1 || there.byBloom < there.chunks-2 || there.bytesRead > fresh.bytesRead/3 {
				t.Errorf("%s by %s: %+v, fresh %+v", table, column, there, fresh)
			}
			if none.rows != 0 || none.byBloom < none.chunks-1 || none.skipped < none.byBloom || none.bytesRead > fresh.bytesRead/4 {
				t.Errorf("%s by a value of %s that is not there: %+v, fresh %+v", table, column, none, fresh)
			}
			exec("SET phyllo.pruning = 'partitions,slices,chunks,manifest,vectors,encoded,late'")
			if off := explain(t, conn, by(column, 77)); off.rows != 1 || off.byBloom != 0 || off.bytesRead < 2*there.bytesRead {
				t.Errorf("%s by %s without filters: %+v, with them %+v", table, column, off, there)
			}
			exec("RESET phyllo.pruning")
		}
		in := explain(t, conn, fmt.Sprintf("SELECT ts FROM %s WHERE event IN (md5('5')::uuid, md5('9000')::uuid, md5('-1')::uuid)", table))
		if in.rows != 2 || in.byBloom < in.chunks-4 {
			t.Errorf("%s by three: %+v", table, in)
		}

		// What is changed is found as it is now.
		exec(fmt.Sprintf("UPDATE %s SET event = md5('new')::uuid WHERE event = md5('100')::uuid", table))
		exec(fmt.Sprintf("DELETE FROM %s WHERE hash = md5('h200')", table))
		for range 2 {
			var old, now, gone, all int
			err := conn.QueryRow(ctx, fmt.Sprintf(`SELECT (SELECT count(*) FROM %[1]s WHERE event = md5('100')::uuid), (SELECT count(*) FROM %[1]s WHERE event = md5('new')::uuid),
				(SELECT count(*) FROM %[1]s WHERE hash = md5('h200')), (SELECT count(*) FROM %[1]s)`, table)).Scan(&old, &now, &gone, &all)
			if err != nil || old != 0 || now != 1 || gone != 0 || all != days*perDay-1 {
				t.Errorf("%s: %d with the old value, %d with the new one, %d that were deleted, %d in all: %v", table, old, now, gone, all, err)
			}
			exec("CHECKPOINT")
			exec("VACUUM " + table)
		}
	}

	// Sizes have the filters in them, and tools show and check them.
	for _, table := range []string{"keyed", "plain"} {
		var sql, filters int64
		text, err := inspect(t, utf8Locale, p.Config.Data, table, "--json")
		var r tableReport
		if err == nil {
			err = json.Unmarshal([]byte(text), &r)
		}
		if err == nil {
			err = conn.QueryRow(ctx, fmt.Sprintf("SELECT pg_table_size('%s')", table)).Scan(&sql)
		}
		for _, c := range r.Columns {
			if strings.HasPrefix(c.Name, "(filter of ") {
				filters += c.Bytes
			}
		}
		if err != nil || filters == 0 || sql < r.Bytes || filters*5 > r.Bytes {
			t.Errorf("%s: pg_table_size %d, blobs %d, of them filters %d: %v", table, sql, r.Bytes, filters, err)
		}
	}
	for want, args := range map[string][]string{
		"Bloom filter of column event": {"keyed", "0", "0", "filter of event"}, "Bloom filter": {"keyed", "0", "0"},
		"all is as it was written": {"--verify"}, "costs least": {"keyed", "0", "0", "--why"}, "bloom": {"keyed", "--map"},
	} {
		if got, err := inspect(t, utf8Locale, append([]string{p.Config.Data}, args...)...); err != nil || !strings.Contains(got, want) {
			t.Errorf("%v: %v, there is no %q in\n%s", args, err, want, got)
		}
	}
}
