package commitlog

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/memstore"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

// benchEntry is a chunk of ten columns.
func benchEntry(n, slices int, seq uint64) *chunk.Entry {
	e := &chunk.Entry{Version: 1, Slice: int64(n % slices), Rows: 60_000, From: seq, KeyMin: fmt.Appendf(nil, "vehicle-%06d", n), KeyMax: []byte("vehicle-999999")}
	binary.BigEndian.PutUint64(e.ID[:], uint64(n)+1)
	e.Location.Segment = e.ID
	for i := range 10 {
		e.Columns = append(e.Columns, chunk.ColumnEntry{ID: schema.ColumnID(i + 1), Type: datum.Of(datum.Int8), Size: 40_000, Codec: "delta(FOR)",
			Min: int64(n), Max: int64(n + 100_000), SumLo: uint64(n) << 20, Distinct: 5000})
	}
	return e
}

func benchManifest(b testing.TB, chunks, slices int) *Manifest {
	m := &Manifest{}
	for n := 0; n < chunks; {
		c := flush(alice, Interval{alice, uint64(n), uint64(n) + 1})
		for range min(500, chunks-n) {
			c.Adds = append(c.Adds, benchEntry(n, slices, m.seq))
			n++
		}
		c.Sources[0].To = uint64(n)
		next, err := m.Apply(ctx, m.seq+1, c)
		if err != nil {
			b.Fatal(err)
		}
		m = next
	}
	return m
}

// BenchmarkApply folds one flush of one chunk into partitions of many.
func BenchmarkApply(b *testing.B) {
	for _, chunks := range []int{100, 20_000} {
		for _, slices := range []int{1, 1000} {
			b.Run(fmt.Sprintf("chunks=%d/slices=%d", chunks, slices), func(b *testing.B) {
				m := benchManifest(b, chunks, slices)
				c := flush(alice, Interval{alice, uint64(chunks), uint64(chunks) + 1}, benchEntry(chunks, slices, m.seq))
				b.ReportAllocs()
				for b.Loop() {
					if _, err := m.Apply(ctx, m.seq+1, c); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkCheckpoint opens a log of 20,000 chunks, and checkpoints it after a
// flush of one more.
func BenchmarkCheckpoint(b *testing.B) {
	const chunks = 20_000
	st := newLedger(memstore.New(nil))
	l := open(b, st, Options{CheckpointEvery: -1})
	fill(b, l, chunks)
	if err := l.Checkpoint(ctx); err != nil {
		b.Fatal(err)
	}
	b.Run("op=open", func(b *testing.B) {
		root, err := st.Checkpoint(ctx, l.Manifest().base.id(part))
		if err != nil {
			b.Fatal(err)
		}
		before := heapInUse()
		m := open(b, st, Options{}).Manifest()
		after := heapInUse()
		b.ReportAllocs()
		for b.Loop() {
			open(b, st, Options{})
		}
		b.ReportMetric(float64(len(root))/chunks, "B/chunk")
		b.ReportMetric(float64(after-before)/chunks, "heapB/chunk")
		runtime.KeepAlive(m)
	})
	b.Run("op=read", func(b *testing.B) { // all entries
		before := heapInUse()
		all := chunksOf(b, open(b, st, Options{Pages: NewPageCache(0)}).Manifest())
		after := heapInUse()
		b.ReportAllocs()
		for b.Loop() {
			chunksOf(b, open(b, st, Options{Pages: NewPageCache(0)}).Manifest())
		}
		b.ReportMetric(float64(after-before)/chunks, "heapB/chunk")
		runtime.KeepAlive(all)
	})
	b.Run("op=write", func(b *testing.B) {
		written := st.written
		b.ReportAllocs()
		n := 0
		for b.Loop() {
			fill(b, l, 50)
			if err := l.Checkpoint(ctx); err != nil {
				b.Fatal(err)
			}
			n++
		}
		b.ReportMetric(float64(st.written-written)/float64(n), "B/checkpoint")
	})
}

func heapInUse() int64 {
	var s runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&s)
	return int64(s.HeapAlloc)
}

// BenchmarkCommit commits to a store in memory, checkpoints included.
func BenchmarkCommit(b *testing.B) {
	l := open(b, memstore.New(nil), Options{})
	pos := uint64(0)
	b.ReportAllocs()
	for b.Loop() {
		mustCommit(b, l, flush(alice, Interval{alice, pos, pos + 1}, benchEntry(int(pos), 1000, pos)))
		pos++
	}
}

// TestFlushIsCheap holds the line on what a flush costs in a large partition:
// it copies a page or two, and takes far less than a millisecond.
func TestFlushIsCheap(t *testing.T) {
	m := benchManifest(t, 20_000, 1)
	c := flush(alice, Interval{alice, 20_000, 20_001}, benchEntry(20_000, 1, m.seq))
	fastest := time.Hour
	var next *Manifest
	for range 50 {
		start := time.Now()
		var err error
		if next, err = m.Apply(ctx, m.seq+1, c); err != nil {
			t.Fatal(err)
		}
		fastest = min(fastest, time.Since(start))
	}
	if n := copied(m, next); n > 2 {
		t.Errorf("%d pages of %d copied", n, len(next.pages))
	}
	if fastest > time.Millisecond {
		t.Errorf("a flush into 20,000 chunks takes %v", fastest)
	}
}

// copied counts the pages of b that a has not.
func copied(a, b *Manifest) (n int) {
	have := map[*page]bool{}
	for _, p := range a.pages {
		have[p] = true
	}
	for _, p := range b.pages {
		if !have[p] {
			n++
		}
	}
	return n
}
