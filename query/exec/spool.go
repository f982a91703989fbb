package exec

import (
	"context"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/phyllodb/phyllo/internal/datum"
)

// A spool keeps batches for reading them several times: in memory while the
// budget allows, then in a temporary file. It is used by one goroutine.
type spool struct {
	fr    *frame
	acct  *account
	stats *OperatorStats
	head  []arrow.RecordBatch
	tail  *spillFile
	rows  int64
}

func newSpool(f *frame, st *OperatorStats) *spool {
	return &spool{fr: f, acct: f.account(), stats: st}
}

// add appends a batch.
func (s *spool) add(b arrow.RecordBatch) error {
	s.rows += b.NumRows()
	datum.CountNulls(b) // several readers may share it
	if s.tail == nil {
		err := s.acct.add(batchBytes(b))
		if err == nil {
			b.Retain()
			s.head = append(s.head, b)
			s.stats.notePeak(s.acct.peak)
		}
		if err == nil && !s.acct.mustSpill() || err != nil && s.fr.rt.Temp == nil {
			return err
		}
		if s.fr.rt.Temp == nil {
			return nil
		}
		if s.tail, _ = newSpillFile(s.fr, s.stats); s.tail == nil {
			return err
		}
		if err == nil {
			return nil // b is in memory; later ones go to the file
		}
	}
	return s.tail.write(b)
}

func (s *spool) batches() int {
	n := len(s.head)
	if s.tail != nil {
		n += s.tail.batches()
	}
	return n
}

// batch returns batch i, which the caller releases.
func (s *spool) batch(ctx context.Context, i int) (arrow.RecordBatch, error) {
	if i < len(s.head) {
		s.head[i].Retain()
		return s.head[i], nil
	}
	return s.tail.read(ctx, i-len(s.head))
}

func (s *spool) close() error {
	releaseAll(s.head)
	s.head = nil
	s.acct.close()
	return s.tail.close()
}

// A Spool keeps batches of a statement until they are read: in memory while the
// statement's budget allows, then in a temporary file. It is used by one goroutine.
type Spool struct{ s *spool }

// NewSpool returns an empty Spool, which the caller closes.
func NewSpool(rt *Runtime) *Spool { return &Spool{newSpool(newFrame(rt), nil)} }

// Add appends a batch.
func (s *Spool) Add(b arrow.RecordBatch) error { return s.s.add(b) }

// Pressed says that the next batches would go to the file, or should.
func (s *Spool) Pressed() bool { return s.s.tail != nil || s.s.acct.mustSpill() }

// Batches is how many batches there are; Batch returns one of them, which the caller
// releases.
func (s *Spool) Batches() int { return s.s.batches() }
func (s *Spool) Batch(ctx context.Context, i int) (arrow.RecordBatch, error) {
	return s.s.batch(ctx, i)
}

// Each calls f with the batches in order, which must retain what it keeps.
func (s *Spool) Each(ctx context.Context, f func(arrow.RecordBatch) error) error {
	for i := range s.Batches() {
		b, err := s.Batch(ctx, i)
		if err != nil {
			return err
		}
		err = f(b)
		b.Release()
		if err != nil {
			return err
		}
	}
	return nil
}

// Close releases the batches.
func (s *Spool) Close() error { return s.s.close() }

// Operator yields the batches, with the columns of a schema. Closing it closes the Spool.
func (s *Spool) Operator(schema *arrow.Schema) Operator {
	return &spoolReader{spoolSource{s.s}.reader(schema), s}
}

type spoolReader struct {
	Operator
	spool *Spool
}

func (r *spoolReader) Close() error {
	if r.spool == nil {
		return nil
	}
	s := r.spool
	r.spool = nil
	return s.Close()
}
