package chunk

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/jsonpart"
	"github.com/phyllodb/phyllo/internal/schema"
)

// The documents of a jsonb column may lie in several blobs of a chunk: parts, each
// with the values that the documents have at one path, and the rest of the
// documents, in the column's own blob. A part is a column of the entry like others,
// of text or json and with bounds of its own, NULL where a document has nothing
// there or JSON's null, which stays in the rest. No path leads through another.
//
// parts_write.go takes documents apart, parts_read.go puts them together, and
// path_column.go reads a path alone.

// A Part says what a column of an entry is a part of.
type Part struct {
	Column schema.ColumnID // of jsonb, in the same entry
	Path   []string        // keys from the top; see jsonpart
	Kind   PartKind
	// Nulls says that some documents have JSON's null there: in the rest.
	Nulls bool
}

// PartKind says how the values of a part lie in its blob.
type PartKind uint8

// The kinds. Numbers are part of the format.
const (
	PartStrings PartKind = iota // strings, as text
	PartBare                    // numbers and booleans, as text
	PartValues                  // any values, as json
)

// maxParts bounds the parts of one column of an entry that is read.
const maxParts = 256

func (k PartKind) blobType() datum.Type {
	if k == PartValues {
		return datum.Of(datum.JSON)
	}
	return datum.Of(datum.Text)
}

// parted says whether the entry has parts.
func (e *Entry) parted() bool {
	return slices.ContainsFunc(e.Columns, func(c ColumnEntry) bool { return c.Part != nil })
}

// partsOf returns the places of the parts of a column.
func (e *Entry) partsOf(id schema.ColumnID) (places []int) {
	for i := range e.Columns {
		if p := e.Columns[i].Part; p != nil && p.Column == id {
			places = append(places, i)
		}
	}
	return places
}

// partTree returns the tree of the paths of parts at some places of the entry.
func (e *Entry) partTree(places []int) (*jsonpart.Tree, error) {
	if len(places) > maxParts {
		return nil, corrupt("documents in %d parts", len(places))
	}
	paths := make([][]string, len(places))
	for i, at := range places {
		paths[i] = e.Columns[at].Part.Path
	}
	t, err := jsonpart.NewTree(paths)
	if err != nil {
		return nil, corrupt("parts of documents: %v", err)
	}
	return t, nil
}

const (
	partKindMask = 3
	partNulls    = 4
)

func (p *Part) appendTo(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(p.Column))
	flags := byte(p.Kind)
	if p.Nulls {
		flags |= partNulls
	}
	dst = append(dst, flags, byte(len(p.Path)))
	for _, k := range p.Path {
		dst = appendBytes(dst, []byte(k))
	}
	return dst
}

func (r *reader) entryPart() *Part {
	p := &Part{Column: schema.ColumnID(r.count(math.MaxUint32))}
	flags := r.byte()
	p.Kind, p.Nulls = PartKind(flags&partKindMask), flags&partNulls != 0
	keys := int(r.byte())
	if p.Kind > PartValues || flags > partNulls|partKindMask || keys == 0 || keys > jsonpart.MaxDepth {
		r.bad = true
		return p
	}
	size := 0
	for range keys {
		k := r.part()
		size += len(k)
		p.Path = append(p.Path, string(k))
	}
	r.bad = r.bad || size > jsonpart.MaxPathBytes
	return p
}
