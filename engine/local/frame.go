package local

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/phyllodb/phyllo/internal/vfs"
)

// Layout of log files; format.md draws it under "log files".
const (
	logMagic        = "PHYLLOG1"
	logHeaderBytes  = 16
	frameMagic      = "PhL1"
	frameBytes      = 48      // of a frame before its payload
	maxPayloadBytes = 1 << 30 // of one record
	maxKeyBytes     = 1 << 20 // of a log's key
)

// frameType is what a frame means to its log.
type frameType uint8

const (
	frameHead   frameType = iota + 1 // the state of the sequence when the file was begun
	frameReady                       // ends the head: all before it was there at once
	frameCreate                      // a log gets its number
	frameEntry                       // the next entry of a log
	frameCopy                        // an entry brought along from an older file
	frameTrim                        // entries below seq are gone
	frameDrop                        // a log is gone
	frameClose                       // the store was closed: shows that what is before it had been durable

	frameSettle frameType = 0 // no frame: a request for a file that can be written
)

// frame is one record of a log file.
type frame struct {
	typ    frameType
	kind   uint8  // of the log, for frameCreate
	log    uint64 // number of the log
	seq    uint64
	offset int64 // of the frame in its file
	// batch is the offset at which the batch of the frame starts. All before it
	// was durable when the frame was written: so a bad frame is the torn end of
	// the last batch, unless a good frame of a later batch follows.
	batch   int64
	payload []byte
	size    int64 // with payload
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// fileSeed starts the checksums of a file, so that no frame is taken for good
// that another file or another store left on the disk.
func fileSeed(storeID [16]byte, tag byte, number uint64) uint32 {
	b := append(storeID[:], tag)
	return crc32.Checksum(binary.LittleEndian.AppendUint64(b, number), castagnoli)
}

func appendLogHeader(dst []byte, number uint64) []byte {
	return binary.LittleEndian.AppendUint64(append(dst, logMagic...), number)
}

// appendFrame appends f, which is to lie at f.offset of a file with the seed.
func appendFrame(dst []byte, seed uint32, f frame) []byte {
	start := len(dst)
	dst = append(dst, frameMagic...)
	dst = append(dst, 0, 0, 0, 0)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(f.offset))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(f.batch))
	dst = append(dst, byte(f.typ), f.kind, 0, 0)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(f.payload)))
	dst = binary.LittleEndian.AppendUint64(dst, f.log)
	dst = binary.LittleEndian.AppendUint64(dst, f.seq)
	dst = append(dst, f.payload...)
	binary.LittleEndian.PutUint32(dst[start+4:], crc32.Update(seed, castagnoli, dst[start+8:]))
	return dst
}

// errBadFrame says that no good frame lies at an offset.
var errBadFrame = errors.New("bad frame")

// parseFrameHeader reads all of a frame but its payload and its checksum.
func parseFrameHeader(b []byte, offset int64) (f frame, crc uint32, err error) {
	if string(b[:4]) != frameMagic {
		return f, 0, fmt.Errorf("%w: no magic", errBadFrame)
	}
	crc = binary.LittleEndian.Uint32(b[4:])
	f = frame{
		typ:    frameType(b[24]),
		kind:   b[25],
		log:    binary.LittleEndian.Uint64(b[32:]),
		seq:    binary.LittleEndian.Uint64(b[40:]),
		offset: int64(binary.LittleEndian.Uint64(b[8:])),
		batch:  int64(binary.LittleEndian.Uint64(b[16:])),
	}
	n := binary.LittleEndian.Uint32(b[28:])
	f.size = frameBytes + int64(n)
	switch {
	case f.offset != offset:
		return f, 0, fmt.Errorf("%w: written for offset %d", errBadFrame, f.offset)
	case f.batch < 0 || f.batch > offset:
		return f, 0, fmt.Errorf("%w: batch starts at %d", errBadFrame, f.batch)
	case n > maxPayloadBytes:
		return f, 0, fmt.Errorf("%w: payload of %d bytes", errBadFrame, n)
	case f.typ < frameHead || f.typ > frameClose:
		return f, 0, fmt.Errorf("%w: type %d", errBadFrame, f.typ)
	}
	return f, crc, nil
}

