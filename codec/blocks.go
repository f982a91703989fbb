package codec

import (
	"encoding/binary"
	"sync"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// Long text is compressed in blocks of one or more whole vectors, about
// blockTarget bytes each; the lengths of the strings lie apart. A vector's
// bytes are found by adding up the lengths of the vectors before it in the block.

const blockTarget = 64 << 10

// maxBlock bounds what one block decompresses to.
const maxBlock = 1 << 30

// zstdSpare is how many bytes behind what it decodes the decoder wants to be faster.
const zstdSpare = 16

var zstdEncoder = sync.OnceValue(func() *zstd.Encoder {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithEncoderCRC(false))
	if err != nil {
		panic("codec: bug: " + err.Error())
	}
	return e
})

var zstdDecoder = sync.OnceValue(func() *zstd.Decoder {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(maxBlock), zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		panic("codec: bug: " + err.Error())
	}
	return d
})

// Pack appends src as a zstd frame.
func Pack(dst, src []byte) []byte { return compress(Zstd, dst, src) }

// Unpack returns the size bytes that Pack made src of, in memory of their own. Errors wrap
// ErrCorrupt.
func Unpack(src []byte, size int) ([]byte, error) { return decompress(Zstd, nil, src, size) }

func compress(scheme Scheme, dst, src []byte) []byte {
	if scheme == Zstd {
		return zstdEncoder().EncodeAll(src, dst)
	}
	at := len(dst)
	dst = append(dst, make([]byte, lz4.CompressBlockBound(len(src)))...)
	var c lz4.Compressor
	n, err := c.CompressBlock(src, dst[at:])
	if err != nil || n == 0 {
		panic("codec: bug: LZ4 into a block of sufficient size")
	}
	return dst[:at+n]
}

// decompress returns the size bytes that src holds. Memory for them is taken
// only if so many bytes can come from src.
func decompress(scheme Scheme, dst, src []byte, size int) ([]byte, error) {
	// LZ4 expands at most 255-fold, a zstd block of four bytes to 128 KiB.
	if size > maxBlock || scheme == LZ4 && size > 255*len(src)+64 || scheme == Zstd && size > len(src)<<15 {
		return nil, corrupt("%v: block of %d bytes from %d", scheme, size, len(src))
	}
	if scheme == Zstd {
		var h zstd.Header
		if err := h.Decode(src); err != nil || h.HasFCS && h.FrameContentSize != uint64(size) {
			return nil, corrupt("zstd: block header does not say %d bytes", size)
		}
		if cap(dst) < size {
			dst = make([]byte, 0, size+zstdSpare)
		}
		out, err := zstdDecoder().DecodeAll(src, dst[:0]) // no more than there is room for
		if err != nil || len(out) != size {
			return nil, corrupt("zstd: %d of %d bytes: %v", len(out), size, err)
		}
		return out, nil
	}
	if cap(dst) < size {
		dst = make([]byte, size)
	}
	n, err := lz4.UncompressBlock(src, dst[:size])
	if err != nil || n != size {
		return nil, corrupt("LZ4: %d of %d bytes: %v", n, size, err)
	}
	return dst[:size], nil
}

// blockSample returns what is compressed to know how well the strings are.
func blockSample(s *Strings) []byte {
	size := int(s.Offsets[s.Len()])
	if size <= 3*blockTarget/2 {
		return s.Data[:size]
	}
	// Two pieces of half a block from the inside.
	sample := append([]byte(nil), s.Data[size/4:size/4+blockTarget/2]...)
	return append(sample, s.Data[size/4*3:size/4*3+min(blockTarget/2, size/4)]...)
}

func appendBlocks(dst []byte, scheme Scheme, s *Strings, depth int) []byte {
	dst = append(dst, byte(scheme))
	dst = appendLengths(dst, s, depth)
	var dir, data []byte
	count, from := 0, 0
	vectors := Vectors(s.Len())
	for v := range vectors {
		end := int(s.Offsets[min((v+1)*VectorRows, s.Len())])
		if v+1 < vectors && end-int(s.Offsets[from*VectorRows]) < blockTarget {
			continue
		}
		raw := s.Data[s.Offsets[from*VectorRows]:end]
		at := len(data)
		if len(raw) > 0 {
			data = compress(scheme, data, raw)
		}
		dir = binary.AppendUvarint(dir, uint64(v+1-from))
		dir = binary.AppendUvarint(dir, uint64(len(raw)))
		dir = binary.AppendUvarint(dir, uint64(len(data)-at))
		count++
		from = v + 1
	}
	dst = binary.AppendUvarint(dst, uint64(count))
	return append(append(dst, dir...), data...)
}

