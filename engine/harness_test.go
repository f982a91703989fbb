package engine_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine"
	"github.com/phyllodb/phyllo/engine/local"
	"github.com/phyllodb/phyllo/engine/memstore"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/internal/vfs"
)

var seedFlag = flag.Uint64("seed", 0, "seed of the random tests; 0 takes one from the clock")

// newRand returns a source of randomness whose seed is in the test's log.
func newRand(t testing.TB) *rand.Rand {
	t.Helper()
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d (give it back with -seed)", seed)
	return rand.New(rand.NewPCG(seed, 1))
}

// A place is somewhere to open databases again and again.
type place interface {
	open(t testing.TB, opt engine.Options) *engine.DB
	// crash is as if the process had been killed: the DB is left as it is, and
	// open finds what was durable.
	crash(t testing.TB)
	close(t testing.TB)
	// try is open for tests that expect an error.
	try(opt engine.Options) (*engine.DB, error)
	// hook is what stands between databases and the store.
	hook() *hooked
}

// memPlace is a store in memory.
type memPlace struct {
	hooked hooked
	s      *memstore.Store
	db     *engine.DB
}

func (p *memPlace) hook() *hooked { return &p.hooked }

func (p *memPlace) open(t testing.TB, opt engine.Options) *engine.DB {
	t.Helper()
	if p.s == nil {
		p.s = memstore.New(nil)
	}
	db, err := p.try(opt)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return db
}

func (p *memPlace) try(opt engine.Options) (*engine.DB, error) {
	db, err := engine.Open(context.Background(), p.hooked.of(p.s), opt)
	if err == nil {
		p.db = db
	}
	return db, err
}

func (p *memPlace) crash(t testing.TB) {
	next := p.s.Clone(nil)
	if p.db != nil {
		p.db.Close() // what it still writes goes to the old store
	}
	p.s.Close()
	p.s, p.db = next, nil
}

