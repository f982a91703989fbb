package engine

import (
	"cmp"
	"slices"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/datum"
)

// Partitions describes the partitions of a table that have rows, by rising key:
// the chunks of the snapshot, and as buffered rows what is in no chunk of it, the
// transaction's own rows included.
func (t *Txn) Partitions(table datum.OID) []chunk.PartitionInfo {
	def := t.catalog.Tables[table]
	if def == nil {
		return nil
	}
	own := map[chunk.PartitionID]int64{}
	for id, p := range t.visible {
		if id.Table == def.Storage {
			own[id] = p.rows()
		}
	}
	var out []chunk.PartitionInfo
	if st := t.snap.storages[def.Storage]; st != nil {
		for _, p := range st.parts {
			id := p.part.id
			out = append(out, chunk.PartitionInfo{ID: id, Sequence: p.manifest.Seq(),
				BufferedRows: p.rows() - p.manifest.Rows() + own[id], Chunks: slices.Collect(p.manifest.Chunks())})
			delete(own, id)
		}
	}
	for id, rows := range own {
		out = append(out, chunk.PartitionInfo{ID: id, BufferedRows: rows})
	}
	slices.SortFunc(out, func(a, b chunk.PartitionInfo) int { return cmp.Compare(a.ID.Key, b.ID.Key) })
	return out
}
