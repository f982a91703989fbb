package commitlog

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

var rewrite = flag.Bool("rewrite", false, "rewrite the golden files")

// fixed gives a commit an ID that does not change from run to run.
func fixed(n int, c *Commit) *Commit {
	c.ID = CommitID{byte(n), 15: 0xee}
	return c
}

// samples are commits of every kind.
func samples() map[string]*Commit {
	return map[string]*Commit{
		"flush":       fixed(1, with(flush(alice, Interval{alice, 10, 300}, entry(21, 3)), func(c *Commit) { c.Seals = []Source{bob} })),
		"compaction":  fixed(2, compaction([]chunk.ID{id(21), id(31)}, entry(41, 7))),
		"delete":      fixed(3, deletion(Position{alice, 12}, Position{bob, 7000})),
		"retention":   fixed(4, retention([]chunk.ID{id(21)}, Interval{alice, 5, 5})),
		"horizon":     fixed(5, horizon(id(15), id(3), id(4))),
		"checkpoint":  fixed(6, checkpointAt(64, carol, bob)),
		"seals alone": fixed(7, seal(alice, bob, carol)),
	}
}

// sampleManifest is a state with something of everything, always the same.
func sampleManifest(t testing.TB) *Manifest {
	var commits []*Commit
	for i, c := range []*Commit{
		flush(alice, Interval{alice, 0, 4}, entry(21, 0)),
		flush(bob, Interval{bob, 0, 5}, entry(32, 1)),
		deletion(Position{alice, 12}, Position{bob, 7}),
		compaction([]chunk.ID{id(32)}, entry(41, 3)),
		seal(alice, bob),
		horizon(id(10)),
		flush(carol, Interval{carol, 0, 1}),
		checkpointAt(2),
		checkpointAt(6, carol),
	} {
		commits = append(commits, fixed(i, c))
	}
	return folded(t, commits...)
}

var goldenLog = LogID(chunk.PartitionID{Table: 42, Key: "key"})

// TestGolden pins the bytes: a change here is a new version of a format.
func TestGolden(t *testing.T) {
	m := sampleManifest(t)
	files := map[string][]byte{
		"manifest":        AppendManifest(nil, m),
		"checkpoint file": appendCheckpoint(nil, goldenLog, m),
		"log entry":       appendRecord(nil, goldenLog, 70, 64, samples()["retention"]),
	}
	for name, c := range samples() {
		files[name] = AppendCommit(nil, c)
	}
	for name, b := range files {
		path := filepath.Join("testdata", "golden", strings.ReplaceAll(name, " ", "-")+".hex")
		got := hexLines(b)
		if *rewrite {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s:\n got %s\nwant %s", name, got, want)
		}
	}
}

func hexLines(b []byte) string {
	var out strings.Builder
	for len(b) > 0 {
		n := min(32, len(b))
		fmt.Fprintf(&out, "%s\n", hex.EncodeToString(b[:n]))
		b = b[n:]
	}
	return out.String()
}

func TestCommitRoundTrip(t *testing.T) {
	for name, c := range samples() {
		got, err := DecodeCommit(AppendCommit(nil, c))
		if err != nil || !reflect.DeepEqual(got, c) {
			t.Errorf("%s: %+v, %v\nwant %+v", name, got, err, c)
		}
	}
}

// TestManifestRoundTrip also folds one more commit of each kind into what was
// read, which must come to the same as without the detour.
func TestManifestRoundTrip(t *testing.T) {
	for _, m := range []*Manifest{{}, base(t), sampleManifest(t)} {
		read, err := DecodeManifest(AppendManifest(nil, m))
		if err != nil {
			t.Fatal(err)
		}
		checkManifest(t, read)
		for _, c := range []*Commit{
			retention([]chunk.ID{id(21)}), compaction([]chunk.ID{id(41)}, entry(60, 8)), flush(alice, Interval{bob, 5, 8}, entry(60, 4)),
			horizon(id(99), id(31), id(32)), deletion(Position{alice, 20}, Position{bob, 20}),
			flush(Source{"dora", 4}, Interval{Source{"dora", 4}, 0, 2}), seal(carol, alice), checkpointAt(8, alice, bob),
		} {
			want, werr := m.Apply(m.Seq()+1, c)
			got, gerr := read.Apply(m.Seq()+1, c)
			if fmt.Sprint(gerr) != fmt.Sprint(werr) {
				t.Errorf("%v: %v, want %v", c.Kind, gerr, werr)
			}
			if werr == nil && !bytes.Equal(AppendManifest(nil, got), AppendManifest(nil, want)) {
				t.Errorf("%v: %v, want %v", c.Kind, got, want)
			}
			if gerr == nil {
				checkManifest(t, got)
			}
		}
	}
}

