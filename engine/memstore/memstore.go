// Package memstore is the reference of store.Store, in memory: the few lines
// that say what the other stores must do. Model tests use it with a hook that
// fails, loses or delays any call (hook.go), and Clone it as if the machine
// had stopped. Node gives another node a store on the same state.
package memstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/store"
)

// Store is one node's way to what is kept. It is safe for concurrent use.
type Store struct {
	*state
	hook Hook

	// Guarded by the state's mu.
	closed bool
	calls  int
	late   []func()
}

// state is what the nodes that share it have written.
type state struct {
	mu          sync.Mutex // guards all below
	now         func() time.Time
	logs        map[store.LogID]*log
	chunks      map[chunkKey][][]byte
	checkpoints map[store.LogID][]byte
	registers   map[store.Register]register
}

// log is one log: entries[i] has sequence number first+i.
type log struct {
	first   uint64
	entries []store.Entry
}

// chunkKey includes the location, so that an engine that loses or mixes up
// locations is found out here and not only on disk.
type chunkKey struct {
	part chunk.PartitionID
	id   chunk.ID
	at   chunk.Location
}

var _ store.Shared = (*Store)(nil)

// New returns an empty store. hook may be nil.
func New(hook Hook) *Store {
	return &Store{hook: hook, state: &state{
		now:         time.Now,
		logs:        map[store.LogID]*log{},
		chunks:      map[chunkKey][][]byte{},
		checkpoints: map[store.LogID][]byte{},
		registers:   map[store.Register]register{},
	}}
}

// Node returns another store on the same state, as another node has it: it
// counts, delays and closes by itself. hook may be nil.
func (s *Store) Node(hook Hook) *Store { return &Store{hook: hook, state: s.state} }

// SetClock makes now the clock that registers run out by, for all nodes that
// share the state. It may not call the store.
func (s *Store) SetClock(now func() time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = now
}

func (l *log) head() uint64 { return l.first + uint64(len(l.entries)) - 1 }

// Append implements store.Logs.
func (s *Store) Append(ctx context.Context, id store.LogID, seq uint64, data []byte) error {
	data = bytes.Clone(data)
	return s.call(ctx, Call{Op: OpAppend, Log: id, Seq: seq}, func() error {
		l := s.logs[id]
		head := uint64(0)
		if l != nil {
			head = l.head()
		}
		if seq != head+1 {
			return fmt.Errorf("%w: append of %d, the last is %d", store.ErrConflict, seq, head)
		}
		if l == nil {
			l = &log{first: 1}
			s.logs[id] = l
		}
		l.entries = append(l.entries, store.Entry{Seq: seq, Data: data})
		return nil
	})
}

