package engine_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
)

// settled checks that nothing is buffered once all is flushed and no transaction
// is open.
func settled(t testing.TB, db *engine.DB) {
	t.Helper()
	checkpoint(t, db)
	if n := db.Buffered(); n != 0 {
		t.Fatalf("%d bytes are buffered after a checkpoint", n)
	}
}

// blobs counts the chunks that a store has of a table's partitions.
func blobs(t testing.TB, s store.Store, storage datum.OID) int {
	t.Helper()
	n := 0
	for bucket := range 4 {
		ids, err := s.Chunks(context.Background(), chunk.PartitionID{Table: storage, Key: string([]byte{0, byte(bucket)})})
		if err != nil {
			t.Fatal(err)
		}
		n += len(ids)
	}
	return n
}

func storeOf(p place) store.Store {
	switch p := p.(type) {
	case *memPlace:
		return p.s
	case *diskPlace:
		return p.s
	}
	panic("unknown place")
}

// TestSavepointsOverStaging works with savepoints in transactions that are
// staged again and again, against a plain reference.
func TestSavepointsOverStaging(t *testing.T) {
	for _, keyed := range []bool{false, true} {
		t.Run(fmt.Sprintf("keyed=%v", keyed), func(t *testing.T) {
			eachPlace(t, func(t *testing.T, p place) {
				rng := newRand(t)
				db := p.open(t, engine.Options{SealAge: time.Hour, BufferBytes: 1 << 20})
				table := createTable(t, db, "t", keyed, schema.DuplicateReplace)
				s := &saver{t: t, rng: rng, table: table, keyed: keyed}
				txns := 12
				if testing.Short() {
					txns = 3
				}
				for i := range txns {
					if i%3 == 2 {
						drop(t, db, s.table)
						s.table, s.rows = createTable(t, db, "t", keyed, schema.DuplicateReplace), nil
					}
					before := s.rows
					s.run(db)
					if rng.IntN(3) == 0 {
						s.tx.Rollback()
						s.rows = before
					} else if err := s.tx.Commit(context.Background()); err != nil {
						t.Fatal(err)
					}
					sameRows(t, "when it has ended", mustRead(t, db, s.table), s.rows)
					settled(t, db)
				}
				named := blobs(t, storeOf(p), s.table)
				p.crash(t)
				db = p.open(t, quiet)
				sameRows(t, "after a crash", mustRead(t, db, s.table), s.rows)
				if n := blobs(t, storeOf(p), s.table); n != named {
					t.Errorf("%d chunks were stored, %d are left when those without a name are swept", named, n)
				}
				p.close(t)
			})
		})
	}
}

// A saver runs transactions with savepoints.
type saver struct {
	t     *testing.T
	rng   *rand.Rand
	table datum.OID
	keyed bool
	tx    *engine.Txn
	rows  map[row]int
	marks []map[row]int
	next  int64
}

func (s *saver) run(db *engine.DB) {
	ctx := context.Background()
	s.tx = begin(s.t, db, engine.TxnOptions{})
	s.marks = nil
	if s.rows == nil {
		s.rows = map[row]int{}
	}
	for range 30 {
		switch n := s.rng.IntN(10); {
		case n < 2:
			s.marks = append(s.marks, s.rows)
			if k := s.tx.Savepoint(); k != len(s.marks)-1 {
				s.t.Fatalf("savepoint %d is number %d", len(s.marks)-1, k)
			}
		case n == 2 && len(s.marks) > 0:
			k := s.rng.IntN(len(s.marks))
			s.tx.Release(k)
			s.marks = s.marks[:k]
		case n == 3 && len(s.marks) > 0:
			k := s.rng.IntN(len(s.marks))
			if err := s.tx.RollbackTo(ctx, k); err != nil {
				s.t.Fatal(err)
			}
			s.rows, s.marks = s.marks[k], s.marks[:k+1]
		default:
			s.insert()
		}
		if s.rng.IntN(4) == 0 {
			if err := s.tx.Snapshot(ctx); err != nil {
				s.t.Fatal(err)
			}
			got, err := read(s.tx, s.table)
			if err != nil {
				s.t.Fatal(err)
			}
			sameRows(s.t, "own writes", got, s.rows)
		}
	}
}

