package vfs

import (
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
)

// Mem is a file system in memory that keeps what was written apart from what
// was synced, so that tests can ask what a crash would leave (Kill, Crash).
// It is stricter than most disks: syncing a file does not save its name, and
// nothing unsynced is safe.
type Mem struct {
	mu    sync.Mutex // guards all nodes below root, and locks
	root  *node
	locks map[string]bool
}

var _ FS = (*Mem)(nil)

// node is a file or a folder.
type node struct {
	dir bool

	data    []byte  // a file's content as readers see it
	durable []byte  // what power loss leaves for sure
	pending []write // what leads from durable to data

	entries        map[string]*node
	durableEntries map[string]*node
	pendingNames   []naming
}

// write is an unsynced change of a file: data at off, or with truncate the
// file cut or grown to off bytes.
type write struct {
	off      int64
	data     []byte
	truncate bool
}

// naming is an unsynced change of a folder, all of it or nothing: the name
// remove goes, the name add comes.
type naming struct {
	remove, add string
	node        *node
}

// NewMem returns an empty file system with a root folder.
func NewMem() *Mem {
	return &Mem{root: newDir(), locks: map[string]bool{}}
}

func newDir() *node {
	return &node{dir: true, entries: map[string]*node{}, durableEntries: map[string]*node{}}
}

func pathError(op, name string, err error) error {
	return &fs.PathError{Op: op, Path: name, Err: err}
}

// split returns the parts of a path below the root.
func split(name string) []string {
	name = strings.Trim(path.Clean("/"+filepath.ToSlash(name)), "/")
	if name == "" {
		return nil
	}
	return strings.Split(name, "/")
}

// find returns the node of a path; m.mu is held.
func (m *Mem) find(op, name string) (*node, error) {
	n := m.root
	for _, part := range split(name) {
		if !n.dir {
			return nil, pathError(op, name, syscall.ENOTDIR)
		}
		next, ok := n.entries[part]
		if !ok {
			return nil, pathError(op, name, fs.ErrNotExist)
		}
		n = next
	}
	return n, nil
}

// parent returns the folder of a path and the path's last part; m.mu is held.
func (m *Mem) parent(op, name string) (*node, string, error) {
	parts := split(name)
	if len(parts) == 0 {
		return nil, "", pathError(op, name, fs.ErrInvalid)
	}
	d, err := m.find(op, path.Join(parts[:len(parts)-1]...))
	if err != nil {
		return nil, "", pathError(op, name, fs.ErrNotExist)
	}
	if !d.dir {
		return nil, "", pathError(op, name, syscall.ENOTDIR)
	}
	return d, parts[len(parts)-1], nil
}

func (n *node) rename(c naming) {
	applyNaming(n.entries, c)
	n.pendingNames = append(n.pendingNames, c)
}

func applyNaming(entries map[string]*node, c naming) {
	if c.remove != "" {
		delete(entries, c.remove)
	}
	if c.add != "" {
		entries[c.add] = c.node
	}
}

// Create implements FS.
func (m *Mem) Create(name string) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	d, base, err := m.parent("create", name)
	if err != nil {
		return nil, err
	}
	if _, ok := d.entries[base]; ok {
		return nil, pathError("create", name, fs.ErrExist)
	}
	n := &node{}
	d.rename(naming{add: base, node: n})
	return &memFile{m: m, n: n, name: name, writable: true}, nil
}

func (m *Mem) open(name string, writable bool) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.find("open", name)
	if err != nil {
		return nil, err
	}
	if n.dir {
		return nil, pathError("open", name, syscall.EISDIR)
	}
	return &memFile{m: m, n: n, name: name, writable: writable}, nil
}

// Open implements FS.
func (m *Mem) Open(name string) (File, error) { return m.open(name, false) }

// OpenAppend implements FS.
func (m *Mem) OpenAppend(name string) (File, error) { return m.open(name, true) }

// Rename implements FS; both names must be in one folder.
func (m *Mem) Rename(from, to string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	d, old, err := m.parent("rename", from)
	if err != nil {
		return err
	}
	d2, base, err := m.parent("rename", to)
	if err != nil {
		return err
	}
	n, ok := d.entries[old]
	if !ok {
		return pathError("rename", from, fs.ErrNotExist)
	}
	if d != d2 {
		return pathError("rename", to, syscall.EXDEV)
	}
	if have, ok := d.entries[base]; ok && (have.dir || n.dir) {
		return pathError("rename", to, fs.ErrExist)
	}
	d.rename(naming{remove: old, add: base, node: n})
	return nil
}

// Remove implements FS.
func (m *Mem) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	d, base, err := m.parent("remove", name)
	if err != nil {
		return err
	}
	n, ok := d.entries[base]
	if !ok {
		return pathError("remove", name, fs.ErrNotExist)
	}
	if n.dir && len(n.entries) > 0 {
		return pathError("remove", name, syscall.ENOTEMPTY)
	}
	d.rename(naming{remove: base})
	return nil
}