// parseFrame reads the frame that fills b; the payload is part of b.
func parseFrame(b []byte, seed uint32, offset int64) (frame, error) {
	if len(b) < frameBytes {
		return frame{}, fmt.Errorf("%w: %d bytes", errBadFrame, len(b))
	}
	f, crc, err := parseFrameHeader(b, offset)
	if err != nil {
		return f, err
	}
	if f.size != int64(len(b)) {
		return f, fmt.Errorf("%w: %d bytes for one of %d", errBadFrame, len(b), f.size)
	}
	if crc32.Update(seed, castagnoli, b[8:]) != crc {
		return f, fmt.Errorf("%w: checksum", errBadFrame)
	}
	f.payload = b[frameBytes:len(b):len(b)]
	return f, nil
}

// scanner reads the frames of a file in order. Payloads are read in pieces,
// and kept only for the frames that recovery needs them of. It is used by one
// goroutine.
type scanner struct {
	file vfs.File
	seed uint32
	pos  int64 // of the next frame
	end  int64 // of what may be read

	buf    []byte // a window of the file
	bufPos int64
	read   int64 // bytes read, for the metrics
}

const scanWindow = 256 << 10

// window returns the n <= scanWindow bytes of the file at pos. Bytes that are
// not there are an errBadFrame, anything else the disk's error.
func (s *scanner) window(pos int64, n int) ([]byte, error) {
	if pos < 0 || pos+int64(n) > s.end {
		return nil, fmt.Errorf("%w: the file ends at %d", errBadFrame, s.end)
	}
	if pos < s.bufPos || pos+int64(n) > s.bufPos+int64(len(s.buf)) {
		want := min(int64(scanWindow), s.end-pos)
		if int64(cap(s.buf)) < want {
			s.buf = make([]byte, want)
		}
		got, err := s.file.ReadAt(s.buf[:want], pos)
		s.read += int64(got)
		s.buf, s.bufPos = s.buf[:got], pos
		if got < n {
			if err != nil && !errors.Is(err, io.EOF) {
				return nil, err
			}
			return nil, fmt.Errorf("%w: the file ends at %d", errBadFrame, pos+int64(got))
		}
	}
	return s.buf[pos-s.bufPos:][:n], nil
}

// at reads the frame at pos.
func (s *scanner) at(pos int64) (frame, error) {
	b, err := s.window(pos, frameBytes)
	if err != nil {
		return frame{}, err
	}
	f, crc, err := parseFrameHeader(b, pos)
	if err != nil {
		return f, err
	}
	if f.size > s.end-pos {
		return f, fmt.Errorf("%w: %d bytes, %d are left", errBadFrame, f.size, s.end-pos)
	}
	sum := crc32.Update(s.seed, castagnoli, b[8:])
	keep := f.typ == frameHead || f.typ == frameCreate
	for left, p := f.size-frameBytes, pos+frameBytes; left > 0; {
		n := min(left, scanWindow)
		piece, err := s.window(p, int(n))
		if err != nil {
			return f, err
		}
		sum = crc32.Update(sum, castagnoli, piece)
		if keep {
			f.payload = append(f.payload, piece...)
		}
		left, p = left-n, p+n
	}
	if sum != crc {
		return f, fmt.Errorf("%w: checksum", errBadFrame)
	}
	return f, nil
}

// next reads the frame at s.pos and goes on behind it, io.EOF at the end.
// After an error the position stays.
func (s *scanner) next() (frame, error) {
	if s.pos == s.end {
		return frame{}, io.EOF
	}
	f, err := s.at(s.pos)
	if err != nil {
		return f, err
	}
	s.pos += f.size
	return f, nil
}

// laterBatch looks behind a bad frame at offset bad for a good one of a batch
// that was begun after it, and returns its offset: then the bad one had been
// durable.
func (s *scanner) laterBatch(bad int64) (at int64, found bool, err error) {
	for pos := bad + 1; pos+frameBytes <= s.end; {
		n := int(min(s.end-pos, scanWindow))
		b, err := s.window(pos, n)
		if errors.Is(err, errBadFrame) {
			return 0, false, nil // the file shrank
		}
		if err != nil {
			return 0, false, err
		}
		i := bytes.Index(b, []byte(frameMagic))
		if i < 0 {
			pos += int64(n - len(frameMagic) + 1)
			continue
		}
		pos += int64(i)
		f, err := s.at(pos)
		switch {
		case err == nil && f.batch > bad:
			return pos, true, nil
		case err != nil && !errors.Is(err, errBadFrame):
			return 0, false, err
		}
		pos++
	}
	return 0, false, nil
}
