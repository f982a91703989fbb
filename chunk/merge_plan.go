package chunk

import (
	"context"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/phyllodb/phyllo/codec"
	"github.com/phyllodb/phyllo/internal/schema"
)

// A mergePlan says how the rows of merged pieces are gathered from their runs. If
// the pieces are long they are decoded straight into the output, one after the
// other. Else the rows of each chunk are decoded first, all of a vector at a time,
// and then interleaved.
type mergePlan struct {
	rows   int
	direct bool
	pieces []piece     // as they came out
	starts []int       // where each piece's rows lie in order
	order  []int32     // numbers of the rows, by piece (direct) or by run
	parts  []mergePart // of order
	take   []piece     // not direct: of the arrays that hold each run's rows
	counts []int       // not direct: rows of each run
}

// A mergePart is the rows of one vector of a chunk, or rows of a batch.
type mergePart struct {
	src    int32
	vector int     // of a chunk
	at, n  int     // in order
	rows   []int32 // in the vector, or in the batch
	whole  bool    // all rows of the vector, by rising number
}

// directPiece is how many rows a piece must have on average for it to pay to
// decode each by itself.
const directPiece = 64

func (r *mergeReader) plan(pieces []piece, rows int) *mergePlan {
	p := &mergePlan{rows: rows, pieces: pieces, starts: make([]int, len(pieces)), order: make([]int32, rows)}
	p.direct = rows >= directPiece*len(pieces)
	next := make([]int, len(r.runs)) // where the next row of each run goes
	if !p.direct {
		for _, x := range pieces {
			next[x.src] += int(x.n)
		}
		p.counts = slices.Clone(next)
		at := 0
		for i, n := range p.counts {
			next[i] = at
			at += n
		}
	}
	first := slices.Clone(next)
	step := r.merger.step
	at := 0
	for i, x := range pieces {
		to := &at
		if !p.direct {
			to = &next[x.src]
		}
		p.starts[i] = *to
		row := x.row
		for range x.n {
			p.order[*to] = row
			row += step
			*to++
		}
	}
	if p.direct {
		for i, x := range pieces {
			r.split(p, x.src, p.starts[i], p.starts[i]+int(x.n))
		}
		return p
	}
	for src := range first {
		r.split(p, int32(src), first[src], next[src])
	}
	r.interleave(p, first)
	return p
}

// split makes parts of rows of one run.
func (r *mergeReader) split(p *mergePlan, src int32, from, to int) {
	if from == to {
		return
	}
	if r.runs[src].batch != nil {
		p.parts = append(p.parts, mergePart{src: src, at: from, n: to - from, rows: p.order[from:to]})
		return
	}
	length := r.runs[src].chunk.length()
	for from < to {
		v := p.order[from] / VectorRows
		end := from
		for end < to && p.order[end]/VectorRows == v {
			p.order[end] -= v * VectorRows
			end++
		}
		n := end - from
		whole := r.merger.step > 0 && n == codec.VectorLen(length, int(v))
		p.parts = append(p.parts, mergePart{src: src, vector: int(v), at: from, n: n, rows: p.order[from:end], whole: whole})
		from = end
	}
}

// interleave sets take: chunks' rows are packed in the order of reading, batches
// are as they were.
func (r *mergeReader) interleave(p *mergePlan, first []int) {
	p.take = make([]piece, 0, len(p.pieces))
	for i, x := range p.pieces {
		switch {
		case r.runs[x.src].batch == nil:
			p.take = append(p.take, piece{x.src, int32(p.starts[i] - first[x.src]), x.n})
		case r.merger.step > 0:
			p.take = append(p.take, x)
		default:
			p.take = appendSingles(p.take, x)
		}
	}
}

// appendSingles appends a piece of falling rows as pieces of one row.
func appendSingles(dst []piece, x piece) []piece {
	for i := range x.n {
		dst = append(dst, piece{x.src, x.row - i, 1})
	}
	return dst
}