// List implements FS.
func (m *Mem) List(dir string) ([]DirEntry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.find("list", dir)
	if err != nil {
		return nil, err
	}
	if !n.dir {
		return nil, pathError("list", dir, syscall.ENOTDIR)
	}
	var out []DirEntry
	for _, name := range slices.Sorted(maps.Keys(n.entries)) {
		out = append(out, DirEntry{Name: name, Dir: n.entries[name].dir})
	}
	return out, nil
}

// Size implements FS.
func (m *Mem) Size(name string) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.find("stat", name)
	if err != nil {
		return 0, err
	}
	return int64(len(n.data)), nil
}

// MkdirAll implements FS.
func (m *Mem) MkdirAll(dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.root
	for _, part := range split(dir) {
		next, ok := n.entries[part]
		if !ok {
			next = newDir()
			n.rename(naming{add: part, node: next})
		}
		if !next.dir {
			return pathError("mkdir", dir, syscall.ENOTDIR)
		}
		n = next
	}
	return nil
}

// SyncDir implements FS.
func (m *Mem) SyncDir(dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.find("sync", dir)
	if err != nil {
		return err
	}
	if !n.dir {
		return pathError("sync", dir, syscall.ENOTDIR)
	}
	for _, c := range n.pendingNames {
		applyNaming(n.durableEntries, c)
	}
	n.pendingNames = nil
	return nil
}

// Lock implements FS; the lock is one of this Mem, its clones are free.
func (m *Mem) Lock(name string) (io.Closer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	d, base, err := m.parent("lock", name)
	if err != nil {
		return nil, err
	}
	key := strings.Join(split(name), "/")
	if m.locks[key] {
		return nil, &LockedError{Name: name, PID: 1}
	}
	if _, ok := d.entries[base]; !ok {
		d.rename(naming{add: base, node: &node{}})
	}
	m.locks[key] = true
	return &memLock{m: m, key: key}, nil
}

type memLock struct {
	m   *Mem
	key string
}

func (l *memLock) Close() error {
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	delete(l.m.locks, l.key)
	return nil
}

// memFile is an open file; its name may change or go, the node stays.
type memFile struct {
	m        *Mem
	n        *node
	name     string
	writable bool
	closed   bool // guarded by m.mu
}

func (f *memFile) check(op string, write bool) error {
	if f.closed {
		return pathError(op, f.name, fs.ErrClosed)
	}
	if write && !f.writable {
		return pathError(op, f.name, fs.ErrPermission)
	}
	return nil
}

func (f *memFile) ReadAt(p []byte, off int64) (int, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if err := f.check("read", false); err != nil {
		return 0, err
	}
	if off < 0 {
		return 0, pathError("read", f.name, fs.ErrInvalid)
	}
	if off >= int64(len(f.n.data)) {
		return 0, io.EOF
	}
	n := copy(p, f.n.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memFile) Write(p []byte) (int, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if err := f.check("write", true); err != nil {
		return 0, err
	}
	w := write{off: int64(len(f.n.data)), data: slices.Clone(p)}
	f.n.data = w.apply(f.n.data)
	f.n.pending = append(f.n.pending, w)
	return len(p), nil
}

func (f *memFile) Truncate(size int64) error {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if err := f.check("truncate", true); err != nil {
		return err
	}
	if size < 0 {
		return pathError("truncate", f.name, fs.ErrInvalid)
	}
	w := write{off: size, truncate: true}
	f.n.data = w.apply(f.n.data)
	f.n.pending = append(f.n.pending, w)
	return nil
}

// apply returns content with the write done; content is changed in place.
func (w write) apply(content []byte) []byte {
	end := w.off + int64(len(w.data))
	if grow := end - int64(len(content)); grow > 0 {
		content = append(content, make([]byte, grow)...)
	}
	if w.truncate {
		return content[:w.off]
	}
	copy(content[w.off:], w.data)
	return content
}

func (f *memFile) Sync() error {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if err := f.check("sync", false); err != nil {
		return err
	}
	for _, w := range f.n.pending {
		f.n.durable = w.apply(f.n.durable)
	}
	f.n.pending = nil
	return nil
}

// forgetUnsynced makes what was written since the last Sync count as clean.
func (f *memFile) forgetUnsynced() {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	f.n.pending = nil
}

func (f *memFile) Size() (int64, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if err := f.check("stat", false); err != nil {
		return 0, err
	}
	return int64(len(f.n.data)), nil
}

func (f *memFile) Close() error {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if f.closed {
		return pathError("close", f.name, fs.ErrClosed)
	}
	f.closed = true
	return nil
}

// Corrupt calls change with a file's content, which it may change in place, as
// a bad disk would: readers and crashes see the result.
func (m *Mem) Corrupt(name string, change func([]byte) []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.find("corrupt", name)
	if err != nil {
		return err
	}
	if n.dir {
		return fmt.Errorf("corrupt %s: %w", name, syscall.EISDIR)
	}
	n.data = change(slices.Clone(n.data))
	n.durable, n.pending = slices.Clone(n.data), nil
	return nil
}
