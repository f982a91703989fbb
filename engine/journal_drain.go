package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/phyllodb/phyllo/engine/commitlog"
	"github.com/phyllodb/phyllo/engine/store"
	"github.com/phyllodb/phyllo/ingest"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// openJournal forwards what earlier processes of this node left in their journal,
// and begins a new one if transactions are to be durable there. It returns how
// many rows were forwarded. Recovery calls it when all that is in the shared store
// is known.
func (c *cluster) openJournal(ctx context.Context) (rows int, err error) {
	states, err := c.journals.states(ctx)
	if err != nil {
		return 0, err
	}
	state, node := states[c.db.opt.Writer], c.db.opt.Writer
	found, err := c.foundJournals(ctx)
	if err != nil {
		return 0, err
	}
	there := false
	for _, src := range found {
		if src.Writer != node {
			return 0, pgerr.New(pgerr.ObjectNotInState, "the data folder has the journal of node %q, and this is node %q", src.Writer, node).
				WithHint("Start node %q with this folder, and this node with its own.", src.Writer)
		}
		there = there || src.String() == state.Journal
	}
	if state.Journal != "" && !state.Drained && !there {
		return 0, pgerr.New(pgerr.ObjectNotInState, "node %q has a journal with commits that may not be in the cluster, and it is not in this data folder", node).
			WithHint("Start the node with the data folder that it had. If that is lost, phyllo forget --node %s gives up what was in it.", node)
	}
	for _, src := range found {
		n, err := c.drain(ctx, src, state)
		rows += n
		if err != nil {
			return rows, fmt.Errorf("journal %s: %w", src, err)
		}
	}
	switch {
	case c.opt.CommitToJournal:
		err = c.newJournal(ctx)
	case c.opt.Journal != nil:
		err = c.members.forwarded(ctx)
	}
	return rows, err
}

// foundJournals lists the journals in our folder.
func (c *cluster) foundJournals(ctx context.Context) (found []commitlog.Source, err error) {
	if c.opt.Journal == nil {
		return nil, nil
	}
	logs, err := c.opt.Journal.List(ctx, store.SourceLog)
	for _, log := range logs {
		src, err := commitlog.ParseSource(log.Key)
		if err != nil {
			return nil, err
		}
		found = append(found, src)
	}
	return found, err
}

// newJournal begins a journal. Its first entry is there before others hear of it:
// they may count on it that what is in the register is in the folder.
func (c *cluster) newJournal(ctx context.Context) error {
	j := newJournal(c.db, c.opt.Journal, c.newSource())
	data, err := ingest.AppendRecords(nil, []*ingest.Record{{ID: newTxnID(), Version: c.db.clock.Take(1), Versions: 1}})
	if err != nil {
		return err
	}
	if err := j.logs.Append(ctx, j.log, 1, data); err != nil {
		return err
	}
	j.next, j.inUse = firstCommit, true
	j.forwarded.Store(1)
	err = c.journals.change(ctx, c.db.opt.Writer, func(*journalState) journalState { return journalState{Journal: j.source.String()} })
	if err != nil {
		return err
	}
	c.journal = j
	c.journals.uses(j)
	return nil
}

// drain forwards what of an earlier journal is not in source logs yet, and drops it.
func (c *cluster) drain(ctx context.Context, src commitlog.Source, state journalState) (rows int, err error) {
	j := newJournal(c.db, c.opt.Journal, src)
	c.journals.uses(j)
	defer c.journals.uses()
	if err := c.readOwn(ctx); err != nil {
		return 0, err
	}
	first, err := j.logs.First(ctx, j.log)
	if err != nil {
		return 0, err
	}
	j.reach(max(first-1, c.journals.in(src.String())))
	if state.Journal == src.String() {
		// It is read again, for a log may have been dropped meanwhile.
		states, err := c.journals.states(ctx)
		if err != nil {
			return 0, err
		}
		state = states[src.Writer]
		j.reach(state.Forwarded)
	}
	known := state.Journal == src.String()
	if known && state.Drained { // what else there is was never acknowledged
		return 0, j.logs.Drop(ctx, j.log)
	}
	if rows, err = c.forwardRest(ctx, j, known); err != nil {
		return rows, err
	}
	if known {
		if err := c.drained(ctx, j); err != nil {
			return rows, err
		}
	}
	if rows > 0 {
		c.db.opt.Logger.Info("forwarded what the earlier process of this node had in its journal", slog.Int("rows", rows))
	}
	return rows, j.logs.Drop(ctx, j.log)
}

// drained notes for good that all of a journal is in source logs.
func (c *cluster) drained(ctx context.Context, j *journal) error {
	return c.journals.change(ctx, j.source.Writer, func(held *journalState) journalState {
		if held == nil {
			held = &journalState{Journal: j.source.String()}
		}
		held.Drained = held.Drained || held.Journal == j.source.String()
		return *held
	})
}

