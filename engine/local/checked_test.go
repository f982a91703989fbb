package local_test

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"strings"
	"testing"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine/local"
	"github.com/phyllodb/phyllo/engine/storetest"
)

// TestColumnChecked reads a blob with a checksum that holds and one with another,
// from the disk, from the cache, and without a cache.
func TestColumnChecked(t *testing.T) {
	good := []byte("a column's blob")
	good = binary.LittleEndian.AppendUint32(good, crc32.Checksum(good, crc32.MakeTable(crc32.Castagnoli)))
	bad := append([]byte(nil), good...)
	bad[3] ^= 1
	for _, cacheBytes := range []int64{0, -1} {
		disk := newDisk()
		opts := local.Options{Dir: "/srv/data", FS: disk, CacheBytes: cacheBytes}
		s := mustOpen(t, opts)
		c := storetest.Sealed(storetest.ChunkID(1), string(good), string(bad), "")
		if err := s.PutChunks(ctx, parted, []*chunk.Sealed{c}); err != nil {
			t.Fatal(err)
		}
		for round := range 3 {
			for i, want := range []bool{true, false, false} {
				b, checked, err := s.Column(ctx, parted, &c.Entry, i)
				if err != nil || string(b) != string(c.Blobs[i]) || checked != want {
					t.Fatalf("cache of %d, round %d, column %d: %q, checked %v, %v; want %q, %v", cacheBytes, round, i, b, checked, err, c.Blobs[i], want)
				}
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		// What came to harm on the disk is found there, however often it was read before.
		for _, f := range files(t, disk, opts.Dir) {
			if strings.HasSuffix(f, ".segment") {
				if err := disk.Corrupt(f, func(b []byte) []byte {
					b[strings.Index(string(b), string(good))+5] ^= 1
					return b
				}); err != nil {
					t.Fatal(err)
				}
			}
		}
		s = mustOpen(t, opts)
		for range 2 {
			if _, checked, err := s.Column(ctx, parted, &c.Entry, 0); checked || !errors.Is(err, chunk.ErrCorrupt) {
				t.Fatalf("cache of %d, a flipped bit: checked %v, %v", cacheBytes, checked, err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
