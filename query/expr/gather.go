package expr

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// gather returns the elements of a at idx; a negative index gives NULL.
func gather(mem memory.Allocator, a arrow.Array, idx []int32) (arrow.Array, error) {
	switch a := a.(type) {
	case *array.Null:
		return array.NewNull(len(idx)), nil
	case *array.Boolean:
		return gatherBool(mem, a, idx), nil
	case *array.String, *array.Binary:
		return gatherBinary(mem, a.(array.BinaryLike), idx)
	case *array.List:
		return gatherList(mem, a, idx)
	case *array.Struct:
		return gatherStruct(mem, a, idx)
	}
	w := a.DataType().(arrow.FixedWidthDataType).BitWidth() / 8
	buf := memory.NewResizableBuffer(mem)
	buf.Resize(len(idx) * w)
	d := a.Data()
	if src := d.Buffers()[1]; src != nil {
		from, dst := src.Bytes()[d.Offset()*w:], buf.Bytes()
		switch w {
		case 2:
			gatherFixed(arrow.GetData[int16](from[:d.Len()*w]), arrow.GetData[int16](dst), idx)
		case 4:
			gatherFixed(arrow.GetData[int32](from[:d.Len()*w]), arrow.GetData[int32](dst), idx)
		case 8:
			gatherFixed(arrow.GetData[int64](from[:d.Len()*w]), arrow.GetData[int64](dst), idx)
		case 12, 16:
			gatherWide(from, dst, idx, w)
		default:
			panic(fmt.Sprintf("expr: bug: values of %d bytes", w))
		}
	} else {
		clear(buf.Bytes())
	}
	return newArray(mem, a, idx, nil, buf), nil
}

func gatherFixed[T any](from, to []T, idx []int32) {
	for k, i := range idx {
		if i >= 0 {
			to[k] = from[i]
		} else {
			var zero T
			to[k] = zero
		}
	}
}

func gatherWide(from, to []byte, idx []int32, w int) {
	for k, i := range idx {
		dst := to[k*w : k*w+w]
		if i >= 0 {
			copy(dst, from[int(i)*w:])
		} else {
			clear(dst)
		}
	}
}

func gatherBool(mem memory.Allocator, a *array.Boolean, idx []int32) arrow.Array {
	buf := zeroBitmap(mem, len(idx))
	for k, i := range idx {
		if i >= 0 && a.Value(int(i)) {
			bitutil.SetBit(buf.Bytes(), k)
		}
	}
	return newArray(mem, a, idx, nil, buf)
}

func gatherBinary(mem memory.Allocator, a array.BinaryLike, idx []int32) (arrow.Array, error) {
	d := a.Data()
	var offsets []int32
	if d.Len() > 0 && d.Buffers()[1] != nil && d.Buffers()[1].Len() > 0 {
		offsets = arrow.GetOffsets[int32](d, 1)
	} else {
		offsets = make([]int32, d.Len()+1)
	}
	total := 0
	for _, i := range idx {
		if i >= 0 {
			total += int(offsets[i+1] - offsets[i])
		}
	}
	if total > 1<<31-1 {
		return nil, pgerr.New(pgerr.ProgramLimitExceeded, "values of one batch exceed %d bytes", 1<<31-1)
	}
	obuf, vbuf := memory.NewResizableBuffer(mem), memory.NewResizableBuffer(mem)
	obuf.Resize(4 * (len(idx) + 1))
	vbuf.Resize(total)
	out, at := arrow.GetData[int32](obuf.Bytes()), 0
	var data []byte
	if d.Buffers()[2] != nil {
		data = d.Buffers()[2].Bytes()
	}
	out[0] = 0
	for k, i := range idx {
		if i >= 0 {
			at += copy(vbuf.Bytes()[at:], data[offsets[i]:offsets[i+1]])
		}
		out[k+1] = int32(at)
	}
	return newArray(mem, a, idx, nil, obuf, vbuf), nil
}

func gatherList(mem memory.Allocator, a *array.List, idx []int32) (arrow.Array, error) {
	offsets := memory.NewResizableBuffer(mem)
	offsets.Resize(4 * (len(idx) + 1))
	out := arrow.GetData[int32](offsets.Bytes())
	out[0] = 0
	var child []int32
	for k, i := range idx {
		if i >= 0 && a.IsValid(int(i)) {
			from, to := a.ValueOffsets(int(i))
			for j := from; j < to; j++ {
				child = append(child, int32(j))
			}
		}
		out[k+1] = int32(len(child))
	}
	values, err := gather(mem, a.ListValues(), child)
	if err != nil {
		offsets.Release()
		return nil, err
	}
	defer values.Release()
	return newArray(mem, a, idx, []arrow.Array{values}, offsets), nil
}

func gatherStruct(mem memory.Allocator, a *array.Struct, idx []int32) (arrow.Array, error) {
	fields := make([]arrow.Array, a.NumField())
	defer func() { releaseArrays(fields) }()
	for f := range fields {
		var err error
		if fields[f], err = gather(mem, a.Field(f), idx); err != nil {
			return nil, err
		}
	}
	return newArray(mem, a, idx, fields), nil
}

// newArray makes the array of like's elements at idx: values, which it takes
// over, and children hold what is not NULL.
func newArray(mem memory.Allocator, like arrow.Array, idx []int32, children []arrow.Array, values ...*memory.Buffer) arrow.Array {
	valid, nulls := gatherValidity(mem, like, idx)
	return makeArray(like.DataType(), len(idx), nulls, valid, children, values...)
}

// makeArray takes over the buffers; valid may be nil.
func makeArray(dt arrow.DataType, n, nulls int, valid *memory.Buffer, children []arrow.Array, values ...*memory.Buffer) arrow.Array {
	bufs := append([]*memory.Buffer{valid}, values...)
	var data []arrow.ArrayData
	for _, c := range children {
		data = append(data, c.Data())
	}
	d := array.NewData(dt, n, bufs, data, nulls, 0)
	defer d.Release()
	for _, b := range bufs {
		if b != nil {
			b.Release()
		}
	}
	return array.MakeFromData(d)
}

// gatherValidity returns the bitmap of the gathered elements, nil if none is NULL.
func gatherValidity(mem memory.Allocator, a arrow.Array, idx []int32) (*memory.Buffer, int) {
	nullable := a.NullN() > 0
	if !nullable {
		sign := int32(0)
		for _, i := range idx {
			sign |= i
		}
		if sign >= 0 {
			return nil, 0
		}
	}
	buf, nulls := zeroBitmap(mem, len(idx)), 0
	for k, i := range idx {
		if i >= 0 && (!nullable || a.IsValid(int(i))) {
			bitutil.SetBit(buf.Bytes(), k)
		} else {
			nulls++
		}
	}
	return buf, nulls
}

func zeroBitmap(mem memory.Allocator, n int) *memory.Buffer {
	b := memory.NewResizableBuffer(mem)
	b.Resize(int(bitutil.BytesForBits(int64(n))))
	clear(b.Bytes())
	return b
}

func releaseArrays(arrays []arrow.Array) {
	for _, a := range arrays {
		if a != nil {
			a.Release()
		}
	}
}
