package clustertest

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
	"github.com/phyllodb/phyllo/internal/schema"
)

var allBytes = flag.Bool("all-bytes", false, "flip a bit of every byte that TestBitRot stores, but for its ballast, not of a sample: hours")

var rotTime = flag.Duration("rot-time", 10*time.Second, "for how long TestBitRot flips bits of a sample")

// rotTables are a keyed table in two partitions and one without a key, with rows in several
// chunks, newer versions and deleted rows.
var rotTables = []string{
	`CREATE TABLE keyed (id int, ts timestamptz, value float8, PRIMARY KEY (id, ts)) PARTITION BY HASH (id) WITH (partitions = 2, slice = '1 day', on_duplicate = 'replace')`,
	`CREATE TABLE plain (id int, note text, document jsonb)`,
	// To be read so that nothing else stays in the cache.
	`CREATE TABLE ballast (n int, text text) PARTITION BY HASH (n) WITH (partitions = 16)`,
	`INSERT INTO ballast SELECT i, md5(i::text) FROM generate_series(1, 100000) i`,
}

// ballastBytes is more than blobs of other tables have.
const ballastBytes = 64 << 10

func rotRows(round int) []string {
	return []string{
		fmt.Sprintf(`INSERT INTO keyed SELECT i, '2026-01-01'::timestamptz + i * interval '10 min', i / 4.0 + %d FROM generate_series(%d, %d) i`, round, round*80, round*80+120),
		fmt.Sprintf(`INSERT INTO plain SELECT i, 'note ' || i %% 7, jsonb_build_object('a', i, 'b', 'text ' || i) FROM generate_series(%d, %d) i`, round*100, round*100+99),
		fmt.Sprintf(`DELETE FROM plain WHERE id = %d`, round*100+50),
	}
}

// A stored is a value that Cassandra has of ours.
type stored struct {
	table string
	where string // with a place for each of key
	key   []any
	only  string // condition under which it is written; empty: written plainly
	id    []any
	data  []byte
}

func (s *stored) String() string { return fmt.Sprintf("%s %x", s.table, s.key) }

// write writes data in place of the value.
func (s *stored) write(session *gocql.Session, data []byte) error {
	q := session.Query(fmt.Sprintf("UPDATE %s SET data = ? WHERE %s%s", s.table, s.where, s.only), append(append([]any{data}, s.key...), s.id...)...)
	if s.only == "" {
		return q.Exec()
	}
	if applied, err := q.MapScanCAS(map[string]any{}); err != nil || !applied {
		return fmt.Errorf("%v: written: %t, error %w", s, applied, err)
	}
	return nil
}

// neededByAll says whether a part of a blob is of a column that rows are told apart by: of a
// key, or a hidden one.
func (s *stored) neededByAll() bool {
	column := schema.ColumnID(s.key[3].(int64))
	return column.Hidden() || len(s.key[1].([]byte)) > 0 && column <= 2
}

// storedValues returns all that a keyspace has but registers, hints and names.
func storedValues(t *testing.T, session *gocql.Session) (out []*stored) {
	t.Helper()
	each := func(table string, columns []string, conditional bool) {
		list := append(slices.Clone(columns), "data")
		if conditional {
			list = append(list, "id")
		}
		scanner := session.Query(fmt.Sprintf("SELECT %s FROM %s", strings.Join(list, ", "), table)).Iter()
		for row := map[string]any{}; scanner.MapScan(row); row = map[string]any{} {
			s := &stored{table: table, where: strings.Join(columns, " = ? AND ") + " = ?"}
			for _, c := range columns {
				v := row[c]
				if b, ok := v.([]byte); ok && b == nil {
					v = []byte{} // the key of a table without partitions, which nil is not
				}
				s.key = append(s.key, v)
			}
			if s.data, _ = row["data"].([]byte); len(s.data) == 0 {
				continue // parts have it, or it ends a bucket
			}
			if conditional {
				s.only, s.id = " IF id = ?", []any{row["id"]}
			}
			out = append(out, s)
		}
		if err := scanner.Close(); err != nil {
			t.Fatal(err)
		}
	}
	each("chunks", []string{"table_id", "partition", "bucket", "column_id", "chunk_id", "part"}, false)
	each("parts", []string{"owner", "bucket", "id", "part"}, false)
	each("logs", []string{"log", "bucket", "seq"}, true)
	each("checkpoints", []string{"kind", "key"}, true)
	return out
}

