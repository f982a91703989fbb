package commitlog

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

var (
	alice = Source{"alice", 1}
	bob   = Source{"bob", 2}
	carol = Source{"carol", 3}
	noon  = time.Date(2026, 5, 4, 12, 0, 0, 123456000, time.UTC)
)

// id returns the ID of chunk n; higher ones are younger.
func id(n int) (id chunk.ID) {
	id[7], id[15] = byte(n), 9
	return id
}

// entry makes a chunk of slice n%10 with n rows, from the state after a commit.
func entry(n int, from uint64) *chunk.Entry {
	return &chunk.Entry{
		ID: id(n), Version: 1, Slice: int64(n % 10), Rows: n, From: from, Location: chunk.Location{Segment: id(n), Offset: 16},
		KeyMin: fmt.Appendf(nil, "k%03d", 255-n), KeyMax: []byte("z"),
		Columns: []chunk.ColumnEntry{{ID: 1, Type: datum.Of(datum.Int8), Size: int64(100 * n)}, {ID: 2, Type: datum.Of(datum.Int4), Size: 1}},
	}
}

func commit(kind Kind, by Source) *Commit {
	return &Commit{ID: NewCommitID(), Time: noon, Kind: kind, By: by, Schema: 5}
}

func flush(by Source, i Interval, adds ...*chunk.Entry) *Commit {
	c := commit(Flush, by)
	c.Sources, c.Adds = []Interval{i}, adds
	return c
}

func compaction(removes []chunk.ID, adds ...*chunk.Entry) *Commit {
	c := commit(Compaction, alice)
	c.Removes, c.Adds = removes, adds
	return c
}

func retention(removes []chunk.ID, sources ...Interval) *Commit {
	c := commit(Retention, alice)
	c.Removes, c.Sources = removes, sources
	return c
}

func horizon(h chunk.ID, freed ...chunk.ID) *Commit {
	c := commit(Horizon, alice)
	c.Horizon, c.Freed = h, freed
	return c
}

func checkpointAt(base uint64, forget ...Source) *Commit {
	c := commit(Checkpoint, alice)
	c.Base, c.Forget = base, forget
	return c
}

func seal(by Source, seals ...Source) *Commit {
	c := commit(Flush, by)
	c.Seals = seals
	return c
}

func with(c *Commit, change func(*Commit)) *Commit {
	change(c)
	return c
}

// folded applies the commits, which must all be allowed.
func folded(t testing.TB, commits ...*Commit) *Manifest {
	t.Helper()
	m := &Manifest{}
	for i, c := range commits {
		next, err := m.Apply(ctx, uint64(i+1), c)
		if err != nil {
			t.Fatalf("commit %d: %v", i+1, err)
		}
		m = next
	}
	return m
}

// base is a log with a bit of everything: alice's positions to 10 in chunks 21
// and 31, bob's to 5 in 32; 31 and 32 compacted to 41; a
// horizon at chunk 10; bob taken over by alice, carol begun and forgotten.
func base(t testing.TB) *Manifest {
	return folded(t,
		flush(alice, Interval{alice, 0, 4}, entry(21, 0)),
		flush(alice, Interval{alice, 4, 10}, entry(31, 1)),
		flush(bob, Interval{bob, 0, 5}, entry(32, 2)),
		retention(nil, Interval{alice, 10, 10}),
		compaction([]chunk.ID{id(31), id(32)}, entry(41, 4)),
		horizon(id(10)),
		seal(alice, bob),
		flush(carol, Interval{carol, 0, 1}),
		checkpointAt(6, carol),
	)
}

