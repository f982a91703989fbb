package engine_test

import (
	"context"
	"testing"
	"time"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

// TestClockSetBack sets the node's clock far ahead and back, while it runs and while it is
// stopped: the last version of a row wins whatever the clock said, rows that were deleted
// stay so, and flushes, merges and the freeing of chunks go on.
func TestClockSetBack(t *testing.T) {
	const year = 365 * 24 * time.Hour
	eachPlace(t, func(t *testing.T, p place) {
		clock := &moment{}
		start := time.Date(2024, 3, 10, 2, 30, 0, 0, time.UTC).UnixMicro()
		clock.micros.Store(start)
		opt := engine.Options{SealAge: time.Hour, CompactionPaused: true, SnapshotLifetime: time.Minute, Now: clock.now}
		db := p.open(t, opt)
		table := createTable(t, db, "state", true, schema.DuplicateReplace)
		events := createTable(t, db, "events", false, 0)
		want := map[row]int{}
		v := int64(0)
		for i, at := range []time.Duration{0, 100 * year, -year, -50 * year, 20 * year, -60 * year, 0} {
			clock.micros.Store(start + at.Microseconds())
			if i%2 == 1 {
				p.crash(t)
				db = p.open(t, opt)
			}
			for range 3 {
				v++
				insert(t, db, table, row{"a", 7, v}, row{"b", 7, v})
				sameRows(t, "the newest", mustRead(t, db, table), counts(row{"a", 7, v}, row{"b", 7, v}))
				insert(t, db, events, row{"e", v * hour, v}, row{"gone", v * hour, v})
				want[row{"e", v * hour, v}]++
				checkpoint(t, db)
			}
			tx := begin(t, db, engine.TxnOptions{})
			change(t, tx, events, []row{{"gone", v * hour, v}, {"gone", (v - 1) * hour, v - 1}, {"gone", (v - 2) * hour, v - 2}}, nil)
			change(t, tx, table, []row{{"b", 7, v}}, nil)
			if err := tx.Commit(context.Background()); err != nil {
				t.Fatal(err)
			}
			sameRows(t, "after DELETE", mustRead(t, db, events), want)
			vacuum(t, db, events, i%3 == 0)
			vacuum(t, db, table, i%3 == 1)
			db.Reclaim()
			clock.micros.Add(2 * time.Minute.Microseconds()) // until chunks that were replaced may go
			vacuum(t, db, events, false)
			sameRows(t, "after VACUUM", mustRead(t, db, events), want)
			sameRows(t, "after VACUUM", mustRead(t, db, table), counts(row{"a", 7, v}))
		}
		p.crash(t)
		db = p.open(t, opt)
		sameRows(t, "at last", mustRead(t, db, events), want)
		sameRows(t, "at last", mustRead(t, db, table), counts(row{"a", 7, v}))
		at := chunk.Predicate{Column: 2, Op: chunk.OpEQ, Values: []datum.Value{datum.Micros(7)}}
		sameRows(t, "at last, filtered", mustRead(t, db, table, at), counts(row{"a", 7, v}))
		p.close(t)
	})
}
