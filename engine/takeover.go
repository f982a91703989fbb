package engine

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/phyllodb/phyllo/engine/commitlog"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/ingest"
)

// inherit takes over from nodes that are not alive, until ctx ends.
func (c *cluster) inherit(ctx context.Context) {
	every(ctx, c.opt.Lease/5, c.wake, func() {
		if err := errors.Join(c.takeOver(ctx), c.dropAdopted(ctx)); err != nil && ctx.Err() == nil {
			c.db.opt.Logger.Warn("logs of nodes that are not alive", slog.String("error", err.Error()))
		}
	})
}

// takeOver makes this node the owner of the source logs of nodes that died or
// left, unless another one that is alive has them. A register a log says who: it
// changes by compare-and-set, so that one node at a time believes to be the owner,
// and the logs themselves refuse who believes it for too long. What an owner has to
// flush stays among the rows of others (flushLeft), for these go as soon as a
// manifest has them, whoever flushed them.
func (c *cluster) takeOver(ctx context.Context) error {
	release := c.db.hold()
	defer release()
	own := c.db.own()
	var orphans []commitlog.Source
	// The logs are listed before it is looked who is alive: a node has its lease
	// before it has a log.
	err := eachSourceLog(ctx, c.db.store, func(_ store.LogID, src commitlog.Source) error {
		if src != own && !c.adopts(src) && (c.fresh == nil || src != *c.fresh) {
			orphans = append(orphans, src)
		}
		return nil
	})
	if err != nil || len(orphans) == 0 {
		return err
	}
	if err := c.members.look(ctx); err != nil {
		return err
	}
	var owners map[string][]byte
	for _, src := range orphans {
		if c.members.has(src) {
			continue
		}
		if owners == nil {
			if owners, err = c.shared.Registers(ctx, c.ownerScope()); err != nil {
				return err
			}
		}
		if err := c.adopt(ctx, src, owners[src.String()]); err != nil {
			return err
		}
	}
	return nil
}

func (c *cluster) ownerScope() string { return "owners/" + c.db.opt.Database }

func (c *cluster) ownerOf(src commitlog.Source) store.Register {
	return store.Register{Scope: c.ownerScope(), Name: src.String()}
}

// adopts says whether a source is ours to flush.
func (c *cluster) adopts(src commitlog.Source) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.adopted[src]
}

// adopt takes over one source log: it is sealed, so that nothing can be appended to
// it any more.
func (c *cluster) adopt(ctx context.Context, src commitlog.Source, owner []byte) error {
	db := c.db
	if owner != nil {
		by, err := commitlog.ParseSource(string(owner))
		if err == nil && by != db.own() && c.members.has(by) {
			return nil
		}
	}
	if self := db.own().String(); string(owner) != self {
		held, swapped, err := c.shared.Swap(ctx, c.ownerOf(src), owner, []byte(self), 0)
		if err != nil || !swapped && string(held) != self {
			return err // another was faster
		}
	}
	if there, err := c.end(ctx, src); err != nil || !there {
		return err
	}
	c.mu.Lock()
	c.adopted[src] = true
	c.mu.Unlock()
	db.opt.Logger.Info("took over the log of a node that is not alive", slog.String("source", src.String()))
	poke(c.follower.wake)
	return nil
}

// end seals a log that was listed. One that has no entry any more was dropped since, or
// is being dropped. A seal would begin it again, at a place that is below what others
// have seen of it. If who began that died it is done again, or the log would be listed
// for ever.
func (c *cluster) end(ctx context.Context, src commitlog.Source) (there bool, err error) {
	log := sourceLog(src)
	seal := ingest.AppendSeal(nil, c.db.own().String())
	for {
		head, err := c.db.store.Head(ctx, log)
		if err != nil {
			return false, err
		}
		if head == 0 {
			return false, c.db.store.Drop(ctx, log)
		}
		err = c.db.store.Append(ctx, log, head+1, seal)
		if !errors.Is(err, store.ErrConflict) {
			return err == nil, err
		}
	}
}

// dropAdopted drops the logs that we took over and of which all is in chunks, once
// every node that is alive has read them to the end: until then they find in the
// logs what they do not know from the manifests.
func (c *cluster) dropAdopted(ctx context.Context) error {
	release := c.db.hold()
	defer release()
	var all, over []commitlog.Source
	c.mu.Lock()
	for src := range c.adopted {
		all = append(all, src)
		if c.follower.isOver(src) {
			over = append(over, src)
		}
	}
	c.mu.Unlock()
	s := c.db.current.Load() // it has what was read
	if slices.ContainsFunc(all, s.follows) {
		c.db.flusher.poke()
	}
	over = slices.DeleteFunc(over, s.follows)
	if len(over) == 0 {
		return nil
	}
	if err := c.members.look(ctx); err != nil {
		return err
	}
	for _, src := range over {
		if !c.members.haveRead(src) {
			continue
		}
		if err := c.journals.note(ctx); err != nil {
			return err
		}
		if err := c.db.store.Drop(ctx, sourceLog(src)); err != nil {
			return err
		}
		c.db.catalogue.forget(src, gone)
		c.mu.Lock()
		delete(c.adopted, src)
		c.mu.Unlock()
		// A register that stays takes a few bytes; nobody reads it.
		_, _, _ = c.shared.Swap(ctx, c.ownerOf(src), []byte(c.db.own().String()), nil, 0)
	}
	return nil
}

