package commitlog

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/memstore"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// fill commits that many chunks of ten columns, 50 a commit, 10 a slice.
func fill(t testing.TB, l *Log, chunks int) {
	t.Helper()
	from := int(l.Manifest().Folded(alice))
	for n := from; n < from+chunks; n += 50 {
		m := l.Manifest()
		c := flush(alice, Interval{alice, uint64(n), uint64(n) + 50})
		for i := n; i < n+50; i++ {
			e := benchEntry(i, 1, m.seq)
			e.Slice = int64(i / 10)
			e.Time = chunk.TimeRange{Min: 1000 * 1000, Max: 2000 * 1000}
			c.Adds = append(c.Adds, e)
		}
		mustCommit(t, l, c)
	}
}

// TestPagesOnDemand: of a log of many chunks a process that opens it has summaries,
// and reads what is asked for into a cache that does not grow beyond its budget.
func TestPagesOnDemand(t *testing.T) {
	onStores(t, func(t *testing.T, st store.Store) {
		const chunks = 3000
		l := open(t, st, Options{CheckpointEvery: -1})
		fill(t, l, chunks)
		if err := l.Checkpoint(ctx); err != nil {
			t.Fatal(err)
		}
		const budget = 800_000 // of 128 chunks some 300,000
		cache := NewPageCache(budget)
		m := open(t, st, Options{Pages: cache}).Manifest()
		n := cache.Counters()
		if resident := residents(m); resident >= defaultPageSizes.least || m.Len() != chunks || m.loose != 0 || n.Misses.Load() != 0 {
			t.Fatalf("%v: %d chunks in memory, %d pages read", m, resident, n.Misses.Load())
		}
		for slice, most := range map[int64]int64{0: 1, 7: 1, 12: 2, 150: 1, 299: 1, 300: 0, -1: 0} {
			before := n.Misses.Load()
			got := collected(t, m.ChunksOf(ctx, slice))
			want := 10
			if most == 0 {
				want = 0
			}
			if read := n.Misses.Load() - before; len(got) != want || read > most {
				t.Errorf("slice %d: %d chunks, %d pages read, of %d", slice, len(got), read, len(m.pages))
			}
		}
		if got := collected(t, m.ChunksIn(ctx, ChunkRange{Slice: 150, KeyMin: []byte("w")})); len(got) != 0 {
			t.Errorf("%d chunks above all keys", len(got))
		}
		last := n.Misses.Load()
		at := m.pages[10].first
		if got := collected(t, m.ChunksIn(ctx, ChunkRange{Slice: at.slice, KeyMin: at.key, KeyMax: at.key})); !slices.ContainsFunc(got, func(e *chunk.Entry) bool { return e.ID == at.id }) {
			t.Errorf("the first chunk of a page is not among %d chunks with its key", len(got))
		}
		last = n.Misses.Load()
		if got := collected(t, m.ChunksIn(ctx, ChunkRange{Slice: 150, Newer: 5})); len(got) != 0 || n.Misses.Load() != last {
			t.Errorf("%d chunks with newer rows, %d pages read", len(got), n.Misses.Load()-last)
		}
		if got := chunksOf(t, m); len(got) != chunks {
			t.Errorf("%d chunks in all", len(got))
		}
		if n.Bytes.Load() > budget || n.Evictions.Load() == 0 || n.Bytes.Load() < budget/4 {
			t.Errorf("%d bytes in memory of %d, %d pages dropped", n.Bytes.Load(), budget, n.Evictions.Load())
		}
		if r, err := m.Time(ctx); err != nil || r != (chunk.TimeRange{Min: 1000 * 1000, Max: 2000 * 1000}) {
			t.Errorf("times %v, %v", r, err)
		}
		checkManifest(t, m)
	})
}

// residents counts the chunks that a manifest has in memory.
func residents(m *Manifest) (n int) {
	for _, p := range m.pages {
		n += len(p.added)
	}
	return n
}

