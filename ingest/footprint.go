package ingest

import (
	"encoding/binary"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// arrayOverhead is about what an array takes beside its buffers, bytes.
const arrayOverhead = 400

// slackBytes is what the buffers of a column may hold beyond its values before
// the column is copied: builders start with room for some rows.
const slackBytes = 1 << 10

// A footprint is the memory of a batch or an array in bytes.
type footprint struct {
	used int64 // by the values of its rows
	held int64 // by the buffers that it keeps alive
}

// tight says whether little else is held than is used.
func (f footprint) tight(columns int) bool {
	return f.held <= f.used+f.used/4+slackBytes*int64(columns)
}

// bytes is the memory that keeping the batch takes.
func (f footprint) bytes(b arrow.RecordBatch) int64 { return f.held + arrayOverhead*b.NumCols() }

func batchFootprint(b arrow.RecordBatch) footprint {
	var f footprint
	for _, a := range b.Columns() {
		d := a.Data().(*array.Data)
		f.add(d, d.Offset(), d.Len())
	}
	return f
}

// add counts rows from..from+n-1 of an array's data, its offset not added.
func (f *footprint) add(d *array.Data, from, n int) {
	buffers := d.Buffers()
	for _, b := range buffers {
		if b != nil {
			f.held += heldBytes(b)
		}
	}
	if len(buffers) > 0 && buffers[0] != nil {
		f.used += int64(bitmapBytes(n))
	}
	switch dt := d.DataType(); dt.ID() {
	case arrow.BOOL:
		f.used += int64(bitmapBytes(n))
	case arrow.INT64, arrow.FLOAT64, arrow.TIMESTAMP, arrow.TIME64:
		f.used += 8 * int64(n)
	case arrow.STRING, arrow.BINARY:
		lo, hi := offsetRange(buffers[1], from, n)
		f.used += int64(hi-lo) + 4*int64(n+1)
	case arrow.STRUCT:
		for _, c := range d.Children() {
			child := c.(*array.Data)
			f.add(child, child.Offset()+from, n)
		}
	case arrow.LIST:
		lo, hi := offsetRange(buffers[1], from, n)
		f.used += 4 * int64(n+1)
		child := d.Children()[0].(*array.Data)
		f.add(child, child.Offset()+int(lo), int(hi-lo))
	default:
		if w, ok := dt.(arrow.FixedWidthDataType); ok {
			f.used += int64(n) * int64(w.BitWidth()/8)
		}
	}
}

// offsetRange returns where the values of rows from..from+n-1 start and end.
func offsetRange(b *memory.Buffer, from, n int) (lo, hi int32) {
	if n == 0 {
		return 0, 0
	}
	p := b.Bytes()
	return int32(binary.LittleEndian.Uint32(p[4*from:])), int32(binary.LittleEndian.Uint32(p[4*(from+n):]))
}

// heldBytes returns the size of the memory that a buffer lies in.
func heldBytes(b *memory.Buffer) int64 {
	for p := b.Parent(); p != nil; p = b.Parent() {
		b = p
	}
	return int64(cap(b.Buf()))
}
