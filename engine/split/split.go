// Package split is the store of a node whose commits are durable on its own disk
// (durability = 'local') while all else lies in a store that it shares: the source
// logs that it appends to are in a folder, every other log, the blobs and the
// registers are shared.
//
// Other nodes see such a node's rows when they have been flushed, and nobody can
// take them over: that is what is given up for commits that cost one local fsync.
package split

import (
	"context"
	"errors"
	"iter"
	"sync"

	"github.com/phyllodb/phyllo/engine/commitlog"
	"github.com/phyllodb/phyllo/engine/store"
)

// A Store joins the two. It is safe for concurrent use.
type Store struct {
	store.Shared // all but what is said below

	own    store.Store
	writer string
	local  bool
	known  sync.Map // by store.LogID: the store.Logs that has it
}

var _ store.Shared = (*Store)(nil)

// New returns the store of the node that writes as writer. New source logs of it
// go to own if local is set, else to the shared store; those that own has already
// are read and ended there in both cases, so that a node can go from one to the
// other. The store takes over both and closes them.
func New(shared store.Shared, own store.Store, writer string, local bool) *Store {
	return &Store{Shared: shared, own: own, writer: writer, local: local}
}

// logs returns where a log is.
func (s *Store) logs(ctx context.Context, log store.LogID) (store.Logs, error) {
	if log.Kind != store.SourceLog {
		return s.Shared, nil
	}
	src, err := commitlog.ParseSource(log.Key)
	if err != nil || src.Writer != s.writer {
		return s.Shared, err
	}
	if where, ok := s.known.Load(log); ok {
		return where.(store.Logs), nil
	}
	where, err := s.find(ctx, log)
	if err == nil {
		s.known.Store(log, where)
	}
	return where, err
}

// find looks where a log of this node's processes is. One that neither store has
// is about to begin.
func (s *Store) find(ctx context.Context, log store.LogID) (store.Logs, error) {
	here, there := store.Logs(s.own), store.Logs(s.Shared)
	if !s.local {
		here, there = there, here
	}
	head, err := there.Head(ctx, log)
	if err != nil || head > 0 {
		return there, err
	}
	return here, nil
}

// Append implements store.Logs.
func (s *Store) Append(ctx context.Context, log store.LogID, seq uint64, data []byte) error {
	l, err := s.logs(ctx, log)
	if err != nil {
		return err
	}
	return l.Append(ctx, log, seq, data)
}

// Read implements store.Logs.
func (s *Store) Read(ctx context.Context, log store.LogID, seq uint64) iter.Seq2[store.Entry, error] {
	l, err := s.logs(ctx, log)
	if err != nil {
		return func(yield func(store.Entry, error) bool) { yield(store.Entry{}, err) }
	}
	return l.Read(ctx, log, seq)
}

// Head implements store.Logs.
func (s *Store) Head(ctx context.Context, log store.LogID) (uint64, error) {
	l, err := s.logs(ctx, log)
	if err != nil {
		return 0, err
	}
	return l.Head(ctx, log)
}

// First implements store.Logs.
func (s *Store) First(ctx context.Context, log store.LogID) (uint64, error) {
	l, err := s.logs(ctx, log)
	if err != nil {
		return 0, err
	}
	return l.First(ctx, log)
}

// Trim implements store.Logs.
func (s *Store) Trim(ctx context.Context, log store.LogID, seq uint64) error {
	l, err := s.logs(ctx, log)
	if err != nil {
		return err
	}
	return l.Trim(ctx, log, seq)
}

// List implements store.Logs.
func (s *Store) List(ctx context.Context, kind store.LogKind) ([]store.LogID, error) {
	logs, err := s.Shared.List(ctx, kind)
	if err != nil || kind != store.SourceLog {
		return logs, err
	}
	own, err := s.own.List(ctx, kind)
	return append(logs, own...), err
}

// Drop implements store.Logs.
func (s *Store) Drop(ctx context.Context, log store.LogID) error {
	l, err := s.logs(ctx, log)
	if err != nil {
		return err
	}
	return l.Drop(ctx, log)
}

// Close implements store.Store.
func (s *Store) Close() error { return errors.Join(s.Shared.Close(), s.own.Close()) }
