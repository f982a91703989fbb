package engine_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/internal/vfs"
)

// A deed is one batch that a test tried to write, and whether it was
// acknowledged. One that was not may be there, whole, or not.
type deed struct {
	rows  []row
	acked bool
}

// workload writes, flushes, stages and compacts for a while, whatever fails, and tells what
// it did. It needs the disk at all kinds of calls.
func workload(db *engine.DB, table datum.OID) (deeds []deed) {
	ctx := context.Background()
	for i := range int64(6) {
		rows, width := make([]row, 60), 0
		if i == 3 {
			rows, width = make([]row, 2000), 150 // more than stays in memory: staged
		}
		for j := range rows {
			rows[j] = row{fmt.Sprintf("k%0*d", width, j), (i + int64(j)) % 7 * hour, i*100 + int64(j)}
		}
		d := deed{rows: rows}
		tx, err := db.Begin(ctx, engine.TxnOptions{})
		if err == nil {
			_, _, err = tx.Insert(ctx, table, batchOf(rows...), chunk.InsertDefault)
			if err == nil {
				err = tx.Commit(ctx)
			} else {
				tx.Rollback()
			}
		}
		d.acked = err == nil
		deeds = append(deeds, d)
		if i%2 == 1 {
			_ = db.Checkpoint(ctx) // a failure leaves the rows in the buffer
		}
		if i >= 3 {
			_, _ = db.Vacuum(ctx, table, i == 5) // and the chunks as they were
		}
	}
	return deeds
}

// checkDeeds checks that acknowledged batches are there once and others once or
// not at all, whole.
func checkDeeds(t *testing.T, what string, got map[row]int, deeds []deed) {
	t.Helper()
	want := map[row]int{}
	for _, d := range deeds {
		n := 0
		for _, r := range d.rows {
			n += got[r]
		}
		if d.acked || n > 0 {
			for _, r := range d.rows {
				want[r]++
			}
		}
	}
	sameRows(t, what, got, want)
}

// TestFaults fails each call that changes the disk once, in several ways, and
// then reopens after a crash.
func TestFaults(t *testing.T) {
	kinds := []struct {
		name string
		fate vfs.Fate
	}{
		{"error", vfs.Fate{Err: syscall.EIO}},
		{"full", vfs.Fate{Err: syscall.ENOSPC, Keep: 3}},
		{"torn", vfs.Fate{Err: syscall.EIO, Keep: 100}},
		{"lost", vfs.Fate{Err: syscall.EIO, Lose: true}},
		{"applied", vfs.Fate{Err: syscall.EIO, Applied: true}},
	}
	rng := newRand(t)
	for i, k := range kinds {
		t.Run("fault="+k.name, func(t *testing.T) {
			n := 1
			for struck := true; struck; n++ { // until a run in which all calls went well
				if every := faultStep(); (n+i)%every != 0 {
					continue
				}
				var count int
				p := &diskPlace{rng: rng}
				db := p.open(t, faulty)
				table := createTable(t, db, "events", false, 0)
				p.close(t)

				var mu sync.Mutex
				var at vfs.Call
				p.disk = vfs.NewFault(p.fs, func(c vfs.Call) vfs.Fate {
					if !c.Op.Changes() {
						return vfs.Fate{}
					}
					mu.Lock()
					defer mu.Unlock()
					if count++; count != n {
						return vfs.Fate{}
					}
					at = c
					return k.fate
				})
				deeds, ok := tryWorkload(t, p, table)
				struck = count >= n
				what := fmt.Sprintf("call %d (%s %s)", n, at.Op, at.Name)
				if ok {
					checkDeeds(t, what+", before the crash", mustRead(t, p.db, table), deeds)
					p.crash(t)
				} else {
					p.disk = nil
				}
				db = p.open(t, faulty)
				checkDeeds(t, what+", after the crash", mustRead(t, db, table), deeds)
				insert(t, db, table, row{"later", 1, 1}) // and it works on
				checkpoint(t, db)
				deeds = append(deeds, deed{[]row{{"later", 1, 1}}, true})
				checkDeeds(t, what+", later", mustRead(t, db, table), deeds)
				p.close(t)
			}
			if n < 20 {
				t.Errorf("only %d calls: the test did not test", n)
			}
			t.Logf("%d calls", n)
		})
	}
}

var allFaults = flag.Bool("all-faults", false, "fail every call in every way, not each in one")

// faultStep is how many calls are passed over for one that is tried.
func faultStep() int {
	switch {
	case *allFaults:
		return 1
	case testing.Short():
		return 251
	}
	return 37
}

// faulty has small buffers, so that little is staged.
var faulty = engine.Options{SealAge: time.Hour, BufferBytes: 1 << 20}

// tryWorkload opens and works; ok is false if the fault kept it from opening.
func tryWorkload(t *testing.T, p *diskPlace, table datum.OID) ([]deed, bool) {
	t.Helper()
	s, db, err := p.tryOpen(faulty)
	if err != nil {
		if !errors.Is(err, syscall.EIO) && !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("open: %v", err)
		}
		return nil, false
	}
	p.s, p.db = s, db
	return workload(db, table), true
}

// full fails what needs space on the disk.
func full(c vfs.Call) vfs.Fate {
	if c.Op == vfs.OpWrite || c.Op == vfs.OpCreate {
		return vfs.Fate{Err: syscall.ENOSPC}
	}
	return vfs.Fate{}
}

