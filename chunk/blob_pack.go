package chunk

import (
	"encoding/binary"

	"github.com/phyllodb/phyllo/codec"
)

// Small blobs are mostly what encodings leave alone: bounds of vectors, counts of runs, the
// entries of dictionaries. They are compressed as a whole, which costs a few microseconds
// where a chunk is opened.

const (
	// packed is set in the byte of the form of a blob whose index, mask and values are in
	// a zstd frame.
	packed = 0x80
	// maxPacked bounds what is compressed, and what it is made of again.
	maxPacked = 8 << 10
)

// pack compresses what follows the header of a blob, if it is little and that makes a
// sixteenth less of it: 0.08 bytes by a nanosecond, as encodings have to.
func pack(blob []byte) []byte {
	body := blob[blobHeaderSize:]
	if len(body) > maxPacked {
		return blob
	}
	small := codec.Pack(binary.AppendUvarint(make([]byte, 0, len(body)), uint64(len(body))), body)
	if len(small) > len(body)*15/16 {
		return blob
	}
	blob[2], blob[3] = max(blob[2], 3), blob[3]|packed
	return append(blob[:blobHeaderSize], small...)
}

// unpacked returns the form of a blob, and what follows its header up to the checksum.
func unpacked(blob []byte) (form, []byte, error) {
	body := blob[blobHeaderSize : len(blob)-blobCRCSize]
	if blob[2] < 3 || blob[3]&packed == 0 {
		return form(blob[3]), body, nil
	}
	r := reader{b: body}
	size := r.count(maxPacked)
	if r.bad {
		return 0, nil, corrupt("a packed blob of more than %d bytes", maxPacked)
	}
	out, err := codec.Unpack(r.b, size)
	return form(blob[3] &^ packed), out, err
}
