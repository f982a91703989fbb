package local

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"sync"
	"sync/atomic"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/blobcache"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/vfs"
)

// Store is the embedded store. It is safe for concurrent use.
type Store struct {
	opts    Options
	fs      vfs.FS
	lock    io.Closer // nil if read only
	id      [16]byte
	metrics Metrics
	cache   *blobcache.Cache[blobKey]
	source  *sequence // source logs
	commit  *sequence // commit and catalogue logs
	damage  []error   // why a sequence counts as empty; see Options.SkipDamagedLogs
	temps   atomic.Uint64
	nonce   [4]byte // in names of temporary files, for an earlier process's may be left

	mu         sync.Mutex // guards the following
	closed     bool
	busy       sync.WaitGroup // calls on blobs under way; Add under mu and not closed
	partitions map[chunk.PartitionID]*partition
}

var _ store.Store = (*Store)(nil)

// Open opens the store in a folder, and makes it if the folder is empty or
// missing. A folder that another process has open is refused (55006) unless
// Options.ReadOnly, one of a newer format always.
func Open(opts Options) (*Store, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	opts = opts.withDefaults()
	s := &Store{opts: opts, fs: opts.FS, partitions: map[chunk.PartitionID]*partition{}}
	s.cache = blobcache.New[blobKey](opts.CacheBytes)
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
		err = fmt.Errorf("open data folder %s: %w", s.opts.Dir, err)
		if s.opts.SkipDamagedLogs && isCorrupt(err) {
			s.damage = append(s.damage, err)
			return newSequence(s, name, tag), nil
		}
		return nil, err
	}
	var err error
	if s.source, err = load("source", 's'); err != nil {
		return err
	}
	s.commit, err = load("commit", 'c')
	return err
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

// Cache returns the counters of the column blobs kept in memory.
func (s *Store) Cache() *blobcache.Counters { return s.cache.Counters() }

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
func (s *Store) sequence(ctx context.Context, kind store.LogKind, write bool) (*sequence, error) {
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
	case kind == store.SourceLog:
		return s.source, nil
	case kind == store.CommitLog, kind == store.CatalogueLog, kind == store.SequenceLog:
		return s.commit, nil
	}
	return nil, fmt.Errorf("local: no kind %d of logs", kind)
}

// Append implements store.Logs. Concurrent appends share a write and an
// fsync. The appends of several entries to one log may be under way at once if
// they are called in order; one waits for an earlier one of the same sequence
// number. Once begun it is not cut short by ctx.
func (s *Store) Append(ctx context.Context, log store.LogID, seq uint64, data []byte) error {
	q, err := s.sequence(ctx, log.Kind, true)
	if err != nil {
		return err
	}
	if err := checkRecord(log, data); err != nil {
		return err
	}
	return q.append(ctx, log, seq, data)
}

// Read implements store.Logs.
func (s *Store) Read(ctx context.Context, log store.LogID, seq uint64) iter.Seq2[store.Entry, error] {
	q, err := s.sequence(ctx, log.Kind, false)
	if err != nil {
		return func(yield func(store.Entry, error) bool) { yield(store.Entry{}, err) }
	}
	return q.read(ctx, log, seq)
}

// Head implements store.Logs.
func (s *Store) Head(ctx context.Context, log store.LogID) (uint64, error) {
	q, err := s.sequence(ctx, log.Kind, false)
	if err != nil {
		return 0, err
	}
	return q.last(log), nil
}

// First implements store.Logs.
func (s *Store) First(ctx context.Context, log store.LogID) (uint64, error) {
	q, err := s.sequence(ctx, log.Kind, false)
	if err != nil {
		return 0, err
	}
	return q.oldest(log), nil
}

// Trim implements store.Logs.
func (s *Store) Trim(ctx context.Context, log store.LogID, seq uint64) error {
	q, err := s.sequence(ctx, log.Kind, true)
	if err != nil {
		return err
	}
	return q.trim(ctx, log, seq)
}

// List implements store.Logs; the logs come in the order of their keys.
func (s *Store) List(ctx context.Context, kind store.LogKind) ([]store.LogID, error) {
	q, err := s.sequence(ctx, kind, false)
	if err != nil {
		return nil, err
	}
	return q.list(kind), nil
}

// Drop implements store.Logs.
func (s *Store) Drop(ctx context.Context, log store.LogID) error {
	q, err := s.sequence(ctx, log.Kind, true)
	if err != nil {
		return err
	}
	return q.drop(ctx, log)
}
