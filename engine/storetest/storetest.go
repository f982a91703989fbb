// Package storetest is the conformance suite of store.Store: what every store
// must do, run against the reference in memory and against those on disk.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/store"
)

// A Harness makes the stores of one test.
type Harness struct {
	Store store.Store
	// Reopen closes a store and opens one on the same state.
	Reopen func(store.Store) store.Store
}

// Run runs the suite. open makes a harness with an empty store for each test.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	tests := []struct {
		name string
		run  func(*testing.T, *fixture)
	}{
		{"CompareAndAppend", testCompareAndAppend},
		{"EmptyLog", testEmptyLog},
		{"Trim", testTrim},
		{"TrimAll", testTrimAll},
		{"Drop", testDrop},
		{"List", testList},
		{"ManyLogs", testManyLogs},
		{"BigValues", testBigValues},
		{"HostileKeys", testHostileKeys},
		{"OneAppenderWins", testOneAppenderWins},
		{"PipelinedAppends", testPipelinedAppends},
		{"ReadWhileAppending", testReadWhileAppending},
		{"CancelledContext", testCancelledContext},
		{"Chunks", testChunks},
		{"PutAgain", testPutAgain},
		{"DeleteChunks", testDeleteChunks},
		{"DeleteByID", testDeleteByID},
		{"MissingChunk", testMissingChunk},
		{"Checkpoints", testCheckpoints},
		{"RandomHistory", testRandomHistory},
		{"Closed", testClosed},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h := open(t)
			f := &fixture{t: t, ctx: context.Background(), s: h.Store, reopen: h.Reopen}
			t.Cleanup(func() {
				if err := f.s.Close(); err != nil {
					t.Errorf("close: %v", err)
				}
			})
			test.run(t, f)
		})
	}
}

// fixture is a store under test with calls that must succeed.
type fixture struct {
	t      *testing.T
	ctx    context.Context
	s      store.Store
	reopen func(store.Store) store.Store
}

func (f *fixture) restart() { f.s = f.reopen(f.s) }

func (f *fixture) append(log store.LogID, seq uint64, data string) {
	f.t.Helper()
	if err := f.s.Append(f.ctx, log, seq, []byte(data)); err != nil {
		f.t.Fatalf("append %d to %v: %v", seq, log, err)
	}
}

func (f *fixture) head(log store.LogID, want uint64) {
	f.t.Helper()
	if got, err := f.s.Head(f.ctx, log); err != nil || got != want {
		f.t.Fatalf("head of %v: %d, %v; want %d", log, got, err, want)
	}
}

func (f *fixture) first(log store.LogID, want uint64) {
	f.t.Helper()
	if got, err := f.s.First(f.ctx, log); err != nil || got != want {
		f.t.Fatalf("first of %v: %d, %v; want %d", log, got, err, want)
	}
}

// Collect reads a log from seq on and checks that the entries come in order.
func Collect(ctx context.Context, s store.Store, log store.LogID, seq uint64) ([]string, error) {
	var out []string
	next := max(seq, 1)
	for e, err := range s.Read(ctx, log, seq) {
		if err != nil {
			return out, err
		}
		if e.Seq != next {
			return out, fmt.Errorf("entry %d of %v comes where %d is due", e.Seq, log, next)
		}
		next++
		out = append(out, string(e.Data))
	}
	return out, nil
}

func (f *fixture) read(log store.LogID, seq uint64, want ...string) {
	f.t.Helper()
	got, err := Collect(f.ctx, f.s, log, seq)
	if err != nil || !slices.Equal(got, want) {
		f.t.Fatalf("read %v from %d: %d entries %.200q, %v; want %d %.200q", log, seq, len(got), got, err, len(want), want)
	}
}

func (f *fixture) conflict(log store.LogID, seq uint64) {
	f.t.Helper()
	if err := f.s.Append(f.ctx, log, seq, []byte("x")); !errors.Is(err, store.ErrConflict) {
		f.t.Fatalf("append %d to %v: %v, want ErrConflict", seq, log, err)
	}
}

func (f *fixture) trimmed(log store.LogID, seq uint64) {
	f.t.Helper()
	if got, err := Collect(f.ctx, f.s, log, seq); !errors.Is(err, store.ErrTrimmed) || len(got) > 0 {
		f.t.Fatalf("read %v from %d: %q, %v; want ErrTrimmed", log, seq, got, err)
	}
}

func (f *fixture) do(what string, err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatalf("%s: %v", what, err)
	}
}

var (
	wal  = store.LogID{Kind: store.SourceLog, Key: "writer-1"}
	part = store.LogID{Kind: store.CommitLog, Key: "16384/\x00\x01"}
	cat  = store.LogID{Kind: store.CatalogueLog, Key: "phyllo"}
)

