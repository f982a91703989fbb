package engine

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/commitlog"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
)

// A table with a history (schema.Table.History) can be read as it was: row versions are
// times, so that the state at one is that of all rows up to it. Rows that were replaced or
// deleted are kept in buffers, in chunks of history beside those of the rows that there are,
// and with them what took them away. docs/design/history.md has the reasons.

// earlier returns the statement as it reads a table as of a row version: by what is committed
// alone, of which no more can come up to that version.
func (s *Statement) earlier(ctx context.Context, in *tableInfo, version int64) (*Statement, error) {
	if err := s.checkHistory(in, version); err != nil {
		return nil, err
	}
	out := *s
	out.own = nil
	if version <= s.snap.clock && s.txn.db.cluster == nil {
		return &out, nil
	}
	if err := s.txn.db.settleUpTo(ctx, version); err != nil {
		return nil, err
	}
	out.snap = s.txn.db.current.Load()
	if out.snap.storages[in.def.Storage] == nil {
		return nil, pgerr.New(pgerr.SnapshotTooOld, "table %q was dropped or truncated meanwhile", in.name())
	}
	return &out, nil
}

// settleUpTo waits until the current state has all transactions up to a row version that
// is not later than now. In a cluster that goes for what other nodes commit by clocks that are not
// behind ours.
func (db *DB) settleUpTo(ctx context.Context, version int64) error {
	db.clock.Observe(version)                                     // what is stamped from here on is later
	if err := db.committer.commit(&commitRequest{}); err != nil { // behind what was stamped before
		return err
	}
	if db.cluster == nil {
		return nil
	}
	return db.cluster.follower.wait(ctx, time.Now())
}

// checkHistory says why a table cannot be read as of a version.
func (s *Statement) checkHistory(in *tableInfo, version int64) error {
	now := s.txn.db.opt.Now()
	from := s.historyFrom(in, now)
	if in.history > 0 && in.def.HistoryFrom != schema.FromCommit && version >= from {
		if version > max(now.UnixMicro(), s.txn.db.clock.Last()) {
			return pgerr.New(pgerr.InvalidParameterValue, "cannot read table %q as of a time to come", in.name())
		}
		return nil
	}
	e := pgerr.New(pgerr.SnapshotTooOld, "table %q has no history of that time", in.name())
	switch {
	case in.history <= 0:
		return e.WithHint("Keep one from now on: ALTER TABLE ... SET (history_retention = '1 day').")
	case in.def.HistoryFrom == schema.FromCommit:
		return e.WithDetail("Its history begins when this transaction commits.")
	}
	return e.WithDetail("Its history begins at %s.", time.UnixMicro(from).UTC().Format("2006-01-02 15:04:05.999999-07"))
}

// historyFrom returns the least version as of which a table that has a history can be read.
func (s *Statement) historyFrom(in *tableInfo, now time.Time) int64 {
	db := s.txn.db
	from := max(db.historyBegins(in), now.Add(-in.history).UnixMicro())
	if st := s.snap.storages[in.def.Storage]; st != nil {
		for _, p := range st.parts {
			from = max(from, int64(p.manifest.HistoryFrom()))
		}
	}
	return from
}

// definitionGrace is for how long a node of a cluster may go on by an old definition of a table.
const definitionGrace = idleAge

// position is the greatest row version in a state, and not less than that from which on a table
// has a history: what is stamped from here on is later.
func (s *state) position() int64 {
	p := s.clock
	for _, def := range s.catalog.Tables {
		p = max(p, def.HistoryFrom)
	}
	return p
}

// historyBegins is the row version from which on all nodes keep the history of a table. What was
// replaced until then is no part of it: what took that away may not have been kept.
func (db *DB) historyBegins(in *tableInfo) int64 {
	from := in.def.HistoryFrom
	if db.cluster != nil && from > 0 {
		// Until then a node may have written that did not know that it has to keep history.
		from += definitionGrace.Microseconds()
	}
	return from
}

// forgetBefore is the row version up to which a table's history may be forgotten: somewhat
// earlier than it can be read, as clocks of nodes differ.
func (db *DB) forgetBefore(in *tableInfo) uint64 {
	return uint64(max(0, db.historyBegins(in), db.opt.Now().Add(-in.history-retentionGrace).UnixMicro()))
}

// asked says whether a chunk is one to be read, and counts it if not: one of history is, if some of
// its rows were not replaced yet by the time that is asked for, which without AS OF is now.
func (p *scanPlan) asked(e *chunk.Entry) bool {
	over := e.History() && (p.spec.AsOf == 0 || int64(e.Replaced) <= e.AsOf(p.spec.AsOf))
	if over {
		p.stats.ChunksSkipped++
		p.stats.RowsSkippedChunks += int64(e.Rows)
	}
	return !over
}

// severalVersions says whether an input may have more than one version of a key.
func (p *scanPlan) severalVersions(in keyedInput) bool {
	if in.entry != nil {
		return in.entry.History()
	}
	return p.in.versions()
}

// keepHistory sets from when on a new definition of a table can be read as of: from its commit
// on, if it begins to keep history, and if it keeps more, from where it still has it.
func (db *DB) keepHistory(def, old *schema.Table) {
	switch {
	case def.History <= 0:
	case old == nil || old.History <= 0 || def.Storage != old.Storage, len(stricter(old, def)) > 0: // which earlier rows may not be
		def.HistoryFrom = schema.FromCommit
	case def.History > old.History && old.HistoryFrom != schema.FromCommit:
		def.HistoryFrom = max(old.HistoryFrom, db.opt.Now().Add(-old.History).UnixMicro())
	}
}

// beginHistory returns the changes of a transaction that is being committed, with the row
// version from which on tables keep history that begin to.
func (c *committer) beginHistory(r *commitRequest) []schema.Change {
	out := slices.Clone(r.changes)
	version := int64(0)
	for i := range out {
		if t := out[i].PutTable; t != nil && t.HistoryFrom == schema.FromCommit {
			if version == 0 && r.record != nil {
				version = r.record.Version + int64(r.record.Versions) - 1
			} else if version == 0 {
				version = c.db.clock.Take(1)
			}
			next := *t
			next.HistoryFrom = version
			out[i].PutTable = &next
		}
	}
	return out
}

// forget removes the chunks of history of a partition of which nothing can be read any more; m
// is its manifest, of before slices were removed. The caller holds part.compacting, and in a
// cluster the lease.
func (db *DB) forget(ctx context.Context, part *partition, in *tableInfo, m *commitlog.Manifest) error {
	before := db.forgetBefore(in)
	var old []*chunk.Entry
	for e, err := range m.Chunks(ctx) {
		if err != nil {
			return in.unread(err)
		}
		if e.History() && e.Replaced <= before && !in.outdated(e.Slice, db.opt.Now().Add(-retentionGrace)) {
			old = append(old, e)
		}
	}
	slices.SortFunc(old, func(a, b *chunk.Entry) int { return cmp.Compare(a.Replaced, b.Replaced) }) // no mark before its rows
	for batch := range slices.Chunk(old, maxRetained) {
		r := db.compactor.begin(part.id, batch[0].Slice, "history")
		r.began(batch)
		c := &commitlog.Commit{ID: commitlog.NewCommitID(), Kind: commitlog.Retention, By: db.own(), Schema: max(in.def.Version, m.Schema())}
		for _, e := range batch {
			c.Removes = append(c.Removes, e.ID)
		}
		err := db.replace(ctx, part, &replacement{commit: c, removed: batch, seen: m.Seq()})
		r.end(err)
		if err != nil {
			return err
		}
	}
	return nil
}
