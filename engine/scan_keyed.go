package engine

import (
	"bytes"
	"iter"
	"slices"

	"github.com/phyllodb/phyllo/chunk"
)

// How a table with a key is read: of the versions of a row the newest counts, so that chunks and
// runs whose keys overlap are merged.

// keyedInput is a chunk or a run with the range of its keys.
type keyedInput struct {
	scanInput
	min, max []byte
	rank     int
}

// keyed returns an input with the range of its keys; runs are sorted.
func (p *scanPlan) keyed(in scanInput, rank int) keyedInput {
	if e := in.entry; e != nil {
		return keyedInput{in, e.KeyMin, e.KeyMax, rank}
	}
	l := p.in.layout
	return keyedInput{in, l.AppendSortKey(nil, in.run, 0), l.AppendSortKey(nil, in.run, int(in.run.NumRows())-1), rank}
}

// keyedSlice plans the reading of a slice whose chunks and runs may hold several
// versions of a row: those whose key ranges overlap are merged. Before the merge
// only predicates on the key may leave anything out, or an old version that
// passes would come back in place of a newer one that does not.
func (p *scanPlan) keyedSlice(spec chunk.ScanSpec, all []scanInput) error {
	var inputs []keyedInput
	for i, in := range all {
		may := true
		if in.entry != nil {
			var err error
			if may, err = p.mayMatch(in.entry, p.keyFilter); err != nil {
				return err
			}
		}
		if may {
			inputs = append(inputs, p.keyed(in, i))
		}
	}
	for overlapping := range overlaps(inputs) {
		if err := p.overlap(spec, overlapping); err != nil {
			return err
		}
	}
	return nil
}

// overlaps sorts inputs by their keys, and yields by rising keys those whose ranges
// hang together.
func overlaps(inputs []keyedInput) iter.Seq[[]keyedInput] {
	slices.SortStableFunc(inputs, func(a, b keyedInput) int { return bytes.Compare(a.min, b.min) })
	return func(yield func([]keyedInput) bool) {
		for len(inputs) > 0 {
			n, reach := 1, inputs[0].max
			for n < len(inputs) && bytes.Compare(inputs[n].min, reach) <= 0 {
				if bytes.Compare(inputs[n].max, reach) > 0 {
					reach = inputs[n].max
				}
				n++
			}
			if !yield(inputs[:n]) {
				return
			}
			inputs = inputs[n:]
		}
	}
}

// overlap plans the reading of inputs whose key ranges overlap.
func (p *scanPlan) overlap(spec chunk.ScanSpec, inputs []keyedInput) error {
	if len(inputs) == 1 && !p.severalVersions(inputs[0]) {
		return p.alone(spec, inputs[0].scanInput)
	}
	merge := make([]chunk.MergeInput, len(inputs))
	for i, in := range inputs {
		merge[i] = chunk.MergeInput{Entry: in.entry, Batch: in.run, Rank: in.rank}
		if in.entry != nil {
			merge[i].Fetch = p.fetch(in.scanInput)
		}
	}
	p.splits = append(p.splits, chunk.NewMergeSplit(merge, p.layout, spec))
	return nil
}
