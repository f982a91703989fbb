package engine

import (
	"cmp"
	"slices"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/ingest"
)

// A delta is what has come to a partition since its last flush, or with a
// transaction: rows by slice, and staged chunks, which are older than the rows.
// It is immutable: adding makes a new one. The zero value is empty.
type delta struct {
	slices []deltaSlice // by rising slice
	staged []*chunk.Entry
	// first is the position of the oldest content from our source log, 0 if there
	// is none; replayed says that there is content from earlier ones. since is
	// when the first content came. All are zero in a transaction's delta.
	first    uint64
	replayed bool
	since    time.Time
}

type deltaSlice struct {
	slice int64
	rows  ingest.Rows
}

func (d *delta) empty() bool { return len(d.slices) == 0 && len(d.staged) == 0 }

// add adds rows, whose columns are the layout's.
func (d *delta) add(mem memory.Allocator, l *chunk.Layout, batch arrow.RecordBatch) (*delta, error) {
	parts, err := chunk.SplitSlices(mem, l, batch)
	if err != nil {
		return nil, err
	}
	out := *d
	out.slices = slices.Clone(d.slices)
	for i, p := range parts {
		at, found := slices.BinarySearchFunc(out.slices, p.Slice, func(s deltaSlice, k int64) int {
			return cmp.Compare(s.slice, k)
		})
		if !found {
			out.slices = slices.Insert(out.slices, at, deltaSlice{slice: p.Slice})
		}
		out.slices[at].rows, err = out.slices[at].rows.Add(mem, l, p.Batch)
		p.Batch.Release()
		if err != nil {
			for _, rest := range parts[i+1:] {
				rest.Batch.Release()
			}
			return nil, err
		}
	}
	return &out, nil
}

// attach adds staged chunks.
func (d *delta) attach(entries []*chunk.Entry) *delta {
	out := *d
	out.staged = append(slices.Clip(d.staged), entries...)
	return &out
}

// withoutRows is the delta after its rows went to the staged chunks.
func (d *delta) withoutRows(staged []*chunk.Entry) *delta {
	out := d.attach(staged)
	out.slices = nil
	return out
}

func (d *delta) bytes() int64 {
	n := int64(0)
	for _, s := range d.slices {
		n += s.rows.Bytes()
	}
	return n
}

// rows counts rows, staged ones included.
func (d *delta) rows() int64 {
	n := int64(0)
	for _, s := range d.slices {
		n += s.rows.Count()
	}
	for _, e := range d.staged {
		n += int64(e.Rows)
	}
	return n
}

// slice returns the rows of one slice.
func (d *delta) slice(slice int64) ingest.Rows {
	at, found := slices.BinarySearchFunc(d.slices, slice, func(s deltaSlice, k int64) int { return cmp.Compare(s.slice, k) })
	if !found {
		return ingest.Rows{}
	}
	return d.slices[at].rows
}
