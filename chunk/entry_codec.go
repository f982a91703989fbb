package chunk

import (
	"encoding/binary"
	"math"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

// Versions of the entry encoding. Entries of chunks with marks (MarksIn) are of
// markedEntry, so that no program takes marks for rows. Those that have to do with history
// are of historyEntry, with Replaced and Together after the head: so that none takes rows that
// were replaced for others. Those with parts of documents are of partedEntry, and have these as
// well: so that none takes the rest for the documents.
const (
	plainEntry   = 1
	markedEntry  = 2
	historyEntry = 3
	partedEntry  = 4
)

// maxTogether bounds Entry.Together.
const maxTogether = 1 << 16

// maxEntryColumns bounds the columns of an entry; PostgreSQL allows 1,600.
const maxEntryColumns = 4096

const (
	columnMinCut = 1 << iota
	columnMaxCut
	columnHasSum // 128-bit sum
	columnHasFloat
	columnNamedCodec // the text follows; else it is that of the column before
	columnQuick
	columnPart // what it is a part of follows at the end
)

// AppendEntry appends the binary form of an entry, which is self-delimiting.
func AppendEntry(dst []byte, e *Entry) []byte {
	version := byte(plainEntry)
	if e.Marked() {
		version = markedEntry
	}
	if e.History() || len(e.Together) > 0 {
		version = historyEntry
	}
	if e.parted() {
		version = partedEntry
	}
	dst = append(dst, version, e.Version)
	dst = append(dst, e.ID[:]...)
	dst = binary.AppendVarint(dst, e.Slice)
	dst = binary.AppendUvarint(dst, uint64(e.Rows))
	dst = binary.AppendUvarint(dst, e.Schema)
	if e.Location.Segment == e.ID { // the usual case costs a byte
		dst = append(dst, 1)
	} else {
		dst = append(append(dst, 0), e.Location.Segment[:]...)
	}
	dst = binary.AppendVarint(dst, e.Location.Offset)
	dst = binary.AppendVarint(dst, int64(e.Time.Min))
	dst = binary.AppendVarint(dst, int64(e.Time.Max-e.Time.Min)) // wraps and comes back
	dst = binary.AppendUvarint(dst, uint64(e.TimeNulls))
	dst = appendBytes(dst, e.KeyMin)
	shared := 0
	for shared < len(e.KeyMin) && shared < len(e.KeyMax) && e.KeyMin[shared] == e.KeyMax[shared] {
		shared++
	}
	dst = binary.AppendUvarint(dst, uint64(shared))
	dst = appendBytes(dst, e.KeyMax[shared:])
	dst = binary.AppendUvarint(dst, e.VersionMin)
	dst = binary.AppendUvarint(dst, e.VersionMax)
	dst = binary.AppendUvarint(dst, e.From)
	if version >= historyEntry {
		dst = appendHistory(dst, e)
	}
	dst = binary.AppendUvarint(dst, uint64(len(e.Columns)))
	codec := ""
	for i := range e.Columns {
		dst = appendColumnEntry(dst, &e.Columns[i], codec)
		codec = e.Columns[i].Codec
	}
	return dst
}

func appendHistory(dst []byte, e *Entry) []byte {
	dst = binary.AppendUvarint(dst, e.Replaced)
	dst = binary.AppendUvarint(dst, uint64(len(e.Together)))
	last := uint64(0)
	for _, r := range e.Together {
		dst = binary.AppendUvarint(dst, r.First-last)
		dst = binary.AppendUvarint(dst, r.Last-r.First)
		last = r.Last
	}
	return dst
}

// history reads what appendHistory wrote.
func (r *reader) history(e *Entry) {
	e.Replaced = r.uvarint()
	last := uint64(0)
	for range r.count(min(maxTogether, len(r.b))) {
		x := VersionRange{First: last + r.uvarint()}
		x.Last = x.First + r.uvarint()
		if x.First < last || x.Last < x.First {
			r.bad = true
			return
		}
		e.Together, last = append(e.Together, x), x.Last
	}
}

func appendBytes(dst, b []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(b))), b...)
}

