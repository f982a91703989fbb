package engine

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/commitlog"
	"github.com/phyllodb/phyllo/ingest"
)

// flush writes a partition's delta to chunks and commits them. Queries see the
// rows in the delta until, in one step, they see them in the chunks.
func (db *DB) flush(ctx context.Context, id chunk.PartitionID) error {
	st := db.current.Load().storages[id.Table]
	if st == nil || st.part(id.Key) == nil {
		return nil
	}
	part := st.part(id.Key).part
	defer db.hold()()
	part.flush.Lock()
	defer part.flush.Unlock()
	for !part.freed {
		f, err := db.freeze(ctx, part)
		if err != nil {
			return err
		}
		if f == nil {
			break
		}
		if err := db.commitFlush(ctx, part, f); err != nil {
			return err
		}
		if !f.again {
			break
		}
		// What an earlier flush left is done; what came since is next.
	}
	if db.cluster != nil {
		return db.cluster.flushLeft(ctx, part)
	}
	return nil
}

// A frozenFlush is a delta that was written to chunks, on its way into the
// commit log.
type frozenFlush struct {
	delta  *delta
	sealed []*chunk.Entry // chunks made for this flush
	commit *commitlog.Commit
	again  bool // an earlier flush of it failed
}

// freeze takes the partition's pending delta, unless an earlier flush failed and
// left one, and writes it to chunks. It returns nil if there is nothing to do.
// The caller holds part.flush.
func (db *DB) freeze(ctx context.Context, part *partition) (*frozenFlush, error) {
	if part.unsettled != nil {
		return part.unsettled, nil
	}
	f := &frozenFlush{again: true}
	var p partState
	var in *tableInfo
	db.updatePart(part.id, func(s *state, next *partState) {
		in = s.storages[part.id.Table].info.of(part.id.Key)
		if next.flushing == nil && !next.pending.empty() {
			next.flushing, next.pending, next.covers = next.pending, emptyDelta, db.covers(s)
			f.again = false
		}
		p = *next
	})
	if p.flushing == nil {
		return nil, nil
	}
	f.delta = p.flushing
	var err error
	f.sealed, err = db.seal(ctx, part.id, in, f.delta, ingest.SealOptions{Schema: in.def.Version, From: p.manifest.Seq()})
	if err != nil {
		db.deleteChunks(part.id, f.sealed)
		return nil, err
	}
	f.commit = &commitlog.Commit{ID: commitlog.NewCommitID(), Kind: commitlog.Flush, By: db.own(), Schema: in.def.Version,
		Adds: append(slices.Clone(f.sealed), f.delta.staged...)}
	db.cover(f.commit, &p)
	return f, nil
}

// commitFlush puts a flush into the commit log and shows its chunks in place of
// the delta. The caller holds part.flush.
func (db *DB) commitFlush(ctx context.Context, part *partition, f *frozenFlush) error {
	begin := time.Now()
	m, err := part.log.Commit(ctx, f.commit)
	// Unless it is certain that the commit is not in the log, the next flush
	// tries the same one again, and its chunks stay.
	part.unsettled = nil
	if errors.Is(err, commitlog.ErrUnknown) {
		f.again = true
		part.unsettled = f
		return err
	}
	if err != nil {
		db.deleteChunks(part.id, f.sealed)
		if db.cluster != nil && taken(part.log.Manifest(), db.own()) {
			db.cluster.takenOver()
		}
		return err
	}
	db.land(part, f.commit, m)
	db.metrics.flushed(f.delta.rows(), len(f.commit.Adds), time.Since(begin))
	return nil
}

// land shows a flush that is in the commit log: in one step the partition has the
// chunks, and no longer the rows.
func (db *DB) land(part *partition, c *commitlog.Commit, m *commitlog.Manifest) {
	if db.cluster != nil {
		db.cluster.land(part.id, c)
		return
	}
	var flushed *delta
	db.updatePart(part.id, func(_ *state, p *partState) { p.manifest, p.flushing, flushed = m, nil, p.flushing })
	if flushed != nil {
		db.buffered.Add(-flushed.bytes())
	}
}

// covers returns how far s has taken in each source: our own, and those that
// have ended, as far as they have been replayed.
func (db *DB) covers(s *state) []commitlog.Position {
	out := []commitlog.Position{{Source: db.own(), Pos: s.head}}
	for _, e := range db.ended.list() {
		out = append(out, commitlog.Position{Source: e.source, Pos: e.head})
	}
	return out
}

// cover adds to a flush the source positions that it folds in, and takes over
// the sources that have ended.
func (db *DB) cover(c *commitlog.Commit, p *partState) {
	m := p.manifest
	for _, at := range p.covers {
		from := m.Folded(at.Source)
		if at.Pos <= from || m.Ended(at.Source) {
			continue
		}
		c.Sources = append(c.Sources, commitlog.Interval{Source: at.Source, From: from, To: at.Pos})
		if m.Owner(at.Source) != c.By {
			c.Seals = append(c.Seals, at.Source)
		}
	}
}