func testCompareAndAppend(t *testing.T, f *fixture) {
	for _, log := range []store.LogID{wal, part, cat} {
		f.conflict(log, 0)
		f.conflict(log, 2)
		f.append(log, 1, "a")
		f.conflict(log, 1)
		f.conflict(log, 3)
		f.conflict(log, 0)
		f.append(log, 2, "")
		f.append(log, 3, "c")
		f.head(log, 3)
		f.read(log, 1, "a", "", "c")
		f.read(log, 0, "a", "", "c")
		f.read(log, 3, "c")
		f.read(log, 4)
		f.read(log, 1<<63)
	}
	f.restart()
	for _, log := range []store.LogID{wal, part, cat} {
		f.head(log, 3)
		f.read(log, 1, "a", "", "c")
		f.conflict(log, 3)
		f.append(log, 4, "d")
		f.read(log, 3, "c", "d")
	}
}

func testEmptyLog(t *testing.T, f *fixture) {
	f.head(wal, 0)
	f.read(wal, 1)
	f.read(wal, 5)
	f.do("trim", f.s.Trim(f.ctx, wal, 7))
	f.do("drop", f.s.Drop(f.ctx, wal))
	f.head(wal, 0)
	f.append(wal, 1, "a")
	f.read(wal, 1, "a")
}

func testTrim(t *testing.T, f *fixture) {
	for i := range 10 {
		f.append(part, uint64(i+1), fmt.Sprint("e", i+1))
	}
	f.do("trim", f.s.Trim(f.ctx, part, 4))
	check := func() {
		f.trimmed(part, 1)
		f.trimmed(part, 3)
		f.trimmed(part, 0)
		f.read(part, 4, "e4", "e5", "e6", "e7", "e8", "e9", "e10")
		f.head(part, 10)
		f.first(part, 4)
	}
	check()
	f.do("trim back", f.s.Trim(f.ctx, part, 2)) // nothing comes back
	check()
	f.restart()
	check()
	f.append(part, 11, "e11")
	f.read(part, 10, "e10", "e11")
}

func testTrimAll(t *testing.T, f *fixture) {
	for i := range 5 {
		f.append(wal, uint64(i+1), "x")
	}
	f.do("trim", f.s.Trim(f.ctx, wal, 1000)) // beyond the head: all there is, no more
	for range 2 {
		f.head(wal, 5)
		f.first(wal, 6)
		f.trimmed(wal, 5)
		f.read(wal, 6)
		f.conflict(wal, 1)
		f.conflict(wal, 1000)
		f.restart()
	}
	f.append(wal, 6, "y")
	f.read(wal, 6, "y")
}

func testDrop(t *testing.T, f *fixture) {
	f.append(part, 1, "old 1")
	f.append(part, 2, "old 2")
	f.append(cat, 1, "stays")
	f.do("drop", f.s.Drop(f.ctx, part))
	f.do("drop again", f.s.Drop(f.ctx, part))
	f.head(part, 0)
	f.first(part, 1)
	f.read(part, 1)
	f.conflict(part, 3)
	f.append(part, 1, "new 1")
	f.restart()
	f.head(part, 1)
	f.read(part, 1, "new 1")
	f.do("drop", f.s.Drop(f.ctx, part))
	f.restart()
	f.head(part, 0)
	f.read(part, 1)
	f.read(cat, 1, "stays")
}

func testList(t *testing.T, f *fixture) {
	check := func(kind store.LogKind, want ...string) {
		t.Helper()
		ids, err := f.s.List(f.ctx, kind)
		f.do("list", err)
		var keys []string
		for _, id := range ids {
			if id.Kind != kind {
				t.Fatalf("list of kind %d has %v", kind, id)
			}
			keys = append(keys, id.Key)
		}
		slices.Sort(keys)
		if !slices.Equal(keys, want) {
			t.Fatalf("list of kind %d: %q, want %q", kind, keys, want)
		}
	}
	check(store.CommitLog)
	for _, key := range []string{"b", "a", "", "c"} {
		f.append(store.LogID{Kind: store.CommitLog, Key: key}, 1, "x")
	}
	f.append(store.LogID{Kind: store.CatalogueLog, Key: "a"}, 1, "x")
	f.conflict(store.LogID{Kind: store.CommitLog, Key: "never"}, 5)
	f.do("trim", f.s.Trim(f.ctx, store.LogID{Kind: store.CommitLog, Key: "a"}, 2)) // still has had an entry
	f.do("drop", f.s.Drop(f.ctx, store.LogID{Kind: store.CommitLog, Key: "c"}))
	for range 2 {
		check(store.CommitLog, "", "a", "b")
		check(store.CatalogueLog, "a")
		check(store.SourceLog)
		f.restart()
	}
}

