package local_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/local"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/engine/storetest"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// ledger is what a workload knows of a store: what was acknowledged, which
// must be there after any crash, and what was tried, which may be.
type ledger struct {
	mu          sync.Mutex
	logs        map[store.LogID]*ledgerLog
	checkpoints map[store.LogID]*ledgerCheckpoint
	chunks      []*ledgerChunk
}

type ledgerLog struct {
	head         uint64 // acknowledged
	first, maybe uint64 // trim acknowledged, tried
	acked        map[uint64]string
	tried        map[uint64][]string
	maybeDropped bool
}

type ledgerCheckpoint struct{ may []string } // "" is none; the last acknowledged and what was tried after it

type ledgerChunk struct {
	part    chunk.PartitionID
	entry   chunk.Entry
	blobs   []string
	deleted bool // tried at least
}

func newLedger() *ledger {
	return &ledger{logs: map[store.LogID]*ledgerLog{}, checkpoints: map[store.LogID]*ledgerCheckpoint{}}
}

func (l *ledger) clone() *ledger {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := newLedger()
	for id, log := range l.logs {
		n := *log
		n.acked, n.tried = maps.Clone(log.acked), maps.Clone(log.tried)
		c.logs[id] = &n
	}
	for id, cp := range l.checkpoints {
		c.checkpoints[id] = &ledgerCheckpoint{may: slices.Clone(cp.may)}
	}
	for _, ch := range l.chunks {
		n := *ch
		c.chunks = append(c.chunks, &n)
	}
	return c
}

func (l *ledger) log(id store.LogID) *ledgerLog {
	if l.logs[id] == nil {
		l.logs[id] = &ledgerLog{first: 1, maybe: 1, acked: map[uint64]string{}, tried: map[uint64][]string{}}
	}
	return l.logs[id]
}

// check compares a store with the ledgers of before and after the crash (one
// and the same if nothing ran meanwhile).
func (l *ledger) check(ctx context.Context, s store.Store, after *ledger) error {
	for id, log := range l.logs {
		if err := log.check(ctx, s, id, after.logs[id]); err != nil {
			return fmt.Errorf("log %v: %w", id, err)
		}
	}
	for id := range after.checkpoints {
		may := after.checkpoints[id].may
		if before := l.checkpoints[id]; before != nil {
			may = append(slices.Clone(before.may), may...)
		} else {
			may = append([]string{""}, may...)
		}
		data, err := s.Checkpoint(ctx, id)
		if errors.Is(err, store.ErrNotFound) {
			data, err = nil, nil
		}
		if err != nil || !slices.Contains(may, string(data)) {
			return fmt.Errorf("checkpoint %v: %.40q, %w; may be %.40q", id, data, err, may)
		}
	}
	stored := map[chunk.PartitionID][]chunk.ID{}
	for i, c := range l.chunks {
		if after.chunks[i].deleted {
			continue
		}
		for col, want := range c.blobs {
			got, _, err := s.Column(ctx, c.part, &c.entry, col)
			if err != nil || string(got) != want {
				return fmt.Errorf("chunk %x column %d: %.40q, %w; want %.40q", c.entry.ID, col, got, err, want)
			}
		}
		if stored[c.part] == nil {
			ids, err := s.Chunks(ctx, c.part)
			if err != nil {
				return fmt.Errorf("chunks of %v: %w", c.part, err)
			}
			stored[c.part] = ids
		}
		if ids := stored[c.part]; !slices.Contains(ids, c.entry.ID) {
			return fmt.Errorf("chunk %x is not among %x", c.entry.ID, ids)
		}
	}
	return nil
}

