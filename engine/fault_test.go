package engine_test

import (
	"context"
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
