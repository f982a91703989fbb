package commitlog

import (
	"bytes"
	"context"
	"iter"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/internal/vfs"
)

// modelStore is the store as a process of the model sees it.
type modelStore struct{ p *process }

var _ store.Store = modelStore{}

// call stops the process, and then does one call, or not, or later.
func (s modelStore) call(name string, changes bool, do func(store.Store) error) error {
	return s.callOn(store.LogID{}, name, changes, do)
}

// callOn is call for an append to a log, which is known while the call is late.
func (s modelStore) callOn(log store.LogID, name string, changes bool, do func(store.Store) error) error {
	p, w := s.p, s.p.w
	if p.dead {
		return errDead
	}
	p.pause()
	outcome := w.rng.IntN(1000)
	run := func() error {
		err := do(w.backing.store)
		w.tracef("%s: %s -> %v", p.source, name, err)
		if changes {
			w.check(false)
		}
		return err
	}
	if p.dead { // stopped at this call: it may have been on its way
		if changes && !w.powerless && outcome < 500 {
			_ = run()
		}
		return errDead
	}
	switch {
	case outcome < w.faults:
		w.tracef("%s: %s fails", p.source, name)
		return errLost
	case outcome < 2*w.faults && changes:
		w.tracef("%s: %s gets no answer", p.source, name)
		_ = run()
		return errLost
	case outcome < 3*w.faults && changes && w.backing.late:
		w.tracef("%s: %s is late", p.source, name)
		w.late = append(w.late, lateCall{name: p.source.String() + ": " + name, log: log, do: run})
		return errLost
	}
	return run()
}

// lateCall is a call that failed and has yet to be done.
type lateCall struct {
	name string
	log  store.LogID // of an append
	do   func() error
}

func (w *world) deliver(i int) {
	c := w.late[i]
	w.late = slices.Delete(w.late, i, i+1)
	w.tracef("now done: %s", c.name)
	_ = c.do()
}

func (s modelStore) Append(ctx context.Context, log store.LogID, seq uint64, data []byte) error {
	data = bytes.Clone(data)
	return s.callOn(log, "append "+name(log, seq), true, func(st store.Store) error {
		return st.Append(context.WithoutCancel(ctx), log, seq, data)
	})
}

func (s modelStore) Read(ctx context.Context, log store.LogID, seq uint64) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		var entries []store.Entry
		err := s.call("read "+name(log, seq), false, func(st store.Store) error {
			entries = nil
			for e, err := range st.Read(ctx, log, seq) {
				if err != nil {
					return err
				}
				entries = append(entries, e)
			}
			return nil
		})
		if err != nil {
			yield(store.Entry{}, err)
			return
		}
		for _, e := range entries {
			if !yield(e, nil) {
				return
			}
		}
	}
}

func (s modelStore) Head(ctx context.Context, log store.LogID) (head uint64, err error) {
	err = s.call("head "+name(log, 0), false, func(st store.Store) (err error) {
		head, err = st.Head(ctx, log)
		return err
	})
	return head, err
}

func (s modelStore) First(ctx context.Context, log store.LogID) (first uint64, err error) {
	err = s.call("first "+name(log, 0), false, func(st store.Store) (err error) {
		first, err = st.First(ctx, log)
		return err
	})
	return first, err
}

func (s modelStore) Trim(ctx context.Context, log store.LogID, seq uint64) error {
	return s.call("trim "+name(log, seq), true, func(st store.Store) error {
		return st.Trim(context.WithoutCancel(ctx), log, seq)
	})
}

func (s modelStore) List(ctx context.Context, kind store.LogKind) (ids []store.LogID, err error) {
	err = s.call("list", false, func(st store.Store) (err error) {
		ids, err = st.List(ctx, kind)
		return err
	})
	return ids, err
}

func (s modelStore) Drop(ctx context.Context, log store.LogID) error {
	return s.call("drop "+name(log, 0), true, func(st store.Store) error {
		return st.Drop(context.WithoutCancel(ctx), log)
	})
}

func (s modelStore) PutChunks(ctx context.Context, part chunk.PartitionID, chunks []*chunk.Sealed) error {
	copies := make([]*chunk.Sealed, len(chunks)) // the locations are of the answer
	for i, c := range chunks {
		copied := *c
		copies[i] = &copied
	}
	err := s.call("put "+chunkNames(chunks), true, func(st store.Store) error {
		return st.PutChunks(context.WithoutCancel(ctx), part, copies)
	})
	if err == nil {
		for i, c := range copies {
			chunks[i].Entry.Location = c.Entry.Location
		}
	}
	return err
}

func (s modelStore) Column(ctx context.Context, part chunk.PartitionID, e *chunk.Entry, column int) (b []byte, checked bool, err error) {
	err = s.call("column of "+e.ID.String(), false, func(st store.Store) (err error) {
		b, checked, err = st.Column(ctx, part, e, column)
		return err
	})
	return b, checked, err
}

func (s modelStore) DeleteChunks(ctx context.Context, part chunk.PartitionID, entries []*chunk.Entry) error {
	names := ""
	for _, e := range entries {
		names += " " + e.ID.String()
	}
	return s.call("delete chunks"+names, true, func(st store.Store) error {
		return st.DeleteChunks(context.WithoutCancel(ctx), part, entries)
	})
}

func (s modelStore) Chunks(ctx context.Context, part chunk.PartitionID) (ids []chunk.ID, err error) {
	err = s.call("chunks", false, func(st store.Store) (err error) {
		ids, err = st.Chunks(ctx, part)
		return err
	})
	return ids, err
}

func (s modelStore) PutCheckpoint(ctx context.Context, log store.LogID, data []byte) error {
	data = bytes.Clone(data)
	return s.call("put checkpoint "+name(log, 0), true, func(st store.Store) error {
		err := st.PutCheckpoint(context.WithoutCancel(ctx), log, data)
		if err == nil {
			s.p.w.checkpoints[log] = true
		}
		return err
	})
}

func (s modelStore) Checkpoint(ctx context.Context, log store.LogID) (data []byte, err error) {
	err = s.call("checkpoint "+name(log, 0), false, func(st store.Store) (err error) {
		data, err = st.Checkpoint(ctx, log)
		return err
	})
	return data, err
}

func (s modelStore) DeleteCheckpoint(ctx context.Context, log store.LogID) error {
	return s.call("delete checkpoint "+name(log, 0), true, func(st store.Store) error {
		err := st.DeleteCheckpoint(context.WithoutCancel(ctx), log)
		if err == nil {
			delete(s.p.w.checkpoints, log)
		}
		return err
	})
}

func (s modelStore) Close() error { return nil }

// diskFaults fails changes of the disk by chance. The committers of a store call it too.
type diskFaults struct {
	mu  sync.Mutex
	rng *rand.Rand
}

func newDiskFaults(seed uint64) *diskFaults { return &diskFaults{rng: rand.New(rand.NewPCG(seed, 1))} }

func (f *diskFaults) hook(c vfs.Call) vfs.Fate {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !c.Op.Changes() || f.rng.IntN(100) > 0 {
		return vfs.Fate{}
	}
	return vfs.Fate{Err: syscall.EIO, Applied: f.rng.IntN(2) == 0, Keep: f.rng.IntN(200), Lose: f.rng.IntN(2) == 0}
}
