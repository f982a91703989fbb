package exec

import (
	"context"
	"errors"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/query/function"
)

const (
	// spillWays is into how many files rows are divided by the hash of their key.
	spillWays = 16
	// maxSpillLevel is how often a part that still does not fit is divided again.
	maxSpillLevel = 6
)

// spilledGroups are the rows of groups that did not fit in memory, in files by
// the hash of their key: all rows of a group are in files of one partition.
type spilledGroups struct {
	op    *hashAggregate
	level int
	parts [spillWays][]*spillFile
	at    int // partition to be aggregated next
}

func newSpilledGroups(h *hashAggregate, level int) *spilledGroups {
	return &spilledGroups{op: h, level: level}
}

// schema is the input's, and the number of the grouping set that the row is for.
func (s *spilledGroups) schema() *arrow.Schema {
	return arrow.NewSchema(append(s.op.in.schema.Fields(),
		arrow.Field{Name: "set", Type: arrow.PrimitiveTypes.Int32}), nil)
}

// add writes rows of b, which a grouping set could not take.
func (s *spilledGroups) add(st *setState, b arrow.RecordBatch, keys []function.Vec, rows []int32) error {
	var parts [spillWays][]int32
	types := exprTypes(st.exprs)
	for _, i := range rows {
		p := partitionOf(types, keys, int(i), s.level)
		parts[p] = append(parts[p], i)
	}
	for p, idx := range parts {
		if len(idx) == 0 {
			continue
		}
		if len(s.parts[p]) == 0 {
			f, err := newSpillFile(s.op.fr, s.op.fr.rt.Stats.node(s.op.node))
			if err != nil {
				return err
			}
			s.parts[p] = append(s.parts[p], f)
		}
		out := gatherBatch(s.op.fr.mem(), b, idx)
		set := datum.NewArray(s.op.fr.mem(), datum.Of(datum.Int4), int32(st.number), len(idx))
		tagged := batchOf(s.schema(), append(append([]arrow.Array(nil), out.Columns()...), set), int64(len(idx)))
		err := s.parts[p][0].write(tagged)
		tagged.Release()
		set.Release()
		out.Release()
		if err != nil {
			return err
		}
	}
	return nil
}

// partitionOf divides rows by their key, in another way at each level.
func partitionOf(types []datum.Type, keys []function.Vec, i, level int) int {
	h := uint64(level+1) * 0x9e3779b97f4a7c15
	for j, k := range keys {
		h = mix(h, datum.Hash(types[j], k.Array, k.At(i), h))
	}
	return int(h>>32) % spillWays
}

// absorb takes over the files of another.
func (s *spilledGroups) absorb(o *spilledGroups) {
	for p := range s.parts {
		s.parts[p] = append(s.parts[p], o.parts[p]...)
		o.parts[p] = nil
	}
}

func (s *spilledGroups) close() error {
	if s == nil {
		return nil
	}
	var errs []error
	for p := range s.parts {
		for _, f := range s.parts[p] {
			errs = append(errs, f.close())
		}
		s.parts[p] = nil
	}
	return errors.Join(errs...)
}

// takeBack adds the spilled rows once more: those whose group another worker
// kept in memory belong there. The rest is spilled again.
func (a *aggregation) takeBack(ctx context.Context) error {
	old := a.spill
	if old == nil {
		return nil
	}
	a.spill = nil
	defer old.close()
	for p := range old.parts {
		if err := a.addFiles(ctx, old.parts[p]); err != nil {
			return err
		}
	}
	return nil
}

// addFiles adds rows that were spilled, each to its grouping set.
func (a *aggregation) addFiles(ctx context.Context, files []*spillFile) error {
	for _, f := range files {
		for i := range f.batches() {
			b, err := f.read(ctx, i)
			if err != nil {
				return err
			}
			err = a.addTagged(ctx, b)
			b.Release()
			if err != nil {
				return err
			}
		}
		if err := f.close(); err != nil {
			return err
		}
	}
	return nil
}

func (a *aggregation) addTagged(ctx context.Context, b arrow.RecordBatch) error {
	last := int(b.NumCols()) - 1
	number := int(b.Column(last).(*array.Int32).Value(0))
	in := batchOf(a.op.in.schema, b.Columns()[:last], b.NumRows())
	defer in.Release()
	all := a.sets
	a.sets = nil
	for _, s := range all {
		if s.number == number {
			a.sets = append(a.sets, s)
		}
	}
	err := a.add(ctx, in)
	a.sets = all
	return err
}

// next aggregates the next partition, or returns io.EOF.
func (s *spilledGroups) next(ctx context.Context) (*aggregation, error) {
	if s == nil {
		return nil, io.EOF
	}
	for ; s.at < spillWays; s.at++ {
		files := s.parts[s.at]
		if len(files) == 0 {
			continue
		}
		s.parts[s.at] = nil
		a := newAggregation(s.op, s.level+1)
		err := a.addFiles(ctx, files)
		if err == nil {
			err = a.finish(ctx)
		}
		if err != nil {
			for _, f := range files {
				err = errors.Join(err, f.close())
			}
			a.discard()
			return nil, err
		}
		return a, nil
	}
	return nil, io.EOF
}
