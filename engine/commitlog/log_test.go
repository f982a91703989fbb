package commitlog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/local"
	"github.com/phyllodb/phyllo/engine/memstore"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/vfs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	ctx  = context.Background()
	part = chunk.PartitionID{Table: 7, Key: "north"}
)

// onStores runs a test on both stores.
func onStores(t *testing.T, test func(t *testing.T, st store.Store)) {
	t.Run("store=memory", func(t *testing.T) { test(t, memstore.New(nil)) })
	t.Run("store=local", func(t *testing.T) {
		st, err := local.Open(local.Options{Dir: "/data", FS: vfs.NewMem(), LogFileBytes: 4096})
		if err != nil {
			t.Fatal(err)
		}
		test(t, st)
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
}

func open(t testing.TB, st store.Store, opt Options) *Log {
	t.Helper()
	if opt.Wait == nil {
		opt.Wait = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	}
	l, err := Open(ctx, st, part, opt)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func mustCommit(t testing.TB, l *Log, c *Commit) *Manifest {
	t.Helper()
	m, err := l.Commit(ctx, c)
	if err != nil {
		t.Fatalf("%v: %v", c.Kind, err)
	}
	if !m.Recent(c.ID) {
		t.Fatalf("%v: committed, and not in %v", c.Kind, m)
	}
	return m
}

// put makes a chunk whose blobs are in the store.
func put(t testing.TB, st store.Store, n int, from uint64) *chunk.Entry {
	t.Helper()
	e := entry(n, from)
	e.Columns = e.Columns[:1]
	e.Columns[0].Size = 4
	s := &chunk.Sealed{Entry: *e, Blobs: [][]byte{[]byte("blob")}}
	if err := st.PutChunks(ctx, part, []*chunk.Sealed{s}); err != nil {
		t.Fatal(err)
	}
	return &s.Entry
}

// sameState compares two logs' manifests, however they are divided into pages.
func sameState(t testing.TB, got, want *Manifest) {
	t.Helper()
	if string(mustCanonical(t, got)) != string(mustCanonical(t, want)) {
		t.Fatalf("state is %v\nwant %v", got, want)
	}
}

func TestLog(t *testing.T) {
	onStores(t, func(t *testing.T, st store.Store) {
		l := open(t, st, Options{CheckpointEvery: -1})
		if m := l.Manifest(); m.Seq() != 0 || m.Len() != 0 {
			t.Fatalf("new log: %v", m)
		}
		c := flush(alice, Interval{alice, 0, 4}, put(t, st, 21, 0))
		c.ID, c.Time = CommitID{}, time.Time{}
		mustCommit(t, l, c)
		if c.ID == (CommitID{}) || c.Time.IsZero() {
			t.Fatal("the commit has no ID, or no time")
		}
		old := l.Manifest()
		if m := mustCommit(t, l, c); m != old {
			t.Fatalf("committed again: %v", m)
		}
		other := open(t, st, Options{})
		sameState(t, other.Manifest(), old)
		mustCommit(t, other, flush(bob, Interval{bob, 0, 2}, put(t, st, 31, 1)))
		if l.Manifest() != old {
			t.Fatal("read without being asked")
		}
		m, err := l.Refresh(ctx)
		if err != nil {
			t.Fatal(err)
		}
		sameState(t, m, other.Manifest())
		// Judged by what is in the log, not by what was last read of it.
		mustCommit(t, other, flush(alice, Interval{alice, 4, 6}))
		mustCommit(t, l, flush(alice, Interval{alice, 6, 7}))
		mustCommit(t, other, compaction([]chunk.ID{id(21), id(31)}, put(t, st, 41, 4)))
		if _, err := l.Commit(ctx, compaction([]chunk.ID{id(21)})); !errors.Is(err, ErrPrecondition) {
			t.Fatalf("compaction of a removed chunk: %v", err)
		}
		if _, err := l.Commit(ctx, commit(Flush, alice)); pgerr.Code(err) != pgerr.InternalError {
			t.Fatalf("malformed commit: %v", err)
		}
		if _, err := l.Commit(ctx, checkpointAt(1)); pgerr.Code(err) != pgerr.InternalError {
			t.Fatalf("a checkpoint that nobody wrote: %v", err)
		}
		if l.Partition() != part {
			t.Error(l.Partition())
		}
	})
}

func TestCheckpoints(t *testing.T) {
	onStores(t, func(t *testing.T, st store.Store) {
		ledger := newLedger(st)
		st = ledger
		l := open(t, st, Options{CheckpointEvery: 4})
		stale := open(t, st, Options{})
		old := l.Manifest()
		for i := range uint64(30) {
			m := mustCommit(t, l, flush(alice, Interval{alice, i, i + 1}, put(t, st, 21+int(i), i)))
			again := open(t, st, Options{})
			sameState(t, again.Manifest(), m)
			if tail := m.seq - m.base.seq; tail > 5 {
				t.Fatalf("%d entries after the last checkpoint", tail)
			}
		}
		base := l.Manifest().base
		if entries, err := collect(st, base.seq+1); err != nil || len(entries) == 0 || entries[0].Seq != base.seq+1 {
			t.Errorf("%d entries after the checkpoint: %v", len(entries), err)
		}
		if _, err := collect(st, base.seq); !errors.Is(err, store.ErrTrimmed) {
			t.Errorf("entry %v is still there: %v", base, err)
		}
		ledger.has(t, base.id(part))
		// A log that is far behind goes on from the checkpoint.
		mustCommit(t, stale, flush(bob, Interval{bob, 0, 1}))
		if stale.Manifest().Folded(alice) != 30 {
			t.Errorf("%v", stale.Manifest())
		}
		for range 3 { // the second and third have nothing to do
			if err := stale.Checkpoint(ctx); err != nil {
				t.Fatal(err)
			}
		}
		m := stale.Manifest()
		if m.seq != m.base.seq+1 || m.base.seq <= base.seq {
			t.Errorf("checkpoint %v, the log ends at %d", m.base, m.seq)
		}
		sameState(t, open(t, st, Options{}).Manifest(), m)
		ledger.has(t, m.base.id(part)) // that of another process is gone
		if l.publish(old); l.Manifest() == old {
			t.Error("the state went back")
		}
	})
}

func collect(st store.Store, seq uint64) (entries []store.Entry, err error) {
	for e, err := range st.Read(ctx, LogID(part), seq) {
		if err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// TestCheckpointWaitsForLargeStates: one in a partition of many chunks would
// cost more than the entries that it saves.
func TestCheckpointWaitsForLargeStates(t *testing.T) {
	l := open(t, memstore.New(nil), Options{CheckpointEvery: 4})
	for chunks, want := range map[int]uint64{0: 4, 4096: 4, 10_240: 10, 65_536: 64, 6_400_000: 64} {
		m := &Manifest{seq: want - 1, count: chunks}
		if l.due(m) {
			t.Errorf("%d chunks: due after %d entries", chunks, m.seq)
		}
		m.seq++
		if !l.due(m) {
			t.Errorf("%d chunks: not due after %d entries", chunks, m.seq)
		}
	}
	if m := (&Manifest{seq: 2, base: storedName{seq: 1}, loose: maxLoose}); !l.due(m) {
		t.Errorf("not due for %d chunks in memory", m.loose)
	}
}

// A checkpointLedger is a store that knows which checkpoints and pages it has.
type checkpointLedger struct {
	store.Store
	names   map[store.LogID]bool
	written int // bytes
}

func newLedger(st store.Store) *checkpointLedger {
	return &checkpointLedger{Store: st, names: map[store.LogID]bool{}}
}

func (l *checkpointLedger) PutCheckpoint(ctx context.Context, id store.LogID, data []byte) error {
	l.names[id] = true
	l.written += len(data)
	return l.Store.PutCheckpoint(ctx, id, data)
}

func (l *checkpointLedger) DeleteCheckpoint(ctx context.Context, id store.LogID) error {
	err := l.Store.DeleteCheckpoint(ctx, id)
	if err == nil {
		delete(l.names, id)
	}
	return err
}

func (l *checkpointLedger) ids() []store.LogID { return slices.Collect(maps.Keys(l.names)) }

// has compares what there is.
func (l *checkpointLedger) has(t *testing.T, want ...store.LogID) {
	t.Helper()
	left := maps.Clone(l.names)
	for _, id := range want {
		if !left[id] {
			t.Errorf("%q is not there", id.Key)
		}
		delete(left, id)
	}
	for id := range left {
		t.Errorf("%q is still there", id.Key)
	}
}

func TestForget(t *testing.T) {
	onStores(t, func(t *testing.T, st store.Store) {
		dead := map[Source]bool{}
		l := open(t, st, Options{Live: func(s Source) bool { return !dead[s] }})
		mustCommit(t, l, flush(bob, Interval{bob, 0, 3}))
		mustCommit(t, l, with(flush(alice, Interval{alice, 0, 3}), func(c *Commit) { c.Seals = []Source{bob} }))
		dead[bob] = true
		if err := l.Checkpoint(ctx); err != nil {
			t.Fatal(err)
		}
		m := open(t, st, Options{}).Manifest()
		sameState(t, m, l.Manifest())
		if want := []SourceState{{Source: alice, Folded: 3, Owner: alice}}; !slices.Equal(m.Sources(), want) || !m.Ended(bob) {
			t.Errorf("sources %+v, want %+v", m.Sources(), want)
		}
		if _, err := l.Commit(ctx, flush(bob, Interval{bob, 0, 3})); !errors.Is(err, ErrPrecondition) {
			t.Errorf("the zombie flushes: %v", err)
		}
	})
}

func TestDrop(t *testing.T) {
	onStores(t, func(t *testing.T, st store.Store) {
		ledger := newLedger(st)
		st = ledger
		if err := Drop(ctx, st, part); err != nil {
			t.Fatalf("of nothing: %v", err)
		}
		l := open(t, st, Options{CheckpointEvery: 3})
		for i := range uint64(10) {
			mustCommit(t, l, flush(alice, Interval{alice, i, i + 1}, put(t, st, 21+int(i), i)))
		}
		left := l.Manifest().previous.id(part) // by a process that died too early
		if err := st.PutCheckpoint(ctx, left, []byte("old")); err != nil {
			t.Fatal(err)
		}
		put(t, st, 99, 0) // unnamed
		for range 2 {
			if err := Drop(ctx, st, part); err != nil {
				t.Fatal(err)
			}
		}
		ids, err := st.Chunks(ctx, part)
		head, herr := st.Head(ctx, LogID(part))
		if err != nil || herr != nil || len(ids) > 0 || head != 0 {
			t.Errorf("%d chunks, a log of %d; %v, %v", len(ids), head, err, herr)
		}
		ledger.has(t)
		// A log that somebody still has open takes nothing more.
		if _, err := l.Commit(ctx, flush(alice, Interval{alice, 10, 11})); !errors.Is(err, store.ErrConflict) || errors.Is(err, ErrUnknown) {
			t.Errorf("commit to a dropped log: %v", err)
		}
	})
}

// TestDamagedLogs: a checkpoint or an entry that is missing or bad is XX001,
// and Drop works nevertheless.
func TestDamagedLogs(t *testing.T) {
	for name, damage := range map[string]func(st store.Store, m *Manifest) error{
		"checkpoint missing": func(st store.Store, m *Manifest) error { return st.DeleteCheckpoint(ctx, m.base.id(part)) },
		"checkpoint of another log": func(st store.Store, m *Manifest) error {
			other := LogID(chunk.PartitionID{Table: 7, Key: "south"})
			return st.PutCheckpoint(ctx, m.base.id(part), appendCheckpoint(nil, other, m))
		},
		"entries missing": func(st store.Store, m *Manifest) error { return st.Trim(ctx, LogID(part), m.base.seq+2) },
		"bad last entry":  func(st store.Store, m *Manifest) error { return st.Append(ctx, LogID(part), m.seq+1, []byte("bad")) },
		"entry that does not hold": func(st store.Store, m *Manifest) error {
			data := appendRecord(nil, LogID(part), m.seq+1, m.base, flush(alice, Interval{alice, 1, 2}))
			return st.Append(ctx, LogID(part), m.seq+1, data)
		},
		"entry with a wrong base": func(st store.Store, m *Manifest) error {
			data := appendRecord(nil, LogID(part), m.seq+1, storedName{seq: m.base.seq - 1}, horizon(id(1)))
			return st.Append(ctx, LogID(part), m.seq+1, data)
		},
	} {
		t.Run(name, func(t *testing.T) {
			st := memstore.New(nil)
			l := open(t, st, Options{CheckpointEvery: 3})
			for i := range uint64(6) {
				mustCommit(t, l, flush(alice, Interval{alice, i, i + 1}, put(t, st, 21+int(i), i)))
			}
			if m := l.Manifest(); m.base.seq == 0 || m.seq < m.base.seq+2 {
				t.Fatalf("checkpoint %v, the log ends at %d", m.base, m.seq)
			}
			if err := damage(st, l.Manifest()); err != nil {
				t.Fatal(err)
			}
			_, err := Open(ctx, st, part, Options{})
			if !errors.Is(err, chunk.ErrCorrupt) || pgerr.Code(err) != pgerr.DataCorrupted || !strings.Contains(err.Error(), "table 7") {
				t.Errorf("open: %v", err)
			}
			if _, err := l.Refresh(ctx); strings.Contains(name, "entry") && !errors.Is(err, chunk.ErrCorrupt) {
				t.Errorf("refresh: %v", err)
			}
			if err := Drop(ctx, st, part); err != nil {
				t.Errorf("drop: %v", err)
			}
		})
	}
}

// TestConcurrentUse lets goroutines commit on two Logs of one partition while
// others open, refresh, checkpoint and sweep it.
func TestConcurrentUse(t *testing.T) {
	onStores(t, func(t *testing.T, st store.Store) {
		logs := []*Log{open(t, st, Options{CheckpointEvery: 5}), open(t, st, Options{CheckpointEvery: 7})}
		const writers, each = 6, 25
		var committing, others sync.WaitGroup
		for w := range writers {
			committing.Go(func() {
				l, s := logs[w%2], Source{"w", uint64(w)}
				for i := range uint64(each) {
					if m, err := l.Commit(ctx, flush(s, Interval{s, i, i + 1})); err != nil || m.Folded(s) != i+1 {
						t.Errorf("writer %d, commit %d: %v", w, i, err)
						return
					}
				}
			})
		}
		done := make(chan struct{})
		during := func(do func() error) {
			others.Go(func() {
				for {
					if err := do(); err != nil {
						t.Error(err)
					}
					select {
					case <-done:
						return
					default:
					}
				}
			})
		}
		during(func() error { _, err := Open(ctx, st, part, Options{}); return err })
		during(func() error { _, err := logs[0].Refresh(ctx); return err })
		during(func() error { return logs[1].Checkpoint(ctx) })
		during(func() error { _, err := logs[0].Sweep(ctx, noon); return err })
		committing.Wait()
		close(done)
		others.Wait()
		m := open(t, st, Options{}).Manifest()
		for w := range writers {
			if got := m.Folded(Source{"w", uint64(w)}); got != each {
				t.Errorf("writer %d is folded up to %d of %d", w, got, each)
			}
		}
		for _, l := range logs {
			got, err := l.Refresh(ctx)
			if err != nil {
				t.Fatal(err)
			}
			sameState(t, got, m)
		}
	})
}

func TestOptions(t *testing.T) {
	if _, err := Open(ctx, memstore.New(nil), part, Options{CheckpointEvery: 1 << 21}); err == nil || !strings.Contains(err.Error(), "CheckpointEvery") {
		t.Error(err)
	}
	var got []time.Duration
	for n := range 30 {
		got = append(got, backoff(n+1))
	}
	if got[0] != firstWait || got[1] != 2*firstWait || got[29] != longestWait || !slices.IsSorted(got) {
		t.Error(got)
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if err := wait(ended, time.Hour); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := wait(ctx, time.Nanosecond); err != nil {
		t.Error(err)
	}
}

// TestCheckpointFails: a failure is logged, the commit has been made, and the
// next attempt comes soon but not at once.
func TestCheckpointFails(t *testing.T) {
	fail, tries := true, 0
	st := memstore.New(func(c memstore.Call) memstore.Verdict {
		if c.Op == memstore.OpPutCheckpoint {
			tries++
			if fail {
				return memstore.Verdict{Outcome: memstore.Fail}
			}
		}
		return memstore.Verdict{}
	})
	var out strings.Builder
	l := open(t, st, Options{CheckpointEvery: 8, Logger: slog.New(slog.NewTextHandler(&out, nil))})
	for i := range uint64(16) {
		mustCommit(t, l, flush(alice, Interval{alice, i, i + 1}))
	}
	if tries != 3 || strings.Count(out.String(), "a checkpoint of a commit log failed") != 3 {
		t.Errorf("%d tries after 16 commits, want 3\n%s", tries, out.String())
	}
	if err := l.Checkpoint(ctx); !errors.Is(err, memstore.ErrInjected) {
		t.Errorf("asked for: %v", err)
	}
	fail = false
	for i := range uint64(3) {
		mustCommit(t, l, flush(alice, Interval{alice, 16 + i, 17 + i}))
	}
	if m := l.Manifest(); m.base.seq == 0 {
		t.Errorf("still no checkpoint: %v", fmt.Sprint(m))
	}
}
