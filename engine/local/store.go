package local

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"iter"
	"log/slog"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/vfs"
)

// FormatVersion is the version of the folder's layout that this code writes,
// and the newest that it reads.
const FormatVersion = 1

// Store is the embedded store. It is safe for concurrent use.
type Store struct {
	opts    Options
	fs      vfs.FS
	lock    io.Closer // nil if read only
	id      [16]byte
	metrics Metrics
	cache   *cache
	source  *sequence // source logs
	commit  *sequence // commit and catalogue logs
	temps   atomic.Uint64
	nonce   [4]byte // in names of temporary files, for an earlier process's may be left

	mu         sync.Mutex // guards the following
	closed     bool
	busy       sync.WaitGroup // calls on blobs under way; Add under mu and not closed
	partitions map[chunk.PartitionID]*partition
}

var _ engine.Store = (*Store)(nil)

// Open opens the store in a folder, and makes it if the folder is empty or
// missing. A folder that another process has open is refused (55006) unless
// Options.ReadOnly, one of a newer format always.
func Open(opts Options) (*Store, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	opts = opts.withDefaults()
	s := &Store{opts: opts, fs: opts.FS, partitions: map[chunk.PartitionID]*partition{}}
	s.cache = newCache(opts.CacheBytes, &s.metrics)
	if _, err := rand.Read(s.nonce[:]); err != nil {
		return nil, err
	}
	if err := s.open(); err != nil {
		if s.source != nil {
			err = errors.Join(err, s.source.close(false))
		}
		if s.commit != nil {
			err = errors.Join(err, s.commit.close(false))
		}
		if s.lock != nil {
			err = errors.Join(err, s.lock.Close())
		}
		return nil, err
	}
	return s, nil
}

func (s *Store) open() error {
	if s.opts.ReadOnly {
		err := s.readFormat()
		if errors.Is(err, fs.ErrNotExist) {
			return pgerr.New(pgerr.ObjectNotInState, "folder %s holds no store: there is no file %s in it", s.opts.Dir, formatName)
		}
		if err != nil {
			return err
		}
		return s.openLogsReadOnly()
	}
	if err := s.takeFolder(); err != nil {
		return err
	}
	err := s.readFormat()
	if errors.Is(err, fs.ErrNotExist) {
		err = s.create()
	}
	if err != nil {
		return err
	}
	if err := s.makeFolders(); err != nil {
		return err
	}
	if err := s.removeRemains(); err != nil {
		return err
	}
	s.source, s.commit = newSequence(s, "source", 's'), newSequence(s, "commit", 'c')
	for _, q := range []*sequence{s.source, s.commit} {
		r, err := q.load()
		if err == nil {
			err = q.settle(r)
		}
		if err != nil {
			return fmt.Errorf("open data folder %s: %w", s.opts.Dir, err)
		}
	}
	go s.source.run()
	go s.commit.run()
	return nil
}

// readOnlyAttempts bounds how often a read-only open starts again because
// files vanished or changed under its hands.
const readOnlyAttempts = 10

