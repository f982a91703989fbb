package cassandra

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
)

// tableFacts are a table's properties that matter.
type tableFacts struct {
	compression map[string]string
	ttl         int // default_time_to_live, seconds
	gcGrace     int // gc_grace_seconds
}

var createdTable = regexp.MustCompile(`^CREATE TABLE IF NOT EXISTS "[^"]+"\.(\w+)`)

// ourTables are the tables of a keyspace that is up to date, by name.
func ourTables(keyspace string) []string {
	statements := []string{versionsTable(keyspace)}
	for _, m := range migrations {
		statements = append(statements, m.statements(keyspace)...)
	}
	var out []string
	for _, text := range statements {
		if m := createdTable.FindStringSubmatch(text); m != nil {
			out = append(out, m[1])
		}
	}
	slices.Sort(out)
	return out
}

// uncompressed are the tables whose values are compressed before they are written.
var uncompressed = []string{"chunks", "parts"}

// tables judges the keyspace's tables.
func (d *doctor) tables(ctx context.Context, k *keyspaceFacts) []Finding {
	checks := []string{"tables", "compression", "expiry"}
	all := func(s Severity, format string, args ...any) []Finding {
		var out []Finding
		for _, c := range checks {
			out = append(out, finding(c, s, format, args...))
		}
		return out
	}
	if k == nil {
		return all(Unknown, "the keyspace is missing")
	}
	tables, err := d.readTables(ctx)
	if err != nil {
		return all(Unknown, "the schema cannot be read: %v", err)
	}
	return []Finding{d.judgePresence(checks[0], tables), judgeCompression(checks[1], k.name, tables), judgeExpiry(checks[2], k.name, tables)}
}

func (d *doctor) readTables(ctx context.Context) (map[string]tableFacts, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	out := map[string]tableFacts{}
	scanner := d.session.Query(`SELECT table_name, compression, default_time_to_live, gc_grace_seconds FROM system_schema.tables WHERE keyspace_name = ?`, d.opts.Keyspace).
		Consistency(gocql.One).Idempotent(true).RetryPolicy(retry{}).IterContext(ctx).Scanner()
	for scanner.Next() {
		var name string
		var t tableFacts
		if err := scanner.Scan(&name, &t.compression, &t.ttl, &t.gcGrace); err != nil {
			return nil, err
		}
		out[name] = t
	}
	return out, scanner.Err()
}

func (d *doctor) judgePresence(check string, tables map[string]tableFacts) Finding {
	var missing []string
	for _, name := range ourTables(d.opts.Keyspace) {
		if _, ok := tables[name]; !ok {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return finding(check, Bad, "%s missing: %s", isOrAre(len(missing)), strings.Join(missing, ", ")).do("%s", d.migrate())
	}
	return finding(check, OK, "all %d are there", len(ourTables(d.opts.Keyspace)))
}

func isOrAre(n int) string {
	if n == 1 {
		return "one table is"
	}
	return fmt.Sprintf("%d tables are", n)
}

func judgeCompression(check, keyspace string, tables map[string]tableFacts) Finding {
	var on, off []string
	for _, name := range uncompressed {
		t, ok := tables[name]
		if !ok {
			continue // judged above
		}
		if t.compression["enabled"] == "false" || len(t.compression) == 0 {
			off = append(off, name)
		} else {
			on = append(on, name)
		}
	}
	switch {
	case len(on) > 0:
		var do []string
		for _, name := range on {
			do = append(do, fmt.Sprintf(`ALTER TABLE "%s".%s WITH compression = {'enabled': 'false'}`, keyspace, name))
		}
		return finding(check, Warning, "it is on for %s, whose blobs are compressed already: reads cost more and nothing is gained", strings.Join(on, " and ")).
			do("%s; then nodetool upgradesstables -a %s %s on each server", strings.Join(do, "; "), keyspace, strings.Join(on, " "))
	case len(off) == 0:
		return finding(check, Unknown, "the tables are missing")
	}
	return finding(check, OK, "it is off for %s, whose blobs are compressed already", strings.Join(off, " and "))
}

// judgeExpiry looks for tables whose rows go by themselves, or come back.
func judgeExpiry(check, keyspace string, tables map[string]tableFacts) Finding {
	out := finding(check, OK, "no table has a default time to live")
	for _, name := range ourTables(keyspace) {
		t, ok := tables[name]
		switch {
		case !ok:
		case t.ttl > 0:
			f := finding(check, Bad, "%s has a default time to live of %d s: rows of Phyllo's tables vanish", name, t.ttl)
			out = worst(out, f.do(`ALTER TABLE "%s".%s WITH default_time_to_live = 0, now`, keyspace, name))
		case t.gcGrace < leastGCGrace:
			f := finding(check, Warning, "gc_grace_seconds of %s is %d: what a server misses while it is down for longer comes back after it was deleted", name, t.gcGrace)
			out = worst(out, f.do(`ALTER TABLE "%s".%s WITH gc_grace_seconds = 864000`, keyspace, name))
		}
	}
	return out
}

// leastGCGrace is for how many seconds deletions must be kept: hints to a server
// that is down are kept for three hours.
const leastGCGrace = 3 * 3600