// TestCheckpointWritesWhatChanged: the second checkpoint of a large partition
// writes the pages that chunks came to, and the pages in their place go later.
func TestCheckpointWritesWhatChanged(t *testing.T) {
	onStores(t, func(t *testing.T, st store.Store) {
		ledger := newLedger(st)
		now := noon
		l := open(t, ledger, Options{CheckpointEvery: -1, Now: func() time.Time { return now }, PageLifetime: time.Minute})
		checkpoint := func() []store.LogID {
			t.Helper()
			before := ledger.ids()
			if err := l.Checkpoint(ctx); err != nil {
				t.Fatal(err)
			}
			return slices.DeleteFunc(ledger.ids(), func(id store.LogID) bool { return slices.Contains(before, id) })
		}
		fill(t, l, 3000)
		if n := len(checkpoint()); n < 3000/128+1 {
			t.Fatalf("the first checkpoint wrote %d objects", n)
		}
		old := l.Manifest()
		if n := residents(old); n >= defaultPageSizes.least {
			t.Errorf("%d chunks are in memory after a checkpoint", n)
		}
		fill(t, l, 50) // at the end
		late := benchEntry(5000, 1, l.Manifest().seq)
		late.Slice, late.KeyMin = 150, []byte("vehicle-001505x") // in the midst
		mustCommit(t, l, flush(bob, Interval{bob, 0, 1}, late))
		if n := len(checkpoint()); n > 5 {
			t.Errorf("the second checkpoint wrote %d objects", n)
		}
		m := l.Manifest()
		checkManifest(t, m)
		sameState(t, open(t, st, Options{}).Manifest(), m)
		if len(m.retired) < 1 || len(m.retired) > 3 || len(ledger.ids()) != len(m.pages)+len(m.retired)+1-inline(m) {
			t.Errorf("%d pages, %d retired, %d objects", len(m.pages), len(m.retired), len(ledger.ids()))
		}
		// Who has the old state may read it until the time is over.
		l.opt.Pages, l.pager.cache = NewPageCache(0), NewPageCache(0)
		if n := len(chunksOf(t, old)); n != 3000 {
			t.Errorf("%d chunks of the old state", n)
		}
		now = now.Add(2 * time.Minute)
		fill(t, l, 50)
		mustCommit(t, l, retention([]chunk.ID{benchEntry(1505, 1, 0).ID}))
		checkpoint()
		for _, p := range m.retired {
			if _, err := ledger.Checkpoint(ctx, p.id(part)); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("page %v is still there: %v", p.storedName, err)
			}
		}
		// It is put together from what is there now, as long as its chunks are.
		checkManifest(t, old)
		c := horizon(benchEntry(1506, 1, 0).ID, benchEntry(1505, 1, 0).ID)
		mustCommit(t, l, c)
		checkpoint()
		var err error
		for _, err = range old.Chunks(ctx) {
			if err != nil {
				break
			}
		}
		if pgerr.Code(err) != pgerr.SnapshotTooOld {
			t.Errorf("the old state, whose chunk was freed: %v", err)
		}
		if m = l.Manifest(); len(ledger.ids()) != len(m.pages)+len(m.retired)+1-inline(m) {
			t.Errorf("%d pages, %d retired, %d objects", len(m.pages), len(m.retired), len(ledger.ids()))
		}
		checkManifest(t, m)
	})
}

// inline counts the pages that lie in the checkpoint itself.
func inline(m *Manifest) (n int) {
	for _, p := range m.pages {
		if p.stored == nil {
			n++
		}
	}
	return n
}