func (s *saver) insert() {
	rows := make([]row, []int{1, 30, 400}[s.rng.IntN(3)])
	s.rows = maps.Clone(s.rows)
	for i := range rows {
		s.next++
		rows[i] = row{fmt.Sprintf("%300d", s.rng.IntN(300)), s.rng.Int64N(3) * hour, s.next}
		s.rows[rows[i]]++
	}
	put(s.t, s.tx, s.table, chunk.InsertDefault, rows...)
	if s.keyed {
		s.rows = newest(s.rows)
	}
}

// TestManySavepoints has a savepoint a batch, as drivers do: memory stays within
// the budget whether they are released or not.
func TestManySavepoints(t *testing.T) {
	for _, release := range []bool{false, true} {
		t.Run(fmt.Sprintf("release=%v", release), func(t *testing.T) {
			p := &memPlace{}
			db := p.open(t, engine.Options{SealAge: time.Hour, BufferBytes: 1 << 20})
			table := createTable(t, db, "events", false, 0)
			tx := begin(t, db, engine.TxnOptions{})
			want := map[row]int{}
			for i := range int64(300) {
				mark := tx.Savepoint()
				rows := make([]row, 100)
				for j := range rows {
					rows[j] = row{"k", i, int64(j)}
					want[rows[j]]++
				}
				put(t, tx, table, chunk.InsertDefault, rows...)
				if release {
					tx.Release(mark)
				}
				if n := db.Buffered(); n > 1<<20 {
					t.Fatalf("%d bytes are buffered after %d savepoints", n, i+1)
				}
			}
			if err := tx.Commit(context.Background()); err != nil {
				t.Fatal(err)
			}
			sameRows(t, "committed", mustRead(t, db, table), want)
			settled(t, db)
			p.close(t)
		})
	}
}

// TestIgnoreRepeated leaves out rows whose key is in a chunk and several times in
// the batch.
func TestIgnoreRepeated(t *testing.T) {
	eachPlace(t, func(t *testing.T, p place) {
		ctx := context.Background()
		db := p.open(t, quiet)
		table := createTable(t, db, "dim", true, schema.DuplicateIgnore)
		insert(t, db, table, row{"a", 1, 1}, row{"b", 1, 2})
		for _, where := range []string{"buffer", "chunk"} {
			tx := begin(t, db, engine.TxnOptions{})
			n, kept, err := tx.Insert(ctx, table, batchOf(row{"b", 1, 9}, row{"c", 1, 3}, row{"b", 1, 10}, row{"b", 1, 11}), chunk.InsertDefault)
			if err != nil || n != 1 || !slices.Equal(kept, []int32{1}) {
				t.Errorf("%s: %d rows went in, %v, %v", where, n, kept, err)
			}
			tx.Rollback()
			// A look-up finds the row for each of them.
			tx = begin(t, db, engine.TxnOptions{})
			rows, at, err := tx.Lookup(ctx, table, keyBatch(row{"b", 1, 0}, row{"c", 1, 0}, row{"b", 1, 0}))
			if err != nil || at[0] < 0 || at[1] >= 0 || at[2] < 0 || rows.Column(2).ValueStr(int(at[0])) != "2" || rows.Column(2).ValueStr(int(at[2])) != "2" {
				t.Errorf("%s: looked up %v in %v, %v", where, at, rows, err)
			}
			tx.Rollback()
			checkpoint(t, db)
		}
		p.close(t)
	})
}

// TestLookupOfNull looks up keys with NULLs, which no row has.
func TestLookupOfNull(t *testing.T) {
	eachPlace(t, func(t *testing.T, p place) {
		db := p.open(t, quiet)
		table := createTable(t, db, "state", true, schema.DuplicateReplace)
		insert(t, db, table, row{"a", 1, 1})
		sch := keyBatch().Schema()
		for _, where := range []string{"buffer", "chunk"} {
			b := array.NewRecordBuilder(memory.DefaultAllocator, sch)
			for _, k := range [][2]datum.Value{{nil, datum.Micros(1)}, {"a", datum.Micros(1)}, {"a", nil}, {nil, nil}} {
				datum.Append(b.Field(0), datum.Of(datum.Text), k[0])
				datum.Append(b.Field(1), datum.Of(datum.TimestampTZ), k[1])
			}
			tx := begin(t, db, engine.TxnOptions{})
			rows, at, err := tx.Lookup(context.Background(), table, b.NewRecordBatch())
			if err != nil || !slices.Equal(at, []int32{-1, 0, -1, -1}) || rows.NumRows() != 1 {
				t.Errorf("%s: %v, %v", where, at, err)
			}
			tx.Rollback()
			checkpoint(t, db)
		}
		p.close(t)
	})
}

