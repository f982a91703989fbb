package engine

import (
	"context"
	"sync"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

// Statistics are made from at most so many chunks of a table, and of a partition at least so many.
const (
	sampledChunks        = 128
	sampledChunksOfAPart = 4
)

// statisticsKept is of how many tables statistics are kept.
const statisticsKept = 4096

// statistics keeps those of tables, until their rows or columns have changed much. It may be
// used by several goroutines.
type statistics struct {
	mu sync.Mutex
	of map[datum.OID]keptStatistics // by storage
}

type keptStatistics struct {
	columns  int   // of the table, dropped ones included
	inChunks int64 // rows
	made     *chunk.Statistics
}

// hold says whether statistics tell enough of a table that has become what is given.
func (k keptStatistics) hold(columns int, rows, inChunks int64) bool {
	near := func(was, is int64) bool { return 4*is >= 3*was && 3*is <= 4*was }
	return k.columns == columns && near(k.made.Rows, rows) && near(k.inChunks, inChunks)
}

// Statistics returns estimates for the planner, from the entries of some chunks: nil if the
// table has none. It may read entries from the store; what cannot be read is not known, and
// the query will say why.
func (t *Txn) Statistics(ctx context.Context, table datum.OID) *chunk.Statistics {
	def := t.catalog.Tables[table]
	if def == nil {
		return nil
	}
	st := t.snap.storages[def.Storage]
	if st == nil {
		return nil
	}
	inChunks := int64(0)
	for _, p := range st.parts {
		inChunks += p.manifest.Rows()
	}
	if s := t.db.statistics.get(def, t.TableRows(table), inChunks); s != nil {
		return s
	}
	var samples []chunk.Sample
	for _, p := range st.parts {
		entries, err := p.manifest.Sample(ctx, max(sampledChunks/len(st.parts), sampledChunksOfAPart))
		if err != nil {
			return nil
		}
		samples = append(samples, chunk.Sample{Rows: p.rows(), Chunks: entries})
	}
	s := chunk.EstimateStatistics(def.Columns, def.PartitionColumns, samples)
	t.db.statistics.put(def, keptStatistics{len(def.Columns), inChunks, s})
	return s
}

// get returns the statistics of a table with about so many rows, nil if there are none that hold.
func (k *statistics) get(def *schema.Table, rows, inChunks int64) *chunk.Statistics {
	k.mu.Lock()
	defer k.mu.Unlock()
	if kept, ok := k.of[def.Storage]; ok && kept.hold(len(def.Columns), rows, inChunks) {
		return kept.made
	}
	return nil
}

func (k *statistics) put(def *schema.Table, s keptStatistics) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.of == nil {
		k.of = map[datum.OID]keptStatistics{}
	}
	for storage := range k.of { // any one
		if len(k.of) < statisticsKept {
			break
		}
		delete(k.of, storage)
	}
	k.of[def.Storage] = s
}
