package chunk

import (
	"encoding/binary"
	"hash/crc32"
	"math/bits"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/cespare/xxhash/v2"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

// A bloom says of values that they are not in a column of a chunk, or may be. It is a
// split-block Bloom filter of 64-bit hashes with the blocks, the salts and the hash of
// Parquet's: blocks of eight words of 32 bits, in each of which a value sets one bit.
//
// It lies in a blob of its own, as a column whose ID is that of the column that it is of
// and bloomColumn: stores keep it as they keep columns, and who knows nothing of it
// passes it over.
type bloom struct {
	kind   bloomKind
	values int    // that were added, NULLs and repetitions not counted
	blocks []byte // of bloomBlock bytes, words little-endian
}

const (
	bloomColumn schema.ColumnID = 1 << 31

	bloomMagic      = "Pf"
	bloomVersion    = 1
	bloomHeaderSize = 8
	bloomBlock      = 32
	// bloomBits is how many bits a distinct value has: about one in a hundred values that
	// are not there is taken for one that may be.
	bloomBits = 10
	// maxBloomValues is of how many values whoever asks is answered: of more, some would be
	// taken to be there for no reason.
	maxBloomValues = 32
)

// bloomKind is what of a value is hashed, so that equal values have equal hashes. Numbers
// are part of the format.
type bloomKind uint8

const (
	bloomInts    bloomKind = 1 // eight bytes, little-endian
	bloomBytes   bloomKind = 2 // text, bytea, uuid as they are
	bloomPadded  bloomKind = 3 // without trailing blanks
	bloomNumeric bloomKind = 4 // as canonicalNumeric has it
)

// bloomKindOf returns 0 for types that have no filters: what is not looked up by equality, or
// has few values, or no one form for what is equal.
func bloomKindOf(t datum.Type) bloomKind {
	switch t.OID {
	case datum.Int2, datum.Int4, datum.Int8:
		return bloomInts
	case datum.Numeric:
		return bloomNumeric
	case datum.Bytea, datum.UUID:
		return bloomBytes
	}
	switch o := orderOf(t); {
	case o == orderPadded:
		return bloomPadded
	case o == orderBytes && isText(t):
		return bloomBytes
	}
	return 0
}

// BloomOf returns the column that an entry's column is a Bloom filter of; ok is false if it
// is none.
func BloomOf(id schema.ColumnID) (of schema.ColumnID, ok bool) {
	return id &^ bloomColumn, id&bloomColumn != 0
}

// BloomColumn returns the ID under which an entry lists the Bloom filter of a column.
func BloomColumn(of schema.ColumnID) schema.ColumnID { return of | bloomColumn }

var bloomSalts = [8]uint32{0x47b6137b, 0x44974d91, 0x8824ad5b, 0xa2b7289d, 0x705495c7, 0x2df1424b, 0x9efc4947, 0x5c6bfb31}

// bloomBlocks is how many blocks a filter of so many values has.
func bloomBlocks(values int) int { return max(1, (values*bloomBits+8*bloomBlock-1)/(8*bloomBlock)) }

// block returns the block of a hash, and what chooses the bits in it.
func (b *bloom) block(hash uint64) ([]byte, uint32) {
	at := int(hash >> 32 * uint64(len(b.blocks)/bloomBlock) >> 32)
	return b.blocks[at*bloomBlock:][:bloomBlock], uint32(hash)
}

func (b *bloom) add(hash uint64) {
	block, key := b.block(hash)
	for i, salt := range bloomSalts {
		word := block[4*i:]
		binary.LittleEndian.PutUint32(word, binary.LittleEndian.Uint32(word)|1<<(key*salt>>27))
	}
}

func (b *bloom) has(hash uint64) bool {
	block, key := b.block(hash)
	for i, salt := range bloomSalts {
		if binary.LittleEndian.Uint32(block[4*i:])>>(key*salt>>27)&1 == 0 {
			return false
		}
	}
	return true
}

// falsePositives estimates how many of values that are not there are taken for ones that
// may be.
func (b *bloom) falsePositives() float64 {
	sum := 0.0
	for at := 0; at < len(b.blocks); at += bloomBlock {
		p := 1.0
		for i := range bloomSalts {
			p *= float64(bits.OnesCount32(binary.LittleEndian.Uint32(b.blocks[at+4*i:]))) / 32
		}
		sum += p
	}
	return sum / float64(len(b.blocks)/bloomBlock)
}

// appendTo appends the blob.
func (b *bloom) appendTo(dst []byte) []byte {
	from := len(dst)
	dst = append(dst, bloomMagic...)
	dst = append(dst, bloomVersion, byte(b.kind))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(b.values))
	dst = append(dst, b.blocks...)
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[from:], castagnoli))
}