// TestDamagedPages: what needs a page that is bad or missing fails with XX001, what
// does not need it goes on.
func TestDamagedPages(t *testing.T) {
	for name, damage := range map[string]func(st store.Store, page, other storedName) error{
		"missing": func(st store.Store, page, _ storedName) error { return st.DeleteCheckpoint(ctx, page.id(part)) },
		"changed": func(st store.Store, page, _ storedName) error {
			data, err := st.Checkpoint(ctx, page.id(part))
			if err != nil {
				return err
			}
			data = slices.Clone(data)
			data[len(data)/2] ^= 1
			return st.PutCheckpoint(ctx, page.id(part), data)
		},
		"another": func(st store.Store, page, other storedName) error {
			data, err := st.Checkpoint(ctx, other.id(part))
			if err != nil {
				return err
			}
			return st.PutCheckpoint(ctx, page.id(part), data)
		},
	} {
		t.Run(name, func(t *testing.T) {
			st := memstore.New(nil)
			l := open(t, st, Options{CheckpointEvery: -1})
			fill(t, l, 1000)
			if err := l.Checkpoint(ctx); err != nil {
				t.Fatal(err)
			}
			m := open(t, st, Options{}).Manifest()
			if err := damage(st, *m.pages[3].stored, *m.pages[4].stored); err != nil {
				t.Fatal(err)
			}
			collected(t, m.ChunksOf(ctx, m.pages[0].first.slice))
			var err error
			for _, err = range m.Chunks(ctx) {
				if err != nil {
					break
				}
			}
			if !errors.Is(err, chunk.ErrCorrupt) || pgerr.Code(err) != pgerr.DataCorrupted {
				t.Errorf("walk: %v", err)
			}
			again := open(t, st, Options{Retries: -1})
			_, err = again.Commit(ctx, retention([]chunk.ID{benchEntry(3*128+1, 1, 0).ID}))
			if !errors.Is(err, chunk.ErrCorrupt) || errors.Is(err, ErrUnknown) {
				t.Errorf("commit: %v", err)
			}
			fill(t, again, 50) // a flush needs none of it
			if err := Drop(ctx, st, part); err != nil {
				t.Errorf("drop: %v", err)
			}
		})
	}
}

// TestPagesAgainstEntries edits manifests at random, with checkpoints between, and
// compares them with one that has all chunks in memory.
func TestPagesAgainstEntries(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 30 {
		st := memstore.New(nil)
		l := open(t, st, Options{CheckpointEvery: -1, Pages: NewPageCache(int64(rng.IntN(20_000))),
			pages: pageSizes{most: 2 + rng.IntN(6), least: 1 + rng.IntN(3)}})
		plain, made, pos := &Manifest{}, 0, uint64(0)
		for range 40 {
			m := l.Manifest()
			var c *Commit
			switch ids := liveIDs(t, plain); {
			case rng.IntN(4) == 0:
				if err := l.Checkpoint(ctx); err != nil {
					t.Fatal(err)
				}
				checkManifest(t, l.Manifest())
				for e, err := range st.Read(ctx, LogID(part), plain.seq+1) {
					var next *Manifest
					if err == nil {
						next, err = l.read(ctx, plain, e)
					}
					if err != nil {
						t.Fatal(err)
					}
					plain = next
				}
				continue
			case len(ids) > 0 && rng.IntN(3) == 0:
				rng.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
				c = retention(ids[:1+rng.IntN(len(ids))])
			default:
				c = flush(alice, Interval{alice, pos, pos + 1})
				pos++
				for range 1 + rng.IntN(8) {
					e := benchEntry(made, 1, 0)
					e.Slice, e.KeyMin, e.From = int64(rng.IntN(4)), fmt.Appendf(nil, "%03d", rng.IntN(50)), 0
					c.Adds = append(c.Adds, e)
					made++
				}
			}
			m = mustCommit(t, l, c)
			var err error
			if plain, err = plain.Apply(ctx, plain.seq+1, c); err != nil {
				t.Fatal(err)
			}
			checkManifest(t, m)
			sameState(t, m, plain)
		}
	}
}

func liveIDs(t *testing.T, m *Manifest) (ids []chunk.ID) {
	for _, e := range chunksOf(t, m) {
		ids = append(ids, e.ID)
	}
	return ids
}

