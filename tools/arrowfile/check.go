package arrowfile

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow/ipc"
)

// The reader of IPC takes the numbers of things in a message's metadata on trust
// and makes room for as many, which ends the process if there are billions. So
// all messages of a file are looked at before it reads any: each count must fit
// into the bytes that it counts, each body into the file. Bodies are passed over.
//
// Metadata are FlatBuffers: a table has, four bytes before its fields, the distance
// back to a list of their offsets; vectors and tables are pointed at by distances
// forward. All numbers are little endian.

var errMetadata = errors.New("the metadata of a message are damaged")

// flat is a FlatBuffer. Its methods panic with errMetadata, or out of bounds.
type flat struct {
	b    []byte
	left int // tables that may still be visited
}

func (f *flat) u32(at int) int { return int(binary.LittleEndian.Uint32(f.b[at:])) }

// follow returns what the distance at a place points to.
func (f *flat) follow(at int) int { return at + f.u32(at) }

// field returns the place of field i of a table, 0 if it is not there.
func (f *flat) field(table, i int) int {
	list := table - int(int32(binary.LittleEndian.Uint32(f.b[table:])))
	size := int(binary.LittleEndian.Uint16(f.b[list:]))
	if 4+2*i+2 > size {
		return 0
	}
	offset := int(binary.LittleEndian.Uint16(f.b[list+4+2*i:]))
	if offset == 0 {
		return 0
	}
	return table + offset
}

// vector returns the place and the number of the elements of field i, which have
// size bytes each.
func (f *flat) vector(table, i, size int) (at, n int) {
	p := f.field(table, i)
	if p == 0 {
		return 0, 0
	}
	p = f.follow(p)
	n = f.u32(p)
	if n > (len(f.b)-p-4)/size {
		panic(errMetadata)
	}
	return p + 4, n
}

// maxDepth is how deep columns may be nested.
const maxDepth = 64

// schema checks a Schema, or with isField a Field.
func (f *flat) schema(table, depth int, isField bool) {
	if f.left--; f.left < 0 || depth > maxDepth {
		panic(errMetadata)
	}
	children, custom := 1, 2
	if isField {
		children, custom = 5, 6
	}
	f.vector(table, custom, 4)
	at, n := f.vector(table, children, 4)
	for i := range n {
		f.schema(f.follow(at+4*i), depth+1, true)
	}
}

// batch checks a RecordBatch and returns its rows.
func (f *flat) batch(table int) int64 {
	f.vector(table, 1, 16) // nodes
	f.vector(table, 2, 16) // buffers
	f.vector(table, 4, 8)  // counts of variadic buffers
	return f.i64(table, 0)
}

func (f *flat) i64(table, i int) int64 {
	p := f.field(table, i)
	if p == 0 {
		return 0
	}
	n := int64(binary.LittleEndian.Uint64(f.b[p:]))
	if n < 0 {
		panic(errMetadata)
	}
	return n
}

// Kinds of messages.
const (
	schemaMessage     = 1
	dictionaryMessage = 2
	batchMessage      = 3
)

// checkMessage checks the metadata of a message.
func checkMessage(b []byte) (rows, body int64, err error) {
	err = guard(func() error {
		f := &flat{b, len(b)}
		root := f.follow(0)
		f.vector(root, 4, 4)
		body = f.i64(root, 3)
		kind, header := f.field(root, 1), f.field(root, 2)
		if kind == 0 || header == 0 {
			return errMetadata
		}
		switch header = f.follow(header); f.b[kind] {
		case schemaMessage:
			f.schema(header, 0, false)
		case dictionaryMessage:
			data := f.field(header, 1)
			if data == 0 {
				return errMetadata
			}
			f.batch(f.follow(data))
		case batchMessage:
			rows = f.batch(header)
		default:
			return fmt.Errorf("%w: a message of kind %d", errMetadata, f.b[kind])
		}
		return nil
	})
	return rows, body, err
}

// A message is where a message lies.
type message struct{ at, meta, body int64 }

// errEnd is the mark at the end of a stream.
var errEnd = errors.New("the stream ends")