// TestFailedInsertLeavesNothing fails an insert into the second of its
// partitions.
func TestFailedInsertLeavesNothing(t *testing.T) {
	eachPlace(t, func(t *testing.T, p place) {
		ctx := context.Background()
		db := p.open(t, quiet)
		table := createTable(t, db, "events", false, 0)
		rows := make([]row, 20) // of all partitions
		for i := range rows {
			rows[i] = row{fmt.Sprint("k", i), 1, int64(i)}
		}
		opened := 0
		p.hook().set(func(c call) error {
			if c.op == "head" && c.log.Kind == store.CommitLog {
				if opened++; opened == 3 {
					return errHook
				}
			}
			return nil
		})
		tx := begin(t, db, engine.TxnOptions{})
		if _, _, err := tx.Insert(ctx, table, batchOf(rows...), chunk.InsertDefault); !errors.Is(err, errHook) {
			t.Fatalf("insert: %v", err)
		}
		tx.Snapshot(ctx)
		got, err := read(tx, table)
		if err != nil {
			t.Fatal(err)
		}
		sameRows(t, "after the failure", got, counts())
		put(t, tx, table, chunk.InsertDefault, rows...)
		if err := tx.Commit(ctx); err != nil {
			t.Fatal(err)
		}
		sameRows(t, "committed", mustRead(t, db, table), counts(rows...))
		settled(t, db)
		p.close(t)
	})
}

// TestStatements holds what a statement reads while later ones of its transaction
// write and others commit, as a cursor does.
func TestStatements(t *testing.T) {
	eachPlace(t, func(t *testing.T, p place) {
		ctx := context.Background()
		db := p.open(t, engine.Options{SealAge: time.Hour, BufferBytes: 1 << 20})
		table := createTable(t, db, "events", false, 0)
		insert(t, db, table, row{"a", 1, 1})
		tx := begin(t, db, engine.TxnOptions{})
		put(t, tx, table, chunk.InsertDefault, row{"own", 1, 2})
		tx.Snapshot(ctx)
		cursor := tx.Statement()
		want := counts(row{"a", 1, 1}, row{"own", 1, 2})
		scan := func() map[row]int {
			t.Helper()
			splits, _, err := cursor.Scan(ctx, table, chunk.ScanSpec{Columns: []schema.ColumnID{1, 2, 3}})
			if err != nil {
				t.Fatal(err)
			}
			got := map[row]int{}
			for _, s := range splits {
				if err := readSplit(ctx, s, []schema.ColumnID{1, 2, 3}, got); err != nil {
					t.Fatal(err)
				}
			}
			return got
		}
		put(t, tx, table, chunk.InsertDefault, row{"later", 1, 3})
		insert(t, db, table, row{"b", 1, 4})
		tx.Snapshot(ctx)
		sameRows(t, "after other statements", scan(), want)
		put(t, tx, table, chunk.InsertDefault, make([]row, 20_000)...) // is staged
		checkpoint(t, db)
		tx.Snapshot(ctx)
		sameRows(t, "after staging and a checkpoint", scan(), want)
		tx.Rollback()
		if _, _, err := cursor.Scan(ctx, table, chunk.ScanSpec{Columns: []schema.ColumnID{1}}); pgerr.Code(err) != pgerr.NoActiveTransaction {
			t.Errorf("scan after the transaction's end: %v", err)
		}
		settled(t, db)
		p.close(t)
	})
}