// TestFullDisk fills the disk: writes fail with 53100, reads go on, also after a
// restart with more in the logs than buffers hold, and when there is space again
// writes work.
func TestFullDisk(t *testing.T) {
	ctx := context.Background()
	p := &diskPlace{rng: newRand(t), fs: vfs.NewMem()}
	fault := vfs.NewFault(p.fs, nil)
	p.disk = fault
	db := p.open(t, engine.Options{SealAge: time.Hour, BufferBytes: 4 << 20})
	table := createTable(t, db, "events", false, 0)
	want := map[row]int{}
	for i := range int64(40) {
		rows := make([]row, 1000)
		for j := range rows {
			rows[j] = row{"a", i, int64(j)}
			want[rows[j]]++
		}
		insert(t, db, table, rows...)
	}
	fault.Set(full)
	for i := range int64(3) {
		tx := begin(t, db, engine.TxnOptions{})
		_, _, err := tx.Insert(ctx, table, batchOf(row{"b", 2, i}), chunk.InsertDefault)
		if err == nil {
			err = tx.Commit(ctx)
		}
		if pgerr.Code(err) != pgerr.DiskFull {
			t.Fatalf("commit on a full disk: %v, want 53100", err)
		}
		if err := db.Checkpoint(ctx); pgerr.Code(err) != pgerr.DiskFull {
			t.Fatalf("checkpoint on a full disk: %v, want 53100", err)
		}
		sameRows(t, "on a full disk", mustRead(t, db, table), want)
	}
	p.close(t)
	if db.Buffered() < 600<<10 {
		t.Fatalf("%d bytes are buffered: too few to matter", db.Buffered())
	}
	db = p.open(t, engine.Options{SealAge: time.Hour, BufferBytes: 1 << 20})
	sameRows(t, "reopened on a full disk", mustRead(t, db, table), want)
	fault.Set(nil)
	insert(t, db, table, row{"c", 3, 3})
	want[row{"c", 3, 3}]++
	sameRows(t, "with space again", mustRead(t, db, table), want)
	settled(t, db)
	sameRows(t, "flushed", mustRead(t, db, table), want)
	p.close(t)
	db = p.open(t, quiet)
	sameRows(t, "reopened", mustRead(t, db, table), want)
	p.close(t)
}

// TestInvariant has writers move amounts between two tables of four partitions
// while flushes and checkpoints run; readers see the sum unchanged, always.
func TestInvariant(t *testing.T) {
	eachPlace(t, func(t *testing.T, p place) {
		db := p.open(t, engine.Options{SealAge: 5 * time.Millisecond, BufferBytes: 1 << 20, CompactionInterval: time.Millisecond})
		tables := []datum.OID{createTable(t, db, "credit", false, 0), createTable(t, db, "debit", true, schema.DuplicateReplace)}
		transfers := int64(400)
		if testing.Short() {
			transfers = 100
		}
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		var writers, readers sync.WaitGroup
		fail := make(chan error, 16)
		for w := range int64(4) {
			writers.Go(func() {
				for i := range transfers {
					if err := transfer(ctx, db, tables, w, i); err != nil {
						fail <- err
						return
					}
				}
			})
		}
		reads := 0
		for range 2 {
			readers.Go(func() {
				for ctx.Err() == nil {
					if err := balanced(db, tables); err != nil {
						fail <- err
						return
					}
					reads++
				}
			})
			break
		}
		readers.Go(func() {
			for ctx.Err() == nil {
				if err := db.Checkpoint(ctx); err != nil && ctx.Err() == nil {
					fail <- err
					return
				}
			}
		})
		writers.Wait()
		cancel()
		readers.Wait()
		close(fail)
		for err := range fail {
			t.Error(err)
		}
		t.Logf("%d reads beside %d transfers", reads, 4*transfers)
		if reads == 0 {
			t.Error("nobody looked")
		}
		got := mustRead(t, db, tables[0])
		if len(got) != int(4*transfers) {
			t.Errorf("%d rows, want %d", len(got), 4*transfers)
		}
		p.close(t)
	})
}

func transfer(ctx context.Context, db *engine.DB, tables []datum.OID, w, i int64) error {
	tx, err := db.Begin(ctx, engine.TxnOptions{})
	if err != nil {
		return err
	}
	defer tx.Rollback()
	amount := w*1000 + i
	for n, table := range tables {
		r := row{fmt.Sprint("account ", (w+i*7+int64(n)*3)%16), (i*4 + w) * hour / 50, amount * (1 - 2*int64(n))}
		if _, _, err := tx.Insert(ctx, table, batchOf(r), chunk.InsertDefault); err != nil {
			return err
		}
	}
	return tx.Commit(context.Background())
}

func balanced(db *engine.DB, tables []datum.OID) error {
	ctx := context.Background()
	tx, err := db.Begin(ctx, engine.TxnOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	defer tx.Rollback()
	sums, rows := []int64{0, 0}, []int{0, 0}
	for n, table := range tables {
		got, err := read(tx, table)
		if err != nil {
			return err
		}
		for r, k := range maps.All(got) {
			sums[n] += r.v * int64(k)
			rows[n] += k
		}
	}
	if sums[0]+sums[1] != 0 || rows[0] != rows[1] {
		return fmt.Errorf("%d rows with %d in one table, %d with %d in the other", rows[0], sums[0], rows[1], sums[1])
	}
	return nil
}
