package vfs_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/phyllodb/phyllo/internal/vfs"
)

// disks are the file systems, each with an empty folder.
func disks(t *testing.T) map[string]struct {
	fs  vfs.FS
	dir string
} {
	mem := vfs.NewMem()
	if err := mem.MkdirAll("/some/dir"); err != nil {
		t.Fatal(err)
	}
	return map[string]struct {
		fs  vfs.FS
		dir string
	}{
		"os":    {vfs.OS{}, t.TempDir()},
		"mem":   {mem, "/some/dir"},
		"fault": {vfs.NewFault(vfs.OS{}, nil), t.TempDir()},
	}
}

func write(t *testing.T, f vfs.File, s string) {
	t.Helper()
	if n, err := f.Write([]byte(s)); n != len(s) || err != nil {
		t.Fatalf("write: %d, %v", n, err)
	}
}

func content(t *testing.T, fsys vfs.FS, name string) string {
	t.Helper()
	f, err := fsys.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return "(none)"
	}
	if err != nil {
		t.Fatal(err)
	}
	size, err := f.Size()
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, size)
	if n, err := f.ReadAt(b, 0); n < len(b) {
		t.Fatalf("read: %d of %d, %v", n, size, err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func TestFileSystems(t *testing.T) {
	for name, d := range disks(t) {
		t.Run(name, func(t *testing.T) {
			fsys, a, b := d.fs, filepath.Join(d.dir, "a"), filepath.Join(d.dir, "sub", "deep", "b")
			must(t, fsys.MkdirAll(filepath.Dir(b)), fsys.MkdirAll(filepath.Dir(b)))
			for _, err := range []error{
				func() error { _, err := fsys.Open(a); return err }(),
				func() error { _, err := fsys.OpenAppend(a); return err }(),
				func() error { _, err := fsys.Size(a); return err }(),
				func() error { _, err := fsys.List(filepath.Join(d.dir, "nowhere")); return err }(),
				func() error { _, err := fsys.Create(filepath.Join(d.dir, "nowhere", "x")); return err }(),
				fsys.Remove(a), fsys.Rename(a, a+"2"), fsys.SyncDir(filepath.Join(d.dir, "nowhere")),
			} {
				if !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("%v, want ErrNotExist", err)
				}
			}
			f, err := fsys.Create(a)
			must(t, err)
			write(t, f, "hello")
			write(t, f, " world")
			if _, err := fsys.Create(a); !errors.Is(err, fs.ErrExist) {
				t.Errorf("create again: %v", err)
			}
			buf := make([]byte, 10)
			if n, err := f.ReadAt(buf, 6); n != 5 || !errors.Is(err, io.EOF) || string(buf[:n]) != "world" {
				t.Errorf("read at 6: %d %q %v", n, buf[:n], err)
			}
			if n, err := f.ReadAt(buf, 99); n != 0 || !errors.Is(err, io.EOF) {
				t.Errorf("read at 99: %d %v", n, err)
			}
			must(t, f.Sync(), f.Truncate(5))
			write(t, f, "!")
			must(t, f.Close())
			f, err = fsys.OpenAppend(a)
			must(t, err)
			write(t, f, "?")
			must(t, f.Close())
			r, err := fsys.Open(a)
			must(t, err)
			if _, err := r.Write([]byte("x")); err == nil {
				t.Error("wrote to a file open for reading")
			}
			// An open file outlives its name.
			must(t, fsys.Rename(a, a+"2"))
			f, err = fsys.Create(a)
			must(t, err)
			must(t, f.Close(), fsys.Rename(a, a+"2"), fsys.SyncDir(d.dir))
			if n, err := r.ReadAt(buf[:7], 0); n != 7 || err != nil || string(buf[:7]) != "hello!?" {
				t.Errorf("read of a replaced file: %q %v", buf[:n], err)
			}
			must(t, r.Close())
			if got := content(t, fsys, a+"2"); got != "" {
				t.Errorf("the new file holds %q", got)
			}
			entries, err := fsys.List(d.dir)
			if err != nil || !slices.Equal(entries, []vfs.DirEntry{{Name: "a2"}, {Name: "sub", Dir: true}}) {
				t.Errorf("list: %v, %v", entries, err)
			}
			if err := fsys.Remove(filepath.Dir(b)); err != nil {
				t.Errorf("remove an empty folder: %v", err)
			}
			must(t, fsys.MkdirAll(filepath.Dir(b)))
			if err := fsys.Remove(filepath.Join(d.dir, "sub")); err == nil {
				t.Error("a folder with something in it was removed")
			}
		})
	}
}

func TestLock(t *testing.T) {
	for name, d := range disks(t) {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(d.dir, "LOCK")
			for range 2 {
				l, err := d.fs.Lock(path)
				must(t, err)
				_, err = d.fs.Lock(path)
				var locked *vfs.LockedError
				if !errors.As(err, &locked) || locked.Name != path || locked.PID == 0 || !strings.Contains(err.Error(), path) {
					t.Errorf("second lock: %v", err)
				}
				must(t, l.Close())
			}
		})
	}
}