// Read implements store.Logs.
func (s *Store) Read(ctx context.Context, id store.LogID, seq uint64) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		var entries []store.Entry
		err := s.call(ctx, Call{Op: OpRead, Log: id, Seq: seq}, func() error {
			l := s.logs[id]
			if l == nil {
				return nil
			}
			seq := max(seq, 1)
			if seq < l.first {
				return fmt.Errorf("%w: read from %d, the first is %d", store.ErrTrimmed, seq, l.first)
			}
			if i := seq - l.first; i < uint64(len(l.entries)) {
				entries = slices.Clone(l.entries[i:])
			}
			return nil
		})
		if err != nil {
			yield(store.Entry{}, err)
			return
		}
		for _, e := range entries {
			if err := ctx.Err(); err != nil {
				yield(store.Entry{}, err)
				return
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}

// Head implements store.Logs.
func (s *Store) Head(ctx context.Context, id store.LogID) (head uint64, err error) {
	err = s.call(ctx, Call{Op: OpHead, Log: id}, func() error {
		if l := s.logs[id]; l != nil {
			head = l.head()
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return head, nil
}

// First implements store.Logs.
func (s *Store) First(ctx context.Context, id store.LogID) (first uint64, err error) {
	first = 1
	err = s.call(ctx, Call{Op: OpHead, Log: id}, func() error {
		if l := s.logs[id]; l != nil {
			first = l.first
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return first, nil
}

// Trim implements store.Logs.
func (s *Store) Trim(ctx context.Context, id store.LogID, seq uint64) error {
	return s.call(ctx, Call{Op: OpTrim, Log: id, Seq: seq}, func() error {
		l := s.logs[id]
		if l == nil || seq <= l.first {
			return nil
		}
		n := min(seq-l.first, uint64(len(l.entries)))
		l.entries = slices.Clone(l.entries[n:])
		l.first += n
		return nil
	})
}

// List implements store.Logs; the logs come in the order of their keys.
func (s *Store) List(ctx context.Context, kind store.LogKind) (ids []store.LogID, err error) {
	err = s.call(ctx, Call{Op: OpList, Log: store.LogID{Kind: kind}}, func() error {
		for id := range s.logs {
			if id.Kind == kind {
				ids = append(ids, id)
			}
		}
		slices.SortFunc(ids, func(a, b store.LogID) int { return strings.Compare(a.Key, b.Key) })
		return nil
	})
	if err != nil {
		return nil, err
	}
	return ids, nil
}

// Drop implements store.Logs.
func (s *Store) Drop(ctx context.Context, id store.LogID) error {
	return s.call(ctx, Call{Op: OpDrop, Log: id}, func() error {
		delete(s.logs, id)
		return nil
	})
}

// PutChunks implements store.Blobs.
func (s *Store) PutChunks(ctx context.Context, part chunk.PartitionID, chunks []*chunk.Sealed) error {
	for _, c := range chunks {
		if err := c.Check(); err != nil {
			return fmt.Errorf("memstore: %w", err)
		}
	}
	if len(chunks) == 0 {
		return ctx.Err()
	}
	locations := make([]chunk.Location, len(chunks))
	blobs := make([][][]byte, len(chunks))
	offset := int64(0)
	for i, c := range chunks {
		locations[i] = chunk.Location{Segment: chunks[0].Entry.ID, Offset: offset}
		for _, b := range c.Blobs {
			blobs[i] = append(blobs[i], bytes.Clone(b))
			offset += int64(len(b))
		}
	}
	ids := make([]chunk.ID, len(chunks))
	for i, c := range chunks {
		ids[i] = c.Entry.ID
	}
	err := s.call(ctx, Call{Op: OpPutChunks, Part: part}, func() error {
		for i, id := range ids {
			s.chunks[chunkKey{part, id, locations[i]}] = blobs[i]
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i, c := range chunks {
		c.Entry.Location = locations[i]
	}
	return nil
}

// Column implements store.Blobs; no checksum is compared.
func (s *Store) Column(ctx context.Context, part chunk.PartitionID, e *chunk.Entry, column int) (blob []byte, checked bool, err error) {
	if column < 0 || column >= len(e.Columns) {
		return nil, false, fmt.Errorf("%w: chunk %x has %d columns, asked for %d", store.ErrNotFound, e.ID, len(e.Columns), column)
	}
	var b []byte // not a result: a late call sets it when nobody waits any more
	err = s.call(ctx, Call{Op: OpColumn, Part: part}, func() error {
		blobs, ok := s.chunks[chunkKey{part, e.ID, e.Location}]
		if !ok || column >= len(blobs) {
			return fmt.Errorf("%w: table %d partition %x chunk %x", store.ErrNotFound, part.Table, part.Key, e.ID)
		}
		b = blobs[column]
		return nil
	})
	if err != nil {
		return nil, false, err
	}
	return b, false, nil
}

// DeleteChunks implements store.Blobs.
func (s *Store) DeleteChunks(ctx context.Context, part chunk.PartitionID, entries []*chunk.Entry) error {
	keys := make([]chunkKey, len(entries))
	for i, e := range entries {
		keys[i] = chunkKey{part, e.ID, e.Location}
	}
	return s.call(ctx, Call{Op: OpDeleteChunks, Part: part}, func() error {
		for _, k := range keys {
			if k.at != (chunk.Location{}) {
				delete(s.chunks, k)
				continue
			}
			maps.DeleteFunc(s.chunks, func(have chunkKey, _ [][]byte) bool { return have.part == part && have.id == k.id })
		}
		return nil
	})
}

// Chunks implements store.Blobs; the IDs come in order.
func (s *Store) Chunks(ctx context.Context, part chunk.PartitionID) (ids []chunk.ID, err error) {
	err = s.call(ctx, Call{Op: OpChunks, Part: part}, func() error {
		for k := range s.chunks {
			if k.part == part {
				ids = append(ids, k.id)
			}
		}
		slices.SortFunc(ids, func(a, b chunk.ID) int { return bytes.Compare(a[:], b[:]) })
		ids = slices.Compact(ids)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return ids, nil
}

// PutCheckpoint implements store.Blobs.
func (s *Store) PutCheckpoint(ctx context.Context, id store.LogID, data []byte) error {
	data = bytes.Clone(data)
	return s.call(ctx, Call{Op: OpPutCheckpoint, Log: id}, func() error {
		s.checkpoints[id] = data
		return nil
	})
}

// Checkpoint implements store.Blobs.
func (s *Store) Checkpoint(ctx context.Context, id store.LogID) (data []byte, err error) {
	err = s.call(ctx, Call{Op: OpCheckpoint, Log: id}, func() error {
		var ok bool
		if data, ok = s.checkpoints[id]; !ok {
			return fmt.Errorf("%w: checkpoint of log %d %x", store.ErrNotFound, id.Kind, id.Key)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return data, nil
}

// DeleteCheckpoint implements store.Blobs.
func (s *Store) DeleteCheckpoint(ctx context.Context, id store.LogID) error {
	return s.call(ctx, Call{Op: OpDeleteCheckpoint, Log: id}, func() error {
		delete(s.checkpoints, id)
		return nil
	})
}

// Close makes every later call fail, but not those of other nodes.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.late = nil
	return nil
}

var errClosed = fmt.Errorf("memstore: store is closed: %w", fs.ErrClosed)

// Clone returns an open store with a copy of what s holds now, as another
// process would find it after s's had been killed. Late calls that s has not
// delivered stay with s. hook may be nil.
func (s *Store) Clone(hook Hook) *Store {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := New(hook)
	c.now = s.now
	for id, l := range s.logs {
		c.logs[id] = &log{first: l.first, entries: slices.Clone(l.entries)}
	}
	maps.Copy(c.chunks, s.chunks)
	maps.Copy(c.checkpoints, s.checkpoints)
	maps.Copy(c.registers, s.registers)
	return c
}

// ErrInjected is what calls fail with that a hook fails without an error of its own.
var ErrInjected = errors.New("memstore: injected failure")
