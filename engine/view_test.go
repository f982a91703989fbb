package engine_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine"
	"github.com/phyllodb/phyllo/engine/local"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

// viewOf opens a view beside the database that is open in a place.
func viewOf(t testing.TB, p place) *engine.View {
	t.Helper()
	var s store.Store
	switch p := p.(type) {
	case *memPlace:
		s = p.s
	case *diskPlace:
		r, err := local.Open(local.Options{Dir: "data", FS: p.fs, ReadOnly: true, SkipDamagedLogs: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Close() })
		s = r
	}
	v, err := engine.OpenView(context.Background(), s, engine.ViewOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// shape is what a view or a transaction says of a table.
type shape struct{ partitions, chunks, rows, waiting int64 }

func viewShape(v *engine.View, name string) (out shape) {
	for _, tv := range v.Tables {
		if tv.Table.Name != name {
			continue
		}
		out.rows, out.waiting = tv.Rows()
		for _, p := range tv.Partitions {
			out.partitions++
			out.chunks += int64(p.Manifest.Len())
		}
	}
	return out
}

func txnShape(t *testing.T, tx *engine.Txn, table datum.OID) (out shape) {
	partitions, err := tx.Partitions(context.Background(), table)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range partitions {
		out.partitions++
		out.chunks += int64(p.Chunks)
		out.waiting += p.BufferedRows
		out.rows += p.Rows
	}
	return out
}

// TestView compares what the logs tell a tool with what a transaction sees.
func TestView(t *testing.T) {
	eachPlace(t, func(t *testing.T, p place) {
		ctx := context.Background()
		db := p.open(t, quiet)
		events := createTable(t, db, "events", false, 0)
		state := createTable(t, db, "state", true, schema.DuplicateReplace)
		check := func(what string, table datum.OID, name string, want shape) {
			t.Helper()
			if got := viewShape(viewOf(t, p), name); got != want {
				t.Errorf("%s: the view has %+v, want %+v", what, got, want)
			}
			tx := begin(t, db, engine.TxnOptions{ReadOnly: true})
			defer tx.Rollback()
			if got := txnShape(t, tx, table); got != want {
				t.Errorf("%s: the transaction has %+v, want %+v", what, got, want)
			}
		}
		check("nothing", events, "events", shape{})
		insert(t, db, events, row{"a", 1, 1}, row{"c", 5 * hour, 2})
		insert(t, db, state, row{"a", 1, 1}, row{"a", 1, 2})
		check("in the log", events, "events", shape{partitions: 2, waiting: 2})
		checkpoint(t, db)
		check("in chunks", events, "events", shape{partitions: 2, chunks: 2, rows: 2})
		insert(t, db, events, row{"a", 2, 1}, row{"a", 3, 1})
		check("in both", events, "events", shape{partitions: 2, chunks: 2, rows: 2, waiting: 2})

		// Rows of the transaction that makes their table count with its definition.
		tx := begin(t, db, engine.TxnOptions{})
		oid, err := tx.TakeOIDs(ctx, 5)
		if err == nil {
			err = tx.Apply(ctx, schema.Change{PutTable: eventsTable(oid, "fresh", false, 0)})
		}
		if err == nil {
			_, _, err = tx.Insert(ctx, oid, batchOf(row{"x", 1, 1}, row{"y", 1, 1}, row{"x", 1, 2}), chunk.InsertDefault)
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := txnShape(t, tx, oid); got != (shape{}) {
			t.Errorf("before the statement ends: %+v", got)
		}
		if err := tx.Snapshot(ctx); err != nil {
			t.Fatal(err)
		}
		if got := txnShape(t, tx, oid); got.waiting != 3 || got.chunks != 0 {
			t.Errorf("the transaction's own rows: %+v", got)
		}
		if err := tx.Commit(ctx); err != nil {
			t.Fatal(err)
		}
		fresh := viewShape(viewOf(t, p), "fresh")
		if fresh.waiting != 3 {
			t.Errorf("rows with their table: %+v", fresh)
		}

		// The logs of a process that was killed are read as recovery reads them.
		p.crash(t)
		if got := viewShape(viewOf(t, p), "events"); got != (shape{partitions: 2, chunks: 2, rows: 2, waiting: 2}) {
			t.Errorf("after a crash: %+v", got)
		}
		db = p.open(t, quiet)
		check("replayed", events, "events", shape{partitions: 2, chunks: 2, rows: 2, waiting: 2})
		insert(t, db, events, row{"c", 7, 7})
		v := viewOf(t, p)
		sealed, waiting := 0, int64(0)
		for _, s := range v.Sources {
			if s.SealedBy != "" {
				sealed++
			}
			waiting += s.WaitingRows
		}
		if len(v.Sources) != 2 || sealed != 1 || waiting != 6 || len(v.Damaged()) > 0 {
			t.Errorf("sources: %+v, damage %v", v.Sources, v.Damaged())
		}

		tx = begin(t, db, engine.TxnOptions{})
		if err := errors.Join(tx.Truncate(ctx, events), tx.Commit(ctx)); err != nil {
			t.Fatal(err)
		}
		check("truncated", events, "events", shape{})
		check("keyed", state, "state", shape{partitions: 1, chunks: 1, rows: 1})
		p.close(t)
	})
}

// TestViewFetches reads a chunk through a view.
func TestViewFetches(t *testing.T) {
	eachPlace(t, func(t *testing.T, p place) {
		db := p.open(t, quiet)
		insert(t, db, createTable(t, db, "events", false, 0), row{"a", 1, 1})
		checkpoint(t, db)
		part := viewOf(t, p).Tables[0].Partitions[0]
		v := viewOf(t, p)
		for _, e := range part.Chunks {
			if err := chunk.Verify(context.Background(), e, v.Fetch(part.ID, e)); err != nil {
				t.Error(err)
			}
			gone := *e
			gone.ID[0] ^= 1
			gone.Location.Segment[0] ^= 1
			if _, _, err := v.Fetch(part.ID, &gone)(context.Background(), 0); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("a chunk that is not there: %v", err)
			}
		}
		p.close(t)
	})
}

// TestViewOfDamage damages the checkpoint of one partition's commit log.
func TestViewOfDamage(t *testing.T) {
	p := &diskPlace{rng: newRand(t)}
	db := p.open(t, quiet)
	table := createTable(t, db, "events", false, 0)
	for i := range int64(4) {
		insert(t, db, table, row{"a", i, 1}, row{"c", i, 2})
		checkpoint(t, db)
	}
	p.close(t)
	names, err := p.fs.List("data/checkpoints")
	if err != nil {
		t.Fatal(err)
	}
	damaged := ""
	for _, n := range names {
		if damaged == "" && strings.HasPrefix(n.Name, "2_") {
			damaged = filepath.Join("data/checkpoints", n.Name)
		}
	}
	if err := p.fs.Corrupt(damaged, func(b []byte) []byte { b[len(b)/2] ^= 4; return b }); err != nil {
		t.Fatal(err)
	}
	v := viewOf(t, p)
	good := 0
	for _, part := range v.Tables[0].Partitions {
		if part.Err == nil && part.Manifest.Rows() == 4 {
			good++
		}
	}
	bad := v.Damaged()
	if good != 1 || len(bad) != 1 || !errors.Is(bad[0], chunk.ErrCorrupt) || !strings.Contains(bad[0].Error(), damaged) {
		t.Fatalf("%d partitions are good, damage: %v", good, bad)
	}
}
