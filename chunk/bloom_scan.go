package chunk

import (
	"context"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/phyllodb/phyllo/internal/schema"
)

// begin is start, and then a look at Bloom filters: if they exclude every row nothing else of
// the chunk is read.
func (s *chunkSplit) begin(ctx context.Context, mem memory.Allocator, room *chunkRoom, stats *ScanStats) (*chunkScan, []*filter, error) {
	c, filters, err := s.start(mem, room, stats)
	if err != nil || c.empty {
		return c, filters, err
	}
	if c.empty, err = c.absent(ctx, filters); c.empty {
		stats.ChunksSkipped++
		stats.ChunksSkippedBloom++
		stats.RowsSkippedChunks += int64(s.entry.Rows)
	}
	return c, filters, err
}

// asksBloom returns the number of the column with the Bloom filter that may exclude what
// passes a filter, -1 if there is none.
func (s *chunkSplit) asksBloom(f *filter) int {
	switch {
	case s.spec.Pruning.Blooms || f.pred.Op != OpEQ && f.pred.Op != OpIn || len(f.pred.Values) > maxBloomValues:
		return -1
	case bloomKindOf(f.typ) == 0:
		return -1
	}
	return bloomIndex(s.entry, f.pred.Column)
}

// blooms returns the Bloom filters that are asked, as columns.
func (s *chunkSplit) blooms(filters []*filter) (ids []schema.ColumnID) {
	for _, f := range filters {
		if s.asksBloom(f) >= 0 {
			ids = append(ids, BloomColumn(f.pred.Column))
		}
	}
	return ids
}

// absent says whether a Bloom filter excludes every row: none of the values that a filter
// asks for is in the chunk.
func (c *chunkScan) absent(ctx context.Context, filters []*filter) (bool, error) {
	for _, f := range filters {
		i := c.asksBloom(f)
		if i < 0 {
			continue
		}
		blob, checked, err := c.fetch(ctx, i)
		if err != nil {
			return false, fmt.Errorf("chunk %v, Bloom filter of column %d: %w", c.entry.ID, f.pred.Column, err)
		}
		c.stats.BytesRead += int64(len(blob))
		b, err := openBloom(blob, checked)
		if err != nil {
			return false, c.wrap(fmt.Errorf("Bloom filter: %w", err), f.pred.Column)
		}
		if !b.may(f) {
			return true, nil
		}
	}
	return false, nil
}

// may says whether one of the values that a filter asks for may be there.
func (b *bloom) may(f *filter) bool {
	if b.kind != bloomKindOf(f.typ) { // the column was of a type that is looked up otherwise
		return true
	}
	for _, v := range f.pred.Values {
		if h, ok := b.kind.hash(v); !ok || b.has(h) {
			return true
		}
	}
	return false
}
