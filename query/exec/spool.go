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

// Each calls f with the batches in order, which must retain what it keeps.
func (s *Spool) Each(ctx context.Context, f func(arrow.RecordBatch) error) error {
	for i := range s.s.batches() {
		b, err := s.s.batch(ctx, i)
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
