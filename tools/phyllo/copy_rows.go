package main

import (
	"context"
	"errors"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

// A tableCopy is the copying of one table.
type tableCopy struct {
	name, namespace string
	def             *schema.Table // in the source
	fingerprint     string        // of the source's content; empty if it has none

	do     copyAction
	done   *copyStep     // what an earlier run did of it
	from   *copyStep     // where to go on; nil: at the beginning
	target *schema.Table // in the destination, nil if it is not there

	source, copied contentSum // what was read from the source, and back from the destination
}

// copyAction is what is done for a table.
type copyAction uint8

const (
	copyCreate  copyAction = iota // make it and copy
	copyInto                      // copy into an empty table that is there
	copyResume                    // go on where an earlier run stopped
	copyAgain                     // empty what an earlier run left, and copy
	copyVerify                    // an earlier run finished it
	copyCompare                   // it was there, with the same content
)

// String says what was done.
func (a copyAction) String() string {
	switch a {
	case copyResume:
		return "copied, the beginning by an earlier run"
	case copyAgain:
		return "copied, again from the beginning"
	case copyVerify:
		return "copied by an earlier run"
	case copyCompare:
		return "was there already"
	}
	return "copied"
}

// copyAhead is how many batches are read ahead of what is written.
const copyAhead = 2

// A readBatch is a batch of a table's rows; the receiver releases it.
type readBatch struct {
	batch arrow.RecordBatch
	sum   contentSum
	after position // of its last row
	// last says that a split ends here.
	last bool
}

// readTable reads a table from a position on and calls do with each batch, while
// the next ones are being read.
func readTable(ctx context.Context, tx *engine.Txn, def *schema.Table, from position, do func(b readBatch) error) error {
	live := def.Live()
	columns := make([]schema.ColumnID, len(live))
	types := make([]datum.Type, len(live))
	for i, c := range live {
		columns[i], types[i] = c.ID, c.Type
	}
	splits, _, err := tx.Scan(ctx, def.OID, chunk.ScanSpec{Columns: columns})
	if err != nil {
		return err
	}
	ahead, cancel := context.WithCancel(ctx)
	defer cancel()
	batches := make(chan readBatch, copyAhead)
	r := &tableReader{sums: newSummer(types), batches: batches}
	read := make(chan error, 1)
	go func() {
		defer close(batches)
		read <- r.table(ahead, splits, from)
	}()
	for b := range batches {
		if err != nil {
			b.batch.Release()
		} else if err = do(b); err != nil {
			cancel() // ends the reader
		}
	}
	if rerr := <-read; err == nil {
		err = rerr
	}
	return err
}

// A tableReader reads splits and sums what it reads.
type tableReader struct {
	sums    *summer
	batches chan<- readBatch
}

// table reads the splits from a position on.
func (r *tableReader) table(ctx context.Context, splits []chunk.Split, from position) error {
	for i := from.splits; i < int64(len(splits)); i++ {
		skip := int64(0)
		if i == from.splits {
			skip = from.rows
		}
		if err := r.split(ctx, splits[i], i, skip); err != nil {
			return err
		}
	}
	return nil
}

// split reads one split but for the rows that are skipped.
func (r *tableReader) split(ctx context.Context, s chunk.Split, number, skip int64) error {
	var stats chunk.ScanStats
	reader, err := s.Scan(ctx, chunk.NewRoom(memory.DefaultAllocator), &stats)
	if err != nil {
		return err
	}
	defer reader.Close()
	read := int64(0)
	next, err := reader.Next(ctx)
	for err == nil {
		b := next
		begin := read
		read += b.NumRows()
		if next, err = reader.Next(ctx); err != nil && !errors.Is(err, io.EOF) {
			b.Release()
			return err
		}
		if read <= skip {
			b.Release()
			continue
		}
		if begin < skip {
			whole := b
			b = whole.NewSlice(skip-begin, whole.NumRows())
			whole.Release()
		}
		out := readBatch{batch: b, sum: r.sums.batch(b), after: position{number, read}}
		if err != nil {
			out.after, out.last = position{number + 1, 0}, true
		}
		select {
		case r.batches <- out:
		case <-ctx.Done():
			b.Release()
			if next != nil {
				next.Release()
			}
			return context.Cause(ctx)
		}
	}
	if !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// start makes the destination's table ready, with a step of progress that says so.
func (j *copyJob) start(ctx context.Context, t *tableCopy) error {
	if t.do == copyResume {
		t.source = t.from.sum
		return nil
	}
	var step *copyStep
	err := j.progress.transaction(ctx, func(tx *engine.Txn) (err error) {
		switch t.do {
		case copyCreate:
			err = t.create(ctx, tx)
		case copyAgain:
			err = tx.Truncate(ctx, t.target.OID)
		case copyInto:
			err = setRetention(ctx, tx, t.namespace, t.def.Name, &schema.Table{})
		}
		if err == nil {
			step, err = j.progress.put(ctx, tx, t.step(position{}))
		}
		return err
	})
	if err != nil {
		return err
	}
	j.progress.reached(step)
	return nil
}

// step is a step of progress of the table.
func (t *tableCopy) step(at position) copyStep {
	return copyStep{table: t.name, oid: t.target.OID, fingerprint: t.fingerprint, at: at, sum: t.source}
}

// copyRows copies the rows that are not done yet.
func (j *copyJob) copyRows(ctx context.Context, t *tableCopy) error {
	from := position{}
	if t.from != nil {
		from = t.from.at
	}
	bar := j.bar("copying "+t.name, j.snapshot.TableRows(t.def.OID))
	defer bar.end()
	bar.skip(t.source.rows)
	w := &copyWriter{job: j, table: t}
	defer w.rollback()
	err := readTable(ctx, j.snapshot, t.def, from, func(b readBatch) error {
		defer b.batch.Release()
		bar.add(b.sum)
		return w.write(ctx, b)
	})
	if err != nil {
		return err
	}
	return w.commit(ctx)
}

// finish says in the progress that a table is complete.
func (j *copyJob) finish(ctx context.Context, t *tableCopy) error {
	var step *copyStep
	err := j.progress.transaction(ctx, func(tx *engine.Txn) (err error) {
		if err := setRetention(ctx, tx, t.namespace, t.def.Name, t.def); err != nil {
			return err
		}
		done := t.step(position{})
		done.finished = true
		step, err = j.progress.put(ctx, tx, done)
		return err
	})
	if err != nil {
		return err
	}
	j.progress.reached(step)
	return nil
}

// A copyWriter puts batches into transactions of bounded size, each with its step
// of progress.
type copyWriter struct {
	job   *copyJob
	table *tableCopy
	tx    *engine.Txn // nil between transactions
	bytes int64       // of its rows
	after position
}

func (w *copyWriter) write(ctx context.Context, b readBatch) error {
	if w.tx == nil {
		tx, err := w.job.to.db.Begin(ctx, engine.TxnOptions{})
		if err != nil {
			return err
		}
		w.tx, w.bytes = tx, 0
		if err := tx.Snapshot(ctx); err != nil {
			return err
		}
	}
	// The newest versions are read from the source and each once: no key can be
	// there twice, and replacing looks for none.
	if _, _, err := w.tx.Insert(ctx, w.table.target.OID, b.batch, chunk.InsertReplace); err != nil {
		return err
	}
	w.table.source.add(b.sum)
	w.bytes += b.sum.bytes
	w.after = b.after
	// At the end of a chunk half of it is enough, so that chunks stay large.
	if most := w.job.command.txnBytes; w.bytes >= most || b.last && w.bytes >= most/2 {
		return w.commit(ctx)
	}
	return nil
}

// commit commits the transaction with its step, if there is one.
func (w *copyWriter) commit(ctx context.Context) error {
	if w.tx == nil {
		return nil
	}
	if interrupt := w.job.command.interrupt; interrupt != nil {
		if err := interrupt(); err != nil {
			return err
		}
	}
	step, err := w.job.progress.put(ctx, w.tx, w.table.step(w.after))
	if err != nil {
		return err
	}
	err = w.tx.Commit(ctx)
	w.tx = nil
	if err != nil {
		return err
	}
	w.job.progress.reached(step)
	return nil
}

func (w *copyWriter) rollback() {
	if w.tx != nil {
		w.tx.Rollback()
	}
}
