package backup

import (
	"bytes"
	"encoding/binary"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/datum"
)

const objectMagic = "PHYCHNK1"

// ObjectHeader returns what comes before the blobs in the object of a chunk, and its
// Ref.
func ObjectHeader(part chunk.PartitionID, e *chunk.Entry) ([]byte, Ref) {
	plain := *e
	plain.Location, plain.From, plain.Schema = chunk.Location{}, 0, 0 // which are of one store
	entry := chunk.AppendEntry(nil, &plain)
	dst := appendPart([]byte(objectMagic), part)
	dst = binary.AppendUvarint(dst, uint64(len(entry)))
	dst = append(dst, entry...)
	ref := Ref{Part: part, ID: e.ID, Rows: e.Rows, Size: int64(len(dst))}
	for i := range e.Columns {
		ref.Size += e.Columns[i].Size
	}
	return dst, ref
}

// DecodeObject reads the object of a chunk. The blobs lie in data. Errors wrap
// chunk.ErrCorrupt or chunk.ErrNewerFormat.
func DecodeObject(data []byte) (chunk.PartitionID, *chunk.Sealed, error) {
	r := &reader{b: data}
	magic := r.take(len(objectMagic))
	if len(magic) < len(objectMagic) || !bytes.Equal(magic[:7], []byte(objectMagic[:7])) {
		return chunk.PartitionID{}, nil, corrupt("not the object of a chunk")
	}
	if err := checkVersion("a chunk", uint64(magic[7]-'0')); err != nil {
		return chunk.PartitionID{}, nil, err
	}
	part := r.part()
	src := r.bytes()
	if r.bad {
		return part, nil, corrupt("the object of a chunk ends early")
	}
	e, rest, err := chunk.DecodeEntry(src)
	if err != nil {
		return part, nil, err
	}
	if len(rest) > 0 {
		return part, nil, corrupt("%d bytes after the entry of chunk %v", len(rest), e.ID)
	}
	c := &chunk.Sealed{Entry: *e}
	for i := range e.Columns {
		size := e.Columns[i].Size
		if size < 0 || size > int64(len(r.b)) {
			return part, nil, corrupt("the object of chunk %v ends within column %d", e.ID, e.Columns[i].ID)
		}
		c.Blobs = append(c.Blobs, r.take(int(size)))
	}
	if len(r.b) > 0 {
		return part, nil, corrupt("%d bytes after the blobs of chunk %v", len(r.b), e.ID)
	}
	return part, c, nil
}

// AppendName names a chunk that is asked for.
func AppendName(dst []byte, r Ref) []byte {
	return append(appendPart(dst, r.Part), r.ID[:]...)
}

// DecodeNames reads what AppendName wrote, any number of times.
func DecodeNames(src []byte) ([]Ref, error) {
	r := &reader{b: src}
	var out []Ref
	for len(r.b) > 0 {
		ref := Ref{Part: r.part(), ID: r.id()}
		if r.bad {
			return nil, corrupt("names of chunks end early")
		}
		out = append(out, ref)
	}
	return out, nil
}

func appendPart(dst []byte, p chunk.PartitionID) []byte {
	dst = binary.AppendUvarint(dst, uint64(p.Table))
	return append(binary.AppendUvarint(dst, uint64(len(p.Key))), p.Key...)
}

func appendRef(dst []byte, r Ref) []byte {
	dst = AppendName(dst, r)
	dst = binary.AppendUvarint(dst, uint64(r.Rows))
	return binary.AppendUvarint(dst, uint64(r.Size))
}

// A reader reads fields one after the other; once bad it stays so.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) take(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.bad, r.b = true, nil
		return nil
	}
	out := r.b[:n:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

// count reads a number of things of which each takes some bytes at least.
func (r *reader) count(least int) int {
	n := r.uvarint()
	if n > uint64(len(r.b)/least) {
		r.bad, r.b = true, nil
		return 0
	}
	return int(n)
}

func (r *reader) bytes() []byte { return r.take(r.count(1)) }

func (r *reader) part() chunk.PartitionID {
	table := r.uvarint()
	if table > 1<<32-1 {
		r.bad, r.b = true, nil
	}
	return chunk.PartitionID{Table: datum.OID(table), Key: string(r.bytes())}
}

func (r *reader) id() (id chunk.ID) {
	copy(id[:], r.take(len(id)))
	return id
}
