package chunk

import (
	"encoding/binary"
	"hash/crc32"
	"math/bits"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/cespare/xxhash/v2"

	"github.com/phyllodb/phyllo/codec"
	"github.com/phyllodb/phyllo/internal/datum"
)

// BlobVersion is the greatest version of blobs that this package writes and reads. A
// blob has the least version whose encodings it makes do with.
const BlobVersion = 2

const (
	blobMagic      = "Ph"
	blobHeaderSize = 20
	blobCRCSize    = 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// encodeColumn makes the blob of a column and its part of the manifest entry.
func encodeColumn(c *Column, a arrow.Array, effort codec.Effort) ([]byte, ColumnEntry, error) {
	v, err := extract(c.Type, a)
	if err != nil {
		return nil, ColumnEntry{}, err
	}
	e := ColumnEntry{ID: c.ID, Type: c.Type, Nulls: v.nulls}
	o := orderOf(c.Type)
	index := make([]bounds, codec.Vectors(v.rows))
	var total bounds
	for i := range index {
		from := i * VectorRows
		index[i] = boundsOf(o, v, from, min(from+VectorRows, v.rows))
		if index[i].unknown {
			total.unknown = true
			total.any = total.any || index[i].any
			continue
		}
		total.merge(o, index[i])
		index[i].cut(isText(c.Type))
	}
	total.cut(isText(c.Type))
	if total.unknown && total.any && (o == orderValues || o == orderNumeric) {
		boxedBounds(c.Type, a, &total)
	}
	total.values(o, v, c.Type, &e)
	v.sum(&e)
	e.Distinct = v.distinct()

	blob := make([]byte, 0, 256)
	blob = append(blob, blobMagic...)
	blob = append(blob, 1, byte(v.form))
	blob = binary.LittleEndian.AppendUint32(blob, uint32(c.Type.OID))
	blob = binary.LittleEndian.AppendUint32(blob, uint32(c.Type.Mod))
	blob = binary.LittleEndian.AppendUint32(blob, uint32(v.rows))
	blob = binary.LittleEndian.AppendUint32(blob, uint32(v.nulls))
	var idx []byte
	version := byte(1)
	if len(index) > 1 && !total.unknown { // one vector's bounds are the entry's
		idx, version = appendIndex(nil, o, v.form, index)
	}
	blob = binary.AppendUvarint(blob, uint64(len(idx)))
	blob = append(blob, idx...)
	blob = v.appendTo(blob, effort)
	blob = binary.LittleEndian.AppendUint32(blob, crc32.Checksum(blob, castagnoli))
	e.Size = int64(len(blob))
	col, err := openBlob(blob, c.Type)
	if err != nil {
		panic("chunk: bug: a blob just written is refused: " + err.Error())
	}
	e.Codec = col.codec()
	if version = max(version, col.version()); version > 1 {
		blob[2] = version
		body := blob[:len(blob)-blobCRCSize]
		binary.LittleEndian.PutUint32(blob[len(body):], crc32.Checksum(body, castagnoli))
	}
	return blob, e, nil
}

// boxedBounds finds the extremes of types whose order is not that of their form.
func boxedBounds(t datum.Type, a arrow.Array, b *bounds) {
	lo, hi := -1, -1
	for i := range a.Len() {
		if a.IsNull(i) {
			continue
		}
		if lo < 0 {
			lo, hi = i, i
			continue
		}
		if datum.CompareAt(t, a, i, a, lo) < 0 {
			lo = i
		} else if datum.CompareAt(t, a, i, a, hi) > 0 {
			hi = i
		}
	}
	b.minV, b.maxV = datum.ValueAt(t, a, lo), datum.ValueAt(t, a, hi)
	// A document or a number of thousands of digits does not belong in a manifest.
	if len(datum.AppendValue(nil, t, b.minV))+len(datum.AppendValue(nil, t, b.maxV)) > 128 {
		b.minV, b.maxV = nil, nil
	}
}

// sum fills in the sum of an entry.
func (v *values) sum(e *ColumnEntry) {
	var sel codec.Bits
	for from := 0; from < v.rows; from += VectorRows {
		n := min(VectorRows, v.rows-from)
		all := v.null == nil
		sel.Fill(n)
		if !all {
			for i := range n {
				if v.isNull(from + i) {
					sel[i>>6] &^= 1 << (i & 63)
				}
			}
		}
		switch v.form {
		case formInts:
			hi, lo := sumInts(v.ints[from:from+n], &sel, all)
			e.SumHi, e.SumLo = add128(e.SumHi, e.SumLo, hi, lo)
		case formFloat32:
			e.SumFloat += codec.SumFloats(v.f32[from:from+n], &sel)
		case formFloat64:
			e.SumFloat += codec.SumFloats(v.f64[from:from+n], &sel)
		}
	}
}

// distinct estimates the number of distinct values with a HyperLogLog of 1,024
// registers (about 3 % off), exactly where runs are few.
func (v *values) distinct() int {
	const registers = 1024
	var reg [registers]uint8
	add := func(h uint64) {
		r := &reg[h%registers]
		*r = max(*r, uint8(bits.LeadingZeros64(h|registers-1))+1)
	}
	mix := func(x uint64) uint64 {
		x ^= x >> 33
		x *= 0xff51afd7ed558ccd
		x ^= x >> 33
		x *= 0xc4ceb9fe1a85ec53
		return x ^ x>>33
	}
	if v.nulls == v.rows {
		return 0
	}
	for i := range v.rows {
		if v.isNull(i) {
			continue
		}
		switch v.form {
		case formInts, formScaled:
			add(mix(uint64(v.ints[i])))
		case formFloat32:
			add(mix(uint64(float64bits(float64(v.f32[i])))))
		case formFloat64:
			add(mix(float64bits(v.f64[i])))
		case formBits:
			add(mix(v.bits[i>>6] >> (i & 63) & 1))
		case formBytes, formWide:
			if !v.repeats(i) {
				add(xxhash.Sum64(v.strs.At(i)))
			}
		default:
			return 0
		}
	}
	return estimate(reg[:], v.rows-v.nulls)
}
