package local

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"log/slog"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/vfs"
)

// FormatVersion is the version of the folder's layout that this code writes,
// and the newest that it reads.
const FormatVersion = 1

// takeFolder makes the folder if need be and locks it.
func (s *Store) takeFolder() error {
	if err := s.fs.MkdirAll(s.opts.Dir); err != nil {
		return diskError("could not make data folder "+s.opts.Dir, err)
	}
	lock, err := s.fs.Lock(s.path(lockName))
	var locked *vfs.LockedError
	if errors.As(err, &locked) {
		e := pgerr.New(pgerr.ObjectInUse, "data folder %s is in use by another process", s.opts.Dir)
		if locked.PID > 0 {
			e = pgerr.New(pgerr.ObjectInUse, "data folder %s is in use by another process (pid %d)", s.opts.Dir, locked.PID)
		}
		e.Cause = err
		return e.WithHint("Only one server can use a data folder; stop the other one or choose another folder.")
	}
	if err != nil {
		return diskError("could not lock data folder "+s.opts.Dir, err)
	}
	s.lock = lock
	return nil
}

// create writes the FORMAT file of a new store. The folder must not hold
// anything else: it may be somebody's home.
func (s *Store) create() error {
	entries, err := s.fs.List(s.opts.Dir)
	if err != nil {
		return diskError("could not list data folder "+s.opts.Dir, err)
	}
	for _, e := range entries {
		if e.Name != lockName && e.Name != "lost+found" && !(vfs.IsTemp(e.Name) && strings.HasPrefix(e.Name, formatName)) {
			return pgerr.New(pgerr.ObjectNotInState, "folder %s is not empty and holds no store (there is no file %s, but %s)", s.opts.Dir, formatName, e.Name)
		}
	}
	if _, err := rand.Read(s.id[:]); err != nil {
		return err
	}
	_, err = s.writeAtomic(s.path(formatName), func(w io.Writer) error {
		_, err := w.Write(appendFormat(nil, s.id))
		return err
	})
	if err != nil {
		return diskError("could not make a store in "+s.opts.Dir, err)
	}
	return nil
}

func appendFormat(dst []byte, id [16]byte) []byte {
	dst = fmt.Appendf(dst, "phyllo store\nversion %d\nid %x\n", FormatVersion, id)
	return fmt.Appendf(dst, "crc32c %08x\n", crc32.Checksum(dst, castagnoli))
}

const maxFormatBytes = 4096

// readFormat reads the FORMAT file: fs.ErrNotExist if there is none.
func (s *Store) readFormat() error {
	path := s.path(formatName)
	f, err := s.fs.Open(path)
	if err != nil {
		return diskError("could not open "+path, err)
	}
	b := make([]byte, maxFormatBytes)
	n, err := f.ReadAt(b, 0)
	if cerr := f.Close(); err == nil || errors.Is(err, io.EOF) {
		err = cerr
	}
	if err != nil {
		return diskError("could not read "+path, err)
	}
	id, err := parseFormat(b[:n])
	var newer newerFormatError
	if errors.As(err, &newer) {
		return pgerr.New(pgerr.FeatureNotSupported, "data folder %s has format version %d; this program reads versions up to %d", s.opts.Dir, int(newer), FormatVersion).
			WithHint("It was written by a newer version of Phyllo: use that one.")
	}
	if err != nil {
		return corrupt("%s does not describe a store: %v", path, err)
	}
	s.id = id
	return nil
}

type newerFormatError int

func (e newerFormatError) Error() string { return fmt.Sprintf("format version %d", int(e)) }

