package ingest

import (
	"encoding/binary"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

// FormatVersion is the version of the entries that this package writes.
const FormatVersion = 1

// Kinds of entries.
const (
	kindRecords   = 1
	kindSeal      = 2
	kindForwarded = 3
)

// Tags of a record's sections; 0 ends them. A reader refuses a record with a tag
// that it does not know, because what it would leave out may change what the
// record means.
const (
	recordEnd       = 0
	recordCondition = 1
	recordPart      = 2
)

// Tags of a part's sections; 0 ends them.
const (
	partEnd    = 0
	partRows   = 1
	partZstd   = 2 // rows whose values are compressed
	partStaged = 3
	partMarked = 4 // the rows that follow have schema.RowDeletedColumn
)

// AppendRecords appends the source-log entry of the records of one group
// commit, one or more, and returns the extended slice.
//
// It fails, and returns dst as it was, if a column's type cannot be stored
// (0A000), a text is not valid UTF-8 (22021), or rows do not fit their columns.
// The rows are read and not kept.
func AppendRecords(dst []byte, records []*Record) ([]byte, error) {
	if len(records) == 0 {
		return dst, bug("an entry without records")
	}
	base := len(dst)
	dst = append(dst, FormatVersion, kindRecords)
	dst = binary.AppendUvarint(dst, uint64(len(records)))
	for _, r := range records {
		var err error
		if dst, err = appendRecord(dst, r); err != nil {
			return dst[:base], err
		}
	}
	return dst, nil
}

func appendRecord(dst []byte, r *Record) ([]byte, error) {
	if r.Versions < 1 || r.Versions > math.MaxInt32 || r.Version > math.MaxInt64-int64(r.Versions) {
		return dst, bug("a record with %d row versions from %d on", r.Versions, r.Version)
	}
	dst = append(dst, r.ID[:]...)
	dst = binary.AppendUvarint(dst, r.Schema)
	dst = binary.AppendVarint(dst, r.Version)
	dst = binary.AppendUvarint(dst, uint64(r.Versions))
	if r.Condition != nil {
		dst = binary.AppendUvarint(append(dst, recordCondition), r.Condition.Seq)
	}
	for i := range r.Parts {
		p := &r.Parts[i]
		dst = binary.AppendUvarint(append(dst, recordPart), uint64(p.Partition.Table))
		dst = appendPart(dst, p.Partition.Key)
		if p.Rows != nil {
			if slices.Contains(p.Columns, schema.RowDeletedColumn) {
				dst = append(dst, partMarked)
			}
			var err error
			if dst, err = appendRows(dst, p); err != nil {
				return dst, err
			}
		}
		if len(p.Staged) > 0 {
			dst = binary.AppendUvarint(append(dst, partStaged), uint64(len(p.Staged)))
			for _, e := range p.Staged {
				dst = chunk.AppendEntry(dst, e)
			}
		}
		dst = append(dst, partEnd)
	}
	return append(dst, recordEnd), nil
}

// AppendSeal appends the entry that ends a source: no entry follows it. by says
// who sealed it; it may not be empty.
func AppendSeal(dst []byte, by string) []byte {
	if by == "" {
		panic("ingest: bug: a seal by nobody")
	}
	return appendPart(append(dst, FormatVersion, kindSeal), by)
}

// AppendForwarded appends the source-log entry that takes over what entries of a
// journal hold: those, one or more, as AppendRecords made them, up to a position
// of the journal. journal names it and may not be empty.
func AppendForwarded(dst []byte, journal string, position uint64, entries [][]byte) []byte {
	if journal == "" || len(entries) == 0 {
		panic("ingest: bug: nothing was forwarded, or by nobody")
	}
	dst = appendPart(append(dst, FormatVersion, kindForwarded), journal)
	dst = binary.AppendUvarint(dst, position)
	dst = binary.AppendUvarint(dst, uint64(len(entries)))
	for _, e := range entries {
		dst = appendPart(dst, e)
	}
	return dst
}

// An Entry is what DecodeEntry reads.
type Entry struct {
	Records  []*Record // of a seal none
	SealedBy string    // who sealed the source; else empty
	// Journal, if not empty, is what the records were forwarded from, and Position
	// up to which of its entries.
	Journal  string
	Position uint64
}

// Version returns the greatest row version of the records, 0 if there are none.
func (e *Entry) Version() int64 {
	v := int64(0)
	for _, r := range e.Records {
		v = max(v, r.Version+int64(r.Versions)-1)
	}
	return v
}

// DecodeEntry reads an entry that AppendRecords, AppendForwarded or AppendSeal
// wrote. The caller releases its records.
//
// They share no memory with src; rows lie in memory of mem. The names of
// their fields say nothing: a column is known by its ID. Bytes that no version
// wrote give an error wrapping chunk.ErrCorrupt, those of a newer version one
// wrapping chunk.ErrNewerFormat. Whatever src holds, at most MaxDecodeFactor bytes are
// allocated for each of its bytes.
func DecodeEntry(mem memory.Allocator, src []byte) (e Entry, err error) {
	c := cursor{b: src}
	version, kind := c.byte(), c.byte()
	switch {
	case len(src) > 0 && version > FormatVersion:
		return Entry{}, newer("entry of format %d, of which this program reads up to %d", version, FormatVersion)
	case c.bad || version == 0:
		return Entry{}, corrupt("no entry: %d bytes", len(src))
	case kind == kindRecords:
		e.Records, err = decodeRecords(mem, &c)
		return e, err
	case kind == kindForwarded:
		return decodeForwarded(mem, &c)
	case kind != kindSeal:
		return Entry{}, newer("entry of unknown kind %d", kind)
	}
	e.SealedBy = string(c.part())
	if c.bad || len(c.b) > 0 || e.SealedBy == "" || !utf8.ValidString(e.SealedBy) {
		return Entry{}, corrupt("bad seal of %d bytes", len(src))
	}
	return e, nil
}

// decodeForwarded reads the entries of a journal that one entry holds.
func decodeForwarded(mem memory.Allocator, c *cursor) (e Entry, err error) {
	e.Journal, e.Position = string(c.part()), c.uvarint()
	n := c.count(len(c.b))
	if c.bad || n == 0 || e.Journal == "" || !utf8.ValidString(e.Journal) {
		return Entry{}, corrupt("bad head of forwarded entries")
	}
	for i := range n {
		part := cursor{b: c.part()}
		switch version, kind := part.byte(), part.byte(); {
		case version > FormatVersion:
			err = newer("entry of format %d, of which this program reads up to %d", version, FormatVersion)
		case part.bad || version == 0 || kind != kindRecords:
			err = corrupt("no records")
		}
		var records []*Record
		if err == nil {
			records, err = decodeRecords(mem, &part)
		}
		if err != nil {
			releaseAll(e.Records)
			return Entry{}, wrap(err, "forwarded entry %d of %d", i, n)
		}
		e.Records = append(e.Records, records...)
	}
	if len(c.b) > 0 {
		releaseAll(e.Records)
		return Entry{}, corrupt("%d bytes after %d forwarded entries", len(c.b), n)
	}
	return e, nil
}

// A decoder reads the records of one entry.
type decoder struct {
	*cursor
	mem  memory.Allocator
	last rowsHeader // of the rows before, shared by rows that have the same
}

func decodeRecords(mem memory.Allocator, c *cursor) ([]*Record, error) {
	d := decoder{cursor: c, mem: mem}
	n := c.count(len(c.b) / minRecordBytes)
	if c.bad || n == 0 {
		return nil, corrupt("bad number of records")
	}
	records := make([]*Record, 0, n)
	for i := range n {
		r := &Record{}
		records = append(records, r)
		if err := d.record(r); err != nil {
			releaseAll(records)
			return nil, wrap(err, "record %d of %d", i, n)
		}
	}
	if len(c.b) > 0 {
		releaseAll(records)
		return nil, corrupt("%d bytes after %d records", len(c.b), n)
	}
	return records, nil
}

// minRecordBytes is the size of a record without sections.
const minRecordBytes = 16 + 3 + 1

// record reads a record into r, which keeps what was read before an error.
func (d *decoder) record(r *Record) error {
	copy(r.ID[:], d.take(len(r.ID)))
	r.Schema = d.uvarint()
	r.Version = d.varint()
	r.Versions = d.count(math.MaxInt32)
	if d.bad || r.Versions < 1 || r.Version > math.MaxInt64-int64(r.Versions) {
		return corrupt("bad record header")
	}
	for {
		tag := d.byte()
		if d.bad {
			return corrupt("cut off")
		}
		switch tag {
		case recordEnd:
			return nil
		case recordCondition:
			if r.Condition != nil {
				return corrupt("two conditions")
			}
			r.Condition = &Condition{Seq: d.uvarint()}
		case recordPart:
			r.Parts = append(r.Parts, Part{})
			if err := d.part(&r.Parts[len(r.Parts)-1]); err != nil {
				return wrap(err, "part %d", len(r.Parts)-1)
			}
		default:
			return newer("record with unknown section %d", tag)
		}
	}
}

func (d *decoder) part(p *Part) error {
	p.Partition.Table = datum.OID(d.count(math.MaxUint32))
	p.Partition.Key = string(d.cursor.part())
	marked := false
	for {
		tag := d.byte()
		if d.bad {
			return corrupt("cut off")
		}
		switch tag {
		case partEnd:
			return p.checkMarks(marked)
		case partRows, partZstd:
			if p.Rows != nil {
				return corrupt("rows twice")
			}
			if err := d.rows(p, tag == partZstd); err != nil {
				return err
			}
		case partMarked:
			marked = true
		case partStaged:
			if p.Staged != nil {
				return corrupt("chunks twice")
			}
			if err := d.staged(p); err != nil {
				return err
			}
		default:
			return newer("part with unknown section %d", tag)
		}
	}
}

// checkMarks refuses marks of deleted rows that are none, or that an older program
// would not have noticed.
func (p *Part) checkMarks(announced bool) error {
	at := slices.Index(p.Columns, schema.RowDeletedColumn)
	switch {
	case (at >= 0) != announced:
		return corrupt("marks of deleted rows that were not announced, or are missing")
	case at >= 0 && (p.Types[at].OID != datum.Bool || p.Rows.Column(at).NullN() > 0):
		return corrupt("marks of deleted rows of type %v with %d NULLs", p.Types[at], p.Rows.Column(at).NullN())
	}
	return nil
}

// minEntryBytes is less than the size of any manifest entry.
const minEntryBytes = 32

func (d *decoder) staged(p *Part) error {
	n := d.count(len(d.b) / minEntryBytes)
	if d.bad || n == 0 {
		return corrupt("bad number of staged chunks")
	}
	p.Staged = make([]*chunk.Entry, n)
	for i := range p.Staged {
		var err error
		if p.Staged[i], d.b, err = chunk.DecodeEntry(d.b); err != nil {
			return wrap(err, "staged chunk %d of %d", i, n)
		}
	}
	return nil
}
