package backup

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

// Types of frames.
const (
	frameHeader  = 'H'
	frameCatalog = 'C'
	frameRef     = 'R'
	frameObject  = 'O'
	frameEnd     = 'E'
)

// maxPiece bounds what is written at once: a write may become one message of a protocol.
const maxPiece = 256 << 10

// A Writer writes the frames of a stream. It is used by one goroutine. After an error
// all later calls fail.
type Writer struct {
	out    *bufio.Writer
	frames uint64
	left   int64 // bytes of the object that is being written
}

// NewWriter returns a writer to out, which is written to in pieces of 256 KiB at most.
func NewWriter(out io.Writer) *Writer { return &Writer{out: bufio.NewWriterSize(out, maxPiece)} }

// Header begins a backup.
func (w *Writer) Header(h *Header) error {
	h.Format = FormatVersion
	return w.json(frameHeader, h)
}

// Catalog comes after the header.
func (w *Writer) Catalog(c *schema.Catalog) error { return w.json(frameCatalog, c) }

func (w *Writer) json(kind byte, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.frame(append([]byte{kind}, binary.AppendUvarint(nil, uint64(len(text)))...))
	return w.bytes(text)
}

func (w *Writer) frame(head []byte) {
	w.frames++
	_, _ = w.out.Write(head) // bufio keeps the error
}

// bytes writes in pieces, since bufio hands on what is larger than its buffer as it is.
func (w *Writer) bytes(b []byte) error {
	for len(b) > 0 {
		n := min(len(b), maxPiece/2)
		if _, err := w.out.Write(b[:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// Ref names a chunk that can be asked for.
func (w *Writer) Ref(part chunk.PartitionID, e *chunk.Entry) error {
	_, ref := ObjectHeader(part, e)
	w.frame(appendRef([]byte{frameRef}, ref))
	return nil
}

// Object begins the object of a chunk; the blobs come by Blob, in their order.
func (w *Writer) Object(part chunk.PartitionID, e *chunk.Entry) error {
	head, ref := ObjectHeader(part, e)
	w.frame(appendRef([]byte{frameObject}, ref))
	w.left = ref.Size - int64(len(head))
	return w.bytes(head)
}

// Blob writes the next blob of an object.
func (w *Writer) Blob(b []byte) error {
	if w.left -= int64(len(b)); w.left < 0 {
		return fmt.Errorf("backup: bug: blobs are larger than their entry says")
	}
	return w.bytes(b)
}

// Close ends the stream.
func (w *Writer) Close() error {
	if w.left != 0 {
		return fmt.Errorf("backup: bug: an object lacks %d bytes", w.left)
	}
	n := w.frames
	w.frame(binary.AppendUvarint([]byte{frameEnd}, n))
	return w.out.Flush()
}

// A Frame is what a stream has next: one of its fields is set.
type Frame struct {
	Header  *Header
	Catalog *schema.Catalog
	Ref     *Ref
	// Object is the object of the chunk that Ref names, if it is not nil; it has to be
	// read to its end before the next frame.
	Object io.Reader
}

// A Reader reads the frames of a stream. It is used by one goroutine.
type Reader struct {
	in     *bufio.Reader
	object *objectReader
	frames uint64
}

// NewReader returns a reader of a stream.
func NewReader(in io.Reader) *Reader { return &Reader{in: bufio.NewReaderSize(in, maxPiece)} }

// Next returns the next frame, io.EOF after the last one. A stream that is cut short
// gives io.ErrUnexpectedEOF, or the error of what it is read from.
func (r *Reader) Next() (*Frame, error) {
	if r.object != nil && r.object.left > 0 {
		return nil, fmt.Errorf("backup: bug: the object before was not read")
	}
	f, err := r.next()
	if errors.Is(err, io.EOF) && !errors.Is(err, errEnd) {
		err = io.ErrUnexpectedEOF
	}
	if errors.Is(err, errEnd) {
		err = io.EOF
	}
	r.frames++
	return f, err
}

// An objectReader reads an object, and fails if that is cut off.
type objectReader struct {
	in   io.Reader
	left int64
}

func (o *objectReader) Read(p []byte) (int, error) {
	if o.left == 0 {
		return 0, io.EOF
	}
	n, err := o.in.Read(p[:min(int64(len(p)), o.left)])
	if o.left -= int64(n); err == io.EOF && o.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

var errEnd = fmt.Errorf("backup: end of the stream")

func (r *Reader) next() (*Frame, error) {
	kind, err := r.in.ReadByte()
	if err != nil {
		return nil, err
	}
	switch kind {
	case frameHeader:
		h := &Header{}
		if err := r.json(h); err != nil {
			return nil, err
		}
		return &Frame{Header: h}, checkVersion("the stream", uint64(h.Format))
	case frameCatalog:
		c := &schema.Catalog{}
		err := r.json(c)
		return &Frame{Catalog: c}, err
	case frameRef:
		ref, err := r.ref()
		return &Frame{Ref: ref}, err
	case frameObject:
		ref, err := r.ref()
		if err != nil {
			return nil, err
		}
		r.object = &objectReader{r.in, ref.Size}
		return &Frame{Ref: ref, Object: r.object}, nil
	case frameEnd:
		n, err := binary.ReadUvarint(r.in)
		if err != nil {
			return nil, err
		}
		if n != r.frames {
			return nil, corrupt("a stream of a backup has %d frames, not %d", r.frames, n)
		}
		return nil, errEnd
	}
	return nil, corrupt("a stream of a backup has a frame of type %#x", kind)
}

// json reads a length and so much JSON.
func (r *Reader) json(into any) error {
	n, err := binary.ReadUvarint(r.in)
	if err != nil {
		return err
	}
	if n > MaxDocumentBytes {
		return corrupt("a stream of a backup has a frame of %d bytes", n)
	}
	text, err := io.ReadAll(io.LimitReader(r.in, int64(n))) // grows with what comes
	if err == nil && uint64(len(text)) < n {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return corrupt("a stream of a backup: %v", err)
	}
	return nil
}

// maxKey bounds the partition key of a ref.
const maxKey = 1 << 20

func (r *Reader) ref() (*Ref, error) {
	var numbers [2]uint64
	for i := range numbers {
		var err error
		if numbers[i], err = binary.ReadUvarint(r.in); err != nil {
			return nil, err
		}
	}
	if numbers[0] > 1<<32-1 || numbers[1] > maxKey {
		return nil, corrupt("a stream of a backup names table %d with a partition key of %d bytes", numbers[0], numbers[1])
	}
	rest := make([]byte, int(numbers[1])+len(chunk.ID{}))
	if _, err := io.ReadFull(r.in, rest); err != nil {
		return nil, err
	}
	ref := &Ref{Part: chunk.PartitionID{Table: datum.OID(numbers[0]), Key: string(rest[:numbers[1]])}}
	copy(ref.ID[:], rest[numbers[1]:])
	rows, err := binary.ReadUvarint(r.in)
	if err != nil {
		return nil, err
	}
	size, err := binary.ReadUvarint(r.in)
	if err != nil {
		return nil, err
	}
	if rows < 1 || rows > chunk.MaxRows || size > 1<<62 {
		return nil, corrupt("a stream of a backup names a chunk of %d rows and %d bytes", rows, size)
	}
	ref.Rows, ref.Size = int(rows), int64(size)
	return ref, nil
}