// TestPageCacheShares: callers that ask for a page at once share one read, and one
// that gives up does not fail the others.
func TestPageCacheShares(t *testing.T) {
	c, name := NewPageCache(1<<20), storedName{seq: 1}
	entries := []*chunk.Entry{entry(1, 0)}
	begun, release := make(chan struct{}), make(chan struct{})
	type answer struct {
		entries []*chunk.Entry
		err     error
	}
	first, second := make(chan answer, 1), make(chan answer, 1)
	go func() {
		got, err := c.get(ctx, name, func() ([]*chunk.Entry, error) {
			close(begun)
			<-release
			return nil, context.Canceled // of its own context
		})
		first <- answer{got, err}
	}()
	<-begun
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := c.get(gone, name, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("who does not wait: %v", err)
	}
	go func() {
		got, err := c.get(ctx, name, func() ([]*chunk.Entry, error) { return entries, nil })
		second <- answer{got, err}
	}()
	close(release)
	if a := <-first; !errors.Is(a.err, context.Canceled) {
		t.Errorf("who read: %v", a.err)
	}
	if a := <-second; a.err != nil || len(a.entries) != 1 {
		t.Errorf("who waited: %v", a.err)
	}
	if got, err := c.get(ctx, name, nil); err != nil || len(got) != 1 || c.Counters().Hits.Load() != 1 || c.Counters().Misses.Load() != 2 {
		t.Errorf("%d hits, %d misses, %v", c.Counters().Hits.Load(), c.Counters().Misses.Load(), err)
	}
}

// pausing is a store as one process sees it. It may stop before a checkpoint is
// known to be written, or fail instead.
type pausing struct {
	store.Store
	puts    int
	at      int           // which put; 0 for none
	reached chan struct{} // closed there
	release chan struct{}
	fail    error
}

func (s *pausing) PutCheckpoint(ctx context.Context, id store.LogID, data []byte) error {
	if s.fail != nil {
		return s.fail
	}
	err := s.Store.PutCheckpoint(ctx, id, data)
	if s.puts++; s.puts == s.at {
		close(s.reached)
		<-s.release
	}
	return err
}

// pauseAt stops at the n-th put from now on.
func (s *pausing) pauseAt(n int) {
	s.puts, s.at, s.reached, s.release = 0, n, make(chan struct{}), make(chan struct{})
}

// TestCheckpointOfOtherPages: two processes divide chunks into pages differently.
// While one is between writing a checkpoint and making it the one in use, the other
// makes an older one that, and lets go of a page that the first one has.
func TestCheckpointOfOtherPages(t *testing.T) {
	shared := memstore.New(nil)
	stores := [2]*pausing{{Store: shared}, {Store: shared}}
	logs := [2]*Log{}
	for i := range logs {
		logs[i] = open(t, stores[i], Options{CheckpointEvery: -1, PageLifetime: -1, Retries: -1, pages: pageSizes{most: []int{8, 2}[i], least: 2}})
	}
	add := func(l *Log, pos uint64, n int) {
		e := benchEntry(n, 1, 0)
		e.Slice = 0
		mustCommit(t, l, flush(alice, Interval{alice, pos, pos + 1}, e))
	}
	add(logs[1], 0, 1)
	add(logs[1], 1, 2)
	if err := logs[1].Checkpoint(ctx); err != nil {
		t.Fatal(err)
	}
	kept := *logs[1].Manifest().pages[0].stored
	add(logs[0], 2, 3) // to the page in the first process, after it in the second
	finished := [2]chan error{make(chan error, 1), make(chan error, 1)}
	checkpoint := func(i int) {
		stores[i].pauseAt(2) // a page, and the checkpoint
		go func() { finished[i] <- logs[i].Checkpoint(ctx) }()
		<-stores[i].reached
	}
	checkpoint(0)
	add(logs[1], 3, 4)
	checkpoint(1)
	close(stores[0].release)
	if err := <-finished[0]; err != nil {
		t.Fatal(err)
	}
	add(logs[0], 4, 5)
	stores[0].fail = memstore.ErrInjected
	if err := logs[0].Checkpoint(ctx); !errors.Is(err, memstore.ErrInjected) {
		t.Fatal(err)
	}
	if _, err := shared.Checkpoint(ctx, kept.id(part)); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("the page is there still: %v", err)
	}
	close(stores[1].release)
	if err := <-finished[1]; err != nil {
		t.Fatal(err)
	}
	for _, l := range append(logs[:], open(t, shared, Options{})) {
		m, err := l.Refresh(ctx)
		if err != nil || m.Len() != 5 {
			t.Fatalf("%v, %v", m, err)
		}
		checkManifest(t, m)
	}
}
