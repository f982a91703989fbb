package engine

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/commitlog"
)

// A compactor merges chunks, drops slices that are older than their table keeps, and in a
// cluster frees what was removed long enough ago. It does so in the background, one
// partition after the other, and for VACUUM. Its methods are safe for concurrent use.
type compactor struct {
	db      *DB
	pace    *pace
	records *compactionRecords
	paused  atomic.Bool
	backlog atomic.Int64 // chunks that the last round chose and did not merge
	ctx     context.Context
	cancel  func()
	work    sync.WaitGroup // the background, and VACUUMs

	round sync.Mutex // held over a round in the background; guards memos
	memos map[chunk.PartitionID]*compactionMemo

	mu   sync.Mutex // guards shut
	shut bool
}

// A compactionMemo is what the background knows of a partition, so that it does not look
// again where nothing has changed.
type compactionMemo struct {
	manifest *commitlog.Manifest // as of the last look
	again    time.Time           // when to look although nothing changed; zero: never
	freeAt   time.Time           // when to look for what can be freed
	forgetAt time.Time           // when to look for history that can be forgotten
	repackAt time.Time           // when to look for files of which much is deleted
	slices   map[int64]sliceMemo
	failed   map[int64]time.Time // slices that could not be merged, and when that is tried again
}

// A sliceMemo is of a slice that has nothing to be merged.
type sliceMemo struct {
	info  commitlog.SliceInfo
	again time.Time // when that may change by itself; zero: never
}

const (
	// maxLooks bounds the slices whose chunks are looked at in a round: after a start
	// that is all.
	maxLooks = 256
	// failedAge is how long a slice is left alone that could not be merged.
	failedAge = 10 * time.Minute
	// forgetAfter is after how many commits a log does not tell any more what became of one.
	forgetAfter = 512
)

func newCompactor(db *DB) *compactor {
	c := &compactor{db: db, pace: &pace{bytesPerSecond: db.opt.CompactionRate}, memos: map[chunk.PartitionID]*compactionMemo{}}
	c.records = &compactionRecords{now: db.opt.Now, metrics: db.metrics}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.paused.Store(db.opt.CompactionPaused)
	return c
}

func (c *compactor) start() {
	c.work.Add(1)
	go c.run()
}

// stop ends what is under way, and waits for it.
func (c *compactor) stop() {
	c.mu.Lock()
	c.shut = true
	c.mu.Unlock()
	c.cancel()
	c.work.Wait()
}

// enter begins a VACUUM; its ctx ends with the compactor. It fails after stop.
func (c *compactor) enter(ctx context.Context) (context.Context, func(), error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.shut {
		return nil, nil, errClosed
	}
	c.work.Add(1)
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(c.ctx, func() { cancel(errClosed) })
	return ctx, func() {
		stop()
		cancel(nil)
		c.work.Done()
	}, nil
}

func (c *compactor) run() {
	defer c.work.Done()
	failing := false
	every(c.ctx, c.db.opt.CompactionInterval, nil, func() {
		if c.paused.Load() {
			return
		}
		err := c.once(c.ctx)
		if c.ctx.Err() != nil {
			return
		}
		if err != nil && !failing {
			c.db.opt.Logger.Warn("compaction failed; it is tried again", slog.String("error", err.Error()))
		}
		failing = err != nil
	})
}

// once does what is due in all partitions.
func (c *compactor) once(ctx context.Context) error {
	c.round.Lock()
	defer c.round.Unlock()
	s := c.db.current.Load()
	var errs []error
	looks, backlog := maxLooks, int64(0)
	seen := map[chunk.PartitionID]bool{}
	for _, st := range s.storages {
		for _, p := range st.parts {
			seen[p.part.id] = true
			left, err := c.partition(ctx, p.part, &looks)
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err != nil && !errors.Is(err, errGone) {
				errs = append(errs, err)
			}
			backlog += left
		}
	}
	for id := range c.memos {
		if !seen[id] {
			delete(c.memos, id)
		}
	}
	c.backlog.Store(backlog)
	return errors.Join(errs...)
}

