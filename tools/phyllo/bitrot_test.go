package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine"
	"github.com/phyllodb/phyllo/engine/local"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/locking"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/internal/vfs"
)

var allBytes = flag.Bool("all-bytes", false, "flip a bit of every byte of every file of the store, not of a sample")

// rotTables are a keyed table in two partitions and one without a key.
func rotTables() (keyed, plain *schema.Table) {
	of := datum.Of
	keyed = &schema.Table{Name: "keyed", PrimaryKey: []schema.ColumnID{1, 2}, PrimaryKeyName: "keyed_pkey", OnDuplicate: schema.DuplicateReplace,
		PartitionKind: schema.PartitionHash, PartitionColumns: []schema.ColumnID{1}, Partitions: 2, TimeColumn: 2, Slice: 24 * time.Hour,
		Columns: columns("id", of(datum.Int8), "ts", of(datum.TimestampTZ), "value", of(datum.Float8))}
	keyed.Columns[0].NotNull, keyed.Columns[1].NotNull = true, true
	plain = &schema.Table{Name: "plain", Columns: columns("id", of(datum.Int8), "note", of(datum.Text))}
	return keyed, plain
}

// fillRot writes a small store with rows in several chunks, deleted rows, checkpoints of
// logs and, if waiting, rows that are only in the source log.
func fillRot(db *engine.DB, again func() (*engine.DB, error), waiting bool) (*engine.DB, error) {
	ctx := context.Background()
	keyed, plain := rotTables()
	keyedRow := func(from int) func(int) []datum.Value {
		return func(i int) []datum.Value {
			return []datum.Value{int64(from + i), micros((from + i) * 3000), float64(i) / 4}
		}
	}
	plainRow := func(from int) func(int) []datum.Value {
		return func(i int) []datum.Value { return []datum.Value{int64(from + i), fmt.Sprint("note ", (from+i)%5)} }
	}
	err := errors.Join(makeTable(db, keyed), makeTable(db, plain))
	for round := 0; round < 3 && err == nil; round++ {
		err = errors.Join(insertRows(db, keyed, 12, keyedRow(round*8)), insertRows(db, plain, 10, plainRow(round*10)), db.Checkpoint(ctx))
		if err == nil {
			err = deleteFirst(db, plain)
		}
		if err == nil {
			db, err = again()
		}
	}
	if err == nil && waiting {
		err = errors.Join(insertRows(db, keyed, 5, keyedRow(100)), insertRows(db, plain, 5, plainRow(100)), insertRows(db, plain, 5, plainRow(200)))
	}
	return db, err
}

// deleteFirst deletes a row of a table, whichever comes first.
func deleteFirst(db *engine.DB, table *schema.Table) error {
	ctx := context.Background()
	return inTxn(db, func(tx *engine.Txn) error {
		if err := tx.BeginChange(ctx, table.OID, locking.UpdateRow); err != nil {
			return err
		}
		var first arrow.RecordBatch
		err := scanBatches(tx, table, columnIDs(table), func(b arrow.RecordBatch) {
			if first == nil {
				first = b.NewSlice(0, 1)
			}
		})
		if err != nil {
			return err
		}
		again, err := tx.Delete(ctx, table.OID, first)
		if again {
			return errors.New("the row was changed meanwhile")
		}
		return err
	})
}

func columnIDs(table *schema.Table) (ids []schema.ColumnID) {
	for _, c := range table.Columns {
		ids = append(ids, c.ID)
	}
	return ids
}

// scanBatches reads columns of a table.
func scanBatches(tx *engine.Txn, table *schema.Table, ids []schema.ColumnID, each func(arrow.RecordBatch)) error {
	ctx := context.Background()
	splits, _, err := tx.Scan(ctx, table.OID, chunk.ScanSpec{Columns: ids, Pruning: chunk.PruningOff{}})
	if err != nil {
		return err
	}
	for _, s := range splits {
		var stats chunk.ScanStats
		r, err := s.Scan(ctx, chunk.NewRoom(memory.DefaultAllocator), &stats)
		if err != nil {
			return err
		}
		for {
			b, err := r.Next(ctx)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				r.Close()
				return err
			}
			each(b)
			b.Release()
		}
		r.Close()
	}
	return nil
}

// columnsRead is what the columns of all tables hold, or why they cannot be read, by
// "table.column".
type columnsRead map[string]struct {
	values string
	err    error
}