func (log *ledgerLog) check(ctx context.Context, s store.Store, id store.LogID, after *ledgerLog) error {
	head, err := s.Head(ctx, id)
	if err != nil {
		return err
	}
	if head == 0 && (log.maybeDropped || after.maybeDropped) {
		return nil
	}
	if head < log.head {
		return fmt.Errorf("head is %d, %d was acknowledged", head, log.head)
	}
	from := log.first
	entries, err := storetest.Collect(ctx, s, id, from)
	for errors.Is(err, store.ErrTrimmed) && from < after.maybe {
		from++
		entries, err = storetest.Collect(ctx, s, id, from)
	}
	if err != nil {
		return fmt.Errorf("read from %d: %w", from, err)
	}
	if from > 1 && from == log.first {
		if _, err := storetest.Collect(ctx, s, id, from-1); !errors.Is(err, store.ErrTrimmed) {
			return fmt.Errorf("read from %d, which was trimmed: %w", from-1, err)
		}
	}
	if uint64(len(entries)) != head+1-from {
		return fmt.Errorf("%d entries from %d on, the head is %d", len(entries), from, head)
	}
	for i, data := range entries {
		seq := from + uint64(i)
		if want, ok := log.acked[seq]; ok && want != data {
			return fmt.Errorf("entry %d is %.40q, acknowledged was %.40q", seq, data, want)
		} else if !ok && !slices.Contains(after.tried[seq], data) {
			return fmt.Errorf("entry %d is %.40q, which nobody wrote there", seq, data)
		}
	}
	return nil
}

// adopt makes what the store shows now the acknowledged state: after an open,
// or a failure, what was seen must stay.
func (l *ledger) adopt(ctx context.Context, s store.Store) error {
	for id := range l.logs {
		head, err := s.Head(ctx, id)
		if err != nil {
			return err
		}
		if head == 0 {
			delete(l.logs, id)
			continue
		}
		log := l.logs[id]
		from := log.first
		entries, err := storetest.Collect(ctx, s, id, from)
		for errors.Is(err, store.ErrTrimmed) && from < log.maybe {
			from++
			entries, err = storetest.Collect(ctx, s, id, from)
		}
		if err != nil {
			return err
		}
		n := &ledgerLog{first: from, maybe: from, head: head, acked: map[uint64]string{}, tried: map[uint64][]string{}}
		for i, data := range entries {
			n.acked[from+uint64(i)] = data
		}
		l.logs[id] = n
	}
	for id := range l.checkpoints {
		data, err := s.Checkpoint(ctx, id)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		l.checkpoints[id] = &ledgerCheckpoint{may: []string{string(data)}}
	}
	return nil
}

// workload does seeded calls on a store and keeps the ledger. Errors of the
// store are noted and lived with, wrong answers are not.
type workload struct {
	ledger *ledger
	rng    *rand.Rand
	tag    string
	n      int
	errs   int
}