// forwardRest appends to our source log, in portions, what of a journal is in none
// yet.
func (c *cluster) forwardRest(ctx context.Context, j *journal, known bool) (rows int, err error) {
	var batch []journalEntry
	size := 0
	forward := func() error {
		if len(batch) == 0 {
			return nil
		}
		seq, err := c.db.committer.append(forwardedEntry(j, batch))
		if err != nil {
			return err
		}
		j.reach(batch[len(batch)-1].pos)
		for _, e := range batch {
			c.db.apply(seq, c.db.own(), e.records, nil)
		}
		c.db.committer.landed()
		batch, size = nil, 0
		return c.db.makeRoom(ctx)
	}
	for e, err := range j.logs.Read(ctx, j.log, j.forwarded.Load()+1) {
		if err != nil {
			return rows, err
		}
		entry := journalEntry{pos: e.Seq, data: e.Data}
		read, err := ingest.DecodeEntry(c.db.mem, e.Data)
		if err != nil {
			return rows, fmt.Errorf("entry %d: %w", e.Seq, err)
		}
		if !known && slices.ContainsFunc(read.Records, func(r *ingest.Record) bool { return len(r.Parts) > 0 }) {
			return rows, pgerr.New(pgerr.ObjectNotInState, "the journal in the data folder is of another keyspace, or was given up: it has commits that the cluster does not know").
				WithHint("Start the node with the data folder that it has in this keyspace. If what is in this one is not needed, move its folder wal away.")
		}
		n, err := c.admit(ctx, read.Records)
		if err != nil {
			return rows, err
		}
		entry.records = read.Records
		rows += n
		if len(batch) > 0 && size+len(e.Data) > maxGroupBytes {
			if err := forward(); err != nil {
				return rows, err
			}
		}
		batch, size = append(batch, entry), size+len(e.Data)
	}
	return rows, forward()
}

// admit makes records ready to be applied: rows of tables that are gone are taken
// out, and partitions that we have not seen opened. It returns how many rows stay.
func (c *cluster) admit(ctx context.Context, records []*ingest.Record) (rows int, err error) {
	s := c.db.current.Load()
	var requests []*commitRequest
	for _, r := range records {
		c.db.clock.Observe(r.Version + int64(r.Versions) - 1)
		kept := r.Parts[:0]
		for _, p := range r.Parts {
			if s.storages[p.Partition.Table] != nil {
				rows += partRows(&p)
				kept = append(kept, p)
			}
		}
		r.Parts = kept
		requests = append(requests, &commitRequest{record: r})
	}
	return rows, c.db.untilRoom(ctx, func() error { return c.meet(requests) })
}

// readOwn reads the logs of this node's earlier processes to their ends, after they
// were sealed: nothing that was late can be appended to them then.
func (c *cluster) readOwn(ctx context.Context) error {
	own := c.db.own()
	f := c.follower
	f.round.Lock()
	err := c.endOwn(ctx, own)
	f.round.Unlock()
	if err != nil {
		return err
	}
	for {
		if err := c.db.untilRoom(ctx, func() error { return f.once(ctx, nil) }); err != nil {
			return err
		}
		f.round.Lock()
		err := c.endedOwn(ctx, own)
		f.round.Unlock()
		if !errors.Is(err, errNotEnded) {
			return err
		}
		// A record in it waits for an entry of the catalogue: who takes the log over fills
		// that, which nobody else may be there to do.
		if err := c.takeOver(ctx); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(c.opt.Poll):
		}
	}
}

// errNotEnded says that a log of ours that was taken over is not read to its end.
var errNotEnded = errors.New("engine: the log before this one is not read to its end yet")

// endOwn seals the logs of this node that are not src's. The caller holds
// follower.round.
func (c *cluster) endOwn(ctx context.Context, src commitlog.Source) error {
	there, err := c.follower.logs(ctx)
	if err != nil {
		return err
	}
	for log := range there {
		if log.Writer != src.Writer || log == src || c.follower.sealed[log] {
			continue
		}
		if _, err := c.end(ctx, log); err != nil {
			return err
		}
	}
	return nil
}

// endedOwn says whether those logs were read to their ends, or are gone. The caller
// holds follower.round.
func (c *cluster) endedOwn(ctx context.Context, src commitlog.Source) error {
	there, err := c.follower.logs(ctx)
	if err != nil {
		return err
	}
	for log := range there {
		if log.Writer == src.Writer && log != src && !c.follower.sealed[log] && c.follower.floors[log] != gone {
			return errNotEnded
		}
	}
	return nil
}

// emptyJournal ends the use of the journal and forwards what is in it. What cannot be
// forwarded stays in the folder, for the next start.
func (c *cluster) emptyJournal(ctx context.Context) error {
	j := c.journal
	if j == nil {
		return nil
	}
	j.close()
	if err := c.db.forwardNow(); err != nil {
		return err
	}
	if j.waits() || j.failed { // which nothing sets any more
		return errors.New("not all of the journal is certain to be in the cluster")
	}
	return nil
}

// retireJournal tells that the journal, which is empty, is not used any more. This
// node commits nothing after that.
func (c *cluster) retireJournal(ctx context.Context) error {
	j := c.journal
	if j == nil {
		return nil
	}
	if err := c.drained(ctx, j); err != nil {
		return err
	}
	c.journals.uses() // of which nothing is needed any more
	return j.logs.Drop(ctx, j.log)
}