func (p *memPlace) close(t testing.TB) {
	if err := p.db.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

// diskPlace is an embedded store on a disk in memory.
type diskPlace struct {
	hooked hooked
	fs     *vfs.Mem
	disk   vfs.FS // what the store sees: fs, perhaps with faults
	rng    *rand.Rand
	s      *local.Store
	db     *engine.DB
}

func (p *diskPlace) hook() *hooked { return &p.hooked }

func (p *diskPlace) open(t testing.TB, opt engine.Options) *engine.DB {
	t.Helper()
	db, err := p.try(opt)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return db
}

func (p *diskPlace) try(opt engine.Options) (*engine.DB, error) {
	s, db, err := p.tryOpen(opt)
	if err == nil {
		p.s, p.db = s, db
	}
	return db, err
}

func (p *diskPlace) tryOpen(opt engine.Options) (*local.Store, *engine.DB, error) {
	if p.fs == nil {
		p.fs = vfs.NewMem()
	}
	if p.disk == nil {
		p.disk = p.fs
	}
	s, err := local.Open(local.Options{Dir: "data", FS: p.disk, CacheBytes: 1 << 20, LogFileBytes: 64 << 10})
	if err != nil {
		return nil, nil, err
	}
	db, err := engine.Open(context.Background(), p.hooked.of(s), opt)
	if err != nil {
		s.Close()
		return nil, nil, err
	}
	return s, db, nil
}

func (p *diskPlace) crash(t testing.TB) {
	mode := vfs.CrashModes[p.rng.IntN(len(vfs.CrashModes))]
	next := p.fs.Crash(mode, p.rng.Uint64())
	if p.db != nil {
		p.db.Close()
		p.s.Close()
	}
	p.fs, p.disk, p.db = next, nil, nil
}

func (p *diskPlace) close(t testing.TB) {
	if err := errors.Join(p.db.Close(), p.s.Close()); err != nil {
		t.Errorf("close: %v", err)
	}
}

var _ store.Store = (*memstore.Store)(nil)

// eachPlace runs a test on both stores.
func eachPlace(t *testing.T, f func(t *testing.T, p place)) {
	t.Run("store=memory", func(t *testing.T) { f(t, &memPlace{}) })
	t.Run("store=local", func(t *testing.T) { f(t, &diskPlace{rng: newRand(t)}) })
}

// hour is the length of the tables' slices.
const hour = int64(time.Hour / time.Microsecond)

// eventsTable is CREATE TABLE name (k text, ts timestamptz, v bigint) PARTITION
// BY HASH (k) WITH (partitions = 4, slice = '1 hour'), with PRIMARY KEY (k, ts)
// if keyed.
func eventsTable(oid datum.OID, name string, keyed bool, dup schema.OnDuplicate) *schema.Table {
	t := &schema.Table{OID: oid, Namespace: schema.PublicOID, Name: name, Owner: "phyllo",
		Columns: []schema.Column{
			{ID: 1, Name: "k", Type: datum.Of(datum.Text)},
			{ID: 2, Name: "ts", Type: datum.Of(datum.TimestampTZ)},
			{ID: 3, Name: "v", Type: datum.Of(datum.Int8)},
		},
		PartitionKind: schema.PartitionHash, PartitionColumns: []schema.ColumnID{1}, Partitions: 4,
		TimeColumn: 2, Slice: time.Hour}
	if keyed {
		t.PrimaryKey, t.PrimaryKeyName, t.OnDuplicate = []schema.ColumnID{1, 2}, name+"_pkey", dup
		t.PrimaryKeyOID, t.IndexOID = oid+3, oid+4
		t.Columns[0].NotNull, t.Columns[1].NotNull = true, true
	}
	return t
}

// row is a row of such a table.
type row struct {
	k  string
	ts int64 // microseconds
	v  int64
}

func batchOf(rows ...row) arrow.RecordBatch {
	sch := arrow.NewSchema([]arrow.Field{
		datum.Field("k", datum.Of(datum.Text)), datum.Field("ts", datum.Of(datum.TimestampTZ)), datum.Field("v", datum.Of(datum.Int8)),
	}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, sch)
	defer b.Release()
	for _, r := range rows {
		datum.Append(b.Field(0), datum.Of(datum.Text), r.k)
		datum.Append(b.Field(1), datum.Of(datum.TimestampTZ), datum.Micros(r.ts))
		datum.Append(b.Field(2), datum.Of(datum.Int8), r.v)
	}
	return b.NewRecordBatch()
}

// createTable makes a table in a transaction of its own and returns its OID.
func createTable(t testing.TB, db *engine.DB, name string, keyed bool, dup schema.OnDuplicate) datum.OID {
	t.Helper()
	ctx := context.Background()
	tx := begin(t, db, engine.TxnOptions{})
	oid, err := tx.TakeOIDs(ctx, 5)
	if err == nil {
		err = tx.Apply(ctx, schema.Change{PutTable: eventsTable(oid, name, keyed, dup)})
	}
	if err == nil {
		err = tx.Commit(ctx)
	}
	if err != nil {
		t.Fatalf("create table %s: %v", name, err)
	}
	return oid
}

func begin(t testing.TB, db *engine.DB, opt engine.TxnOptions) *engine.Txn {
	t.Helper()
	tx, err := db.Begin(context.Background(), opt)
	if err == nil {
		err = tx.Snapshot(context.Background())
	}
	if err != nil {
		t.Fatalf("begin: %v", err)
	}
	return tx
}

// insert adds rows in a transaction of its own.
func insert(t testing.TB, db *engine.DB, table datum.OID, rows ...row) {
	t.Helper()
	tx := begin(t, db, engine.TxnOptions{})
	if _, _, err := tx.Insert(context.Background(), table, batchOf(rows...), chunk.InsertDefault); err != nil {
		t.Fatalf("insert: %v", err)
	}
	if err := tx.Commit(context.Background()); err != nil {
		t.Fatalf("commit: %v", err)
	}
}

// read returns the rows that a transaction sees, as a multiset.
func read(tx *engine.Txn, table datum.OID, filter ...chunk.Predicate) (map[row]int, error) {
	return readPruned(tx, table, chunk.PruningOff{}, filter...)
}

func readPruned(tx *engine.Txn, table datum.OID, off chunk.PruningOff, filter ...chunk.Predicate) (map[row]int, error) {
	return readSpec(tx, table, chunk.ScanSpec{Columns: []schema.ColumnID{1, 2, 3}, Filter: filter, Pruning: off})
}

// readSpec reads columns of a table; in the rows the others are zero.
func readSpec(tx *engine.Txn, table datum.OID, spec chunk.ScanSpec) (map[row]int, error) {
	ctx := context.Background()
	splits, _, err := tx.Scan(ctx, table, spec)
	if err != nil {
		return nil, err
	}
	out := map[row]int{}
	for _, s := range splits {
		if err := readSplit(ctx, s, spec.Columns, out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func readSplit(ctx context.Context, s chunk.Split, columns []schema.ColumnID, out map[row]int) error {
	var stats chunk.ScanStats
	r, err := s.Scan(ctx, chunk.NewRoom(memory.DefaultAllocator), &stats)
	if err != nil {
		return err
	}
	defer r.Close()
	for {
		b, err := r.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		for i := range int(b.NumRows()) {
			var r row
			for at, id := range columns {
				switch id {
				case 1:
					r.k = b.Column(at).(*array.String).Value(i)
				case 2:
					r.ts = int64(b.Column(at).(*array.Timestamp).Value(i))
				case 3:
					if v := b.Column(at).(*array.Int64); v.IsValid(i) { // NULL is 0; what lies below it is anything
						r.v = v.Value(i)
					}
				}
			}
			out[r]++
		}
		b.Release()
	}
}

// mustRead reads a table in a transaction of its own.
func mustRead(t testing.TB, db *engine.DB, table datum.OID, filter ...chunk.Predicate) map[row]int {
	t.Helper()
	tx := begin(t, db, engine.TxnOptions{ReadOnly: true})
	defer tx.Rollback()
	got, err := read(tx, table, filter...)
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	return got
}

func sameRows(t testing.TB, what string, got, want map[row]int) {
	t.Helper()
	if maps.Equal(got, want) {
		return
	}
	var diff []string
	for r, n := range want {
		if got[r] != n {
			diff = append(diff, fmt.Sprintf("%v: %d times, want %d", r, got[r], n))
		}
	}
	for r, n := range got {
		if want[r] == 0 {
			diff = append(diff, fmt.Sprintf("%v: %d times, want 0", r, n))
		}
	}
	slices.Sort(diff)
	if len(diff) > 10 {
		diff = append(diff[:10], fmt.Sprintf("and %d more", len(diff)-10))
	}
	t.Fatalf("%s: %d rows, want %d\n%s", what, len(got), len(want), strings.Join(diff, "\n"))
}

func counts(rows ...row) map[row]int {
	out := map[row]int{}
	for _, r := range rows {
		out[r]++
	}
	return out
}

// keyBatch returns the key columns of rows.
func keyBatch(rows ...row) arrow.RecordBatch {
	b := batchOf(rows...)
	sch := arrow.NewSchema(b.Schema().Fields()[:2], nil)
	return array.NewRecordBatch(sch, b.Columns()[:2], b.NumRows())
}
