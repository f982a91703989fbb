package engine_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine"
	"github.com/phyllodb/phyllo/engine/memstore"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/locking"
	"github.com/phyllodb/phyllo/internal/schema"
)

// replaceRows deletes rows and inserts others in one transaction.
func replaceRows(t testing.TB, db *engine.DB, table datum.OID, old, rows []row) {
	t.Helper()
	ctx := context.Background()
	tx := begin(t, db, engine.TxnOptions{})
	if err := tx.BeginChange(ctx, table, locking.UpdateRow); err != nil {
		t.Fatal(err)
	}
	if again, err := tx.Delete(ctx, table, batchOf(old...)); again || err != nil {
		t.Fatal(again, err)
	}
	if len(rows) > 0 {
		if _, _, err := tx.Insert(ctx, table, batchOf(rows...), chunk.InsertReplace); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(ctx); err != nil {
		t.Fatal(err)
	}
}

// TestForgottenInOrder: merges of chunks of history, of which some are large and some small, do not
// make a mark forgotten before rows that it took away.
func TestForgottenInOrder(t *testing.T) {
	eachPlace(t, func(t *testing.T, p place) {
		now := time.Date(2026, 3, 29, 0, 0, 0, 0, time.UTC)
		opt := quiet
		opt.Now = func() time.Time { return now }
		db := p.open(t, opt)
		table := createTable(t, db, "replaced", true, schema.DuplicateReplace)
		keepHistory(t, db, table, 80*time.Hour) // which has windows of ten hours
		now = time.UnixMicro(now.UnixMicro() / (10 * time.Hour).Microseconds() * (10 * time.Hour).Microseconds()).Add(20 * time.Hour)
		vacuum := func() {
			t.Helper()
			if _, err := db.Vacuum(context.Background(), table, false); err != nil {
				t.Fatal(err)
			}
		}
		// A small chunk of history with a row, and a large one with its mark.
		insert(t, db, table, row{"k", 1, 1})
		insert(t, db, table, row{"k", 1, 2})
		checkpoint(t, db)
		many := make([]row, 3000)
		for i := range many {
			many[i] = row{"k", int64(i) + 10, 0}
		}
		insert(t, db, table, many...)
		checkpoint(t, db)
		replaceRows(t, db, table, append([]row{{"k", 1, 2}}, many...), nil)
		checkpoint(t, db)
		vacuum()
		deleted := now
		for i := range int64(9) {
			now = now.Add(time.Hour)
			insert(t, db, table, row{"k", 2, i})
			insert(t, db, table, row{"k", 2, i + 1})
			checkpoint(t, db)
		}
		want := counts(row{"k", 2, 9})
		vacuum()
		sameRows(t, "all there", mustRead(t, db, table), want)
		now = deleted.Add(80*time.Hour + 30*time.Minute)
		vacuum()
		got, err := readAsOf(t, db, table, now.UnixMicro())
		if err != nil {
			t.Fatal(err)
		}
		sameRows(t, "when some is forgotten", got, want)
		p.close(t)
	})
}

// TestClusterOverlappingVersions: large transactions of two nodes may have taken some of the same
// row versions, as each takes them by its own clock.
func TestClusterOverlappingVersions(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	var at atomic.Int64
	at.Store(time.Now().UnixMicro())
	opt := quiet
	opt.Now = func() time.Time { return time.UnixMicro(at.Load()) }
	shared := memstore.New(nil)
	nodes := []*node{newNode(t, shared, "a", opt), newNode(t, shared, "b", opt)}
	table := createTable(t, nodes[0].db, "events", false, 0)
	keepHistory(t, nodes[0].db, table, time.Hour)
	nodes[1].latest(table)
	at.Add(2 * time.Minute.Microseconds())
	var txns []*engine.Txn
	want := map[row]int{}
	for i, n := range nodes {
		n.latest(table)
		tx := begin(t, n.db, engine.TxnOptions{})
		for j := range int64(3 + i) {
			r := row{"k", j, int64(i)}
			want[r] = 1
			if _, _, err := tx.Insert(ctx, table, batchOf(r), chunk.InsertReplace); err != nil {
				t.Fatal(err)
			}
			if err := tx.StageNow(ctx); err != nil {
				t.Fatal(err)
			}
		}
		txns = append(txns, tx)
	}
	// The second commits while the first has its versions, but is not in its log.
	stamped, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	log := nodes[0].db.SourceLog()
	hold := func(c memstore.Call) memstore.Verdict {
		if c.Op == memstore.OpAppend && c.Log == log {
			once.Do(func() { close(stamped) })
			<-goOn
		}
		return memstore.Verdict{}
	}
	nodes[0].fate.Store(&hold)
	first := make(chan error, 1)
	go func() { first <- txns[0].Commit(ctx) }()
	<-stamped
	err := txns[1].Commit(ctx)
	close(goOn)
	if err := errors.Join(err, <-first); err != nil {
		t.Fatal(err)
	}
	for _, n := range nodes {
		n.latest(table)
		checkpoint(t, n.db)
	}
	nodes[0].latest(table)
	if _, err := nodes[0].db.Vacuum(ctx, table, true); err != nil {
		t.Fatal(err)
	}
	at.Add(time.Minute.Microseconds())
	for _, n := range nodes {
		n.latest(table)
		sameRows(t, n.name, mustRead(t, n.db, table), want)
		got, err := readAsOf(t, n.db, table, at.Load())
		if err != nil {
			t.Fatal(err)
		}
		sameRows(t, n.name+" as of later", got, want)
	}
	third := newNode(t, shared, "c", opt)
	third.latest(table)
	sameRows(t, third.name, mustRead(t, third.db, table), want)
	for _, n := range append(nodes, third) {
		n.close()
	}
}

// TestClusterForgottenInTime: a node that compacts chunks of transactions that it has not seen in
// their logs yet keeps what they replaced for as long as others do.
func TestClusterForgottenInTime(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	start := time.Now()
	var at atomic.Int64
	at.Store(start.UnixMicro())
	opt := quiet
	opt.Now = func() time.Time { return time.UnixMicro(at.Load()) }
	slow := opt
	slow.Cluster = &engine.ClusterOptions{Lease: 2 * time.Second, Poll: time.Hour, Insist: 500 * time.Millisecond}
	shared := memstore.New(nil)
	a := newNode(t, shared, "a", opt)
	table := createTable(t, a.db, "replaced", true, schema.DuplicateReplace)
	keepHistory(t, a.db, table, time.Hour)
	insert(t, a.db, table, row{"k", 1, 1})
	checkpoint(t, a.db)
	b := newNode(t, shared, "b", slow)
	b.latest(table)
	at.Store(start.Add(50 * time.Minute).UnixMicro())
	insert(t, a.db, table, row{"k", 1, 2})
	checkpoint(t, a.db)
	if _, err := b.db.Vacuum(ctx, table, false); err != nil {
		t.Fatal(err)
	}
	at.Store(start.Add(70 * time.Minute).UnixMicro())
	if _, err := a.db.Vacuum(ctx, table, false); err != nil {
		t.Fatal(err)
	}
	a.latest(table)
	got, err := readAsOf(t, a.db, table, start.Add(20*time.Minute).UnixMicro())
	if err != nil {
		t.Fatal(err)
	}
	sameRows(t, "before it was replaced", got, counts(row{"k", 1, 1}))
	a.close()
	b.close()
}

// TestHistoryAnew: what is left of a history that ended is no part of one that begins later.
func TestHistoryAnew(t *testing.T) {
	eachPlace(t, func(t *testing.T, p place) {
		ctx := context.Background()
		now := time.Date(2026, 3, 29, 0, 0, 0, 0, time.UTC)
		opt := quiet
		opt.Now = func() time.Time { return now }
		db := p.open(t, opt)
		table := createTable(t, db, "replaced", true, schema.DuplicateReplace)
		vacuum := func() {
			t.Helper()
			if _, err := db.Vacuum(ctx, table, false); err != nil {
				t.Fatal(err)
			}
		}
		keepHistory(t, db, table, time.Hour)
		insert(t, db, table, row{"k", 1, 1})
		insert(t, db, table, row{"k", 1, 2})
		checkpoint(t, db)
		keepHistory(t, db, table, 0)
		replaceRows(t, db, table, []row{{"k", 1, 2}}, nil)
		vacuum()
		keepHistory(t, db, table, time.Hour)
		asOfNow := func(when string, want ...row) {
			t.Helper()
			got, err := readAsOf(t, db, table, position(t, db))
			if err != nil {
				t.Fatal(err)
			}
			sameRows(t, when, got, counts(want...))
		}
		asOfNow("begun anew")
		for i := range int64(9) { // which are merged
			insert(t, db, table, row{"k", 2, i})
			insert(t, db, table, row{"k", 2, i + 1})
			checkpoint(t, db)
		}
		vacuum()
		asOfNow("later", row{"k", 2, 9})
		p.close(t)
	})
}

// TestHistoryClockBack: no transaction is earlier than a history that has begun, though a restart
// finds the clock set back and no row from which it could tell.
func TestHistoryClockBack(t *testing.T) {
	eachPlace(t, func(t *testing.T, p place) {
		now := time.Date(2026, 3, 29, 0, 0, 0, 0, time.UTC)
		opt := quiet
		opt.Now = func() time.Time { return now }
		db := p.open(t, opt)
		table := createTable(t, db, "events", false, 0)
		keepHistory(t, db, table, time.Hour)
		p.crash(t)
		now = now.Add(-time.Minute)
		db = p.open(t, opt)
		empty := position(t, db)
		insert(t, db, table, row{"k", 1, 1})
		got, err := readAsOf(t, db, table, empty)
		if err != nil {
			t.Fatal(err)
		}
		sameRows(t, "as of before the row", got, counts())
		p.close(t)
	})
}

// TestStagedVersionsStay: the last version of a large transaction, which none of its rows has, is
// known after a restart at which the clock stands still.
func TestStagedVersionsStay(t *testing.T) {
	eachPlace(t, func(t *testing.T, p place) {
		ctx := context.Background()
		now := time.Date(2026, 3, 29, 0, 0, 0, 0, time.UTC)
		opt := quiet
		opt.Now = func() time.Time { return now }
		db := p.open(t, opt)
		table := createTable(t, db, "events", false, 0)
		keepHistory(t, db, table, time.Hour)
		tx := begin(t, db, engine.TxnOptions{})
		if _, _, err := tx.Insert(ctx, table, batchOf(row{"k", 1, 1}), chunk.InsertReplace); err != nil {
			t.Fatal(err)
		}
		if err := tx.StageNow(ctx); err != nil {
			t.Fatal(err)
		}
		if err := tx.Commit(ctx); err != nil {
			t.Fatal(err)
		}
		at := position(t, db)
		checkpoint(t, db)
		p.crash(t)
		db = p.open(t, opt)
		insert(t, db, table, row{"k", 2, 2})
		got, err := readAsOf(t, db, table, at)
		if err != nil {
			t.Fatal(err)
		}
		sameRows(t, "as of the large transaction", got, counts(row{"k", 1, 1}))
		p.close(t)
	})
}
