package engine_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine"
	"github.com/phyllodb/phyllo/engine/backup"
	"github.com/phyllodb/phyllo/engine/local"
	"github.com/phyllodb/phyllo/engine/memstore"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/reading"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/internal/vfs"
)

// A taken backup is one in memory.
type taken struct {
	document *backup.Document
	objects  map[backup.Hash][]byte
}

// backupTxn begins a transaction for a backup.
func backupTxn(t testing.TB, db *engine.DB) *engine.Txn {
	t.Helper()
	ctx := reading.With(t.Context(), reading.Options{Latest: true})
	tx, err := db.Begin(ctx, engine.TxnOptions{RepeatableRead: true, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	return tx
}

// take makes a backup of what a transaction sees.
func take(ctx context.Context, tx *engine.Txn) (*taken, error) {
	out := &taken{document: &backup.Document{}, objects: map[backup.Hash][]byte{}}
	d := out.document
	hashes := map[chunk.ID]backup.Hash{}
	parts := map[chunk.PartitionID]int{}
	var names []byte
	read := func(stream []byte) error {
		r := backup.NewReader(bytes.NewReader(stream))
		for {
			f, err := r.Next()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			switch {
			case f.Header != nil:
				d.Header = *f.Header
				d.Header.Name = "one"
			case f.Catalog != nil:
				d.Catalog = f.Catalog
			case f.Object != nil:
				data, err := io.ReadAll(f.Object)
				if err != nil {
					return err
				}
				h := backup.Hash(sha256.Sum256(data))
				hashes[f.Ref.ID], out.objects[h] = h, data
			default:
				names = backup.AppendName(names, *f.Ref)
			}
			if f.Ref == nil {
				continue
			}
			at, ok := parts[f.Ref.Part]
			if !ok {
				at = len(d.Parts)
				parts[f.Ref.Part] = at
				d.Parts = append(d.Parts, backup.Part{ID: f.Ref.Part})
			}
			known := false
			for _, c := range d.Parts[at].Chunks {
				known = known || c.ID == f.Ref.ID
			}
			if !known {
				d.Parts[at].Chunks = append(d.Parts[at].Chunks, backup.Chunk{ID: f.Ref.ID, Size: f.Ref.Size, Rows: f.Ref.Rows})
			}
		}
	}
	var stream bytes.Buffer
	err := tx.Backup(ctx, &stream)
	if err == nil {
		err = read(stream.Bytes())
	}
	stream.Reset()
	if err == nil {
		err = tx.BackupChunks(ctx, names, &stream)
	}
	if err == nil {
		err = read(stream.Bytes())
	}
	if err != nil {
		return nil, err
	}
	for _, p := range d.Parts {
		for i := range p.Chunks {
			p.Chunks[i].Hash = hashes[p.Chunks[i].ID]
		}
	}
	data, err := d.Append(nil)
	if err == nil {
		out.document, err = backup.Decode(data)
	}
	return out, err
}

func (b *taken) restoring() engine.Restoring {
	return engine.Restoring{Document: b.document, Chunk: func(_ context.Context, c backup.Chunk) ([]byte, error) {
		return b.objects[c.Hash], nil
	}}
}

// catalogOf returns what a store has, but for the numbers that count changes.
func catalogOf(t testing.TB, db *engine.DB) string {
	t.Helper()
	tx := begin(t, db, engine.TxnOptions{ReadOnly: true})
	defer tx.Rollback()
	c := *tx.Catalog().Whole()
	tables := c.Tables
	c.Seq, c.Tables = 0, map[datum.OID]*schema.Table{}
	for oid, def := range tables {
		plain := *def
		plain.Version = 0
		c.Tables[oid] = &plain
	}
	text, err := json.MarshalIndent(&c, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// defineMore makes objects of all kinds.
func defineMore(t testing.TB, db *engine.DB, table datum.OID) {
	t.Helper()
	ctx := t.Context()
	tx := begin(t, db, engine.TxnOptions{})
	defer tx.Rollback()
	oid, err := tx.TakeOIDs(ctx, 6)
	if err != nil {
		t.Fatal(err)
	}
	def := *tx.Catalog().Tables[table]
	owner, namespace := "ann of "+def.Name, "more of "+def.Name
	def.Comment = "of events"
	changes := []schema.Change{
		{PutRole: &schema.Role{OID: oid, Name: owner, Superuser: true}}, {PutNamespace: &schema.Namespace{OID: oid + 1, Name: namespace, Owner: owner}},
		{PutView: &schema.View{OID: oid + 2, Namespace: oid + 1, Name: "v", Owner: owner, SQL: "SELECT 1", Comment: "one"}},
		{PutTable: &def},
		{PutDatabase: &schema.Database{OID: oid + 3, Name: "database " + namespace, Owner: owner, Public: oid + 4}},
		{PutNamespace: &schema.Namespace{OID: oid + 4, Name: "public", Database: oid + 3}},
		{PutView: &schema.View{OID: oid + 5, Namespace: oid + 4, Name: "v", Owner: owner, SQL: "SELECT 2"}},
	}
	if tx.Catalog().Namespaces[schema.InformationOID] != nil {
		changes = append(changes, schema.Change{DropNamespace: schema.InformationOID})
	}
	for _, c := range changes {
		if err := tx.Apply(ctx, c); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(ctx); err != nil {
		t.Fatal(err)
	}
}

// TestRestore takes a backup of each kind of store, of rows in chunks and in buffers, with
// marks, and restores it into each.
func TestRestore(t *testing.T) {
	eachTable(t, func(t *testing.T, p place, db *engine.DB, table datum.OID, keyed bool) {
		insert(t, db, table, row{"a", 1, 1}, row{"b", 5 * hour, 2}, row{"c", 5, 3}, row{"d", 6, 4})
		checkpoint(t, db)
		insert(t, db, table, row{"e", 1, 5}, row{"f", 9 * hour, 6})
		tx := begin(t, db, engine.TxnOptions{})
		change(t, tx, table, []row{{"a", 1, 1}, {"e", 1, 5}}, []row{{"a", 1, 7}})
		if err := tx.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
		defineMore(t, db, table)
		want := map[row]int{{"b", 5 * hour, 2}: 1, {"c", 5, 3}: 1, {"d", 6, 4}: 1, {"f", 9 * hour, 6}: 1, {"a", 1, 7}: 1}
		backing := backupTxn(t, db)
		defer backing.Rollback()
		b, err := take(t.Context(), backing)
		if err != nil {
			t.Fatal(err)
		}
		catalog := catalogOf(t, db)
		disk, err := local.Open(local.Options{Dir: "data", FS: vfs.NewMem()})
		if err != nil {
			t.Fatal(err)
		}
		for name, s := range map[string]store.Store{"memory": memstore.New(nil), "local": disk} {
			if err := engine.Restore(t.Context(), s, b.restoring()); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			again, err := engine.Open(t.Context(), s, quiet)
			if err != nil {
				t.Fatal(err)
			}
			got, err := read(begin(t, again, engine.TxnOptions{ReadOnly: true}), table)
			if err != nil {
				t.Fatal(err)
			}
			sameRows(t, name, got, want)
			if c := catalogOf(t, again); c != catalog {
				t.Errorf("%s: the catalogue is %s, was %s", name, c, catalog)
			}
			// It goes on as any store: newer rows win, and compaction has all marks.
			insert(t, again, table, row{"b", 5*hour + 1, 8})
			checkpoint(t, again)
			if _, err := again.Vacuum(t.Context(), table, true); err != nil {
				t.Fatal(err)
			}
			after := maps.Clone(want)
			after[row{"b", 5*hour + 1, 8}]++
			got, err = read(begin(t, again, engine.TxnOptions{ReadOnly: true}), table)
			if err != nil {
				t.Fatal(err)
			}
			sameRows(t, name+" after VACUUM", got, after)
			if err := errors.Join(again.Close(), s.Close()); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestRestoreWithFaults fails, or loses the answer of, each call of a restore in turn.
// No engine opens the store as it is then, and the next try makes it whole.
func TestRestoreWithFaults(t *testing.T) {
	source := memstore.New(nil)
	db, err := engine.Open(t.Context(), source, quiet)
	if err != nil {
		t.Fatal(err)
	}
	tables := []datum.OID{createTable(t, db, "events", false, 0), createTable(t, db, "state", true, schema.DuplicateReplace)}
	want := map[row]int{}
	for i := range 20 {
		r := row{fmt.Sprint("k", i), int64(i) * hour, int64(i)}
		want[r]++
		for _, table := range tables {
			insert(t, db, table, r)
		}
		if i == 10 {
			checkpoint(t, db)
		}
	}
	tx := backupTxn(t, db)
	b, err := take(t.Context(), tx)
	if err != nil {
		t.Fatal(err)
	}
	tx.Rollback()
	other := *b.document
	other.Header.Name = "two"
	failed, calls := 0, 0
	for n := 1; n <= calls || calls == 0; n++ {
		for _, outcome := range []memstore.Outcome{memstore.Fail, memstore.Lose} {
			shared := memstore.New(nil)
			faulty := shared.Node(func(c memstore.Call) memstore.Verdict {
				if c.N == n && calls > 0 {
					return memstore.Verdict{Outcome: outcome}
				}
				return memstore.Verdict{}
			})
			err := engine.Restore(t.Context(), faulty, b.restoring())
			if calls == 0 {
				calls = faulty.Calls()
			}
			fresh := shared.Node(nil)
			if err != nil {
				failed++
				if _, cerr := fresh.Checkpoint(t.Context(), store.LogID{Kind: store.CatalogueLog, Key: "@restore"}); cerr == nil {
					if _, err := engine.Open(t.Context(), fresh, quiet); pgerr.Code(err) != pgerr.ObjectNotInState {
						t.Fatalf("call %d: half a restore was opened: %v", n, err)
					}
					if err := engine.Restore(t.Context(), fresh, engine.Restoring{Document: &other}); pgerr.Code(err) != pgerr.ObjectNotInState {
						t.Fatalf("call %d: another backup was restored over it: %v", n, err)
					}
				}
				err = engine.Restore(t.Context(), fresh, b.restoring())
				if pgerr.Code(err) == pgerr.ObjectNotInState { // the last call was done, its answer lost
					err = nil
				}
				if err != nil {
					t.Fatalf("call %d: again: %v", n, err)
				}
			}
			again, err := engine.Open(t.Context(), fresh, quiet)
			if err != nil {
				t.Fatal(err)
			}
			for _, table := range tables {
				got, err := read(begin(t, again, engine.TxnOptions{ReadOnly: true}), table)
				if err != nil {
					t.Fatal(err)
				}
				sameRows(t, fmt.Sprintf("call %d of %d", n, calls), got, want)
			}
			if err := engine.Restore(t.Context(), fresh, b.restoring()); pgerr.Code(err) != pgerr.ObjectNotInState {
				t.Fatalf("a backup was restored into a store that is in use: %v", err)
			}
			again.Close()
		}
	}
	t.Logf("%d of %d tries failed", failed, 2*calls)
	if failed < calls/2 {
		t.Errorf("only %d of %d tries failed", failed, 2*calls)
	}
	db.Close()
}

// TestBackupBesideWriters takes backups while transactions write to two tables each, on two
// nodes, and chunks are merged. Each backup has all of a transaction or nothing, and what
// was acknowledged before.
func TestBackupBesideWriters(t *testing.T) {
	shared := memstore.New(nil)
	a, b := newNode(t, shared, "a", engine.Options{SealAge: 20 * time.Millisecond}), newNode(t, shared, "b", quiet)
	left, right := createTable(t, a.db, "events", false, 0), createTable(t, a.db, "state", true, schema.DuplicateReplace)
	ctx, cancel := context.WithCancel(t.Context())
	var mu sync.Mutex
	acked := map[row]int{}
	var work sync.WaitGroup
	for w, n := range []*node{a, b, a, b} {
		work.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				rows := []row{{fmt.Sprint("w", w, "-", i%5), int64(i) * hour / 50, int64(i)}, {fmt.Sprint("x", w), int64(i) * hour / 50, int64(i)}}
				tx, err := n.db.Begin(ctx, engine.TxnOptions{})
				if err != nil {
					return
				}
				err = tx.Snapshot(ctx)
				for _, table := range []datum.OID{left, right} {
					if err == nil {
						_, _, err = tx.Insert(ctx, table, batchOf(rows...), chunk.InsertDefault)
					}
				}
				if err != nil {
					tx.Rollback()
					return
				}
				if tx.Commit(context.WithoutCancel(ctx)) != nil {
					return
				}
				mu.Lock()
				for _, r := range rows {
					acked[r]++
				}
				mu.Unlock()
			}
		})
	}
	work.Go(func() {
		for ctx.Err() == nil {
			_, _ = a.db.Vacuum(ctx, left, false) // may be refused when it ends
		}
	})
	for i := range 4 {
		await(t, "more rows", func() bool {
			mu.Lock()
			defer mu.Unlock()
			return len(acked) > 40*(i+1)
		})
		n := []*node{a, b}[i%2]
		checkpoint(t, n.db)
		mu.Lock()
		before := maps.Clone(acked)
		mu.Unlock()
		tx := backupTxn(t, n.db)
		backup, err := take(t.Context(), tx)
		tx.Rollback()
		if err != nil {
			t.Fatal(err)
		}
		s := memstore.New(nil)
		if err := engine.Restore(t.Context(), s, backup.restoring()); err != nil {
			t.Fatal(err)
		}
		c := newNode(t, s, "c", quiet)
		l, r := c.latest(left), c.latest(right)
		sameRows(t, "a transaction in part", l, r)
		for row := range before {
			if l[row] != 1 {
				t.Errorf("backup %d on node %s: row %v, which was acknowledged before, is there %d times", i, n.name, row, l[row])
			}
		}
		c.close()
	}
	cancel()
	work.Wait()
	a.close()
	b.close()
}

// TestBackupTooSlow asks for a chunk that was removed long ago.
func TestBackupTooSlow(t *testing.T) {
	eachPlace(t, func(t *testing.T, p place) {
		opt := quiet
		opt.SnapshotLifetime = time.Nanosecond
		db := p.open(t, opt)
		table := createTable(t, db, "events", false, 0)
		for i := range 3 {
			insert(t, db, table, row{"a", int64(i), int64(i)})
			checkpoint(t, db)
		}
		tx := backupTxn(t, db)
		defer tx.Rollback()
		var names []byte
		var stream bytes.Buffer
		if err := tx.Backup(t.Context(), &stream); err != nil {
			t.Fatal(err)
		}
		r := backup.NewReader(&stream)
		for {
			f, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if f.Ref != nil {
				names = backup.AppendName(names, *f.Ref)
			}
		}
		if err := tx.BackupChunks(t.Context(), names, io.Discard); err != nil {
			t.Fatal(err)
		}
		if _, err := db.Vacuum(t.Context(), table, true); err != nil {
			t.Fatal(err)
		}
		await(t, "the chunks are freed", func() bool {
			return pgerr.Code(tx.BackupChunks(t.Context(), names, io.Discard)) == pgerr.SnapshotTooOld
		})
		// Nor is what there never was.
		if err := tx.BackupChunks(t.Context(), backup.AppendName(nil, backup.Ref{Part: chunk.PartitionID{Table: table}}), io.Discard); pgerr.Code(err) != pgerr.UndefinedObject {
			t.Errorf("a chunk that there is not: %v", err)
		}
		if err := tx.BackupChunks(t.Context(), []byte{1}, io.Discard); pgerr.Code(err) != pgerr.InvalidParameterValue {
			t.Errorf("no name: %v", err)
		}
		p.close(t)
	})
}

// TestRestoreHistory reads a restored table as it was, and is refused what had been
// forgotten before the backup.
func TestRestoreHistory(t *testing.T) {
	now := time.Date(2026, 3, 29, 0, 59, 0, 0, time.UTC)
	opt := quiet
	opt.Now = func() time.Time { return now }
	db, err := engine.Open(t.Context(), memstore.New(nil), opt)
	if err != nil {
		t.Fatal(err)
	}
	table := createTable(t, db, "replaced", true, schema.DuplicateReplace)
	keepHistory(t, db, table, time.Hour)
	insert(t, db, table, row{"a", 1, 1})
	first := position(t, db)
	for i := range int64(3) {
		now = now.Add(10 * time.Minute)
		insert(t, db, table, row{"a", 1, i + 2})
		checkpoint(t, db)
	}
	vacuum := func() {
		t.Helper()
		if _, err := db.Vacuum(t.Context(), table, false); err != nil {
			t.Fatal(err)
		}
	}
	restored := func() *engine.DB {
		t.Helper()
		tx := backupTxn(t, db)
		defer tx.Rollback()
		b, err := take(t.Context(), tx)
		if err != nil {
			t.Fatal(err)
		}
		s := memstore.New(nil)
		if err := engine.Restore(t.Context(), s, b.restoring()); err != nil {
			t.Fatal(err)
		}
		again, err := engine.Open(t.Context(), s, opt)
		if err != nil {
			t.Fatal(err)
		}
		return again
	}
	vacuum()
	insert(t, db, table, row{"a", 1, 9}) // in no chunk yet
	r := restored()
	got, err := readAsOf(t, r, table, first)
	if err != nil {
		t.Fatal(err)
	}
	sameRows(t, "as of the beginning", got, map[row]int{{"a", 1, 1}: 1})
	sameRows(t, "now", mustRead(t, r, table), map[row]int{{"a", 1, 9}: 1})
	r.Close()

	now = now.Add(122 * time.Minute)
	vacuum()
	now = now.Add(122 * time.Minute)
	vacuum()
	r = restored()
	now = now.Add(-4 * time.Hour) // what is gone is gone
	if _, err := readAsOf(t, r, table, first); codeOf(err) != pgerr.SnapshotTooOld {
		t.Errorf("what was forgotten: %v", err)
	}
	r.Close()
	db.Close()
}

// TestRestoreLayouts restores a table whose rows, in chunks and in buffers, lie in several
// layouts: each is where it is looked for.
func TestRestoreLayouts(t *testing.T) {
	eachTable(t, func(t *testing.T, p place, db *engine.DB, table datum.OID, keyed bool) {
		var rows []row
		for i := range int64(40) {
			rows = append(rows, row{fmt.Sprint("k", i%5), i * hour / 4, i})
		}
		set := func(change func(*schema.Table)) {
			t.Helper()
			if err := alter(t, db, table, change); err != nil {
				t.Fatal(err)
			}
		}
		insert(t, db, table, rows[:10]...)
		checkpoint(t, db)
		insert(t, db, table, rows[10:20]...) // stay in buffers
		set(placed(3*time.Hour, 3))
		insert(t, db, table, rows[20:30]...)
		set(placed(2*time.Hour, 6))
		insert(t, db, table, rows[30:]...)
		backing := backupTxn(t, db)
		defer backing.Rollback()
		b, err := take(t.Context(), backing)
		if err != nil {
			t.Fatal(err)
		}
		s := memstore.New(nil)
		if err := engine.Restore(t.Context(), s, b.restoring()); err != nil {
			t.Fatal(err)
		}
		again, err := engine.Open(t.Context(), s, quiet)
		if err != nil {
			t.Fatal(err)
		}
		sameRows(t, "all", mustRead(t, again, table), counts(rows...))
		for _, r := range rows {
			at := []chunk.Predicate{{Column: 1, Op: chunk.OpEQ, Values: []datum.Value{r.k}}, {Column: 2, Op: chunk.OpEQ, Values: []datum.Value{datum.Micros(r.ts)}}}
			sameRows(t, fmt.Sprint("row ", r), mustRead(t, again, table, at...), counts(r))
		}
		if err := errors.Join(again.Close(), s.Close()); err != nil {
			t.Fatal(err)
		}
	})
}