// openBloom opens a blob, which it keeps; checked says that its checksum holds.
func openBloom(src []byte, checked bool) (*bloom, error) {
	body := len(src) - blobCRCSize
	if body < bloomHeaderSize+bloomBlock || (body-bloomHeaderSize)%bloomBlock != 0 || string(src[:2]) != bloomMagic {
		return nil, corrupt("no Bloom filter: %d bytes", len(src))
	}
	if !checked && !ChecksumHolds(src) {
		return nil, corrupt("checksum of %d bytes of a Bloom filter is wrong", len(src))
	}
	if v := src[2]; v == 0 {
		return nil, corrupt("Bloom filter of version 0")
	} else if v > bloomVersion {
		return nil, NewerFormat("a Bloom filter has format version %d; this program reads version %d", v, bloomVersion)
	}
	b := &bloom{kind: bloomKind(src[3]), blocks: src[bloomHeaderSize:body]}
	values := binary.LittleEndian.Uint32(src[4:])
	if b.kind == 0 || b.kind > bloomNumeric || values == 0 || values > MaxRows {
		return nil, corrupt("Bloom filter of kind %d with %d values", b.kind, values)
	}
	b.values = int(values)
	return b, nil
}

// hashBytes hashes a value of bytes.
func (k bloomKind) hashBytes(b []byte) uint64 {
	if k == bloomPadded {
		b = trimmed(orderPadded, b)
	}
	return xxhash.Sum64(b)
}

func hashInt(x int64) uint64 {
	return xxhash.Sum64(binary.LittleEndian.AppendUint64(make([]byte, 0, 8), uint64(x)))
}

// hash hashes a value, not NULL, of the kind's types; ok is false for what is none.
func (k bloomKind) hash(v datum.Value) (h uint64, ok bool) {
	switch k {
	case bloomInts:
		x, ok := intOf(v)
		return hashInt(x), ok
	case bloomBytes, bloomPadded:
		b, ok := bytesOf(v)
		return k.hashBytes(b), ok
	case bloomNumeric:
		d, ok := v.(datum.Decimal)
		return xxhash.Sum64(canonicalNumeric(nil, d)), ok
	}
	return 0, false
}

// canonicalNumeric appends one text for all numerics that are equal: digits without zeros at
// the end, and the power of ten. No zero is negative.
func canonicalNumeric(dst []byte, d datum.Decimal) []byte {
	switch {
	case d.Kind == datum.NaN:
		return append(dst, "NaN"...)
	case d.Kind == datum.Infinite && d.Neg:
		return append(dst, "-Infinity"...)
	case d.Kind == datum.Infinite:
		return append(dst, "Infinity"...)
	case d.Coeff.Sign() == 0:
		return append(dst, '0')
	}
	if d.Neg {
		dst = append(dst, '-')
	}
	from := len(dst)
	dst = d.Coeff.Append(dst, 10)
	if dst[from] == '-' { // the sign is in Neg
		dst = append(dst[:from], dst[from+1:]...)
	}
	power := -int64(d.Scale)
	for dst[len(dst)-1] == '0' {
		dst = dst[:len(dst)-1]
		power++
	}
	return strconv.AppendInt(append(dst, 'e'), power, 10)
}

// canonicalScaled is canonicalNumeric of x * 10^-scale.
func canonicalScaled(dst []byte, x int64, scale int32) []byte {
	if x == 0 {
		return append(dst, '0')
	}
	power := -int64(scale)
	for x%10 == 0 {
		x /= 10
		power++
	}
	return strconv.AppendInt(append(strconv.AppendInt(dst, x, 10), 'e'), power, 10)
}

// buildBloom returns the filter of the values of an array, of which about so many differ.
func buildBloom(t datum.Type, a arrow.Array, distinct int) *bloom {
	b := &bloom{kind: bloomKindOf(t), values: distinct, blocks: make([]byte, bloomBlocks(distinct)*bloomBlock)}
	eachHash(t, a, b.add)
	return b
}

// eachHash calls f with the hashes of the values of an array, not NULL, of which neighbours
// that are equal may be left out.
func eachHash(t datum.Type, a arrow.Array, f func(hash uint64)) {
	kind := bloomKindOf(t)
	switch kind {
	case bloomInts:
		last, some := int64(0), false
		for i, x := range intsOf(a) {
			if !a.IsNull(i) && (!some || x != last) {
				f(hashInt(x))
				last, some = x, true
			}
		}
	case bloomBytes, bloomPadded:
		for i := range a.Len() {
			if !a.IsNull(i) {
				f(kind.hashBytes(bytesAt(a, i)))
			}
		}
	case bloomNumeric:
		var text []byte
		for i := range a.Len() {
			if a.IsNull(i) {
				continue
			}
			if x, scale, ok := datum.NumericInt(bytesAt(a, i)); ok { // as most are
				text = canonicalScaled(text[:0], x, scale)
			} else {
				text = canonicalNumeric(text[:0], datum.ValueAt(t, a, i).(datum.Decimal))
			}
			f(xxhash.Sum64(text))
		}
	}
}
