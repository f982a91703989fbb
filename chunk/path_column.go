package chunk

import (
	"context"
	"slices"

	"github.com/phyllodb/phyllo/codec"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/jsonpart"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
)

// A PathColumn is a column of a scan that the table does not have: what the documents of
// a jsonb column have at a path of keys, as ->> gives it, or with JSON as -> does.
type PathColumn struct {
	ID     schema.ColumnID // from schema.FirstPathColumn on
	Name   string          // of the fields of batches
	Column schema.ColumnID
	Keys   []string
	JSON   bool
}

// Type returns the type of the column's values.
func (p *PathColumn) Type() datum.Type {
	if p.JSON {
		return datum.Of(datum.JSONB)
	}
	return datum.Of(datum.Text)
}

// Value returns what a document has at the path.
func (p *PathColumn) Value(doc string) (text string, found bool, err error) {
	r := pathReader{kind: PartValues, documentPath: &documentPath{p.Column, jsonpart.NewPath(p.Keys), p.JSON}}
	return r.value(doc)
}

// A documentPath is what a column of a layout is instead of one of a table.
type documentPath struct {
	column schema.ColumnID
	path   jsonpart.Path
	json   bool
}

// WithPaths returns the layout with further columns, which are computed.
func (l *Layout) WithPaths(paths []PathColumn) (*Layout, error) {
	if len(paths) == 0 {
		return l, nil
	}
	out := *l
	out.Columns = slices.Clip(l.Columns)
	for i := range paths {
		p := &paths[i]
		k := l.Index(p.Column)
		if k < 0 || l.Columns[k].Type.OID != datum.JSONB || p.ID < schema.FirstPathColumn {
			return nil, pgerr.New(pgerr.InternalError, "chunk: path column %d of column %d, which is number %d", p.ID, p.Column, k)
		}
		c := Column{ID: p.ID, Name: p.Name, Type: p.Type(), Path: &documentPath{p.Column, jsonpart.NewPath(p.Keys), p.JSON}}
		if doc, ok := l.Columns[k].Missing.(string); ok {
			text, found, err := p.Value(doc)
			if err != nil {
				return nil, err
			}
			if found {
				c.Missing = text
			}
		}
		out.Columns = append(out.Columns, c)
	}
	return &out, nil
}

// A pathSource says where in a chunk the values of a path are.
type pathSource struct {
	place     int           // of the entry's column that has them; -1: the documents are missing
	documents bool          // they have to be put together
	kind      PartKind      // of the column; of documents PartValues
	path      jsonpart.Path // from its values on
	direct    bool          // its values are those wanted
}

func (e *Entry) source(d *documentPath) pathSource {
	keys := d.path.Keys()
	for i := range e.Columns {
		p := e.Columns[i].Part
		if p == nil || p.Column != d.column {
			continue
		}
		n := min(len(keys), len(p.Path))
		switch {
		case !slices.Equal(keys[:n], p.Path[:n]):
			continue
		case len(p.Path) > len(keys), d.json && p.Nulls && len(p.Path) == len(keys):
			return pathSource{place: entryColumn(e, d.column), documents: true, kind: PartValues, path: d.path}
		}
		return pathSource{place: i, kind: p.Kind, path: jsonpart.NewPath(keys[n:]), direct: n == len(keys) && p.Kind != PartValues && !d.json}
	}
	return pathSource{place: entryColumn(e, d.column), kind: PartValues, path: d.path}
}

// place returns the place of the entry's column that has exactly the values of a column
// of the layout, or -1.
func (l *Layout) place(e *Entry, id schema.ColumnID) int {
	k := l.Index(id)
	if k < 0 || l.Columns[k].Path == nil {
		return entryColumn(e, id)
	}
	if s := e.source(l.Columns[k].Path); s.direct {
		return s.place
	}
	return -1
}

// places returns the places of the entry's columns that are read for some columns, those
// that it lists.
func (l *Layout) places(e *Entry, ids []schema.ColumnID) (places []int) {
	add := func(i int) {
		if i >= 0 && !slices.Contains(places, i) {
			places = append(places, i)
		}
	}
	for _, id := range ids {
		k := l.Index(id)
		if k < 0 {
			add(entryColumn(e, id)) // a filter, or who reads it says what is wrong
			continue
		}
		at, documents := entryColumn(e, id), l.Columns[k].Type.OID == datum.JSONB
		if d := l.Columns[k].Path; d != nil {
			s := e.source(d)
			at, documents, id = s.place, s.documents, d.column
		}
		add(at)
		if documents && at >= 0 {
			for _, i := range e.partsOf(id) {
				add(i)
			}
		}
	}
	return places
}

