package commitlog

import (
	"errors"
	"testing"
	"time"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/memstore"
	"github.com/phyllodb/phyllo/engine/store"
)

func TestSweep(t *testing.T) {
	onStores(t, func(t *testing.T, st store.Store) {
		at := func(ms int) time.Time { return time.UnixMilli(int64(ms)).UTC() }
		made := func(ms int) *chunk.Entry {
			e := entry(ms, 0)
			e.ID = firstID(at(ms))
			e.ID[6], e.ID[15] = 0x70, 1
			e.Columns, e.Columns[0].Size = e.Columns[:1], 4
			s := &chunk.Sealed{Entry: *e, Blobs: [][]byte{[]byte("blob")}}
			if err := st.PutChunks(ctx, part, []*chunk.Sealed{s}); err != nil {
				t.Fatal(err)
			}
			return &s.Entry
		}
		now := at(100)
		l := open(t, st, Options{Now: func() time.Time { return now }})
		do := func(c *Commit, ms int) {
			now, c.Time = at(ms), time.Time{}
			mustCommit(t, l, c)
		}
		live, removedEarly, removedLate := made(10), made(20), made(30)
		do(flush(alice, Interval{alice, 0, 1}, live, removedEarly, removedLate), 40)
		do(retention([]chunk.ID{removedEarly.ID}), 50)
		do(retention([]chunk.ID{removedLate.ID}), 70)
		made(35)
		young := made(65)
		left := func(want ...*chunk.Entry) {
			t.Helper()
			got, err := st.Chunks(ctx, part)
			if err != nil || len(got) != len(want) {
				t.Fatalf("%d chunks left (%v), want %d", len(got), err, len(want))
			}
			for i, e := range want {
				if got[i] != e.ID {
					t.Errorf("chunk %v is left, want %v", got[i], e.ID)
				}
			}
		}
		sweep := func(ms int, want Swept) {
			t.Helper()
			if got, err := l.Sweep(ctx, at(ms)); err != nil || got != want {
				t.Fatalf("swept %+v, %v; want %+v", got, err, want)
			}
		}
		sweep(10, Swept{})
		seq := l.Manifest().Seq()
		sweep(60, Swept{Removed: 1, Unnamed: 1})
		left(live, removedLate, young)
		sweep(60, Swept{})
		if m := l.Manifest(); m.Seq() != seq+1 || m.Horizon() != firstID(at(60)) {
			t.Errorf("%d commits for one sweep; horizon %v", m.Seq()-seq, m.Horizon())
		}
		// What is older than the horizon is void, what is younger is not.
		old := made(59)
		if _, err := l.Commit(ctx, flush(alice, Interval{alice, 1, 2}, old)); !errors.Is(err, ErrPrecondition) {
			t.Errorf("a chunk older than the horizon is named: %v", err)
		}
		sweep(60, Swept{Unnamed: 1}) // the horizon is there already
		if m := l.Manifest(); m.Seq() != seq+1 {
			t.Error("a second horizon commit")
		}
		mustCommit(t, l, flush(alice, Interval{alice, 1, 2}, young))
		sweep(80, Swept{Removed: 1})
		left(live, young)
		if n := l.Manifest().garbage.n; n != 0 {
			t.Errorf("%d chunks are still listed as garbage", n)
		}
	})
}

// TestSweepAfterCrash: blobs were deleted, and the commit that says so was not made.
func TestSweepAfterCrash(t *testing.T) {
	fail := false
	st := memstore.New(func(c memstore.Call) memstore.Verdict {
		if fail && c.Op == memstore.OpAppend {
			return memstore.Verdict{Outcome: memstore.Fail}
		}
		return memstore.Verdict{}
	})
	l := open(t, st, Options{})
	mustCommit(t, l, flush(alice, Interval{alice, 0, 1}, put(t, st, 21, 0)))
	mustCommit(t, l, retention([]chunk.ID{id(21)}))
	fail = true
	if _, err := l.Sweep(ctx, noon.Add(time.Hour)); !errors.Is(err, ErrUnknown) {
		t.Fatalf("sweep: %v", err)
	}
	fail = false
	if n := l.Manifest().garbage.n; n != 1 {
		t.Fatalf("%d chunks are listed as garbage, want 1", n)
	}
	l = open(t, st, Options{})
	if swept, err := l.Sweep(ctx, noon.Add(time.Hour)); err != nil || swept.Removed != 1 || l.Manifest().garbage.n != 0 {
		t.Fatalf("swept %+v, %v", swept, err)
	}
}
