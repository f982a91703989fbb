package chunk

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/phyllodb/phyllo/codec"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/jsonpart"
	"github.com/phyllodb/phyllo/internal/schema"
)

const (
	// maxChosenParts bounds the parts of a column's documents: each is an entry of
	// about 60 bytes in the manifest, which is kept in memory.
	maxChosenParts = 32
	// maxEntryParts bounds those of all columns of a chunk, so that an entry stays small, and
	// far below maxEntryColumns, however many columns have documents.
	maxEntryParts = 256
	// surveyedRows is about how many documents are looked at to choose paths.
	surveyedRows = 1024
	// minPartedRows and minPartedBytes are what a chunk's documents must have to be
	// worth the headers of further blobs, quickPartedRows in chunks that are soon written
	// again; maxPartedDocument is the most that one may have.
	minPartedRows     = VectorRows
	quickPartedRows   = 8 * VectorRows
	minPartedBytes    = 64 << 10
	maxPartedDocument = 1 << 20
	// partedGrowth is the part by which blobs may be more than one blob of all: whoever reads
	// a path reads a small part of them.
	partedGrowth = 16
)

// A parted column is one whose documents were taken apart: the first blob is the
// rest's.
type parted struct {
	blobs   [][]byte
	entries []ColumnEntry
	size    int64
	cheap   [][]string // the paths that take no more than their part of one blob of all
}

// part takes the documents of a column apart, unless that does not pay beside the one
// blob of all of them, of whole bytes; then it returns nil. There are at most limit
// parts, which get IDs from next on.
func part(c *Column, a arrow.Array, whole int64, limit int, next schema.ColumnID, effort codec.Effort) (*parted, error) {
	docs, ok := a.(*array.String)
	fewest := minPartedRows
	if effort == codec.Quick {
		fewest = quickPartedRows
	}
	if !ok || c.Type.OID != datum.JSONB || docs.Len() < fewest || arrayBytes(docs) < minPartedBytes {
		return nil, nil
	}
	paths := surveyed(docs).Choose(limit)
	for again := false; len(paths) > 0; again = true {
		p, err := partAt(c, docs, paths, whole, next, effort)
		if err != nil || p == nil || p.size <= whole+whole/partedGrowth {
			return p, err
		}
		if again || len(p.cheap) == len(paths) {
			break
		}
		paths = p.cheap // once more, without those that compress better among others
	}
	return nil, nil
}

// partAt takes documents apart at some paths; nil if they cannot be, or have nothing there.
func partAt(c *Column, docs *array.String, paths [][]string, whole int64, next schema.ColumnID, effort codec.Effort) (*parted, error) {
	s := newSplitter(docs, paths)
	defer s.rest.Release()
	if !s.run() {
		return nil, nil
	}
	out := &parted{}
	rest := s.rest.NewArray()
	defer rest.Release()
	if err := out.add(c, rest, nil, effort); err != nil {
		return nil, err
	}
	for i := range s.parts {
		p := &s.parts[i]
		values := p.array()
		if values == nil {
			continue
		}
		column := Column{ID: next, Type: p.Kind.blobType()}
		err := out.add(&column, values, &p.Part, effort)
		values.Release()
		if err != nil {
			return nil, err
		}
		next++
		if out.entries[len(out.entries)-1].Size*arrayBytes(docs) <= p.bytes()*whole {
			out.cheap = append(out.cheap, p.Path)
		}
	}
	if len(out.entries) == 1 {
		return nil, nil
	}
	return out, nil
}

// bytes are those of the values with their keys.
func (p *splitPart) bytes() int64 {
	n := int64(0)
	for _, v := range p.values {
		if v != "" {
			n += int64(len(v) + len(p.Path[len(p.Path)-1]) + len(`"": , `))
		}
	}
	return n
}

func (p *parted) add(c *Column, a arrow.Array, of *Part, effort codec.Effort) error {
	blob, e, err := encodeColumn(c, a, effort)
	if err != nil {
		return err
	}
	if of == nil { // what bounds the rest does not bound the documents
		e.Min, e.Max, e.MinCut, e.MaxCut, e.Distinct = nil, nil, e.Nulls < a.Len(), e.Nulls < a.Len(), 0
	} else {
		of.Column = p.entries[0].ID
		e.Part = of
	}
	p.blobs, p.entries, p.size = append(p.blobs, blob), append(p.entries, e), p.size+e.Size
	return nil
}