// pathColumn opens a column of a path.
func (c *chunkScan) pathColumn(ctx context.Context, l *Column) (*blobColumn, error) {
	s := c.entry.source(l.Path)
	var src *blobColumn
	var err error
	switch {
	case s.place < 0:
		return c.missing(c.layout.Index(l.ID))
	case s.documents:
		src, err = c.column(ctx, l.Path.column)
	case c.entry.Columns[s.place].Part != nil:
		src, err = c.blob(ctx, s.place, s.kind.blobType())
	default:
		src, err = c.blob(ctx, s.place, datum.Of(datum.JSONB))
	}
	if err != nil || s.direct {
		return src, err
	}
	r := &pathReader{src: src, kind: s.kind, documentPath: &documentPath{l.Path.column, s.path, l.Path.json}}
	col := c.room.column(blobColumn{typ: l.Type, form: formBytes, order: orderOf(l.Type), rows: src.rows, nulls: src.nulls, strs: r, path: r})
	if src.nulls == src.rows {
		return col, nil
	}
	// How many are NULL is not known before all are read; but all of one vector are.
	col.nulls = 1
	if src.rows <= VectorRows {
		if _, err := r.Vector(0); err != nil {
			return nil, c.wrap(err, l.ID)
		}
		col.nulls = r.null.Count()
	}
	return col, nil
}

// A pathReader takes what a path leads to out of the values of a column. It is used by
// one goroutine.
type pathReader struct {
	*documentPath
	src  *blobColumn
	kind PartKind // of the values of src

	strs    codec.Strings // of one vector; its memory is used again
	null    codec.Bits
	decoded int // vector in strs, plus one

	entries pathEntries
	buf     []byte
}

// pathEntries are what the entries of a dictionary have been found to have.
type pathEntries struct {
	found []int32 // by entry: its number in texts, plus one; -1: nothing; 0: not looked at
	texts codec.Strings
}

// value returns what the path leads to in a value of src. The text may be overwritten by
// the next call.
func (r *pathReader) value(v string) (text string, found bool, err error) {
	if r.kind != PartValues {
		if len(r.path.Keys()) > 0 {
			return "", false, nil
		}
		if r.json && r.kind == PartStrings {
			r.buf = datum.AppendJSONString(r.buf[:0], v)
			return stringOf(r.buf), true, nil
		}
		return v, true, nil
	}
	text, found, ok := r.path.Get(v)
	if ok && found && !r.json {
		text, found, ok = jsonpart.Text(text)
	}
	if !ok {
		return "", false, corrupt("a value of %d bytes is no JSON", len(v))
	}
	return text, found, nil
}

func (r *pathReader) Vector(v int) (*codec.Strings, error) {
	if r.decoded == v+1 {
		return &r.strs, nil
	}
	r.decoded = 0
	r.src.touch(v)
	r.null = codec.Bits{}
	if _, err := r.src.nullBits(v, &r.null); err != nil {
		return nil, err
	}
	r.strs.Reset()
	if err := r.fill(v); err != nil {
		return nil, err
	}
	r.decoded = v + 1
	return &r.strs, nil
}

// fill sets strs and null to those of vector v; null has the NULLs of src.
func (r *pathReader) fill(v int) error {
	entries, codes, err := r.src.strs.Dictionary()
	if err != nil {
		return err
	}
	if entries != nil {
		return r.fillEntries(v, entries, codes)
	}
	s, err := r.src.strs.Vector(v)
	if err != nil {
		return err
	}
	for row := range s.Len() {
		if r.null.Has(row) {
			r.put(row, "", false)
			continue
		}
		text, found, err := r.value(stringOf(s.At(row)))
		if err != nil {
			return err
		}
		r.put(row, text, found)
	}
	return nil
}

func (r *pathReader) put(row int, text string, found bool) {
	if !found {
		r.null.Set(row)
	}
	r.strs.Data = append(r.strs.Data, text...)
	r.strs.Offsets = append(r.strs.Offsets, int64(len(r.strs.Data)))
}

// fillEntries is fill by the codes of a dictionary; without codes it has one entry.
func (r *pathReader) fillEntries(v int, entries *codec.Strings, codes *codec.Ints) error {
	e := &r.entries
	if e.found == nil {
		e.found = make([]int32, entries.Len())
	}
	var of []int64
	if codes != nil {
		var err error
		if of, err = codes.Codes(v, entries.Len()); err != nil {
			return err
		}
	}
	for row := range codec.VectorLen(r.src.rows, v) {
		if r.null.Has(row) { // its entry is any
			r.put(row, "", false)
			continue
		}
		code := 0
		if of != nil {
			code = int(of[row])
		}
		if e.found[code] == 0 {
			text, found, err := r.value(stringOf(entries.At(code)))
			if err != nil {
				return err
			}
			e.found[code] = -1
			if found {
				e.texts.Append([]byte(text))
				e.found[code] = int32(e.texts.Len())
			}
		}
		if n := e.found[code]; n > 0 {
			r.put(row, stringOf(e.texts.At(int(n-1))), true)
		} else {
			r.put(row, "", false)
		}
	}
	return nil
}

// nullBits is blobColumn.nullBits.
func (r *pathReader) nullBits(v int, out *codec.Bits) (bool, error) {
	if _, err := r.Vector(v); err != nil {
		return false, err
	}
	*out = r.null
	return r.null != codec.Bits{}, nil
}

// Lengths looks at the values to know.
func (r *pathReader) Lengths(v int) ([]int64, error) { return vectorLengths(r, v) }

// Dictionary returns nothing: values may be there more than once.
func (r *pathReader) Dictionary() (*codec.Strings, *codec.Ints, error) { return nil, nil, nil }

// FilterEqual does nothing: values have to be looked at.
func (r *pathReader) FilterEqual(int, []byte, *codec.Bits) (bool, error) { return false, nil }

func (r *pathReader) Describe() codec.Node { return r.src.strs.Describe() }
