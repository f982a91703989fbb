package vfs

import (
	"io"
	"sync/atomic"
)

// Op is a kind of call to a file system or a file.
type Op string

const (
	OpCreate   Op = "create"
	OpOpen     Op = "open"
	OpAppend   Op = "open-append"
	OpRead     Op = "read"
	OpWrite    Op = "write"
	OpSync     Op = "sync"
	OpTruncate Op = "truncate"
	OpRename   Op = "rename"
	OpRemove   Op = "remove"
	OpList     Op = "list"
	OpSize     Op = "size"
	OpMkdir    Op = "mkdir"
	OpSyncDir  Op = "sync-dir"
	OpLock     Op = "lock"
)

// Changes tells whether calls of the kind change what is on the disk.
func (o Op) Changes() bool {
	switch o {
	case OpOpen, OpAppend, OpRead, OpList, OpSize, OpLock:
		return false
	}
	return true
}

// A Call is one call as a hook sees it. N counts the calls of the wrapper from 1.
type Call struct {
	N    int
	Op   Op
	Name string
	Size int // bytes to read or write
}

// A Fate says what a call does. The zero value is what the file system does.
type Fate struct {
	// Err is what the call fails with; nil lets it be.
	Err error
	// Applied: the call is done and fails nevertheless.
	Applied bool
	// Keep is how many bytes of a failing write get into the file.
	Keep int
	// Lose, for a failing sync: the written bytes stay readable and count as
	// clean, so that no later sync saves them, as Linux does after an error.
	Lose bool
}

// Fault passes calls on to a file system and asks a hook about each. The hook
// runs in the goroutine of the caller before the call is done, may block, and
// may look at the file system below (Mem.Crash); it may be changed by Set.
type Fault struct {
	fs    FS
	hook  atomic.Pointer[func(Call) Fate]
	calls atomic.Int64
}

var _ FS = (*Fault)(nil)

// NewFault wraps fsys. hook may be nil.
func NewFault(fsys FS, hook func(Call) Fate) *Fault {
	f := &Fault{fs: fsys}
	f.Set(hook)
	return f
}

// Set replaces the hook; nil takes it away.
func (f *Fault) Set(hook func(Call) Fate) {
	if hook == nil {
		f.hook.Store(nil)
		return
	}
	f.hook.Store(&hook)
}

// Calls returns the number of calls so far, so that a test can fail each once.
func (f *Fault) Calls() int { return int(f.calls.Load()) }

func (f *Fault) ask(op Op, name string, size int) Fate {
	n := f.calls.Add(1)
	if hook := f.hook.Load(); hook != nil {
		return (*hook)(Call{N: int(n), Op: op, Name: name, Size: size})
	}
	return Fate{}
}

// do runs a call as its fate wants it.
func (f *Fault) do(op Op, name string, size int, call func() error) error {
	fate := f.ask(op, name, size)
	if fate.Err == nil {
		return call()
	}
	if fate.Applied {
		_ = call() // it fails whatever it does
	}
	return fate.Err
}

func (f *Fault) file(op Op, name string, open func(string) (File, error)) (File, error) {
	var file File
	err := f.do(op, name, 0, func() (err error) {
		file, err = open(name)
		return err
	})
	if err != nil {
		if file != nil {
			_ = file.Close() // opened in vain
		}
		return nil, err
	}
	return &faultFile{f: f, name: name, file: file}, nil
}

// Create implements FS.
func (f *Fault) Create(name string) (File, error) { return f.file(OpCreate, name, f.fs.Create) }

// Open implements FS.
func (f *Fault) Open(name string) (File, error) { return f.file(OpOpen, name, f.fs.Open) }

// OpenAppend implements FS.
func (f *Fault) OpenAppend(name string) (File, error) { return f.file(OpAppend, name, f.fs.OpenAppend) }

// Rename implements FS.
func (f *Fault) Rename(from, to string) error {
	return f.do(OpRename, to, 0, func() error { return f.fs.Rename(from, to) })
}

// Remove implements FS.
func (f *Fault) Remove(name string) error {
	return f.do(OpRemove, name, 0, func() error { return f.fs.Remove(name) })
}

// List implements FS.
func (f *Fault) List(dir string) (entries []DirEntry, err error) {
	err = f.do(OpList, dir, 0, func() (err error) {
		entries, err = f.fs.List(dir)
		return err
	})
	return entries, err
}

// Size implements FS.
func (f *Fault) Size(name string) (size int64, err error) {
	err = f.do(OpSize, name, 0, func() (err error) {
		size, err = f.fs.Size(name)
		return err
	})
	return size, err
}

// MkdirAll implements FS.
func (f *Fault) MkdirAll(dir string) error {
	return f.do(OpMkdir, dir, 0, func() error { return f.fs.MkdirAll(dir) })
}

// SyncDir implements FS.
func (f *Fault) SyncDir(dir string) error {
	return f.do(OpSyncDir, dir, 0, func() error { return f.fs.SyncDir(dir) })
}

// Lock implements FS.
func (f *Fault) Lock(name string) (c io.Closer, err error) {
	err = f.do(OpLock, name, 0, func() (err error) {
		c, err = f.fs.Lock(name)
		return err
	})
	if err != nil && c != nil {
		_ = c.Close() // taken in vain
		c = nil
	}
	return c, err
}

type faultFile struct {
	f    *Fault
	name string
	file File
}

func (f *faultFile) ReadAt(p []byte, off int64) (n int, err error) {
	err = f.f.do(OpRead, f.name, len(p), func() (err error) {
		n, err = f.file.ReadAt(p, off)
		return err
	})
	return n, err
}

func (f *faultFile) Write(p []byte) (n int, err error) {
	fate := f.f.ask(OpWrite, f.name, len(p))
	if fate.Err == nil {
		return f.file.Write(p)
	}
	keep := min(fate.Keep, len(p))
	if fate.Applied {
		keep = len(p)
	}
	if keep > 0 {
		n, _ = f.file.Write(p[:keep]) // it fails whatever it does
	}
	return n, fate.Err
}

func (f *faultFile) Sync() error {
	fate := f.f.ask(OpSync, f.name, 0)
	if fate.Err == nil {
		return f.file.Sync()
	}
	if fate.Applied {
		_ = f.file.Sync() // it fails whatever it does
	}
	if l, ok := f.file.(interface{ forgetUnsynced() }); ok && fate.Lose {
		l.forgetUnsynced()
	}
	return fate.Err
}

func (f *faultFile) Truncate(size int64) error {
	return f.f.do(OpTruncate, f.name, 0, func() error { return f.file.Truncate(size) })
}

func (f *faultFile) Size() (size int64, err error) {
	err = f.f.do(OpSize, f.name, 0, func() (err error) {
		size, err = f.file.Size()
		return err
	})
	return size, err
}

func (f *faultFile) Close() error { return f.file.Close() }
