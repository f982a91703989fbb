package engine

import (
	"context"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/codec"
	"github.com/phyllodb/phyllo/ingest"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/panics"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"golang.org/x/sync/errgroup"
)

// stage writes the transaction's rows to provisional chunks: blobs that no log
// names until the transaction's record does, and that are garbage if it never
// comes. So a transaction of any size needs bounded memory, however many
// savepoints it has.
func (t *Txn) stage(ctx context.Context) error {
	ids := sortedIDs(t.work.parts)
	parts := make([]stagedPart, len(ids))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(maxSealers)
	for i, id := range ids {
		g.Go(func() (err error) {
			defer panics.Catch(&err)
			parts[i], err = t.sealPart(gctx, id)
			return err
		})
	}
	err := g.Wait()
	if err == nil {
		err = t.number(ids, parts)
	}
	if err != nil {
		for i, id := range ids {
			t.db.deleteChunks(id, parts[i].fresh)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return err
	}
	for i, id := range ids {
		t.keepStaged(id, parts[i])
	}
	return nil
}

// gather stages what a transaction has written to a table's other generations, before rows
// of the present one come: versions tell which of the rows of a key is the newest, and rows
// that are not staged all get the same one.
func (t *Txn) gather(ctx context.Context, in *tableInfo) error {
	if !in.versioned() || in.count() == 1 {
		return nil
	}
	for id, p := range t.work.parts {
		if id.Table == in.def.Storage && p.info.generation != in.generation && p.bytes() > 0 {
			return t.stage(ctx)
		}
	}
	return nil
}

// number gives the staged chunks the numbers of the versions that they take: each partition
// has its own, unless the rows of a key may lie in several.
func (t *Txn) number(ids []chunk.PartitionID, parts []stagedPart) error {
	shared := map[datum.OID]int{} // by storage, the next number
	for id, p := range t.work.parts {
		if p.info.versioned() && p.info.count() > 1 {
			shared[id.Table] = 0
		}
	}
	for id, p := range t.work.parts { // some may be of before another node's ALTER TABLE
		if next, several := shared[id.Table]; several {
			shared[id.Table] = max(next, p.stages())
		}
	}
	for i, id := range ids {
		next, several := shared[id.Table]
		if !several {
			next = t.work.parts[id].stages()
		}
		parts[i].first = next
		next += len(parts[i].fresh)
		if next > maxStages {
			return pgerr.New(pgerr.ProgramLimitExceeded, "a transaction may write at most %d chunks to a partition", maxStages)
		}
		if several {
			shared[id.Table] = next
		}
	}
	return nil
}

// A stagedPart is the chunks that a partition's rows went to: fresh ones, and by
// delta the number of the partition's chunks up to it, earlier ones included.
type stagedPart struct {
	fresh []*chunk.Entry
	ends  []int
	first int // number of the version of the first fresh one
}

// sealPart writes the rows of one partition, those of each delta by themselves: a
// savepoint keeps the chunks of its deltas. After an error fresh has those that
// may have been written.
func (t *Txn) sealPart(ctx context.Context, id chunk.PartitionID) (out stagedPart, err error) {
	p := t.work.parts[id]
	before := len(p.staged())
	for _, d := range p.deltas {
		entries, err := t.db.seal(ctx, id, p.info, d, ingest.SealOptions{Schema: t.catalog.Seq, OmitVersion: p.info.versioned()})
		out.fresh = append(out.fresh, entries...)
		if err != nil {
			return out, err
		}
		out.ends = append(out.ends, before+len(out.fresh))
	}
	return out, nil
}

// keepStaged puts the chunks in the place of the rows.
func (t *Txn) keepStaged(id chunk.PartitionID, s stagedPart) {
	p, fresh, ends := t.work.parts[id], s.fresh, s.ends
	before, bytes := p.staged(), p.bytes()
	if len(fresh) == 0 {
		return
	}
	if p.info.versioned() {
		// The chunks of one delta hold different keys, but one version each keeps
		// the order of all.
		for i, e := range fresh {
			e.VersionMin = ownStagedVersion + uint64(s.first+i)
			e.VersionMax = e.VersionMin
		}
	}
	all := append(before[:len(before):len(before)], fresh...)
	t.work.parts[id] = newOwnPart(p.info, all)
	t.grow(-bytes)
	for i := range t.marks {
		m := &t.marks[i]
		// One without rows was staged to its end before. One from before ALTER TABLE
		// keeps its rows, for the chunks have the new columns.
		if q := m.parts[id]; q != nil && q.bytes() > 0 && sameColumns(q.info.layout, p.info.layout) {
			end := ends[len(q.deltas)-1]
			m.bytes -= q.bytes()
			m.parts[id] = newOwnPart(q.info, all[:end:end])
		}
	}
	t.db.metrics.staged.Add(float64(len(fresh)))
}

// maxSegmentBytes bounds the chunks that are put away at a time.
const maxSegmentBytes = 32 << 20

// sealRows is how many rows a chunk has at most when it is first written; 0 is as many as it
// can have. Tests change it.
var sealRows = 0

// seal encodes a delta's rows and puts the chunks away; it returns their
// entries, after an error those that may have been put.
func (db *DB) seal(ctx context.Context, id chunk.PartitionID, in *tableInfo, d *delta, o ingest.SealOptions) ([]*chunk.Entry, error) {
	if len(d.slices) == 0 {
		return nil, nil
	}
	if err := db.sealers.Acquire(ctx, 1); err != nil {
		return nil, context.Cause(ctx)
	}
	defer db.sealers.Release(1)
	db.sealing.Add(1)
	defer db.sealing.Add(-1)
	// A merge will find better encodings, with more rows in view.
	o.IDs, o.Mem, o.Effort, o.MaxRows = db.ids, db.mem, codec.Quick, sealRows
	var entries []*chunk.Entry
	var ready []*chunk.Sealed // of several slices: each call costs an fsync
	size := int64(0)
	put := func() error {
		if len(ready) == 0 {
			return nil
		}
		err := db.store.PutChunks(ctx, id, ready)
		for _, c := range ready {
			e := c.Entry // by itself, for it lives on and the blobs beside it must not
			entries = append(entries, &e)
		}
		ready, size = nil, 0
		return err
	}
	for _, s := range d.slices {
		for sealed, err := range ingest.Seal(in.layout, s.rows, o) {
			if err != nil {
				return entries, err
			}
			for _, c := range sealed {
				ready = append(ready, c)
				for _, b := range c.Blobs {
					size += int64(len(b))
				}
			}
			if size >= maxSegmentBytes {
				if err := put(); err != nil {
					return entries, err
				}
			}
			if err := ctx.Err(); err != nil {
				return entries, context.Cause(ctx)
			}
		}
	}
	return entries, put()
}
