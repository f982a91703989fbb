package sqlwire

import (
	"encoding/binary"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/query/function"
	"github.com/phyllodb/phyllo/query/plan"
)

// rowDescription describes fields in the given formats (nil: text).
func rowDescription(fields []plan.Field, formats []int16) *pgproto3.RowDescription {
	desc := &pgproto3.RowDescription{Fields: make([]pgproto3.FieldDescription, len(fields))}
	for i, f := range fields {
		size := int16(-1)
		if info, ok := datum.Lookup(f.Type.OID); ok {
			size = info.Len
		} else if f.Type.OID.Class() == datum.EnumClass && !f.Type.OID.IsUserArray() {
			size = 4
		}
		oid := f.Type.OID
		if f.Type.Domain.IsUserArray() {
			oid = f.Type.Domain // clients are told the type below a domain, but not below arrays of one
		}
		d := pgproto3.FieldDescription{
			Name: []byte(f.Name), TableOID: uint32(f.Table), TableAttributeNumber: uint16(f.Column),
			DataTypeOID: uint32(oid), DataTypeSize: size, TypeModifier: f.Type.Mod,
		}
		if formats != nil {
			d.Format = formats[i]
		}
		desc.Fields[i] = d
	}
	return desc
}

// dataRows writes the rows of a batch as DataRow messages, straight from the
// Arrow arrays.
type dataRows struct {
	columns []arrow.Array
	fields  []plan.Field
	how     []valueForm
	output  *function.Context
}

// A valueForm is how a column's values are written.
type valueForm uint8

const (
	textForm   valueForm = iota
	namedForm            // as text, with names from the catalogue
	binaryForm           // as PostgreSQL's send functions write it
)

func newDataRows(fields []plan.Field, batch arrow.RecordBatch, formats []int16, output *function.Context) *dataRows {
	r := &dataRows{columns: batch.Columns(), fields: fields, how: make([]valueForm, len(fields)), output: output}
	for i, f := range fields {
		switch {
		case formats != nil && formats[i] == pgproto3.BinaryFormat:
			r.how[i] = binaryForm
		case function.NamesObjects(f.Type):
			r.how[i] = namedForm
		}
	}
	return r
}

// append adds the message of one row.
func (r *dataRows) append(dst []byte, row int) []byte {
	dst = append(dst, 'D')
	length := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(r.columns)))
	for i, col := range r.columns {
		dst = r.appendField(dst, i, col, row)
	}
	binary.BigEndian.PutUint32(dst[length:], uint32(len(dst)-length))
	return dst
}

func (r *dataRows) appendField(dst []byte, i int, col arrow.Array, row int) []byte {
	if col.IsNull(row) {
		return append(dst, 0xff, 0xff, 0xff, 0xff)
	}
	length := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	switch r.how[i] {
	case binaryForm:
		dst = datum.AppendBinaryAt(dst, r.fields[i].Type, col, row, r.output.Env)
	case namedForm:
		dst = function.AppendText(dst, r.output, r.fields[i].Type, col, row)
	default:
		dst = datum.AppendTextAt(dst, r.fields[i].Type, col, row, r.output.Env)
	}
	binary.BigEndian.PutUint32(dst[length:], uint32(len(dst)-length-4))
	return dst
}