func (s *Store) openLogsReadOnly() error {
	load := func(name string, tag byte) (q *sequence, err error) {
		for range readOnlyAttempts {
			q = newSequence(s, name, tag)
			if _, err = q.load(); err == nil {
				return q, nil
			}
			err = errors.Join(err, q.close(false))
			if !errors.Is(err, fs.ErrNotExist) && !isCorrupt(err) {
				break
			}
		}
		return nil, fmt.Errorf("open data folder %s: %w", s.opts.Dir, err)
	}
	var err error
	if s.source, err = load("source", 's'); err != nil {
		return err
	}
	s.commit, err = load("commit", 'c')
	return err
}

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
	for _, dir := range []string{s.path(checkpointName), s.opts.Dir, filepath.Dir(filepath.Clean(s.opts.Dir))} {
		s.metrics.Fsyncs.Add(1)
		err := s.fs.SyncDir(dir)
		if errors.Is(err, fs.ErrPermission) && !strings.HasPrefix(dir, s.opts.Dir) {
			continue // the folder above may be somebody else's, who made ours long ago
		}
		if err != nil {
			return diskError("could not sync folder "+dir, err)
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

// writeAtomic is vfs.WriteAtomic with a name of its own for each call.
func (s *Store) writeAtomic(name string, write func(io.Writer) error) (renamed bool, err error) {
	s.metrics.Fsyncs.Add(2)
	return vfs.WriteAtomic(s.fs, name, fmt.Sprintf("%x-%d", s.nonce, s.temps.Add(1)), func(w io.Writer) error {
		return write(countingWriter{w, &s.metrics.BytesWritten})
	})
}

type countingWriter struct {
	w io.Writer
	n *atomic.Int64
}

func (c countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n.Add(int64(n))
	return n, err
}

// Metrics returns the store's counters.
func (s *Store) Metrics() *Metrics { return &s.metrics }

// Close waits for the calls under way, refuses later ones and frees the folder.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	s.busy.Wait()
	err := errors.Join(s.source.close(!s.opts.ReadOnly), s.commit.close(!s.opts.ReadOnly))
	if s.lock != nil {
		err = errors.Join(err, s.lock.Close())
	}
	return err
}

// enter begins a call on blobs; each is ended by s.busy.Done.
func (s *Store) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed
	}
	s.busy.Add(1)
	return nil
}

// sequence returns the sequence of a kind of log.
func (s *Store) sequence(ctx context.Context, kind engine.LogKind, write bool) (*sequence, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	closed := s.closed
	s.mu.Unlock()
	switch {
	case closed:
		return nil, errClosed
	case write && s.opts.ReadOnly:
		return nil, errReadOnly
	case kind == engine.SourceLog:
		return s.source, nil
	case kind == engine.CommitLog, kind == engine.CatalogueLog:
		return s.commit, nil
	}
	return nil, fmt.Errorf("local: no kind %d of logs", kind)
}

// Append implements engine.Logs. Concurrent appends share a write and an
// fsync. The appends of several entries to one log may be under way at once if
// they are called in order; one waits for an earlier one of the same sequence
// number. Once begun it is not cut short by ctx.
func (s *Store) Append(ctx context.Context, log engine.LogID, seq uint64, data []byte) error {
	q, err := s.sequence(ctx, log.Kind, true)
	if err != nil {
		return err
	}
	if err := checkRecord(log, data); err != nil {
		return err
	}
	return q.append(ctx, log, seq, data)
}

// Read implements engine.Logs.
func (s *Store) Read(ctx context.Context, log engine.LogID, seq uint64) iter.Seq2[engine.Entry, error] {
	q, err := s.sequence(ctx, log.Kind, false)
	if err != nil {
		return func(yield func(engine.Entry, error) bool) { yield(engine.Entry{}, err) }
	}
	return q.read(ctx, log, seq)
}

// Head implements engine.Logs.
func (s *Store) Head(ctx context.Context, log engine.LogID) (uint64, error) {
	q, err := s.sequence(ctx, log.Kind, false)
	if err != nil {
		return 0, err
	}
	return q.last(log), nil
}

// Trim implements engine.Logs.
func (s *Store) Trim(ctx context.Context, log engine.LogID, seq uint64) error {
	q, err := s.sequence(ctx, log.Kind, true)
	if err != nil {
		return err
	}
	return q.trim(ctx, log, seq)
}

// List implements engine.Logs; the logs come in the order of their keys.
func (s *Store) List(ctx context.Context, kind engine.LogKind) ([]engine.LogID, error) {
	q, err := s.sequence(ctx, kind, false)
	if err != nil {
		return nil, err
	}
	return q.list(kind), nil
}

// Drop implements engine.Logs.
func (s *Store) Drop(ctx context.Context, log engine.LogID) error {
	q, err := s.sequence(ctx, log.Kind, true)
	if err != nil {
		return err
	}
	return q.drop(ctx, log)
}
