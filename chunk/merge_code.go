package chunk

import (
	"context"

	"github.com/phyllodb/phyllo/internal/schema"
)

// code adds a column to a batch as Coded, if all rows are of chunks that have a
// dictionary of it.
func (r *mergeReader) code(ctx context.Context, out *batchMaker, o *coder, p *mergePlan, id schema.ColumnID) (bool, error) {
	columns := make([]*blobColumn, len(r.runs))
	for i := range p.parts {
		src := p.parts[i].src
		if columns[src] != nil {
			continue
		}
		if r.runs[src].batch != nil {
			return false, nil
		}
		scan := r.runs[src].chunk.scan
		c, err := scan.column(ctx, id)
		if err != nil {
			return false, err
		}
		if ok, err := c.codable(); !ok {
			return false, scan.wrap(err, id)
		}
		columns[src] = c
	}
	o.start(p.rows)
	defer o.reset()
	put := o.put
	var packed *codePacker
	if !p.direct {
		packed = newCodePacker(o, p.counts)
		put = packed.put
	}
	for i := range p.parts {
		part := &p.parts[i]
		rows := part.rows
		if part.whole {
			rows = nil
		}
		if packed != nil {
			packed.src = part.src
		}
		if err := put(columns[part.src], part.vector, rows); err != nil {
			return false, r.runs[part.src].chunk.scan.wrap(err, id)
		}
	}
	if packed != nil {
		packed.interleave(p.take)
	}
	return true, out.addCoded(o)
}

// A codePacker holds the entries that the rows of each run have, until they can be
// put in order: only then is known which value comes first.
type codePacker struct {
	o       *coder
	src     int32
	entries [][]int32 // by run and row; -1: NULL
	places  []*places // by run
}

func newCodePacker(o *coder, counts []int) *codePacker {
	p := &codePacker{o: o, entries: make([][]int32, len(counts)), places: make([]*places, len(counts))}
	for i, n := range counts {
		if n > 0 {
			p.entries[i] = make([]int32, 0, n)
		}
	}
	return p
}

// put adds rows of vector v of a column of run src; nil is all of them.
func (p *codePacker) put(c *blobColumn, v int, rows []int32) error {
	pl, null, err := p.o.vector(c, v)
	if err != nil {
		return err
	}
	k, err := pl.codesOf(v)
	if err != nil {
		return err
	}
	p.places[p.src] = pl
	dst := p.entries[p.src]
	for i := range rowCount(c, v, rows) {
		r := rowAt(rows, i)
		switch {
		case null != nil && null.Has(r):
			dst = append(dst, -1)
		case k == nil:
			dst = append(dst, 0)
		default:
			dst = append(dst, int32(k[r]))
		}
	}
	p.entries[p.src] = dst
	return nil
}

// interleave gives the rows to the coder in the order of the pieces.
func (p *codePacker) interleave(pieces []piece) {
	for _, x := range pieces {
		dst := p.o.next(int(x.n))
		pl := p.places[x.src]
		for i, e := range p.entries[x.src][x.row:][:x.n] {
			if e < 0 {
				dst[i] = p.o.nullCode()
			} else {
				dst[i] = p.o.code(pl, int64(e))
			}
		}
	}
}
