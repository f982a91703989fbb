package local_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/local"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/engine/storetest"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/vfs"
)

var (
	ctx    = context.Background()
	wal    = store.LogID{Kind: store.SourceLog, Key: "writer"}
	commit = store.LogID{Kind: store.CommitLog, Key: "partition"}
	parted = chunk.PartitionID{Table: 16384, Key: "\x00\x01"}
)

func refused(t *testing.T, opts local.Options, code string, words ...string) error {
	t.Helper()
	s, err := local.Open(opts)
	if err == nil {
		_ = s.Close() // the test fails anyway
		t.Fatal("open succeeded")
	}
	if pgerr.Code(err) != code {
		t.Fatalf("open: %s %v, want %s", pgerr.Code(err), err, code)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Fatalf("open: %v: does not say %q", err, w)
		}
	}
	return err
}

func TestSecondOpenerIsRefused(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "data")
	s := mustOpen(t, local.Options{Dir: dir})
	refused(t, local.Options{Dir: dir}, pgerr.ObjectInUse, dir, fmt.Sprint("pid ", os.Getpid()))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := mustOpen(t, local.Options{Dir: dir}).Close(); err != nil {
		t.Fatal(err)
	}
}

// TestLockDiesWithProcess kills a process that holds the folder.
func TestLockDiesWithProcess(t *testing.T) {
	if dir := os.Getenv("PHYLLO_TEST_HOLD"); dir != "" {
		mustOpen(t, local.Options{Dir: dir})
		fmt.Println("open")
		select {} // until killed
	}
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=^TestLockDiesWithProcess$")
	cmd.Env = append(os.Environ(), "PHYLLO_TEST_HOLD="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 16)); err != nil {
		t.Fatal(err)
	}
	refused(t, local.Options{Dir: dir}, pgerr.ObjectInUse, fmt.Sprint("pid ", cmd.Process.Pid))
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("the process was not killed")
	}
	if err := mustOpen(t, local.Options{Dir: dir}).Close(); err != nil {
		t.Fatal(err)
	}
}

func TestFormatFile(t *testing.T) {
	for _, test := range []struct {
		name, content, code, words string
	}{
		{"newer", "phyllo store\nversion 7\nwhat comes then is not known here", pgerr.FeatureNotSupported, "format version 7; this program reads versions up to 1"},
		{"empty", "", pgerr.DataCorrupted, "FORMAT"},
		{"other", "something else\n", pgerr.DataCorrupted, "phyllo store"},
		{"no version", "phyllo store\nversion x\n", pgerr.DataCorrupted, "version"},
		{"short", "phyllo store\nversion 1\nid 00\ncrc32c 00000000\n", pgerr.DataCorrupted, "id"},
		{"checksum", "phyllo store\nversion 1\nid 00000000000000000000000000000000\ncrc32c 00000000\n", pgerr.DataCorrupted, "checksum"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "FORMAT"), []byte(test.content), 0o600); err != nil {
				t.Fatal(err)
			}
			for _, readOnly := range []bool{false, true} {
				refused(t, local.Options{Dir: dir, ReadOnly: readOnly}, test.code, dir, test.words)
			}
		})
	}
}

func TestForeignFolder(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "thesis.doc"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	refused(t, local.Options{Dir: dir}, pgerr.ObjectNotInState, dir, "thesis.doc")
	refused(t, local.Options{Dir: dir, ReadOnly: true}, pgerr.ObjectNotInState, dir)
	if _, err := local.Open(local.Options{}); err == nil {
		t.Fatal("a store without a folder was opened")
	}
	if _, err := local.Open(local.Options{Dir: dir, LogFileBytes: 1}); err == nil || !strings.Contains(err.Error(), "LogFileBytes") {
		t.Fatalf("LogFileBytes 1: %v", err)
	}
}

