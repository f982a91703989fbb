package engine_test

import (
	"context"
	"errors"
	"sync"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/store"
)

// errHook is what calls fail with by default.
var errHook = errors.New("failed on purpose")

// A call is one that changes the store.
type call struct {
	op   string // "append", "head", "drop" or "put"
	log  store.LogID
	part chunk.PartitionID
}

// A hooked stands before the store of a place. Its hook, if not nil, is asked
// before each call, from the goroutine that calls: it may block, and its error is
// the call's, which then is not done.
type hooked struct {
	mu sync.Mutex // guards the fields below
	f  func(call) error
	// after, if not nil, is the answer of an append that was done.
	after func(call) error
	// sealed hears of chunks that were put away.
	sealed func([]*chunk.Sealed)
}

func (h *hooked) set(f func(call) error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.f = f
}

func (h *hooked) setAfter(f func(call) error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.after = f
}

func (h *hooked) ask(c call) error {
	h.mu.Lock()
	f := h.f
	h.mu.Unlock()
	if f == nil {
		return nil
	}
	return f(c)
}

// of returns a store with the hook before it.
func (h *hooked) of(s store.Store) store.Store { return &hookedStore{s, h} }

type hookedStore struct {
	store.Store
	h *hooked
}

func (s *hookedStore) Append(ctx context.Context, log store.LogID, seq uint64, data []byte) error {
	if err := s.h.ask(call{op: "append", log: log}); err != nil {
		return err
	}
	err := s.Store.Append(ctx, log, seq, data)
	s.h.mu.Lock()
	after := s.h.after
	s.h.mu.Unlock()
	if after != nil && err == nil {
		err = after(call{op: "append", log: log})
	}
	return err
}

func (s *hookedStore) Head(ctx context.Context, log store.LogID) (uint64, error) {
	if err := s.h.ask(call{op: "head", log: log}); err != nil {
		return 0, err
	}
	return s.Store.Head(ctx, log)
}

func (s *hookedStore) Drop(ctx context.Context, log store.LogID) error {
	err := s.h.ask(call{op: "drop", log: log})
	if errors.Is(err, errLost) {
		return nil
	}
	if err != nil {
		return err
	}
	return s.Store.Drop(ctx, log)
}

// errLost makes a call that is not done look as if it were.
var errLost = errors.New("lost")

func (s *hookedStore) PutChunks(ctx context.Context, part chunk.PartitionID, chunks []*chunk.Sealed) error {
	if err := s.h.ask(call{op: "put", part: part}); err != nil {
		return err
	}
	err := s.Store.PutChunks(ctx, part, chunks)
	s.h.mu.Lock()
	defer s.h.mu.Unlock()
	if s.h.sealed != nil {
		s.h.sealed(chunks)
	}
	return err
}

// PartlyDeleted is what an embedded store tells beside.
func (s *hookedStore) PartlyDeleted(ctx context.Context, part chunk.PartitionID) ([]store.FileUse, error) {
	if f, ok := s.Store.(interface {
		PartlyDeleted(context.Context, chunk.PartitionID) ([]store.FileUse, error)
	}); ok {
		return f.PartlyDeleted(ctx, part)
	}
	return nil, nil
}