// surveyed counts the paths of some of the documents, in groups of neighbours.
func surveyed(docs *array.String) *jsonpart.Survey {
	s := &jsonpart.Survey{}
	const group = 16
	step := max(docs.Len()*group/surveyedRows, group)
	for from := 0; from < docs.Len(); from += step {
		for i := from; i < min(from+group, docs.Len()); i++ {
			if docs.IsValid(i) {
				s.Add(docs.Value(i))
			}
		}
	}
	return s
}

// A splitter takes documents apart.
type splitter struct {
	docs  *array.String
	tree  *jsonpart.Tree
	rest  *array.StringBuilder
	parts []splitPart
	row   int // the row whose values Has and Append know
}

// Has and Append make the splitter the values of a row.
func (s *splitter) Has(path int) bool { return s.parts[path].values[s.row] != "" }
func (s *splitter) Append(dst []byte, path int) []byte {
	return append(dst, s.parts[path].values[s.row]...)
}

// A splitPart are the values at a path.
type splitPart struct {
	Part
	values []string             // by row, empty if there is none; they lie in the documents
	some   [PartValues + 1]bool // of these kinds
}

// put notes a value; null stays in the rest.
func (p *splitPart) put(row int, value string) {
	if value == "null" {
		p.Nulls = true
		return
	}
	p.values[row] = value
	switch value[0] {
	case '"':
		p.some[PartStrings] = true
	case '{', '[':
		p.some[PartValues] = true
	default:
		p.some[PartBare] = true
	}
}

// array sets the kind and returns the values as they lie in the blob; nil if there
// are none.
func (p *splitPart) array() arrow.Array {
	switch p.some {
	case [PartValues + 1]bool{}:
		return nil
	case [PartValues + 1]bool{PartBare: true}:
		p.Kind = PartBare
	case [PartValues + 1]bool{PartStrings: true}:
		if a := p.strings(); a != nil {
			p.Kind = PartStrings
			return a
		}
		p.Kind = PartValues
	default:
		p.Kind = PartValues
	}
	b := array.NewStringBuilder(memory.DefaultAllocator)
	defer b.Release()
	for _, v := range p.values {
		if v == "" {
			b.AppendNull()
		} else {
			b.Append(v)
		}
	}
	return b.NewArray()
}

// strings returns what the values say, nil if one would be quoted in another way.
func (p *splitPart) strings() arrow.Array {
	b := array.NewStringBuilder(memory.DefaultAllocator)
	defer b.Release()
	var again []byte
	for _, v := range p.values {
		if v == "" {
			b.AppendNull()
			continue
		}
		text, _, ok := jsonpart.Text(v)
		if again = datum.AppendJSONString(again[:0], text); !ok || stringOf(again) != v {
			return nil
		}
		b.Append(text)
	}
	return b.NewArray()
}

func newSplitter(docs *array.String, paths [][]string) *splitter {
	tree, err := jsonpart.NewTree(paths)
	if err != nil {
		panic("chunk: bug: paths of a survey: " + err.Error())
	}
	s := &splitter{docs: docs, tree: tree, rest: array.NewStringBuilder(memory.DefaultAllocator), parts: make([]splitPart, len(paths))}
	for i := range s.parts {
		s.parts[i] = splitPart{Part: Part{Path: paths[i]}, values: make([]string, docs.Len())}
	}
	return s
}

// run takes all documents apart, and puts each together again to see that nothing is
// lost; it reports false if one is not the same then.
func (s *splitter) run() bool {
	var rest, again []byte
	joiner := s.tree.NewJoiner()
	for row := range s.docs.Len() {
		if s.docs.IsNull(row) {
			s.rest.AppendNull()
			continue
		}
		doc := s.docs.Value(row)
		if len(doc) > maxPartedDocument {
			return false
		}
		var ok bool
		rest, ok = s.tree.Split(rest[:0], doc, func(path int, value string) { s.parts[path].put(row, value) })
		if !ok {
			return false
		}
		s.row = row
		again, ok = joiner.Join(again[:0], stringOf(rest), s)
		if !ok || stringOf(again) != doc {
			return false
		}
		s.rest.BinaryBuilder.Append(rest)
	}
	return true
}
