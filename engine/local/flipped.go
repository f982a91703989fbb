package local

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math/bits"
)

// A bad frame at the end of a log may have been torn by a crash, or it was written whole and
// has been damaged since, which must not pass for a crash: its record was acknowledged. What
// tells them apart is that a frame which is good but for one bit was not torn, since a torn one
// lacks whole sectors.

// maxFlippedBytes is the largest frame in which it is looked for one bit that is wrong. The
// larger a frame is, the likelier a bit makes up for its checksum by chance: in one of 128 of
// this size that were torn and have no sector of zeros, which hardly a disk leaves.
const maxFlippedBytes = 4 << 20

const diskSectorBytes = 512

// flipped looks for the one bit whose change makes the frame at pos good. It returns its offset
// in the file, and the frame as it would be, but for the payload.
func (s *scanner) flipped(pos int64) (f frame, offset int64, bit int, found bool, err error) {
	b := make([]byte, min(s.end-pos, maxFlippedBytes))
	switch err := readFull(s.file, b, pos); {
	case errors.Is(err, errBadFrame) || len(b) < frameBytes:
		return f, 0, 0, false, nil // it is shorter than a frame
	case err != nil:
		return f, 0, 0, false, err
	}
	try := func(i, bit int) bool {
		b[i] ^= 1 << bit
		defer func() { b[i] ^= 1 << bit }()
		var crc uint32
		f, crc, err = parseFrameHeader(b, pos)
		return err == nil && f.size <= int64(len(b)) && crc32.Update(s.seed, castagnoli, b[8:f.size]) == crc
	}
	for i := range frameBytes {
		for bit := range 8 {
			if try(i, bit) {
				return f, pos + int64(i), bit, s.written(b[:f.size], pos, i), nil
			}
		}
	}
	f, crc, err := parseFrameHeader(b, pos)
	if err != nil || f.size > int64(len(b)) {
		return f, 0, 0, false, nil // the header is wrong in more than a bit
	}
	b = b[:f.size]
	i, bit := wrongBit(crc32.Update(s.seed, castagnoli, b[8:])^crc, len(b)-frameBytes)
	if i < 0 {
		return f, 0, 0, false, nil
	}
	return f, pos + int64(frameBytes+i), bit, s.written(b, pos, frameBytes+i), nil
}

// wrongBit returns the byte and the bit of the last n bytes whose change changes their CRC32C by
// diff, -1 if none does.
func wrongBit(diff uint32, n int) (i, bit int) {
	var change [8]uint32 // of the checksum, by a bit of the byte that k bytes follow
	for bit := range change {
		change[bit] = castagnoli[1<<bit]
	}
	for k := range n {
		for bit, c := range change {
			if c == diff {
				return n - 1 - k, bit
			}
			change[bit] = castagnoli[byte(c)] ^ c>>8
		}
	}
	return -1, 0
}

// written tells whether all sectors of a frame at pos seem to have been written: none of them is
// all zeros, but for those of which it has only a little, and not the one with byte i.
func (s *scanner) written(frame []byte, pos int64, i int) bool {
	for start := 0; start < len(frame); {
		end := min(len(frame), int((pos+int64(start))/diskSectorBytes+1)*diskSectorBytes-int(pos))
		zeros := true
		for j, x := range frame[start:end] {
			zeros = zeros && (x == 0 || start+j == i && bits.OnesCount8(x) == 1)
		}
		if zeros && (end-start >= 64 || start <= i && i < end) {
			return false
		}
		start = end
	}
	return true
}

// headerFlipped tells whether the header of a log file is wrong in one bit.
func headerFlipped(b []byte, number uint64) bool {
	want := appendLogHeader(nil, number)
	return bits.OnesCount64(binary.LittleEndian.Uint64(b)^binary.LittleEndian.Uint64(want))+
		bits.OnesCount64(binary.LittleEndian.Uint64(b[8:])^binary.LittleEndian.Uint64(want[8:])) == 1
}
