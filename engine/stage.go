package engine

import (
	"context"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/ingest"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// stage writes the transaction's rows to provisional chunks: blobs that no log
// names until the transaction's record does, and that are garbage if it never
// comes. So a transaction of any size needs bounded memory, however many
// savepoints it has.
func (t *Txn) stage(ctx context.Context) error {
	for _, id := range sortedIDs(t.work.parts) {
		if err := t.stagePart(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// stagePart stages the rows of one partition, those of each delta by themselves:
// a savepoint keeps the chunks of its deltas.
func (t *Txn) stagePart(ctx context.Context, id chunk.PartitionID) error {
	p := t.work.parts[id]
	before, bytes := p.staged(), p.bytes()
	var fresh []*chunk.Entry
	ends := make([]int, len(p.deltas)) // of before and fresh, by delta
	for i, d := range p.deltas {
		entries, err := t.db.seal(ctx, id, p.info, d, ingest.SealOptions{Schema: t.catalog.Seq, OmitVersion: p.info.keyed()})
		fresh = append(fresh, entries...)
		if err == nil && len(before)+len(fresh) > maxStages {
			err = pgerr.New(pgerr.ProgramLimitExceeded, "a transaction may write at most %d chunks to a partition", maxStages)
		}
		if err != nil {
			t.db.deleteChunks(id, fresh)
			return err
		}
		ends[i] = len(before) + len(fresh)
	}
	if len(fresh) == 0 {
		return nil
	}
	if p.info.keyed() {
		// The chunks of one delta hold different keys, but one version each keeps
		// the order of all.
		for i, e := range fresh {
			e.VersionMin = ownStagedVersion + uint64(len(before)+i)
			e.VersionMax = e.VersionMin
		}
	}
	all := append(before[:len(before):len(before)], fresh...)
	t.work.parts[id] = newOwnPart(p.info, all)
	t.grow(-bytes)
	for i := range t.marks {
		m := &t.marks[i]
		// One without rows was staged to its end before.
		if q := m.parts[id]; q != nil && q.bytes() > 0 {
			end := ends[len(q.deltas)-1]
			m.bytes -= q.bytes()
			m.parts[id] = newOwnPart(q.info, all[:end:end])
		}
	}
	t.db.metrics.staged.Add(float64(len(fresh)))
	return nil
}

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
	o.IDs, o.Mem = db.ids, db.mem
	var entries []*chunk.Entry
	for _, s := range d.slices {
		for sealed, err := range ingest.Seal(in.layout, s.rows, o) {
			if err != nil {
				return entries, err
			}
			err := db.store.PutChunks(ctx, id, sealed)
			for _, c := range sealed {
				e := c.Entry // by itself, for it lives on and the blobs beside it must not
				entries = append(entries, &e)
			}
			if err != nil {
				return entries, err
			}
			if err := ctx.Err(); err != nil {
				return entries, context.Cause(ctx)
			}
		}
	}
	return entries, nil
}
