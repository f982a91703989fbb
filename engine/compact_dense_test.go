package engine_test

import (
	"context"
	"testing"
	"time"

	"github.com/phyllodb/phyllo/engine"
	"github.com/phyllodb/phyllo/engine/memstore"
	"github.com/phyllodb/phyllo/internal/datum"
)

// repeating makes rows of whose values Quick makes more bytes than Thorough, in two slices of
// which each is one chunk.
func repeating(t testing.TB) []row {
	rng := newRand(t)
	pattern := make([]int64, 97)
	for i := range pattern {
		pattern[i] = rng.Int64N(1 << 40)
	}
	var out []row
	for i := range int64(6000) {
		out = append(out, row{"a", i/3000*hour + i%3000*1000, pattern[i%97]})
	}
	return out
}

// hastyChunks counts the chunks that are as a flush encoded them, and all bytes.
func hastyChunks(t testing.TB, db *engine.DB, table datum.OID) (quick, all int, bytes int64) {
	for _, list := range chunksOf(t, db, table) {
		for _, e := range list {
			if e.Quick() {
				quick++
			}
			all++
			for _, c := range e.Columns {
				bytes += c.Size
			}
		}
	}
	return quick, all, bytes
}

// TestChunksAreEncodedAnew: VACUUM FULL, and the background when no rows have come for a
// while, encode once more what flushes wrote and nothing overlaps, and then no more.
func TestChunksAreEncodedAnew(t *testing.T) {
	for _, full := range []bool{true, false} {
		t.Run(map[bool]string{true: "vacuum full", false: "background"}[full], func(t *testing.T) {
			eachPlace(t, func(t *testing.T, p place) {
				clock := &testClock{}
				opt := quiet
				opt.Now = clock.now
				db := p.open(t, opt)
				table := createTable(t, db, "events", true, 0)
				want := encodeAnew(t, db, table, full, clock)
				p.crash(t)
				db = p.open(t, opt)
				if quick, all, _ := hastyChunks(t, db, table); quick != 0 || all != 2 {
					t.Errorf("after a crash: %d of %d chunks are as flushes wrote them", quick, all)
				}
				sameRows(t, "after a crash", mustRead(t, db, table), want)
				p.close(t)
			})
		})
		t.Run(map[bool]string{true: "cluster, vacuum full", false: "cluster, background"}[full], func(t *testing.T) {
			clock := &testClock{}
			opt := quiet
			opt.Now = clock.now
			shared := memstore.New(nil)
			a, b := newNode(t, shared, "a", opt), newNode(t, shared, "b", opt)
			table := createTable(t, a.db, "events", true, 0)
			want := encodeAnew(t, a.db, table, full, clock)
			vacuum(t, b.db, table, false) // which has not looked at the commit logs for hours
			sameRows(t, "another node", b.latest(table), want)
			if quick, all, _ := hastyChunks(t, b.db, table); quick != 0 || all != 2 {
				t.Errorf("another node: %d of %d chunks are as flushes wrote them", quick, all)
			}
			a.close()
			b.close()
			shared.Close()
		})
	}
}

func encodeAnew(t *testing.T, db *engine.DB, table datum.OID, full bool, clock *testClock) map[row]int {
	want := map[row]int{}
	rows := repeating(t)
	insert(t, db, table, rows...)
	for _, r := range rows {
		want[r]++
	}
	checkpoint(t, db)
	once := func() {
		if full {
			vacuum(t, db, table, true)
		} else if err := db.CompactNow(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	done := func() (n int) {
		for _, c := range db.Compactions() {
			if c.State == "done" && c.Kind == "compaction" {
				n++
			}
		}
		return n
	}
	quick, all, before := hastyChunks(t, db, table)
	if quick != all || all != 2 {
		t.Fatalf("%d of %d chunks are as flushes write them", quick, all)
	}
	if !full {
		db.PauseCompaction(true)
		once()
		if n := done(); n != 0 {
			t.Errorf("%d compactions while it is paused", n)
		}
		db.PauseCompaction(false)
	}
	once()
	quick, all, after := hastyChunks(t, db, table)
	if quick != 0 || all != 2 || after >= before*9/10 {
		t.Errorf("%d of %d chunks are as flushes wrote them, %d bytes of %d", quick, all, after, before)
	}
	if n := done(); n != 2 {
		t.Errorf("%d compactions, want one of each slice", n)
	}
	clock.add(7 * time.Hour)
	once()
	if n := done(); n != 2 {
		t.Errorf("%d compactions, though all is encoded anew", n)
	}
	sameRows(t, "encoded anew", mustRead(t, db, table), want)
	return want
}

// TestFewRowsAreNotEncodedAnew: a commit costs more than they do.
func TestFewRowsAreNotEncodedAnew(t *testing.T) {
	p := &memPlace{}
	db := p.open(t, quiet)
	table := createTable(t, db, "events", false, 0)
	insert(t, db, table, row{"a", 1, 1})
	checkpoint(t, db)
	if out := vacuum(t, db, table, true); out.Compactions != 0 || out.ChunksAfter != 1 {
		t.Errorf("%+v", out)
	}
	p.close(t)
}