// readMessage checks the message at a place of a file. At the end of a stream it
// returns errEnd.
func readMessage(src io.ReaderAt, at, size int64) (m message, rows int64, err error) {
	head := make([]byte, 8)
	if size-at < 8 {
		return m, 0, io.ErrUnexpectedEOF
	}
	if _, err := src.ReadAt(head, at); err != nil {
		return m, 0, unexpected(err)
	}
	m = message{at: at, meta: 8}
	length := int64(int32(binary.LittleEndian.Uint32(head[4:])))
	if binary.LittleEndian.Uint32(head) != 0xffffffff { // before version 0.15 nothing stood before the length
		m.meta = 4
		length = int64(int32(binary.LittleEndian.Uint32(head)))
	}
	if length == 0 {
		return m, 0, errEnd
	}
	if length < 0 || length > maxMetadata {
		return m, 0, fmt.Errorf("%w: %d bytes of them", errMetadata, length)
	}
	if length > size-at-m.meta {
		return m, 0, io.ErrUnexpectedEOF
	}
	b := make([]byte, length)
	if _, err := src.ReadAt(b, at+m.meta); err != nil {
		return m, 0, unexpected(err)
	}
	m.meta += length
	rows, m.body, err = checkMessage(b)
	if err == nil && (m.body > maxMemory || m.body > size-at-m.meta) {
		err = io.ErrUnexpectedEOF
	}
	return m, rows, err
}

// checkStream checks a stream and returns its rows. The format allows a stream to
// end without a mark; such a file is refused, for it looks like one that was cut
// off between two messages.
func checkStream(src io.ReaderAt, size int64) (rows int64, err error) {
	for at, n := int64(0), 1; ; n++ {
		m, r, err := readMessage(src, at, size)
		if err == errEnd && at > 0 {
			return rows, nil
		}
		if at == size && at > 0 {
			return 0, fmt.Errorf("the mark at the end of the stream is missing after message %d: %w", n-1, io.ErrUnexpectedEOF)
		}
		if err != nil {
			return 0, fmt.Errorf("message %d at byte %d: %w", n, at, unexpected(err))
		}
		rows += r
		at += m.meta + m.body
	}
}

// checkFile checks an IPC file and returns its rows.
func checkFile(src io.ReaderAt, size int64) (rows int64, err error) {
	tail := make([]byte, 4+len(ipc.Magic))
	if size < int64(2*len(tail)) {
		return 0, io.ErrUnexpectedEOF
	}
	if _, err := src.ReadAt(tail, size-int64(len(tail))); err != nil {
		return 0, unexpected(err)
	}
	length := int64(int32(binary.LittleEndian.Uint32(tail)))
	if string(tail[4:]) != string(ipc.Magic) {
		return 0, fmt.Errorf("%w: it does not end as a file of Arrow does", io.ErrUnexpectedEOF)
	}
	if length <= 0 || length > maxMetadata || length > size-int64(2*len(tail)) {
		return 0, errMetadata
	}
	b := make([]byte, length)
	if _, err := src.ReadAt(b, size-int64(len(tail))-length); err != nil {
		return 0, unexpected(err)
	}
	err = guard(func() error {
		f := &flat{b, len(b)}
		root := f.follow(0)
		schema := f.field(root, 1)
		if schema == 0 {
			return errMetadata
		}
		f.schema(f.follow(schema), 0, false)
		f.vector(root, 4, 4)
		for _, list := range []int{2, 3} { // dictionaries and batches: 8 bytes offset, 4 of metadata, 4 nothing, 8 of body
			at, n := f.vector(root, list, 24)
			for i := range n {
				block := b[at+24*i:]
				offset := int64(binary.LittleEndian.Uint64(block))
				meta, body := int64(int32(binary.LittleEndian.Uint32(block[8:]))), int64(binary.LittleEndian.Uint64(block[16:]))
				if offset < 0 || offset > size {
					return errMetadata
				}
				m, r, err := readMessage(src, offset, size)
				if err == nil && (m.meta != meta || m.body != body) {
					err = errMetadata
				}
				if err != nil {
					return fmt.Errorf("message at byte %d: %w", offset, unexpected(err))
				}
				rows += r
			}
		}
		return nil
	})
	return rows, err
}

// checkStoredSchema checks the schema that writers of Parquet keep beside
// Parquet's own, a message in base64.
func checkStoredSchema(text string) error {
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		if b, err = base64.RawStdEncoding.DecodeString(text); err != nil {
			return err
		}
	}
	_, _, err = readMessage(bytes.NewReader(b), 0, int64(len(b)))
	return err
}
