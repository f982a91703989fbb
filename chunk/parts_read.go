package chunk

import (
	"bytes"
	"context"

	"github.com/phyllodb/phyllo/codec"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/jsonpart"
	"github.com/phyllodb/phyllo/internal/schema"
)

// maxJoinedBytes bounds the documents of one vector that are put together: more than
// any chunk that was taken apart has.
const maxJoinedBytes = 2 * maxChunkBytes

// A documentReader puts documents together. It is used by one goroutine.
type documentReader struct {
	rest   *blobColumn
	parts  []documentPart
	joiner *jsonpart.Joiner
	size   int

	strs    codec.Strings // of one vector; its memory is used again
	decoded int           // vector in strs, plus one
	row     int           // the row whose values Has and Append know
}

// A documentPart is a part with the values of one vector.
type documentPart struct {
	kind PartKind
	col  *blobColumn
	strs *codec.Strings // nil: all NULL
	null codec.Bits
	bare bool // values are as they stand in a document, but for quotes around strings
}

// documents opens the documents of a column, the rest of which is rest, whose parts lie
// at some places of the entry.
func (c *chunkScan) documents(ctx context.Context, rest *blobColumn, places []int, id schema.ColumnID) (*blobColumn, error) {
	if rest.nulls == rest.rows {
		return rest, nil
	}
	tree, err := c.entry.partTree(places)
	if err != nil {
		return nil, c.wrap(err, id)
	}
	if rest.form != formBytes || rest.typ.OID != datum.JSONB {
		return nil, c.wrap(corrupt("parts of %v", rest.typ), id)
	}
	d := &documentReader{rest: rest, joiner: tree.NewJoiner(), parts: make([]documentPart, len(places)), size: rest.size}
	for i, at := range places {
		kind := c.entry.Columns[at].Part.Kind
		col, err := c.blob(ctx, at, kind.blobType())
		if err != nil {
			return nil, err
		}
		d.parts[i] = documentPart{kind: kind, col: col}
		d.size += col.size
	}
	return c.room.column(blobColumn{typ: rest.typ, form: formBytes, order: rest.order, rows: rest.rows, nulls: rest.nulls, null: rest.null,
		size: d.size, strs: d}), nil
}

func (d *documentReader) Vector(v int) (*codec.Strings, error) {
	if d.decoded == v+1 {
		return &d.strs, nil
	}
	d.decoded = 0
	rest, err := d.rest.strs.Vector(v)
	if err != nil {
		return nil, err
	}
	var null codec.Bits
	some, err := d.rest.nullBits(v, &null)
	if err != nil {
		return nil, err
	}
	for i := range d.parts {
		if err := d.parts[i].load(v); err != nil {
			return nil, err
		}
	}
	d.strs.Reset()
	for row := range rest.Len() {
		if !some || !null.Has(row) {
			if err := d.join(row, stringOf(rest.At(row))); err != nil {
				return nil, corrupt("document %d: %v", v*VectorRows+row, err)
			}
		}
		d.strs.Offsets = append(d.strs.Offsets, int64(len(d.strs.Data)))
		if len(d.strs.Data) > maxJoinedBytes {
			return nil, corrupt("documents of %d bytes in vector %d", len(d.strs.Data), v)
		}
	}
	d.decoded = v + 1
	return &d.strs, nil
}

// load reads the values of vector v.
func (p *documentPart) load(v int) (err error) {
	p.strs = nil
	if p.col.nulls == p.col.rows {
		return nil
	}
	if p.strs, err = p.col.strs.Vector(v); err != nil {
		return err
	}
	some, err := p.col.nullBits(v, &p.null)
	if !some {
		p.null = codec.Bits{}
	}
	p.bare = p.kind == PartStrings && !escaped(p.strs.Data)
	return err
}

// escaped says whether JSON writes one of the bytes in another way.
func escaped(b []byte) bool {
	if bytes.IndexByte(b, '"') >= 0 || bytes.IndexByte(b, '\\') >= 0 {
		return true
	}
	for _, c := range b {
		if c < ' ' {
			return true
		}
	}
	return false
}

// join appends the document of a row.
func (d *documentReader) join(row int, rest string) error {
	var ok bool
	d.row = row
	if d.strs.Data, ok = d.joiner.Join(d.strs.Data, rest, d); !ok {
		return corrupt("its rest and its parts do not fit together")
	}
	return nil
}

// Has implements jsonpart.Values.
func (d *documentReader) Has(path int) bool {
	p := &d.parts[path]
	return p.strs != nil && !p.null.Has(d.row)
}

// Append implements jsonpart.Values.
func (d *documentReader) Append(dst []byte, path int) []byte {
	p := &d.parts[path]
	text := p.strs.At(d.row)
	switch {
	case p.kind != PartStrings:
		return append(dst, text...)
	case p.bare:
		return append(append(append(dst, '"'), text...), '"')
	}
	return datum.AppendJSONString(dst, stringOf(text))
}

// Lengths puts the documents together to know.
func (d *documentReader) Lengths(v int) ([]int64, error) { return vectorLengths(d, v) }

// Dictionary returns nothing: there is none.
func (d *documentReader) Dictionary() (*codec.Strings, *codec.Ints, error) { return nil, nil, nil }

// FilterEqual does nothing: documents are not compared as bytes.
func (d *documentReader) FilterEqual(int, []byte, *codec.Bits) (bool, error) { return false, nil }

func (d *documentReader) Describe() codec.Node { return d.rest.strs.Describe() }

// vectorLengths returns the lengths of a vector's strings.
func vectorLengths(r stringReader, v int) ([]int64, error) {
	s, err := r.Vector(v)
	if err != nil {
		return nil, err
	}
	out := make([]int64, s.Len())
	for i := range out {
		out[i] = s.Offsets[i+1] - s.Offsets[i]
	}
	return out, nil
}
