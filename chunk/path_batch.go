package chunk

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/phyllodb/phyllo/codec"
)

// withPaths returns a batch of the table's columns with those of paths that the layout
// has behind them, which the caller releases. Documents of rows that filter leaves out are
// not looked at: these have NULL at all paths.
func (l *Layout) withPaths(mem memory.Allocator, batch arrow.RecordBatch, filter []Predicate) (arrow.RecordBatch, error) {
	n := int(batch.NumCols())
	if n >= len(l.Columns) || l.Columns[n].Path == nil {
		batch.Retain()
		return batch, nil
	}
	wanted, err := l.passing(batch, filter)
	if err != nil {
		return nil, err
	}
	columns := append(make([]arrow.Array, 0, len(l.Columns)), batch.Columns()...)
	fields := append(make([]arrow.Field, 0, len(l.Columns)), batch.Schema().Fields()...)
	defer func() {
		for _, a := range columns[n:] {
			a.Release()
		}
	}()
	for i := n; i < len(l.Columns); i++ {
		c := &l.Columns[i]
		if c.Path == nil {
			break // the batch is refused
		}
		docs, ok := batch.Column(l.Index(c.Path.column)).(*array.String)
		if !ok {
			return nil, corrupt("column %d of a batch has no documents", c.Path.column)
		}
		a, err := pathArray(mem, c, docs, wanted)
		if err != nil {
			return nil, err
		}
		columns = append(columns, a)
		fields = append(fields, arrow.Field{Name: c.Name, Type: a.DataType(), Nullable: true})
	}
	return array.NewRecordBatch(arrow.NewSchema(fields, nil), columns, batch.NumRows()), nil
}

// passing returns the rows of a batch that pass those predicates of a filter that are on its
// own columns, by window; nil if there are none.
func (l *Layout) passing(batch arrow.RecordBatch, filter []Predicate) ([]codec.Bits, error) {
	own := *l
	own.Columns = l.Columns[:batch.NumCols()]
	var spec ScanSpec
	for _, p := range filter {
		if own.Index(p.Column) >= 0 {
			spec.Filter = append(spec.Filter, p)
		}
	}
	if len(spec.Filter) == 0 {
		return nil, nil
	}
	c, err := (&batchSplit{batch: batch, layout: &own, spec: spec}).scan(&ScanStats{})
	if err != nil {
		return nil, err
	}
	out := make([]codec.Bits, c.windows)
	for w := range out {
		c.window(w, &out[w])
	}
	return out, nil
}

// pathArray makes the array of a column of a path; of rows that are not wanted it is NULL.
func pathArray(mem memory.Allocator, c *Column, docs *array.String, wanted []codec.Bits) (arrow.Array, error) {
	b := array.NewStringBuilder(mem)
	defer b.Release()
	b.Reserve(docs.Len())
	r := pathReader{kind: PartValues, documentPath: c.Path}
	for i := range docs.Len() {
		if docs.IsNull(i) || wanted != nil && !wanted[i/VectorRows].Has(i%VectorRows) {
			b.AppendNull()
			continue
		}
		text, found, err := r.value(docs.Value(i))
		switch {
		case err != nil:
			return nil, err
		case found:
			b.Append(text)
		default:
			b.AppendNull()
		}
	}
	return b.NewArray(), nil
}