// parseFormat reads a FORMAT file. Of a newer one only the first two lines
// are taken to be as we know them.
func parseFormat(b []byte) (id [16]byte, err error) {
	lines := bytes.Split(b, []byte("\n"))
	if string(lines[0]) != "phyllo store" || len(lines) < 2 {
		return id, errors.New("it does not begin with \"phyllo store\"")
	}
	digits, ok := strings.CutPrefix(string(lines[1]), "version ")
	version, err := strconv.Atoi(digits)
	if !ok || err != nil || version < 1 {
		return id, errors.New("no version in its second line")
	}
	if version > FormatVersion {
		return id, newerFormatError(version)
	}
	if len(lines) != 5 {
		return id, fmt.Errorf("it has %d lines", len(lines))
	}
	digits, ok = strings.CutPrefix(string(lines[2]), "id ")
	raw, err := hex.DecodeString(digits)
	if !ok || err != nil || len(raw) != len(id) {
		return id, errors.New("no id in its third line")
	}
	copy(id[:], raw)
	if !bytes.Equal(b, appendFormat(nil, id)) {
		return id, errors.New("its checksum is wrong")
	}
	return id, nil
}

// makeFolders makes what lies in the folder, and all names durable: an earlier
// process may have died before it did, and what it left and we read must stay
// (logs may be trimmed by what a checkpoint says).
func (s *Store) makeFolders() error {
	for _, name := range []string{"source", "commit", chunksName, checkpointName} {
		if err := s.fs.MkdirAll(s.path(name)); err != nil {
			return diskError("could not make folder "+s.path(name), err)
		}
	}
	for _, dir := range []string{s.path(checkpointName), s.opts.Dir} {
		s.metrics.Fsyncs.Add(1)
		if err := s.fs.SyncDir(dir); err != nil {
			return diskError("could not sync folder "+dir, err)
		}
	}
	return s.syncAbove(filepath.Clean(s.opts.Dir))
}

// syncAbove makes the folder's own name durable, and those of the folders
// above it, which may have been made with it.
func (s *Store) syncAbove(dir string) error {
	for above := filepath.Dir(dir); above != dir; dir, above = above, filepath.Dir(above) {
		s.metrics.Fsyncs.Add(1)
		err := s.fs.SyncDir(above)
		switch {
		case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EINVAL), errors.Is(err, syscall.EROFS), errors.Is(err, errors.ErrUnsupported):
			return nil // somebody else's, and so not made with ours
		case err != nil:
			return diskError("could not sync folder "+above, err)
		}
	}
	return nil
}

// removeRemains removes the temporary files that a crash left, and folders of
// partitions without a segment.
func (s *Store) removeRemains() error {
	for _, dir := range []string{s.opts.Dir, s.path(checkpointName)} {
		if _, err := s.removeTemps(dir); err != nil {
			return err
		}
	}
	tables, err := s.fs.List(s.path(chunksName))
	if err != nil {
		return diskError("could not list "+s.path(chunksName), err)
	}
	for _, t := range tables {
		if !t.Dir {
			continue
		}
		table := s.path(chunksName, t.Name)
		parts, err := s.fs.List(table)
		if err != nil {
			return diskError("could not list "+table, err)
		}
		left := len(parts)
		for _, p := range parts {
			if !p.Dir {
				continue
			}
			dir := filepath.Join(table, p.Name)
			files, err := s.removeTemps(dir)
			if err != nil {
				return err
			}
			if files == 0 && s.remove(dir) {
				left--
			}
		}
		if left == 0 {
			s.remove(table)
		}
	}
	return nil
}

// removeTemps removes temporary files and returns how many names are left.
func (s *Store) removeTemps(dir string) (left int, err error) {
	entries, err := s.fs.List(dir)
	if err != nil {
		return 0, diskError("could not list "+dir, err)
	}
	for _, e := range entries {
		if e.Dir || !vfs.IsTemp(e.Name) || !s.remove(filepath.Join(dir, e.Name)) {
			left++
		}
	}
	return left, nil
}

func (s *Store) remove(name string) bool {
	if err := s.fs.Remove(name); err != nil {
		s.opts.Logger.Warn("removing what a crash left failed", slog.String("name", name), slog.Any("error", err))
		return false
	}
	return true
}
