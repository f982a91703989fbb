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
const BlobVersion = 5

// shapedVersion is the version of blobs of formShaped.
const shapedVersion = 5

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
	e := ColumnEntry{ID: c.ID, Type: c.Type, Nulls: v.nulls, Quick: effort == codec.Quick}
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
	// Documents are not pruned by their order, in which comparing two takes microseconds.
	if total.unknown && total.any && (o == orderValues || o == orderNumeric) && c.Type.OID != datum.JSONB {
		boxedBounds(c.Type, a, &total)
	}
	total.values(o, v, c.Type, &e)
	v.sum(&e)
	e.Distinct = v.distinct()

	var idx []byte
	version := byte(1)
	if len(index) > 1 && !total.unknown { // one vector's bounds are the entry's
		idx, version = appendIndex(nil, o, v.form, index)
	}
	encoded := v.appendTo(nil, effort)
	blob := v.blob(c.Type, idx, encoded)
	col := justWritten(blob, c.Type)
	if len(idx) > 0 && needless(col, len(idx), len(encoded)) {
		version = 1
		blob = v.blob(c.Type, nil, encoded)
	}
	e.Codec = col.codec()
	blob[2] = max(version, col.version())
	if effort == codec.Thorough {
		blob = pack(blob)
	}
	blob = sealed(blob)
	e.Size = int64(len(blob))
	return blob, e, nil
}

// blob returns the blob of values, as encoded, without its checksum and of version 1.
func (v *values) blob(t datum.Type, index, encoded []byte) []byte {
	blob := make([]byte, 0, blobHeaderSize+len(index)+len(encoded)+16)
	blob = append(blob, blobMagic...)
	blob = append(blob, 1, byte(v.form))
	blob = binary.LittleEndian.AppendUint32(blob, uint32(t.OID))
	blob = binary.LittleEndian.AppendUint32(blob, uint32(t.Mod))
	blob = binary.LittleEndian.AppendUint32(blob, uint32(v.rows))
	blob = binary.LittleEndian.AppendUint32(blob, uint32(v.nulls))
	blob = binary.AppendUvarint(blob, uint64(len(index)))
	return append(append(blob, index...), encoded...)
}

// justWritten opens a blob that has no checksum yet.
func justWritten(blob []byte, t datum.Type) *blobColumn {
	col, err := openBlob(sealed(blob), t)
	if err != nil {
		panic("chunk: bug: a blob just written is refused: " + err.Error())
	}
	return col
}

const (
	// longRun is the rows of a run from which on filters are as fast by the runs of a
	// vector as by its bounds.
	longRun = 8
	// indexShare is the share of the values' bytes up to which an index is little.
	indexShare = 1. / 16
)

// needless says whether an index is not worth its bytes: values come in long runs, and not
// in order.
func needless(c *blobColumn, index, encoded int) bool {
	n, ok := c.describe()
	if ok && n.Scheme == codec.Dictionary {
		n = n.Child[1]
	}
	if !ok || n.Scheme != codec.RLE || n.Child[0].Values*longRun > c.rows || float64(index) < indexShare*float64(encoded) {
		return false
	}
	for i := 1; i < len(c.index); i++ {
		if x, y := &c.index[i-1], &c.index[i]; x.any && y.any && !rises(c.order, x, y) {
			return true
		}
	}
	return false
}

// sealed appends the checksum of a blob.
func sealed(blob []byte) []byte {
	return binary.LittleEndian.AppendUint32(blob, crc32.Checksum(blob, castagnoli))
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
