package engine

import (
	"context"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/ingest"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// stage writes the transaction's rows to provisional chunks: blobs that no log
// names until the transaction's record does, and that are garbage if it never
// comes. So a transaction of any size needs bounded memory.
func (t *Txn) stage(ctx context.Context) error {
	for _, id := range sortedIDs(t.work.parts) {
		p := t.work.parts[id]
		if len(p.slices) == 0 {
			continue
		}
		n := len(p.staged)
		if n >= maxStages {
			return pgerr.New(pgerr.ProgramLimitExceeded, "a transaction may write at most %d chunks to a partition", maxStages)
		}
		entries, err := t.db.seal(ctx, id, p.info, p.delta, ingest.SealOptions{Schema: t.catalog.Seq, OmitVersion: p.info.keyed()})
		if err != nil {
			t.db.deleteChunks(id, entries)
			return err
		}
		if p.info.keyed() {
			// The chunks of one staging hold different keys, but one version each
			// keeps the order of all.
			for i, e := range entries {
				e.VersionMin = ownStagedVersion + uint64(n+i)
				e.VersionMax = e.VersionMin
			}
		}
		t.db.buffered.Add(-p.bytes())
		t.work.parts[id] = &ownPart{info: p.info, delta: p.withoutRows(entries)}
		t.work.stages = max(t.work.stages, n+len(entries))
		t.db.metrics.staged.Add(float64(len(entries)))
	}
	return nil
}

// seal encodes a delta's rows and puts the chunks away; it returns their
// entries, after an error those that may have been put.
func (db *DB) seal(ctx context.Context, id chunk.PartitionID, in *tableInfo, d *delta, o ingest.SealOptions) ([]*chunk.Entry, error) {
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
			for _, c := range sealed {
				entries = append(entries, &c.Entry)
			}
			if err := db.store.PutChunks(ctx, id, sealed); err != nil {
				return entries, err
			}
			if err := ctx.Err(); err != nil {
				return entries, context.Cause(ctx)
			}
		}
	}
	return entries, nil
}
