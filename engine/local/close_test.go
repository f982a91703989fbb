package local_test

import (
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/phyllodb/phyllo/engine/local"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/engine/storetest"
	"github.com/phyllodb/phyllo/internal/vfs"
)

// countingFS counts the open files.
type countingFS struct {
	vfs.FS
	open atomic.Int64
}

type countedFile struct {
	vfs.File
	fs *countingFS
}

func (c *countingFS) count(f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	c.open.Add(1)
	return countedFile{f, c}, nil
}

func (c *countingFS) Create(name string) (vfs.File, error)     { return c.count(c.FS.Create(name)) }
func (c *countingFS) Open(name string) (vfs.File, error)       { return c.count(c.FS.Open(name)) }
func (c *countingFS) OpenAppend(name string) (vfs.File, error) { return c.count(c.FS.OpenAppend(name)) }

func (f countedFile) Close() error {
	f.fs.open.Add(-1)
	return f.File.Close()
}

// TestCloseWhileReading closes a store between two entries that a reader takes:
// the reader is told so, and no file stays open.
func TestCloseWhileReading(t *testing.T) {
	disk := &countingFS{FS: newDisk()}
	opts, _ := smallFiles(disk)
	s := mustOpen(t, opts)
	fill(t, s, 300) // over several files
	read := 0
	var end error
	for _, err := range s.Read(ctx, wal, 1) {
		if err != nil {
			end = err
			break
		}
		if read++; read == 1 {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if read < 1 || read > 299 || !errors.Is(end, fs.ErrClosed) {
		t.Errorf("%d entries of 300, then %v", read, end)
	}
	for _, err := range s.Read(ctx, wal, 1) {
		if !errors.Is(err, fs.ErrClosed) {
			t.Errorf("read of a closed store: %v", err)
		}
	}
	if n := disk.open.Load(); n != 0 {
		t.Errorf("%d files are open", n)
	}
}

// TestCloseWaitsForReads closes a store while the disk takes its time.
func TestCloseWaitsForReads(t *testing.T) {
	fault := vfs.NewFault(newDisk(), nil)
	disk := &countingFS{FS: fault}
	opts, _ := smallFiles(disk)
	s := mustOpen(t, opts)
	fill(t, s, 3)
	reading, gate := make(chan struct{}), make(chan struct{})
	fault.Set(func(c vfs.Call) vfs.Fate {
		if c.Op == vfs.OpRead {
			close(reading)
			<-gate
		}
		return vfs.Fate{}
	})
	var wg sync.WaitGroup
	wg.Go(func() {
		got, err := storetest.Collect(ctx, s, wal, 1)
		if err != nil || len(got) != 3 {
			t.Errorf("%q, %v", got, err)
		}
	})
	<-reading
	var closed atomic.Bool
	wg.Go(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		closed.Store(true)
	})
	for {
		if _, err := s.Head(ctx, wal); errors.Is(err, fs.ErrClosed) {
			break
		}
		runtime.Gosched()
	}
	for range 1000 { // Close has had its chance
		runtime.Gosched()
	}
	if closed.Load() {
		t.Error("the store is closed and a read is under way")
	}
	close(gate)
	wg.Wait()
	if n := disk.open.Load(); n != 0 {
		t.Errorf("%d files are open", n)
	}
}

// TestReadOnlyWhileTrimming opens a folder whose owner removes log files all
// the time that the reader takes to read what it has found.
func TestReadOnlyWhileTrimming(t *testing.T) {
	disk := newDisk()
	opts, _ := smallFiles(disk)
	s := mustOpen(t, opts)
	head := uint64(0)
	write := func() {
		for range 200 {
			head++
			if err := s.Append(ctx, wal, head, fmt.Appendf(nil, "entry %d", head)); err != nil {
				t.Fatal(err)
			}
		}
	}
	write()
	fault := vfs.NewFault(disk, nil)
	opts.FS, opts.ReadOnly = fault, true
	rounds := 0
	newest := ""
	fault.Set(func(c vfs.Call) vfs.Fate {
		if c.Op == vfs.OpOpen && strings.Contains(c.Name, "source") && c.Name > newest {
			newest = c.Name
		}
		if c.Op == vfs.OpRead && strings.Contains(c.Name, "source") && c.Name < newest && rounds < 100 { // an older file
			rounds++
			keep := head
			write()
			if err := s.Trim(ctx, wal, keep); err != nil {
				t.Error(err)
			}
			settleFiles(t, s)
		}
		return vfs.Fate{}
	})
	r := mustOpen(t, opts)
	if rounds == 0 {
		t.Fatal("no older file was read")
	}
	had, err := r.Head(ctx, wal)
	if err != nil || had < 200 {
		t.Fatalf("head %d, %v", had, err)
	}
	got, err := storetest.Collect(ctx, r, wal, had)
	if err != nil || len(got) != 1 || got[0] != fmt.Sprintf("entry %d", had) {
		t.Fatalf("%q, %v", got, err)
	}
	if err := errors.Join(r.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
}

// settleFiles waits until the owner has removed what it does not need: the
// committer cleans up before it takes the next batch, in one go if there is
// nothing to bring along.
func settleFiles(t *testing.T, s *local.Store) {
	t.Helper()
	if err := s.Drop(ctx, store.LogID{Kind: store.SourceLog, Key: "not there"}); err != nil {
		t.Fatal(err)
	}
	id := store.LogID{Kind: store.SourceLog, Key: "passing"}
	if err := errors.Join(s.Append(ctx, id, 1, nil), s.Drop(ctx, id)); err != nil {
		t.Fatal(err)
	}
}