// fill writes some of everything and returns a chunk.
func fill(t testing.TB, s *local.Store, entries int) *chunk.Sealed {
	t.Helper()
	for i := range entries {
		for _, id := range []store.LogID{wal, commit} {
			if err := s.Append(ctx, id, uint64(i+1), fmt.Appendf(nil, "entry %d of %s", i+1, id.Key)); err != nil {
				t.Fatal(err)
			}
		}
	}
	c, d := storetest.Sealed(storetest.ChunkID(1), "blob 0", "blob 1"), storetest.Sealed(storetest.ChunkID(2), "blob 2")
	err := errors.Join(s.PutChunks(ctx, parted, []*chunk.Sealed{c, d}), s.PutCheckpoint(ctx, commit, []byte("checkpoint")))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func filled(s store.Store, c *chunk.Sealed, entries int) error {
	for _, id := range []store.LogID{wal, commit} {
		got, err := storetest.Collect(ctx, s, id, 1)
		if err != nil {
			return err
		}
		if len(got) < entries {
			return fmt.Errorf("log %v has %d entries, want %d", id, len(got), entries)
		}
		for i, g := range got {
			if want := fmt.Sprintf("entry %d of %s", i+1, id.Key); g != want {
				return fmt.Errorf("entry %d of %v is %q", i+1, id, g)
			}
		}
	}
	for i := range c.Blobs {
		b, _, err := s.Column(ctx, parted, &c.Entry, i)
		if err != nil || string(b) != string(c.Blobs[i]) {
			return fmt.Errorf("column %d: %q, %w", i, b, err)
		}
	}
	b, err := s.Checkpoint(ctx, commit)
	if err != nil || string(b) != "checkpoint" {
		return fmt.Errorf("checkpoint: %q, %w", b, err)
	}
	return nil
}

// files returns the paths of all files of a folder on a Mem.
func files(t testing.TB, m vfs.FS, dir string) []string {
	t.Helper()
	entries, err := m.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		if e.Dir {
			out = append(out, files(t, m, filepath.Join(dir, e.Name))...)
		} else {
			out = append(out, filepath.Join(dir, e.Name))
		}
	}
	return out
}

// TestFlippedBytes damages each byte of each file of a closed store, one at a
// time: the damage is reported, with the file's name, or does no harm.
func TestFlippedBytes(t *testing.T) {
	disk := newDisk()
	opts, _ := smallFiles(disk)
	s := mustOpen(t, opts)
	c := fill(t, s, 4)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	reported, harmless := 0, 0
	for _, name := range files(t, disk, opts.Dir) {
		if strings.HasSuffix(name, "LOCK") {
			continue
		}
		size, err := disk.Size(name)
		if err != nil {
			t.Fatal(err)
		}
		for at := range size {
			bad := disk.Kill()
			if err := bad.Corrupt(name, func(b []byte) []byte { b[at] ^= 0x41; return b }); err != nil {
				t.Fatal(err)
			}
			opts, _ := smallFiles(bad)
			s, err := local.Open(opts)
			if err == nil {
				verr := s.Verify(ctx, func(found error) {
					if !errors.Is(found, chunk.ErrCorrupt) {
						t.Errorf("%s byte %d: verify: %v", name, at, found)
					}
				})
				err = errors.Join(filled(s, c, 4), verr, s.Close())
			}
			if err == nil {
				harmless++
				continue
			}
			reported++
			if !errors.Is(err, chunk.ErrCorrupt) && pgerr.Code(err) != pgerr.FeatureNotSupported || !strings.Contains(err.Error(), filepath.Base(name)) && !strings.Contains(err.Error(), "FORMAT") && !strings.Contains(err.Error(), opts.Dir) {
				t.Fatalf("%s byte %d of %d: %s %v", name, at, size, pgerr.Code(err), err)
			}
		}
	}
	t.Logf("%d bytes reported, %d harmless", reported, harmless)
	if reported < 500 {
		t.Fatalf("only %d bytes matter", reported)
	}
}

// TestCorruptLogNamesPlace checks what is said of a record that goes bad
// while later ones are good.
func TestCorruptLogNamesPlace(t *testing.T) {
	disk := newDisk()
	opts := local.Options{Dir: "/srv/data", FS: disk}
	s := mustOpen(t, opts)
	fill(t, s, 10)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(opts.Dir, "commit", "0000000000000001.log")
	at := 0
	if err := disk.Corrupt(name, func(b []byte) []byte {
		at = strings.Index(string(b), "entry 5")
		b[at] = 'E'
		return b
	}); err != nil {
		t.Fatal(err)
	}
	err := refused(t, opts, pgerr.DataCorrupted, name, fmt.Sprint("offset ", at-48))
	if !errors.Is(err, chunk.ErrCorrupt) {
		t.Fatalf("%v does not wrap chunk.ErrCorrupt", err)
	}
}

