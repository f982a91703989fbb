package ingest

import (
	"slices"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/datum"
)

const (
	// tailRows and tailBytes bound the batches that wait to become a run.
	tailRows  = 64
	tailBytes = 64 << 10
	// maxRunBytes bounds the memory of merged runs; a batch that is larger is a
	// run of its own.
	maxRunBytes = 64 << 20
)

// Rows is an immutable list of runs: what the write buffer of a partition holds
// at one moment. The zero value is empty. It is safe for concurrent use, and a
// copy is as good as the original.
//
// Runs have up to chunk.MaxRows rows. They are merged so that a run has at least
// twice the rows of the next one, unless the two are too large for one: so n
// rows make O(log n) small runs and some full ones, and each row is copied
// O(log n) times. Small batches at the end wait as they came (the tail) until
// somebody reads them or there are enough of them.
//
// Nothing is ever released: readers of older Rows may hold the same runs, and
// nobody counts them. So allocators and batches given to Add are those of the Go
// heap (memory.DefaultAllocator), and the garbage collector frees.
type Rows struct {
	runs  []arrow.RecordBatch
	sizes []int64 // bytes of each run
	tail  *tail   // nil if there is none
	count int64   // rows of the runs
	bytes int64   // of the runs
}

// A tail is a list of small batches, the newest first. It is immutable but for
// the run that it becomes when somebody reads it.
type tail struct {
	before *tail
	batch  arrow.RecordBatch
	rows   int64 // of all batches
	used   int64 // bytes of their values
	held   int64 // bytes that they keep alive

	mem    memory.Allocator
	layout *chunk.Layout
	once   sync.Once
	run    arrow.RecordBatch
	err    error
}

// Add returns the rows with those of a batch after them. The batch has all
// columns of the layout, the row version of keyed tables included, and all
// batches ever added are of one layout. It is retained for good, or copied if it
// would keep much more memory alive than its rows take. After an error r is as
// it was.
func (r Rows) Add(mem memory.Allocator, l *chunk.Layout, batch arrow.RecordBatch) (Rows, error) {
	if int(batch.NumCols()) != len(l.Columns) {
		return r, bug("a batch of %d columns for a layout of %d", batch.NumCols(), len(l.Columns))
	}
	rows := batch.NumRows()
	if rows == 0 {
		return r, nil
	}
	f := batchFootprint(batch)
	if r.fits(rows, f.used) {
		return r.addSmall(mem, l, batch, f)
	}
	out := r
	if err := out.closeTail(); err != nil {
		return r, err
	}
	if rows <= tailRows/2 && f.used <= tailBytes/2 {
		return out.addSmall(mem, l, batch, f)
	}
	for from := int64(0); from < rows; from += chunk.MaxRows {
		part := batch.NewSlice(from, min(from+chunk.MaxRows, rows))
		run, err := newRun(mem, l, part)
		if err == nil {
			err = out.push(mem, l, run)
		}
		part.Release()
		if err != nil {
			return r, err
		}
	}
	return out, nil
}

// fits says whether rows with values of so many bytes go into the tail.
func (r *Rows) fits(rows, used int64) bool {
	if r.tail != nil {
		rows += r.tail.rows
		used += r.tail.used
	}
	return rows <= tailRows && used <= tailBytes
}

// addSmall puts a batch at the end of the tail.
func (r Rows) addSmall(mem memory.Allocator, l *chunk.Layout, batch arrow.RecordBatch, f footprint) (Rows, error) {
	batch, f, err := own(mem, batch, f)
	if err != nil {
		return r, err
	}
	t := &tail{before: r.tail, batch: batch, rows: batch.NumRows(), used: f.used, held: f.bytes(batch), mem: mem, layout: l}
	if r.tail != nil {
		t.rows += r.tail.rows
		t.used += r.tail.used
		t.held += r.tail.held
	}
	r.tail = t
	return r, nil
}

// own returns the batch, or a copy of it, to be kept.
func own(mem memory.Allocator, batch arrow.RecordBatch, f footprint) (arrow.RecordBatch, footprint, error) {
	if f.tight(int(batch.NumCols())) {
		batch.Retain()
		return batch, f, nil
	}
	c, err := concatenate(mem, []arrow.RecordBatch{batch})
	if err != nil {
		return nil, f, err
	}
	return c, batchFootprint(c), nil
}