// readColumns reads every column of every table by itself.
func readColumns(db *engine.DB) (columnsRead, error) {
	tx, err := db.Begin(context.Background(), engine.TxnOptions{ReadOnly: true})
	if err != nil {
		return nil, err
	}
	defer tx.Rollback()
	if err := tx.Snapshot(context.Background()); err != nil {
		return nil, err
	}
	out := columnsRead{}
	for _, table := range tx.Catalog().Tables {
		if table.Namespace != schema.PublicOID {
			continue
		}
		for _, c := range table.Columns {
			var values []string
			err := scanBatches(tx, table, []schema.ColumnID{c.ID}, func(b arrow.RecordBatch) {
				for i := range int(b.NumRows()) {
					values = append(values, rotText(b.Column(0), i))
				}
			})
			slices.Sort(values)
			r := out[table.Name+"."+c.Name]
			r.values, r.err = strings.Join(values, " "), err
			out[table.Name+"."+c.Name] = r
		}
	}
	return out, nil
}

func rotText(a arrow.Array, i int) string {
	if f, ok := a.(*array.Float64); ok {
		return fmt.Sprintf("%x", f.Value(i))
	}
	return a.ValueStr(i)
}

// openRot opens a store on a disk in memory as a server does.
func openRot(disk vfs.FS) (*engine.DB, func() error, error) {
	s, err := local.Open(local.Options{FS: disk, Dir: "data", CacheBytes: -1})
	if err != nil {
		return nil, nil, err
	}
	db, err := engine.Open(context.Background(), s, engine.Options{SealAge: time.Hour, CompactionPaused: true, Now: func() time.Time { return fixtureTime }})
	if err != nil {
		return nil, nil, errors.Join(err, s.Close())
	}
	return db, func() error { return errors.Join(db.Close(), s.Close()) }, nil
}

