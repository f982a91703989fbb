package engine

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/datum"
)

// Partitions describes the partitions of a table that have rows, by rising key:
// the chunks of the snapshot, and as buffered rows what is in no chunk of it, the
// transaction's own rows included.
func (t *Txn) Partitions(ctx context.Context, table datum.OID) ([]chunk.PartitionInfo, error) {
	def := t.catalog.Tables[table]
	if def == nil {
		return nil, nil
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
			id, m := p.part.id, p.manifest
			times, err := m.Time(ctx)
			if err != nil {
				return nil, fmt.Errorf("table %q: %w", def.Name, err)
			}
			out = append(out, chunk.PartitionInfo{ID: id, Sequence: m.Seq(), BufferedRows: p.rows() - m.Rows() + own[id],
				Chunks: m.Len(), Rows: m.Rows(), Bytes: m.Bytes(), Time: times, Entries: m.Chunks})
			delete(own, id)
		}
	}
	for id, rows := range own {
		out = append(out, chunk.PartitionInfo{ID: id, BufferedRows: rows, Time: chunk.TimeRange{Min: 1, Max: 0}})
	}
	slices.SortFunc(out, func(a, b chunk.PartitionInfo) int { return cmp.Compare(a.ID.Key, b.ID.Key) })
	return out, nil
}
