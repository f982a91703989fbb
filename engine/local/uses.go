package local

import (
	"bytes"
	"context"
	"slices"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/store"
)

// PartlyDeleted returns the segments of a partition of which some chunks are deleted and
// others are not.
func (s *Store) PartlyDeleted(ctx context.Context, part chunk.PartitionID) ([]store.FileUse, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.busy.Done()
	p := s.partition(part)
	if err := s.load(p); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []store.FileUse
	for _, seg := range p.segments {
		if seg.bad || seg.dead == 0 || seg.dead == len(seg.chunks) {
			continue
		}
		var u store.FileUse
		for id, c := range seg.chunks {
			size := int64(0)
			for _, col := range c.columns {
				size += col.size
			}
			if c.dead {
				u.Dead += size
				continue
			}
			u.Live += size
			u.Chunks = append(u.Chunks, id)
		}
		slices.SortFunc(u.Chunks, func(a, b chunk.ID) int { return bytes.Compare(a[:], b[:]) })
		out = append(out, u)
	}
	slices.SortFunc(out, func(a, b store.FileUse) int { return bytes.Compare(a.Chunks[0][:], b.Chunks[0][:]) })
	return out, nil
}
