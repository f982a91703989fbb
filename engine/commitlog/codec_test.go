package commitlog

import (
	"bytes"
	"encoding/binary"
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
	"github.com/phyllodb/phyllo/engine/memstore"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

var rewrite = flag.Bool("rewrite", false, "rewrite the golden files")

// fixed gives a commit an ID that does not change from run to run.
func fixed(n int, c *Commit) *Commit {
	c.ID = CommitID{byte(n), 15: 0xee}
	return c
}

// samples are commits of every kind that is written.
func samples() map[string]*Commit {
	return map[string]*Commit{
		"flush":       fixed(1, with(flush(alice, Interval{alice, 10, 300}, entry(21, 3)), func(c *Commit) { c.Seals = []Source{bob} })),
		"compaction":  fixed(2, compaction([]chunk.ID{id(21), id(31)}, entry(41, 7))),
		"retention":   fixed(4, retention([]chunk.ID{id(21)}, Interval{alice, 5, 5})),
		"horizon":     fixed(5, horizon(id(15), id(3), id(4))),
		"checkpoint":  fixed(6, with(checkpointAt(64, carol, bob), func(c *Commit) { c.BaseHash = nameOf(64, []byte("a checkpoint")).hash })),
		"seals alone": fixed(7, seal(alice, bob, carol)),
	}
}

// sampleManifest is a state with something of everything, always the same.
func sampleManifest(t testing.TB) *Manifest {
	var commits []*Commit
	for i, c := range []*Commit{
		flush(alice, Interval{alice, 0, 4}, entry(21, 0)),
		flush(bob, Interval{bob, 0, 5}, entry(32, 1)),
		retention(nil, Interval{alice, 4, 4}),
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

// storedSample is sampleManifest as a checkpoint has it whose page is in the store,
// beside one that is not needed any more, and that page.
func storedSample(t testing.TB) (m *Manifest, data []byte) {
	c := *sampleManifest(t)
	p := *c.pages[0]
	data = appendPage(nil, c.seq, p.added)
	stored := nameOf(c.seq, data)
	p.stored, p.added = &stored, nil
	p.time = chunk.TimeRange{Min: 1_000_000, Max: 2_000_000}
	c.pages = []*page{&p}
	c.retired = []retiredPage{{nameOf(3, []byte("an older page")), noon}}
	return &c, data
}

var goldenLog = LogID(chunk.PartitionID{Table: 42, Key: "key"})

// TestGolden pins the bytes: a change here is a new version of a format.
func TestGolden(t *testing.T) {
	m, page := storedSample(t)
	files := map[string][]byte{
		"manifest":        appendManifest(nil, sampleManifest(t)),
		"checkpoint file": appendCheckpoint(nil, goldenLog, m),
		"page":            page,
		"log entry":       appendRecord(nil, goldenLog, 70, nameOf(64, []byte("a checkpoint")), samples()["retention"]),
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

// TestNewerVersions: what a newer version wrote is not damage.
func TestNewerVersions(t *testing.T) {
	m := *sampleManifest(t)
	data := appendManifest(nil, &m)
	data[0] = historyManifest + 1
	_, err := decodeManifest(data)
	c := AppendCommit(nil, samples()["checkpoint"])
	c[0]++
	_, cerr := DecodeCommit(c)
	for _, err := range []error{err, cerr, unreadable(err, "where"), (&Log{}).damaged(3, cerr)} {
		if !errors.Is(err, chunk.ErrNewerFormat) || errors.Is(err, chunk.ErrCorrupt) || pgerr.Code(err) != pgerr.FeatureNotSupported {
			t.Error(err)
		}
	}
}

// TestOldVersions reads what earlier versions wrote.
func TestOldVersions(t *testing.T) {
	want := sampleManifest(t)
	m, err := decodeManifest(goldenBytes(t, "manifest-version-1"))
	if err != nil {
		t.Fatal(err)
	}
	checkManifest(t, m)
	sameState(t, m, want)
	if c, err := DecodeCommit(goldenBytes(t, "checkpoint-version-1")); err != nil || c.Base != 64 || c.BaseHash != [16]byte{} {
		t.Errorf("commit: %+v, %v", c, err)
	}
	base, body, err := parseRecord(goldenLog, store.Entry{Seq: 70, Data: goldenBytes(t, "log-entry-version-1")})
	if c, cerr := DecodeCommit(body); err != nil || cerr != nil || base != (storedName{seq: 64}) || c.Kind != Retention {
		t.Errorf("entry: base %v, %+v; %v, %v", base, c, err, cerr)
	}
	if m, err = parseCheckpoint(goldenLog, storedName{seq: want.seq}, goldenBytes(t, "checkpoint-file-version-1")); err != nil {
		t.Fatal(err)
	}
	sameState(t, m, want)
}

// TestDeletesByPredicates: they are not read any more, and are not damage.
func TestDeletesByPredicates(t *testing.T) {
	commit := goldenBytes(t, "delete")
	_, cerr := DecodeCommit(commit)
	_, err := decodeManifest(goldenBytes(t, "manifest-with-delete"))
	record := append(appendStored([]byte{recordVersion}, storedName{}), commit...)
	record = binary.LittleEndian.AppendUint32(record, checksum(LogID(part), 1, record))
	st := memstore.New(nil)
	if err := st.Append(ctx, LogID(part), 1, record); err != nil {
		t.Fatal(err)
	}
	_, oerr := Open(ctx, st, part, Options{})
	for _, err := range []error{err, cerr, oerr, unreadable(err, "where")} {
		var pe *pgerr.Error
		if !errors.Is(err, ErrOlderFormat) || errors.Is(err, chunk.ErrCorrupt) || pgerr.Code(err) != pgerr.FeatureNotSupported ||
			!errors.As(err, &pe) || pe.Hint == "" {
			t.Error(err)
		}
	}
}

func goldenBytes(t testing.TB, name string) []byte {
	text, err := os.ReadFile(filepath.Join("testdata", "golden", name+".hex"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := hex.DecodeString(strings.ReplaceAll(string(text), "\n", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
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
		read, err := decodeManifest(appendManifest(nil, m))
		if err != nil {
			t.Fatal(err)
		}
		checkManifest(t, read)
		for _, c := range []*Commit{
			retention([]chunk.ID{id(21)}), compaction([]chunk.ID{id(41)}, entry(60, 8)), flush(alice, Interval{bob, 5, 8}, entry(60, 4)),
			horizon(id(99), id(31), id(32)),
			flush(Source{"dora", 4}, Interval{Source{"dora", 4}, 0, 2}), seal(carol, alice), checkpointAt(8, alice, bob),
		} {
			want, werr := m.Apply(ctx, m.Seq()+1, c)
			got, gerr := read.Apply(ctx, m.Seq()+1, c)
			if fmt.Sprint(gerr) != fmt.Sprint(werr) {
				t.Errorf("%v: %v, want %v", c.Kind, gerr, werr)
			}
			if werr == nil && !bytes.Equal(mustCanonical(t, got), mustCanonical(t, want)) {
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
	m, _ := storedSample(t)
	for name, f := range map[string]struct {
		data []byte
		read func(log store.LogID, seq uint64, data []byte) error
	}{
		"entry": {appendRecord(nil, goldenLog, 9, nameOf(4, []byte("a checkpoint")), samples()["flush"]), func(log store.LogID, seq uint64, data []byte) error {
			_, body, err := parseRecord(log, store.Entry{Seq: seq, Data: data})
			if err == nil {
				_, err = DecodeCommit(body)
			}
			return err
		}},
		"checkpoint": {appendCheckpoint(nil, goldenLog, m), func(log store.LogID, seq uint64, data []byte) error {
			_, err := parseCheckpoint(log, storedName{seq: seq}, data)
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
		"base not below":         func(m *Manifest) { m.base.seq = m.seq },
		"bases in a wrong order": func(m *Manifest) { m.previous = m.base },
		"too few IDs":            func(m *Manifest) { m.recent = m.recent[1:] },
		"sources out of order":   func(m *Manifest) { m.sources = []SourceState{m.sources[1], m.sources[0]} },
		"source without a name":  func(m *Manifest) { m.sources = []SourceState{{}} },
		"too many ended":         func(m *Manifest) { m.ended = make([]Source, endedLimit+1) },
		"chunks out of order": func(m *Manifest) {
			m.pages = []*page{newPage([]*chunk.Entry{entry(50, 0), entry(61, 0), entry(40, 0)})}
		},
		"chunk of the future": func(m *Manifest) { m.pages = []*page{newPage([]*chunk.Entry{entry(50, m.seq+1)})} },
		"chunk twice": func(m *Manifest) {
			e := entry(50, 0)
			e.Slice++
			m.pages = []*page{newPage([]*chunk.Entry{entry(50, 0), e})}
		},
		"live and removed":     func(m *Manifest) { m.pages = []*page{newPage([]*chunk.Entry{entry(32, 0)})} },
		"removed out of order": func(m *Manifest) { m.garbage = newList([]Garbage{{Entry: entry(50, 0)}, {Entry: entry(49, 0)}}) },
	} {
		m := *sampleManifest(t)
		change(&m)
		if _, err := decodeManifest(appendManifest(nil, &m)); !errors.Is(err, chunk.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzDecodeCommit(f *testing.F) {
	for _, c := range samples() {
		f.Add(AppendCommit(nil, c))
	}
	f.Add(goldenBytes(f, "delete"))
	f.Fuzz(func(t *testing.T, src []byte) {
		c, err := DecodeCommit(src)
		if err != nil {
			if !errors.Is(err, chunk.ErrCorrupt) && !errors.Is(err, chunk.ErrNewerFormat) && !errors.Is(err, ErrOlderFormat) {
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
		if _, err := base(t).Apply(ctx, 10, c); err != nil && !errors.Is(err, ErrPrecondition) {
			t.Fatal(err)
		}
	})
}

func FuzzDecodeManifest(f *testing.F) {
	stored, _ := storedSample(f)
	for _, m := range []*Manifest{{}, base(f), sampleManifest(f), stored} {
		f.Add(appendManifest(nil, m))
	}
	f.Add(goldenBytes(f, "manifest-version-1"))
	f.Add(goldenBytes(f, "manifest-with-delete"))
	f.Fuzz(func(t *testing.T, src []byte) {
		m, err := decodeManifest(src)
		if err != nil {
			if !errors.Is(err, chunk.ErrCorrupt) && !errors.Is(err, chunk.ErrNewerFormat) && !errors.Is(err, ErrOlderFormat) {
				t.Fatal(err)
			}
			return
		}
		b := appendManifest(nil, m)
		again, err := decodeManifest(b)
		if err != nil || !bytes.Equal(appendManifest(nil, again), b) {
			t.Fatalf("does not survive: %v", err)
		}
		// Whatever it says, commits can be judged; its pages are not there.
		m.pager = &pager{st: memstore.New(nil), part: part, cache: NewPageCache(0), pageSizes: defaultPageSizes}
		for _, c := range samples() {
			if _, err := m.Apply(ctx, m.Seq()+1, c); err != nil && !errors.Is(err, ErrPrecondition) && !errors.Is(err, errPage) {
				t.Fatal(err)
			}
		}
	})
}

func FuzzDecodePage(f *testing.F) {
	m, page := storedSample(f)
	f.Add(m.pages[0].stored.seq, page)
	f.Fuzz(func(t *testing.T, seq uint64, src []byte) {
		entries, err := decodePage(src, seq)
		if err != nil {
			if !errors.Is(err, chunk.ErrCorrupt) && !errors.Is(err, chunk.ErrNewerFormat) {
				t.Fatal(err)
			}
			return
		}
		b := appendPage(nil, seq, entries)
		again, err := parsePage(b, nameOf(seq, b))
		if err != nil || !bytes.Equal(appendPage(nil, seq, again), b) {
			t.Fatalf("does not survive: %v", err)
		}
		newPage(again)
	})
}