// close makes a run of the tail, once for all that have it.
func (t *tail) close() (arrow.RecordBatch, error) {
	t.once.Do(func() {
		var batches []arrow.RecordBatch
		for x := t; x != nil; x = x.before {
			batches = append(batches, x.batch)
		}
		slices.Reverse(batches)
		one := batches[0]
		if len(batches) > 1 {
			if one, t.err = concatenate(t.mem, batches); t.err != nil {
				return
			}
		}
		t.run, t.err = newRun(t.mem, t.layout, one)
	})
	return t.run, t.err
}

// closeTail makes the tail the last run.
func (r *Rows) closeTail() error {
	if r.tail == nil {
		return nil
	}
	run, err := r.tail.close()
	if err != nil {
		return err
	}
	t := r.tail
	r.tail = nil
	return r.push(t.mem, t.layout, run)
}

// newRun returns the batch as a run, which keeps no more memory than it needs.
func newRun(mem memory.Allocator, l *chunk.Layout, batch arrow.RecordBatch) (arrow.RecordBatch, error) {
	if l.Keyed() && batch.NumRows() > 1 {
		sorted, err := chunk.SortRun(mem, l, batch)
		if err != nil {
			return nil, err
		}
		batch = sorted
	}
	run, _, err := own(mem, batch, batchFootprint(batch))
	if err == nil {
		datum.CountNulls(run) // queries share it
	}
	return run, err
}

// push adds a run at the end and merges it with those before it that have less
// than twice its rows.
func (r *Rows) push(mem memory.Allocator, l *chunk.Layout, run arrow.RecordBatch) error {
	f := batchFootprint(run)
	k := len(r.runs)
	count, bytes := r.count, r.bytes
	for { // again, since duplicates that are gone may have made room
		from := k
		for rows, size := run.NumRows(), f.bytes(run); from > 0; from-- {
			before, beforeSize := r.runs[from-1].NumRows(), r.sizes[from-1]
			if before >= 2*rows || before+rows > chunk.MaxRows || beforeSize+size > maxRunBytes {
				break
			}
			rows += before
			size += beforeSize
			count -= before
			bytes -= beforeSize
		}
		if from == k {
			break
		}
		merged, err := mergeRuns(mem, l, append(r.runs[from:k:k], run))
		if err != nil {
			return err
		}
		// What was merged may share memory with a larger run.
		if run, f, err = own(mem, merged, batchFootprint(merged)); err != nil {
			return err
		}
		k = from
	}
	datum.CountNulls(run)
	// The slices are shared with older Rows: only what lies before k is kept.
	r.runs = append(r.runs[:k:k], run)
	r.sizes = append(r.sizes[:k:k], f.bytes(run))
	r.count, r.bytes = count+run.NumRows(), bytes+f.bytes(run)
	return nil
}

// mergeRuns makes one run of several, the oldest first.
func mergeRuns(mem memory.Allocator, l *chunk.Layout, runs []arrow.RecordBatch) (arrow.RecordBatch, error) {
	if l.Keyed() {
		return chunk.MergeRows(mem, l, runs)
	}
	return concatenate(mem, runs)
}

// Runs returns the runs, the oldest first. Those of keyed tables are sorted by
// key and have no key twice; of rows with one key in several runs, that with the
// greatest version counts, among equal versions that of the last run. Other
// tables' runs have the rows in the order in which they were added. The caller
// releases and changes nothing.
func (r Rows) Runs() []arrow.RecordBatch {
	if r.tail == nil {
		return r.runs[:len(r.runs):len(r.runs)]
	}
	run, err := r.tail.close()
	if err != nil {
		panic("ingest: bug: rows that were taken in are no run: " + err.Error())
	}
	return append(r.runs[:len(r.runs):len(r.runs)], run)
}

// Count returns the number of rows held. In a keyed table it is an upper bound
// of that of keys.
func (r Rows) Count() int64 {
	if r.tail != nil {
		return r.count + r.tail.rows
	}
	return r.count
}

// Bytes returns the memory that the rows take, buffers with their unused ends
// included. What only older Rows hold does not count.
func (r Rows) Bytes() int64 {
	if r.tail != nil {
		return r.bytes + r.tail.held
	}
	return r.bytes
}