// TestDamage changes every byte, cuts at every byte, and reads at a wrong place.
func TestDamage(t *testing.T) {
	m := sampleManifest(t)
	for name, f := range map[string]struct {
		data []byte
		read func(log store.LogID, seq uint64, data []byte) error
	}{
		"entry": {appendRecord(nil, goldenLog, 9, 4, samples()["flush"]), func(log store.LogID, seq uint64, data []byte) error {
			_, body, err := parseRecord(log, store.Entry{Seq: seq, Data: data})
			if err == nil {
				_, err = DecodeCommit(body)
			}
			return err
		}},
		"checkpoint": {appendCheckpoint(nil, goldenLog, m), func(log store.LogID, seq uint64, data []byte) error {
			_, err := parseCheckpoint(log, seq, data)
			return err
		}},
	} {
		if err := f.read(goldenLog, 9, f.data); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		bad := map[string]error{
			"another number": f.read(goldenLog, 10, f.data),
			"another log":    f.read(store.LogID{Kind: store.CommitLog, Key: "42/kez"}, 9, f.data),
			"a byte more":    f.read(goldenLog, 9, append(bytes.Clone(f.data), 0)),
		}
		for i := range f.data {
			changed := bytes.Clone(f.data)
			changed[i] ^= 1 << (i % 8)
			bad[fmt.Sprintf("byte %d changed", i)] = f.read(goldenLog, 9, changed)
			bad[fmt.Sprintf("cut at %d", i)] = f.read(goldenLog, 9, f.data[:i])
		}
		for what, err := range bad {
			if !errors.Is(err, chunk.ErrCorrupt) || pgerr.Code(err) != pgerr.DataCorrupted {
				t.Errorf("%s, %s: %v", name, what, err)
			}
		}
	}
}

// TestStatesRefused decodes states that no log folds to.
func TestStatesRefused(t *testing.T) {
	for name, change := range map[string]func(m *Manifest){
		"base not below":          func(m *Manifest) { m.base = m.seq },
		"bases in a wrong order":  func(m *Manifest) { m.previous = m.base },
		"too few IDs":             func(m *Manifest) { m.recent = m.recent[1:] },
		"sources out of order":    func(m *Manifest) { m.sources = []SourceState{m.sources[1], m.sources[0]} },
		"source without a name":   func(m *Manifest) { m.sources = []SourceState{{}} },
		"too many ended":          func(m *Manifest) { m.ended = make([]Source, endedLimit+1) },
		"tombstone of the future": func(m *Manifest) { m.tombstones = []tombstone{{Tombstone: &Tombstone{Seq: m.seq + 1}}} },
		"tombstone twice":         func(m *Manifest) { m.tombstones = append(m.tombstones, m.tombstones[0]) },
		"chunks out of order":     func(m *Manifest) { m.chunks = newList([]*chunk.Entry{entry(50, 0), entry(61, 0), entry(40, 0)}) },
		"chunk of the future":     func(m *Manifest) { m.chunks = newList([]*chunk.Entry{entry(50, m.seq+1)}) },
		"chunk twice": func(m *Manifest) {
			e := entry(50, 0)
			e.Slice++
			m.chunks = newList([]*chunk.Entry{entry(50, 0), e})
		},
		"live and removed":     func(m *Manifest) { m.chunks = newList([]*chunk.Entry{entry(32, 0)}) },
		"removed out of order": func(m *Manifest) { m.garbage = newList([]Garbage{{Entry: entry(50, 0)}, {Entry: entry(49, 0)}}) },
	} {
		m := *sampleManifest(t)
		change(&m)
		if _, err := DecodeManifest(AppendManifest(nil, &m)); !errors.Is(err, chunk.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzDecodeCommit(f *testing.F) {
	for _, c := range samples() {
		f.Add(AppendCommit(nil, c))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		c, err := DecodeCommit(src)
		if err != nil {
			if !errors.Is(err, chunk.ErrCorrupt) {
				t.Fatal(err)
			}
			return
		}
		b := AppendCommit(nil, c)
		again, err := DecodeCommit(b)
		if err != nil || !bytes.Equal(AppendCommit(nil, again), b) {
			t.Fatalf("does not survive: %v", err)
		}
		// Whatever it says, it can be judged.
		if _, err := base(t).Apply(10, c); err != nil && !errors.Is(err, ErrPrecondition) {
			t.Fatal(err)
		}
	})
}

func FuzzDecodeManifest(f *testing.F) {
	for _, m := range []*Manifest{{}, base(f), sampleManifest(f)} {
		f.Add(AppendManifest(nil, m))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		m, err := DecodeManifest(src)
		if err != nil {
			if !errors.Is(err, chunk.ErrCorrupt) {
				t.Fatal(err)
			}
			return
		}
		checkManifest(t, m)
		b := AppendManifest(nil, m)
		again, err := DecodeManifest(b)
		if err != nil || !bytes.Equal(AppendManifest(nil, again), b) {
			t.Fatalf("does not survive: %v", err)
		}
		for _, c := range samples() {
			if next, err := m.Apply(m.Seq()+1, c); err == nil {
				checkManifest(t, next)
			}
		}
	})
}