func testManyLogs(t *testing.T, f *fixture) {
	const logs, entries = 200, 5
	id := func(i int) store.LogID {
		return store.LogID{Kind: store.CommitLog, Key: fmt.Sprintf("table/%d", i)}
	}
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := w; i < logs; i += 8 {
				for e := range entries {
					if err := f.s.Append(f.ctx, id(i), uint64(e+1), fmt.Appendf(nil, "%d-%d", i, e)); err != nil {
						t.Errorf("append: %v", err)
					}
				}
			}
		})
	}
	wg.Wait()
	for range 2 {
		for i := range logs {
			var want []string
			for e := range entries {
				want = append(want, fmt.Sprintf("%d-%d", i, e))
			}
			f.read(id(i), 1, want...)
		}
		f.restart()
	}
}

func testBigValues(t *testing.T, f *fixture) {
	rng := rand.NewChaCha8([32]byte{1})
	sizes := []int{0, 1, 4095, 4096, 1 << 20, 1<<20 + 1, 9 << 20, 3}
	var want []string
	for i, n := range sizes {
		b := make([]byte, n)
		if _, err := rng.Read(b); err != nil {
			f.t.Fatal(err)
		}
		want = append(want, string(b))
		f.append(wal, uint64(i+1), string(b))
	}
	for range 2 {
		got, err := Collect(f.ctx, f.s, wal, 1)
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("big values differ: %d entries, %v", len(got), err)
		}
		f.restart()
	}
}

func testHostileKeys(t *testing.T, f *fixture) {
	keys := []string{"", "/", "..", "../../etc", "a\x00b", "\xff\xfe", "A", "a", ".", "con", string(bytes.Repeat([]byte("long"), 300)),
		string(bytes.Repeat([]byte("long"), 300)) + "!", string(bytes.Repeat([]byte{0}, 96)), string(bytes.Repeat([]byte{0}, 97))}
	var sealed []*chunk.Sealed
	for i, key := range keys {
		log := store.LogID{Kind: store.CommitLog, Key: key}
		f.append(log, 1, fmt.Sprint("entry ", i))
		f.do("put checkpoint", f.s.PutCheckpoint(f.ctx, log, fmt.Append(nil, "checkpoint ", i)))
		c := Sealed(ChunkID(i), "blob "+fmt.Sprint(i))
		f.do("put chunks", f.s.PutChunks(f.ctx, chunk.PartitionID{Table: 1, Key: key}, []*chunk.Sealed{c}))
		sealed = append(sealed, c)
	}
	for range 2 {
		for i, key := range keys {
			log := store.LogID{Kind: store.CommitLog, Key: key}
			f.read(log, 1, fmt.Sprint("entry ", i))
			if b, err := f.s.Checkpoint(f.ctx, log); err != nil || string(b) != fmt.Sprint("checkpoint ", i) {
				t.Fatalf("checkpoint of key %q: %q, %v", key, b, err)
			}
			id := chunk.PartitionID{Table: 1, Key: key}
			if b, _, err := f.s.Column(f.ctx, id, &sealed[i].Entry, 0); err != nil || string(b) != fmt.Sprint("blob ", i) {
				t.Fatalf("column of key %q: %q, %v", key, b, err)
			}
			if ids, err := f.s.Chunks(f.ctx, id); err != nil || !slices.Equal(ids, []chunk.ID{ChunkID(i)}) {
				t.Fatalf("chunks of key %q: %x, %v", key, ids, err)
			}
		}
		f.restart()
	}
}

func testOneAppenderWins(t *testing.T, f *fixture) {
	const writers, entries = 8, 40
	wins := make([]atomic.Int32, entries+1)
	var owner [entries + 1]atomic.Int32
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for seq := uint64(1); seq <= entries; {
				err := f.s.Append(f.ctx, cat, seq, fmt.Append(nil, w))
				switch {
				case err == nil:
					wins[seq].Add(1)
					owner[seq].Store(int32(w))
				case !errors.Is(err, store.ErrConflict):
					t.Errorf("append %d: %v", seq, err)
					return
				}
				head, err := f.s.Head(f.ctx, cat)
				if err != nil {
					t.Errorf("head: %v", err)
					return
				}
				if head < seq { // the loser must find what beat it
					t.Errorf("head is %d after an append of %d was decided", head, seq)
					return
				}
				seq = head + 1
			}
		})
	}
	wg.Wait()
	var want []string
	for seq := 1; seq <= entries; seq++ {
		if n := wins[seq].Load(); n != 1 {
			t.Fatalf("%d appenders won sequence number %d", n, seq)
		}
		want = append(want, fmt.Sprint(owner[seq].Load()))
	}
	f.read(cat, 1, want...)
	f.restart()
	f.read(cat, 1, want...)
}

