package engine

import (
	"cmp"
	"maps"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/ingest"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

// An ownPart is what a transaction adds to a partition. It is immutable.
//
// Each savepoint that rows came after has a delta of its own above it, so that
// the deltas of a savepoint are the first ones of those that came later: they
// share their memory, and can be staged for both. Staged chunks are only in the
// first delta, for staging is of all.
type ownPart struct {
	info   *tableInfo
	deltas []*delta // from old to new
}

func newOwnPart(in *tableInfo, staged []*chunk.Entry) *ownPart {
	return &ownPart{info: in, deltas: []*delta{{staged: staged}}}
}

func (p *ownPart) empty() bool {
	return !slices.ContainsFunc(p.deltas, func(d *delta) bool { return !d.empty() })
}

// staged are the chunks that the rows seen so far went to.
func (p *ownPart) staged() []*chunk.Entry {
	if p == nil || len(p.deltas) == 0 {
		return nil
	}
	return p.deltas[0].staged
}

// stages is how many row versions the staged chunks take. In a keyed table with several
// generations they are numbered over all partitions, so that some may be left out here.
func (p *ownPart) stages() int {
	staged := p.staged()
	if n := len(staged); n > 0 && staged[n-1].VersionMin >= ownStagedVersion {
		return int(staged[n-1].VersionMin-ownStagedVersion) + 1
	}
	return len(staged)
}

func (p *ownPart) bytes() int64 {
	n := int64(0)
	for _, d := range p.deltas {
		n += d.bytes()
	}
	return n
}

// rows counts rows, staged ones included.
func (p *ownPart) rows() int64 {
	n := int64(0)
	for _, d := range p.deltas {
		n += d.rows()
	}
	return n
}

// add adds rows of the layout's columns. The first held deltas are a savepoint's
// and stay as they are.
func (p *ownPart) add(mem memory.Allocator, in *tableInfo, held int, rows arrow.RecordBatch) (*ownPart, error) {
	n, last := len(p.deltas), emptyDelta
	if n > held {
		n--
		last = p.deltas[n]
	}
	d, err := last.add(mem, in.layout, rows)
	if err != nil {
		return nil, err
	}
	return &ownPart{info: in, deltas: append(p.deltas[:n:n], d)}, nil
}

// merge makes one delta of those that are above the first held ones.
func (p *ownPart) merge(mem memory.Allocator, held int) (*ownPart, error) {
	if len(p.deltas) <= held+1 {
		return p, nil
	}
	d := p.deltas[held]
	for _, more := range p.deltas[held+1:] {
		for _, s := range more.slices {
			for _, run := range s.rows.Runs() {
				var err error
				if d, err = d.add(mem, p.info.layout, run); err != nil {
					return nil, err
				}
			}
		}
	}
	return &ownPart{info: p.info, deltas: append(p.deltas[:held:held], d)}, nil
}

// parts makes the record's parts of what was added to a partition. The order of
// rows in the record is that in which they came.
func (p *ownPart) parts(id chunk.PartitionID) []ingest.Part {
	var out []ingest.Part
	if staged := p.staged(); len(staged) > 0 {
		out = append(out, ingest.Part{Partition: id, Staged: slices.Clone(staged), History: p.info.history > 0})
	}
	for _, d := range p.deltas {
		for _, s := range d.slices {
			for _, run := range s.rows.Runs() {
				out = append(out, p.info.part(id, run))
			}
		}
	}
	return out
}

// part makes a record's part of a run.
func (in *tableInfo) part(id chunk.PartitionID, run arrow.RecordBatch) ingest.Part {
	if !in.layout.Marked(run) {
		return ingest.Part{Partition: id, Columns: in.live, Types: in.types, Rows: in.liveBatch(run)}
	}
	n := len(in.live)
	rows := array.NewRecordBatch(arrow.NewSchema(run.Schema().Fields()[:n+1], nil), run.Columns()[:n+1], run.NumRows())
	return ingest.Part{Partition: id, Columns: append(slices.Clip(in.live), schema.RowDeletedColumn),
		Types: append(slices.Clip(in.types), datum.Of(datum.Bool)), Rows: rows}
}

func sortedIDs(m map[chunk.PartitionID]*ownPart) []chunk.PartitionID {
	return slices.SortedFunc(maps.Keys(m), func(a, b chunk.PartitionID) int {
		return cmp.Or(cmp.Compare(a.Table, b.Table), cmp.Compare(a.Key, b.Key))
	})
}