// follows says whether the state has rows of a source of another node that are not
// in chunks.
func (s *state) follows(src commitlog.Source) bool {
	for _, st := range s.storages {
		for _, p := range st.parts {
			if !p.followedOf(src).delta.empty() {
				return true
			}
		}
	}
	return false
}

// left returns the sources that are ours to flush of which the partition has rows.
func (c *cluster) left(p *partState) []commitlog.Source {
	if c == nil || len(p.others) == 0 {
		return nil
	}
	var out []commitlog.Source
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range p.others {
		if c.adopted[f.source] {
			out = append(out, f.source)
		}
	}
	return out
}

// flushLeft writes to chunks what a partition has of the sources that are ours to
// flush. The caller holds part.flush, and the epoch.
func (c *cluster) flushLeft(ctx context.Context, part *partition) error {
	for tries := 0; ; {
		s := c.db.current.Load()
		st := s.storages[part.id.Table]
		if st == nil || part.freed {
			return nil
		}
		p := st.part(part.id.Key)
		left := c.left(p)
		if len(left) == 0 {
			return nil
		}
		err := c.commitLeft(ctx, st.info.of(part.id.Key), p, p.followedOf(left[0]), s.heads[left[0]])
		if !errors.Is(err, commitlog.ErrPrecondition) || tries == maxTries {
			if err != nil {
				return err
			}
			continue
		}
		// Who had it before has flushed something yet: with that the rows are fewer.
		tries++
		if err := c.follower.once(ctx, part); err != nil {
			return err
		}
	}
}

// commitLeft flushes one source of a partition up to a position. If it is not known
// whether the commit was made, that shows in the manifests of later rounds; a
// second commit of the same rows is refused.
func (c *cluster) commitLeft(ctx context.Context, in *tableInfo, p *partState, f followed, to uint64) error {
	db, own, start := c.db, c.db.own(), time.Now()
	sealed, err := db.seal(ctx, p.part.id, in, f.delta, ingest.SealOptions{Schema: in.def.Version, From: p.manifest.Seq()})
	if err != nil {
		db.deleteChunks(p.part.id, sealed)
		return err
	}
	commit := &commitlog.Commit{ID: commitlog.NewCommitID(), Kind: commitlog.Flush, By: own, Schema: in.def.Version,
		Adds:    append(slices.Clone(sealed), f.delta.staged...),
		Sources: []commitlog.Interval{{Source: f.source, From: p.manifest.Folded(f.source), To: to}}}
	if p.manifest.Owner(f.source) != own {
		commit.Seals = []commitlog.Source{f.source}
	}
	if _, err := p.part.log.Commit(ctx, commit); err != nil {
		if !errors.Is(err, commitlog.ErrUnknown) {
			db.deleteChunks(p.part.id, sealed)
		}
		return err
	}
	db.metrics.flushed(f.delta.rows(), len(commit.Adds), time.Since(start))
	c.land(p.part.id, commit)
	return nil
}

// rejoin begins anew under a new source, after another node has taken over our
// log: what was in it is there, and what was ours is now followed like that of any
// other node. The committer calls it.
func (c *cluster) rejoin(ctx context.Context) error {
	c.epoch.Lock()
	defer c.epoch.Unlock()
	f := c.follower
	f.round.Lock()
	defer f.round.Unlock()
	db := c.db
	if c.fresh == nil {
		fresh := c.newSource()
		if err := c.begin(fresh); err != nil {
			return err
		}
		if err := c.members.become(ctx, fresh); err != nil {
			return err
		}
		if err := c.openLog(ctx, fresh); err != nil {
			return err
		}
		c.fresh = &fresh
	}
	fresh := *c.fresh
	if err := f.scout(ctx); err != nil {
		return err
	}
	if c.journal != nil {
		if err := c.endOwn(ctx, fresh); err != nil {
			return err
		}
	}
	if err := f.rounds(ctx, nil, &fresh); err != nil {
		if errors.Is(err, errTaken) { // this one too, before we began with it
			c.fresh = nil
		}
		return err
	}
	if c.journal != nil { // all that was forwarded has to be known
		if err := c.endedOwn(ctx, fresh); err != nil {
			return err
		}
	}
	for _, st := range db.current.Load().storages {
		for _, p := range st.parts {
			p.part.flush.Lock() // of no flush, while epoch is held
			p.part.unsettled = nil
			p.part.flush.Unlock()
		}
	}
	c.mu.Lock()
	clear(c.adopted) // in the name of the source that we were
	c.mu.Unlock()
	db.source.Store(&fresh)
	c.fresh = nil
	c.taken.Store(false)
	c.claims.forget()
	db.opt.Logger.Warn("another node took over our log; going on with a new one", slog.String("source", fresh.String()))
	poke(c.members.wake)
	return nil
}

// openLog writes the first entry of our log, which has nothing in it. A log that has
// one can be sealed, and once it was dropped nothing that is late begins it again:
// commits are appended above the first entry. After an error the source is not to be
// used, for an append of it that is late may come then.
func (c *cluster) openLog(ctx context.Context, src commitlog.Source) error {
	data, err := ingest.AppendRecords(nil, []*ingest.Record{{ID: newTxnID(), Version: c.db.clock.Take(1), Versions: 1}})
	if err != nil {
		return err
	}
	return c.db.store.Append(ctx, sourceLog(src), 1, data)
}

// firstCommit is the position of the first commit in a log in a cluster.
const firstCommit = 2

func newEpoch() uint64 {
	var epoch [8]byte
	rand.Read(epoch[:])
	return binary.BigEndian.Uint64(epoch[:])
}
