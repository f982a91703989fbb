package expr

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/function"
)

// A frame is the rows over which an expression is evaluated: all or some of a
// batch, with the value of the enclosing Case's operand. Columns of some rows
// are gathered when they are first read.
type frame struct {
	in    columns // nil: one row without columns
	n     int
	sel   []int32 // rows of in; nil: all
	cols  map[int]arrow.Array
	coded map[int]*chunk.Coded // columns of some rows, likewise

	base     function.Vec // of rows of baseOf; its Array is nil outside of a Case
	baseSel  []int32      // rows of base that are this frame's; nil: all
	baseGot  function.Vec // base over this frame's rows, once read
	hasBase  bool
	ownsBase bool
}

// columns are the columns of a batch.
type columns interface{ Column(i int) arrow.Array }

func newFrame(in columns, n int) *frame { return &frame{in: in, n: n} }

func (f *frame) release() {
	for _, a := range f.cols {
		a.Release()
	}
	f.cols = nil
	for _, c := range f.coded {
		c.Release()
	}
	f.coded = nil
	if f.baseGot.Array != nil {
		f.baseGot.Release()
		f.baseGot = function.Vec{}
	}
}

// sub returns the frame of some rows of f, rising; it is valid while f is.
func (f *frame) sub(sel []int32) *frame {
	s := &frame{in: f.in, n: len(sel), base: f.base, hasBase: f.hasBase}
	s.sel = compose(f.sel, sel)
	if f.hasBase && !f.base.Const {
		s.baseSel = compose(f.baseSel, sel)
	}
	return s
}

// compose returns the rows that sel names among rows (nil: all).
func compose(rows, sel []int32) []int32 {
	if rows == nil {
		return sel
	}
	out := make([]int32, len(sel))
	for k, i := range sel {
		out[k] = rows[i]
	}
	return out
}

// withBase returns a frame of the same rows inside of a Case with the operand
// base, which stays the caller's.
func (f *frame) withBase(base function.Vec) *frame {
	return &frame{in: f.in, n: f.n, sel: f.sel, base: base, hasBase: true}
}

// column returns column i of the frame's rows, retained.
func (f *frame) column(c *Context, i int) (arrow.Array, error) {
	if f.sel == nil {
		col := f.in.Column(i)
		col.Retain()
		return col, nil
	}
	a, ok := f.cols[i]
	if !ok {
		var err error
		if a, err = f.gather(c, i); err != nil {
			return nil, err
		}
		if f.cols == nil {
			f.cols = map[int]arrow.Array{}
		}
		f.cols[i] = a
	}
	a.Retain()
	return a, nil
}

func (f *frame) gather(c *Context, i int) (arrow.Array, error) {
	if b, ok := f.in.(*chunk.CodedBatch); ok && b.Coded(i) != nil {
		return gather(c.Mem, b.Coded(i).Values, compose(b.Coded(i).Codes(), f.sel))
	}
	return gather(c.Mem, f.in.Column(i), f.sel)
}

func (f *frame) caseBase(c *Context) (function.Vec, error) {
	if !f.hasBase {
		panic("expr: bug: the operand of a CASE outside of it")
	}
	if f.base.Const || f.baseSel == nil {
		f.base.Retain()
		return f.base, nil
	}
	if f.baseGot.Array == nil {
		a, err := gather(c.Mem, f.base.Array, f.baseSel)
		if err != nil {
			return function.Vec{}, err
		}
		f.baseGot = function.Vec{Array: a, T: f.base.T}
	}
	f.baseGot.Retain()
	return f.baseGot, nil
}

func errNoParam(i int) error {
	return pgerr.New(pgerr.UndefinedParameter, "there is no parameter $%d", i+1)
}

// A pieces collects the results of parts of a frame's rows and puts them
// together.
type pieces struct {
	arrays []arrow.Array
	start  []int32 // of each array in their concatenation
	total  int32
	at     []int32 // for each row, its place in the concatenation; -1: NULL
}

func newPieces(n int) *pieces {
	p := &pieces{at: make([]int32, n)}
	for i := range p.at {
		p.at[i] = -1
	}
	return p
}

// put sets the rows rows (nil: all) to the values of v, whose reference it takes over.
func (p *pieces) put(v function.Vec, rows []int32) {
	start := p.total
	p.arrays = append(p.arrays, v.Array)
	p.total += int32(v.Len())
	if rows == nil {
		for i := range p.at {
			p.at[i] = start + int32(v.At(i))
		}
		return
	}
	for k, i := range rows {
		p.at[i] = start + int32(v.At(k))
	}
}

func (p *pieces) release() { releaseArrays(p.arrays) }

// array puts the pieces together.
func (p *pieces) array(c *Context, t datum.Type) (arrow.Array, error) {
	switch len(p.arrays) {
	case 0:
		a := datum.NewArray(c.Mem, t, nil, 1)
		defer a.Release()
		return gather(c.Mem, a, make([]int32, len(p.at)))
	case 1:
		return gather(c.Mem, p.arrays[0], p.at)
	}
	all, err := concatenate(c, p.arrays)
	if err != nil {
		return nil, err
	}
	defer all.Release()
	return gather(c.Mem, all, p.at)
}
