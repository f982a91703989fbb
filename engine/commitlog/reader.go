package commitlog

import (
	"encoding/binary"

	"github.com/phyllodb/phyllo/chunk"
)

// reader takes values off the front of bytes that nobody vouches for. Once
// something is wrong bad stays set and all values are zero.
type reader struct {
	b     []byte
	bad   bool
	cause error // of a bad entry
}

// end returns what was wrong, what a record of that name is made of having
// been read. Nothing may be left over.
func (r *reader) end(what string) error {
	switch {
	case r.cause != nil:
		return corrupt("%s: %v", what, r.cause)
	case r.bad:
		return corrupt("%s is cut off or damaged", what)
	case len(r.b) > 0:
		return corrupt("%s: %d bytes left over", what, len(r.b))
	}
	return nil
}

// take returns the next n bytes, nil if there are not as many.
func (r *reader) take(n int) []byte {
	if r.bad || n > len(r.b) {
		r.bad, r.b = true, nil
		return nil
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

// version reads the version of a format, of which this program knows those from 1
// to known.
func (r *reader) version(what string, known byte) (byte, error) {
	switch v := r.byte(); {
	case v > known:
		return v, chunk.NewerFormat("commit log: %s of version %d, of which this program reads up to %d", what, v, known)
	case v < 1:
		return v, corrupt("%s of version %d", what, v)
	default:
		return v, nil
	}
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if r.bad || n <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.b)
	if r.bad || n <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

// count reads the number of items that follow, each of at least size bytes, so
// that no more memory is asked for than the input is worth.
func (r *reader) count(size int) int {
	n := r.uvarint()
	if n > uint64(len(r.b)/size) {
		r.bad, r.b = true, nil
		return 0
	}
	return int(n)
}

// part reads a length and as many bytes, which stay part of the input.
func (r *reader) part() []byte { return r.take(r.count(1)) }

// many reads a count and as many items, each of at least size bytes.
func many[T any](r *reader, size int, item func() T) []T {
	n := r.count(size)
	if n == 0 {
		return nil
	}
	items := make([]T, 0, n)
	for len(items) < n && !r.bad {
		items = append(items, item())
	}
	return items
}

func (r *reader) source() (s Source) {
	s.Writer = string(r.part())
	if b := r.take(8); b != nil {
		s.Epoch = binary.LittleEndian.Uint64(b)
	}
	if len(s.Writer) > maxWriterBytes || s.Writer == "" && s.Epoch != 0 {
		r.bad = true
	}
	return s
}

// sourceBytes is the least a source takes.
const sourceBytes = 9

func (r *reader) sources() []Source {
	return many(r, sourceBytes, r.source)
}

func (r *reader) chunkID() (id chunk.ID) {
	copy(id[:], r.take(len(id)))
	return id
}

func (r *reader) chunkIDs() []chunk.ID {
	return many(r, len(chunk.ID{}), r.chunkID)
}

func (r *reader) commitID() (id CommitID) {
	copy(id[:], r.take(len(id)))
	return id
}

// entryBytes is no more than what any manifest entry takes.
const entryBytes = 32

func (r *reader) entry() *chunk.Entry {
	if r.bad {
		return nil
	}
	e, rest, err := chunk.DecodeEntry(r.b)
	if err != nil {
		r.bad, r.b, r.cause = true, nil, err
		return nil
	}
	r.b = rest
	return e
}