type textBlock struct {
	first, vectors int
	size, packed   int // decompressed, and in data
	data           []byte
}

// textBlocks reads compressed blocks.
type textBlocks struct {
	scheme  Scheme
	n       int
	room    *Room
	lens    *Ints
	blocks  []textBlock
	ofV     []int32  // block of each vector
	current int      // block in raw, plus one
	raw     *Strings // its bytes; nil at first
	// starts has the offset of each vector of the current block, and its size.
	starts []int64
	size   int
}

func (room *Room) openBlocks(scheme Scheme, src []byte, n, depth int) (*textBlocks, error) {
	c := cursor{b: src}
	lens, err := c.lengths(room, n, depth)
	if err != nil {
		return nil, err
	}
	t := room.blocks.put(textBlocks{scheme: scheme, n: n, room: room, lens: lens, size: 1 + len(src)})
	count := c.count(Vectors(n))
	t.blocks = make([]textBlock, 0, count)
	t.ofV = room.places.take(Vectors(n))[:0]
	for i := range count {
		b := textBlock{first: len(t.ofV), vectors: c.count(Vectors(n) - len(t.ofV)), size: c.count(maxBlock), packed: c.count(len(src))}
		if c.bad || b.vectors == 0 {
			return nil, corrupt("%v: bad block %d", scheme, i)
		}
		for range b.vectors {
			t.ofV = append(t.ofV, int32(i))
		}
		t.blocks = append(t.blocks, b)
	}
	for i := range t.blocks {
		t.blocks[i].data = c.take(t.blocks[i].packed)
	}
	if !c.done() || len(t.ofV) != Vectors(n) || n == 0 {
		return nil, corrupt("%v: %d blocks for %d strings in %d bytes", scheme, count, n, len(src))
	}
	return t, nil
}

func (t *textBlocks) vector(v int, dst *Strings) error {
	k := int(t.ofV[v])
	b := &t.blocks[k]
	if t.current != k+1 {
		if err := t.open(k); err != nil {
			return err
		}
	}
	l, err := t.lens.Shared(v)
	if err != nil {
		return err
	}
	return dst.cut(l, t.raw.Data[t.starts[v-b.first]:t.starts[v-b.first+1]])
}

// open decompresses block k after its lengths have been added up.
func (t *textBlocks) open(k int) error {
	b := &t.blocks[k]
	t.current = 0
	if t.raw == nil {
		t.raw = t.room.texts.take()
		t.starts = t.room.numbers.take(Vectors(t.n) + 1)
	}
	t.starts = append(t.starts[:0], 0)
	at := int64(0)
	for v := b.first; v < b.first+b.vectors; v++ {
		l, err := t.lens.Shared(v)
		if err != nil {
			return err
		}
		for _, x := range l {
			if x < 0 || x > int64(b.size)-at {
				return corrupt("%v: length %d beyond a block of %d", t.scheme, x, b.size)
			}
			at += x
		}
		t.starts = append(t.starts, at)
	}
	if at != int64(b.size) {
		return corrupt("%v: lengths add up to %d of %d", t.scheme, at, b.size)
	}
	if b.size == 0 {
		if len(b.data) != 0 {
			return corrupt("%v: %d bytes for an empty block", t.scheme, len(b.data))
		}
		t.raw.Reset()
	} else {
		raw, err := decompress(t.scheme, t.raw.Data, b.data, b.size)
		if err != nil {
			return err
		}
		t.raw.Data = raw
	}
	t.current = k + 1
	return nil
}

func (t *textBlocks) describe() Node {
	l := t.lens.Describe()
	l.Role = "lengths"
	return Node{Scheme: t.scheme, Detail: detail("%d blocks", len(t.blocks)), Values: t.n, Size: t.size, Child: []Node{l}}
}