func TestPreconditions(t *testing.T) {
	for _, test := range []struct {
		name string
		c    *Commit
		want Precondition // 0: allowed
	}{
		{"flush", flush(alice, Interval{alice, 10, 11}, entry(50, 9)), 0},
		{"flush, begins too late", flush(alice, Interval{alice, 11, 12}), SourcePosition},
		{"flush, begins too early", flush(alice, Interval{alice, 4, 12}), SourcePosition},
		{"flush of an unknown source", flush(Source{"dora", 4}, Interval{Source{"dora", 4}, 0, 3}, entry(50, 4)), 0},
		{"flush of an unknown source, begins too late", flush(Source{"dora", 4}, Interval{Source{"dora", 4}, 1, 3}), SourcePosition},
		{"flush of another's source", flush(Source{"dora", 4}, Interval{alice, 10, 12}), SourceOwner},
		{"flush by a sealed committer", flush(bob, Interval{bob, 5, 6}), SourceOwner},
		{"takeover by a sealed committer", seal(bob, alice), SourceOwner},
		{"flush by the taker", flush(alice, Interval{bob, 5, 6}, entry(50, 4)), 0},
		{"flush by the next taker", with(flush(Source{"dora", 4}, Interval{bob, 5, 6}), func(c *Commit) { c.Seals = []Source{bob, alice} }), 0},
		{"flush by a forgotten committer", flush(carol, Interval{carol, 0, 2}), SourceAlive},
		{"takeover by a forgotten committer", seal(carol, bob), SourceAlive},
		{"takeover of a forgotten source", seal(alice, carol), SourceAlive},
		{"retention of a forgotten source", retention(nil, Interval{carol, 0, 1}), SourceAlive},
		{"flush, made from this commit", flush(alice, Interval{alice, 10, 11}, entry(50, 10)), ChunkFrom},
		{"flush, older than the horizon", flush(alice, Interval{alice, 10, 11}, entry(9, 9)), ChunkAge},
		{"flush, as old as the horizon", flush(alice, Interval{alice, 10, 11}, entry(10, 9)), 0},
		{"flush of a live chunk", flush(alice, Interval{alice, 10, 11}, entry(41, 9)), ChunkNew},
		{"flush of a removed chunk", flush(alice, Interval{alice, 10, 11}, entry(31, 9)), ChunkNew},
		{"compaction", compaction([]chunk.ID{id(41), id(21)}, entry(51, 9)), 0},
		{"compaction to nothing", compaction([]chunk.ID{id(41), id(21)}), 0},
		{"compaction of a removed chunk", compaction([]chunk.ID{id(21), id(31)}, entry(51, 9)), ChunkLive},
		{"compaction, older than the horizon", compaction([]chunk.ID{id(41)}, entry(5, 9)), ChunkAge},
		{"retention", retention([]chunk.ID{id(21)}), 0},
		{"retention of a removed chunk", retention([]chunk.ID{id(31)}), ChunkLive},
		{"retention, old schema", with(retention([]chunk.ID{id(21)}), func(c *Commit) { c.Schema = 4 }), SchemaCurrent},
		{"truncation", retention([]chunk.ID{id(21), id(41)}, Interval{alice, 10, 14}, Interval{bob, 5, 5}), 0},
		{"truncation, more has been folded", retention([]chunk.ID{id(21)}, Interval{bob, 4, 4}), SourcePosition},
		{"horizon", horizon(id(15)), 0},
		{"checkpoint", checkpointAt(9), 0},
		{"checkpoint of the one in use", checkpointAt(6), CheckpointNewer},
		{"checkpoint of the future", checkpointAt(10), CheckpointNewer},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := base(t)
			before := appendManifest(nil, m)
			next, err := m.Apply(ctx, m.Seq()+1, test.c)
			if string(appendManifest(nil, m)) != string(before) {
				t.Fatal("Apply changed the manifest it was given")
			}
			var unmet *PreconditionError
			switch {
			case test.want == 0 && err != nil:
				t.Fatal(err)
			case test.want == 0 && !(next.Seq() == m.Seq()+1 && next.Recent(test.c.ID)):
				t.Fatalf("applied: %v", next)
			case test.want == 0:
				checkManifest(t, next)
			case !errors.Is(err, ErrPrecondition) || !errors.As(err, &unmet) || unmet.Which != test.want || pgerr.Code(err) != pgerr.SerializationFailure:
				t.Fatalf("got %v, want a failure of: %v", err, test.want)
			}
		})
	}
}