// makeRot returns a disk with a small store, stopped or killed.
func makeRot(t *testing.T, killed bool) *vfs.Mem {
	t.Helper()
	disk := vfs.NewMem()
	db, stop, err := openRot(disk)
	if err != nil {
		t.Fatal(err)
	}
	_, err = fillRot(db, func() (*engine.DB, error) {
		err := stop()
		if err == nil {
			db, stop, err = openRot(disk)
		}
		return db, err
	}, killed)
	if err != nil {
		t.Fatal(err)
	}
	left := disk
	if killed {
		left = disk.Kill()
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	return left
}

// filesOf returns the files of a disk by their names.
func filesOf(t *testing.T, disk *vfs.Mem) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	var walk func(dir string)
	walk = func(dir string) {
		entries, err := disk.List(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			name := dir + "/" + e.Name
			if e.Dir {
				walk(name)
				continue
			}
			err := disk.Corrupt(name, func(b []byte) []byte { out[name] = slices.Clone(b); return b })
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	walk("data")
	return out
}

// A flipped bit.
type flipped struct {
	file string
	at   int
	bit  int
}

func (f flipped) String() string { return fmt.Sprintf("%s, byte %d, bit %d", f.file, f.at, f.bit) }

// A rot is a store whose bits are flipped one after the other.
type rot struct {
	disk  *vfs.Mem
	files map[string][]byte
	clean columnsRead
}

// check flips a bit, in a copy of the store in a folder, and says what is wrong with what
// comes of it.
func (r *rot) check(t *testing.T, dir string, f flipped) (found int, err error) {
	path := filepath.Join(dir, strings.TrimPrefix(f.file, "data/"))
	content := slices.Clone(r.files[f.file])
	content[f.at] ^= 1 << f.bit
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := os.WriteFile(path, r.files[f.file], 0o600); err != nil {
			t.Fatal(err)
		}
	}()
	text, verr := inspect(t, utf8Locale, dir, "--verify", "--json")
	var report verifyReport
	if text != "" {
		if err := json.Unmarshal([]byte(text), &report); err != nil {
			return 0, fmt.Errorf("--verify: %w", err)
		}
	}
	failed, err := r.read(f, content)
	if err != nil {
		return 0, err
	}
	switch {
	case verr == nil && len(failed) > 0:
		return 0, fmt.Errorf("--verify finds nothing; %v", failed)
	case verr == nil:
		return 0, nil
	case len(report.Damage) == 0 && !strings.Contains(verr.Error(), filepath.Base(f.file)) && f.file != "data/FORMAT":
		return 0, fmt.Errorf("--verify does not name the file: %w", verr)
	}
	for _, d := range report.Damage {
		if err := r.names(f, d); err != nil {
			return 0, err
		}
	}
	return 1, nil
}

// names checks that a damage is where a bit was flipped.
func (r *rot) names(f flipped, d damageReport) error {
	if !strings.Contains(d.File+d.Problem, filepath.Base(f.file)) {
		return fmt.Errorf("--verify does not name the file: %+v", d)
	}
	if !strings.HasPrefix(f.file, "data/chunks/") {
		return nil
	}
	if d.Table == "" || d.Partition == "" && d.PartitionKey == "" && !strings.Contains(f.file, "/_/") {
		return fmt.Errorf("--verify does not name the table and the partition: %+v", d)
	}
	if d.Offset != nil && (d.Chunk == "" || d.Column == "") {
		return fmt.Errorf("--verify does not name the chunk and the column: %+v", d)
	}
	return nil
}

// read opens the store with a file as it is now and reads all columns. What is read is as
// it was written, or there is an error that says where.
func (r *rot) read(f flipped, content []byte) (failed []string, err error) {
	disk := r.disk.Kill()
	if err := disk.Corrupt(f.file, func([]byte) []byte { return content }); err != nil {
		return nil, err
	}
	db, stop, err := openRot(disk)
	if err != nil {
		if !strings.Contains(err.Error(), filepath.Base(f.file)) && f.file != "data/FORMAT" {
			return nil, fmt.Errorf("opening does not name the file: %w", err)
		}
		return []string{err.Error()}, nil
	}
	defer func() { err = errors.Join(err, stop()) }()
	got, err := readColumns(db)
	if err != nil {
		return nil, err
	}
	if len(got) != len(r.clean) {
		return nil, fmt.Errorf("%d columns are there, of %d", len(got), len(r.clean))
	}
	for _, name := range slices.Sorted(maps.Keys(r.clean)) {
		g := got[name]
		switch {
		case g.err == nil && g.values != r.clean[name].values:
			return nil, fmt.Errorf("%s reads as\n%s\nand was\n%s", name, g.values, r.clean[name].values)
		case g.err != nil && !errors.Is(g.err, chunk.ErrCorrupt):
			return nil, fmt.Errorf("%s: not ErrCorrupt: %w", name, g.err)
		case g.err != nil:
			failed = append(failed, fmt.Sprintf("%s: %v", name, g.err))
		}
	}
	return failed, r.spared(f, failed)
}

// spared checks that what is not in a damaged file can be read.
func (r *rot) spared(f flipped, failed []string) error {
	if strings.HasPrefix(f.file, "data/chunks/") && len(failed) > 1 && !strings.HasPrefix(failed[0], "keyed.") {
		return fmt.Errorf("one bit keeps more than a column from being read: %v", failed)
	}
	for _, text := range failed {
		if table, _, _ := strings.Cut(failed[0], "."); !strings.HasPrefix(text, table+".") {
			return fmt.Errorf("one bit keeps tables from being read: %v", failed)
		}
	}
	return nil
}

// TestBitRot flips bits of every file of a store, one at a time: that is harmless, or it is
// reported with the place, by who reads the store and by --verify; nothing reads as it was
// not written, and what lies elsewhere can be read.
func TestBitRot(t *testing.T) {
	for _, killed := range []bool{false, true} {
		t.Run(fmt.Sprintf("killed=%v", killed), func(t *testing.T) {
			t.Parallel()
			rng := newRand(t)
			disk := makeRot(t, killed)
			r := &rot{disk: disk, files: filesOf(t, disk)}
			db, stop, err := openRot(disk.Kill())
			if err == nil {
				r.clean, err = readColumns(db)
			}
			if err = errors.Join(err, stop()); err != nil {
				t.Fatal(err)
			}
			var bits []flipped
			kinds := map[string]int{}
			for _, name := range slices.Sorted(maps.Keys(r.files)) {
				t.Logf("%6d bytes %s", len(r.files[name]), name)
				step := 1
				if !*allBytes {
					step = 53
				}
				for at := rng.IntN(step); at < len(r.files[name]); at += step {
					bits = append(bits, flipped{name, at, rng.IntN(8)})
				}
			}
			var wg sync.WaitGroup
			var mu sync.Mutex
			next := make(chan flipped)
			for range 4 {
				dir := filepath.Join(t.TempDir(), "data")
				for name, content := range r.files {
					path := filepath.Join(dir, strings.TrimPrefix(name, "data/"))
					if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, content, 0o600)); err != nil {
						t.Fatal(err)
					}
				}
				wg.Go(func() {
					for f := range next {
						n, err := r.check(t, dir, f)
						mu.Lock()
						if err != nil {
							t.Errorf("%v: %v", f, err)
						}
						kind, _, _ := strings.Cut(strings.TrimPrefix(f.file, "data/"), "/")
						kinds[kind+[]string{" harmless", " found"}[n]]++
						mu.Unlock()
					}
				})
			}
			for _, f := range bits {
				next <- f
			}
			close(next)
			wg.Wait()
			t.Logf("%d bits: %v", len(bits), kinds)
		})
	}
}
