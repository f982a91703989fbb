package engine

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"log/slog"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/commitlog"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/internal/datum"
)

// takeOver makes this node the owner of the source logs of nodes that died,
// unless another one that is alive has them. A register a log says who: it
// changes by compare-and-set, so that one node at a time believes to be the owner,
// and the logs themselves refuse who believes it for too long.
func (c *cluster) takeOver(ctx context.Context) error {
	release := c.db.hold()
	defer release()
	own := c.db.own()
	var orphans []commitlog.Source
	// The logs are listed before it is looked who is alive: a node has its lease
	// before it has a log.
	err := eachSourceLog(ctx, c.db.store, func(_ store.LogID, src commitlog.Source) error {
		if src != own && !c.db.ended.has(src) {
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

// adopt takes over one source log: it is sealed, so that nothing can be appended
// to it any more, and read to its end; then its rows are ours to flush.
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
	log := sourceLog(src)
	if err := db.endSource(ctx, log); err != nil {
		return err
	}
	head, err := db.store.Head(ctx, log)
	if err != nil {
		return err
	}
	rows, done, err := c.follower.adopt(ctx, src, head)
	if err == nil && done {
		db.opt.Logger.Info("took over the log of a node that is not alive", slog.String("source", src.String()), slog.Int64("rows", rows))
	}
	return err
}

// adopt reads a sealed source log to its end and makes its rows ours. It is not
// done if that needs another round.
func (f *follower) adopt(ctx context.Context, src commitlog.Source, head uint64) (rows int64, done bool, err error) {
	f.round.Lock()
	defer f.round.Unlock()
	f.decide[src] = true
	for range maxTries {
		if err := f.rounds(ctx, nil, nil); err != nil {
			return 0, false, err
		}
		if f.sealed[src] {
			break
		}
	}
	if !f.sealed[src] {
		return 0, false, nil
	}
	delete(f.decide, src)
	db := f.c.db
	var touched []chunk.PartitionID
	s := db.publish(func(s *state) *state {
		s = s.clone()
		own := map[datum.OID]bool{}
		for oid := range s.storages {
			st := s.storage(oid, own)
			for i, p := range st.parts {
				q := p.followedOf(src)
				if q.delta.empty() {
					continue
				}
				rows += q.delta.rows()
				next := *p
				next.putFollowed(followed{source: src, delta: emptyDelta})
				next.pending = db.inherit(st.info, p.pending, q.delta)
				db.buffered.Add(next.bufferedBytes() - p.bufferedBytes())
				st.parts[i] = &next
				touched = append(touched, p.part.id)
			}
		}
		// In one step with the rows: what a flush covers follows from it.
		db.ended.add(endedSource{source: src, log: sourceLog(src), head: head, done: true})
		return s
	})
	db.flusher.added(s, touched)
	return rows, true, nil
}

// inherit returns a pending delta with what another node left.
func (db *DB) inherit(in *tableInfo, pending, left *delta) *delta {
	d := pending.attach(left.staged)
	for _, s := range left.slices {
		for _, run := range s.rows.Runs() {
			next, err := d.add(db.mem, in.layout, run)
			if err != nil {
				panic("engine: rows that were in a buffer do not fit into another: " + err.Error())
			}
			d = next
		}
	}
	c := *d
	c.replayed = true
	if pending.empty() {
		c.since = db.opt.Now()
	}
	return &c
}

// disown notes that a log that was taken over is dropped.
func (c *cluster) disown(ctx context.Context, e endedSource) {
	c.dropped.add(e)
	// A register that stays takes a few bytes; nobody reads it.
	_, _, _ = c.shared.Swap(ctx, c.ownerOf(e.source), []byte(c.db.own().String()), nil, 0)
}

// rejoin begins anew under a new source, after another node has taken over our
// log: what was in it is there, and what was ours is now followed like that of
// any other node. The committer calls it.
func (c *cluster) rejoin(ctx context.Context) error {
	c.epoch.Lock()
	defer c.epoch.Unlock()
	f := c.follower
	f.round.Lock()
	defer f.round.Unlock()
	db := c.db
	fresh := commitlog.Source{Writer: db.opt.Writer, Epoch: newEpoch()}
	if err := f.scout(ctx); err != nil {
		return err
	}
	f.full = true
	clear(f.sealed)
	for _, e := range db.ended.list() {
		db.ended.remove(e.source)
	}
	if err := f.rounds(ctx, nil, &fresh); err != nil {
		return err
	}
	for _, st := range db.current.Load().storages {
		for _, p := range st.parts {
			p.part.unsettled = nil // nobody flushes while epoch is held
		}
	}
	db.source.Store(&fresh)
	c.claims.forget()
	db.opt.Logger.Warn("another node took over our log; going on with a new one", slog.String("source", fresh.String()))
	poke(c.members.wake)
	return nil
}

func newEpoch() uint64 {
	var epoch [8]byte
	rand.Read(epoch[:])
	return binary.BigEndian.Uint64(epoch[:])
}
