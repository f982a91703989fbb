package query

import (
	"context"
	"errors"
	"io"
	"sort"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/phyllodb/phyllo/query/exec"
	"github.com/phyllodb/phyllo/query/plan"
)

// A scroll keeps the rows of a cursor that goes backward, or outlives its transaction, as
// far as they were asked for: in memory while the cursor's budget allows, then in a
// temporary file. Rows count from 1. It belongs to its session's goroutine.
type scroll struct {
	from exec.Operator // nil when all rows are there
	rt   *exec.Runtime
	rows *exec.Spool
	// forgets: rows that were fetched are not written to a file but given up, since nobody
	// has said that the cursor goes backward. It must then go forward.
	forgets bool
	gone    int64   // rows that are not kept, before the first one that is
	ends    []int64 // the number of the last row of each batch
	fields  []plan.Field
}

func newScroll(rt *exec.Runtime, from exec.Operator, fields []plan.Field) *scroll {
	return &scroll{from: from, rt: rt, rows: exec.NewSpool(rt), fields: fields}
}

// known is the number of the last row that is there.
func (s *scroll) known() int64 {
	if len(s.ends) == 0 {
		return s.gone
	}
	return s.ends[len(s.ends)-1]
}

// reach reads on until row n is there or there are no more, and returns how many there are.
func (s *scroll) reach(ctx context.Context, n int64) (int64, error) {
	for s.from != nil && s.known() < n {
		b, err := s.from.Next(ctx)
		if errors.Is(err, io.EOF) {
			err = s.from.Close()
			s.from = nil
			if err != nil {
				return 0, err
			}
			break
		}
		if err == nil {
			err = s.add(b)
		}
		if err != nil {
			return 0, err
		}
	}
	return s.known(), nil
}

// add appends a batch, which it takes over.
func (s *scroll) add(b arrow.RecordBatch) error {
	defer b.Release()
	if b.NumRows() == 0 {
		return nil
	}
	if s.forgets && s.rows.Pressed() {
		if err := s.rows.Close(); err != nil {
			return err
		}
		s.gone, s.ends, s.rows = s.known(), nil, exec.NewSpool(s.rt)
	}
	s.ends = append(s.ends, s.known()+b.NumRows())
	return s.rows.Add(b)
}

// upward returns some of the rows from first to last, which are there, in one batch that
// the caller releases: first is its first row.
func (s *scroll) upward(ctx context.Context, first, last int64) (arrow.RecordBatch, error) {
	b, from, err := s.batchWith(ctx, first)
	if err != nil {
		return nil, err
	}
	defer b.Release()
	return b.NewSlice(first-from, min(b.NumRows(), last-from+1)), nil
}

// downward is upward in the other direction: first is above last.
func (s *scroll) downward(ctx context.Context, first, last int64) (arrow.RecordBatch, error) {
	b, from, err := s.batchWith(ctx, first)
	if err != nil {
		return nil, err
	}
	defer b.Release()
	var rows []int32
	for r := first; r >= max(last, from); r-- {
		rows = append(rows, int32(r-from))
	}
	return takeRows(b, rows, s.fields), nil
}

// batchWith returns the batch that has a row, and the number of its own first row.
func (s *scroll) batchWith(ctx context.Context, row int64) (arrow.RecordBatch, int64, error) {
	if row <= s.gone {
		return nil, 0, errForwardOnly
	}
	i := sort.Search(len(s.ends), func(i int) bool { return s.ends[i] >= row })
	from := s.gone + 1
	if i > 0 {
		from = s.ends[i-1] + 1
	}
	b, err := s.rows.Batch(ctx, i)
	return b, from, err
}

func (s *scroll) close() {
	if s.from != nil {
		s.from.Close()
		s.from = nil
	}
	s.rows.Close()
}
