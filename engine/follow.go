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
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
	"golang.org/x/sync/errgroup"
)

// A follower reads what other nodes commit and puts it into our states. It works
// in rounds, each of which reads the commit logs of partitions, then the
// catalogue, then the source logs, and publishes all of it in one state. The
// order is what makes that state whole: what a manifest or the catalogue tells of
// was in a source log before, so that each transaction is in all of the state or
// in none of it.
//
// Most rounds read only the commit logs that are due. That is enough as long as
// each source log is there until we have read it: its owner trims what is in
// chunks, which we find out, and drops it only when every node that has a lease
// has read it to its end. So a round is full, and reads all commit logs, if
// something was trimmed before we read it, and if our lease does not last from
// the last full round to the end of this one.
type follower struct {
	c    *cluster
	wake chan struct{}

	round sync.Mutex // held over a round; guards the fields below
	full  bool       // the next round is
	// floors are positions of sources up to which everything is in chunks, as was
	// found when the log had been trimmed up to there. A source whose log is gone
	// has the greatest.
	floors    map[commitlog.Source]uint64
	sealed    map[commitlog.Source]bool // read to the seal at their end
	refreshed map[chunk.PartitionID]time.Time
	opened    map[chunk.PartitionID]bool // not in a state yet
	stalled   uint64                     // the catalogue's entry at which a round stopped
	forwarded uint64                     // what the register of our journal says, as of the last look
	waited    uint64                     // the position in our log for which a round has last waited in vain

	mu    sync.Mutex                // guards the fields below
	began time.Time                 // when the last round that went well began
	tried time.Time                 // when the last round began
	done  time.Time                 // when it ended
	err   error                     // of the last round
	term  uint64                    // of the lease, in which the last full round was; 0: in none
	over  map[commitlog.Source]bool // sources of which all was read: their logs are sealed or gone
	gone  map[commitlog.Source]bool // those whose logs are gone
	read  []string                  // those whose logs are still there, sorted
	ended chan struct{}             // closed and replaced at the end of each round
}

const (
	gone = ^uint64(0) // the floor of a source whose log is gone
	// refreshAge is how often the commit log of a partition with rows of other
	// nodes is read, to free the memory of those that are in chunks; idleAge, that
	// of any other.
	refreshAge = time.Second
	idleAge    = time.Minute
	// maxReaders bounds the logs that are read at a time.
	maxReaders = 16
	// maxTries is how often a round begins again because logs moved on under it.
	maxTries = 20
)

func newFollower(c *cluster) *follower {
	return &follower{c: c, wake: make(chan struct{}, 1), ended: make(chan struct{}),
		floors: map[commitlog.Source]uint64{}, sealed: map[commitlog.Source]bool{}, refreshed: map[chunk.PartitionID]time.Time{},
		opened: map[chunk.PartitionID]bool{}, over: map[commitlog.Source]bool{}}
}

// run follows until ctx ends.
func (f *follower) run(ctx context.Context) {
	failing := false
	var behind time.Time
	every(ctx, f.c.opt.Poll, f.wake, func() {
		var err error
		wait := time.Since(behind) < refreshAge // others have to flush first
		if !wait {
			if err = f.once(ctx, nil); errors.Is(err, errBehind) {
				behind = time.Now()
			}
		}
		// Others wait for what we have claimed, whatever becomes of our rounds.
		yielded := f.c.claims.yield(ctx)
		if ctx.Err() != nil || wait && yielded == nil {
			return
		}
		err = errors.Join(err, yielded)
		if err != nil && !failing {
			f.c.db.opt.Logger.Warn("other nodes' logs cannot be read", slog.String("error", err.Error()))
		} else if err == nil && failing {
			f.c.db.opt.Logger.Info("other nodes' logs can be read again")
		}
		failing = err != nil
	})
}

// once makes a round. The commit log of a partition, if not nil, counts in it up
// to what we know of it.
func (f *follower) once(ctx context.Context, part *partition) error {
	f.round.Lock()
	defer f.round.Unlock()
	return f.rounds(ctx, part, nil)
}