func TestWriteAtomic(t *testing.T) {
	for name, d := range disks(t) {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(d.dir, "file")
			broken := errors.New("broken")
			for _, s := range []string{"one", "two", ""} {
				renamed, err := vfs.WriteAtomic(d.fs, path, "tag", func(w io.Writer) error {
					_, err := io.WriteString(w, s)
					return err
				})
				if !renamed || err != nil || content(t, d.fs, path) != s {
					t.Fatalf("%v, %v: %q", renamed, err, content(t, d.fs, path))
				}
				renamed, err = vfs.WriteAtomic(d.fs, path, "tag", func(w io.Writer) error { return broken })
				if renamed || !errors.Is(err, broken) || content(t, d.fs, path) != s {
					t.Fatalf("%v, %v: %q", renamed, err, content(t, d.fs, path))
				}
			}
			entries, err := d.fs.List(d.dir)
			if err != nil || len(entries) != 1 {
				t.Fatalf("left: %v, %v", entries, err)
			}
		})
	}
}

// TestWriteAtomicCrashes stops a replacement before each call: the file holds
// the old or the new content, and the new one once WriteAtomic has returned.
func TestWriteAtomicCrashes(t *testing.T) {
	for seed := range uint64(20) {
		mem := vfs.NewMem()
		replace := func(fsys vfs.FS, s string) {
			_, err := vfs.WriteAtomic(fsys, "/file", "tag", func(w io.Writer) error {
				_, err := io.WriteString(w, strings.Repeat(s, 2000))
				return err
			})
			must(t, err)
		}
		replace(mem, "old")
		fault := vfs.NewFault(mem, func(c vfs.Call) vfs.Fate {
			for _, mode := range vfs.CrashModes {
				if got := content(t, mem.Crash(mode, seed), "/file"); got != strings.Repeat("old", 2000) && got != strings.Repeat("new", 2000) {
					t.Fatalf("seed %d, %s, before call %d (%s): %d bytes", seed, mode, c.N, c.Op, len(got))
				}
			}
			return vfs.Fate{}
		})
		replace(fault, "new")
		if fault.Calls() != 5 {
			t.Fatalf("%d calls", fault.Calls())
		}
		if got := content(t, mem.Crash(vfs.CrashDrop, seed), "/file"); got != strings.Repeat("new", 2000) {
			t.Fatalf("seed %d: the replacement did not last", seed)
		}
	}
}