// column gathers a column, number k of the layout.
func (r *mergeReader) column(ctx context.Context, p *mergePlan, id schema.ColumnID, k int) (arrow.Array, error) {
	typ := r.layout.Columns[k].Type
	if !p.direct {
		if t := typ.Arrow().ID(); t == arrow.STRING || t == arrow.BINARY {
			if a, err := r.interleaveCodes(ctx, p, id, k); a != nil || err != nil {
				return a, err
			}
		}
		arrays, release, err := r.decode(ctx, p, id, k)
		defer release()
		if err != nil {
			return nil, err
		}
		return takePieces(r.mem, typ, arrays, p.take, p.rows)
	}
	if b := r.runs[p.pieces[0].src].batch; b != nil && len(p.pieces) == 1 && r.merger.step > 0 {
		from := int64(p.pieces[0].row) // neighbouring rows are shared, not copied
		return array.NewSlice(b.Column(k), from, from+int64(p.rows)), nil
	}
	o := newOutput(r.mem, typ)
	defer o.release()
	o.reserve(p.rows)
	for i := range p.parts {
		if err := r.put(ctx, o, &p.parts[i], id, k); err != nil {
			return nil, err
		}
	}
	return o.finish(), nil
}

// interleaveCodes gathers a column of strings that have a dictionary in each chunk
// without spelling them out first. It returns nil for other columns and where
// there are NULLs.
func (r *mergeReader) interleaveCodes(ctx context.Context, p *mergePlan, id schema.ColumnID, k int) (arrow.Array, error) {
	src := make([]stringSource, len(r.runs))
	for i := range p.parts {
		part := &p.parts[i]
		s := &src[part.src]
		run := r.runs[part.src]
		if run.batch != nil {
			if run.batch.Column(k).NullN() > 0 {
				return nil, nil
			}
			*s = arrayStrings(run.batch.Column(k))
			continue
		}
		c, err := run.chunk.scan.column(ctx, id)
		if err != nil || c.nulls > 0 || c.form != formBytes {
			return nil, err
		}
		var codes *codec.Ints
		if s.entries, codes, err = c.strs.Dictionary(); err != nil || s.entries == nil {
			return nil, run.chunk.scan.wrap(err, id)
		}
		if s.codes == nil {
			s.codes = make([]int32, 0, p.counts[part.src])
		}
		if codes == nil {
			s.codes = s.codes[:len(s.codes)+part.n] // all zero
			continue
		}
		c.touch(part.vector)
		x, err := codes.Codes(part.vector, s.entries.Len())
		if err != nil {
			return nil, run.chunk.scan.wrap(err, id)
		}
		for _, row := range part.rows {
			s.codes = append(s.codes, int32(x[row]))
		}
	}
	o := newOutput(r.mem, r.layout.Columns[k].Type)
	defer o.release()
	o.reserve(p.rows)
	o.rows = p.rows
	if err := o.stringPieces(src, p.take, p.rows); err != nil {
		return nil, err
	}
	return o.finish(), nil
}

// decode returns the arrays that p.take takes from, by run.
func (r *mergeReader) decode(ctx context.Context, p *mergePlan, id schema.ColumnID, k int) (arrays []arrow.Array, release func(), err error) {
	arrays = make([]arrow.Array, len(r.runs))
	outputs := make([]*output, len(r.runs))
	release = func() {
		for i, o := range outputs {
			if o != nil {
				o.release()
				if arrays[i] != nil {
					arrays[i].Release()
				}
			}
		}
	}
	for i := range p.parts {
		part := &p.parts[i]
		if b := r.runs[part.src].batch; b != nil {
			arrays[part.src] = b.Column(k)
			continue
		}
		if outputs[part.src] == nil {
			outputs[part.src] = newOutput(r.mem, r.layout.Columns[k].Type)
			outputs[part.src].reserve(p.counts[part.src])
		}
		if err := r.put(ctx, outputs[part.src], part, id, k); err != nil {
			return arrays, release, err
		}
	}
	for i, o := range outputs {
		if o != nil {
			arrays[i] = o.finish()
		}
	}
	return arrays, release, nil
}

// put appends the values of a part.
func (r *mergeReader) put(ctx context.Context, o *output, part *mergePart, id schema.ColumnID, k int) error {
	run := r.runs[part.src]
	if run.batch != nil {
		arrays := make([]arrow.Array, len(r.runs))
		arrays[part.src] = run.batch.Column(k)
		pieces := []piece{{part.src, part.rows[0], int32(part.n)}}
		if r.merger.step < 0 {
			pieces = appendSingles(pieces[:0:0], pieces[0])
		}
		return o.takePieces(arrays, pieces, part.n)
	}
	c, err := run.chunk.scan.column(ctx, id)
	if err != nil {
		return err
	}
	rows := part.rows
	if part.whole {
		rows = nil
	}
	return run.chunk.scan.wrap(o.put(c, part.vector, rows), id)
}