// rounds tries until a state was published; f.round is held.
func (f *follower) rounds(ctx context.Context, part *partition, fresh *commitlog.Source) error {
	begin := time.Now()
	err := errors.New("logs move on faster than they can be read")
	for range maxTries {
		var again bool
		again, err = f.try(ctx, part, fresh)
		if err != nil || !again {
			break
		}
		err = errors.New("logs move on faster than they can be read")
	}
	switch {
	case errors.Is(err, errTaken):
		f.c.takenOver()
	case errors.Is(err, chunk.ErrNewerFormat):
		err = f.c.members.lose(err) // what we commit may not go with what we cannot read
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tried, f.done, f.err = begin, time.Now(), err
	if err == nil {
		f.began = begin
	}
	close(f.ended)
	f.ended = make(chan struct{})
	return err
}

// try reads once and publishes what it read. It returns again if something was
// found that has to be known before the reading began. With fresh, our source is
// a new one, and nothing of what we had counts any more.
func (f *follower) try(ctx context.Context, part *partition, fresh *commitlog.Source) (again bool, err error) {
	db := f.c.db
	s := db.current.Load()
	own, heads := db.own(), s.heads
	if fresh != nil {
		own, heads = *fresh, nil
	}
	term, covered := f.c.members.term()
	f.full = f.full || fresh != nil || !f.covered(term, covered)
	r := &findings{fresh: fresh != nil}
	if r.manifests, err = f.refresh(ctx, s); err != nil {
		return false, err
	}
	if part != nil {
		r.manifests[part.id] = part.log.Manifest()
	}
	for _, m := range r.manifests {
		if fresh == nil && taken(m, own) {
			return false, errTaken
		}
	}
	if r.catalog, err = db.catalogue.follow(ctx, s.catalog); err != nil {
		return false, err
	}
	if again, err = f.discover(ctx, s, r.catalog); again || err != nil {
		return again, err
	}
	if again, err = f.readSources(ctx, s, r, own, heads); again || err != nil {
		if errors.Is(err, errBehind) && !f.full {
			f.full = true // of what is in chunks by now nothing is kept
			return true, nil
		}
		return again, err
	}
	if fresh == nil {
		if err = f.awaitOwn(ctx, own, r); err != nil {
			return false, err
		}
	}
	if again, err = f.openPartitions(ctx, s, r); again || err != nil {
		return again, err
	}
	if again, err = f.readForwarded(ctx, r); again || err != nil {
		return again, err
	}
	if !f.full && !f.covered(f.c.members.term()) {
		f.full = true
		return true, nil
	}
	f.publish(r, own, fresh != nil)
	if f.full {
		f.full = false
		f.whole(term, covered)
	}
	db.catalogue.reached(r.catalog.Seq)
	if r.stopped && f.stalled != r.catalog.Seq {
		f.stalled = r.catalog.Seq
		poke(f.wake)
	}
	return false, nil
}

// covered says whether the lease, as members.term tells of it, lasts since before
// the last full round.
func (f *follower) covered(term uint64, leased bool) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return leased && term == f.term
}

// whole notes a full round and the lease that there was when it began.
func (f *follower) whole(term uint64, leased bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.term = 0
	if leased {
		f.term = term
	}
}

// taken says whether a manifest tells that another node flushes our rows.
func taken(m *commitlog.Manifest, own commitlog.Source) bool {
	return m.Owner(own) != own || m.Ended(own)
}

// refresh reads the commit logs that are due, all in a full round.
func (f *follower) refresh(ctx context.Context, s *state) (map[chunk.PartitionID]*commitlog.Manifest, error) {
	now := time.Now()
	short := f.c.db.followed.Load() > f.c.db.opt.BufferBytes/2
	var due []*partition
	for _, st := range s.storages {
		for _, p := range st.parts {
			age := now.Sub(f.refreshed[p.part.id])
			if f.full || len(p.others) > 0 && (short || age >= refreshAge) || age >= idleAge {
				due = append(due, p.part)
			}
		}
	}
	if f.full {
		clear(f.refreshed) // of partitions that are gone, too
	}
	for id := range f.opened {
		if p := f.c.db.newPartState(id); p != nil {
			due = append(due, p.part)
		}
	}
	out := map[chunk.PartitionID]*commitlog.Manifest{}
	var mu sync.Mutex
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(maxReaders)
	for _, p := range due {
		g.Go(func() error {
			m, err := p.log.Refresh(gctx)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			out[p.id] = m
			f.refreshed[p.id] = now
			return nil
		})
	}
	return out, g.Wait()
}