// testPipelinedAppends has a writer of one log begin appends before the ones
// before have ended: each is decided, in order, and none is lost.
func testPipelinedAppends(t *testing.T, f *fixture) {
	var mu sync.Mutex
	next := uint64(1)
	acked := map[uint64]string{}
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 25 {
				data := fmt.Sprintf("%d-%d", w, i)
				for {
					mu.Lock()
					seq := next
					mu.Unlock()
					err := f.s.Append(f.ctx, wal, seq, []byte(data))
					mu.Lock()
					next = max(next, seq+1)
					if err == nil {
						acked[seq] = data
					}
					mu.Unlock()
					if err == nil {
						break
					}
					if !errors.Is(err, store.ErrConflict) {
						t.Errorf("append: %v", err)
						return
					}
				}
			}
		})
	}
	wg.Wait()
	got, err := Collect(f.ctx, f.s, wal, 1)
	if err != nil || len(got) != 200 {
		t.Fatalf("%d entries, %v", len(got), err)
	}
	for i, g := range got {
		if acked[uint64(i+1)] != g {
			t.Fatalf("entry %d is %q, acknowledged was %q", i+1, g, acked[uint64(i+1)])
		}
	}
}

func testReadWhileAppending(t *testing.T, f *fixture) {
	const entries = 200
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range entries {
			if err := f.s.Append(f.ctx, wal, uint64(i+1), fmt.Append(nil, i+1)); err != nil {
				t.Errorf("append: %v", err)
			}
			if i%20 == 19 {
				if err := f.s.Trim(f.ctx, wal, uint64(i-10)); err != nil {
					t.Errorf("trim: %v", err)
				}
			}
		}
	})
	for last := uint64(0); last < entries; {
		head, err := f.s.Head(f.ctx, wal)
		f.do("head", err)
		n := uint64(0)
		for e, err := range f.s.Read(f.ctx, wal, last+1) {
			if errors.Is(err, store.ErrTrimmed) {
				last = head // trimmed before we came
				break
			}
			f.do("read", err)
			if e.Seq != last+1 || string(e.Data) != fmt.Sprint(e.Seq) {
				t.Fatalf("entry %d %q after %d", e.Seq, e.Data, last)
			}
			last = e.Seq
			n++
		}
		if last < head {
			t.Fatalf("read ended at %d, the head was %d", last, head)
		}
	}
	wg.Wait()
}

func testCancelledContext(t *testing.T, f *fixture) {
	f.append(wal, 1, "a")
	ctx, cancel := context.WithCancel(f.ctx)
	cancel()
	errs := map[string]error{
		"append":            f.s.Append(ctx, wal, 2, nil),
		"trim":              f.s.Trim(ctx, wal, 2),
		"drop":              f.s.Drop(ctx, wal),
		"put checkpoint":    f.s.PutCheckpoint(ctx, wal, nil),
		"put chunks":        f.s.PutChunks(ctx, chunk.PartitionID{}, []*chunk.Sealed{Sealed(ChunkID(1), "x")}),
		"delete chunks":     f.s.DeleteChunks(ctx, chunk.PartitionID{}, nil),
		"delete checkpoint": f.s.DeleteCheckpoint(ctx, wal),
	}
	_, errs["head"] = f.s.Head(ctx, wal)
	_, errs["list"] = f.s.List(ctx, store.SourceLog)
	_, errs["chunks"] = f.s.Chunks(ctx, chunk.PartitionID{})
	_, errs["checkpoint"] = f.s.Checkpoint(ctx, wal)
	_, errs["read"] = Collect(ctx, f.s, wal, 1)
	for what, err := range errs {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s with a cancelled context: %v", what, err)
		}
	}
	f.head(wal, 1)
	f.read(wal, 1, "a")
}

func testClosed(t *testing.T, f *fixture) {
	f.append(wal, 1, "a")
	s := f.s
	f.restart()
	if err := s.Append(f.ctx, wal, 2, nil); err == nil {
		t.Error("append to a closed store succeeded")
	}
	if _, err := s.Head(f.ctx, wal); err == nil {
		t.Error("head of a closed store succeeded")
	}
	if err := s.PutCheckpoint(f.ctx, wal, nil); err == nil {
		t.Error("checkpoint into a closed store succeeded")
	}
	f.head(wal, 1)
}