func appendColumnEntry(dst []byte, c *ColumnEntry, previous string) []byte {
	var flags byte
	if c.MinCut {
		flags |= columnMinCut
	}
	if c.MaxCut {
		flags |= columnMaxCut
	}
	if c.SumHi != 0 || c.SumLo != 0 {
		flags |= columnHasSum
	}
	if math.Float64bits(c.SumFloat) != 0 {
		flags |= columnHasFloat
	}
	if c.Codec != previous {
		flags |= columnNamedCodec
	}
	if c.Quick {
		flags |= columnQuick
	}
	if c.Part != nil {
		flags |= columnPart
	}
	dst = append(dst, flags)
	dst = binary.AppendUvarint(dst, uint64(c.ID))
	dst = binary.AppendUvarint(dst, uint64(c.Type.OID))
	dst = binary.AppendVarint(dst, int64(c.Type.Mod))
	dst = binary.AppendVarint(dst, c.Size)
	if flags&columnNamedCodec != 0 {
		dst = appendBytes(dst, []byte(c.Codec))
	}
	dst = binary.AppendUvarint(dst, uint64(c.Nulls))
	dst = datum.AppendValue(dst, c.Type, c.Min)
	dst = datum.AppendValue(dst, c.Type, c.Max)
	if flags&columnHasSum != 0 {
		// A small sum is sign-extended from its low half.
		dst = binary.AppendVarint(dst, int64(c.SumLo))
		dst = binary.AppendVarint(dst, c.SumHi-int64(c.SumLo)>>63)
	}
	if flags&columnHasFloat != 0 {
		dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(c.SumFloat))
	}
	dst = binary.AppendUvarint(dst, uint64(c.Distinct))
	if c.Part != nil {
		dst = c.Part.appendTo(dst)
	}
	return dst
}

// DecodeEntry reads an entry that AppendEntry wrote and returns the rest of
// src. Errors wrap ErrCorrupt.
func DecodeEntry(src []byte) (*Entry, []byte, error) {
	r := reader{b: src}
	version := r.byte()
	if version > partedEntry {
		return nil, nil, NewerFormat("manifest entry of version %d, of which this program reads up to %d", version, partedEntry)
	} else if version < plainEntry {
		return nil, nil, corrupt("manifest entry of version %d", version)
	}
	e := &Entry{Version: r.byte()}
	copy(e.ID[:], r.take(len(e.ID)))
	e.Slice = r.varint()
	e.Rows = r.count(MaxRows)
	e.Schema = r.uvarint()
	switch r.byte() {
	case 1:
		e.Location.Segment = e.ID
	case 0:
		copy(e.Location.Segment[:], r.take(len(e.ID)))
	default:
		r.bad = true
	}
	e.Location.Offset = r.varint()
	e.Time.Min = datum.Micros(r.varint())
	e.Time.Max = e.Time.Min + datum.Micros(r.varint())
	e.TimeNulls = r.count(e.Rows)
	e.KeyMin = cloned(r.part())
	shared := r.count(len(e.KeyMin))
	rest := r.part()
	if r.bad {
		return nil, nil, corrupt("manifest entry is cut off")
	}
	if shared+len(rest) > 0 {
		e.KeyMax = append(append(make([]byte, 0, shared+len(rest)), e.KeyMin[:shared]...), rest...)
	}
	e.VersionMin, e.VersionMax, e.From = r.uvarint(), r.uvarint(), r.uvarint()
	if version >= historyEntry {
		r.history(e)
	}
	columns := r.count(min(maxEntryColumns, len(r.b)))
	if r.bad || e.Rows == 0 {
		return nil, nil, corrupt("manifest entry %v: bad header", e.ID)
	}
	e.Columns = make([]ColumnEntry, columns)
	codec := ""
	for i := range e.Columns {
		if err := r.columnEntry(&e.Columns[i], e.Rows, codec); err != nil {
			return nil, nil, corrupt("manifest entry %v: column %d: %v", e.ID, i, err)
		}
		codec = e.Columns[i].Codec
	}
	return e, r.b, nil
}

func cloned(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return append([]byte(nil), b...)
}

func (r *reader) columnEntry(c *ColumnEntry, rows int, codec string) error {
	flags := r.byte()
	c.MinCut, c.MaxCut, c.Quick = flags&columnMinCut != 0, flags&columnMaxCut != 0, flags&columnQuick != 0
	c.ID = schema.ColumnID(r.count(math.MaxUint32))
	c.Type.OID = datum.OID(r.count(math.MaxUint32))
	mod := r.varint()
	c.Type.Mod = int32(mod)
	c.Size = r.varint()
	c.Codec = codec
	if flags&columnNamedCodec != 0 {
		c.Codec = string(r.part())
	}
	c.Nulls = r.count(rows)
	if r.bad || int64(c.Type.Mod) != mod || c.Size < 0 {
		return corrupt("bad header")
	}
	var err error
	for _, p := range []*datum.Value{&c.Min, &c.Max} {
		if *p, r.b, err = datum.DecodeValue(c.Type, r.b); err != nil {
			return err
		}
	}
	if flags&columnHasSum != 0 {
		lo := r.varint()
		c.SumLo = uint64(lo)
		c.SumHi = r.varint() + lo>>63
	}
	if flags&columnHasFloat != 0 {
		c.SumFloat = math.Float64frombits(r.uint64())
	}
	c.Distinct = r.count(rows)
	if flags&columnPart != 0 {
		c.Part = r.entryPart()
	}
	if r.bad {
		return corrupt("cut off")
	}
	return nil
}
