package local

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/vfs"
)

// Layout of segment files; format.md draws it under "segments".
const (
	segmentMagic       = "PHYLSEG1"
	segmentHeaderBytes = 16
	trailerMagic       = "1GESLYHP"
	trailerBytes       = 28
)

// segment is the directory of a segment file.
type segment struct {
	name   chunk.ID // of the file
	part   chunk.PartitionID
	chunks map[chunk.ID]*segmentChunk
	bytes  int64 // of the file
	// bad: the directory cannot be read; blobs may be, by their manifest entries.
	bad  bool
	dead int // chunks that are deleted
}

type segmentChunk struct {
	offset  int64
	columns []segmentColumn
	dead    bool // guarded by the partition's mutex
}

type segmentColumn struct {
	size int64
	crc  uint32
}

// maxSegmentBuffer bounds what is written to a segment at once.
const maxSegmentBuffer = 256 << 10

// writeSegment writes the blobs of chunks and their directory, which it returns.
func writeSegment(out io.Writer, name chunk.ID, part chunk.PartitionID, chunks []*chunk.Sealed) (*segment, error) {
	size := int64(4 << 10)
	for _, c := range chunks {
		for _, b := range c.Blobs {
			size += int64(len(b))
		}
	}
	w := bufio.NewWriterSize(out, int(min(size, maxSegmentBuffer)))
	seg := &segment{name: name, part: part, chunks: make(map[chunk.ID]*segmentChunk, len(chunks))}
	header := append(append([]byte(nil), segmentMagic...), 0, 0, 0, 0, 0, 0, 0, 0)
	if _, err := w.Write(header); err != nil {
		return nil, err
	}
	offset := int64(segmentHeaderBytes)
	dir := binary.LittleEndian.AppendUint32(nil, uint32(part.Table))
	dir = binary.LittleEndian.AppendUint32(dir, uint32(len(part.Key)))
	dir = append(dir, part.Key...)
	dir = binary.LittleEndian.AppendUint32(dir, uint32(len(chunks)))
	for _, c := range chunks {
		sc := &segmentChunk{offset: offset}
		dir = append(dir, c.Entry.ID[:]...)
		dir = binary.LittleEndian.AppendUint64(dir, uint64(offset))
		dir = binary.LittleEndian.AppendUint32(dir, uint32(len(c.Blobs)))
		for _, b := range c.Blobs {
			col := segmentColumn{size: int64(len(b)), crc: crc32.Checksum(b, castagnoli)}
			sc.columns = append(sc.columns, col)
			dir = binary.LittleEndian.AppendUint64(dir, uint64(col.size))
			dir = binary.LittleEndian.AppendUint32(dir, col.crc)
			if _, err := w.Write(b); err != nil {
				return nil, err
			}
			offset += col.size
		}
		seg.chunks[c.Entry.ID] = sc
	}
	trailer := binary.LittleEndian.AppendUint64(nil, uint64(offset))
	trailer = binary.LittleEndian.AppendUint64(trailer, uint64(len(dir)))
	trailer = binary.LittleEndian.AppendUint32(trailer, crc32.Checksum(dir, castagnoli))
	trailer = append(trailer, trailerMagic...)
	if _, err := w.Write(dir); err != nil {
		return nil, err
	}
	if _, err := w.Write(trailer); err != nil {
		return nil, err
	}
	seg.bytes = offset + int64(len(dir)) + trailerBytes
	return seg, w.Flush()
}

// readSegment reads the directory of a segment file. What is wrong with it is
// an errBadFrame; other errors are the disk's.
func readSegment(f vfs.File, name chunk.ID) (*segment, error) {
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	if size < segmentHeaderBytes+trailerBytes {
		return nil, fmt.Errorf("%w: %d bytes are no segment", errBadFrame, size)
	}
	var header [segmentHeaderBytes]byte
	if err := readFull(f, header[:], 0); err != nil {
		return nil, err
	}
	if string(header[:8]) != segmentMagic {
		return nil, fmt.Errorf("%w: not a segment", errBadFrame)
	}
	var trailer [trailerBytes]byte
	if err := readFull(f, trailer[:], size-trailerBytes); err != nil {
		return nil, err
	}
	if string(trailer[20:]) != trailerMagic {
		return nil, fmt.Errorf("%w: no trailer", errBadFrame)
	}
	at, n := binary.LittleEndian.Uint64(trailer[:]), binary.LittleEndian.Uint64(trailer[8:])
	if at < segmentHeaderBytes || at > uint64(size) || n != uint64(size)-trailerBytes-at {
		return nil, fmt.Errorf("%w: directory of %d bytes at %d", errBadFrame, n, at)
	}
	dir := make([]byte, n)
	if err := readFull(f, dir, int64(at)); err != nil {
		return nil, err
	}
	if crc32.Checksum(dir, castagnoli) != binary.LittleEndian.Uint32(trailer[16:]) {
		return nil, fmt.Errorf("%w: checksum of the directory", errBadFrame)
	}
	seg, err := parseDirectory(dir, int64(at))
	if err != nil {
		return nil, err
	}
	seg.name, seg.bytes = name, size
	return seg, nil
}

// parseDirectory reads a directory whose blobs fill the file up to end.
func parseDirectory(dir []byte, end int64) (*segment, error) {
	r := &reader{b: dir}
	seg := &segment{chunks: map[chunk.ID]*segmentChunk{}}
	seg.part.Table = datum.OID(r.u32())
	seg.part.Key = string(r.bytes(uint64(r.u32())))
	offset := int64(segmentHeaderBytes)
	for n := r.u32(); n > 0 && !r.bad; n-- {
		var id chunk.ID
		copy(id[:], r.bytes(uint64(len(id))))
		c := &segmentChunk{offset: int64(r.u64())}
		if c.offset != offset || seg.chunks[id] != nil {
			return nil, fmt.Errorf("%w: chunk %v of the directory is out of place", errBadFrame, id)
		}
		for cols := r.u32(); cols > 0 && !r.bad; cols-- {
			col := segmentColumn{size: int64(r.u64()), crc: r.u32()}
			if col.size < 0 || col.size > end-offset {
				return nil, fmt.Errorf("%w: a blob of chunk %v is out of the file", errBadFrame, id)
			}
			offset += col.size
			c.columns = append(c.columns, col)
		}
		seg.chunks[id] = c
	}
	if r.bad || len(r.b) > 0 || offset != end {
		return nil, fmt.Errorf("%w: the directory does not parse", errBadFrame)
	}
	return seg, nil
}

// readFull reads all of b; a file that is too short is an errBadFrame.
func readFull(f vfs.File, b []byte, offset int64) error {
	n, err := f.ReadAt(b, offset)
	switch {
	case n == len(b):
		return nil
	case err == nil || errors.Is(err, io.EOF):
		return fmt.Errorf("%w: the file ends at %d", errBadFrame, offset+int64(n))
	}
	return err
}
