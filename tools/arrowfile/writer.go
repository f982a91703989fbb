package arrowfile

import (
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/decimal256"
	"github.com/apache/arrow-go/v18/arrow/extensions"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// A Column is a column of a file that is written.
type Column struct {
	Name string
	Type datum.Type
}

// What a Writer holds before it writes: rows of a batch, and bytes of values.
const (
	writeRows  = 8192
	writeBytes = 4 << 20
)

// A Writer makes a file of rows as PostgreSQL's binary format has them. It is used
// by one goroutine.
type Writer struct {
	columns    []Column
	fields     []arrow.Field
	builder    *array.RecordBuilder
	sink       sink
	groupBytes int64 // of values, in a row group

	rows, row      int64 // in all, and in the builder
	bytes, inGroup int64 // in the builder, and in the row group
}

// A sink is a format's way to write.
type sink interface {
	write(b arrow.RecordBatch) error
	endGroup() error // begins a new row group, where there are some
	close() error
}

// NewWriter writes a file of a format to w. A row group of Parquet holds about
// groupBytes of values, which is what a Writer needs of memory.
func NewWriter(w io.Writer, f Format, columns []Column, groupBytes int64) (*Writer, error) {
	out := &Writer{columns: columns, groupBytes: groupBytes}
	seen := map[string]bool{}
	for _, c := range columns {
		if seen[c.Name] {
			return nil, pgerr.New(pgerr.DuplicateColumn, "column %q is there more than once", c.Name).WithHint("Name the columns with AS.")
		}
		seen[c.Name] = true
		field, err := FieldOf(c.Name, c.Type)
		if err != nil {
			return nil, err
		}
		out.fields = append(out.fields, field)
	}
	if len(columns) == 0 {
		return nil, pgerr.Unsupported("a file without columns cannot be written")
	}
	schema := arrow.NewSchema(out.fields, nil)
	var err error
	if out.sink, err = newSink(plain{w}, f, schema); err != nil {
		return nil, err
	}
	out.builder = array.NewRecordBuilder(memory.DefaultAllocator, schema)
	return out, nil
}

// plain hides that what is written to can be closed, which is its owner's business.
type plain struct{ io.Writer }

func newSink(w io.Writer, f Format, s *arrow.Schema) (sink, error) {
	switch f {
	case Parquet:
		props := parquet.NewWriterProperties(parquet.WithCompression(compress.Codecs.Zstd), parquet.WithDictionaryDefault(true),
			parquet.WithStats(true), parquet.WithVersion(parquet.V2_LATEST), parquet.WithCreatedBy("phyllo export"))
		p, err := pqarrow.NewFileWriter(s, w, props, pqarrow.NewArrowWriterProperties(pqarrow.WithStoreSchema()))
		if err != nil {
			return nil, err
		}
		return &parquetSink{file: p}, nil
	case Arrow:
		a, err := ipc.NewFileWriter(w, ipc.WithSchema(s), ipc.WithZstd())
		if err != nil {
			return nil, err
		}
		return arrowSink{a.Write, a.Close}, nil
	}
	a := ipc.NewWriter(w, ipc.WithSchema(s), ipc.WithZstd())
	return arrowSink{a.Write, a.Close}, nil
}

type parquetSink struct {
	file *pqarrow.FileWriter
	open bool
}

func (s *parquetSink) write(b arrow.RecordBatch) error {
	if !s.open {
		s.file.NewBufferedRowGroup()
		s.open = true
	}
	return s.file.WriteBuffered(b)
}

func (s *parquetSink) endGroup() error { s.open = false; return nil }
func (s *parquetSink) close() error    { return s.file.Close() }

type arrowSink struct {
	put func(arrow.RecordBatch) error
	end func() error
}

func (s arrowSink) write(b arrow.RecordBatch) error { return s.put(b) }
func (s arrowSink) endGroup() error                 { return nil }
func (s arrowSink) close() error                    { return s.end() }

// Rows is how many rows were appended.
func (w *Writer) Rows() int64 { return w.rows }

// Append appends a row of values in the types' binary form, nil for NULL.
func (w *Writer) Append(values [][]byte) error {
	if len(values) != len(w.columns) {
		return fmt.Errorf("a row of %d values for %d columns", len(values), len(w.columns))
	}
	for i, b := range values {
		if b == nil {
			w.builder.Field(i).AppendNull()
			continue
		}
		v, err := datum.ParseBinary(w.columns[i].Type, b, nil)
		if err == nil {
			err = appendValue(w.builder.Field(i), w.columns[i].Type, v)
		}
		if err != nil {
			return fmt.Errorf("row %d, column %q: %w", w.rows+1, w.columns[i].Name, err)
		}
		w.bytes += int64(len(b))
	}
	w.rows++
	w.row++
	if w.row >= writeRows || w.bytes >= writeBytes {
		return w.flush()
	}
	return nil
}

func (w *Writer) flush() error {
	if w.row == 0 {
		return nil
	}
	b := w.builder.NewRecordBatch()
	defer b.Release()
	w.inGroup += w.bytes
	w.row, w.bytes = 0, 0
	if err := guard(func() error { return w.sink.write(b) }); err != nil {
		return err
	}
	if w.inGroup < w.groupBytes {
		return nil
	}
	w.inGroup = 0
	return w.sink.endGroup()
}

// Close writes what is left and the file's end.
func (w *Writer) Close() error {
	err := w.flush()
	w.builder.Release()
	return errors.Join(err, guard(w.sink.close))
}

// appendValue appends a value of type t to a builder of the type that FieldOf says.
func appendValue(b array.Builder, t datum.Type, v datum.Value) error {
	switch b := b.(type) {
	case *array.ListBuilder:
		a, ok := v.(datum.Array)
		if !ok {
			return fmt.Errorf("%T is no array", v)
		}
		if a.Dims != nil && t.OID != datum.Int2Vector && t.OID != datum.OIDVector {
			return pgerr.Unsupported("lists of a file have one dimension counted from 1: an array with others cannot be written").
				WithHint("Cast it to text.")
		}
		b.Append(true)
		for _, e := range a.Values {
			if e == nil {
				b.ValueBuilder().AppendNull()
			} else if err := appendValue(b.ValueBuilder(), a.Elem, e); err != nil {
				return err
			}
		}
		return nil
	case *array.StringBuilder:
		if s, ok := v.(string); ok {
			b.Append(s)
		} else {
			b.Append(string(datum.AppendText(nil, t, v, nil)))
		}
		return nil
	case *extensions.UUIDBuilder:
		b.Append([16]byte(v.(datum.UUIDValue)))
		return nil
	case *array.Decimal128Builder:
		d, err := atScale(v.(datum.Decimal), b.Type().(arrow.DecimalType))
		if err != nil {
			return err
		}
		n := decimal128.FromBigInt(d.Coeff.MathBigInt())
		if d.Neg {
			n = n.Negate()
		}
		b.Append(n)
		return nil
	case *array.Decimal256Builder:
		d, err := atScale(v.(datum.Decimal), b.Type().(arrow.DecimalType))
		if err != nil {
			return err
		}
		n := decimal256.FromBigInt(d.Coeff.MathBigInt())
		if d.Neg {
			n = n.Negate()
		}
		b.Append(n)
		return nil
	}
	datum.Append(b, t, v)
	return nil
}

// atScale returns a number with exactly the digits after the point of a type.
func atScale(d datum.Decimal, t arrow.DecimalType) (datum.Decimal, error) {
	if d.Kind != datum.Finite {
		return d, pgerr.New(pgerr.NumericOutOfRange, "%s cannot be written as %s", d.String(), t).
			WithHint("Cast the column to double precision, text, or numeric without precision, in --query.")
	}
	out := d.Round(t.GetScale())
	if out.Cmp(&d) != 0 {
		return d, pgerr.New(pgerr.NumericOutOfRange, "%s cannot be written as %s", d.String(), t)
	}
	return out, nil
}