// checkManifest compares what is kept beside the chunks with what they say.
func checkManifest(t *testing.T, m *Manifest) {
	t.Helper()
	rows, size, infos := int64(0), int64(0), map[int64]SliceInfo{}
	var last *chunk.Entry
	for _, e := range chunksOf(t, m) {
		if last != nil && compareChunks(last, e) >= 0 {
			t.Fatalf("chunk %v is out of order", e.ID)
		}
		last = e
		rows, size = rows+int64(e.Rows), size+blobBytes(e)
		i := infos[e.Slice]
		infos[e.Slice] = SliceInfo{Slice: e.Slice, Chunks: i.Chunks + 1, Rows: i.Rows + int64(e.Rows), Bytes: i.Bytes + blobBytes(e)}
		if found, err := m.Chunk(ctx, e.ID); err != nil || found.ID != e.ID {
			t.Fatalf("chunk %v is not found by its ID", e.ID)
		}
	}
	if rows != m.Rows() || size != m.Bytes() || len(m.fingerprints()) != m.Len() {
		t.Fatalf("%d rows, %d bytes, %d IDs: %v", rows, size, len(m.fingerprints()), m)
	}
	checkPages(t, m)
	got := slices.Collect(m.Slices())
	if len(got) != len(infos) || !slices.IsSortedFunc(got, compareSlices) {
		t.Fatalf("slices %v, want %v", got, infos)
	}
	for _, i := range got {
		if infos[i.Slice] != i {
			t.Fatalf("slice %+v, want %+v", i, infos[i.Slice])
		}
		if n := len(collected(t, m.ChunksOf(ctx, i.Slice))); n != i.Chunks {
			t.Fatalf("%d chunks of slice %d, want %d", n, i.Slice, i.Chunks)
		}
	}
}

// checkPages compares the summaries of pages with what is in them.
func checkPages(t *testing.T, m *Manifest) {
	t.Helper()
	total := 0
	for i, p := range m.pages {
		entries, err := p.entries(ctx, m.pager)
		if err != nil {
			t.Fatal(err)
		}
		if i > 0 && m.pages[i-1].last.compare(p.first) >= 0 || p.count != len(entries) || len(p.prints) != p.count || !slices.IsSorted(p.prints) {
			t.Fatalf("page %d: %d chunks, fingerprints %x, from %+v to %+v", i, len(entries), p.prints, p.first, p.last)
		}
		total += p.count
		for _, e := range entries {
			if at := placeOf(e); at.compare(p.first) < 0 || at.compare(p.last) > 0 || string(e.KeyMax) > string(p.keyMax) ||
				e.VersionMax > p.versionMax || !p.mayHave(fingerprint(e.ID)) ||
				e.Time.Min <= e.Time.Max && (e.Time.Min < p.time.Min || e.Time.Max > p.time.Max) {
				t.Fatalf("page %d: chunk %v is not within %+v", i, e.ID, p.summary)
			}
		}
	}
	if total != m.Len() {
		t.Fatalf("%d chunks in pages: %v", total, m)
	}
}

// collected returns what a walk over chunks yields.
func collected(t testing.TB, walk iter.Seq2[*chunk.Entry, error]) (out []*chunk.Entry) {
	t.Helper()
	for e, err := range walk {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, e)
	}
	return out
}

func chunksOf(t testing.TB, m *Manifest) []*chunk.Entry { return collected(t, m.Chunks(ctx)) }