// discover finds, in a full round, the partitions that others made and of which
// no source log tells any more.
func (f *follower) discover(ctx context.Context, s *state, catalog *schema.Catalog) (again bool, err error) {
	if !f.full {
		return false, nil
	}
	live := storagesOf(catalog)
	err = eachCommitLog(ctx, f.c.db.store, func(id chunk.PartitionID) error {
		found, err := f.meet(ctx, s, live, id)
		again = again || found
		return err
	})
	return again, err
}

// meet opens a partition that is of a table and not in the state yet. The round
// begins again then, since commit logs come first.
func (f *follower) meet(ctx context.Context, s *state, live map[datum.OID]bool, id chunk.PartitionID) (again bool, err error) {
	st := s.storages[id.Table]
	if !live[id.Table] || st != nil && st.part(id.Key) != nil || f.opened[id] {
		return false, nil
	}
	if _, err := f.c.db.ensurePartition(ctx, id); err != nil {
		return false, err
	}
	f.opened[id] = true
	return true, nil
}

// add puts partitions that were opened into the state, with all that their commit
// logs tell of.
func (f *follower) add(ctx context.Context, ids ...chunk.PartitionID) error {
	f.round.Lock()
	defer f.round.Unlock()
	for _, id := range ids {
		f.opened[id] = true
	}
	return f.rounds(ctx, nil, nil)
}

// openPartitions opens those that records tell of and that we have not seen.
func (f *follower) openPartitions(ctx context.Context, s *state, r *findings) (again bool, err error) {
	live := storagesOf(r.catalog)
	for _, sr := range r.sources {
		for _, e := range sr.entries {
			for _, rec := range e.records {
				for i := range rec.Parts {
					found, err := f.meet(ctx, s, live, rec.Parts[i].Partition)
					if err != nil {
						return false, err
					}
					again = again || found
				}
			}
		}
	}
	return again, nil
}

func storagesOf(c *schema.Catalog) map[datum.OID]bool {
	live := make(map[datum.OID]bool, len(c.Tables))
	for _, def := range c.Tables {
		live[def.Storage] = true
	}
	return live
}

// scout notes up to where the source logs have been trimmed. Commit logs that are
// read after it tell of all that is below.
func (f *follower) scout(ctx context.Context) error {
	db := f.c.db
	return eachSourceLog(ctx, db.store, func(log store.LogID, src commitlog.Source) error {
		first, err := db.store.First(ctx, log)
		if err == nil {
			f.floors[src] = max(f.floors[src], first-1)
		}
		return err
	})
}

// note makes known what the rounds have read; there are the logs that the last one
// found.
func (f *follower) note(there map[commitlog.Source]bool) {
	over, away, read := map[commitlog.Source]bool{}, map[commitlog.Source]bool{}, []string{}
	for src, floor := range f.floors {
		if floor == gone {
			over[src], away[src] = true, true
		}
	}
	for src := range there {
		if f.sealed[src] || over[src] {
			over[src] = true
			read = append(read, src.String())
		}
	}
	slices.Sort(read)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.over, f.gone, f.read = over, away, read
}

// isGone says whether a source's log was dropped, so that nothing of it comes any
// more: commits that tell of it were read before it was seen that the log, which was
// there before they were, is not any more.
func (f *follower) isGone(src commitlog.Source) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.gone[src]
}

// isOver says whether all of a source was read.
func (f *follower) isOver(src commitlog.Source) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.over[src]
}

// readToEnd returns the sources of which all was read and whose logs are still there.
func (f *follower) readToEnd() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.read
}
