package exec

import (
	"context"
	"sync/atomic"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/phyllodb/phyllo/query/plan"
)

// number is a stage that numbers rows. Its instances take numbers from one counter,
// batch by batch.
type number struct {
	fr     *frame
	schema *arrow.Schema
	next   *atomic.Int64
}

func (f *frame) numberStage(n *plan.Number) stageSpec {
	s := schemaOf(n.Out)
	next := new(atomic.Int64)
	return stageSpec{node: n, schema: s, make: func() stage { return &number{f, s, next} }}
}

func (s *number) apply(_ context.Context, in arrow.RecordBatch, emit emitFunc) error {
	rows := int(in.NumRows())
	first := s.next.Add(int64(rows)) - int64(rows)
	b := array.NewInt64Builder(s.fr.mem())
	defer b.Release()
	b.Reserve(rows)
	for i := range rows {
		b.UnsafeAppend(first + int64(i))
	}
	cols := make([]arrow.Array, 0, s.schema.NumFields())
	for i := range int(in.NumCols()) {
		c := in.Column(i)
		c.Retain()
		cols = append(cols, c)
	}
	out, err := newBatch(s.schema, append(cols, b.NewArray()), rows)
	if err != nil {
		return err
	}
	return emit(out)
}

// firstOf is a stage, of one instance, that keeps the first row of each number.
type firstOf struct {
	fr     *frame
	column int
	seen   NumberSet
}

func (f *frame) firstOfStage(n *plan.FirstOf) stageSpec {
	s := &firstOf{fr: f, column: n.Column, seen: NumberSet{acct: f.account()}}
	return stageSpec{node: n, schema: schemaOf(n.Fields()), make: func() stage { return s }, shared: s}
}

func (s *firstOf) apply(_ context.Context, in arrow.RecordBatch, emit emitFunc) error {
	numbers := in.Column(s.column).(*array.Int64)
	var keep []int32
	for i := range numbers.Len() {
		fresh, err := s.seen.Add(numbers.Value(i))
		if err != nil {
			return err
		}
		if fresh {
			keep = append(keep, int32(i))
		}
	}
	switch len(keep) {
	case 0:
		return nil
	case numbers.Len():
		in.Retain()
		return emit(in)
	}
	return emit(gatherBatch(s.fr.mem(), in, keep))
}

func (s *firstOf) prepare(context.Context) error          { return nil }
func (s *firstOf) finish(context.Context, emitFunc) error { return nil }

func (s *firstOf) close() error {
	s.seen.Close()
	return nil
}

// A NumberSet remembers numbers that plan.Number gave to rows, in a bit each, which count
// against the query's memory. It is used by one goroutine.
type NumberSet struct {
	acct *account
	bits []uint64
}

// NewNumberSet returns an empty set, which the caller closes.
func NewNumberSet(rt *Runtime) NumberSet { return NumberSet{acct: newFrame(rt).account()} }

// Add adds a number, which is not negative, and says whether it is new. It fails with 53200.
func (s *NumberSet) Add(number int64) (fresh bool, err error) {
	word, bit := int(number/64), uint64(1)<<(number%64)
	if word >= len(s.bits) {
		words := max(word+1, 2*len(s.bits), 1024)
		if err := s.acct.set(8 * int64(words)); err != nil {
			return false, err
		}
		s.bits = append(s.bits, make([]uint64, words-len(s.bits))...)
	}
	fresh = s.bits[word]&bit == 0
	s.bits[word] |= bit
	return fresh, nil
}

// Close gives the memory back.
func (s *NumberSet) Close() {
	s.bits = nil
	s.acct.close()
}
