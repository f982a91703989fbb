package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/phyllodb/phyllo/engine"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

var copySeed = flag.Uint64("copy.seed", 0, "seed of the random interruptions of copies; 0: a new one")

// runCopy copies with transactions of a few KiB.
func runCopy(t *testing.T, c copyCommand) (string, error) {
	t.Helper()
	c.Quiet, c.TxnMiB = true, 1
	if c.txnBytes == 0 {
		c.txnBytes = 64 << 10
	}
	var out bytes.Buffer
	err := c.run(t.Context(), &out, io.Discard, nil)
	return out.String(), err
}

// rowsOf returns the rows of a table as text, by how often they are there.
func rowsOf(t *testing.T, db *engine.DB, namespace, name string) map[string]int {
	t.Helper()
	out := map[string]int{}
	tx, err := db.Begin(t.Context(), engine.TxnOptions{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if err := tx.Snapshot(t.Context()); err != nil {
		t.Fatal(err)
	}
	def := findTable(tx.Catalog(), namespace, name)
	if def == nil {
		t.Fatalf("no table %s.%s", namespace, name)
	}
	err = readTable(t.Context(), tx, def, position{}, func(b readBatch) error {
		defer b.batch.Release()
		for row := range int(b.batch.NumRows()) {
			var text []byte
			for i, c := range def.Columns {
				text = append(text, '|')
				if !b.batch.Column(i).IsNull(row) {
					text = append(datum.AppendTextAt(append(text, '='), c.Type, b.batch.Column(i), row, &datum.Env{}), ' ')
				}
			}
			out[string(text)]++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// wantSameRows compares tables of two folders, row by row.
func wantSameRows(t *testing.T, a, b string, tables ...string) {
	t.Helper()
	read := func(dir string) (out []map[string]int) {
		db, closeAll, err := openEngine(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range tables {
			out = append(out, rowsOf(t, db, "public", name))
		}
		if err := closeAll(); err != nil {
			t.Fatal(err)
		}
		return out
	}
	x, y := read(a), read(b)
	for i, name := range tables {
		if len(x[i]) == 0 || len(x[i]) != len(y[i]) {
			t.Errorf("%s: %d different rows, and %d", name, len(x[i]), len(y[i]))
		}
		for row, n := range x[i] {
			if y[i][row] != n {
				t.Errorf("%s: row %q is there %d times, and %d times", name, row, n, y[i][row])
				break
			}
		}
	}
}

// change runs f on the engine of a folder.
func change(t *testing.T, dir string, f func(db *engine.DB) error) {
	t.Helper()
	db, closeAll, err := openEngine(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f(db), closeAll()); err != nil {
		t.Fatal(err)
	}
}

// newNote inserts a row into the fixture's table of notes, or another like it.
func newNote(db *engine.DB, id int64) error {
	var def *schema.Table
	if err := inTxn(db, func(tx *engine.Txn) error { def = findTable(tx.Catalog(), "public", "notes"); return nil }); err != nil {
		return err
	}
	return insertRows(db, def, 1, func(int) []datum.Value { return []datum.Value{id, "new", nil, nil} })
}

var fixtureNames = []string{"readings", "trips", "notes"}

func TestCopy(t *testing.T) {
	from, to, back := fixture(t), filepath.Join(t.TempDir(), "to"), filepath.Join(t.TempDir(), "back")
	out, err := runCopy(t, copyCommand{From: from, To: to})
	if err != nil {
		t.Fatal(err)
	}
	for _, words := range []string{"public.readings  9,000", "public.trips       304", "public.notes         7", "are the same in both stores"} {
		if !strings.Contains(out, words) {
			t.Errorf("%q is not in the report:\n%s", words, out)
		}
	}
	wantSameRows(t, from, to, fixtureNames...)
	change(t, to, func(db *engine.DB) error {
		return inTxn(db, func(tx *engine.Txn) error {
			c := tx.Catalog()
			if findTable(c, "public", copyProgressName) != nil {
				t.Error("the table of progress is still there")
			}
			readings, _, _ := fixtureTables()
			got := findTable(c, "public", "readings")
			if !sameDefinition(readings, got) || got.Retention != readings.Retention || got.Owner != "ann" || c.Roles["ann"] == nil {
				t.Errorf("definition: %+v", got)
			}
			if got.IndexOID == 0 || got.OID == got.IndexOID {
				t.Errorf("OIDs: %+v", got)
			}
			return nil
		})
	})
	if _, err := runCopy(t, copyCommand{From: to, To: back, Tables: []string{"trips", "public.notes"}}); err != nil {
		t.Fatal(err)
	}
	wantSameRows(t, from, back, "trips", "notes")
	change(t, back, func(db *engine.DB) error {
		return inTxn(db, func(tx *engine.Txn) error {
			if findTable(tx.Catalog(), "public", "readings") != nil {
				t.Error("a table was copied that nobody asked for")
			}
			return nil
		})
	})
	// Again: everything is there, and the same.
	out, err = runCopy(t, copyCommand{From: from, To: to})
	if err != nil || strings.Count(out, "was there already") != 3 {
		t.Errorf("again: %v\n%s", err, out)
	}
	wantSameRows(t, from, to, fixtureNames...)
}

var errTestEnd = errors.New("the test ends the copy")

// TestCopyResume interrupts copies before random commits, until one comes to the
// end; now and then the source changes between them.
func TestCopyResume(t *testing.T) {
	seed := *copySeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-copy.seed=%d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for round := range 4 {
		from, to := fixture(t), filepath.Join(t.TempDir(), "to")
		resumed, again, left := 0, 0, 3
		for run := 0; ; run++ {
			if run == 200 {
				t.Fatal("200 runs were not enough")
			}
			n := r.IntN(5)
			out, err := runCopy(t, copyCommand{From: from, To: to, txnBytes: int64(r.IntN(100<<10) + 1), interrupt: func() error {
				if n--; n < 0 {
					return errTestEnd
				}
				return nil
			}})
			resumed += strings.Count(out, "the beginning by an earlier run")
			again += strings.Count(out, "again from the beginning")
			if err == nil {
				break
			}
			if !errors.Is(err, errTestEnd) || !strings.Contains(err.Error(), "the same command goes on") {
				t.Fatalf("round %d run %d: %v", round, run, err)
			}
			// Notes is the first of the tables, and readings the longest: while that is
			// being copied, its source may change.
			if left > 0 && r.IntN(3) == 0 && unfinished(t, to, "public.readings") {
				left--
				change(t, from, func(db *engine.DB) error {
					def := (*schema.Table)(nil)
					err := inTxn(db, func(tx *engine.Txn) error { def = findTable(tx.Catalog(), "public", "readings"); return nil })
					if err != nil {
						return err
					}
					return insertRows(db, def, 10, readingsRow(r))
				})
			}
		}
		t.Logf("round %d: %d tables resumed, %d begun again at the end", round, resumed, again)
		wantSameRows(t, from, to, fixtureNames...)
	}
}

// unfinished says whether a copy of a table has been begun and not ended.
func unfinished(t *testing.T, dir, table string) bool {
	t.Helper()
	var last *copyStep
	change(t, dir, func(db *engine.DB) error {
		p, err := openCopyProgress(t.Context(), db, "test")
		if err == nil {
			last = p.last(table)
		}
		return err
	})
	return last != nil && !last.finished
}

// TestCopyGoesOn checks that a run goes on where the last one stopped, and does
// not begin again.
func TestCopyGoesOn(t *testing.T) {
	from, to := fixture(t), filepath.Join(t.TempDir(), "to")
	ended := func(commits int) copyCommand {
		return copyCommand{From: from, To: to, Tables: []string{"readings"}, interrupt: func() error {
			if commits--; commits < 0 {
				return errTestEnd
			}
			return nil
		}}
	}
	steps := func() (last *copyStep) {
		change(t, to, func(db *engine.DB) error {
			p, err := openCopyProgress(t.Context(), db, "test")
			if err == nil {
				last = p.last("public.readings")
			}
			return err
		})
		return last
	}
	if _, err := runCopy(t, ended(2)); !errors.Is(err, errTestEnd) {
		t.Fatal(err)
	}
	one := steps()
	if one == nil || one.finished || one.sum.rows == 0 || one.sum.rows >= 9000 || one.fingerprint == "" {
		t.Fatalf("after two commits: %+v", one)
	}
	if _, err := runCopy(t, ended(1)); !errors.Is(err, errTestEnd) {
		t.Fatal(err)
	}
	two := steps()
	if two.step != one.step+1 || two.sum.rows <= one.sum.rows {
		t.Fatalf("after another one: %+v, before %+v", two, one)
	}
	out, err := runCopy(t, copyCommand{From: from, To: to, Tables: []string{"readings"}})
	if err != nil || !strings.Contains(out, "the beginning by an earlier run") {
		t.Fatalf("%v\n%s", err, out)
	}
	wantSameRows(t, from, to, "readings")
}

// TestCopyBeginsAgain changes the source of a table that is under way.
func TestCopyBeginsAgain(t *testing.T) {
	from, to := fixture(t), filepath.Join(t.TempDir(), "to")
	commits := 2
	c := copyCommand{From: from, To: to, Tables: []string{"readings"}, interrupt: func() error {
		if commits--; commits < 0 {
			return errTestEnd
		}
		return nil
	}}
	if _, err := runCopy(t, c); !errors.Is(err, errTestEnd) {
		t.Fatal(err)
	}
	change(t, from, func(db *engine.DB) error {
		var def *schema.Table
		if err := inTxn(db, func(tx *engine.Txn) error { def = findTable(tx.Catalog(), "public", "readings"); return nil }); err != nil {
			return err
		}
		return insertRows(db, def, 100, readingsRow(rand.New(rand.NewPCG(1, 1))))
	})
	c.interrupt = nil
	out, err := runCopy(t, c)
	if err != nil || !strings.Contains(out, "again from the beginning") {
		t.Fatalf("%v\n%s", err, out)
	}
	wantSameRows(t, from, to, "readings")
}

// TestCopyRefuses copies into stores that have what must not be touched.
func TestCopyRefuses(t *testing.T) {
	from := fixture(t)
	refused := func(name, to, words string) {
		t.Run(name, func(t *testing.T) {
			_, err := runCopy(t, copyCommand{From: from, To: to})
			if err == nil || !strings.Contains(err.Error(), words) {
				t.Errorf("%v, want %q", err, words)
			}
		})
	}
	to := func(make func(db *engine.DB) error) string {
		dir := filepath.Join(t.TempDir(), "to")
		change(t, dir, make)
		return dir
	}
	other := to(func(db *engine.DB) error {
		_, _, notes := fixtureTables()
		if err := makeTable(db, notes); err != nil {
			return err
		}
		return newNote(db, 1)
	})
	refused("other content", other, "public.notes with other content")
	if rows := len(func() (m map[string]int) {
		change(t, other, func(db *engine.DB) error { m = rowsOf(t, db, "public", "notes"); return nil })
		return m
	}()); rows != 1 {
		t.Errorf("a table that was refused has %d rows", rows)
	}
	refused("other columns", to(func(db *engine.DB) error {
		_, _, notes := fixtureTables()
		notes.Columns[1].Type = datum.Of(datum.Bytea)
		return makeTable(db, notes)
	}), "defined differently: column note bytea")
	refused("other partitions", to(func(db *engine.DB) error {
		readings, _, _ := fixtureTables()
		readings.Partitions = 3
		return makeTable(db, readings)
	}), "its partitions")
	refused("a table of that name", to(func(db *engine.DB) error {
		return makeTable(db, &schema.Table{Name: copyProgressName, Columns: columns("a", datum.Of(datum.Int4))})
	}), "is not one of phyllo copy")
	refused("itself", from, "the same store")
	refused("no store", "cassandra://", "cassandra://HOST")
	refused("nowhere", "s3://bucket/x", "a store is a folder or")

	missing := filepath.Join(t.TempDir(), "missing")
	if _, err := runCopy(t, copyCommand{From: missing, To: to(newNothing)}); err == nil || !strings.Contains(err.Error(), "no store") {
		t.Errorf("a source that is not there: %v", err)
	}
	if _, err := runCopy(t, copyCommand{From: from, To: to(newNothing), Tables: []string{"nobody"}}); err == nil || !strings.Contains(err.Error(), "public.nobody") {
		t.Errorf("a table that is not there: %v", err)
	}
	// An empty table that is the same is filled, and gets its retention back.
	empty := to(func(db *engine.DB) error {
		readings, _, _ := fixtureTables()
		return makeTable(db, readings)
	})
	if _, err := runCopy(t, copyCommand{From: from, To: empty}); err != nil {
		t.Fatal(err)
	}
	wantSameRows(t, from, empty, fixtureNames...)
}

func newNothing(*engine.DB) error { return nil }

// TestCopyChangedAfter changes the source after a table was finished, and the
// destination before it is verified: neither may pass for a copy.
func TestCopyChangedAfter(t *testing.T) {
	from, to := fixture(t), filepath.Join(t.TempDir(), "to")
	commits := 0
	_, err := runCopy(t, copyCommand{From: from, To: to, interrupt: func() error {
		if commits++; commits == 3 { // notes is done by then
			return errTestEnd
		}
		return nil
	}})
	if !errors.Is(err, errTestEnd) || unfinished(t, to, "public.notes") {
		t.Fatalf("%v", err)
	}
	change(t, from, func(db *engine.DB) error { return newNote(db, 99) })
	if _, err := runCopy(t, copyCommand{From: from, To: to}); err == nil || !strings.Contains(err.Error(), "is different now") {
		t.Errorf("the source changed: %v", err)
	}
	change(t, to, func(db *engine.DB) error { return newNote(db, 99) })
	if _, err := runCopy(t, copyCommand{From: fixture(t), To: to}); err == nil || !strings.Contains(err.Error(), "public.notes is not the same") {
		t.Errorf("the destination changed: %v", err)
	}
}

// TestCopyOldRows copies rows that the destination would refuse as too old.
func TestCopyOldRows(t *testing.T) {
	from, to := fixture(t), filepath.Join(t.TempDir(), "to")
	// The fixture's rows are of 2024, kept for 90 days, and runCopy works with the
	// time of today.
	if time.Since(fixtureTime) < 100*24*time.Hour {
		t.Fatal("the clock is wrong")
	}
	if _, err := runCopy(t, copyCommand{From: from, To: to, Tables: []string{"readings"}}); err != nil {
		t.Fatal(err)
	}
	wantSameRows(t, from, to, "readings")
}

// TestCopyTwoSteps checks that one step of progress is not done twice: of two who
// read the same progress, one fails.
func TestCopyTwoSteps(t *testing.T) {
	to := filepath.Join(t.TempDir(), "to")
	change(t, to, func(db *engine.DB) error {
		ctx := t.Context()
		a, err := openCopyProgress(ctx, db, "a")
		if err != nil {
			return err
		}
		b, err := openCopyProgress(ctx, db, "b")
		if err != nil {
			return err
		}
		put := func(p *copyProgress) error {
			return p.transaction(ctx, func(tx *engine.Txn) error {
				_, err := p.put(ctx, tx, copyStep{table: "public.t"})
				return err
			})
		}
		if err := put(a); err != nil {
			return err
		}
		if err := put(b); err == nil || !strings.Contains(err.Error(), "another copy") {
			t.Errorf("the second one: %v", err)
		}
		return nil
	})
}

// TestContentSum checks what makes two tables different.
func TestContentSum(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "sums")
	sums := map[string]contentSum{}
	add := func(name string, typ datum.Type, values ...datum.Value) {
		change(t, dir, func(db *engine.DB) error {
			def := &schema.Table{Name: name, Columns: columns("v", typ, "w", typ)}
			if err := makeTable(db, def); err != nil {
				return err
			}
			for i := 0; i < len(values); i += 2 {
				if err := insertRows(db, def, 1, func(int) []datum.Value { return values[i : i+2] }); err != nil {
					return err
				}
			}
			return inTxn(db, func(tx *engine.Txn) error {
				j := &copyJob{bar: func(string, int64) *rowBar { return newRowBar(io.Discard, "", 0) }}
				var err error
				sums[name], err = j.sum(t.Context(), "", tx, findTable(tx.Catalog(), "public", name))
				return err
			})
		})
	}
	text, float := datum.Of(datum.Text), datum.Of(datum.Float8)
	negative := 0.0
	negative = -negative
	if 1/negative > 0 {
		negative = negative * -1
	}
	add("ab", text, "a", "b", "c", "d")
	add("order", text, "c", "d", "a", "b")
	add("moved", text, "a", "d", "c", "b")
	add("joined", text, "ab", "", "c", "d")
	add("null", text, "ab", nil, "c", "d")
	add("twice", text, "a", "b", "c", "d", "a", "b", "a", "b")
	add("thrice", text, "a", "b", "c", "d", "c", "d", "c", "d")
	add("zero", float, 0.0, 0.0)
	add("negative", float, negative, 0.0)
	if sums["ab"] != sums["order"] {
		t.Error("the order of rows counts")
	}
	seen := map[string]string{}
	for name, s := range sums {
		if name == "order" {
			continue
		}
		if other := seen[s.hash()]; other != "" {
			t.Errorf("%s and %s have one checksum", name, other)
		}
		seen[s.hash()] = name
		a, b, err := parseHash(s.hash())
		if err != nil || a != s.a || b != s.b {
			t.Errorf("%s: read back %x %x, %v", s.hash(), a, b, err)
		}
	}
	for _, bad := range []string{"", "00", strings.Repeat("x", 32), strings.Repeat("0", 34)} {
		if _, _, err := parseHash(bad); err == nil {
			t.Errorf("%q was read as a checksum", bad)
		}
	}
}

func TestClusterStore(t *testing.T) {
	for _, c := range []struct{ text, hosts, keyspace, words string }{
		{"cassandra://10.0.0.1/phyllo", "10.0.0.1", "phyllo", ""},
		{"cassandra://10.0.0.1:9042,10.0.0.2:9043/ks", "10.0.0.1:9042,10.0.0.2:9043", "ks", ""},
		{"cassandra://10.0.0.1", "", "", "HOST[:PORT]"},
		{"cassandra://10.0.0.1/", "", "", "HOST[:PORT]"},
		{"cassandra:///ks", "", "", "HOST[:PORT]"},
		{"cassandra://h/ks/more", "", "", "HOST[:PORT]"},
		{"cassandra://me:secret@h/ks", "", "", "do not belong there"},
	} {
		hosts, keyspace, err := parseClusterStore(c.text)
		if hosts != c.hosts || keyspace != c.keyspace || (err == nil) != (c.words == "") || err != nil && !strings.Contains(err.Error(), c.words) {
			t.Errorf("%s: %q %q %v", c.text, hosts, keyspace, err)
		}
	}
	user, file := "flag", filepath.Join(t.TempDir(), "side.yaml")
	if err := os.WriteFile(file, []byte("cassandra:\n  user: filed\n  password: hidden\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	environ := []string{"PHYLLO_CASSANDRA_USER=env", "PHYLLO_CASSANDRA_PASSWORD=open", "HOME=/"}
	for _, c := range []struct {
		name           string
		side           copySide
		user, password string
	}{
		{"environment", copySide{}, "env", "open"},
		{"flag", copySide{User: &user}, "flag", "open"},
		{"file", copySide{Config: &file}, "filed", "hidden"},
		{"file and flag", copySide{Config: &file, User: &user}, "flag", "hidden"},
	} {
		o, err := c.side.cassandraOptions("cassandra://h:1,i/ks", environ, nil)
		if err != nil || o.User != c.user || o.Password != c.password || fmt.Sprint(o.Hosts) != "[h:1 i]" || o.Keyspace != "ks" {
			t.Errorf("%s: %v %+v", c.name, err, o)
		}
	}
}

// TestReadTable reads from every position that a scan passes, and ends early.
func TestReadTable(t *testing.T) {
	change(t, fixture(t), func(db *engine.DB) error {
		return inTxn(db, func(tx *engine.Txn) error {
			ctx := t.Context()
			def := findTable(tx.Catalog(), "public", "readings")
			var all contentSum
			var stops []position
			var until []contentSum
			err := readTable(ctx, tx, def, position{}, func(b readBatch) error {
				b.batch.Release()
				all.add(b.sum)
				stops, until = append(stops, b.after), append(until, all)
				return nil
			})
			if err != nil || all.rows != tx.TableRows(def.OID)-25 { // 25 rows have newer versions
				t.Fatalf("%d rows, %v", all.rows, err)
			}
			// Within a batch as well: a snapshot's scan may be cut differently.
			stops, until = append(stops, position{0, 7}), append(until, contentSum{rows: 7})
			for i, at := range stops {
				var rest contentSum
				if err := readTable(ctx, tx, def, at, func(b readBatch) error { b.batch.Release(); rest.add(b.sum); return nil }); err != nil {
					return err
				}
				if rest.rows != all.rows-until[i].rows || i < len(stops)-1 && rest.a+until[i].a != all.a {
					t.Errorf("after %v: %d rows of %d, with %d before", at, rest.rows, all.rows, until[i].rows)
				}
			}
			seen := 0
			err = readTable(ctx, tx, def, position{}, func(b readBatch) error {
				b.batch.Release()
				seen++
				return errTestEnd
			})
			if !errors.Is(err, errTestEnd) || seen != 1 {
				t.Errorf("ended early: %d batches, %v", seen, err)
			}
			gone, cancel := context.WithCancel(ctx)
			cancel()
			if err := readTable(gone, tx, def, position{}, func(b readBatch) error { b.batch.Release(); return nil }); !errors.Is(err, context.Canceled) {
				t.Errorf("cancelled: %v", err)
			}
			return nil
		})
	})
}