func (w *workload) run(ctx context.Context, s *local.Store, steps int) error {
	for range steps {
		if err := w.step(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

func (w *workload) step(ctx context.Context, s *local.Store) error {
	w.n++
	id := w.logID()
	switch p := w.rng.IntN(100); {
	case p < 55:
		return w.append(ctx, s, id)
	case p < 68:
		w.trim(ctx, s, id)
	case p < 71:
		w.drop(ctx, s, id)
	case p < 80:
		w.putCheckpoint(ctx, s, id)
	case p < 82:
		w.deleteCheckpoint(ctx, s, id)
	case p < 93:
		w.putChunks(ctx, s)
	default:
		w.deleteChunk(ctx, s)
	}
	return nil
}

// data returns up to maxBytes bytes and a few that tell what wrote them.
func (w *workload) data(maxBytes int) string {
	return fmt.Sprint(w.tag, "-", w.n, "-", zeros[:1+w.rng.IntN(maxBytes)])
}

var zeros = strings.Repeat("0", 3000)

func (w *workload) logID() store.LogID {
	kinds := []store.LogKind{store.SourceLog, store.CommitLog, store.CatalogueLog}
	return store.LogID{Kind: kinds[w.rng.IntN(3)], Key: fmt.Sprint(w.tag, w.rng.IntN(2))}
}

func (w *workload) append(ctx context.Context, s *local.Store, id store.LogID) error {
	head, err := s.Head(ctx, id)
	if err != nil {
		return err
	}
	data := w.data(1200)
	seq := head + 1
	w.ledger.mu.Lock()
	log := w.ledger.log(id)
	if log.head != head {
		w.ledger.mu.Unlock()
		return fmt.Errorf("head of %v is %d, %d was acknowledged", id, head, log.head)
	}
	log.tried[seq] = append(log.tried[seq], data)
	w.ledger.mu.Unlock()
	err = s.Append(ctx, id, seq, []byte(data))
	w.ledger.mu.Lock()
	defer w.ledger.mu.Unlock()
	if errors.Is(err, store.ErrConflict) {
		return err
	}
	if err != nil {
		w.errs++
		if voidForEver(err) {
			log.tried[seq] = slices.Clip(log.tried[seq][:len(log.tried[seq])-1])
		}
		return nil
	}
	log.acked[seq], log.head, log.maybeDropped = data, seq, false
	log.maybe = log.first // failed trims before are void for ever
	return nil
}

// voidForEver tells whether a failed call on a log must never show.
func voidForEver(err error) bool { return pgerr.Code(err) != pgerr.OutcomeUnknown }

func (w *workload) trim(ctx context.Context, s *local.Store, id store.LogID) {
	w.ledger.mu.Lock()
	log := w.ledger.log(id)
	to := log.first + uint64(w.rng.IntN(int(log.head+1-log.first)+1))
	before := log.maybe
	log.maybe = max(log.maybe, to)
	w.ledger.mu.Unlock()
	err := s.Trim(ctx, id, to)
	w.ledger.mu.Lock()
	defer w.ledger.mu.Unlock()
	if err != nil {
		w.errs++
		if voidForEver(err) {
			log.maybe = before
		}
		return
	}
	log.first = to
}

func (w *workload) drop(ctx context.Context, s *local.Store, id store.LogID) {
	w.ledger.mu.Lock()
	log := w.ledger.log(id)
	before := log.maybeDropped
	log.maybeDropped = true
	w.ledger.mu.Unlock()
	err := s.Drop(ctx, id)
	w.ledger.mu.Lock()
	defer w.ledger.mu.Unlock()
	if err != nil {
		w.errs++
		if voidForEver(err) {
			log.maybeDropped = before
		}
		return
	}
	delete(w.ledger.logs, id)
	w.ledger.log(id)
}

func (w *workload) putCheckpoint(ctx context.Context, s *local.Store, id store.LogID) {
	data := w.data(3000)
	w.checkpoint(id, data, func() error { return s.PutCheckpoint(ctx, id, []byte(data)) })
}

func (w *workload) deleteCheckpoint(ctx context.Context, s *local.Store, id store.LogID) {
	w.checkpoint(id, "", func() error { return s.DeleteCheckpoint(ctx, id) })
}

func (w *workload) checkpoint(id store.LogID, data string, do func() error) {
	w.ledger.mu.Lock()
	cp := w.ledger.checkpoints[id]
	if cp == nil {
		cp = &ledgerCheckpoint{may: []string{""}}
		w.ledger.checkpoints[id] = cp
	}
	cp.may = append(slices.Clone(cp.may), data)
	w.ledger.mu.Unlock()
	err := do()
	w.ledger.mu.Lock()
	defer w.ledger.mu.Unlock()
	if err != nil {
		w.errs++
		return
	}
	cp.may = []string{data}
}

func (w *workload) putChunks(ctx context.Context, s *local.Store) {
	p := chunk.PartitionID{Table: 1, Key: fmt.Sprint(w.tag, w.rng.IntN(2))}
	var sealed []*chunk.Sealed
	for i := range 1 + w.rng.IntN(3) {
		id := storetest.ChunkID(w.n*10 + i)
		copy(id[8:], w.tag)
		sealed = append(sealed, storetest.Sealed(id, fmt.Sprintf("%d/%d", w.n, i), "", w.data(2000)))
	}
	if err := s.PutChunks(ctx, p, sealed); err != nil {
		w.errs++
		return
	}
	w.ledger.mu.Lock()
	defer w.ledger.mu.Unlock()
	for _, c := range sealed {
		lc := &ledgerChunk{part: p, entry: c.Entry}
		for _, b := range c.Blobs {
			lc.blobs = append(lc.blobs, string(b))
		}
		w.ledger.chunks = append(w.ledger.chunks, lc)
	}
}

func (w *workload) deleteChunk(ctx context.Context, s *local.Store) {
	w.ledger.mu.Lock()
	if len(w.ledger.chunks) == 0 {
		w.ledger.mu.Unlock()
		return
	}
	c := w.ledger.chunks[w.rng.IntN(len(w.ledger.chunks))]
	c.deleted = true
	w.ledger.mu.Unlock()
	if err := s.DeleteChunks(ctx, c.part, []*chunk.Entry{&c.entry}); err != nil {
		w.errs++
	}
}
