package ingest

import (
	"encoding/binary"
	"sync"

	"github.com/klauspost/compress/zstd"
)

const (
	// compressAbove is the size of values in bytes above which compression is tried.
	compressAbove = 16 << 10
	// maxCompressed bounds what one part decompresses to.
	maxCompressed = 1 << 30
	// maxRatio is how much larger the values may be than what holds them: a
	// frame that is smaller is filled up. So an entry pays for the memory that it
	// takes to read it, at little more than a hundredth of that.
	maxRatio = 64
)

// zstdEncoder is used by many: EncodeAll waits for its one state.
var zstdEncoder = sync.OnceValue(func() *zstd.Encoder {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderCRC(false))
	if err != nil {
		panic("ingest: bug: " + err.Error())
	}
	return e
})

var zstdDecoder = sync.OnceValue(func() *zstd.Decoder {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(maxCompressed), zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		panic("ingest: bug: " + err.Error())
	}
	return d
})

// compressTail replaces dst[at:] by its size and a compressed form of it, if it
// is large and that saves an eighth at least.
func compressTail(dst []byte, at int) ([]byte, bool) {
	raw := len(dst) - at
	if raw <= compressAbove || raw > maxCompressed {
		return dst, false
	}
	end := len(dst)
	dst = zstdEncoder().EncodeAll(dst[at:], dst)
	frame := dst[end:]
	fill := max(0, (raw+maxRatio-1)/maxRatio-len(frame))
	if len(frame)+fill > raw-raw/8 {
		return dst[:end], false
	}
	var head [2 * binary.MaxVarintLen64]byte
	h := binary.AppendUvarint(head[:0], uint64(raw))
	h = binary.AppendUvarint(h, uint64(len(frame)))
	n := copy(dst[at:], h)
	n += copy(dst[at+n:end], frame) // there is room: the frame is much smaller
	dst = dst[:at+n]
	return append(dst, make([]byte, fill)...), true
}

// decompress reads what compressTail wrote and returns the values.
func (d *decoder) decompress() ([]byte, error) {
	raw := d.count(maxCompressed)
	frame := d.cursor.part()
	fill := d.take(max(0, (raw+maxRatio-1)/maxRatio-len(frame)))
	if d.bad {
		return nil, corrupt("compressed values are cut off")
	}
	for _, b := range fill {
		if b != 0 {
			return nil, corrupt("bytes after the compressed values")
		}
	}
	var h zstd.Header
	if err := h.Decode(frame); err != nil || !h.HasFCS || h.FrameContentSize != uint64(raw) {
		return nil, corrupt("compressed values do not say that they are %d bytes", raw)
	}
	out, err := zstdDecoder().DecodeAll(frame, make([]byte, 0, raw))
	if err != nil || len(out) != raw {
		return nil, corrupt("compressed values: %d of %d bytes: %v", len(out), raw, err)
	}
	return out, nil
}
