package main

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/cespare/xxhash/v2"
	"github.com/phyllodb/phyllo/internal/datum"
)

// contentSum is what tables are compared by: the number of rows and the sum,
// modulo 2^64 each, of two hashes of every row. A sum does not depend on the
// order of rows, and unlike an exclusive or it counts rows that are there twice.
// bytes is how much was hashed.
type contentSum struct {
	rows, bytes int64
	a, b        uint64
}

func (s *contentSum) add(o contentSum) {
	s.rows += o.rows
	s.bytes += o.bytes
	s.a += o.a
	s.b += o.b
}

// hash is the checksum as people and the table of progress see it.
func (s contentSum) hash() string { return fmt.Sprintf("%016x%016x", s.a, s.b) }

func parseHash(text string) (a, b uint64, err error) {
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != 16 {
		return 0, 0, fmt.Errorf("%q is no checksum", text)
	}
	return binary.BigEndian.Uint64(raw), binary.BigEndian.Uint64(raw[8:]), nil
}

// A summer sums batches of one table. It is used by one goroutine.
type summer struct {
	types  []datum.Type
	digest *xxhash.Digest
	buf    []byte
}

func newSummer(types []datum.Type) *summer {
	return &summer{types: types, digest: xxhash.New()}
}

// The seeds of the two hashes of a row.
const seedA, seedB = 1, 2

// batch sums the rows of a batch.
func (s *summer) batch(b arrow.RecordBatch) contentSum {
	var out contentSum
	for row := range int(b.NumRows()) {
		s.buf = s.row(s.buf[:0], b, row)
		out.rows++
		out.bytes += int64(len(s.buf))
		s.digest.ResetWithSeed(seedA)
		s.digest.Write(s.buf)
		out.a += s.digest.Sum64()
		s.digest.ResetWithSeed(seedB)
		s.digest.Write(s.buf)
		out.b += s.digest.Sum64()
	}
	return out
}

// row appends a row as PostgreSQL sends it in binary: each value with its length
// before it, -1 for NULL. That tells apart what SQL calls equal, such as 1.0 and
// 1.00, or 0.0 and -0.0.
func (s *summer) row(dst []byte, b arrow.RecordBatch, row int) []byte {
	for i, t := range s.types {
		a := b.Column(i)
		if a.IsNull(row) {
			dst = binary.BigEndian.AppendUint32(dst, math.MaxUint32)
			continue
		}
		at := len(dst)
		dst = datum.AppendBinaryAt(append(dst, 0, 0, 0, 0), t, a, row, nil)
		binary.BigEndian.PutUint32(dst[at:], uint32(len(dst)-at-4))
	}
	return dst
}