// partition does what is due in one partition. It returns how many chunks it would have
// merged and could not; c.round is held.
func (c *compactor) partition(ctx context.Context, part *partition, looks *int) (left int64, err error) {
	db := c.db
	st := db.current.Load().storages[part.id.Table]
	if st == nil || st.part(part.id.Key) == nil {
		return 0, nil
	}
	in, m := st.info.of(part.id.Key), st.part(part.id.Key).manifest
	memo := c.memos[part.id]
	if memo == nil {
		memo = &compactionMemo{slices: map[int64]sliceMemo{}, failed: map[int64]time.Time{}}
		c.memos[part.id] = memo
	}
	now := db.opt.Now()
	expired := len(db.expired(in, m, now)) > 0
	if in.versions() && !now.Before(memo.forgetAt) {
		expired, memo.forgetAt = true, now.Add(min(max(in.history/16, time.Minute), 10*time.Minute))
	}
	free := false
	if db.cluster != nil && !now.Before(memo.freeAt) {
		free = db.anyToFree(m, now)
		memo.freeAt = now.Add(time.Minute)
	}
	if memo.manifest == m && (memo.again.IsZero() || now.Before(memo.again)) && !expired && !free {
		return 0, nil
	}
	var todo []int64
	again, all := time.Time{}, true
	for info := range m.Slices() {
		if at, bad := memo.failed[info.Slice]; bad && now.Before(at) {
			again = earliest(again, at)
			continue
		}
		known, ok := memo.slices[info.Slice]
		if ok && known.info == info && (known.again.IsZero() || now.Before(known.again)) {
			again = earliest(again, known.again)
			continue
		}
		if *looks == 0 {
			all = false
			continue
		}
		*looks--
		list, err := entries(m.ChunksOf(ctx, info.Slice))
		if err != nil {
			return 0, in.unread(err)
		}
		found, wait := c.choose(in, list, tidy)
		if len(found.inputs) > 0 {
			todo = append(todo, info.Slice)
			left += int64(len(found.inputs))
			continue
		}
		known = sliceMemo{info: info}
		if wait > 0 {
			known.again = now.Add(wait)
			again = earliest(again, known.again)
		}
		memo.slices[info.Slice] = known
	}
	if len(memo.slices) > 2*countSlices(m)+16 {
		clear(memo.slices) // most are of slices that are gone
		all = false
	}
	if len(todo) > 0 || expired || free {
		done, err := c.maintain(ctx, part, todo, free)
		if err != nil || !done {
			return left, err
		}
		memo.manifest = nil // look again, at what there is now
		return 0, nil
	}
	if memo.manifest, memo.again = m, again; !all {
		memo.manifest = nil
	}
	return 0, nil
}

// noGainAge is for how long a slice is left alone of which chunks that seem to fit in one
// do not.
const noGainAge = 6 * time.Hour

// maintain does the work of one partition, unless another node is at it.
func (c *compactor) maintain(ctx context.Context, part *partition, todo []int64, free bool) (done bool, err error) {
	if !part.compacting.tryTake() {
		return false, nil // VACUUM is at it
	}
	defer part.compacting.give()
	release, held, err := c.db.leaseCompaction(ctx, part.id)
	if err != nil || !held {
		return false, err
	}
	defer release()
	if _, err := c.db.retain(ctx, part); err != nil {
		return false, err
	}
	stale := false
	var errs []error
	for _, slice := range todo {
		if c.paused.Load() {
			return false, nil
		}
		did, _, err := c.db.compactSlice(ctx, part, slice, tidy, c.pace)
		switch {
		case ctx.Err() != nil || errors.Is(err, errGone) || errors.Is(err, commitlog.ErrUnknown):
			return false, err
		case errors.Is(err, errNoGain):
			c.memos[part.id].failed[slice] = c.db.opt.Now().Add(noGainAge)
		case err != nil: // it is the slice's own, as a damaged chunk or a full disk
			c.memos[part.id].failed[slice] = c.db.opt.Now().Add(failedAge)
			errs = append(errs, err)
		}
		stale = stale || !did && err == nil
	}
	if stale && c.db.cluster != nil { // another node did it, of which our state does not know
		if err := c.db.cluster.follower.once(ctx, part); err != nil {
			return false, err
		}
	}
	if err := c.repack(ctx, part); err != nil {
		return false, err
	}
	if free {
		if err := c.db.freeOld(ctx, part); err != nil {
			return false, err
		}
	}
	return true, errors.Join(errs...)
}

// repackEvery is how often files of which much is deleted are looked for in a partition,
// after compactions.
const repackEvery = 10 * time.Minute

// repack gives back space in files; c.round is held.
func (c *compactor) repack(ctx context.Context, part *partition) error {
	memo, now := c.memos[part.id], c.db.opt.Now()
	if memo == nil || now.Before(memo.repackAt) {
		return nil
	}
	memo.repackAt = now.Add(repackEvery)
	return c.db.repack(ctx, part, false)
}

// chooser returns what chooses chunks of a table.
func (c *compactor) chooser(in *tableInfo) *chooser {
	return &chooser{keyed: in.keyed(), now: c.db.opt.Now(), limits: usual}
}

func (c *compactor) begin(id chunk.PartitionID, slice int64, kind string) *compactionRecord {
	return c.records.begin(id, slice, kind)
}

func countSlices(m *commitlog.Manifest) (n int) {
	for range m.Slices() {
		n++
	}
	return n
}

// earliest returns the earlier of two times, of which zero is never.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// PauseCompaction stops the background from beginning compactions, or lets it go on.
// VACUUM works all the same.
func (db *DB) PauseCompaction(pause bool) { db.compactor.paused.Store(pause) }

// CompactionPaused says whether the background begins no compactions.
func (db *DB) CompactionPaused() bool { return db.compactor.paused.Load() }

// Compactions lists the compactions of this node that are running and those that have
// ended lately.
func (db *DB) Compactions() []chunk.CompactionInfo { return db.compactor.records.list() }
