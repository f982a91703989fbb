// Package vfs is the only door to the disk: a small file-system interface, its
// implementation by the operating system (OS), a simulated one that knows what
// a power cut would leave (Mem), and a wrapper that fails any call (Fault).
package vfs

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
)

// FS is what storage code may do with the disk. Errors are those of io/fs
// (fs.ErrNotExist, fs.ErrExist) and of the operating system, wrapped. It is
// safe for concurrent use.
type FS interface {
	// Create makes a new file, open for reading and for writing at its end; it
	// fails with fs.ErrExist if there is one of that name.
	Create(name string) (File, error)
	// Open opens a file for reading.
	Open(name string) (File, error)
	// OpenAppend opens a file for reading and for writing at its end.
	OpenAppend(name string) (File, error)
	// Rename moves a file within its folder, replacing what has the new name.
	Rename(from, to string) error
	// Remove removes a file or an empty folder.
	Remove(name string) error
	// List returns what lies in a folder, sorted by name.
	List(dir string) ([]DirEntry, error)
	// Size returns the length of a file in bytes.
	Size(name string) (int64, error)
	// MkdirAll makes a folder and those above it; one that exists is no error.
	MkdirAll(dir string) error
	// SyncDir makes the names in a folder durable.
	SyncDir(dir string) error
	// Lock takes the exclusive lock of a lock file, made if need be, until
	// Close or the end of the process. It fails with a *LockedError at once
	// if another holds it.
	Lock(name string) (io.Closer, error)
}

// A File is an open file. Reads may run beside one writer.
type File interface {
	io.ReaderAt
	io.Writer // at the end
	io.Closer
	// Sync makes the content durable, but not the name: see FS.SyncDir. After
	// a failed Sync nothing is known of what was written since the last one,
	// and a later Sync that succeeds says nothing of it.
	Sync() error
	Truncate(size int64) error
	Size() (int64, error)
}

// A DirEntry is one name in a folder.
type DirEntry struct {
	Name string
	Dir  bool
}

// A LockedError says that another process holds a lock file's lock. PID is
// what that one wrote into the file, 0 if it cannot be read.
type LockedError struct {
	Name string
	PID  int
}

func (e *LockedError) Error() string {
	if e.PID > 0 {
		return fmt.Sprintf("%s is locked by the process with pid %d", e.Name, e.PID)
	}
	return fmt.Sprintf("%s is locked by another process", e.Name)
}

// TempSuffix ends the names of files that are being written: what has it after
// a crash is garbage.
const TempSuffix = ".tmp"

// IsTemp tells whether a file name is one that WriteAtomic uses on the way.
func IsTemp(name string) bool { return strings.HasSuffix(name, TempSuffix) }

// WriteAtomic makes name hold what write writes, durably and in one step: into
// a temporary file in the same folder (tag tells concurrent writers of one
// name apart), fsync, rename, fsync of the folder. After an error name holds
// either the old or the new content; renamed tells whether the new name was
// taken, so that only its durability is in doubt.
func WriteAtomic(fsys FS, name, tag string, write func(io.Writer) error) (renamed bool, err error) {
	temp := name + "." + tag + TempSuffix
	f, err := fsys.Create(temp)
	if err != nil {
		return false, err
	}
	err = write(f)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = fsys.Rename(temp, name)
	}
	if err != nil {
		if rerr := fsys.Remove(temp); rerr != nil {
			err = errors.Join(err, rerr) // left for the clean-up of the next start
		}
		return false, err
	}
	return true, fsys.SyncDir(filepath.Dir(name))
}