// A flusher flushes partitions in the background: those that are large or old,
// and when memory runs short the largest. Before each round it frees what is no
// longer needed. Its methods are safe for concurrent use.
type flusher struct {
	db     *DB
	wake   chan struct{} // of one token
	cancel func()        // ends run, and the flushes under way
	over   chan struct{} // closed when run has ended

	mu     sync.Mutex    // guards the fields below
	round  chan struct{} // closed and replaced at the end of each round
	failed error         // of the last round
}

// retryAge is how long the flusher waits after a flush that failed.
const retryAge = time.Second

func newFlusher(db *DB) *flusher {
	return &flusher{db: db, wake: make(chan struct{}, 1), over: make(chan struct{}), round: make(chan struct{})}
}

func (f *flusher) start() {
	ctx, cancel := context.WithCancel(context.Background())
	f.cancel = cancel
	go f.run(ctx)
}

// stop ends the flusher and waits until it has ended.
func (f *flusher) stop() {
	f.cancel()
	<-f.over
}

func (f *flusher) poke() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// flushBytes is from how many buffered bytes on the largest partitions are flushed:
// half of the budget. What several nodes buffer the others hold as well, each up to
// a budget's worth of all.
func (db *DB) flushBytes() int64 {
	n := db.opt.BufferBytes / 2
	if db.cluster != nil {
		n /= int64(max(1, len(db.cluster.members.alive())))
	}
	return n
}

// added looks whether partitions that rows came to are to be flushed.
func (f *flusher) added(s *state, ids []chunk.PartitionID) {
	if f.db.buffered.Load() > f.db.flushBytes() {
		f.poke()
		return
	}
	for _, id := range ids {
		if st := s.storages[id.Table]; st != nil {
			if p := st.part(id.Key); p != nil && p.pending.bytes() > f.db.sealBytes {
				f.poke()
				return
			}
		}
	}
}

func (f *flusher) run(ctx context.Context) {
	defer close(f.over)
	tick := time.NewTicker(max(f.db.opt.SealAge/4, 20*time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.wake:
		case <-tick.C:
		}
		err := f.once(ctx)
		if ctx.Err() != nil {
			return // those who wait hear of it by over
		}
		f.finish(err)
		if err == nil {
			continue
		}
		f.db.opt.Logger.Error("flush failed; rows stay in the buffer and in the source log", slog.String("error", err.Error()))
		select {
		case <-ctx.Done():
		case <-time.After(retryAge):
		}
	}
}

// finish tells those who wait how a round ended.
func (f *flusher) finish(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failed = err
	close(f.round)
	f.round = make(chan struct{})
}

// once flushes what is due now.
func (f *flusher) once(ctx context.Context) error {
	f.db.reclaim()
	due := f.due()
	errs := make([]error, len(due))
	var wg sync.WaitGroup
	next := make(chan int)
	for range min(maxSealers, len(due)) {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range next {
				errs[i] = f.db.flush(ctx, due[i])
			}
		}()
	}
	for i := range due {
		next <- i
	}
	close(next)
	wg.Wait()
	err := errors.Join(errs...)
	if err == nil && len(due) > 0 {
		err = f.db.trim(ctx)
	}
	return err
}

// due lists the partitions to flush now, the largest first.
func (f *flusher) due() []chunk.PartitionID {
	type candidate struct {
		id    chunk.PartitionID
		bytes int64
		must  bool
	}
	var all []candidate
	old := f.db.opt.Now().Add(-f.db.opt.SealAge)
	for _, st := range f.db.current.Load().storages {
		for _, p := range st.parts {
			left := len(f.db.cluster.left(p)) > 0
			if p.pending.empty() && p.flushing == nil && !left {
				continue
			}
			n := p.pending.bytes()
			all = append(all, candidate{p.part.id, n, left || p.flushing != nil || n > f.db.sealBytes || !p.pending.since.After(old) || len(p.pending.staged) > maxPendingStaged})
		}
	}
	slices.SortFunc(all, func(a, b candidate) int { return int(max(-1, min(1, b.bytes-a.bytes))) })
	short := f.db.buffered.Load() - f.db.flushBytes()
	var out []chunk.PartitionID
	for _, c := range all {
		if c.must || short > 0 {
			out = append(out, c.id)
			short -= c.bytes
		}
	}
	return out
}

// maxPendingStaged is how many staged chunks a partition may have before they
// are committed: until then they are in the source log's record.
const maxPendingStaged = 256

// wait starts a round and waits for its end. more is false if there was nothing
// to flush. It fails if the round did, and after stop.
func (f *flusher) wait(ctx context.Context) (more bool, err error) {
	f.mu.Lock()
	round := f.round
	f.mu.Unlock()
	if len(f.due()) == 0 {
		return false, nil
	}
	f.poke()
	select {
	case <-ctx.Done():
		return false, context.Cause(ctx)
	case <-f.over:
		return false, errClosed
	case <-round:
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return true, f.failed
}
