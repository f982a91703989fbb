package local_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/phyllodb/phyllo/engine/local"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/vfs"
)

// usedBytes is what the files of a folder take.
func usedBytes(disk vfs.FS, dir string) (n int64) {
	entries, err := disk.List(dir)
	if err != nil {
		return 0
	}
	for _, e := range entries {
		name := filepath.Join(dir, e.Name)
		if e.Dir {
			n += usedBytes(disk, name)
		} else if size, err := disk.Size(name); err == nil {
			n += size
		}
	}
	return n
}

// TestFailedAppendGivesItsSpaceBack fills a disk with a record that does not
// fit: what got to the disk of it must not take the place of those that do.
func TestFailedAppendGivesItsSpaceBack(t *testing.T) {
	const dir = "/srv/data"
	disk := newDisk()
	var limit atomic.Int64
	limit.Store(1 << 40)
	fault := vfs.NewFault(disk, func(c vfs.Call) vfs.Fate {
		if c.Op != vfs.OpWrite {
			return vfs.Fate{}
		}
		if free := limit.Load() - usedBytes(disk, "/"); int64(c.Size) > free {
			return vfs.Fate{Err: syscall.ENOSPC, Keep: int(max(free, 0))}
		}
		return vfs.Fate{}
	})
	s := mustOpen(t, local.Options{Dir: dir, FS: fault})
	c := fill(t, s, 3)
	limit.Store(usedBytes(disk, "/") + 64<<10)
	for seq := uint64(4); seq < 20; seq++ {
		err := s.Append(ctx, wal, seq, make([]byte, 1<<20))
		if pgerr.Code(err) != pgerr.DiskFull {
			t.Fatalf("append of a record larger than the disk: %v", err)
		}
		if err := s.Append(ctx, wal, seq, fmt.Appendf(nil, "entry %d of writer", seq)); err != nil {
			t.Fatalf("append %d of a small record after a large one failed: %v", seq, err)
		}
		if err := filled(s, c, 3); err != nil {
			t.Fatal(err)
		}
	}
	for mode, left := range crashes(disk, 1) {
		r := mustOpen(t, local.Options{Dir: dir, FS: left})
		if err := filled(r, c, 3); err != nil {
			t.Errorf("crash %s: %v", mode, err)
		}
		if head, err := r.Head(ctx, wal); err != nil || head != 19 {
			t.Errorf("crash %s: head %d, %v", mode, head, err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestFailedAppendIsCertain fails an append on a full disk, where no new file
// can be begun: it is void all the same. Only on a disk that takes nothing at
// all its outcome is open, and the error says so.
func TestFailedAppendIsCertain(t *testing.T) {
	for _, test := range []struct {
		name, code string
		fails      func(op vfs.Op, syncs int) bool
		err        error
	}{
		{"full", pgerr.DiskFull, func(op vfs.Op, syncs int) bool { return op == vfs.OpSync && syncs == 1 || op == vfs.OpCreate }, syscall.ENOSPC},
		{"gone", pgerr.OutcomeUnknown, func(op vfs.Op, _ int) bool { return op.Changes() && op != vfs.OpWrite }, syscall.EIO},
	} {
		t.Run(test.name, func(t *testing.T) {
			disk := newDisk()
			fault := vfs.NewFault(disk, nil)
			s := mustOpen(t, local.Options{Dir: "/srv/data", FS: fault})
			c := fill(t, s, 3)
			syncs := 0 // the first is that of the record
			fault.Set(func(c vfs.Call) vfs.Fate {
				if c.Op == vfs.OpSync {
					syncs++
				}
				if test.fails(c.Op, syncs) {
					return vfs.Fate{Err: test.err}
				}
				return vfs.Fate{}
			})
			err := s.Append(ctx, wal, 4, []byte("entry 4 of writer"))
			if pgerr.Code(err) != test.code || !errors.Is(err, test.err) {
				t.Fatalf("append: %s %v, want %s", pgerr.Code(err), err, test.code)
			}
			for mode, left := range crashes(disk, 1) {
				r := mustOpen(t, local.Options{Dir: "/srv/data", FS: left})
				if err := filled(r, c, 3); err != nil {
					t.Errorf("crash %s: %v", mode, err)
				}
				head, err := r.Head(ctx, wal)
				if err != nil || head != 3 && (test.code != pgerr.OutcomeUnknown || head != 4) {
					t.Errorf("crash %s: head %d, %v", mode, head, err)
				}
				if mode == "kill" && test.code == pgerr.OutcomeUnknown && head != 4 {
					t.Error("the record that may be found is not")
				}
				if err := r.Close(); err != nil {
					t.Error(err)
				}
			}
			fault.Set(nil)
			if err := s.Append(ctx, wal, 4, []byte("entry 4 of writer")); err != nil {
				t.Errorf("append when the disk works again: %v", err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}