// TestDroppedInItsTransaction stages rows of tables that the same transaction
// truncates and drops: their chunks go.
func TestDroppedInItsTransaction(t *testing.T) {
	eachPlace(t, func(t *testing.T, p place) {
		ctx := context.Background()
		db := p.open(t, engine.Options{SealAge: time.Hour, BufferBytes: 1 << 20})
		kept := createTable(t, db, "kept", false, 0)
		tx := begin(t, db, engine.TxnOptions{})
		oid, err := tx.TakeOIDs(ctx, 5)
		if err == nil {
			err = tx.Apply(ctx, schema.Change{PutTable: eventsTable(oid, "gone", false, 0)})
		}
		if err != nil {
			t.Fatal(err)
		}
		many := make([]row, 20_000)
		put(t, tx, oid, chunk.InsertDefault, many...)
		put(t, tx, kept, chunk.InsertDefault, many...)
		if blobs(t, storeOf(p), oid) == 0 || blobs(t, storeOf(p), kept) == 0 {
			t.Fatal("nothing was staged")
		}
		if err := tx.Truncate(ctx, kept); err != nil {
			t.Fatal(err)
		}
		put(t, tx, kept, chunk.InsertDefault, row{"new", 1, 1})
		if err := tx.Apply(ctx, schema.Change{DropTable: oid}); err != nil {
			t.Fatal(err)
		}
		if err := tx.Commit(ctx); err != nil {
			t.Fatal(err)
		}
		sameRows(t, "truncated and filled", mustRead(t, db, kept), counts(row{"new", 1, 1}))
		if n := blobs(t, storeOf(p), oid) + blobs(t, storeOf(p), kept); n > 0 {
			t.Errorf("%d chunks of dropped rows are left", n)
		}
		settled(t, db)
		p.crash(t)
		db = p.open(t, quiet)
		sameRows(t, "after a crash", mustRead(t, db, kept), counts(row{"new", 1, 1}))
		p.close(t)
	})
}

// TestUniqueWaits has two transactions insert one key: the second waits for the
// first, and fails or goes on as that ends.
func TestUniqueWaits(t *testing.T) {
	eachPlace(t, func(t *testing.T, p place) {
		ctx := context.Background()
		db := p.open(t, quiet)
		for _, c := range []struct {
			iso    engine.TxnOptions
			mode   chunk.InsertMode
			commit bool
			code   string
			rows   int64
		}{
			{engine.TxnOptions{}, chunk.InsertDefault, true, pgerr.UniqueViolation, 0},
			{engine.TxnOptions{}, chunk.InsertDefault, false, "", 1},
			{engine.TxnOptions{}, chunk.InsertIgnore, true, "", 0},
			{engine.TxnOptions{}, chunk.InsertIgnore, false, "", 1},
			{engine.TxnOptions{RepeatableRead: true}, chunk.InsertDefault, true, pgerr.UniqueViolation, 0},
			{engine.TxnOptions{RepeatableRead: true}, chunk.InsertIgnore, true, pgerr.SerializationFailure, 0},
			{engine.TxnOptions{RepeatableRead: true}, chunk.InsertIgnore, false, "", 1},
		} {
			what := fmt.Sprintf("%+v", c)
			table := createTable(t, db, "dim", true, schema.DuplicateError)
			first, second := begin(t, db, engine.TxnOptions{}), begin(t, db, c.iso)
			put(t, first, table, chunk.InsertDefault, row{"a", 1, 1})
			var n int64
			var err error
			var wg sync.WaitGroup
			wg.Go(func() { n, _, err = second.Insert(ctx, table, batchOf(row{"a", 1, 2}), c.mode) })
			until(t, "the second waits", func() bool { return db.Waiting() == 1 })
			if c.commit {
				if err := first.Commit(ctx); err != nil {
					t.Fatal(err)
				}
			} else {
				first.Rollback()
			}
			wg.Wait()
			if code := codeOf(err); code != c.code || n != c.rows {
				t.Errorf("%s: %d rows, %v", what, n, err)
			}
			second.Rollback()
			drop(t, db, table)
		}
		settled(t, db)
		p.close(t)
	})
}

// codeOf is the SQLSTATE of an error, empty if there is none.
func codeOf(err error) string {
	if err == nil {
		return ""
	}
	return pgerr.Code(err)
}

func drop(t testing.TB, db *engine.DB, table datum.OID) {
	t.Helper()
	tx := begin(t, db, engine.TxnOptions{})
	err := tx.Apply(context.Background(), schema.Change{DropTable: table})
	if err == nil {
		err = tx.Commit(context.Background())
	}
	if err != nil {
		t.Fatalf("drop: %v", err)
	}
}