func TestPowerLoss(t *testing.T) {
	mem := vfs.NewMem()
	f, err := mem.Create("/f")
	must(t, err)
	write(t, f, "synced")
	must(t, f.Sync())
	lost := mem.Crash(vfs.CrashDrop, 0)
	if got := content(t, lost, "/f"); got != "(none)" {
		t.Errorf("a name that was not synced is there: %q", got)
	}
	must(t, mem.SyncDir("/"))
	write(t, f, " unsynced")
	for _, test := range []struct {
		what string
		disk *vfs.Mem
		want string
	}{
		{"drop", mem.Crash(vfs.CrashDrop, 0), "synced"},
		{"keep", mem.Crash(vfs.CrashKeep, 0), "synced unsynced"},
		{"kill", mem.Kill(), "synced unsynced"},
		{"kill, then drop", mem.Kill().Crash(vfs.CrashDrop, 0), "synced"},
		{"itself", mem, "synced unsynced"},
	} {
		if got := content(t, test.disk, "/f"); got != test.want {
			t.Errorf("%s: %q, want %q", test.what, got, test.want)
		}
	}
	// Torn and partial writes: any of them must come up, and nothing else.
	seen := map[string]bool{}
	for seed := range uint64(200) {
		got := content(t, mem.Crash(vfs.CrashTorn, seed), "/f")
		if !strings.HasPrefix("synced unsynced", got) || len(got) < 6 {
			t.Fatalf("torn, seed %d: %q", seed, got)
		}
		if got != content(t, mem.Crash(vfs.CrashTorn, seed), "/f") {
			t.Fatalf("seed %d gives two outcomes", seed)
		}
		seen[got] = true
	}
	if len(seen) < 8 {
		t.Errorf("torn writes give only %d outcomes", len(seen))
	}
	write(t, f, strings.Repeat("x", 3000))
	holes := 0
	for seed := range uint64(50) {
		if got := content(t, mem.Crash(vfs.CrashSubset, seed), "/f"); strings.Contains(got, "\x00") && strings.HasSuffix(got, "x") {
			holes++
		}
	}
	if holes < 10 {
		t.Errorf("only %d of 50 partial writes have holes", holes)
	}
	// Removal and renaming are not durable by themselves either.
	must(t, f.Sync(), mem.Rename("/f", "/g"))
	if got := content(t, mem.Crash(vfs.CrashDrop, 0), "/g"); got != "(none)" {
		t.Errorf("unsynced rename: %q", got)
	}
	must(t, mem.SyncDir("/"), mem.Remove("/g"))
	if got := content(t, mem.Crash(vfs.CrashDrop, 0), "/g"); len(got) != 3015 {
		t.Errorf("unsynced removal: %d bytes are left", len(got))
	}
	must(t, f.Close())
}

func TestFault(t *testing.T) {
	mem := vfs.NewMem()
	boom := fmt.Errorf("boom: %w", syscall.ENOSPC)
	var fate vfs.Fate
	fault := vfs.NewFault(mem, func(vfs.Call) vfs.Fate { return fate })
	f, err := fault.Create("/f")
	must(t, err, mem.SyncDir("/"))
	fate = vfs.Fate{Err: boom, Keep: 2}
	if n, err := f.Write([]byte("abcd")); n != 2 || !errors.Is(err, boom) {
		t.Errorf("short write: %d, %v", n, err)
	}
	fate = vfs.Fate{Err: boom, Lose: true}
	if err := f.Sync(); !errors.Is(err, boom) {
		t.Errorf("lost sync: %v", err)
	}
	fate = vfs.Fate{}
	must(t, f.Sync())
	if got := content(t, mem, "/f"); got != "ab" {
		t.Errorf("after a lost sync readers see %q", got)
	}
	if got := content(t, mem.Crash(vfs.CrashKeep, 0), "/f"); got != "" {
		t.Errorf("after a lost sync a crash leaves %q", got)
	}
	fate = vfs.Fate{Err: boom, Applied: true}
	if err := fault.Rename("/f", "/g"); !errors.Is(err, boom) || content(t, mem, "/g") != "ab" {
		t.Errorf("rename that is applied and fails: %v", err)
	}
	fate = vfs.Fate{Err: boom}
	for what, err := range map[string]error{
		"remove": fault.Remove("/g"), "mkdir": fault.MkdirAll("/d"), "sync dir": fault.SyncDir("/"), "truncate": f.Truncate(0),
		"open":   func() error { _, err := fault.Open("/g"); return err }(),
		"append": func() error { _, err := fault.OpenAppend("/g"); return err }(),
		"lock":   func() error { _, err := fault.Lock("/l"); return err }(),
		"list":   func() error { _, err := fault.List("/"); return err }(),
		"size":   func() error { _, err := fault.Size("/g"); return err }(),
		"size 2": func() error { _, err := f.Size(); return err }(),
		"read":   func() error { _, err := f.ReadAt(make([]byte, 1), 0); return err }(),
	} {
		if !errors.Is(err, boom) {
			t.Errorf("%s: %v", what, err)
		}
	}
	fault.Set(nil)
	if got := content(t, fault, "/g"); got != "ab" {
		t.Errorf("%q", got)
	}
	must(t, f.Close())
}
