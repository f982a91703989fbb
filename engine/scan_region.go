package engine

import (
	"cmp"
	"context"
	"slices"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

// Rows of one key, or a row and its mark, may lie in several generations of a table
// (placement.go). They have the same hash and the same time, so that it is enough to read
// together what overlaps in both.

// regions divides partitions, by rising key, by what may have rows of the same keys. In a
// table whose rows are of one generation each is a region.
func (in *tableInfo) regions(parts []scanPart) [][]scanPart {
	common, several := 0, false
	for i := range parts {
		of := in.of(parts[i].id.Key)
		common = gcd(common, of.buckets)
		several = several || of != in.of(parts[0].id.Key)
	}
	out := make([][]scanPart, 0, len(parts))
	if !several {
		for i := range parts {
			out = append(out, parts[i:i+1])
		}
		return out
	}
	at := map[string]int{}
	for i := range parts {
		r := in.regionOf(parts[i].id.Key, common)
		n, ok := at[r]
		if !ok {
			n = len(out)
			at[r], out = n, append(out, nil)
		}
		out[n] = append(out[n], parts[i])
	}
	return out
}

// regionOf names the region of a partition, where there are common ones of a HASH table.
// A bucket of n is the n-th part of all hashes, so that the buckets of generations whose
// numbers have a common divisor come together in as many ranges.
func (in *tableInfo) regionOf(key string, common int) string {
	_, plain := schema.SplitPartitionKey(key)
	if in.def.PartitionKind != schema.PartitionHash {
		return plain
	}
	return bucketKey(bucketNumber(plain) * common / in.of(key).buckets)
}

// several plans the reading of partitions of several generations: their slices come
// together where they overlap in time.
func (p *scanPlan) several(ctx context.Context, parts []scanPart) error {
	var all []timedSlice
	for i := range parts {
		in := p.in.of(parts[i].id.Key)
		for _, s := range p.wanted(&parts[i]) {
			all = append(all, timedSlice{s, in.timesOf(s.slice)})
		}
	}
	slices.SortStableFunc(all, func(a, b timedSlice) int { return cmp.Compare(a.times.Min, b.times.Min) })
	for len(all) > 0 {
		n, reach := 1, all[0].times.Max
		for n < len(all) && all[n].times.Min <= reach {
			reach = max(reach, all[n].times.Max)
			n++
		}
		if err := p.overlapping(ctx, all[:n]); err != nil {
			return err
		}
		all = all[n:]
	}
	return nil
}

// overlapping plans the reading of slices of a region that overlap, or of one.
func (p *scanPlan) overlapping(ctx context.Context, list []timedSlice) error {
	together := make([]sliceInputs, len(list))
	several := false
	for i := range list {
		together[i] = list[i].sliceInputs
		several = several || p.in.of(list[i].part.id.Key) != p.in.of(list[0].part.id.Key)
	}
	if several {
		// Rows of one key and version, which two nodes may have written in one microsecond,
		// are told apart by their generation, whatever of them is in chunks by now.
		slices.SortStableFunc(together, func(a, b sliceInputs) int { return cmp.Compare(a.part.id.Key, b.part.id.Key) })
		return p.slices(ctx, together)
	}
	for i := range together {
		if err := p.slices(ctx, together[i:i+1]); err != nil {
			return err
		}
	}
	return nil
}

// A timedSlice is a slice with the times that it may hold.
type timedSlice struct {
	sliceInputs
	times chunk.TimeRange
}

// timesOf returns the times of a slice; that of NULL, and those of the infinities, have
// one that no other has.
func (in *tableInfo) timesOf(slice int64) chunk.TimeRange {
	if in.layout.Slice > 0 {
		switch slice {
		case chunk.SliceNull:
			return chunk.TimeRange{Min: datum.NegInfinityMicros, Max: datum.NegInfinityMicros}
		case chunk.SliceNegInfinity:
			return chunk.TimeRange{Min: datum.NegInfinityMicros + 1, Max: datum.NegInfinityMicros + 1}
		case chunk.SliceInfinity:
			return chunk.TimeRange{Min: datum.InfinityMicros, Max: datum.InfinityMicros}
		}
	}
	return chunk.SliceRange(in.layout.Slice, slice)
}