// TestMissingLogFile removes a file that the newest one lists.
func TestMissingLogFile(t *testing.T) {
	disk := newDisk()
	opts, _ := smallFiles(disk)
	s := mustOpen(t, opts)
	fill(t, s, 200) // over several files
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(opts.Dir, "source", "0000000000000002.log")
	if err := disk.Remove(name); err != nil {
		t.Fatal(err)
	}
	refused(t, opts, pgerr.DataCorrupted, name, "entry")
}

func TestCorruptSegment(t *testing.T) {
	disk := newDisk()
	opts := local.Options{Dir: "/srv/data", FS: disk, CacheBytes: -1}
	s := mustOpen(t, opts)
	c := fill(t, s, 1)
	name := ""
	for _, f := range files(t, disk, opts.Dir) {
		if strings.HasSuffix(f, ".segment") {
			name = f
		}
	}
	if err := disk.Corrupt(name, func(b []byte) []byte {
		b[strings.Index(string(b), "blob 1")] = 'B'
		return b
	}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if b, _, err := s.Column(ctx, parted, &c.Entry, 0); err != nil || string(b) != "blob 0" {
			t.Fatalf("the good column: %q, %v", b, err)
		}
		_, _, err := s.Column(ctx, parted, &c.Entry, 1)
		if !errors.Is(err, chunk.ErrCorrupt) || pgerr.Code(err) != pgerr.DataCorrupted {
			t.Fatalf("the bad column: %v", err)
		}
		for _, w := range []string{name, "table 16384", "partition 0001", c.Entry.ID.String(), "column 2"} {
			if !strings.Contains(err.Error(), w) {
				t.Fatalf("%v: does not say %q", err, w)
			}
		}
		found := 0
		if err := s.Verify(ctx, func(err error) { found++ }); err != nil || found != 1 {
			t.Fatalf("verify found %d, %v", found, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = mustOpen(t, opts)
	}
	// Cut off within the directory: the blobs before are still there.
	if err := disk.Corrupt(name, func(b []byte) []byte { return b[:len(b)-40] }); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = mustOpen(t, opts)
	if b, _, err := s.Column(ctx, parted, &c.Entry, 0); err != nil || string(b) != "blob 0" {
		t.Fatalf("the good column without a directory: %q, %v", b, err)
	}
	// Cut off within the blobs.
	if err := disk.Corrupt(name, func(b []byte) []byte { return b[:20] }); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Column(ctx, parted, &c.Entry, 1); !errors.Is(err, chunk.ErrCorrupt) {
		t.Fatalf("a column beyond the end: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestDiskFull: writes fail with 53100, reads go on, a restart works, and when
// there is space again so do writes.
func TestDiskFull(t *testing.T) {
	disk := newDisk()
	var mu sync.Mutex
	full := false
	fault := vfs.NewFault(disk, func(c vfs.Call) vfs.Fate {
		mu.Lock()
		defer mu.Unlock()
		if full && (c.Op == vfs.OpWrite || c.Op == vfs.OpCreate) {
			return vfs.Fate{Err: syscall.ENOSPC, Keep: c.Size / 3}
		}
		return vfs.Fate{}
	})
	setFull := func(v bool) {
		mu.Lock()
		defer mu.Unlock()
		full = v
	}
	opts, _ := smallFiles(fault)
	s := mustOpen(t, opts)
	c := fill(t, s, 30)
	setFull(true)
	for range 2 {
		for range 3 {
			for what, err := range map[string]error{
				"append":     s.Append(ctx, wal, 31, []byte("x")),
				"chunks":     s.PutChunks(ctx, parted, []*chunk.Sealed{storetest.Sealed(storetest.ChunkID(9), "x")}),
				"checkpoint": s.PutCheckpoint(ctx, commit, []byte("x")),
			} {
				if pgerr.Code(err) != pgerr.DiskFull || !errors.Is(err, syscall.ENOSPC) {
					t.Fatalf("%s on a full disk: %v", what, err)
				}
			}
			if err := filled(s, c, 30); err != nil {
				t.Fatalf("on a full disk: %v", err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = mustOpen(t, opts)
	}
	setFull(false)
	if err := s.Append(ctx, wal, 31, []byte("entry 31 of writer")); err != nil {
		t.Fatalf("after space was made: %v", err)
	}
	if err := s.PutChunks(ctx, parted, []*chunk.Sealed{storetest.Sealed(storetest.ChunkID(9), "x")}); err != nil {
		t.Fatalf("after space was made: %v", err)
	}
	for range 2 {
		if err := filled(s, c, 30); err != nil {
			t.Fatal(err)
		}
		if head, err := s.Head(ctx, wal); err != nil || head != 31 {
			t.Fatalf("head %d, %v", head, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = mustOpen(t, opts)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, f := range files(t, disk, opts.Dir) {
		if vfs.IsTemp(f) {
			t.Errorf("temporary file %s is left", f)
		}
	}
}

// TestReadOnly reads a folder while its owner writes, rolls and trims.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	const entries = 360
	opts := local.Options{Dir: t.TempDir(), LogFileBytes: 4096}
	s := mustOpen(t, opts)
	c := fill(t, s, 3)
	ro := opts
	ro.ReadOnly = true
	var wg sync.WaitGroup
	done := make(chan struct{})
	wg.Go(func() {
		defer close(done)
		for i := 3; i < entries; i++ {
			for _, id := range []store.LogID{wal, commit} {
				if err := s.Append(ctx, id, uint64(i+1), fmt.Appendf(nil, "entry %d of %s", i+1, id.Key)); err != nil {
					t.Error(err)
				}
			}
			if i%30 == 0 {
				if err := s.Append(ctx, store.LogID{Kind: store.CommitLog, Key: "other"}, uint64(i/30), make([]byte, 3000)); err != nil {
					t.Error(err)
				}
				if err := s.Trim(ctx, store.LogID{Kind: store.CommitLog, Key: "other"}, uint64(i/30)); err != nil {
					t.Error(err)
				}
			}
			if i%3 > 0 {
				continue
			}
			if err := s.PutCheckpoint(ctx, commit, []byte("checkpoint")); err != nil {
				t.Error(err)
			}
		}
	})
	last := 3
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		r := mustOpen(t, ro)
		if err := filled(r, c, last); err != nil {
			t.Fatal(err)
		}
		head, err := r.Head(ctx, wal)
		if err != nil {
			t.Fatal(err)
		}
		last = min(last, int(head))
		if ids, err := r.Chunks(ctx, parted); err != nil || len(ids) != 2 {
			t.Fatalf("chunks: %x, %v", ids, err)
		}
		if err := r.Verify(ctx, func(err error) { t.Error(err) }); err != nil {
			t.Fatal(err)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	wg.Wait()
	r := mustOpen(t, ro)
	for what, err := range map[string]error{
		"append":            r.Append(ctx, wal, entries+1, nil),
		"trim":              r.Trim(ctx, wal, 2),
		"drop":              r.Drop(ctx, wal),
		"put chunks":        r.PutChunks(ctx, parted, []*chunk.Sealed{c}),
		"delete chunks":     r.DeleteChunks(ctx, parted, nil),
		"put checkpoint":    r.PutCheckpoint(ctx, commit, nil),
		"delete checkpoint": r.DeleteCheckpoint(ctx, commit),
	} {
		if pgerr.Code(err) != pgerr.ReadOnlyTransaction {
			t.Errorf("%s on a read-only store: %v", what, err)
		}
	}
	if err := filled(r, c, entries); err != nil {
		t.Fatal(err)
	}
	infos, err := r.Files(ctx)
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[local.FileKind]int{}
	for _, f := range infos {
		kinds[f.Kind]++
		if _, err := os.Stat(filepath.Join(opts.Dir, f.Name)); err != nil {
			t.Error(err)
		}
		if f.Kind == local.SegmentFile && (f.Partition != parted || len(f.Chunks) != 2) {
			t.Errorf("%+v", f)
		}
	}
	if kinds[local.SegmentFile] != 1 || kinds[local.CheckpointFile] != 1 || kinds[local.SourceLogFile] < 5 || kinds[local.CommitLogFile] < 5 {
		t.Errorf("files: %v", kinds)
	}
	if err := errors.Join(r.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
}

// TestFilesDoNotPileUp keeps a few records for ever while others come and go,
// over many restarts.
func TestFilesDoNotPileUp(t *testing.T) {
	disk := newDisk()
	opts, _ := smallFiles(disk)
	s := mustOpen(t, opts)
	c := fill(t, s, 3)
	busy := store.LogID{Kind: store.CommitLog, Key: "busy"}
	for i := range uint64(2000) {
		if err := s.Append(ctx, busy, i+1, make([]byte, 100)); err != nil {
			t.Fatal(err)
		}
		if i%10 == 9 {
			if err := s.Trim(ctx, busy, i-5); err != nil {
				t.Fatal(err)
			}
		}
		if i%40 == 39 {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = mustOpen(t, opts)
			if n := len(files(t, disk, opts.Dir)); n > 30 {
				t.Fatalf("%d files after %d appends", n, i)
			}
		}
	}
	if err := filled(s, c, 3); err != nil {
		t.Fatal(err)
	}
	if got, err := storetest.Collect(ctx, s, busy, 1995); err != nil || len(got) != 6 {
		t.Fatalf("%d entries, %v", len(got), err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestCache checks that the cache keeps to its budget and that readers of one
// blob share a read.
func TestCache(t *testing.T) {
	gate := make(chan struct{})
	reads := 0
	var mu sync.Mutex
	disk := newDisk()
	fault := vfs.NewFault(disk, nil)
	s := mustOpen(t, local.Options{Dir: "/srv/data", FS: fault, CacheBytes: 2500})
	c := storetest.Sealed(storetest.ChunkID(1), strings.Repeat("a", 1000), strings.Repeat("b", 1000), strings.Repeat("c", 1000), strings.Repeat("d", 5000))
	if err := s.PutChunks(ctx, parted, []*chunk.Sealed{c}); err != nil {
		t.Fatal(err)
	}
	fault.Set(func(c vfs.Call) vfs.Fate {
		if c.Op == vfs.OpRead && c.Size == 1000 {
			mu.Lock()
			reads++
			mu.Unlock()
			<-gate
		}
		return vfs.Fate{}
	})
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			if b, _, err := s.Column(ctx, parted, &c.Entry, 0); err != nil || b[0] != 'a' {
				t.Errorf("%q, %v", b, err)
			}
		})
	}
	for s.Cache().Hits.Load()+s.Cache().Misses.Load() < 10 {
		cancelled, cancel := context.WithCancel(ctx)
		cancel()
		if _, _, err := s.Column(cancelled, parted, &c.Entry, 0); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	close(gate)
	wg.Wait()
	if reads != 1 {
		t.Fatalf("%d reads for one blob", reads)
	}
	for _, i := range []int{1, 2, 3, 1, 2} {
		if b, _, err := s.Column(ctx, parted, &c.Entry, i); err != nil || string(b) != string(c.Blobs[i]) {
			t.Fatalf("column %d: %.20q, %v", i, b, err)
		}
		if n := s.Cache().Bytes.Load(); n > 2500 {
			t.Fatalf("the cache holds %d bytes", n)
		}
	}
	if reads != 3 { // a was dropped for c, b and c stayed
		t.Fatalf("%d reads", reads)
	}
	if err := s.DeleteChunks(ctx, parted, []*chunk.Entry{&c.Entry}); err != nil {
		t.Fatal(err)
	}
	if n := s.Cache().Bytes.Load(); n != 0 {
		t.Fatalf("the cache holds %d bytes of deleted chunks", n)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestHeadListsWhatIsGone trims, in the newest file, most of the entries that
// its own head lists, so that their files go.
func TestHeadListsWhatIsGone(t *testing.T) {
	disk := newDisk()
	opts, _ := smallFiles(disk)
	s := mustOpen(t, opts)
	for i := range uint64(500) {
		if err := s.Append(ctx, wal, i+1, []byte("0123456789")); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Trim(ctx, wal, 500); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if n := len(files(t, disk, filepath.Join(opts.Dir, "source"))); n > 2 {
			t.Fatalf("%d log files are left", n)
		}
		s = mustOpen(t, opts)
		if got, err := storetest.Collect(ctx, s, wal, 500); err != nil || len(got) != 1 {
			t.Fatalf("%q, %v", got, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
