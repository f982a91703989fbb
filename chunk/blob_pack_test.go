package chunk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"
)

// TestPackedBlobs: what is little and repeats is compressed, and comes back; sizes that do
// not hold are corrupt, and nothing is made of them.
func TestPackedBlobs(t *testing.T) {
	header := func() []byte { return append([]byte{'P', 'h', 2, byte(formBytes)}, make([]byte, blobHeaderSize-4)...) }
	body := bytes.Repeat([]byte("host_1host_2"), 30)
	blob := sealed(pack(append(header(), body...)))
	if blob[2] != 3 || len(blob) > 80 {
		t.Errorf("version %d, %d bytes", blob[2], len(blob))
	}
	f, got, err := unpacked(blob)
	if err != nil || f != formBytes || !bytes.Equal(got, body) {
		t.Errorf("%v, %q, %v", f, got, err)
	}
	for _, large := range [][]byte{bytes.Repeat(body, 100), []byte("abcdefghijklmnopqrstuvwxyz")} {
		blob := sealed(pack(append(header(), large...)))
		if _, got, err := unpacked(blob); blob[2] != 2 || err != nil || !bytes.Equal(got, large) {
			t.Errorf("%d bytes that are not to be compressed: version %d, %v", len(large), blob[2], err)
		}
	}
	for _, size := range []uint64{0, uint64(len(body)) - 1, maxPacked, maxPacked + 1, 1 << 40} {
		_, n := binary.Uvarint(blob[blobHeaderSize:])
		bad := append(bytes.Clone(blob[:blobHeaderSize]), binary.AppendUvarint(nil, size)...)
		bad = sealed(append(bad, blob[blobHeaderSize+n:len(blob)-blobCRCSize]...))
		if _, _, err := unpacked(bad); !errors.Is(err, ErrCorrupt) {
			t.Errorf("a size of %d: %v", size, err)
		}
	}
}
