package datum

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/phyllodb/phyllo/internal/pgerr"
)

// Arrays lie in memory as structs of two fields: a list of the elements, and the dimensions as bytes, which
// are empty for arrays of one dimension counted from 1. A NULL is a NULL of the struct.

// arraysKey marks the type of arrays among structs, most of which are records.
const arraysKey = "arrays"

// ArraysOf returns the Arrow type of arrays with elements of an Arrow type.
func ArraysOf(elem arrow.DataType) arrow.DataType {
	return arrow.StructOf(
		arrow.Field{Name: "elements", Type: arrow.ListOf(elem), Nullable: true, Metadata: arrow.NewMetadata([]string{arraysKey}, []string{""})},
		arrow.Field{Name: "shape", Type: arrow.BinaryTypes.Binary, Nullable: true})
}

// ElementsOf returns the Arrow type of the elements of arrays; ok is false for other types.
func ElementsOf(dt arrow.DataType) (elem arrow.DataType, ok bool) {
	s, ok := dt.(*arrow.StructType)
	if !ok || s.NumFields() != 2 || s.Field(0).Metadata.FindKey(arraysKey) < 0 {
		return nil, false
	}
	return s.Field(0).Type.(*arrow.ListType).Elem(), true
}

// Lists are the arrays of a column.
type Lists struct {
	arrow.Array // says which are NULL
	Elements    *array.List
	Shapes      *array.Binary // stored forms of dimensions
}

// ListsOf takes a column of arrays apart; ok is false if it is of another type. What it returns lives as long as a.
func ListsOf(a arrow.Array) (l Lists, ok bool) {
	if _, ok := ElementsOf(a.DataType()); !ok {
		return l, false
	}
	s := a.(*array.Struct)
	return Lists{a, s.Field(0).(*array.List), s.Field(1).(*array.Binary)}, true
}

func mustLists(a arrow.Array) Lists {
	l, ok := ListsOf(a)
	if !ok {
		panic("datum: bug: not arrays: " + a.DataType().String())
	}
	return l
}

// Range returns where the elements of array i lie in Values.
func (l Lists) Range(i int) (from, to int) {
	start, end := l.Elements.ValueOffsets(i)
	return int(start), int(end)
}

// Values returns the elements of all arrays.
func (l Lists) Values() arrow.Array { return l.Elements.ListValues() }

// Dims returns the dimensions of array i as Array.Dims has them.
func (l Lists) Dims(i int) []Dim { return mustReadShape(l.Shapes.Value(i)) }

// Shaped says whether some array has dimensions of its own.
func (l Lists) Shaped() bool {
	x := l.Shapes.ValueOffsets()
	return len(x) > 0 && x[0] != x[l.Len()]
}

// CheckKey returns an error if a column that rows are sorted or placed by holds arrays with dimensions of
// their own, whose order stored keys do not have.
func CheckKey(a arrow.Array) error {
	if l, ok := ListsOf(a); ok && l.Shaped() {
		return pgerr.Unsupported("an array in a primary key or partition key must have one dimension, counted from 1")
	}
	return nil
}

// A ListsMaker puts a column of arrays together, of elements that exist already.
type ListsMaker struct {
	mem    memory.Allocator
	ends   *array.Int32Builder
	shapes *array.BinaryBuilder
	nulls  int
	valid  *array.BooleanBuilder
}

// NewListsMaker returns a maker, which is released in the end.
func NewListsMaker(mem memory.Allocator) *ListsMaker {
	m := &ListsMaker{mem: mem, ends: array.NewInt32Builder(mem), shapes: array.NewBinaryBuilder(mem, arrow.BinaryTypes.Binary),
		valid: array.NewBooleanBuilder(mem)}
	m.ends.Append(0)
	return m
}

// Append appends an array whose elements end before end, and begin where those of the one before end.
func (m *ListsMaker) Append(end int, dims []Dim) {
	var buf [32]byte
	m.append(end, appendShape(buf[:0], dims), true)
}

// AppendLike appends an array with the dimensions of array i of l.
func (m *ListsMaker) AppendLike(end int, l Lists, i int) { m.append(end, l.Shapes.Value(i), true) }

// AppendNull appends a NULL; the elements of the arrays before end before end.
func (m *ListsMaker) AppendNull(end int) {
	m.append(end, nil, false)
	m.nulls++
}

func (m *ListsMaker) append(end int, shape []byte, valid bool) {
	m.ends.Append(int32(end))
	m.shapes.Append(shape)
	m.valid.Append(valid)
}

// Make makes the column of the elements, which it does not take over.
func (m *ListsMaker) Make(values arrow.Array) arrow.Array {
	ends, shapes, valid := m.ends.NewInt32Array(), m.shapes.NewBinaryArray(), m.valid.NewBooleanArray()
	defer ends.Release()
	defer shapes.Release()
	defer valid.Release()
	n := shapes.Len()
	list := array.NewData(arrow.ListOf(values.DataType()), n, []*memory.Buffer{nil, ends.Data().Buffers()[1]}, []arrow.ArrayData{values.Data()}, 0, 0)
	defer list.Release()
	var bitmap *memory.Buffer
	if m.nulls > 0 {
		bitmap = valid.Data().Buffers()[1]
	}
	d := array.NewData(ArraysOf(values.DataType()), n, []*memory.Buffer{bitmap}, []arrow.ArrayData{list, shapes.Data()}, m.nulls, 0)
	defer d.Release()
	return array.MakeFromData(d)
}

// Release frees what the maker holds.
func (m *ListsMaker) Release() {
	m.ends.Release()
	m.shapes.Release()
	m.valid.Release()
}

func (l Lists) at(t Type, i int) Array {
	elem, _ := t.Elem()
	from, to := l.Range(i)
	values := make([]Value, 0, to-from)
	for j := from; j < to; j++ {
		values = append(values, ValueAt(elem, l.Values(), j))
	}
	return Array{Elem: elem, Values: values, Dims: l.Dims(i)}
}

func appendLists(b *array.StructBuilder, t Type, v Array) {
	elem, _ := t.Elem()
	b.Append(true)
	list := b.FieldBuilder(0).(*array.ListBuilder)
	list.Append(true)
	for _, e := range v.Values {
		Append(list.ValueBuilder(), elem, e)
	}
	var buf [32]byte
	b.FieldBuilder(1).(*array.BinaryBuilder).Append(appendShape(buf[:0], v.Dims))
}
