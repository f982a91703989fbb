package function

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/phyllodb/phyllo/internal/datum"
)

// An aggregateKernel is the implementation of an aggregate.
type aggregateKernel struct {
	new     func(args []datum.Type, ret datum.Type) Accumulator
	ordered bool
	scan    string
}

// A fold is an Accumulator made of functions over a state S for each group. The
// accumulators of the plainest aggregates have loops of their own instead.
type fold[S any] struct {
	states []S
	init   func(s *S) // nil: the zero value
	// prepare returns the function that folds one row of a batch; rows with a
	// NULL argument are left out if strict.
	prepare func(c *Context, args []Vec) func(s *S, row int) error
	strict  bool
	merge   func(c *Context, dst, src *S) error
	// result returns the value of a group, nil for NULL.
	result func(c *Context, s *S, ret datum.Type) (datum.Value, error)
	// size is the memory of one state; held counts what states point to.
	size int64
	held func(s *S) int64
	// extra is what held sums up to, kept by prepare's functions through grew.
	extra int64
}

func (f *fold[S]) Grow(n int) {
	for len(f.states) < n {
		var s S
		f.states = append(f.states, s)
		if f.init != nil {
			f.init(&f.states[len(f.states)-1])
		}
	}
}

func (f *fold[S]) Add(c *Context, groups []int32, args []Vec, n int, sel []int32) error {
	var mask nullMask
	if f.strict {
		mask = strictNulls(c.Mem, args, n)
		defer mask.release()
		if mask.all() {
			return nil
		}
	}
	row := f.prepare(c, args)
	return eachRow(n, sel, func(i int) error {
		if f.strict && mask.null(i) {
			return nil
		}
		s := &f.states[groupOf(groups, i)]
		var before int64
		if f.held != nil {
			before = f.held(s)
		}
		err := row(s, i)
		if f.held != nil {
			f.extra += f.held(s) - before
		}
		if err == nil {
			err = c.poll(i)
		}
		return err
	})
}

func (f *fold[S]) Merge(c *Context, other Accumulator, src, dst []int32) error {
	o := other.(*fold[S])
	for i := range src {
		s := &f.states[dst[i]]
		var before int64
		if f.held != nil {
			before = f.held(s)
		}
		if err := f.merge(c, s, &o.states[src[i]]); err != nil {
			return err
		}
		if f.held != nil {
			f.extra += f.held(s) - before
		}
	}
	return nil
}

func (f *fold[S]) Result(c *Context, from, to int, ret datum.Type) (arrow.Array, error) {
	if ret.OID == datum.Record || ret.OID == datum.RecordArray {
		return f.records(c, from, to, ret)
	}
	b := array.NewBuilder(c.Mem, ret.Arrow())
	defer b.Release()
	b.Reserve(to - from)
	for g := from; g < to; g++ {
		v, err := f.result(c, &f.states[g], ret)
		if err != nil {
			return nil, err
		}
		datum.Append(b, ret, v)
	}
	return b.NewArray(), nil
}

// records is Result for records, whose Arrow type only the values tell.
func (f *fold[S]) records(c *Context, from, to int, ret datum.Type) (arrow.Array, error) {
	dt := ret.Arrow()
	vals := make([]datum.Value, 0, to-from)
	for g := from; g < to; g++ {
		v, err := f.result(c, &f.states[g], ret)
		if err != nil {
			return nil, err
		}
		if v != nil {
			dt = datum.ArrowOf(ret, v)
		}
		vals = append(vals, v)
	}
	b := array.NewBuilder(c.Mem, dt)
	defer b.Release()
	for _, v := range vals {
		datum.Append(b, ret, v)
	}
	return b.NewArray(), nil
}

func (f *fold[S]) SizeBytes() int64 { return int64(cap(f.states))*f.size + f.extra }

// groupOf is the group of row i; without groups all rows are of group 0.
func groupOf(groups []int32, i int) int32 {
	if groups == nil {
		return 0
	}
	return groups[i]
}

// eachRow calls f for the selected rows, or for all.
func eachRow(n int, sel []int32, f func(i int) error) error {
	if sel == nil {
		for i := range n {
			if err := f(i); err != nil {
				return err
			}
		}
		return nil
	}
	for _, i := range sel {
		if err := f(int(i)); err != nil {
			return err
		}
	}
	return nil
}

// grown returns s with at least n elements, new ones zero.
func grown[T any](s []T, n int) []T {
	if len(s) >= n {
		return s
	}
	return append(s, make([]T, n-len(s))...)
}

// fixedResult makes an array of the values from to to, NULL where absent says so.
func fixedResult[T fixed](c *Context, v []T, from, to int, ret datum.Type, absent func(g int) bool) arrow.Array {
	n := to - from
	out := newOut[T](c.Mem, nil, n)
	copy(out.v, v[from:to])
	out.mask.setNulls(func(i int) bool { return absent(from + i) })
	return out.array(ret)
}

// setNulls makes rows NULL where f says so.
func (m *nullMask) setNulls(f func(i int) bool) {
	for i := range m.n {
		if !f(i) {
			continue
		}
		if m.bits == nil {
			m.bits = newBitmap(m.mem, m.n)
			b := m.bits.Bytes()
			for j := range b {
				b[j] = 0xff
			}
		}
		m.bits.Bytes()[i>>3] &^= 1 << (i & 7)
		m.nulls++
	}
}
