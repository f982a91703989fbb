package engine

import (
	"context"
	"encoding/binary"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

// routed are the rows of a batch that go to one partition.
type routed struct {
	id    chunk.PartitionID
	rows  []int32           // of the batch; nil: all
	batch arrow.RecordBatch // the receiver releases it
}

// bucketKey is the partition key of a HASH bucket, in the first generation.
func bucketKey(bucket int) string {
	return string(binary.BigEndian.AppendUint16(nil, uint16(bucket)))
}

// partition names a partition of the generation by its key in the first.
func (in *tableInfo) partition(key string) chunk.PartitionID {
	return chunk.PartitionID{Table: in.def.Storage, Key: schema.PartitionKey(in.generation, key)}
}

// route divides a batch of live columns by partition. Rows keep their order;
// partitions come in the order in which they first occur.
func (in *tableInfo) route(ctx context.Context, mem memory.Allocator, batch arrow.RecordBatch) ([]routed, error) {
	groups, err := in.groups(ctx, mem, batch)
	if err != nil {
		return nil, err
	}
	if len(groups) == 1 {
		batch.Retain()
		groups[0].rows, groups[0].batch = nil, batch
		return groups, nil
	}
	for i := range groups {
		if groups[i].batch, err = in.take(mem, batch, groups[i].rows); err != nil {
			releaseRouted(groups[:i])
			return nil, err
		}
	}
	return groups, nil
}

func releaseRouted(groups []routed) {
	for _, g := range groups {
		g.batch.Release()
	}
}

// groups finds the partition of each row, without making batches.
func (in *tableInfo) groups(ctx context.Context, mem memory.Allocator, batch arrow.RecordBatch) ([]routed, error) {
	n := int(batch.NumRows())
	switch in.def.PartitionKind {
	case schema.PartitionHash:
		return in.hashGroups(batch), nil
	case schema.PartitionList:
		keys, err := in.router.Keys(ctx, mem, batch, 0)
		if err != nil {
			return nil, err
		}
		return in.group(n, func(row int) string { return keys[row] }), nil
	}
	return []routed{{id: in.partition(""), rows: sequence(n)}}, nil
}

func sequence(n int) []int32 {
	rows := make([]int32, n)
	for i := range rows {
		rows[i] = int32(i)
	}
	return rows
}

// hashSeed starts the hash of the partition columns. It is stored in effect.
const hashSeed = 0x70687968

func (in *tableInfo) hashGroups(batch arrow.RecordBatch) []routed {
	n := int(batch.NumRows())
	buckets := make([][]int32, in.buckets)
	var order []int
	for row := range n {
		h := uint64(hashSeed)
		for _, at := range in.hash {
			h = datum.Hash(in.layout.Columns[at].Type, batch.Column(at), row, h)
		}
		b := bucketOf(h, in.buckets)
		if buckets[b] == nil {
			buckets[b] = make([]int32, 0, n/in.buckets+16)
			order = append(order, b)
		}
		buckets[b] = append(buckets[b], int32(row))
	}
	out := make([]routed, len(order))
	for i, b := range order {
		out[i] = routed{id: in.partition(bucketKey(b)), rows: buckets[b]}
	}
	return out
}

// bucketOf maps a hash to 0..n-1 by its upper bits.
func bucketOf(h uint64, n int) int { return int((h >> 32) * uint64(n) >> 32) }

// group collects the rows of equal keys, which are those of the first generation.
func (in *tableInfo) group(n int, key func(row int) string) []routed {
	var out []routed
	where := map[string]int{}
	last, of := -1, ""
	for row := range n {
		k := key(row)
		if last < 0 || k != of {
			at, ok := where[k]
			if !ok {
				at = len(out)
				where[k] = at
				out = append(out, routed{id: in.partition(k)})
			}
			last, of = at, k
		}
		out[last].rows = append(out[last].rows, int32(row))
	}
	return out
}

// take returns rows of a batch whose columns are the first ones of the layout.
func (in *tableInfo) take(mem memory.Allocator, batch arrow.RecordBatch, rows []int32) (arrow.RecordBatch, error) {
	return chunk.TakeBatch(mem, in.layout, batch, rows)
}

// keyPlace returns where a column stands in the primary key, or -1.
func (in *tableInfo) keyPlace(layoutPlace int) int { return slices.Index(in.key, layoutPlace) }