// chunkOf returns live chunk n.
func chunkOf(t testing.TB, m *Manifest, n int) *chunk.Entry {
	t.Helper()
	e, err := m.Chunk(ctx, id(n))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// canonical returns bytes that are the same for manifests of the same state,
// however it is divided into pages.
func canonical(m *Manifest) ([]byte, error) {
	flat := *m
	flat.pages, flat.retired = nil, nil
	var entries []*chunk.Entry
	for e, err := range m.Chunks(ctx) {
		if err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	for b := range slices.Chunk(entries, 100) {
		flat.pages = append(flat.pages, newPage(b))
	}
	return appendManifest(nil, &flat), nil
}

func mustCanonical(t testing.TB, m *Manifest) []byte {
	t.Helper()
	b, err := canonical(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestManifest(t *testing.T) {
	m := base(t)
	checkManifest(t, m)
	var ids []chunk.ID
	for _, e := range chunksOf(t, m) {
		ids = append(ids, e.ID)
	}
	if want := []chunk.ID{id(41), id(21)}; !slices.Equal(ids, want) { // both of slice 1, by key
		t.Errorf("live chunks %v, want %v", ids, want)
	}
	garbage := map[chunk.ID]time.Time{}
	for g := range m.Garbage() {
		garbage[g.Entry.ID] = g.Removed
	}
	if want := map[chunk.ID]time.Time{id(31): noon, id(32): noon}; !maps.Equal(garbage, want) {
		t.Errorf("garbage %v, want %v", garbage, want)
	}
	if m.Folded(alice) != 10 || m.Folded(bob) != 5 || m.Owner(bob) != alice || m.Owner(alice) != alice || m.Folded(carol) != 0 || !m.Ended(carol) {
		t.Errorf("sources %+v, ended %v", m.Sources(), m.ended)
	}
	if m.Rows() != 62 || m.Bytes() != 6202 || m.Schema() != 5 || m.Horizon() != id(10) {
		t.Errorf("%v, schema %d, horizon %v", m, m.Schema(), m.Horizon())
	}
}

func TestHorizonFrees(t *testing.T) {
	m := base(t)
	next, err := m.Apply(ctx, 10, horizon(id(32), id(31), id(32), id(99)))
	if err != nil {
		t.Fatal(err)
	}
	var left []chunk.ID
	for g := range next.Garbage() {
		left = append(left, g.Entry.ID)
	}
	if len(left) != 0 {
		t.Errorf("garbage is %v: what is freed must not be listed, whether or not it is below the horizon", left)
	}
	if lower, err := next.Apply(ctx, 11, horizon(id(1))); err != nil || lower.Horizon() != id(32) {
		t.Errorf("the horizon went back to %v, %v", lower.Horizon(), err)
	}
}

func TestLimitsOfMemory(t *testing.T) {
	m := &Manifest{}
	var commits []*Commit
	for i := range 3 * recentLimit {
		s := Source{"w", uint64(i)}
		c := flush(s, Interval{s, 0, 1})
		if i%2 == 1 {
			c = checkpointAt(uint64(i), Source{"w", uint64(i - 1)})
		}
		next, err := m.Apply(ctx, uint64(i+1), c)
		if err != nil {
			t.Fatal(err)
		}
		m, commits = next, append(commits, c)
	}
	for i, c := range commits {
		seq := uint64(i + 1)
		if want := i >= len(commits)-recentLimit; m.Recent(c.ID) != want || m.remembers(seq) != want {
			t.Fatalf("commit %d of %d: remembered %v, %v", seq, m.Seq(), m.Recent(c.ID), m.remembers(seq))
		}
	}
	if m.remembers(m.seq + 1) {
		t.Error("remembers a commit to come")
	}
	if len(m.Sources()) != 0 || len(m.ended) != endedLimit || !m.Ended(Source{"w", uint64(len(commits) - 2)}) {
		t.Errorf("%d sources, %d ended", len(m.Sources()), len(m.ended))
	}
}

func TestMalformed(t *testing.T) {
	m := base(t)
	for name, c := range map[string]*Commit{
		"no ID":                   with(retention([]chunk.ID{id(21)}), func(c *Commit) { c.ID = CommitID{} }),
		"no kind":                 commit(0, alice),
		"unknown kind":            commit(7, alice),
		"reserved kind":           commit(removedDelete, alice),
		"empty flush":             commit(Flush, alice),
		"flush without committer": flush(Source{}, Interval{alice, 10, 11}),
		"chunks without interval": with(seal(alice, bob), func(c *Commit) { c.Adds = []*chunk.Entry{entry(50, 4)} }),
		"empty interval":          flush(alice, Interval{alice, 10, 10}),
		"interval backwards":      retention(nil, Interval{alice, 10, 9}),
		"interval of no source":   retention(nil, Interval{Source{}, 0, 9}),
		"source twice":            with(flush(alice, Interval{alice, 10, 11}), func(c *Commit) { c.Sources = append(c.Sources, Interval{alice, 11, 12}) }),
		"seals itself":            seal(alice, alice),
		"long writer":             seal(alice, Source{strings.Repeat("x", 256), 1}),
		"compaction of nothing":   compaction(nil, entry(50, 4)),
		"input twice":             compaction([]chunk.ID{id(21), id(21)}),
		"input is output":         compaction([]chunk.ID{id(21)}, entry(21, 4)),
		"output twice":            compaction([]chunk.ID{id(21)}, entry(50, 4), entry(50, 4)),
		"chunk without rows":      compaction([]chunk.ID{id(21)}, entry(0, 4)),
		"retention of nothing":    commit(Retention, alice),
		"no horizon":              commit(Horizon, alice),
		"no checkpoint":           commit(Checkpoint, alice),
		"fields of others":        with(retention([]chunk.ID{id(21)}), func(c *Commit) { c.Horizon = id(1) }),
	} {
		_, err := m.Apply(ctx, m.Seq()+1, c)
		if err == nil || errors.Is(err, ErrPrecondition) || pgerr.Code(err) != pgerr.InternalError {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, seq := range []uint64{m.Seq(), m.Seq() + 2} {
		if _, err := m.Apply(ctx, seq, retention([]chunk.ID{id(21)})); err == nil {
			t.Errorf("a commit %d after %d is taken", seq, m.Seq())
		}
	}
}