// A rotten is a keyspace whose bits are flipped one after the other.
type rotten struct {
	t       *testing.T
	session *gocql.Session
	url     string
	clean   string   // what phyllo inspect shows of it
	node    *node    // that reads it, with a small cache; nil while only logs are read
	columns []string // what that reads, by column
	found   map[string]int
	rng     *rand.Rand
}

// TestBitRot flips bits of blobs, entries of logs and checkpoints in Cassandra, one at a
// time: that is harmless, or phyllo inspect --verify and who reads say where it is; nothing
// reads as it was not written, and what lies elsewhere can be read.
func TestBitRot(t *testing.T) {
	t.Logf("seed %d (give it back with -seed)", *seed)
	address := theServer.get(t)
	store := newKeyspace(t, address)
	keyspace := store[len(store)-1]
	s := &scene{t: t}
	n := newNode(t, 0, "a", store, "PHYLLO_MEMORY_CACHE_MIB=1", "PHYLLO_COMPACTION_PAUSED=true")
	s.nodes = []*node{n}
	if err := n.start(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	s.exec(rotTables...)
	for round := range 3 {
		s.exec(append(rotRows(round), "CHECKPOINT")...)
	}
	// These stay in the source log, some of them in parts.
	s.exec(append(rotRows(3), `INSERT INTO ballast SELECT i, md5(i::text) FROM generate_series(1, 10000) i`)...)
	n.kill()
	cfg := gocql.NewCluster(strings.Split(address, ",")...)
	cfg.Keyspace, cfg.Consistency, cfg.ProtoVersion, cfg.Logger = keyspace, gocql.All, 4, gocql.NewLogger(gocql.LogLevelNone)
	session, err := cfg.CreateSession()
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	r := &rotten{t: t, session: session, url: "cassandra://" + address + "/" + keyspace, found: map[string]int{}, rng: rand.New(rand.NewPCG(*seed, 0))}
	r.clean = r.inspect("--json")
	if out := r.inspect("--verify"); !strings.Contains(out, "all is as it was written") {
		t.Fatalf("before any bit was flipped: %s", out)
	}
	r.flip(*rotTime/2, storedValues(t, session), func(v *stored) bool { return v.table != "chunks" })
	if err := n.start(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	s.exec("CHECKPOINT")
	r.node = n
	r.columns, _ = r.read()
	r.flip(*rotTime/2, storedValues(t, session), func(v *stored) bool { return v.table == "chunks" && len(v.data) < ballastBytes })
	t.Logf("%v", r.found)
	if r.found["chunks found"] == 0 || r.found["logs found"] == 0 || r.found["checkpoints found"] == 0 {
		t.Error("the test did not test")
	}
}

// flip flips bits of the values that are chosen: of a sample for a while, or of each byte.
func (r *rotten) flip(d time.Duration, all []*stored, chosen func(*stored) bool) {
	all = slices.DeleteFunc(all, func(v *stored) bool { return !chosen(v) })
	kinds := map[string][]*stored{}
	var names []string
	for _, v := range all {
		if kinds[v.table] == nil {
			names = append(names, v.table)
		}
		kinds[v.table] = append(kinds[v.table], v)
	}
	if *allBytes {
		for _, v := range all {
			for at := 0; at < len(v.data); at += 1 + len(v.data)/ballastBytes<<12 { // little of the ballast
				r.one(v, at)
			}
		}
		return
	}
	// On a slow machine on, until each kind was reported once; parts may all be harmless.
	missing := func() bool {
		return slices.ContainsFunc(names, func(n string) bool { return n != "parts" && r.found[n+" found"] == 0 })
	}
	const atMost = 40 * time.Second
	for i, begin := 0, time.Now(); time.Since(begin) < d || missing() && time.Since(begin) < atMost; i++ {
		kind := kinds[names[i%len(names)]]
		v := kind[r.rng.IntN(len(kind))]
		r.one(v, r.rng.IntN(len(v.data)))
	}
}

// one flips one bit, looks what comes of it, and flips it back.
func (r *rotten) one(v *stored, at int) {
	bit := r.rng.IntN(8)
	damaged := slices.Clone(v.data)
	damaged[at] ^= 1 << bit
	if err := v.write(r.session, damaged); err != nil {
		r.t.Fatal(err)
	}
	found, err := r.look(v)
	if werr := v.write(r.session, v.data); werr != nil {
		r.t.Fatal(werr)
	}
	if err != nil {
		r.t.Errorf("%v, byte %d, bit %d: %v", v, at, bit, err)
	}
	r.found[v.table+map[bool]string{true: " found", false: " harmless"}[found]]++
}

func (r *rotten) look(v *stored) (found bool, err error) {
	text, verr := r.run("--verify", "--json")
	var report struct {
		Damage []struct{ Table, Partition, Chunk, Column, Log, Problem string }
	}
	if err := json.Unmarshal([]byte(text), &report); err != nil {
		return false, fmt.Errorf("--verify: %v: %w: %s", verr, err, text)
	}
	var failed []string
	if r.node != nil {
		var columns []string
		columns, failed = r.read()
		for i, was := range r.columns {
			if columns[i] != was && columns[i] != "" {
				return false, fmt.Errorf("a column reads as %s and was %s", columns[i], was)
			}
		}
	}
	switch {
	case len(report.Damage) == 0 && len(failed) > 0:
		return false, fmt.Errorf("--verify finds nothing, and %v", failed)
	case len(report.Damage) == 0 && r.node != nil:
		return false, nil
	case len(report.Damage) == 0:
		if now := r.inspect("--json"); now != r.clean {
			return false, fmt.Errorf("--verify finds nothing, and what is there changed from\n%s\nto\n%s", r.clean, now)
		}
		return false, nil
	}
	for _, d := range report.Damage {
		switch {
		case v.table == "chunks" && (d.Table == "" || d.Partition == "" || d.Chunk == "" || d.Column == ""):
			return true, fmt.Errorf("--verify does not name table, partition, chunk and column: %+v", d)
		case v.table != "chunks" && (d.Log == "" || !strings.Contains(d.Problem, "entry ") && !strings.Contains(d.Problem, "checkpoint")):
			return true, fmt.Errorf("--verify does not name the log and the entry or checkpoint: %+v", d)
		}
	}
	if v.table == "chunks" && len(report.Damage) != 1 {
		return true, fmt.Errorf("one bit is several damages: %+v", report.Damage)
	}
	if len(failed) > 1 && !v.neededByAll() {
		return true, fmt.Errorf("one bit keeps several columns from being read: %v", failed)
	}
	for _, f := range failed {
		if table := strings.TrimPrefix(report.Damage[0].Table, "public."); !strings.Contains(f, " FROM "+table+": ") {
			return true, fmt.Errorf("a bit of table %s: %s", table, f)
		}
		if !strings.Contains(f, "chunk ") || !strings.Contains(f, "column ") || !strings.Contains(f, "table ") {
			return true, fmt.Errorf("an error does not name table, chunk and column: %s", f)
		}
	}
	return true, nil
}

// read reads each column by itself; one that cannot be read is empty.
func (r *rotten) read() (columns, failed []string) {
	conn, err := r.node.connect(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(r.t.Context(), `SELECT sum(length(text)) FROM ballast`); err != nil {
		r.t.Fatal(err)
	}
	for _, column := range []string{"id FROM plain", "note FROM plain", "document FROM plain", "id FROM keyed", "ts FROM keyed", "value FROM keyed"} {
		name, table, _ := strings.Cut(column, " ")
		var got string
		err := conn.QueryRow(r.t.Context(), fmt.Sprintf("SELECT string_agg(%s::text, ' ' ORDER BY %s::text) %s", name, name, table)).Scan(&got)
		if err != nil {
			failed = append(failed, fmt.Sprintf("%s: %v", column, err))
		}
		columns = append(columns, got)
	}
	return columns, failed
}

func (r *rotten) run(args ...string) (string, error) {
	cmd := exec.CommandContext(r.t.Context(), program, append([]string{"inspect", r.url}, args...)...)
	out, err := cmd.Output()
	return string(out), err
}

func (r *rotten) inspect(args ...string) string {
	out, err := r.run(args...)
	if err != nil {
		r.t.Fatalf("phyllo inspect %v: %v: %s", args, err, out)
	}
	return out
}
