package backup

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"io"
	"time"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/schema"
)

const documentMagic = "PHYBKUP1"

// MaxDocumentBytes bounds a document: some ten million chunks.
const MaxDocumentBytes = 1 << 30

// A Header says what a backup is of.
type Header struct {
	Format   int
	Name     string    // empty in what a server sends
	Database string    // its name
	Server   string    // version of the program that made the snapshot
	Taken    time.Time // of the snapshot, by the server's clock
	// Positions are up to where the source logs are in the snapshot, by the names of
	// the sources. Nothing depends on them: a store that is restored begins logs of its own.
	Positions map[string]uint64

	// What follows is filled in when the backup is complete.
	Finished          time.Time // by the clock of who made it
	Tables            int
	Chunks            int
	Rows, Bytes       int64 // of chunks and their objects
	NewChunks         int
	NewRows, NewBytes int64 // of those that no earlier backup had brought
}

// A Document says what belongs to a backup.
type Document struct {
	Header  Header
	Catalog *schema.Catalog
	Parts   []Part
}

// A Part is a partition. Chunks are in the order of the manifest; those of rows that
// were in no chunk yet come last.
type Part struct {
	ID     chunk.PartitionID
	Chunks []Chunk
}

// A Chunk is one of a backup.
type Chunk struct {
	ID   chunk.ID
	Hash Hash
	Size int64 // bytes of its object
	Rows int
}

// A Hash is the SHA-256 of an object.
type Hash [sha256.Size]byte

const chunkBytes = len(chunk.ID{}) + len(Hash{}) + 2 // at least

// Append appends the document's bytes.
func (d *Document) Append(dst []byte) ([]byte, error) {
	d.Header.Format = FormatVersion
	start := len(dst)
	dst = append(dst, documentMagic...)
	for i, v := range []any{d.Header, d.Catalog} {
		text, err := json.Marshal(v)
		if err != nil {
			return nil, err
		}
		dst = append(binary.AppendUvarint(dst, uint64(len(text))), text...)
		if i == 0 {
			dst = appendSum(dst, start)
		}
	}
	dst = binary.AppendUvarint(dst, uint64(len(d.Parts)))
	for _, p := range d.Parts {
		dst = appendPart(dst, p.ID)
		dst = binary.AppendUvarint(dst, uint64(len(p.Chunks)))
		for _, c := range p.Chunks {
			dst = append(append(dst, c.ID[:]...), c.Hash[:]...)
			dst = binary.AppendUvarint(dst, uint64(c.Size))
			dst = binary.AppendUvarint(dst, uint64(c.Rows))
		}
	}
	return appendSum(dst, start), nil
}

func appendSum(dst []byte, start int) []byte {
	sum := sha256.Sum256(dst[start:])
	return append(dst, sum[:]...)
}

// Decode reads a document. Errors wrap chunk.ErrCorrupt or chunk.ErrNewerFormat.
func Decode(data []byte) (*Document, error) {
	body := len(data) - sha256.Size
	header, rest, err := decodeHeader(data)
	if err != nil {
		return nil, err
	}
	if rest < sha256.Size || sha256.Sum256(data[:body]) != [sha256.Size]byte(data[body:]) {
		return nil, corrupt("the document of a backup: its checksum is wrong")
	}
	d := &Document{Header: *header}
	r := &reader{b: data[len(data)-rest : body]}
	if err := json.Unmarshal(r.bytes(), &d.Catalog); err != nil || d.Catalog == nil {
		return nil, corrupt("the document of a backup: its catalogue: %v", err)
	}
	for range r.count(3) {
		p := Part{ID: r.part()}
		n := r.count(chunkBytes)
		p.Chunks = make([]Chunk, 0, n)
		for range n {
			c := Chunk{ID: r.id()}
			copy(c.Hash[:], r.take(len(c.Hash)))
			c.Size, c.Rows = int64(r.uvarint()), int(r.uvarint())
			if c.Size < 0 || c.Rows < 1 || c.Rows > chunk.MaxRows {
				return nil, corrupt("the document of a backup: chunk %v of %d rows and %d bytes", c.ID, c.Rows, c.Size)
			}
			p.Chunks = append(p.Chunks, c)
		}
		d.Parts = append(d.Parts, p)
	}
	if r.bad || len(r.b) > 0 {
		return nil, corrupt("the document of a backup does not end where it should")
	}
	return d, nil
}

// decodeHeader also returns how many bytes follow.
func decodeHeader(data []byte) (h *Header, rest int, err error) {
	r := &reader{b: data}
	magic := r.take(len(documentMagic))
	if len(magic) < len(documentMagic) || !bytes.Equal(magic[:7], []byte(documentMagic[:7])) {
		return nil, 0, corrupt("not the document of a backup")
	}
	if err := checkVersion("the document", uint64(magic[7]-'0')); err != nil {
		return nil, 0, err
	}
	text := r.bytes()
	at := len(data) - len(r.b)
	sum := r.take(sha256.Size)
	if r.bad || sha256.Sum256(data[:at]) != [sha256.Size]byte(sum) {
		return nil, 0, corrupt("the document of a backup: the checksum of its header is wrong")
	}
	h = &Header{}
	if err := json.Unmarshal(text, h); err != nil {
		return nil, 0, corrupt("the document of a backup: its header: %v", err)
	}
	return h, len(r.b), checkVersion("the document", uint64(h.Format))
}

// ReadHeader reads the header of a document, and no more of it than it needs.
func ReadHeader(r io.Reader) (*Header, error) {
	const step = 64 << 10 // headers are smaller, but for very many sources
	var data []byte
	for {
		part := make([]byte, step)
		n, err := io.ReadFull(r, part)
		data = append(data, part[:n]...)
		h, _, derr := decodeHeader(data)
		if derr == nil || err != nil || len(data) > MaxDocumentBytes {
			if derr != nil && err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
				return nil, err
			}
			return h, derr
		}
	}
}
